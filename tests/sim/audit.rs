//! The auditor. It shares no code with the product: it reads the banks' ledgers, the tables by SQL of its own over a connection of
//! its own, and works the laws out anew from the raw rows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sha2::{Digest as _, Sha256};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, FromRow};

use super::house::VFS;
use super::port::{Letter, Port, enter};
use banks::{against_the_banks, credits, put_away, repaid, statements_agree};

/// A broken law: its name, and what was seen.
#[derive(Clone, Debug)]
pub struct Violation {
    pub law: &'static str,
    pub what: String,
}

pub type Verdict = Result<(), Violation>;

macro_rules! require {
    ($holds:expr, $law:expr, $($what:tt)+) => {
        if !$holds {
            return Err(Violation { law: $law, what: format!($($what)+) });
        }
    };
}

// Behind the macro, which it uses.
mod banks;

const DAY: i64 = 86_400_000;
/// States in which a claim may be free.
const FREE: [&str; 6] = ["failed_final", "reissued", "voided", "lapsed", "refunded", "carried"];

/// An instruction as the raw rows show it.
#[derive(Clone, Debug)]
pub struct Instruction {
    pub id: i64,
    previous: Option<i64>,
    claim: i64,
    live: bool,
    batch: String,
    amount: i64,
    payment: i64,
    /// Amount that stands in the state, where some was paid or returned.
    standing: i64,
    pub state: String,
    class: String,
    bank: String,
    file: Option<usize>,
}

/// A file of ours.
#[derive(Clone, Debug)]
pub struct FileOut {
    id: i64,
    bank: String,
    batch: String,
    dir: String,
    name: String,
    first_id: i64,
    last_id: i64,
    rows: i64,
    total_fen: i64,
    state: String,
    lines_state: String,
    sha256: String,
    result_due_at: Option<i64>,
    chased_at: Option<i64>,
    updated_at: i64,
    kind: String,
}

type InstructionRow = (i64, Option<i64>, i64, i64, String, i64, i64);
type FileRow = (i64, String, String, String, String, i64, i64, i64, i64, String, String, String, Option<i64>, Option<i64>, i64, String);

impl From<FileRow> for FileOut {
    fn from(row: FileRow) -> Self {
        let (id, bank, batch, dir, name, first_id, last_id, rows, total_fen, state, lines_state, sha256, due, chased, updated, kind) = row;
        let (result_due_at, chased_at, updated_at) = (due, chased, updated);
        Self {
            id,
            bank,
            batch,
            dir,
            name,
            first_id,
            last_id,
            rows,
            total_fen,
            state,
            lines_state,
            sha256,
            result_due_at,
            chased_at,
            updated_at,
            kind,
        }
    }
}

impl FileOut {
    fn is_given_up(&self) -> bool {
        matches!(self.state.as_str(), "voided" | "abandoned")
    }

    /// Whether it lies, or lay, before a bank. A file that was given up before it went out gives its path back, and the next
    /// file of the same rows may have the same bytes too.
    fn may_be_out(&self) -> bool {
        !matches!(self.state.as_str(), "planned" | "sealed" | "uploading" | "voided")
    }

    fn is_at(&self, bank: &str, path: &str) -> bool {
        self.bank == bank && self.path() == path
    }

    fn path(&self) -> String {
        if self.dir.is_empty() { self.name.clone() } else { format!("{}/{}", self.dir, self.name) }
    }
}

/// The tables, read at once.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    pub instructions: Vec<Instruction>,
    pub files: Vec<FileOut>,
}

#[derive(Debug)]
pub struct Auditor {
    db: SqliteConnection,
    version: i64,
    /// States as they were, for what may be left only by evidence.
    before: BTreeMap<i64, String>,
    /// Last event read, and where each file stands by its events.
    last_event: i64,
    replayed: BTreeMap<(String, i64), String>,
    /// What had reached the banks when an older database came back, which knows of it again only in time: bank, hash.
    out_before: BTreeSet<(String, String)>,
    /// What had been put away there by then.
    away_before: BTreeMap<(String, String), i64>,
    /// Where the banks' servers were asked by then to put something, and had not yet.
    asked_before: BTreeSet<(String, String)>,
    /// Letters that had arrived by then.
    letters_before: BTreeMap<String, u64>,
    /// What all that the laws look at came to when it was looked at last.
    seen: String,
    pub checks: u64,
}

/// Everything that a check after a pass reads, in one row. What leaves it as it was (leases, looks, letters) cannot break a law
/// that held; each simulated day all is looked at whatever this says.
const ALL_THAT_COUNTS: &str = "select \
    (select coalesce(max(id), 0) from event) || '|' || (select count(*) || '/' || coalesce(sum(amount_fen), 0) from posting) || '|' \
    || (select coalesce(group_concat(id || ':' || balance_fen), '') from account) || '|' \
    || (select coalesce(group_concat(id || ':' || claim_key || live || batch || ':' || amount_fen), '') from instruction) || '|' \
    || (select coalesce(group_concat(instruction_id || state || amount_fen || class), '') from instruction_state) || '|' \
    || (select coalesce(group_concat(batch || state || class || amount_fen), '') from remainder) || '|' \
    || (select coalesce(group_concat(id || state || lines_state || batch || dir || name || first_id || '-' || last_id || ':' || rows || ':' || total_fen || sha256), '') from file_out) || '|' \
    || (select coalesce(group_concat(id || state), '') from file_in) || '|' || (select count(*) from tranche) || '|' \
    || (select coalesce(group_concat(batch || state || admitted_fen), '') from admission) || '|' || (select count(*) from entry) || '|' \
    || (select count(*) from final_answer) || '|' || (select count(*) || '/' || coalesce(sum(amount_fen), 0) from payment) || '|' \
    || (select coalesce(sum(amount_fen), 0) from funding)";

impl Auditor {
    pub async fn open(path: &Path) -> Self {
        let options = SqliteConnectOptions::new().filename(path).vfs(VFS).pragma("query_only", "on");
        let db = SqliteConnection::connect_with(&options).await.unwrap();
        let (before, replayed) = (BTreeMap::new(), BTreeMap::new());
        let (out_before, asked_before) = (BTreeSet::new(), BTreeSet::new());
        let (away_before, letters_before) = (BTreeMap::new(), BTreeMap::new());
        let (version, last_event, seen, checks) = (-1, 0, String::new(), 0);
        Self { db, version, before, last_event, replayed, out_before, away_before, asked_before, letters_before, seen, checks }
    }

    /// Another database lies in the place of the one that was looked at, an older one.
    pub async fn begins_anew(&mut self, path: &Path, port: &Port) {
        let (checks, asked_before) = (self.checks, std::mem::take(&mut self.asked_before));
        *self = Self::open(path).await;
        let out = enter(port);
        (self.checks, self.asked_before) = (checks, asked_before);
        self.asked_before.extend(out.will_be_renamed());
        for (code, bank) in &out.banks {
            self.out_before.extend(bank.taken.iter().map(|t| ((*code).to_owned(), t.sha256.clone())));
            let lying = out.boxes[code].files.values().map(|f| ((*code).to_owned(), hex::encode(Sha256::digest(&f.bytes))));
            self.out_before.extend(lying);
        }
        self.away_before = put_away(&out, &self.asked_before);
        self.letters_before = out.letters.iter().map(|(id, letter)| (id.clone(), letter.copies)).collect();
    }

    /// Batches that the database has.
    pub async fn batches(&mut self) -> BTreeSet<String> {
        self.all::<(String,)>("select number from batch").await.into_iter().map(|(number,)| number).collect()
    }

    /// What two persons have to do for refunds: proposals of orders that wait, orders that are approved, orders that are out.
    pub async fn refunds(&mut self) -> (Vec<i64>, Vec<String>, Vec<String>) {
        let proposals: Vec<(i64,)> = self.all("select id from proposal where state = 'open' and act = 'refund.order'").await;
        let orders: Vec<(String, String)> = self.all("select number, state from refund_order where state in ('approved', 'sent')").await;
        let (approved, sent): (Vec<_>, Vec<_>) = orders.into_iter().partition(|(_, state)| state == "approved");
        let numbers = |orders: Vec<(String, String)>| orders.into_iter().map(|(number, _)| number).collect();
        (proposals.into_iter().map(|(id,)| id).collect(), numbers(approved), numbers(sent))
    }

    /// Files that wait for a person: number, bank, path.
    pub async fn in_doubt(&mut self) -> Vec<(i64, String, String)> {
        let p = self.picture().await;
        let known: Vec<(i64, String)> =
            self.all("select known_as, min(path) from forgotten_rows where known_as is not null group by known_as").await;
        let stopped = p.files.iter().filter(|f| matches!(f.state.as_str(), "doubt" | "held"));
        // By the name that the bank knows.
        let path = |f: &FileOut| known.iter().find(|(id, _)| *id == f.id).map_or_else(|| f.path(), |(_, path)| path.clone());
        stopped.map(|f| (f.id, f.bank.clone(), path(f))).collect()
    }

    async fn all<T>(&mut self, sql: &'static str) -> Vec<T>
    where
        T: for<'r> FromRow<'r, sqlx::sqlite::SqliteRow> + Send + Unpin,
    {
        let rows = sqlx::query(sql).fetch_all(&mut self.db).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        rows.iter().map(|row| T::from_row(row).unwrap_or_else(|e| panic!("{sql}: {e}"))).collect()
    }

    /// Whether anybody committed anything since the last look.
    pub async fn has_news(&mut self) -> bool {
        let (version,): (i64,) = self.all("pragma data_version").await[0];
        let news = version != self.version;
        self.version = version;
        news
    }

    /// Whether anything that a law looks at is another than at the last look: rows, or what the banks took and credited.
    pub async fn has_moved(&mut self, port: &Port) -> bool {
        let (rows,): (String,) = self.all(ALL_THAT_COUNTS).await.remove(0);
        let banks = {
            let out = enter(port);
            let taken: Vec<(usize, usize)> = out.banks.values().map(|bank| (bank.taken.len(), bank.denied.len())).collect();
            format!("{taken:?} {:?}", credits(&out))
        };
        let seen = format!("{rows} {banks}");
        let moved = seen != self.seen;
        self.seen = seen;
        moved
    }

    pub async fn picture(&mut self) -> Picture {
        let files: Vec<FileRow> = self
            .all(
                "select id, bank, batch, dir, name, first_id, last_id, rows, total_fen, state, lines_state, sha256, result_due_at, \
                 chased_at, updated_at, kind from file_out order by first_id",
            )
            .await;
        let files: Vec<FileOut> = files.into_iter().map(FileOut::from).collect();
        let exceptions: Vec<(i64, String, i64, String)> =
            self.all("select instruction_id, state, amount_fen, class from instruction_state").await;
        let exceptions: BTreeMap<i64, (String, i64, String)> = exceptions.into_iter().map(|(id, s, a, c)| (id, (s, a, c))).collect();
        let tranches: Vec<(i64, String)> = self.all("select first_id, bank from tranche order by first_id").await;
        let tranches: BTreeMap<i64, String> = tranches.into_iter().collect();
        let rows: Vec<InstructionRow> =
            self.all("select id, previous_id, claim_key, live, batch, amount_fen, payment_id from instruction order by id").await;
        let mut instructions = Vec::with_capacity(rows.len());
        for (id, previous, claim, live, batch, amount, payment) in rows {
            let covers = |f: &FileOut| f.first_id <= id && id <= f.last_id && !f.is_given_up();
            let file = files.iter().rposition(covers);
            let exception = exceptions.get(&id);
            let state = match (exception, file) {
                (Some((state, ..)), _) => state.clone(),
                (None, Some(file)) => files[file].lines_state.clone(),
                (None, None) => "pending".to_owned(),
            };
            let bank = tranches.range(..=id).next_back().map(|(_, bank)| bank.clone()).unwrap_or_default();
            let standing = exception.map_or(amount, |(_, amount, _)| *amount);
            let class = exception.map(|(.., class)| class.clone()).unwrap_or_default();
            let live = live == 1;
            instructions.push(Instruction { id, previous, claim, live, batch, amount, payment, standing, state, class, bank, file });
        }
        Picture { instructions, files }
    }

    /// After a pass: everything that the rows themselves show.
    pub async fn check(&mut self, port: &Port) -> Verdict {
        self.checks += 1;
        let picture = self.picture().await;
        // The banks' ledgers stand still as long as the lock is held, and it is never held over a query.
        against_the_banks(&picture, &enter(port), &self.out_before)?;
        claims_are_single(&picture)?;
        files_are_single(&picture)?;
        self.books_balance(&picture).await?;
        self.history_replays(&picture).await?;
        self.unknown_is_left_by_evidence(&picture).await?;
        self.quarantined_changed_nothing().await
    }

    /// Once a day: what must have happened by now.
    pub async fn check_day(&mut self, port: &Port) -> Verdict {
        let picture = self.picture().await;
        let (now, letters, away) = {
            let out = enter(port);
            (out.now_ms, out.letters.clone(), put_away(&out, &self.asked_before))
        };
        self.what_a_bank_said_is_kept(&away).await?;
        self.nothing_waits_in_silence(&picture, now).await?;
        self.failures_are_told_once(now, &letters).await
    }

    /// At the end, when all was quiet for long: what a bank credited is known as paid, and nothing else is.
    pub async fn check_end(&mut self, port: &Port) -> Verdict {
        let picture = self.picture().await;
        let days = "select bank, verdict, on_date || ' ' || report from reconcile_run r where id = (select max(id) from reconcile_run s where s.bank = r.bank and s.on_date = r.on_date)";
        let verdicts: Vec<(String, String, String)> = self.all(days).await;
        let breaks = "select bank from break_item where state = 'open' union select bank from incident where state = 'open' and bank <> ''";
        let told: BTreeSet<String> = self.all::<(String,)>(breaks).await.into_iter().map(|(bank,)| bank).collect();
        let mut out = enter(port);
        statements_agree(&picture, &mut out, &verdicts, &told)?;
        let back = repaid(&out);
        let credited: BTreeMap<i64, bool> = credits(&out).into_iter().map(|(fen, n)| (fen, n > 0)).collect();
        let mut believed: BTreeMap<i64, bool> = BTreeMap::new();
        let mut open = BTreeSet::new();
        for i in &picture.instructions {
            *believed.entry(i.amount).or_default() |= i.state == "paid";
            if matches!(i.state.as_str(), "planned" | "sent" | "accepted" | "unknown" | "conflict") {
                open.insert(i.amount);
            }
        }
        for (fen, is_paid) in believed {
            let lied = out.banks.values().any(|b| b.denied.contains(&fen) || b.boasted.contains(&fen));
            let is_credited = credited.get(&fen).copied().unwrap_or_default();
            // Whether the statement that shows it has come is asked where the account is compared.
            let holds = lied || back.contains(&fen) || open.contains(&fen) || is_paid == is_credited;
            require!(holds, "paid is credited", "{fen}: paid {is_paid}, credited {is_credited}");
        }
        Ok(())
    }

    /// Law 2, to the fen.
    async fn books_balance(&mut self, p: &Picture) -> Verdict {
        let unbalanced: Vec<(i64,)> = self.all("select entry from posting group by entry having sum(amount_fen) <> 0").await;
        require!(unbalanced.is_empty(), "2: entries balance", "{unbalanced:?}");
        let wrong: Vec<(i64, i64)> = self
            .all(
                "select a.id, a.balance_fen from account a where a.balance_fen <> \
                 (select coalesce(sum(p.amount_fen), 0) from posting p where p.account = a.id)",
            )
            .await;
        require!(wrong.is_empty(), "2: balances are sums", "{wrong:?}");
        let mut instructed: BTreeMap<&str, i64> = BTreeMap::new();
        for f in p.files.iter().filter(|f| !f.is_given_up() && f.kind == "instruction") {
            *instructed.entry(&f.batch).or_default() += f.total_fen;
        }
        let mut standing: BTreeMap<&str, i64> = BTreeMap::new();
        for i in p.instructions.iter().filter(|i| !matches!(i.state.as_str(), "pending" | "voided")) {
            *standing.entry(&i.batch).or_default() += i.amount;
        }
        instructed.retain(|_, fen| *fen != 0);
        require!(instructed == standing, "2a: instructed is in flight + paid + returned + failed + unknown", "{instructed:?} {standing:?}");
        let admitted: Vec<(String, i64, i64)> =
            self.all("select batch, admitted_fen, rejected_fen from admission where state = 'admitted'").await;
        let payments: Vec<(i64, String, i64)> = self.all("select id, batch, amount_fen from payment").await;
        let alive: BTreeSet<i64> = p.instructions.iter().filter(|i| i.state != "voided").map(|i| i.payment).collect();
        for (batch, fen, rejected) in &admitted {
            let of_it = payments.iter().filter(|(_, b, _)| b == batch);
            let (stands, not): (Vec<_>, Vec<_>) = of_it.partition(|(id, ..)| alive.contains(id));
            let [stands, not] = [stands, not].map(|some| some.iter().map(|(.., fen)| fen).sum::<i64>());
            let holds = (*fen, *rejected) == (stands, not);
            require!(
                holds,
                "2b: approved is accounted for",
                "batch {batch}: {fen} + {rejected} by the gate, {stands} + {not} stand and do not"
            );
        }
        self.subledger_is_ledger(p).await
    }

    async fn subledger_is_ledger(&mut self, p: &Picture) -> Verdict {
        let batches: Vec<(String, String, String, i64)> =
            self.all("select b.number, b.department, b.project, a.year from batch b join admission a on a.batch = b.number").await;
        let purse: BTreeMap<String, String> = batches.into_iter().map(|(n, d, j, y)| (n, format!("{d}/{j}/{y}"))).collect();
        let remainders: Vec<(String, String, String, i64)> = self.all("select batch, state, class, amount_fen from remainder").await;
        let mut subledger: BTreeMap<String, i64> = BTreeMap::new();
        let rest = remainders.iter().map(|(batch, state, class, fen)| (batch, state, class, String::new(), *fen));
        let whole = p.instructions.iter().map(|i| (&i.batch, &i.state, &i.class, i.bank.clone(), i.standing));
        for (batch, state, class, bank, fen) in whole.chain(rest) {
            let Some(kind) = place(state, class) else { continue };
            let bank = if kind == "bank_clearing" { bank } else { String::new() };
            let purse = purse.get(batch).cloned().unwrap_or_default();
            *subledger.entry(format!("{kind}/{bank}/{purse}")).or_default() += fen;
        }
        subledger.retain(|_, fen| *fen != 0);
        let accounts: Vec<(String, String, String, String, i64, i64)> =
            self.all("select kind, bank, department, project, year, balance_fen from account where balance_fen <> 0").await;
        let mut ledger: BTreeMap<String, i64> = BTreeMap::new();
        let mut left = 0;
        for (kind, bank, department, project, year, fen) in accounts {
            match kind.as_str() {
                "treasury" => {}
                "zero_balance" => left += fen,
                _ => *ledger.entry(format!("{kind}/{bank}/{department}/{project}/{year}")).or_default() += fen,
            }
        }
        require!(subledger == ledger, "2c: subledger is ledger", "rows {subledger:?}\nledger {ledger:?}");
        let carried: BTreeSet<i64> = p.instructions.iter().filter(|i| i.state == "carried").map(|i| i.id).collect();
        let spent: i64 = p
            .instructions
            .iter()
            .filter(|i| !matches!(i.state.as_str(), "pending" | "voided") && i.previous.is_none_or(|p| carried.contains(&p)))
            .map(|i| i.amount)
            .sum();
        let (funded,): (i64,) =
            self.all("select cast(coalesce(sum(f.amount_fen), 0) as integer) from funding f join entry e on e.funding = f.id").await[0];
        require!(left == funded - spent, "2: funds less first instructions", "left {left}, funded {funded}, spent {spent}");
        Ok(())
    }

    /// Where a file stands is where its events lead.
    async fn history_replays(&mut self, p: &Picture) -> Verdict {
        let sql =
            "select id, subject, subject_id, what, from_state, to_state from event where subject in ('file_out', 'file_in') order by id";
        let events: Vec<(i64, String, i64, String, String, String)> = match self.last_event {
            0 => self.all(sql).await,
            _ => {
                let sql = "select id, subject, subject_id, what, from_state, to_state from event where id > ? and subject in ('file_out', 'file_in') order by id";
                let rows = sqlx::query(sql).bind(self.last_event).fetch_all(&mut self.db).await.unwrap();
                rows.iter().map(|row| FromRow::from_row(row).unwrap()).collect()
            }
        };
        for (id, subject, of, what, from, to) in events {
            self.last_event = id;
            // What happened to lines is told of their file, and moves it not.
            if matches!(what.as_str(), "finalise" | "lapse" | "shadow" | "return") || to.is_empty() {
                continue;
            }
            let stands = self.replayed.get(&(subject.clone(), of)).cloned().unwrap_or_default();
            let first_in = subject == "file_in" && stands.is_empty();
            require!(first_in || stands == from, "history", "{subject} {of} {what}: from {from:?}, but it stood at {stands:?}");
            self.replayed.insert((subject, of), to);
        }
        for f in &p.files {
            let stands = self.replayed.get(&("file_out".to_owned(), f.id)).cloned().unwrap_or_default();
            require!(stands == f.state, "history", "file {} is {}, by its history {stands}", f.id, f.state);
        }
        Ok(())
    }

    /// `unknown` is left by a definite word, by evidence, or by two persons; by time, never.
    async fn unknown_is_left_by_evidence(&mut self, p: &Picture) -> Verdict {
        for i in &p.instructions {
            let before = self.before.insert(i.id, i.state.clone()).unwrap_or_default();
            if !matches!(before.as_str(), "unknown" | "conflict") || i.state == before {
                continue;
            }
            let sql = "select (select count(*) from answer_line a join file_in f on f.id = a.file_in where a.instruction_id = ?1 and a.is_final = 1 \
                       and a.outcome in ('paid', 'failed', 'returned') and f.state = 'applied') \
                       + (select count(*) from final_answer where instruction_id = ?1) \
                       + (select count(*) from statement_match where kind = 'instruction' and subject = ?1) \
                       + (select count(*) from waiting_return where instruction_id = ?1) \
                       + (select count(*) from proposal where state = 'done' and approved_by <> '' and approved_by <> proposed_by and subject = ?2)";
            let reference = bankgate::domain::ids::EndToEndId(i.id).to_string();
            let row = sqlx::query(sql).bind(i.id).bind(reference).fetch_one(&mut self.db).await.unwrap();
            let (proofs,): (i64,) = FromRow::from_row(&row).unwrap();
            require!(
                proofs > 0 || i.state == "unknown" || i.state == "conflict",
                "unknown is left by evidence",
                "{} is now {}",
                i.id,
                i.state
            );
        }
        Ok(())
    }

    async fn quarantined_changed_nothing(&mut self) -> Verdict {
        let touched: Vec<(i64, String)> = self
            .all(
                "select f.id, f.state from file_in f where f.state in ('archived', 'staged', 'quarantined', 'conflict', 'superseded', 'rejected', 'duplicate') \
                 and (exists (select 1 from entry e where e.file_in = f.id) or exists (select 1 from instruction_state s where s.file_in = f.id) \
                 or exists (select 1 from final_answer a where a.file_in = f.id))",
            )
            .await;
        require!(touched.is_empty(), "4: a file that was not applied changed nothing", "{touched:?}");
        Ok(())
    }

    /// What we moved away at a bank is registered, and lies in the archive to the byte, once somebody has looked who could.
    async fn what_a_bank_said_is_kept(&mut self, away: &BTreeMap<(String, String), i64>) -> Verdict {
        let kept: Vec<(i64, String, String, String, i64)> = self.all("select id, bank, sha256, archive, moved from file_in").await;
        let asked: Vec<(i64,)> = self.all("select file_in from putting_away").await;
        let moving = kept.iter().filter(|(.., moved)| *moved == 0).map(|(id, ..)| *id);
        let moving: BTreeSet<i64> = moving.chain(asked.into_iter().map(|(id,)| id)).collect();
        let kept: BTreeMap<(String, String), String> = kept.into_iter().map(|(_, bank, hash, path, _)| ((bank, hash), path)).collect();
        for (file, id) in away.iter().filter(|(file, id)| !self.away_before.contains_key(*file) && !moving.contains(*id)) {
            let (bank, hash) = file;
            let bytes = kept.get(file).and_then(|path| std::fs::read(path).ok());
            let holds = bytes.is_some_and(|bytes| hex::encode(Sha256::digest(bytes)) == *hash);
            require!(
                holds,
                "3: what a bank said is kept",
                "{bank} put out {hash}, we moved it away in the place of {id} and do not have it"
            );
        }
        Ok(())
    }

    /// What is sent is answered, chased, or with a person who was told.
    async fn nothing_waits_in_silence(&mut self, p: &Picture, now: i64) -> Verdict {
        let told: Vec<(String,)> = self.all("select key from incident").await;
        let told: BTreeSet<String> = told.into_iter().map(|(key,)| key).collect();
        let cases: Vec<(Option<i64>,)> = self.all("select instruction_id from failure_case").await;
        let cases: BTreeSet<i64> = cases.into_iter().filter_map(|(id,)| id).collect();
        let lines: BTreeSet<usize> =
            p.instructions.iter().filter(|i| is_open(i) && !cases.contains(&i.id)).filter_map(|i| i.file).collect();
        for (at, f) in p.files.iter().enumerate().filter(|(_, f)| f.kind == "instruction") {
            let is_told = told.iter().any(|key| key.rsplit(':').any(|part| part == f.id.to_string()));
            let is_overdue = f.result_due_at.is_some_and(|due| due + 2 * DAY < now);
            match f.state.as_str() {
                "held" | "doubt" => require!(is_told, "8: nothing waits in silence", "file {} is {} and nobody was told", f.id, f.state),
                "sent" | "accepted" => {
                    let known = f.chased_at.is_some() || is_told || !lines.contains(&at);
                    require!(
                        !is_overdue || known,
                        "8: nothing waits in silence",
                        "file {} was sent, its answer was due at {:?}",
                        f.id,
                        f.result_due_at
                    );
                }
                "planned" | "sealed" | "uploading" | "publishing" => {
                    // A node that cannot, or publishing that is held for all: an older list that is not entered again holds it.
                    let is_known = |key: &String| key.starts_with("edge:") || key.starts_with("pass:") || key == "publishing_held";
                    let edge = told.iter().any(is_known);
                    let waits = f.updated_at + 6 * DAY < now;
                    require!(!waits || is_told || edge, "8: nothing waits in silence", "file {} has been {} for days", f.id, f.state);
                }
                _ => {}
            }
        }
        let unknown: Vec<i64> =
            p.instructions.iter().filter(|i| matches!(i.state.as_str(), "unknown" | "conflict")).map(|i| i.id).collect();
        for id in unknown {
            let file = p.instructions.iter().find(|i| i.id == id).and_then(|i| i.file).map(|f| &p.files[f]);
            let has_due = file.is_some_and(|f| f.result_due_at.is_none_or(|due| due + 2 * DAY >= now) || f.chased_at.is_some());
            let is_told = file.is_some_and(|f| told.iter().any(|key| key.rsplit(':').any(|part| part == f.id.to_string())));
            require!(cases.contains(&id) || has_due || is_told, "8: nothing waits in silence", "{id} is unknown, without a case");
        }
        Ok(())
    }

    /// Every failure reached its department's outbox, once; a letter arrives twice only where we knew that it might.
    async fn failures_are_told_once(&mut self, now: i64, arrived: &BTreeMap<String, Letter>) -> Verdict {
        let untold: Vec<(i64, i64)> = self
            .all("select id, opened_at from failure_case where mail is null and state = 'open' and kind in ('failed', 'returned', 'rejected', 'recovery') and owner in ('department', 'person')")
            .await;
        for (id, opened_at) in untold {
            require!(opened_at + 3 * DAY > now, "7: failures are told", "case {id} was opened at {opened_at} and nobody was told");
        }
        let lost: Vec<(i64,)> = self
            .all(
                "select c.id from failure_case c where c.mail is not null and not exists (select 1 from outbox_mail m where m.id = c.mail)",
            )
            .await;
        require!(lost.is_empty(), "7: failures are told", "letters that are not there: {lost:?}");
        let letters: Vec<(String, String, i64)> = self
            .all(
                "select m.message_id, m.state, (select count(*) from event e where e.subject = 'mail' and e.subject_id = m.id and e.what = 'unclear') \
                 from outbox_mail m",
            )
            .await;
        for (id, state, unclear) in &letters {
            let copies = arrived.get(id).map_or(0, |l| i64::try_from(l.copies).unwrap());
            // What was sent before an older database came back it may send again.
            let before = self.letters_before.get(id).map_or(0, |copies| i64::try_from(*copies).unwrap());
            require!(copies <= 1 + unclear + before, "7: letters go once", "{id} arrived {copies} times, {unclear} unclear ends");
            require!(state != "sent" || copies > 0, "7: letters go once", "{id} is {state} and nobody got it");
        }
        let known: BTreeSet<&String> = letters.iter().map(|(id, ..)| id).collect();
        let stray: Vec<&String> = arrived.keys().filter(|id| !known.contains(id) && !self.letters_before.contains_key(*id)).collect();
        require!(stray.is_empty(), "7: letters go once", "nobody wrote {stray:?}");
        Ok(())
    }

    /// For people of the world: what may be corrected, and what is unknown for how long.
    pub async fn correctable(&mut self) -> Vec<(i64, i64, String)> {
        let p = self.picture().await;
        let sql = "select instruction_id from failure_case where state = 'open' and kind in ('failed', 'returned') and instruction_id is not null";
        let cases: Vec<(i64,)> = self.all(sql).await;
        let cases: BTreeSet<i64> = cases.into_iter().map(|(id,)| id).collect();
        let wanted = |i: &&Instruction| i.state == "failed_final" && matches!(i.class.as_str(), "CD" | "BA") && cases.contains(&i.id);
        p.instructions.iter().filter(wanted).map(|i| (i.id, i.amount, i.bank.clone())).collect()
    }

    /// What is unknown or contradicted: instruction, entitlement, its file's bank and path.
    pub async fn unknown(&mut self) -> Vec<(i64, i64, String, String)> {
        let p = self.picture().await;
        let wanted = p.instructions.iter().filter(|i| matches!(i.state.as_str(), "unknown" | "conflict"));
        wanted.map(|i| (i.id, i.amount, i.bank.clone(), i.file.map(|f| p.files[f].path()).unwrap_or_default())).collect()
    }
}

fn is_open(i: &Instruction) -> bool {
    matches!(i.state.as_str(), "sent" | "accepted")
}

/// On which account the money of a state lies.
fn place(state: &str, class: &str) -> Option<&'static str> {
    Some(match (state, class) {
        ("pending" | "voided" | "reissued" | "refunded" | "carried", _) => return None,
        ("planned" | "sent" | "accepted", _) => "bank_clearing",
        ("paid", _) => "paid",
        ("recovered", _) | ("failed" | "failed_final" | "returned", "IR") => "suspense:ineligible",
        ("failed" | "failed_final" | "returned", _) => "suspense:correctable",
        ("lapsed", _) => "carry",
        ("refunding", _) => "refund_in_transit",
        ("unknown" | "conflict", _) => "suspense:unknown",
        _ => "nowhere",
    })
}

fn claims_are_single(p: &Picture) -> Verdict {
    let mut live: BTreeMap<i64, i64> = BTreeMap::new();
    for i in p.instructions.iter().filter(|i| i.live) {
        let other = live.insert(i.claim, i.id);
        require!(other.is_none(), "1: one live claim", "{} and {other:?} hold the claim {}", i.id, i.claim);
    }
    for i in p.instructions.iter().filter(|i| !i.live && !FREE.contains(&i.state.as_str())) {
        require!(
            live.contains_key(&i.claim),
            "1: what is not free holds its claim",
            "{} is {}, and nobody holds the claim {}",
            i.id,
            i.state,
            i.claim
        );
    }
    Ok(())
}

/// Every instruction that is out stands in one file, and every file is one unbroken range of them, sealed before it was seen.
fn files_are_single(p: &Picture) -> Verdict {
    for i in p.instructions.iter().filter(|i| !matches!(i.state.as_str(), "pending" | "voided")) {
        let mine = p.files.iter().filter(|f| !f.is_given_up() && f.first_id <= i.id && i.id <= f.last_id).count();
        require!(mine == 1, "3: one sealed file", "{} ({}) stands in {mine} files", i.id, i.state);
    }
    for f in p.files.iter().filter(|f| !f.is_given_up() && f.kind == "instruction") {
        let inside: Vec<&Instruction> = p.instructions.iter().filter(|i| f.first_id <= i.id && i.id <= f.last_id).collect();
        let total: i64 = inside.iter().map(|i| i.amount).sum();
        let whole = i64::try_from(inside.len()) == Ok(f.rows) && total == f.total_fen;
        require!(whole, "3: one sealed file", "file {}: {} rows of {}, {total} fen of {}", f.id, inside.len(), f.rows, f.total_fen);
        let sealed = f.state == "planned" || !f.sha256.is_empty();
        require!(sealed, "3: one sealed file", "file {} is {} without a hash", f.id, f.state);
    }
    Ok(())
}
