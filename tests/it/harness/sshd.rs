//! A real OpenSSH sshd on a free port of the loopback, with keys of its own.
//!
//! Under root the account is `nobody`, so that permissions mean something; else it is whoever runs the tests.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bankgate::transport::{Auth, Kept, SftpEndpoint, Timeouts, Transport};

use super::{Keeper, folder, is_root, quoted, run, until};

/// Where Debian and most others have it.
const SSHD: &str = "/usr/sbin/sshd";

/// A running server.
#[derive(Debug)]
pub struct Sshd {
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// Its key, as a bank would tell it.
    pub host_key_line: String,
    /// A private key that it lets in.
    pub client_key_pem: String,
    /// The account's login directory, as this machine sees it.
    pub root: PathBuf,
    /// The account.
    pub user: String,
    dir: PathBuf,
    server: Child,
    /// Replaced with the server.
    keeper: Option<Keeper>,
    extra: String,
}

impl Sshd {
    /// Starts one with an ed25519 host key.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// Starts one whose answers can be told to be errors, by `errs`.
    pub fn start_erring() -> Self {
        let sshd = Self::start_with("ForceCommand python3 {dir}/sftp_faults.py {dir}/faults {root} /usr/lib/openssh/sftp-server");
        sshd.errs("");
        sshd
    }

    /// From here on some requests are answered so; `sftp_faults.py` has the words.
    pub fn errs(&self, rules: &str) {
        // Whole or not at all: it is read at every request.
        std::fs::write(self.dir.join("faults.new"), rules).unwrap();
        std::fs::rename(self.dir.join("faults.new"), self.dir.join("faults")).unwrap();
    }

    /// Starts one with more lines for its configuration, of which the first of a kind counts.
    pub fn start_with(extra: &str) -> Self {
        let dir = folder("sshd");
        std::fs::write(dir.join("sftp_faults.py"), include_str!("sftp_faults.py")).unwrap();
        let root = dir.join("home");
        std::fs::create_dir(&root).unwrap();
        // A command of ours is run by the account's shell, and `nobody` has none.
        let is_nobody = is_root() && !extra.contains("ForceCommand");
        let user = if is_nobody { "nobody".to_owned() } else { run(Command::new("id").arg("-un")).trim().to_owned() };
        if is_root() {
            // Its place for separating privileges; a package makes it only when it starts the service.
            std::fs::create_dir_all("/run/sshd").unwrap();
            run(Command::new("chown").arg(&user).arg(&root));
        }
        keygen(&dir.join("client_key"), "ed25519", "");
        std::fs::copy(dir.join("client_key.pub"), dir.join("authorized_keys")).unwrap();
        keygen(&dir.join("host_key"), "ed25519", "");
        let (port, server) = launch(&dir, &root, extra, None);
        Self {
            port,
            host_key_line: key_line(&dir.join("host_key.pub")),
            client_key_pem: std::fs::read_to_string(dir.join("client_key")).unwrap(),
            keeper: Some(keep(&server, &dir)),
            root,
            user,
            dir,
            server,
            extra: extra.to_owned(),
        }
    }

    /// The way to it, with its key pinned, short time-outs, and a login for each use.
    pub fn endpoint(&self) -> SftpEndpoint {
        SftpEndpoint {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            user: self.user.clone(),
            auth: Auth::Key { private_key_pem: self.client_key_pem.clone().into(), passphrase: None },
            host_keys: vec![self.host_key_line.parse().unwrap()],
            timeouts: Timeouts {
                io: Duration::from_secs(10),
                disconnect: Duration::from_secs(1),
                keep: Duration::ZERO,
                ..Timeouts::default()
            },
            kept: Kept::default(),
        }
    }

    /// The same, as a transport.
    pub fn transport(&self) -> Transport {
        Transport::Sftp(self.endpoint())
    }

    /// Lets in one more key of this type and passphrase, and gives its private half.
    pub fn authorize(&self, kind: &str, passphrase: &str) -> String {
        use std::io::Write as _;
        let path = self.dir.join(format!("client_{kind}_{}", passphrase.len()));
        keygen(&path, kind, passphrase);
        let line = std::fs::read_to_string(path.with_extension("pub")).unwrap();
        std::fs::OpenOptions::new().append(true).open(self.dir.join("authorized_keys")).unwrap().write_all(line.as_bytes()).unwrap();
        std::fs::read_to_string(path).unwrap()
    }

    /// The bank changes its key, and its server comes back on the same port with the new one.
    pub fn restart_with_new_host_key(&mut self) {
        self.stop();
        std::fs::remove_file(self.dir.join("host_key")).unwrap();
        keygen(&self.dir.join("host_key"), "ed25519", "");
        self.host_key_line = key_line(&self.dir.join("host_key.pub"));
        let (_, server) = launch(&self.dir, &self.root, &self.extra, Some(self.port));
        self.keeper = Some(keep(&server, &self.dir));
        self.server = server;
    }

    /// Kills all sessions, and leaves the server.
    pub fn kill_sessions(&self) {
        for pid in descendants(self.server.id()) {
            kill(pid);
        }
        until("the sessions to end", || descendants(self.server.id()).is_empty().then_some(()));
    }

    /// How often somebody was let in.
    pub fn logins(&self) -> usize {
        std::fs::read_to_string(self.dir.join("log")).unwrap().matches("Accepted publickey").count()
    }

    /// How many processes serve sessions.
    pub fn sessions(&self) -> usize {
        descendants(self.server.id()).len()
    }

    fn stop(&mut self) {
        for pid in descendants(self.server.id()) {
            kill(pid);
        }
        // First, lest it kill whoever has the number next.
        if let Some(keeper) = self.keeper.take() {
            keeper.dismiss();
        }
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
        std::fs::remove_dir_all(&self.dir).unwrap();
    }
}

/// Makes a key pair. An empty passphrase leaves the private key in the clear.
pub fn keygen(path: &Path, kind: &str, passphrase: &str) {
    run(Command::new("ssh-keygen").args(["-q", "-C", "test", "-t", kind, "-N", passphrase, "-f"]).arg(path));
}

/// A public key without its comment.
pub fn key_line(path: &Path) -> String {
    let line = std::fs::read_to_string(path).unwrap();
    line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

fn launch(dir: &Path, root: &Path, extra: &str, port: Option<u16>) -> (u16, Child) {
    // Newer servers shut out an address after some failed logins, which is what tests make; older ones do not know the word.
    let penalties = if accepts(dir, "PerSourcePenalties no\n") { "PerSourcePenalties no\n" } else { "" };
    for _ in 0..10 {
        let port = port.unwrap_or_else(|| TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
        let config = dir.join("sshd_config");
        let extra = extra.replace("{dir}", &dir.display().to_string()).replace("{root}", &root.display().to_string());
        let text = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {dir}/host_key\nAuthorizedKeysFile {dir}/authorized_keys\n\
             PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin yes\nMaxStartups 100\nUseDNS no\nLogLevel VERBOSE\n{penalties}{extra}\n\
             Subsystem sftp internal-sftp\nForceCommand internal-sftp -d {root}\n",
            dir = dir.display(),
            root = root.display(),
        );
        std::fs::write(&config, text).unwrap();
        let log = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("log")).unwrap();
        let mut server = Command::new(SSHD)
            .arg("-D")
            .arg("-e")
            .arg("-f")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let is_up = until("sshd to listen", || match (TcpStream::connect(("127.0.0.1", port)), server.try_wait().unwrap()) {
            (_, Some(_)) => Some(false),
            (Ok(_), None) => Some(true),
            (Err(_), None) => None,
        });
        if is_up {
            return (port, server);
        }
        // Somebody took the port between our look and its start.
    }
    panic!("sshd does not start: {}", std::fs::read_to_string(dir.join("log")).unwrap());
}

fn accepts(dir: &Path, line: &str) -> bool {
    let config = dir.join("trial_config");
    std::fs::write(&config, format!("HostKey {}/host_key\n{line}", dir.display())).unwrap();
    Command::new(SSHD).arg("-t").arg("-f").arg(config).stderr(Stdio::null()).status().unwrap().success()
}

/// Should this process die, somebody stops the server and sweeps.
fn keep(server: &Child, dir: &Path) -> Keeper {
    Keeper::new(&format!("kill -9 {}; rm -rf {}", server.id(), quoted(dir)))
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    // It may be gone already.
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

/// Children and theirs, from /proc.
fn descendants(of: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let mut after_name = stat.rsplit_once(')')?.1.split_whitespace();
            let is_zombie = after_name.next()? == "Z";
            (!is_zombie).then_some(())?;
            Some((pid, after_name.next()?.parse().ok()?))
        })
        .collect();
    let mut found = vec![of];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(1)
}
