//! A real PostgreSQL in a folder of its own, on a socket only, with everything that makes it durable left on.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Keeper, folder, is_root, quoted, run};

/// A running cluster. It is stopped, and its folder removed, when it is dropped or the process ends.
#[derive(Debug)]
pub struct Postgres {
    /// Its folder, where its socket lies too.
    dir: PathBuf,
    bin: PathBuf,
    /// Its port on 127.0.0.1, if it listens there.
    pub port: Option<u16>,
    _keeper: Keeper,
}

/// The cluster that the tests of this process share. Statics are not dropped; the keeper stops it when the process ends.
static SHARED: OnceLock<Postgres> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

impl Postgres {
    /// Starts a cluster of one's own, on a socket only.
    pub fn start() -> Self {
        let new = Self::prepared(None);
        new.make();
        new.start_again();
        new
    }

    /// Starts one that listens on the loopback too: for lines that are cut, and for standbys.
    pub fn start_on_loopback() -> Self {
        let new = Self::prepared(Some(free_port()));
        new.make();
        new.start_again();
        new
    }

    fn prepared(port: Option<u16>) -> Self {
        let (dir, bin) = (folder("pg"), newest_bin());
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(&dir));
        }
        // Stopped before it is started: from here on, whatever happens, somebody stops it.
        let user = if is_root() { "runuser -u postgres --" } else { "" };
        let stop = format!("cd {} && {user} {} stop -m immediate -D data", quoted(&dir), quoted(&bin.join("pg_ctl")));
        let keeper = Keeper::new(&format!("{stop}; cd /; rm -rf {}", quoted(&dir)));
        Self { dir, bin, port, _keeper: keeper }
    }

    fn make(&self) {
        let initdb = ["-U", "bankgate", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
        run(as_postgres(&self.bin.join("initdb"), &self.dir).args(initdb).arg("-D").arg(self.dir.join("data")));
    }

    /// Starts it after `stop_hard`.
    pub fn start_again(&self) {
        let listen = match self.port {
            Some(port) => format!("-c listen_addresses=127.0.0.1 -c port={port}"),
            None => "-c listen_addresses=''".to_owned(),
        };
        let options = format!("{listen} -c unix_socket_directories={} -c max_connections=200", self.dir.display());
        let (data, log) = (self.dir.join("data"), self.dir.join("log"));
        run(as_postgres(&self.bin.join("pg_ctl"), &self.dir)
            .args(["start", "-w", "-t", "60", "-o", &options, "-D"])
            .arg(data)
            .arg("-l")
            .arg(log));
    }

    /// A copy of it as it is now, on a port of its own, not started: a standby that follows it, or a backup.
    pub fn copied(&self, is_standby: bool) -> Self {
        let new = Self::prepared(Some(free_port()));
        let from = format!("host={} port={} user=bankgate application_name=standby", self.dir.display(), self.socket_port());
        let mut copy = as_postgres(&self.bin.join("pg_basebackup"), &new.dir);
        copy.arg("-d").arg(from).args(["-X", "stream", "-c", "fast", "--no-sync", "-D"]).arg(new.dir.join("data"));
        run(if is_standby { copy.arg("-R") } else { &mut copy });
        new
    }

    /// Makes a standby the primary.
    pub fn promote(&self) {
        run(as_postgres(&self.bin.join("pg_ctl"), &self.dir).args(["promote", "-w", "-t", "60", "-D"]).arg(self.dir.join("data")));
    }

    /// Stops it as a power failure does: nobody is asked, nothing is written.
    pub fn stop_hard(&self) {
        run(as_postgres(&self.bin.join("pg_ctl"), &self.dir).args(["stop", "-m", "immediate", "-D"]).arg(self.dir.join("data")));
    }

    /// The cluster of this process, started by whoever comes first.
    pub fn shared() -> &'static Self {
        SHARED.get_or_init(Self::start)
    }

    /// The cluster's first database, for sqlx.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// A new, empty database whose name begins like this; its URL.
    pub fn fresh_database(&self, name: &str) -> String {
        let name = format!("{name}_{}", DATABASES.fetch_add(1, Ordering::SeqCst));
        run(Command::new(self.bin.join("createdb")).arg("-h").arg(&self.dir).args([
            "-p",
            &self.socket_port().to_string(),
            "-U",
            "bankgate",
            &name,
        ]));
        self.url_of(&name)
    }

    /// Runs SQL by psql and gives what it printed, unadorned.
    pub fn psql(&self, url: &str, sql: &str) -> String {
        self.try_psql(url, sql).unwrap_or_else(|said| panic!("{sql}: {said}"))
    }

    /// Waits until nobody else is connected to this database.
    pub fn until_alone(&self, url: &str) {
        let others = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() \
                      and backend_type = 'client backend'";
        super::until("everybody to leave", || (self.psql(url, others).trim() == "0").then_some(()));
    }

    /// The same for SQL that may be refused; then what it was refused with.
    pub fn try_psql(&self, url: &str, sql: &str) -> Result<String, String> {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql]);
        let output = psql.stdin(std::process::Stdio::null()).output().unwrap();
        let [said, refused] = [output.stdout, output.stderr].map(|b| String::from_utf8(b).unwrap());
        if output.status.success() { Ok(said) } else { Err(refused) }
    }

    /// A database's address, for sqlx and psql.
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://bankgate@localhost:{}/{database}?host={}", self.socket_port(), self.dir.display())
    }

    fn socket_port(&self) -> u16 {
        self.port.unwrap_or(5432)
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// It refuses to run as root.
fn as_postgres(program: &Path, dir: &Path) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    // Wherever the tests were started may be closed to that user.
    command.current_dir(dir);
    command
}

fn newest_bin() -> PathBuf {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .expect("PostgreSQL is installed (tests/run does it)")
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            path.join("bin/initdb").exists().then(|| (version, path.join("bin")))
        })
        .collect();
    found.sort();
    found.pop().expect("initdb under /usr/lib/postgresql").1
}
