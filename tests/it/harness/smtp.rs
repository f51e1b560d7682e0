//! A real relay: Python's aiosmtpd in a virtual environment below `target/`, with a certificate by the openssl command.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use bankgate::mail::{Security, SmtpSettings};
use secrecy::SecretString;
use tempfile::TempDir;

/// The login that the relay knows.
pub const USER: &str = "bankgate";
/// Its password.
pub const PASSWORD: &str = "correct horse battery staple";

/// A running relay; it ends with this value.
pub struct Relay {
    child: Child,
    dir: TempDir,
    port: u16,
}

/// A letter that the relay took.
pub struct Taken {
    pub eml: Vec<u8>,
    pub facts: serde_json::Value,
}

impl Relay {
    /// A relay with STARTTLS and a login.
    pub fn start() -> Self {
        Self::start_with(true)
    }

    /// A relay that has never heard of encryption.
    pub fn start_plain() -> Self {
        Self::start_with(false)
    }

    fn start_with(starttls: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        authority(dir.path());
        certificate(dir.path());
        let file = |name: &str| dir.path().join(name);
        let mut child = Command::new(python())
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/harness/smtp_server.py"))
            .args([dir.path(), &file("relay.pem"), &file("relay.key")])
            .args([USER, PASSWORD, if starttls { "yes" } else { "no" }])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let port = first.trim().parse().expect("the relay prints its port");
        Self { child, dir, port }
    }

    /// Settings that reach this relay: encrypted, logged in, its authority trusted.
    pub fn settings(&self) -> SmtpSettings {
        SmtpSettings {
            host: "localhost".to_owned(),
            port: self.port,
            security: Security::StartTls,
            user: Some(USER.to_owned()),
            password: Some(SecretString::from(PASSWORD.to_owned())),
            timeout: Duration::from_secs(20),
            timeout_letter: Duration::from_secs(20),
            ca_pem: Some(fs::read_to_string(self.dir.path().join("ca.pem")).unwrap()),
            hello: Some("bankgate.test".to_owned()),
        }
    }

    /// What it took so far, in order.
    pub fn taken(&self) -> Vec<Taken> {
        let read = |n: u32, ending: &str| fs::read(self.dir.path().join(format!("{n}.{ending}"))).ok();
        let both = |n| Some(Taken { eml: read(n, "eml")?, facts: serde_json::from_slice(&read(n, "json")?).unwrap() });
        (1..).map_while(both).collect()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The root certificate, in PEM, of an authority that no relay of ours belongs to.
pub fn stranger() -> String {
    let dir = tempfile::tempdir().unwrap();
    authority(dir.path());
    fs::read_to_string(dir.path().join("ca.pem")).unwrap()
}

fn authority(dir: &Path) {
    let key = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    let rest = ["-subj", "/CN=bankgate test authority", "-keyout", "ca.key", "-out", "ca.pem"];
    run(Command::new("openssl").current_dir(dir).args(key).args(rest));
}

fn certificate(dir: &Path) {
    fs::write(dir.join("ext"), "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n").unwrap();
    let key = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost"];
    run(Command::new("openssl").current_dir(dir).args(key).args(["-keyout", "relay.key", "-out", "relay.csr"]));
    let sign = ["x509", "-req", "-in", "relay.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"];
    run(Command::new("openssl").current_dir(dir).args(sign).args(["-extfile", "ext", "-out", "relay.pem"]));
}

/// The interpreter that has aiosmtpd; made on first use where `tests/run` has not made it.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-venv");
        let python = venv.join("bin/python");
        if !venv.join("bin/aiosmtpd").exists() {
            run(Command::new("python3").args(["-m", "venv"]).arg(&venv));
            run(Command::new(&python).args(["-m", "pip", "install", "-q", "aiosmtpd", "cryptography"]));
        }
        python
    })
}

/// Runs a helper to its end, and stops the test with its words if it fails.
pub fn run(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}
