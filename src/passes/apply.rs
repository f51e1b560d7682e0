//! What a proven answer set says becomes so (入账), in one transaction: states, postings, cases. The set is the unit: it is
//! applied whole or quarantined whole. A single row that contradicts what we know is a conflict of its own and stops
//! nothing else; and what a bank said is never refused by a rule of ours.

use super::plan::{regroup, unreserve};
use super::publish::result_due;
use super::stage::quarantine_set;
use super::{Done, Gateway, PassError, Tried, refund};
use crate::domain::exchange::{InboundKind, Outcome};
use crate::domain::file::{Evidence, FileInState, FileKind, FileOutState};
use crate::domain::instruction::{Event, InstructionState, step};
use crate::domain::language::Words;
use crate::domain::ledger::{Movement, entry_kind};
use crate::domain::money::Fen;
use crate::domain::reason::{Reason, ReasonClass};
use crate::domain::scrub::scrub_wholly;
use crate::domain::time::Timestamp;
use crate::format::{Profile, Response, ReturnSemantics, fold_name};
use crate::store::desk::NewIncident;
use crate::store::inbound::{CasesOf, EchoRow, FileIn, Group, LineState};
use crate::store::ledger::{EntryOf, Origin};
use crate::store::outbound::{FileOut, SentRecord};
use crate::store::sql::Tx;

/// Sets taken in one run.
const SETS: i64 = 50;
/// More rows than this that say something else than what we sent mean that the file is not about ours at all.
const DIFFERING_MAX: i64 = 10_000;

/// Proves and applies what was staged.
///
/// # Errors
/// The database. A set that does not hold is quarantined, and no error.
pub async fn apply(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let sets = gateway.store.read().await?.sets_in(FileInState::Staged, SETS).await?;
    let mut tried = Tried::default();
    for set in sets {
        tried.note(apply_set(gateway, &set, now).await);
    }
    tried.end()
}

async fn apply_set(gateway: &Gateway, set: &[FileIn], now: Timestamp) -> Result<Done, PassError> {
    let mut tx = gateway.store.begin().await?;
    let Some(apply) = Apply::new(gateway, &mut tx, set, now).await? else { return Ok(Done::default()) };
    let problems = apply.run(&mut tx).await?;
    if problems.is_empty() {
        tx.commit().await?;
        return Ok(Done { changed: 1, ..Done::default() });
    }
    drop(tx);
    quarantine_set(gateway, set, &problems, now).await
}

/// One set on its way into the books.
struct Apply<'a> {
    gateway: &'a Gateway,
    set: &'a [FileIn],
    ids: Vec<i64>,
    kind: InboundKind,
    file: FileOut,
    now: Timestamp,
}

impl<'a> Apply<'a> {
    /// Takes the set by a compare-and-set. `None` when another node was faster.
    async fn new(gateway: &'a Gateway, tx: &mut Tx, set: &'a [FileIn], now: Timestamp) -> Result<Option<Self>, PassError> {
        let Some(first) = set.first() else { return Ok(None) };
        if !tx.move_set(set, FileInState::Applied, "", &gateway.holder, now).await? {
            return Ok(None);
        }
        let out = first.file_out.ok_or_else(|| PassError::Broken(format!("set {} names no file of ours", first.answer_set)))?;
        // Locked until the end, and read behind the lock: what `publish` compares and sets.
        tx.lock_file(out, now).await?;
        let file = tx.file(out).await?;
        Ok(Some(Self { gateway, set, ids: set.iter().map(|f| f.id).collect(), kind: first.kind, file, now }))
    }

    /// Applies, or says what is wrong.
    async fn run(mut self, tx: &mut Tx) -> Result<Vec<String>, PassError> {
        if !self.file.state.may_be_out() {
            return Ok(vec![self.say(
                format!("文件{}尚未发出（{}），银行却已有答复", self.file.name, self.file.state.code()),
                format!("file {} was not published yet ({}), and is answered", self.file.name, self.file.state.code()),
            )]);
        }
        if matches!(self.file.state, FileOutState::Publishing | FileOutState::Held | FileOutState::Doubt) {
            self.record_sent(tx).await?;
        }
        if self.file.kind == FileKind::Refund {
            return refund::answer::apply(self.gateway, tx, &self.file, self.set, self.now).await;
        }
        match self.kind {
            InboundKind::Ack => self.ack(tx).await,
            InboundKind::Result | InboundKind::Return | InboundKind::Statement | InboundKind::Enquiry => self.answers(tx).await,
        }
    }

    fn say(&self, zh: String, en: String) -> String {
        self.gateway.say(Words::new(zh, en))
    }

    /// The best evidence that a file is out is the bank's answer.
    async fn record_sent(&mut self, tx: &mut Tx) -> Result<(), PassError> {
        let agreement = tx.agreement(&self.file.agreement).await?;
        let sent = SentRecord {
            lines_state: step(self.file.lines_state, Event::Send).map_err(|e| PassError::Broken(e.to_string()))?,
            evidence: Evidence::Answered,
            ack_due_at: None,
            result_due_at: Some(result_due(self.gateway, &agreement, &self.file)?),
        };
        if !tx.record_sent(&self.file, &sent, &self.gateway.holder, self.now).await? {
            return Err(PassError::Broken(format!("file {} moved while it was locked", self.file.id)));
        }
        for kind in ["held", "doubt", "presumed"] {
            tx.close_incident(&format!("{kind}:{}", self.file.id), self.now).await?;
        }
        self.file = tx.file(self.file.id).await?;
        Ok(())
    }

    async fn answers(self, tx: &mut Tx) -> Result<Vec<String>, PassError> {
        let problems = self.prove(tx).await?;
        if !problems.is_empty() {
            return Ok(problems);
        }
        let Some(differing) = self.differing(tx).await? else {
            return Ok(vec![
                self.say(format!("超过{DIFFERING_MAX}行与我方文件不一致"), format!("more than {DIFFERING_MAX} lines differ from our file")),
            ]);
        };
        for instruction in tx.contradicted(&self.ids).await? {
            self.reclaim(tx, instruction).await?;
        }
        for row in &differing {
            self.conflict(tx, row).await?;
        }
        let own = tx.groups_own(&self.ids, self.kind).await?;
        let base = tx.groups_base(&self.ids, self.kind, self.file.lines_state).await?;
        for group in own.iter().chain(&base) {
            self.book(tx, group).await?;
        }
        tx.update_states(&self.ids, self.kind, self.now).await?;
        let moves_all = self.base_move(tx, &base).await?;
        let except = moves_all.map_or("", Event::code);
        tx.insert_states(&self.ids, self.kind, &self.file, self.file.lines_state, except, self.now).await?;
        if let Some(event) = moves_all {
            let to = step(self.file.lines_state, event).map_err(|e| PassError::Broken(e.to_string()))?;
            tx.move_base(&self.file, to, self.now).await?;
        }
        tx.take_final(&self.file, self.kind, &self.ids, moves_all == Some(Event::BankPaid)).await?;
        self.cases(tx).await?;
        self.unmapped(tx).await?;
        self.close_file(tx).await?;
        Ok(Vec::new())
    }

    /// Every line tied to one instruction of the file, none twice, none missing where the bank answers all.
    async fn prove(&self, tx: &mut Tx) -> Result<Vec<String>, PassError> {
        let shape = tx.set_shape(&self.ids, &self.file).await?;
        let rows = u64::try_from(self.file.rows).unwrap_or_default();
        let mut problems = Vec::new();
        if shape.unbound > 0 {
            problems.push(self.say(
                format!("有{}行对应不到文件{}的任何一笔", shape.unbound, self.file.name),
                format!("{} lines belong to no payment of file {}", shape.unbound, self.file.name),
            ));
        }
        if shape.unbound == 0 && shape.distinct != shape.lines {
            problems.push(self.say(
                format!("同一笔在一份回盘中出现多次：{}行，{}笔", shape.lines, shape.distinct),
                format!("a payment is answered twice in one set: {} lines, {} payments", shape.lines, shape.distinct),
            ));
        }
        if self.answers_everything()? && shape.lines != rows {
            problems.push(
                self.say(
                    format!("回盘{}笔，发出{}笔，不一致", shape.lines, rows),
                    format!("{} lines answer a file of {}", shape.lines, rows),
                ),
            );
        }
        Ok(problems)
    }

    fn answers_everything(&self) -> Result<bool, PassError> {
        let exchange = self.profile()?.exchange();
        let whole = matches!(exchange.return_semantics, ReturnSemantics::AllRows | ReturnSemantics::SplitSuccessFailure);
        Ok(self.kind == InboundKind::Result && whole && exchange.response == Response::Replace)
    }

    fn profile(&self) -> Result<&Profile, PassError> {
        self.gateway.profile(&self.file.profile).map(|p| &**p)
    }

    /// Lines that say something else than what we sent, in meaning. `None`: too many.
    async fn differing(&self, tx: &mut Tx) -> Result<Option<Vec<EchoRow>>, PassError> {
        let rows = tx.echoes_that_differ(&self.ids, DIFFERING_MAX + 1).await?;
        if i64::try_from(rows.len()).is_ok_and(|n| n > DIFFERING_MAX) {
            return Ok(None);
        }
        Ok(Some(rows.into_iter().filter(differs).collect()))
    }

    /// A row that contradicts what we sent is settled by nobody but people.
    async fn conflict(&self, tx: &mut Tx, row: &EchoRow) -> Result<(), PassError> {
        let own = tx.own_state(row.instruction_id).await?;
        if own.as_ref().is_some_and(|(state, _)| matches!(state, InstructionState::FailedFinal | InstructionState::Reissued)) {
            self.reclaim(tx, row.instruction_id).await?;
        }
        let (state, class) = tx.own_state(row.instruction_id).await?.unwrap_or_else(|| (self.file.lines_state, String::new()));
        let Ok(next) = step(state, Event::BankDiffers) else { return Ok(()) };
        let partial = row.theirs.4.is_some_and(|paid| paid != row.ours.3);
        let (reason, words) = if partial {
            (Reason::PartialPaid, "银行称已付金额与应付不一致 / another amount was paid".to_owned())
        } else {
            (Reason::ResultUnknown, "回盘信息与我方不一致 / the echo differs from what was sent".to_owned())
        };
        self.move_money(tx, (state, ReasonClass::from_code(&class)), (next, Some(reason.class())), row.ours.3, 1).await?;
        let line = LineState {
            instruction_id: row.instruction_id,
            state: next,
            amount: row.ours.3,
            reason: reason.code(),
            class: reason.class().code(),
            words: &words,
            at: Some(row.at),
        };
        tx.set_state(&self.file, &line, self.now).await?;
        Ok(())
    }

    /// Books what a group of lines moves; tells a person where the table has no place for the bank's word.
    async fn book(&self, tx: &mut Tx, group: &Group) -> Result<(), PassError> {
        let Some(next) = group.next else {
            let what = self.say(
                format!("银行对{}笔（{}元）的说法“{}”与我方状态“{}”无法相容", group.count, group.total, group.event, group.state.code()),
                format!(
                    "the bank says {} of {} lines ({}) that are {}: there is no such step",
                    group.event,
                    group.count,
                    group.total,
                    group.state.code()
                ),
            );
            let next_step = self.say("请与银行核对，必要时追回".to_owned(), "ask the bank; the money may have to be recovered".to_owned());
            let key = format!("no_cell:{}:{}:{}", self.file.id, group.state.code(), group.event);
            tx.incident(&NewIncident { key: &key, kind: "conflict", bank: &self.file.bank, what: &what, next_step: &next_step }, self.now)
                .await?;
            return Ok(());
        };
        if next == group.state {
            return Ok(());
        }
        let class = |code: &str| ReasonClass::from_code(code);
        self.move_money(tx, (group.state, class(&group.class)), (next, class(&group.next_class)), group.total, group.count).await
    }

    async fn move_money(
        &self,
        tx: &mut Tx,
        from: (InstructionState, Option<ReasonClass>),
        to: (InstructionState, Option<ReasonClass>),
        amount: Fen,
        lines: u64,
    ) -> Result<(), PassError> {
        let (Some(from), Some(to)) = (from.0.account(from.1), to.0.account(to.1)) else { return Ok(()) };
        if from == to || !amount.is_positive() {
            return Ok(());
        }
        let movement = Movement { kind: entry_kind(to), from: self.file.purse.account(from), to: self.file.purse.account(to), amount };
        let of = EntryOf {
            batch: self.file.batch.clone(),
            file_out: Some(self.file.id),
            file_in: self.ids.first().copied(),
            lines,
            ..EntryOf::default()
        };
        if tx.post(self.now, &of, Origin::Theirs, &movement).await? {
            let what = self.say(
                format!("银行的说法使账户“{}”不足，{}元记入冲突户", from.code(), amount),
                format!("the bank's word would overdraw {}; {} is booked to conflict", from.code(), amount),
            );
            let next_step = self.say("请对账".to_owned(), "reconcile the account".to_owned());
            let key = format!("overdraw:{}:{}", self.file.id, from.code());
            tx.incident(&NewIncident { key: &key, kind: "conflict", bank: &self.file.bank, what: &what, next_step: &next_step }, self.now)
                .await?;
        }
        Ok(())
    }

    /// Whether the set speaks for every line that has no row of its own, and so much for one fate that the file's own
    /// word can move instead of a million rows. Failures keep rows of their own: each has its reason.
    async fn base_move(&self, tx: &mut Tx, groups: &[Group]) -> Result<Option<Event>, PassError> {
        let answered: u64 = groups.iter().map(|g| g.count).sum();
        let (own, _) = tx.own_rows(self.file.id).await?;
        let rest = u64::try_from(self.file.rows).unwrap_or_default().saturating_sub(own);
        if rest == 0 || answered != rest || groups.iter().any(|g| g.next.is_none()) {
            return Ok(None);
        }
        let count = |event: Event| -> u64 { groups.iter().filter(|g| g.event == event.code()).map(|g| g.count).sum() };
        let best = [Event::BankPaid, Event::BankAccepted].into_iter().max_by_key(|e| count(*e)).filter(|e| count(*e) > 0);
        Ok(best.filter(|e| step(self.file.lines_state, *e).is_ok_and(|next| next != self.file.lines_state)))
    }

    async fn cases(&self, tx: &mut Tx) -> Result<(), PassError> {
        let business_date = self.gateway.today(self.now);
        let due_on = self.gateway.due_day(business_date, self.gateway.config.cases.due_days)?;
        let kinds =
            [("failed", InstructionState::Failed), ("returned", InstructionState::Returned), ("conflict", InstructionState::Conflict)];
        for (kind, state) in kinds {
            let of = CasesOf { kind, state, department: &self.file.purse.department, bank: &self.file.bank, business_date, due_on };
            let opened = tx.open_cases(&self.ids, &of, self.now).await?;
            if opened > 0 && state == InstructionState::Conflict {
                let what = self.say(
                    format!("文件{}有{opened}笔银行说法自相矛盾或与我方不符，已转待查", self.file.name),
                    format!("{opened} lines of file {} contradict what was sent or said before; they are unknown now", self.file.name),
                );
                let next_step = self.say("请与银行核实，由两人处理".to_owned(), "clear it with the bank; two persons decide".to_owned());
                let key = format!("conflict:{}:{}", self.file.id, self.ids.first().copied().unwrap_or_default());
                tx.incident(
                    &NewIncident { key: &key, kind: "conflict", bank: &self.file.bank, what: &what, next_step: &next_step },
                    self.now,
                )
                .await?;
            }
        }
        Ok(())
    }

    /// A phrase that the reason map does not know is an operator's to-do, once per phrase.
    async fn unmapped(&self, tx: &mut Tx) -> Result<(), PassError> {
        for (code, words, times) in tx.unmapped_words(&self.ids).await? {
            let words = scrub_wholly(&words);
            let what = self.say(
                format!("银行{}的失败原因未能识别：代码“{code}”，说明“{words}”，{times}笔", self.file.bank),
                format!("bank {} gives a reason that the map does not know: code {code:?}, words {words:?}, {times} times", self.file.bank),
            );
            let next_step = self.say(
                format!("请在 bank-formats/{}/profile.toml 的原因表中补充", self.file.profile),
                format!("add it to the reason map of bank-formats/{}/profile.toml", self.file.profile),
            );
            let key = format!("unmapped:{}:{code}:{words}", self.file.bank);
            tx.incident(
                &NewIncident { key: &key, kind: "unmapped_reason", bank: &self.file.bank, what: &what, next_step: &next_step },
                self.now,
            )
            .await?;
        }
        Ok(())
    }

    async fn close_file(&self, tx: &mut Tx) -> Result<(), PassError> {
        if tx.lines_open(&self.file).await? > 0 {
            return Ok(());
        }
        let gives_path_back = self.profile()?.exchange().recurring_path;
        if tx.record_answered(self.file.id, gives_path_back, self.now).await? {
            let from = self.file.state.code();
            tx.event("file_out", self.file.id, ("answer", from, "answered"), &self.gateway.holder, "", self.now).await?;
            for kind in ["overdue", "ack_overdue", "presumed"] {
                tx.close_incident(&format!("{kind}:{}", self.file.id), self.now).await?;
            }
            tracing::info!(file = self.file.id, bank = self.file.bank, sets = self.set.len(), "file answered");
        }
        Ok(())
    }

    async fn ack(self, tx: &mut Tx) -> Result<Vec<String>, PassError> {
        let words = tx.ack_words(&self.ids).await?;
        let Some((outcome, is_final, reason, class, text)) = words.first().cloned() else {
            return Ok(vec![self.say("回执没有内容".to_owned(), "the ack says nothing".to_owned())]);
        };
        match (outcome, is_final) {
            (Outcome::Accepted | Outcome::Paid, _) => {
                let to = step(self.file.lines_state, Event::BankAccepted).map_err(|e| PassError::Broken(e.to_string()))?;
                tx.move_base(&self.file, to, self.now).await?;
                if self.file.state == FileOutState::Sent {
                    tx.move_file(&self.file, FileOutState::Accepted, "", &self.gateway.holder, self.now).await?;
                }
                tx.close_incident(&format!("ack_overdue:{}", self.file.id), self.now).await?;
            }
            (Outcome::Failed, true) => self.refused(tx, &reason, &class, &text).await?,
            // "I have had this one" may be said of another copy: whether it was paid, nobody knows.
            (Outcome::Failed | Outcome::Unknown, _) if is_seen_before(&reason) => self.refused(tx, &reason, &class, &text).await?,
            (Outcome::Failed | Outcome::Unknown, _) => {}
        }
        Ok(Vec::new())
    }

    /// The bank refused the whole file. Where it says "duplicate", or a second copy may be out, that is no proof that
    /// nothing was paid: the lines are unknown then, and never sent again by themselves.
    async fn refused(&self, tx: &mut Tx, reason: &str, class: &str, text: &str) -> Result<(), PassError> {
        let doubtful = class == ReasonClass::Enquire.code() || self.file.copies > 1;
        let event = if doubtful { Event::BankUnknown } else { Event::BankFailed };
        let next = step(self.file.lines_state, event).map_err(|e| PassError::Broken(e.to_string()))?;
        let (moved, total) = tx.move_rest(&self.file, self.ids.first().copied(), next, (reason, class, text), self.now).await?;
        self.move_money(tx, (self.file.lines_state, None), (next, ReasonClass::from_code(class)), total, moved).await?;
        let state = if doubtful { FileOutState::Doubt } else { FileOutState::Refused };
        tx.move_file(&self.file, state, text, &self.gateway.holder, self.now).await?;
        self.cases(tx).await?;
        let text = scrub_wholly(text);
        let what = self.say(
            format!("银行整批拒收文件{}（{moved}笔，{total}元）：{text}", self.file.name),
            format!("the bank refused file {} ({moved} lines, {total}): {text}", self.file.name),
        );
        let next_step =
            self.say(format!("查看：bankgate file show {}", self.file.id), format!("look: bankgate file show {}", self.file.id));
        let key = format!("refused:{}", self.file.id);
        tx.incident(&NewIncident { key: &key, kind: "file_refused", bank: &self.file.bank, what: &what, next_step: &next_step }, self.now)
            .await?;
        Ok(())
    }

    /// A finally failed instruction turns out paid: whoever holds its claim now is stopped, be it a retry, a reissue or
    /// another batch's payment, and the claim goes back to it. Each is looked up by itself: stopping one may renumber others.
    async fn reclaim(&self, tx: &mut Tx, instruction: i64) -> Result<(), PassError> {
        while let Some(rival) = tx.rival_of(instruction).await? {
            let tranche = tx.tranche_of(rival).await?.id;
            // Behind the lock nothing of it is planned; what was planned just before is seen.
            tx.lock_tranche(tranche).await?;
            if tx.rival_of(instruction).await? == Some(rival) {
                self.stop_rival(tx, instruction, rival).await?;
                break;
            }
        }
        tx.reclaim_if_free(instruction).await?;
        Ok(())
    }

    /// The rival is stopped on its own file's row, or, when it may be out already, a person is told that money may have
    /// gone twice.
    async fn stop_rival(&self, tx: &mut Tx, instruction: i64, rival: i64) -> Result<(), PassError> {
        let tranche = tx.tranche_of(rival).await?;
        let mut file = tx.file_of(rival).await?;
        if let Some(found) = &file {
            tx.lock_file(found.id, self.now).await?;
            file = Some(tx.file(found.id).await?);
        }
        // A retry ends with what it retries; another batch's payment is told that the money went already.
        let why = if tranche.kind == "retry" { "" } else { Reason::DupBenefit.code() };
        let out = [(rival, why.to_owned())];
        match file {
            None => regroup(self.gateway, tx, &tranche, (tranche.next_id, tranche.last_id), &out, self.now).await?,
            Some(file) if !file.state.may_be_out() => {
                let why = format!("instruction {instruction} before one of its lines was paid after all");
                if tx.move_file(&file, FileOutState::Abandoned, &why, &self.gateway.holder, self.now).await? {
                    unreserve(tx, &file, self.now).await?;
                    regroup(self.gateway, tx, &tranche, (file.first_id, file.last_id), &out, self.now).await?;
                }
            }
            Some(file) => {
                let today = self.gateway.today(self.now);
                let due_on = self.gateway.due_day(today, 1)?;
                tx.suspect_double(instruction, rival, &self.file.purse.department, &file.bank, (today, due_on), self.now).await?;
                let what = self.say(
                    format!("疑似重复支付：第{instruction}号指令先报失败后报成功，同一款项的再次支付（文件{}）已送银行", file.name),
                    format!(
                        "suspected double payment: instruction {instruction} failed, then was paid; the same claim is out again in file {}",
                        file.name
                    ),
                );
                let next_step = self.say("请立即电话银行止付或追回".to_owned(), "phone the bank at once: stop or recover it".to_owned());
                let key = format!("double:{instruction}");
                let incident =
                    NewIncident { key: &key, kind: "double_payment_suspected", bank: &file.bank, what: &what, next_step: &next_step };
                tx.incident(&incident, self.now).await?;
            }
        }
        Ok(())
    }
}

fn is_seen_before(reason: &str) -> bool {
    matches!(Reason::from_code(reason), Some(Reason::DupBatch | Reason::FileNameDup))
}

/// Whether an echo differs in meaning: names folded, identity numbers in either case.
fn differs(row: &EchoRow) -> bool {
    let (name, id, account, amount) = &row.ours;
    let (their_name, their_id, their_account, their_amount, their_paid) = &row.theirs;
    (!their_name.is_empty() && !same_name(name, their_name))
        || (!their_id.is_empty() && !id.same_as(their_id))
        || (!their_account.is_empty() && account != their_account)
        || their_amount.is_some_and(|a| a != *amount)
        || (row.outcome == Outcome::Paid.code() && their_paid.is_some_and(|p| p != *amount))
}

fn same_name(ours: &crate::domain::masked::Name, theirs: &crate::domain::masked::Name) -> bool {
    ours.matches_by(theirs, fold_name)
}
