//! What a proven answer set says becomes so (入账), in one transaction: states, postings, cases. The set is the unit: it is
//! applied whole or quarantined whole. A single row that contradicts what we know is a conflict of its own and stops
//! nothing else; and what a bank said is never refused by a rule of ours.

mod ack;
mod booking;
mod doubts;
mod rivals;

pub(super) use booking::Booking;
use doubts::DIFFERING_MAX;

use std::collections::BTreeSet;

use super::publish::result_due;
use super::stage::quarantine_set;
use super::{Done, Gateway, PassError, Tried, refund, returns};
use crate::domain::exchange::InboundKind;
use crate::domain::file::{Evidence, FileInState, FileKind, FileOutState};
use crate::domain::ids::EndToEndId;
use crate::domain::instruction::{Event, InstructionState, step};
use crate::domain::language::Words;
use crate::domain::money::Fen;
use crate::domain::reason::{Reason, ReasonClass};
use crate::domain::scrub::scrub_wholly;
use crate::domain::time::Timestamp;
use crate::format::{Profile, Response, ReturnSemantics};
use crate::store::desk::NewIncident;
use crate::store::inbound::{CasesOf, FileIn, Group};
use crate::store::outbound::{FileOut, SentRecord};
use crate::store::sql::Tx;

/// Sets taken in one run.
const SETS: i64 = 50;
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
        if !self.file.may_be_out() {
            return Ok(vec![self.say(
                format!("文件{}尚未发出（{}），银行却已有答复", self.file.name, self.file.state.code()),
                format!("file {} was not published yet ({}), and is answered", self.file.name, self.file.state.code()),
            )]);
        }
        if self.is_now_known_to_be_out() {
            self.record_sent(tx).await?;
        }
        if self.file.kind == FileKind::Refund {
            return refund::answer::apply(self.gateway, tx, &self.file, self.set, self.now).await;
        }
        match self.kind {
            InboundKind::Ack => self.ack(tx).await,
            InboundKind::Result if tx.speaks_of_the_file(&self.ids).await? => self.file_word(tx).await,
            InboundKind::Result | InboundKind::Return | InboundKind::Statement | InboundKind::Enquiry => self.answers(tx).await,
        }
    }

    /// Whether the bank's naming it is news: of a second copy on its way, too, for the first is out.
    fn is_now_known_to_be_out(&self) -> bool {
        match self.file.state {
            FileOutState::Planned
            | FileOutState::Sealed
            | FileOutState::Uploading
            | FileOutState::Publishing
            | FileOutState::Held
            | FileOutState::Doubt
            | FileOutState::Withdrawing => true,
            FileOutState::Sent
            | FileOutState::Accepted
            | FileOutState::Answered
            | FileOutState::Refused
            | FileOutState::Voided
            | FileOutState::Abandoned => false,
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

    async fn answers(mut self, tx: &mut Tx) -> Result<Vec<String>, PassError> {
        let problems = self.prove(tx).await?;
        if !problems.is_empty() {
            return Ok(problems);
        }
        let Some(doubtful) = self.doubts(tx).await? else {
            return Ok(vec![
                self.say(format!("超过{DIFFERING_MAX}行与我方文件不一致"), format!("more than {DIFFERING_MAX} lines differ from our file")),
            ]);
        };
        // On record before anything moves: whichever of the two words came first, a success that was sent back is known for one.
        self.note_returns(tx, &doubtful).await?;
        let mut is_whole = false;
        if self.says_what_became() {
            self.successes_too_late(tx).await?;
            is_whole = self.words(tx).await? == Some(Event::BankPaid);
        }
        let evidence = returns::Evidence { file_in: self.ids.first().copied(), statement: None };
        returns::meet(self.gateway, tx, &self.file, evidence, self.now).await?;
        if self.says_what_became() {
            returns::explain(self.gateway, tx, &self.file, (evidence, &self.ids), self.now).await?;
        }
        tx.take_final(&self.file, self.kind, &self.ids, is_whole).await?;
        self.cases(tx).await?;
        self.unmapped(tx).await?;
        self.aside(tx).await?;
        self.close_file(tx).await?;
        Ok(Vec::new())
    }

    /// Moves every line by the table: the file's own word where most lines share a fate, rows of their own for the others.
    /// Says what moved the file's word.
    async fn words(&mut self, tx: &mut Tx) -> Result<Option<Event>, PassError> {
        let own = tx.groups_own(&self.ids, &self.file).await?;
        let base = tx.groups_base(&self.ids, &self.file).await?;
        for group in own.iter().chain(&base) {
            self.book(tx, group).await?;
        }
        tx.update_states(&self.ids, &self.file, self.now).await?;
        let moves_all = self.base_move(tx, &base).await?;
        let except = moves_all.map_or("", Event::code);
        tx.insert_states(&self.ids, &self.file, self.file.lines_state, except, self.now).await?;
        if let Some(event) = moves_all {
            let to = step(self.file.lines_state, event).map_err(|e| PassError::Broken(e.to_string()))?;
            tx.move_base(&self.file, to, self.now).await?;
            self.file = tx.file(self.file.id).await?;
        }
        Ok(moves_all)
    }

    /// Of what the bank said in lines that two persons set aside nobody knows anything: those payments are unknown, and settled
    /// as such.
    async fn aside(&self, tx: &mut Tx) -> Result<(), PassError> {
        if tx.count_aside(&self.ids).await? == 0 || !self.answers_everything()? {
            return Ok(());
        }
        let next = step(self.file.lines_state, Event::BankUnknown).map_err(|e| PassError::Broken(e.to_string()))?;
        if next != InstructionState::Unknown {
            return Ok(());
        }
        let reason = Reason::ResultUnknown;
        let words = "回盘行已由两人剔除 / its line was set aside by two persons";
        let of = (reason.code(), reason.class().code(), words);
        let (moved, total) = tx.move_rest(&self.file, self.ids.first().copied(), next, of, self.now).await?;
        self.move_money(tx, (self.file.lines_state, None), (next, Some(reason.class())), total, moved).await
    }

    async fn note_returns(&self, tx: &mut Tx, doubtful: &BTreeSet<i64>) -> Result<(), PassError> {
        let today = self.gateway.today(self.now);
        tx.note_returns(&self.ids, self.kind, &self.file, (doubtful, today), self.now).await?;
        self.said_though_undone(tx).await?;
        let (lines, first) = tx.returns_dated_anew(&self.ids, self.kind).await?;
        if lines == 0 {
            return Ok(());
        }
        let what = self.say(
            format!("银行对文件{}的{lines}笔再次报部分退票，金额与先前一笔相同、日期不同（首笔：{}）", self.file.name, EndToEndId(first)),
            format!(
                "of {lines} lines of file {} the bank says again that a part came back: just as much, on another day (the first: {})",
                self.file.name,
                EndToEndId(first)
            ),
        );
        let next_step = self.say(
            "请与银行核对是同一次还是又一次；按同一次处理，如属又一次，对账单上的入账会自动补记".to_owned(),
            "ask the bank whether it is the same return or another; it counts as the same: another is booked by its credit on a statement"
                .to_owned(),
        );
        let key = format!("return_again:{}", self.file.id);
        let incident = NewIncident { key: &key, kind: "conflict", bank: &self.file.bank, what: &what, next_step: &next_step };
        tx.incident(&incident, self.now).await?;
        Ok(())
    }

    /// What two persons said did not come back is not booked on the bank's word alone, which may be the same word once more; and it
    /// may have come back since, so that somebody asks.
    async fn said_though_undone(&self, tx: &mut Tx) -> Result<(), PassError> {
        let (lines, first) = tx.returns_said_though_undone(&self.ids, self.kind).await?;
        if lines == 0 {
            return Ok(());
        }
        let what = self.say(
            format!("文件{}有{lines}笔经两人认定并未退回，银行又报退票（首笔：{}）；仍按已付，未入账", self.file.name, EndToEndId(first)),
            format!(
                "two persons said of {lines} lines of file {} that they did not come back, and the bank says again that they did (the first: {}); \
                 they stay paid, and nothing is booked",
                self.file.name,
                EndToEndId(first)
            ),
        );
        let next_step = self.say(
            "请与银行核对是原来那一次还是又退回一次；又退回的，对账单上的入账会自动补记并重新立案；并未退回的，请银行更正".to_owned(),
            "ask the bank whether it is the same return or a second one; a second one is booked by its credit on a statement, and its case \
             opened again; where nothing came back, the bank corrects its file"
                .to_owned(),
        );
        let key = format!("return_undone:{}", self.file.id);
        let incident = NewIncident { key: &key, kind: "conflict", bank: &self.file.bank, what: &what, next_step: &next_step };
        tx.incident(&incident, self.now).await?;
        Ok(())
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
        // A payment may come back in parts: each is another amount, or has a reference of its own.
        let is_repeated = match self.kind {
            InboundKind::Return => tx.returns_said_twice(&self.ids).await? > 0,
            InboundKind::Ack | InboundKind::Result | InboundKind::Statement | InboundKind::Enquiry => shape.distinct != shape.lines,
        };
        if shape.unbound == 0 && is_repeated {
            problems.push(self.say(
                format!("同一笔在一份回盘中出现多次：{}行，{}笔", shape.lines, shape.distinct),
                format!("a payment is answered twice in one set: {} lines, {} payments", shape.lines, shape.distinct),
            ));
        }
        // A line that was set aside stood for a payment or for none of ours: it may make up for one that is missing, and need not.
        let aside = tx.count_aside(&self.ids).await?;
        if self.answers_everything()? && (shape.lines > rows || shape.lines + aside < rows) {
            problems.push(
                self.say(
                    format!("回盘{}笔，发出{}笔，不一致", shape.lines, rows),
                    format!("{} lines answer a file of {}", shape.lines, rows),
                ),
            );
        }
        Ok(problems)
    }

    /// Whether a line says what became of its payment: a result does, and so does the answer to an enquiry. A file of returns
    /// says only what came back.
    fn says_what_became(&self) -> bool {
        match self.kind {
            InboundKind::Result | InboundKind::Enquiry => true,
            InboundKind::Ack | InboundKind::Return | InboundKind::Statement => false,
        }
    }

    fn answers_everything(&self) -> Result<bool, PassError> {
        let exchange = self.profile()?.exchange();
        let whole = matches!(exchange.return_semantics, ReturnSemantics::AllRows | ReturnSemantics::SplitSuccessFailure);
        Ok(self.kind == InboundKind::Result && whole && exchange.response == Response::Replace)
    }

    fn profile(&self) -> Result<&Profile, PassError> {
        self.gateway.profile(&self.file.profile).map(|p| &**p)
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

    fn booking(&self) -> Booking<'_> {
        Booking { gateway: self.gateway, file: &self.file, file_in: self.ids.first().copied(), statement: None, now: self.now }
    }

    async fn move_money(
        &self,
        tx: &mut Tx,
        from: (InstructionState, Option<ReasonClass>),
        to: (InstructionState, Option<ReasonClass>),
        amount: Fen,
        lines: u64,
    ) -> Result<(), PassError> {
        self.booking().move_money(tx, None, from, to, amount, lines).await
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
        // What was sent back has its cases already (`returns::meet`).
        let kinds = [("failed", InstructionState::Failed), ("conflict", InstructionState::Conflict)];
        for (kind, state) in kinds {
            let of = CasesOf { kind, state, department: &self.file.purse.department, bank: &self.file.bank, business_date, due_on };
            // What was settled once, and its case closed, may come to the same end again.
            let opened = tx.open_cases(&self.ids, &of, self.now).await?
                + tx.open_cases_again(&self.ids, &of, &self.gateway.holder, self.now).await?;
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
            for kind in ["overdue", "ack_overdue", "presumed", "recall"] {
                tx.close_incident(&format!("{kind}:{}", self.file.id), self.now).await?;
            }
            tracing::info!(file = self.file.id, bank = self.file.bank, sets = self.set.len(), "file answered");
        }
        Ok(())
    }
}
