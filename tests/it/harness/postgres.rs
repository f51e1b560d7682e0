//! A real PostgreSQL in a folder of its own, on a socket only, with everything that makes it durable left on.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Keeper, folder, is_root, quoted, run};

/// A running cluster. It is stopped, and its folder removed, when it is dropped or the process ends.
#[derive(Debug)]
pub struct Postgres {
    /// Where its socket lies.
    socket: PathBuf,
    bin: PathBuf,
    _keeper: Keeper,
}

/// The cluster that the tests of this process share. Statics are not dropped; the keeper stops it when the process ends.
static SHARED: OnceLock<Postgres> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

impl Postgres {
    /// Starts a cluster of one's own.
    pub fn start() -> Self {
        let (dir, bin) = (folder("pg"), newest_bin());
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(&dir));
        }
        let (data, log) = (dir.join("data"), dir.join("log"));
        let initdb = ["-U", "bankgate", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
        run(as_postgres(&bin.join("initdb"), &dir).args(initdb).arg("-D").arg(&data));
        // Stopped before it is started: from here on, whatever happens, somebody stops it.
        let user = if is_root() { "runuser -u postgres --" } else { "" };
        let stop = format!("cd {} && {user} {} stop -m immediate -D data", quoted(&dir), quoted(&bin.join("pg_ctl")));
        let keeper = Keeper::new(&format!("{stop}; cd /; rm -rf {}", quoted(&dir)));
        let options = format!("-c listen_addresses='' -c unix_socket_directories={} -c max_connections=200", dir.display());
        run(as_postgres(&bin.join("pg_ctl"), &dir).args(["start", "-w", "-t", "60", "-o", &options, "-D"]).arg(&data).arg("-l").arg(&log));
        Self { socket: dir, bin, _keeper: keeper }
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
        run(Command::new(self.bin.join("createdb")).arg("-h").arg(&self.socket).args(["-U", "bankgate", &name]));
        self.url_of(&name)
    }

    /// Runs SQL by psql and gives what it printed, unadorned.
    pub fn psql(&self, url: &str, sql: &str) -> String {
        self.try_psql(url, sql).unwrap_or_else(|said| panic!("{sql}: {said}"))
    }

    /// The same for SQL that may be refused; then what it was refused with.
    pub fn try_psql(&self, url: &str, sql: &str) -> Result<String, String> {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql]);
        let output = psql.stdin(std::process::Stdio::null()).output().unwrap();
        let [said, refused] = [output.stdout, output.stderr].map(|b| String::from_utf8(b).unwrap());
        if output.status.success() { Ok(said) } else { Err(refused) }
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://bankgate@localhost/{database}?host={}", self.socket.display())
    }
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
