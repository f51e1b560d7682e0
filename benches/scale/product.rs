//! The product's own passes over the city, in a process of their own: what the daemon would do, without its pauses.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use bankgate::clock::{Since, Stopwatch};
use bankgate::config::Config;
use bankgate::daemon::assemble::assemble;
use bankgate::domain::file::FileOutState;
use bankgate::domain::time::Timestamp;
use bankgate::passes::{
    Done, Gateway, PassError, admit, apply, chase, close, collect, enquire, expect, plan, publish, reconcile, remedy, report, seal, stage,
};

use crate::city::{BANK, at};
use crate::cpu;

/// One pass, run until nothing is left for it.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Timed {
    /// The pass.
    pub stage: String,
    /// How long it took.
    pub micros: u64,
    /// The most memory that the process ever held by then, in KiB.
    pub peak_kib: u64,
    /// Processor time in milliseconds: the product's own, its database server's, the bank's server's.
    pub cpu_millis: [u64; 3],
}

impl Timed {
    /// How long it took.
    pub const fn time(&self) -> Duration {
        Duration::from_micros(self.micros)
    }
}

/// Runs a leg in a process of its own and reads what it says. The servers are the database's and the bank's.
pub fn run_leg(leg: &str, config: &Path, servers: [u32; 2]) -> Vec<Timed> {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--leg", leg, "--servers", &format!("{},{}", servers[0], servers[1]), "--config"])
        .arg(config)
        .envs(bankgate::cli::ALLOCATOR)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "leg {leg}: {}", output.status);
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"))).collect()
}

/// A leg of the way; one line of JSON a stage.
pub async fn leg(leg: &str, config: &Path, servers: &[u32]) {
    let gateway = assemble(Config::load(config).unwrap()).await.unwrap();
    let g = &gateway;
    let timed = Timer { own: [std::process::id(), servers[0]], bank: servers[1] };
    match leg {
        "out" => {
            let now = at("2019-03-14", "10:00:00");
            timed.run("admit", || admit::admit(g, now)).await;
            timed.run("plan", || plan::plan(g, BANK, now)).await;
            timed.run("seal", || seal::seal(g, BANK, now)).await;
            timed.run("publish", || publish_all(g, now)).await;
            must_be(g, FileOutState::Sent).await;
        }
        "in" => {
            let now = at("2019-03-15", "10:00:00");
            timed.run("collect", || collect::collect(g, BANK, now)).await;
            timed.run("stage", || stage::stage(g, now)).await;
            timed.run("apply", || apply::apply(g, now)).await;
            must_be(g, FileOutState::Answered).await;
            timed.run("remedy", || remedy::remedy(g, now)).await;
            timed.run("report", || report::report(g, now)).await;
        }
        "after" => {
            // Size and time of a statement must be seen twice.
            let morning = at("2019-03-16", "08:00:00");
            collect::collect(g, BANK, morning).await.unwrap();
            let now = morning.plus_minutes(5);
            timed.run("collect statement", || collect::collect(g, BANK, now)).await;
            timed.run("stage statement", || stage::stage(g, now)).await;
            timed.run("reconcile", || reconcile::reconcile(g, now)).await;
            timed.run("look at what is due", || due(g, now)).await;
            let evening = at("2019-03-20", "17:30:00");
            timed.run("close the month", || close::close(g, evening)).await;
        }
        other => panic!("no leg {other}"),
    }
}

async fn publish_all(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let mut tx = gateway.store.begin().await?;
    let clock = gateway.store.database_time(&mut tx).await?;
    let lease = tx.take_lease(BANK, &gateway.holder, 3_600_000, clock).await?.expect("nobody else is here");
    tx.commit().await?;
    publish::publish(gateway, BANK, &lease, now, Since::Still).await
}

/// The passes of an idle desk.
async fn due(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let mut done = chase::chase(gateway, now).await?;
    done += expect::expect(gateway, now).await?;
    done += enquire::ask_due(gateway, now).await?;
    done += stage::stage(gateway, now).await?;
    done += apply::apply(gateway, now).await?;
    Ok(done)
}

/// Whose time is taken.
struct Timer {
    /// The product's process, and its database server's first.
    own: [u32; 2],
    /// The bank's server's first.
    bank: u32,
}

impl Timer {
    async fn run<F: Future<Output = Result<Done, PassError>>>(&self, stage: &str, mut pass: impl FnMut() -> F) {
        let (before, bank) = (self.own.map(cpu::millis_of), cpu::Sampler::start(self.bank));
        let watch = Stopwatch::start();
        while pass().await.unwrap_or_else(|e| panic!("{stage}: {e}")).changed > 0 {}
        let micros = u64::try_from(watch.elapsed().as_micros()).unwrap();
        let after = self.own.map(cpu::millis_of);
        let [product, database] = std::array::from_fn(|at| after[at].saturating_sub(before[at]));
        let cpu_millis = [product, database, bank.end()];
        let timed = Timed { stage: stage.to_owned(), micros, peak_kib: peak_kib(), cpu_millis };
        println!("{}", serde_json::to_string(&timed).unwrap());
    }
}

/// A leg that did nothing would be a fast one.
async fn must_be(gateway: &Gateway, state: FileOutState) {
    use FileOutState::{Accepted, Answered, Doubt, Held, Planned, Publishing, Sealed, Sent, Uploading};
    let mut tx = gateway.store.read().await.unwrap();
    let all = tx.files_in(BANK, &[Planned, Sealed, Uploading, Publishing, Sent, Accepted, Answered, Held, Doubt]).await.unwrap();
    assert!(!all.is_empty() && all.iter().all(|f| f.state == state), "not every file is {}", state.code());
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
