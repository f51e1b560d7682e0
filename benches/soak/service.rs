//! The daemon in a process of its own: it is told until when to go on, and says when it is there.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use bankgate::clock::Clock;
use bankgate::config::Config;
use bankgate::daemon::assemble::assemble;
use bankgate::daemon::{self, Wake};
use bankgate::domain::time::Timestamp;
use tokio_util::sync::CancellationToken;

/// The daemon's loop; one line in: an instant; one line out: it is reached.
pub async fn serve(config: &Path, from: i64) {
    let clock = Clock::stepped(Timestamp::from_millis(from));
    // While this one does not wait, no time passes.
    let outside = clock.participant();
    let gateway = Arc::new(assemble(Config::load(config).unwrap()).await.unwrap());
    let (wake, stop) = (Wake::default(), CancellationToken::new());
    let service = {
        let (clock, wake, stop) = (clock.clone(), wake.clone(), stop.clone());
        tokio::spawn(async move { daemon::serve(gateway, &clock, &wake, &stop).await })
    };
    let told = || tokio::task::spawn_blocking(|| std::io::stdin().lines().next().map(Result::unwrap));
    while let Some(until) = told().await.unwrap() {
        // As the database and the banks' folders would.
        wake.all();
        wake.look();
        outside.sleep_until(Timestamp::from_millis(until.parse().unwrap())).await;
        println!("{until}");
    }
    stop.cancel();
    service.await.unwrap().unwrap();
}

/// The daemon's process, from outside.
pub struct Service {
    child: Child,
    tell: Option<ChildStdin>,
    told: BufReader<ChildStdout>,
}

impl Service {
    /// Starts it at an instant.
    pub fn start(config: &Path, from: Timestamp) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--serve-from", &from.millis().to_string(), "--config"])
            .arg(config)
            .envs(bankgate::cli::ALLOCATOR)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, told) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, tell, told }
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets it go on until an instant.
    pub fn go_on(&mut self, until: Timestamp) {
        writeln!(self.tell.as_mut().unwrap(), "{}", until.millis()).unwrap();
    }

    /// Waits until it is there.
    pub fn arrive(&mut self, until: Timestamp) {
        let mut line = String::new();
        self.told.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), until.millis().to_string(), "the daemon ended");
    }

    /// Lets it end.
    pub fn end(mut self) {
        drop(self.tell.take());
        assert!(self.child.wait().unwrap().success());
    }
}
