//! Real servers for tests, each with its own folder and port, stopped and swept away whatever ends the test.

/// A real relay with STARTTLS and login.
pub mod smtp;

/// The day of tests whose daemon keeps the real time.
pub mod day;
/// A disk that can be filled.
pub mod disk;
/// PostgreSQL of our own.
pub mod postgres;
/// A TCP proxy that cuts, holds and slows.
pub mod proxy;
/// OpenSSH's sshd of our own.
pub mod sshd;

use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use bankgate::clock::Stopwatch;

/// Stops a server and removes its folder when dropped, and also when this process ends in any other way: a shell
/// waits for the end of its input, which comes with the end of whoever holds the other end of the pipe.
#[derive(Debug)]
pub struct Keeper {
    shell: Child,
    input: Option<ChildStdin>,
}

impl Keeper {
    /// Runs `stop` (shell text) at the end.
    pub fn new(stop: &str) -> Self {
        use std::os::unix::process::CommandExt as _;
        let script = format!("trap '' HUP INT TERM; read -r _; {{ {stop}; }} >/dev/null 2>&1");
        let mut command = Command::new("sh");
        // A group of its own: who kills the tests' group does not kill this.
        command.arg("-c").arg(script).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut shell = command.spawn().unwrap();
        let input = shell.stdin.take();
        Self { shell, input }
    }

    /// Lets it go without doing anything.
    pub fn dismiss(mut self) {
        self.shell.kill().unwrap();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.input.take());
        self.shell.wait().unwrap();
    }
}

/// Runs a command to its end, and stops the test with all it said if it failed.
pub fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    said
}

/// Asks until the answer is there, for at most two minutes: a limit for what hangs, and no measure of speed.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let watch = Stopwatch::start();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(watch.elapsed() < Duration::from_secs(120), "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether we run as root: servers then run under users of less power.
pub fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

/// A folder of one's own that other users may pass through. Removed by the server's keeper.
pub fn folder(kind: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::Builder::new().prefix(&format!("bankgate-{kind}-")).tempdir().unwrap().keep();
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

/// A path as the shell reads it.
pub fn quoted(path: &Path) -> String {
    format!("'{}'", path.display())
}

/// A figure, for whoever runs the tests with `--nocapture`.
#[expect(clippy::print_stdout, reason = "what a long test has done is for people to read")]
pub fn say(what: &str) {
    println!("{what}");
}

/// Says that a test could not be made here, and why. Written past the capture of tests' output: it must be seen.
pub fn skip(why: &str) {
    use std::io::Write as _;
    std::io::stderr().write_all(format!("SKIPPED: {why}\n").as_bytes()).unwrap();
}
