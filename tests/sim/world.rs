//! One seed: a county, its banks, one to three nodes over one database, and some weeks. The clock jumps to the next due moment;
//! after each pass the auditor looks.

mod county;
mod restore;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use bankgate::clock::Since;
use bankgate::daemon::{DeskPass, edge_round, told};
use bankgate::domain::time::Timestamp;
use bankgate::passes::{Gateway, deliver};
use bankgate::store::Store;
use rand::Rng as _;
use rand::seq::SliceRandom as _;
use sqlx::sqlite::SqlitePool;

use super::audit::{Auditor, Verdict, Violation};
use super::bank::{Bank, due, take};
use super::house::{BANKS, Lives, calm_days, funds_of_next_year, gateway, house, node_pool, people_pool, sees_the_years_end, start_ms};
use super::port::{Fault, Folder, Life, Outside, Port, enter};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// When something may be due though nobody did anything: reminders in the morning, reports and results in the evening.
const HOURS: [(i64, i64); 2] = [(9, 5), (18, 5)];

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub days: i64,
    /// Faults that are left out.
    pub without: BTreeSet<Fault>,
    /// Banks that take part.
    pub banks: usize,
    pub keep_log: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub violation: Option<Violation>,
    pub trace: String,
    pub steps: u64,
    pub day: i64,
    pub checks: u64,
    pub passes: u64,
    pub credits: usize,
    pub files: usize,
    pub happened: BTreeMap<Fault, u64>,
    pub log: Vec<String>,
}

/// Runs one seed.
pub fn run(plan: &Plan) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world: Arc<Mutex<Option<Port>>> = Arc::default();
    let kept = Arc::clone(&world);
    let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        runtime.block_on(async {
            let mut world = World::new(plan).await;
            *kept.lock().unwrap() = Some(Arc::clone(&world.port));
            let verdict = world.live(plan.days, calm_days(plan.seed, plan.days)).await;
            if plan.keep_log && verdict.is_err() {
                world.dir.disable_cleanup(true);
                world.out(|out| out.say(&format!("the world stays in {}", world.root.display())));
            }
            (verdict.err(), world.day(), world.audit.checks, world.passes)
        })
    }));
    let mut outcome = Outcome::default();
    match ran {
        Ok((violation, day, checks, passes)) => {
            (outcome.violation, outcome.day, outcome.checks, outcome.passes) = (violation, day, checks, passes)
        }
        Err(panic) => {
            let what = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            outcome.violation = Some(Violation { law: "nothing panics", what: what.unwrap_or_default() });
        }
    }
    if let Some(port) = world.lock().unwrap().take() {
        let mut out = enter(&port);
        outcome.trace = out.trace();
        outcome.steps = out.steps;
        outcome.happened = std::mem::take(&mut out.happened);
        outcome.files = out.banks.values().map(|b| b.taken.len()).sum();
        outcome.credits = out.banks.values().flat_map(|b| &b.taken).flat_map(|t| &t.lines).filter(|l| l.was_credited).count();
        outcome.log = out.log.take().unwrap_or_default();
        if outcome.day == 0 {
            outcome.day = (out.now_ms - out.start_ms) / DAY + 1;
        }
    }
    runtime.shutdown_background();
    outcome
}

type Run = Pin<Box<dyn Future<Output = Option<u64>>>>;

/// One of ours.
struct Node {
    life: Arc<Life>,
    lives: Lives,
    pool: SqlitePool,
    gateway: Arc<Gateway>,
    starts: u64,
    /// What its clock shows beyond the truth, and until when.
    skew_ms: i64,
    skew_until: i64,
    /// Down, or standing still in the middle of something, until then.
    away_until: i64,
    standing: Option<Run>,
}

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Edge(usize, bool),
    Desk(DeskPass),
    Deliver,
}

impl Work {
    /// Whether the other may have something to do by what this one did. Where that is wrong, the other finds it later: by chance, or
    /// when its hour comes.
    fn gives_work_to(self, other: Self) -> bool {
        use DeskPass::{Apply, Audit, Chase, Expect, Publication, Reconcile, Report, Stage};
        let letters = [Work::Deliver, Work::Desk(Report)];
        match self {
            // Letters, and what is told of them.
            Self::Deliver | Self::Desk(Report | Audit | Publication | Expect) => other == self || letters.contains(&other),
            Self::Edge(bank, _) => match other {
                Self::Edge(at, _) => at == bank,
                Self::Desk(pass) => [Stage, Apply, Chase, Report, Reconcile].contains(&pass),
                Self::Deliver => false,
            },
            Self::Desk(Stage) => matches!(other, Self::Edge(..) | Self::Desk(Stage | Apply | Reconcile | Report)),
            Self::Desk(_) => true,
        }
    }
}

enum Ended {
    Done(u64),
    /// It could not do what it wanted, and will try again.
    Failed,
    Crashed,
    Stalled,
}

pub struct World {
    pub port: Port,
    /// The first midnight.
    start: i64,
    nodes: Vec<Node>,
    people: Arc<Gateway>,
    db: SqlitePool,
    audit: Auditor,
    banks: usize,
    wakes: BTreeSet<i64>,
    /// Of these, the ones at which something may be due by the clock alone.
    hours: BTreeSet<i64>,
    batches: BTreeSet<i64>,
    /// When the database of last night comes back.
    restores: BTreeSet<i64>,
    /// What was released: number, and how it was entered.
    released: Vec<(String, Vec<String>)>,
    /// Entitlements so far: who, bank, period, by amount.
    entitled: BTreeMap<i64, (usize, &'static str, String)>,
    /// Those of them that a list gave under a wrong number.
    misnamed: BTreeSet<i64>,
    reissued: BTreeSet<i64>,
    /// Who turned out to have no right to what was paid.
    excluded: BTreeSet<usize>,
    /// What one person proposed by the word of a bank, and another looks at later: when, proposal, what.
    proposed: Vec<(i64, i64, String)>,
    numbers: u64,
    passes: u64,
    /// Work that found nothing, and nothing happened since that could give it some.
    idle: Vec<Work>,
    /// When each of the desk's works was last done to its end.
    done_at: Vec<(Work, i64)>,
    leases_at: i64,
    root: PathBuf,
    dir: tempfile::TempDir,
}

impl World {
    async fn new(plan: &Plan) -> Self {
        let house = house();
        let base = if Path::new("/dev/shm").is_dir() { PathBuf::from("/dev/shm") } else { std::env::temp_dir() };
        let dir = tempfile::Builder::new().prefix("bankgate-sim-").tempdir_in(base).unwrap();
        let root = dir.path().to_owned();
        for folder in ["state/spool", "archive"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        let path = root.join("b.db");
        std::fs::write(&path, &house.template).unwrap();
        let mut out = Outside::new(plan.seed, BTreeSet::new(), start_ms(plan.seed), plan.keep_log);
        // Each seed has some faults and not others: where all strike at once, nothing gets far.
        for fault in Fault::ALL {
            if out.rng.random_range(0..100) < 45 && !plan.without.contains(&fault) {
                out.faults.insert(fault);
            }
        }
        let nodes = if out.has(Fault::Nodes) { out.rng.random_range(2..4) } else { 1 };
        for (bank, _) in BANKS {
            let mut folder = Folder::default();
            folder.replaces = out.has(Fault::RenameReplaces);
            folder.ignores_exclusive = out.has(Fault::ExclusiveIgnored);
            folder.two_step = out.has(Fault::TwoStep);
            out.boxes.insert(bank, folder);
            out.banks.insert(bank, Bank::opened(out.start_ms));
        }
        let port: Port = Arc::new(Mutex::new(out));
        let db = people_pool(&path).await;
        let people = gateway(&root, Store::over(db.clone()), &port, &Arc::default(), "people");
        let mut world = Self {
            start: start_ms(plan.seed),
            people: Arc::new(people),
            db,
            audit: Auditor::open(&path).await,
            nodes: Vec::new(),
            banks: plan.banks.clamp(1, BANKS.len()),
            wakes: BTreeSet::new(),
            hours: BTreeSet::new(),
            batches: BTreeSet::new(),
            restores: BTreeSet::new(),
            released: Vec::new(),
            entitled: BTreeMap::new(),
            misnamed: BTreeSet::new(),
            reissued: BTreeSet::new(),
            excluded: BTreeSet::new(),
            proposed: Vec::new(),
            numbers: 0,
            passes: 0,
            idle: Vec::new(),
            done_at: Vec::new(),
            leases_at: 0,
            root,
            dir,
            port,
        };
        if sees_the_years_end(plan.seed) {
            world.sql(&funds_of_next_year()).await;
        }
        for number in 0..nodes {
            let life = Arc::new(Life::default());
            let lives = Arc::new(Mutex::new(Arc::clone(&life)));
            let pool = node_pool(&path, &world.port, &lives).await;
            let gateway = Arc::new(gateway(&world.root, Store::over(pool.clone()), &world.port, &life, &format!("node{number}/0")));
            let standing = None;
            world.nodes.push(Node { life, lives, pool, gateway, starts: 0, skew_ms: 0, skew_until: 0, away_until: 0, standing });
        }
        world
    }

    fn out<T>(&self, with: impl FnOnce(&mut Outside) -> T) -> T {
        with(&mut enter(&self.port))
    }

    fn now(&self) -> i64 {
        self.out(|out| out.now_ms)
    }

    fn day(&self) -> i64 {
        (self.now() - self.start) / DAY + 1
    }

    /// The days of the plan, then quiet ones.
    async fn live(&mut self, days: i64, calm: i64) -> Verdict {
        let start = self.start;
        for day in 0..days + calm {
            let hours = HOURS.map(|(hour, minute)| start + day * DAY + hour * HOUR + minute * MINUTE);
            self.hours.extend(hours);
            self.wakes.extend(hours);
            let minute = self.out(|out| out.rng.random_range(0..24 * 60));
            self.wakes.insert(start + day * DAY + minute * MINUTE);
        }
        let mut at = start + 9 * HOUR;
        let last_batch = start + days * DAY;
        while at < last_batch {
            self.batches.insert(at);
            let hours = self.out(|out| out.rng.random_range(20..140));
            at += hours * HOUR;
        }
        self.plan_restores(days);
        self.out(|out| {
            for bank in out.banks.values_mut() {
                bank.states_daily(days + calm);
            }
        });
        let end = start + (days + calm) * DAY;
        let mut today = 0;
        while let Some(next) = self.next_moment().filter(|next| *next < end) {
            self.out(|out| out.now_ms = out.now_ms.max(next));
            if self.hours.remove(&next) {
                self.idle.clear();
            }
            if !self.out(|out| out.is_calm) && next >= last_batch {
                self.calm_down();
            }
            if self.restores.remove(&next) {
                self.restore().await;
                self.idle.clear();
            }
            self.morning_of(&mut today).await?;
            self.another_approves().await?;
            if self.batches.remove(&next) {
                self.release_batch().await;
                self.idle.clear();
                self.soon(1);
            }
            self.banks_act();
            self.round().await?;
        }
        self.audited("the end", true).await?;
        let port = Arc::clone(&self.port);
        self.audit.check_end(&port).await
    }

    fn next_moment(&self) -> Option<i64> {
        let banks = self.out(|out| out.banks.values().filter_map(|b| b.agenda.keys().next().map(|(at, _)| *at)).min());
        let nodes = self.nodes.iter().filter(|n| n.standing.is_some()).map(|n| n.away_until).min();
        let late = self.out(|out| out.late_at());
        [self.wakes.first().copied(), self.batches.first().copied(), banks, nodes, late].into_iter().flatten().min()
    }

    fn soon(&mut self, minutes: i64) {
        let at = self.now() + minutes * MINUTE;
        self.wakes.insert(at);
    }

    /// From here on nothing goes wrong any more.
    fn calm_down(&mut self) {
        self.out(|out| {
            out.say("calm");
            out.is_calm = true;
        });
        for node in &mut self.nodes {
            (node.skew_ms, node.away_until) = (0, 0);
        }
    }

    /// Once a day people look at what came of yesterday.
    async fn morning_of(&mut self, today: &mut i64) -> Verdict {
        let (day, hour) = (self.day(), (self.now() - self.start) % DAY / HOUR);
        if day == *today || hour < 9 {
            return Ok(());
        }
        *today = day;
        self.idle.clear();
        self.audited("the day", true).await?;
        let port = Arc::clone(&self.port);
        self.audit.check_day(&port).await?;
        self.back_up();
        self.enter_again().await;
        self.some_had_no_right().await;
        self.departments_correct().await;
        self.two_persons_settle().await?;
        self.one_says_what_became_of_files().await;
        self.two_persons_refund().await?;
        self.two_persons_release().await
    }

    /// Banks take, and do what they planned.
    fn banks_act(&mut self) {
        let mut acted = self.out(Outside::catch_up);
        for (code, _) in BANKS {
            acted |= self.out(|out| {
                // At its own pace: mostly some minutes later, sometimes tomorrow.
                if out.rng.random_range(0..3) != 0 {
                    take(out, code);
                }
                due(out, code)
            });
        }
        if acted {
            self.idle.retain(|work| !matches!(work, Work::Edge(..)));
            self.soon(1);
            self.soon(3);
        }
    }

    // --- the nodes ---

    async fn round(&mut self) -> Verdict {
        self.wakes.retain({
            let now = self.now();
            move |at| *at > now
        });
        for at in 0..self.nodes.len() {
            self.come_back(at).await?;
        }
        let ready: Vec<usize> =
            (0..self.nodes.len()).filter(|n| self.nodes[*n].standing.is_none() && self.nodes[*n].away_until <= self.now()).collect();
        if ready.is_empty() {
            self.soon(10);
            return Ok(());
        }
        let at = self.out(|out| ready[out.rng.random_range(0..ready.len())]);
        self.set_clock(at);
        let mut changed = 0;
        for work in self.works() {
            // Nothing happened since it found nothing to do: mostly it need not look again.
            if self.idle.contains(&work) && self.out(|out| out.rng.random_range(0..12) != 0) {
                continue;
            }
            let ended = self.work(at, work).await?;
            if matches!(ended, Ended::Done(_)) {
                let now = self.now();
                self.done_at.retain(|(other, _)| *other != work);
                self.done_at.push((work, now));
            }
            match ended {
                Ended::Failed => {}
                Ended::Done(0) if self.idle.contains(&work) => {}
                Ended::Done(0) => self.idle.push(work),
                Ended::Done(n) => {
                    self.idle.retain(|other| !work.gives_work_to(*other));
                    changed += n;
                }
                Ended::Crashed | Ended::Stalled => {
                    // What it got done is there, what it left is its own again; and all mailboxes are looked after anew.
                    self.idle.retain(|other| *other != work && !work.gives_work_to(*other) && !matches!(other, Work::Edge(..)));
                    self.soon(2);
                    return Ok(());
                }
            }
        }
        if changed > 0 {
            self.soon(2);
        }
        Ok(())
    }

    /// The passes of a round: mostly in their order, sometimes in any, sometimes a part of them. What a node that is hardly ever up
    /// has not come to for a day comes first: that is its fate, and not what the product waits for in silence.
    fn works(&self) -> Vec<Work> {
        let day_ago = self.now() - DAY;
        let waits = |work: &Work| {
            let done_at = self.done_at.iter().find(|(other, _)| other == work).map_or(self.start, |(_, at)| *at);
            !matches!(work, Work::Edge(..)) && done_at < day_ago
        };
        let mut works: Vec<Work> = vec![Work::Desk(DeskPass::Admit)];
        works.extend((0..self.banks).map(|bank| Work::Edge(bank, false)));
        works.extend(DeskPass::ALL.into_iter().filter(|p| *p != DeskPass::Admit).map(Work::Desk));
        works.push(Work::Deliver);
        self.out(|out| {
            for work in &mut works {
                if let Work::Edge(bank, looks) = work {
                    // A hint, a look that must be repeated, or the rescan.
                    *looks = out.boxes[BANKS[*bank].0].is_news || out.rng.random_range(0..8) == 0;
                }
            }
            match out.rng.random_range(0..6) {
                0 => works.shuffle(&mut out.rng),
                1..4 if !out.is_calm => works.retain(|work| out.rng.random_range(0..2) == 0 || waits(work)),
                _ => {}
            }
        });
        works.sort_by_key(|work| !waits(work));
        works
    }

    fn set_clock(&mut self, at: usize) {
        let now = self.now();
        let skew = self.out(|out| {
            let strikes = out.strikes_in(Fault::Clock, 60);
            strikes.then(|| (out.rng.random_range(-26..26) * HOUR, now + out.rng.random_range(1..12) * HOUR))
        });
        let node = &mut self.nodes[at];
        if node.skew_until <= now {
            node.skew_ms = 0;
        }
        if let Some((skew, until)) = skew {
            (node.skew_ms, node.skew_until) = (skew, until);
        }
    }

    /// The database's clock goes on, whatever the nodes do.
    async fn let_leases_run_out(&mut self) {
        let now = self.now();
        if now - self.leases_at >= MINUTE {
            self.sql("update lease set expires_at = 0 where expires_at <> 0").await;
            self.leases_at = now;
        }
    }

    /// A node that stood still goes on, in the middle of what it did.
    async fn come_back(&mut self, at: usize) -> Verdict {
        let now = self.now();
        if self.nodes[at].away_until > now {
            return Ok(());
        }
        let Some(run) = self.nodes[at].standing.take() else { return Ok(()) };
        self.let_leases_run_out().await;
        self.idle.clear();
        self.out(|out| out.say(&format!("node{at} goes on")));
        self.nodes[at].life.go_on();
        self.drive(at, run, "what it had begun").await.map(drop)
    }

    async fn work(&mut self, at: usize, work: Work) -> Result<Ended, Violation> {
        self.let_leases_run_out().await;
        let node = &self.nodes[at];
        let gateway = Arc::clone(&node.gateway);
        let now = Timestamp::from_millis(self.now() + node.skew_ms);
        let run: Run = match work {
            Work::Edge(bank, looks) => Box::pin(async move {
                let bank = BANKS[bank].0;
                let ended = edge_round(&gateway, bank, looks, (now, Since::Still)).await;
                let again = ended.as_ref().ok().map(|done| done.unsettled);
                let changed = told(&gateway, [(format!("edge:{bank}").as_str(), ended)], now).await;
                again.map(|again| changed + again)
            }),
            Work::Desk(pass) => Box::pin(async move {
                let ended = pass.run(&gateway, now).await;
                let went_well = ended.is_ok();
                let changed = told(&gateway, [(pass.name(), ended)], now).await;
                went_well.then_some(changed)
            }),
            Work::Deliver => Box::pin(async move {
                let ended = deliver::deliver(&gateway, now).await;
                let went_well = ended.is_ok();
                let changed = told(&gateway, [("deliver", ended)], now).await;
                went_well.then_some(changed)
            }),
        };
        let ended = self.drive(at, run, &format!("{work:?}")).await?;
        if let (Work::Edge(bank, true), Ended::Done(changed)) = (work, &ended) {
            // Quiet: the next look may wait for the next hint.
            self.out(|out| out.boxes.get_mut(BANKS[bank].0).unwrap().is_news = *changed > 0);
        }
        Ok(ended)
    }

    async fn drive(&mut self, at: usize, mut run: Run, what: &str) -> Result<Ended, Violation> {
        self.passes += 1;
        let life = Arc::clone(&self.nodes[at].life);
        let ended = {
            let mut stalled = pin!(life.stalled.notified());
            std::future::poll_fn(|cx| {
                if life.is_dead() {
                    return Poll::Ready(Ended::Crashed);
                }
                let polled = run.as_mut().poll(cx);
                if life.is_dead() {
                    return Poll::Ready(Ended::Crashed);
                }
                match polled {
                    Poll::Ready(changed) => Poll::Ready(changed.map_or(Ended::Failed, Ended::Done)),
                    Poll::Pending => stalled.as_mut().poll(cx).map(|()| Ended::Stalled),
                }
            })
            .await
        };
        let now = self.now();
        match &ended {
            Ended::Done(changed) => {
                if *changed > 0 {
                    self.out(|out| out.say(&format!("node{at} {what}: {changed}")));
                }
            }
            Ended::Failed => {}
            Ended::Crashed => {
                drop(run);
                self.restart(at).await;
            }
            Ended::Stalled => {
                let minutes = self.out(|out| out.rng.random_range(1..600));
                self.out(|out| out.say(&format!("node{at} stands still in {what} for {minutes} minutes")));
                self.nodes[at].away_until = now + minutes * MINUTE;
                self.nodes[at].standing = Some(run);
            }
        }
        self.audited(what, false).await?;
        Ok(ended)
    }

    /// It comes up again as somebody else, and knows only the rows. What the dead one had under way is refused for good.
    async fn restart(&mut self, at: usize) {
        let now = self.now();
        let minutes = self.out(|out| [0, 0, 1, 5, 90, 700][out.rng.random_range(0..6)]);
        let life = Arc::new(Life::default());
        let node = &mut self.nodes[at];
        // What the dead one had begun is given up, in its name, before another begins.
        while node.pool.num_idle() < usize::try_from(node.pool.size()).unwrap() {
            tokio::task::yield_now().await;
        }
        *node.lives.lock().unwrap() = Arc::clone(&life);
        node.starts += 1;
        node.away_until = now + minutes * MINUTE;
        let holder = format!("node{at}/{}", node.starts);
        node.gateway = Arc::new(gateway(&self.root, Store::over(node.pool.clone()), &self.port, &life, &holder));
        node.life = life;
        self.out(|out| out.say(&format!("node{at} died, back in {minutes} minutes as {holder}")));
    }

    async fn audited(&mut self, after: &str, always: bool) -> Verdict {
        let port = Arc::clone(&self.port);
        let is_looked_at = always || self.audit.has_news().await && self.audit.has_moved(&port).await;
        if !is_looked_at {
            return Ok(());
        }
        let verdict = self.audit.check(&port).await;
        verdict.map_err(|v| Violation { what: format!("after {after}: {}", v.what), ..v })
    }

    async fn sql(&self, sql: &str) {
        sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(&self.db).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    }
}
