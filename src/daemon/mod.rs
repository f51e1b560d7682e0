//! Door: the loop over the passes. Timers, notices and signals only wake it; rows decide. One task serves the desk
//! (gate, answers, remedies, mail), one each bank's edge, so that a slow bank slows no other.

/// From settings to a gateway.
pub mod assemble;
/// What people ask about cases and corrections.
pub mod cases;
/// What people ask about refunds.
pub mod refunds;
/// The daemon as a service.
pub mod run;
/// Commands that decide come in here.
pub mod socket;
/// What people ask about stuck rows.
pub mod stuck;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Participant, Since, Stopwatch};
use crate::domain::language::Words;
use crate::domain::time::Timestamp;
use crate::passes::{
    Done, Gateway, PassError, admit, apply, cases as cases_pass, chase, close, collect, deliver, enquire, evidence, expect, guard, plan,
    publication, publish, reconcile, remedy, report, seal, stage, sweep,
};
use crate::store::StoreError;
use crate::store::desk::NewIncident;
use crate::store::outbound::{BankRow, Lease};
use crate::transport::TransportError;

/// The first pause after trouble at a bank's edge, doubled at each further one.
const PAUSE_MILLIS: i64 = 30_000;
/// The longest pause.
const PAUSE_MAX_MILLIS: i64 = 30 * 60_000;
/// The kind of incident that a pass has which failed.
const FAILED: &str = "pass_failed";
/// When to try again behind trouble with one file or folder: at any time. By it such trouble is told from what the others wait for.
const NO_PAUSE: Timestamp = Timestamp::from_millis(0);
/// Transient trouble is told after so many failures in a row.
const FAILURES_TOLD: i64 = 3;
/// How long until it is tried again to tell what is told at the start.
const TELL_AGAIN: Duration = Duration::from_secs(15);

/// What wakes the tasks before their timer, and shows that they turn.
#[derive(Clone, Debug, Default)]
pub struct Wake {
    /// Rounds that the desk began.
    beats: Arc<AtomicU64>,
    /// The desk is in the middle of a round.
    working: Arc<AtomicBool>,
    /// How often a bank's folder changed: look now, not at the next rescan.
    looks: Arc<AtomicU64>,
    desk: Arc<Notify>,
    edges: Arc<Notify>,
    post: Arc<Notify>,
}

impl Wake {
    /// Something changed in the database.
    pub fn all(&self) {
        self.desk.notify_one();
        self.edges.notify_waiters();
    }

    /// The desk's bell, for whoever changes rows on behalf of people.
    #[must_use]
    pub fn bell(&self) -> Arc<Notify> {
        Arc::clone(&self.desk)
    }

    /// A bank's folder changed.
    pub fn look(&self) {
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.edges.notify_waiters();
    }

    /// How many rounds the desk began.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    /// Whether the desk is in the middle of a round.
    #[must_use]
    pub fn is_working(&self) -> bool {
        self.working.load(Ordering::Relaxed)
    }
}

/// Serves until told to stop. Everything it holds may be dropped at any point: the next start goes on from the rows.
///
/// # Errors
/// The banks cannot be read at the start.
pub async fn serve(gateway: Arc<Gateway>, clock: &Clock, wake: &Wake, stop: &CancellationToken) -> Result<(), PassError> {
    // Everybody takes part before the first wait: a stepped clock would run ahead of whoever comes late.
    let desk = Desk { gateway: Arc::clone(&gateway), clock: clock.participant(), wake: wake.clone() };
    let post = Post { gateway: Arc::clone(&gateway), clock: clock.participant(), wake: wake.clone() };
    let edges: Vec<EdgeTask> = gateway
        .edges
        .keys()
        .map(|bank| EdgeTask {
            gateway: Arc::clone(&gateway),
            bank: bank.clone(),
            clock: clock.participant(),
            wake: wake.clone(),
            collected: None,
            hints: 0,
        })
        .collect();
    // Before anything is planned on the word of a database that may have forgotten.
    guard::at_the_start(&gateway, clock.now()).await?;
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(until(stop.clone(), desk.run()));
    tasks.spawn(until(stop.clone(), post.run()));
    for edge in edges {
        tasks.spawn(until(stop.clone(), edge.run()));
    }
    tasks.spawn(until(stop.clone(), tell_at_last(Arc::clone(&gateway), clock.now())));
    while let Some(ended) = tasks.join_next().await {
        if let Err(e) = ended {
            stop.cancel();
            return Err(PassError::Broken(format!("a task of the daemon ended: {e}")));
        }
    }
    let mut tx = gateway.store.begin().await?;
    tx.drop_leases(&gateway.holder).await?;
    tx.commit().await?;
    guard::at_the_end(&gateway).await
}

/// Until it is told: a database that is away for a moment ends nothing here.
async fn tell_at_last(gateway: Arc<Gateway>, now: Timestamp) {
    while let Err(e) = tell_of_banks_without_mailbox(&gateway, now).await {
        tracing::warn!(error = %e, "not told yet which banks have no mailbox");
        tokio::time::sleep(TELL_AGAIN).await;
    }
}

/// A bank that agreements name and the settings do not would wait in silence: nobody visits its edge.
async fn tell_of_banks_without_mailbox(gateway: &Gateway, now: Timestamp) -> Result<(), PassError> {
    let mut tx = gateway.store.read().await?;
    let mut silent = Vec::new();
    for bank in tx.banks().await?.into_iter().filter(|b| b.mode != "paused" && !gateway.edges.contains_key(&b.code)) {
        if !tx.profiles_of(&bank.code).await?.is_empty() {
            silent.push(bank);
        }
    }
    drop(tx);
    for bank in silent {
        let what = gateway.say(Words::new(
            format!("银行{}（{}）有代发协议，但本机配置中没有它的文件通道，发给它的批次不会送出", bank.code, bank.name),
            format!("bank {} ({}) has agreements and no mailbox in the settings: its batches go nowhere", bank.code, bank.name),
        ));
        let next_step = gateway.say(Words::new(
            format!("请在配置中加入 [[bank]] code = \"{}\"，或将该银行设为 paused", bank.code),
            format!("add [[bank]] code = \"{}\" to the settings, or set the bank to paused", bank.code),
        ));
        let key = format!("no_mailbox:{}", bank.code);
        gateway.tell(&NewIncident { key: &key, kind: "no_mailbox", bank: &bank.code, what: &what, next_step: &next_step }, now).await?;
    }
    for bank in gateway.edges.keys() {
        gateway.settle(&format!("no_mailbox:{bank}"), now).await?;
    }
    Ok(())
}

async fn until(stop: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = work => {}
    }
}

/// One round of every pass, for `bankgate tick`.
///
/// # Errors
/// The first pass that failed. A bank's trouble keeps neither the other banks nor the desk; a failure at the desk keeps those behind it.
pub async fn round(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let since = Since::Real(Stopwatch::start());
    let mut done = admit::admit(gateway, now).await?;
    let mut trouble = None;
    for bank in gateway.edges.keys() {
        let pass = edge_name(bank);
        match edge_round(gateway, bank, true, (now, since)).await {
            Ok(more) => {
                over(gateway, &[&pass], now).await;
                done += more;
            }
            Err(e) => {
                tell(gateway, &pass, &e, now).await;
                trouble.get_or_insert(e);
            }
        }
    }
    done += desk_round(gateway, now).await?;
    trouble.map_or(Ok(done), Err)
}

fn edge_name(bank: &str) -> String {
    format!("edge:{bank}")
}

async fn desk_round(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let mut done = Done::default();
    for pass in DeskPass::ALL.into_iter().filter(|pass| *pass != DeskPass::Admit) {
        done += pass.run(gateway, now).await?;
    }
    done += deliver::deliver(gateway, now).await?;
    Ok(done)
}

/// What the desk does, in the order of a round. Any order comes to the same end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeskPass {
    /// See [`guard`]: also by a node that has nothing to send, for only its journal knows what it sent.
    Remember,
    /// See [`admit`].
    Admit,
    /// See [`stage`].
    Stage,
    /// See [`apply`].
    Apply,
    /// See [`reconcile`].
    Reconcile,
    /// See [`remedy`].
    Remedy,
    /// See [`chase`].
    Chase,
    /// See [`close`].
    Close,
    /// See [`publication`].
    Publication,
    /// See [`expect`].
    Expect,
    /// See [`cases`](cases_pass).
    Cases,
    /// See [`evidence`].
    Audit,
    /// See [`report`].
    Report,
}

impl DeskPass {
    /// All of them, in order.
    pub const ALL: [Self; 13] = [
        Self::Remember,
        Self::Admit,
        Self::Stage,
        Self::Apply,
        Self::Reconcile,
        Self::Remedy,
        Self::Chase,
        Self::Close,
        Self::Publication,
        Self::Expect,
        Self::Cases,
        Self::Audit,
        Self::Report,
    ];

    /// Its name in logs and incidents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Remember => "remember",
            Self::Admit => "admit",
            Self::Stage => "stage",
            Self::Apply => "apply",
            Self::Reconcile => "reconcile",
            Self::Remedy => "remedy",
            Self::Chase => "chase",
            Self::Close => "close",
            Self::Publication => "publication",
            Self::Expect => "expect",
            Self::Cases => "cases",
            Self::Audit => "audit",
            Self::Report => "report",
        }
    }

    /// Runs it once.
    ///
    /// # Errors
    /// The pass's own.
    pub async fn run(self, g: &Gateway, now: Timestamp) -> Result<Done, PassError> {
        match self {
            Self::Remember => guard::look(g, now).await,
            Self::Admit => admit::admit(g, now).await,
            Self::Stage => stage::stage(g, now).await,
            Self::Apply => apply::apply(g, now).await,
            Self::Reconcile => reconcile::reconcile(g, now).await,
            Self::Remedy => remedy::remedy(g, now).await,
            Self::Chase => chase::chase(g, now).await,
            Self::Close => close::close(g, now).await,
            Self::Publication => publication::publication(g, now).await,
            Self::Expect => expect::expect(g, now).await,
            Self::Cases => cases_pass::cases(g, now).await,
            Self::Audit => evidence::audit_day(g, now).await,
            Self::Report => report::report(g, now).await,
        }
    }
}

struct Desk {
    gateway: Arc<Gateway>,
    clock: Participant,
    wake: Wake,
}

impl Desk {
    async fn run(self) {
        loop {
            let now = self.clock.now();
            let g = &self.gateway;
            self.wake.beats.fetch_add(1, Ordering::Relaxed);
            self.wake.working.store(true, Ordering::Relaxed);
            let mut ended = Vec::with_capacity(DeskPass::ALL.len());
            for pass in DeskPass::ALL {
                ended.push((pass.name(), pass.run(g, now).await));
            }
            let changed = told(g, ended, now).await;
            self.wake.working.store(false, Ordering::Relaxed);
            if changed > 0 {
                self.wake.edges.notify_waiters();
                self.wake.post.notify_one();
                continue;
            }
            let next = now.plus_millis(millis(g.config.time.tick));
            tokio::select! {
                () = self.clock.sleep_until(next) => {}
                () = self.wake.desk.notified() => {}
            }
        }
    }
}

/// The post: a relay that does not answer keeps nobody else waiting.
struct Post {
    gateway: Arc<Gateway>,
    clock: Participant,
    wake: Wake,
}

impl Post {
    async fn run(self) {
        loop {
            let now = self.clock.now();
            told(&self.gateway, [("deliver", deliver::deliver(&self.gateway, now).await)], now).await;
            let next = now.plus_millis(millis(self.gateway.config.time.tick));
            tokio::select! {
                () = self.clock.sleep_until(next) => {}
                () = self.wake.post.notified() => {}
            }
        }
    }
}

/// Logs how passes ended, opens and closes their incidents, and says how much they changed. Which of them had failed before is asked once, not pass by pass.
pub async fn told<'a>(gateway: &Gateway, ended: impl IntoIterator<Item = (&'a str, Result<Done, PassError>)>, now: Timestamp) -> u64 {
    let (mut changed, mut well) = (0, Vec::new());
    for (pass, ended) in ended {
        match ended {
            Ok(done) => {
                if done.changed > 0 {
                    tracing::debug!(pass, changed = done.changed, "pass changed something");
                }
                changed += done.changed;
                well.push(pass);
            }
            Err(e) => tell(gateway, pass, &e, now).await,
        }
    }
    over(gateway, &well, now).await;
    changed
}

fn failed_key(pass: &str) -> String {
    format!("pass:{pass}")
}

/// A pass that succeeds has no incident any more.
async fn over(gateway: &Gateway, passes: &[&str], now: Timestamp) {
    let settle = async {
        let told = gateway.store.read().await?.incidents_of(FAILED).await?;
        for key in passes.iter().map(|pass| failed_key(pass)).filter(|key| told.contains(key)) {
            gateway.settle(&key, now).await?;
        }
        Ok::<_, StoreError>(())
    };
    if let Err(e) = settle.await {
        tracing::error!(?passes, error = %e, "the incident could not be closed");
    }
}

/// An error that no retry mends is an incident, once; so is trouble with a disk of ours, which somebody must look at though
/// the next try may succeed.
async fn tell(gateway: &Gateway, pass: &str, e: &PassError, now: Timestamp) {
    let is_local = matches!(e, PassError::Local { .. });
    if e.is_transient() && !is_local {
        tracing::warn!(pass, error = %e, "pass failed, will be tried again");
        return;
    }
    tracing::error!(pass, error = %e, "pass failed");
    let what = gateway.say(Words::new(format!("处理步骤{pass}出错：{e}"), format!("pass {pass} failed: {e}")));
    let next_step = gateway.say(if is_local {
        Words::new(
            "请财政信息人员检查本机磁盘空间与目录权限；恢复后自动继续",
            "finance IT checks this machine's disk and the rights on its folders; it goes on by itself then",
        )
    } else {
        Words::new("请财政信息人员查看日志", "finance IT reads the log")
    });
    let key = failed_key(pass);
    let incident = NewIncident { key: &key, kind: FAILED, bank: "", what: &what, next_step: &next_step };
    if let Err(e) = gateway.tell(&incident, now).await {
        tracing::error!(pass, error = %e, "the incident could not be recorded");
    }
}

struct EdgeTask {
    gateway: Arc<Gateway>,
    bank: String,
    clock: Participant,
    wake: Wake,
    collected: Option<Timestamp>,
    hints: u64,
}

impl EdgeTask {
    async fn run(mut self) {
        loop {
            let (now, since) = (self.clock.now(), self.clock.since());
            let rescan = millis(self.gateway.config.time.rescan);
            let hints = self.wake.looks.load(Ordering::Relaxed);
            let looks = std::mem::replace(&mut self.hints, hints) != hints || self.collected.is_none_or(|at| at.plus_millis(rescan) <= now);
            if looks {
                self.collected = Some(now);
            }
            let ended = edge_round(&self.gateway, &self.bank, looks, (now, since)).await;
            if matches!(&ended, Ok(done) if done.unsettled > 0) {
                // Seen once, to be seen again: with the next tick, not at the next rescan.
                self.collected = None;
            }
            let changed = told(&self.gateway, [(edge_name(&self.bank).as_str(), ended)], now).await;
            if changed > 0 {
                self.wake.desk.notify_one();
            }
            let next = now.plus_millis(millis(self.gateway.config.time.tick).min(rescan));
            tokio::select! {
                () = self.clock.sleep_until(next) => {}
                () = self.wake.edges.notified() => {}
            }
        }
    }
}

/// Everything at one bank's edge, under its lease; `looks` whether its outbox is due. Trouble there is remembered, so that
/// backing off survives a restart.
///
/// # Errors
/// The database, or a disk of ours. The bank's own trouble is none: it is remembered, and told.
pub async fn edge_round(gateway: &Gateway, bank: &str, looks: bool, (now, since): (Timestamp, Since)) -> Result<Done, PassError> {
    // Most rounds find nothing: they take no lease and write nothing.
    if !looks && !gateway.store.read().await?.edge_has_work(bank, gateway.today(now)).await? {
        return Ok(Done::default());
    }
    let ttl = millis(gateway.config.node.lease_ttl);
    let mut tx = gateway.store.begin().await?;
    let database_now = gateway.store.database_time(&mut tx).await?;
    let Some(lease) = tx.take_lease(bank, &gateway.holder, ttl, database_now).await? else { return Ok(Done::default()) };
    let row = tx.banks().await?.into_iter().find(|b| b.code == bank);
    let (next_at, failures) = tx.edge(bank).await?;
    tx.commit().await?;
    let Some(BankRow { mode, .. }) = row else { return Ok(Done::default()) };
    let (is_resting, had_pause) = (next_at > now, next_at > NO_PAUSE);
    // After trouble only a look tells that it is over; with nothing to send and no look due, nobody would have asked. What one file
    // has had for long is looked at when that is due.
    let looks = looks || (failures > 0 && (had_pause || failures < FAILURES_TOLD));
    // What cannot be planned or rendered keeps nothing that is ready from going out, and no answer from coming in.
    let (decided, spoken) = tokio::select! {
        biased;
        () = lease_lost(gateway, &lease) => {
            tracing::warn!(bank, fence = lease.fence, "the lease is gone: stopped at the bank's edge");
            return Ok(Done::default());
        }
        both = async {
            let decided = at_the_desk(gateway, bank, &mode, now).await;
            let spoken = match is_resting {
                true => Ok(Visit::default()),
                false => at_the_bank(gateway, (bank, mode.as_str()), &lease, looks, (now, since)).await,
            };
            (decided, spoken)
        } => both,
    };
    let mut done = match spoken {
        Ok(Visit { done, trouble: None }) => {
            // Trouble with one file is not over because nobody looked.
            if failures > 0 && !is_resting && looks {
                let mut tx = gateway.store.begin().await?;
                tx.set_edge(bank, 0, NO_PAUSE, "").await?;
                tx.close_incident(&format!("edge:{bank}"), now).await?;
                tx.close_incident(&format!("collect:{bank}"), now).await?;
                tx.commit().await?;
            }
            done
        }
        Ok(Visit { done, trouble: Some(e) }) => {
            leave(gateway, &lease, if had_pause { 0 } else { failures }, &e, now).await?;
            done
        }
        Err(PassError::Transport(e)) => {
            rest(gateway, &lease, if had_pause { failures } else { 0 }, &e, now).await?;
            Done::default()
        }
        Err(e) => return Err(e),
    };
    done += decided?;
    Ok(done)
}

/// Remembers trouble at a bank's edge and when to try again, and tells of it where no retry mends it or too many did not.
async fn rest(gateway: &Gateway, lease: &Lease, failures: i64, e: &TransportError, now: Timestamp) -> Result<(), PassError> {
    let bank = &lease.bank;
    let pause = PAUSE_MILLIS.saturating_mul(1 << failures.clamp(0, 10)).min(PAUSE_MAX_MILLIS);
    let what = gateway.say(Words::new(format!("银行{bank}的文件通道不通：{e}"), format!("the mailbox of bank {bank} cannot be used: {e}")));
    let key = format!("edge:{bank}");
    let incident = NewIncident { key: &key, kind: "edge_trouble", bank, what: &what, next_step: e.next_step() };
    remember(gateway, lease, (failures + 1, now.plus_millis(pause)), (e, &incident), now).await
}

/// Remembers trouble that a bank's server has with one file or folder, and tells of it as of other trouble. It keeps nothing else
/// waiting: what is to be sent is sent, what else came is taken, and the next look tries again.
async fn leave(gateway: &Gateway, lease: &Lease, failures: i64, e: &TransportError, now: Timestamp) -> Result<(), PassError> {
    let bank = &lease.bank;
    gateway.settle(&format!("edge:{bank}"), now).await?;
    let what = gateway.say(Words::new(
        format!("银行{bank}的文件服务器上有文件或目录无法收取，其余照常收发：{e}"),
        format!("a file or folder of bank {bank} cannot be collected, all else goes on: {e}"),
    ));
    let next_step = gateway.say(Words::new("请将以上内容与时间告知银行；下次查看时自动再试", e.next_step()));
    let key = format!("collect:{bank}");
    let incident = NewIncident { key: &key, kind: "edge_trouble", bank, what: &what, next_step: &next_step };
    remember(gateway, lease, (failures + 1, NO_PAUSE), (e, &incident), now).await
}

async fn remember(
    gateway: &Gateway,
    lease: &Lease,
    (failures, next_at): (i64, Timestamp),
    (e, incident): (&TransportError, &NewIncident<'_>),
    now: Timestamp,
) -> Result<(), PassError> {
    let bank = &lease.bank;
    let mut tx = gateway.store.begin().await?;
    if !tx.hold_lease(lease).await? {
        // Who holds it now finds out by itself how the bank fares.
        tracing::warn!(bank, fence = lease.fence, error = %e, "trouble at the bank's edge, after the lease was lost");
        return Ok(());
    }
    tx.set_edge(bank, failures, next_at, &e.to_string()).await?;
    if !e.is_transient() || failures >= FAILURES_TOLD {
        tx.incident(incident, now).await?;
    }
    tx.commit().await?;
    tracing::warn!(bank, failures, next_at = %next_at.max(now), error = %e, "trouble at the bank's edge");
    Ok(())
}

/// What came of a visit to a bank.
#[derive(Debug, Default)]
struct Visit {
    done: Done,
    /// Its server has trouble with one file or folder, and with nothing else.
    trouble: Option<TransportError>,
}

/// What is decided for a bank before anything is said to it.
async fn at_the_desk(gateway: &Gateway, bank: &str, mode: &str, now: Timestamp) -> Result<Done, PassError> {
    let mut done = Done::default();
    if mode != "paused" {
        done += plan::plan(gateway, bank, now).await?;
        done += seal::seal(gateway, bank, now).await?;
    }
    Ok(done)
}

async fn at_the_bank(
    gateway: &Gateway,
    (bank, mode): (&str, &str),
    lease: &Lease,
    looks: bool,
    (now, since): (Timestamp, Since),
) -> Result<Visit, PassError> {
    let sent = match mode {
        "live" => send(gateway, bank, lease, (now, since)).await,
        "shadow" => publish::shadow(gateway, bank, now).await,
        _ => Ok(Done::default()),
    };
    // A file that cannot go out keeps no answer from coming in; a way that is blocked is not tried twice.
    if !looks || matches!(&sent, Err(PassError::Transport(e)) if e.is_of_the_way()) {
        return Ok(Visit { done: sent?, trouble: None });
    }
    let collected = collect::collect(gateway, bank, now).await;
    let mut done = sent?;
    let trouble = match collected {
        // Nor does a file that cannot come in keep another from going out; a disk of ours that takes nothing is no file's matter.
        Err(PassError::Transport(e)) if !e.is_of_the_way() && !matches!(e, TransportError::Local { .. }) => Some(e),
        collected => {
            done += collected?;
            None
        }
    };
    Ok(Visit { done, trouble })
}

async fn send(gateway: &Gateway, bank: &str, lease: &Lease, (now, since): (Timestamp, Since)) -> Result<Done, PassError> {
    let mut done = publish::publish(gateway, bank, lease, now, since).await?;
    done += enquire::send(gateway, bank, lease, now).await?;
    done += sweep::sweep(gateway, bank, lease, now).await?;
    Ok(done)
}

/// Renews the lease while something is done under it, however long that takes, and ends once it is ours no more. By then
/// what was being done is dropped, as by a crash, from which every pass recovers.
async fn lease_lost(gateway: &Gateway, lease: &Lease) {
    let ttl = gateway.config.node.lease_ttl;
    let mut renewed = Stopwatch::start();
    loop {
        // Real time, whatever clock the passes are given: leases live by the database's.
        tokio::time::sleep(ttl / 3).await;
        match renew(gateway, lease).await {
            Ok(true) => renewed = Stopwatch::start(),
            Ok(false) => return,
            Err(e) => tracing::warn!(bank = lease.bank, error = %e, "the lease could not be renewed"),
        }
        if renewed.elapsed() >= ttl {
            return;
        }
    }
}

async fn renew(gateway: &Gateway, lease: &Lease) -> Result<bool, PassError> {
    let mut tx = gateway.store.begin().await?;
    let now = gateway.store.database_time(&mut tx).await?;
    let is_ours = tx.renew_lease(lease, millis(gateway.config.node.lease_ttl), now).await?;
    tx.commit().await?;
    Ok(is_ours)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
