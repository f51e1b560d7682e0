//! What does not agree, in words, for whom, by when (差异). A break is one row while it is open and closes by itself when its
//! cause is gone; what may still come by itself is pending until its grace is over.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::report::OpenItem;
use crate::domain::exchange::Side;
use crate::domain::language::Words;
use crate::domain::matching::{BreakKind, Found, Line, Missing};
use crate::domain::money::Fen;
use crate::domain::time::Timestamp;
use crate::domain::verdict::{is_over, is_stale};
use crate::passes::{Gateway, PassError};
use crate::store::sql::Tx;
use crate::store::statements::{NewBreak, PayerAccount};

/// Working days in which a movement of ours may still come to stand on a statement.
const GRACE_DAYS: u32 = 1;
/// Working days that a bank may take to answer what it has debited.
const ANSWER_DAYS: u32 = 3;
/// Working days in which somebody should settle a break.
const DUE_DAYS: u32 = 3;

/// What is open about an account: breaks, and what may still come by itself.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) breaks: Vec<NewBreak>,
    pub(super) pending: Vec<(NaiveDate, OpenItem)>,
}

/// Sorts what disagrees and what is missing into breaks and what has time.
pub(super) fn wanted(
    gateway: &Gateway,
    of: &PayerAccount,
    lines: &[Line],
    found: &[Found],
    missing: &[Missing],
    (stated_to, today): (Option<NaiveDate>, NaiveDate),
) -> Result<Wanted, PassError> {
    let mut wanted = Wanted::default();
    for (line, found) in lines.iter().zip(found) {
        let (kind, subject, expected, candidates) = match found {
            Found::Match(..) => continue,
            Found::Wait => (None, "", None, String::new()),
            Found::Break { kind, subject, expected, candidates } => (Some(*kind), subject.as_str(), *expected, candidates.join("\n")),
        };
        let grace = match (kind, line.side) {
            (None, _) => ANSWER_DAYS,
            // The voucher of a department's cash may reach the platform a day after the money.
            (Some(BreakKind::MissingHere), Side::Credit) if of.is_cash => GRACE_DAYS,
            (Some(_), _) => 0,
        };
        let grace_until = if grace == 0 { line.on } else { gateway.calendar.add_working_days(line.on, grace)? };
        let kind = kind.unwrap_or(BreakKind::MissingHere);
        let of_line = format!("line:{}:{}", line.statement, line.line);
        if grace > 0 && today <= grace_until {
            let item = OpenItem {
                key: of_line,
                kind: kind.code().to_owned(),
                subject: subject.to_owned(),
                expected,
                found: Some(line.amount),
                is_pending: true,
            };
            wanted.pending.push((line.on, item));
            continue;
        }
        let (what, next) = words(kind, line.side, subject, expected, line.amount);
        wanted.breaks.push(NewBreak {
            key: format!("{of_line}:{}", kind.code()),
            on: line.on,
            kind,
            at: Some((line.statement, line.line)),
            subject: subject.to_owned(),
            expected,
            found: Some(line.amount),
            what: gateway.say(what),
            next_step: gateway.say(next),
            candidates,
            owner: owner(kind, line.side),
            grace_until,
            due_on: gateway.calendar.add_working_days(grace_until, DUE_DAYS)?,
        });
    }
    for m in missing {
        push_missing(gateway, m, (stated_to, today), &mut wanted)?;
    }
    Ok(wanted)
}

fn push_missing(
    gateway: &Gateway,
    m: &Missing,
    (stated_to, today): (Option<NaiveDate>, NaiveDate),
    wanted: &mut Wanted,
) -> Result<(), PassError> {
    let grace_until = gateway.calendar.add_working_days(m.on, GRACE_DAYS)?;
    if !is_over(grace_until, stated_to) {
        let (kind, subject) = (m.kind.code().to_owned(), m.subject.clone());
        let item = OpenItem { key: m.key.clone(), kind, subject, expected: Some(m.amount), found: None, is_pending: true };
        wanted.pending.push((m.on, item));
        return Ok(());
    }
    let kind = if is_stale(m.on, today) { BreakKind::Stale } else { m.kind };
    let (what, next) = words(kind, Side::Debit, &m.subject, Some(m.amount), Fen::ZERO);
    wanted.breaks.push(NewBreak {
        key: format!("{}:{}", m.key, kind.code()),
        on: m.on,
        kind,
        at: None,
        subject: m.subject.clone(),
        expected: Some(m.amount),
        found: None,
        what: gateway.say(what),
        next_step: gateway.say(next),
        candidates: String::new(),
        owner: "bank",
        grace_until,
        due_on: gateway.calendar.add_working_days(grace_until, DUE_DAYS)?,
    });
    Ok(())
}

const fn owner(kind: BreakKind, side: Side) -> &'static str {
    match (kind, side) {
        (BreakKind::MissingHere, Side::Credit) => "finance",
        (BreakKind::Returned, Side::Credit) => "operator",
        (_, Side::Debit | Side::Credit) => "bank",
    }
}

fn words(kind: BreakKind, side: Side, subject: &str, expected: Option<Fen>, found: Fen) -> (Words, Words) {
    let expected = expected.map(|e| e.to_string()).unwrap_or_default();
    let ask = Words::new("请银行书面说明并更正；更正前勿作处理", "ask the bank in writing to explain and correct it; do nothing before");
    match kind {
        BreakKind::MissingAtBank => (
            Words::new(
                format!("{subject}：应有{expected}元，对账单上没有"),
                format!("{subject}: {expected} yuan should stand on the statement and does not"),
            ),
            Words::new("请银行查明是否已记账；记入后自动结清", "ask the bank whether it was booked; it closes by itself once it is"),
        ),
        BreakKind::Stale => (
            Words::new(
                format!("{subject}：{expected}元逾三十天仍未见于对账单"),
                format!("{subject}: {expected} yuan are on no statement after thirty days"),
            ),
            Words::new("请银行书面答复，并报财政部门负责人", "get the bank's answer in writing, and tell the head of finance"),
        ),
        BreakKind::Returned if side == Side::Debit => (
            Words::new(
                format!("{subject}：银行称退票{expected}元，账户未见款项退回"),
                format!("{subject}: the bank says that {expected} yuan were sent back, and the account was not credited"),
            ),
            ask,
        ),
        BreakKind::Returned => (
            Words::new(
                format!("{subject}：款项{found}元退回，未能入账"),
                format!("{subject}: {found} yuan came back and could not be booked"),
            ),
            Words::new(
                "核对该笔支付；查明后用 `bankgate statement match` 认定",
                "look at the payment, then say what it is with `bankgate statement match`",
            ),
        ),
        BreakKind::MissingHere if side == Side::Credit => (
            Words::new(
                format!("账户收到{found}元（{subject}），账上无对应"),
                format!("{found} yuan came in ({subject}) that our books do not know"),
            ),
            Words::new(
                "查明来源（利息、退款、误入）后用 `bankgate statement match … --as other --reason …` 认定",
                "find out what it is (interest, money given back, a mistake), then `bankgate statement match … --as other --reason …`",
            ),
        ),
        BreakKind::MissingHere => (
            Words::new(
                format!("账户被扣{found}元（{subject}），没有对应的支付指令或银行回盘"),
                format!("{found} yuan were debited ({subject}) that nobody instructed, or that the bank did not answer"),
            ),
            ask,
        ),
        BreakKind::Amount => (
            Words::new(
                format!("{subject}：应为{expected}元，对账单为{found}元"),
                format!("{subject}: should be {expected} yuan, the statement says {found}"),
            ),
            ask,
        ),
        BreakKind::FeeCharged => (
            Words::new(
                format!("银行扣收费用{found}元；代发惠民补贴不得收费"),
                format!("the bank charged {found} yuan; paying subsidies is free of charge"),
            ),
            Words::new("要求银行退还，并按协议处理", "have it given back, as the agreement says"),
        ),
        BreakKind::DuplicateDebit => {
            (Words::new(format!("{subject}：再次被扣{found}元"), format!("{subject}: {found} yuan were debited once more")), ask)
        }
    }
}

/// Opens what is new and closes what is gone. Gives the days concerned and how many changed.
pub(super) async fn keep(tx: &mut Tx, of: &PayerAccount, wanted: &Wanted, now: Timestamp) -> Result<(BTreeSet<NaiveDate>, u64), PassError> {
    let open = tx.breaks_open(of).await?;
    let (mut days, mut changed) = (BTreeSet::new(), 0);
    let keys: BTreeSet<&str> = wanted.breaks.iter().map(|b| b.key.as_str()).collect();
    for gone in open.iter().filter(|b| !keys.contains(b.key.as_str())) {
        let cause = gone.key.rsplit_once(':').map_or("", |(cause, _)| cause);
        let lives_on = wanted.breaks.iter().any(|b| b.key.rsplit_once(':').is_some_and(|(c, _)| c == cause));
        tx.close_break(gone.id, if lives_on { "superseded" } else { "matched" }, now).await?;
        days.insert(gone.on_date);
        changed += 1;
    }
    for b in wanted.breaks.iter().filter(|b| !open.iter().any(|o| o.key == b.key)) {
        if tx.open_break(of, b, now).await? {
            days.insert(b.on);
            changed += 1;
        }
    }
    Ok((days, changed))
}
