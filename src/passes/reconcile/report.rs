//! The report of one account and day, as a function of its inputs: which statements counted, up to which match, and what was
//! open then. The rows that it reads never change, so the same inputs give the same bytes, today and in ten years.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::domain::money::Fen;
use crate::domain::verdict::{Gap, Verdict, gaps, verdict};
use crate::passes::PassError;
use crate::store::sql::Tx;

/// What a report is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// The bank.
    pub bank: String,
    /// The account.
    pub account: String,
    /// The day.
    pub on: NaiveDate,
    /// The statements that cover it.
    pub statements: Vec<i64>,
    /// The statement before them.
    pub before: Option<i64>,
    /// Whether another statement with other bytes waits for a decision.
    pub is_contested: bool,
    /// The newest match that counts.
    pub last_match: i64,
    /// What was open about the day.
    pub open: Vec<OpenItem>,
}

/// Something open: a break, or what may still come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenItem {
    /// Which.
    pub key: String,
    /// In what way.
    pub kind: String,
    /// What it concerns.
    pub subject: String,
    /// What it should be.
    pub expected: Option<Fen>,
    /// What it is.
    pub found: Option<Fen>,
    /// Whether its time is not over.
    pub is_pending: bool,
}

/// Lines of one kind, explained in one way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// What they are.
    pub kind: String,
    /// How they were found.
    pub how: String,
    /// How many.
    pub lines: usize,
    /// What came in.
    pub credits: Fen,
    /// What went out.
    pub debits: Fen,
}

/// A day of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What it is made from.
    pub inputs: Inputs,
    /// The balance before the day.
    pub opening: Option<Fen>,
    /// The balance behind it.
    pub closing: Option<Fen>,
    /// What came in.
    pub credits: Fen,
    /// What went out.
    pub debits: Fen,
    /// How many lines.
    pub lines: usize,
    /// How many of them are explained.
    pub matched: usize,
    /// By what.
    pub explained: Vec<Explained>,
    /// What every line, with what explains it, hashes to.
    pub lines_sha256: String,
    /// What keeps the day from being complete.
    pub gaps: Vec<String>,
    /// Closing less opening less what is explained.
    pub residual: Fen,
    /// Open breaks.
    pub breaks: usize,
    /// What may still come.
    pub pending: usize,
    /// How it stands.
    pub verdict: String,
}

/// A report and its bytes.
#[derive(Clone, Debug)]
pub struct Made {
    /// The report.
    pub report: Report,
    /// How it stands.
    pub verdict: Verdict,
    /// What keeps it from being complete.
    pub gaps: Vec<Gap>,
    /// Its bytes.
    pub text: String,
    /// What they hash to.
    pub sha256: String,
}

/// Makes the report of these inputs.
///
/// # Errors
/// The database.
pub async fn make(tx: &mut Tx, inputs: Inputs) -> Result<Made, PassError> {
    let sheets = tx.statements_numbered(&inputs.statements).await?;
    let before = match inputs.before {
        Some(id) => tx.statements_numbered(&[id]).await?.first().and_then(|s| s.closing),
        None => None,
    };
    let gaps = gaps(&sheets, before, inputs.is_contested);
    let begun = tx.moved_before(&inputs.statements, inputs.on).await?;
    let opening = sheets.first().and_then(|s| s.opening).map(|o| Fen::new(o.get().saturating_add(begun)));
    let sums = add_up(tx, &inputs).await?;
    let moved = sums.credits.get().saturating_sub(sums.debits.get());
    let closing = match sheets.as_slice() {
        [one] if one.to == inputs.on => one.closing,
        _ => opening.map(|o| Fen::new(o.get().saturating_add(moved))),
    };
    let known: i64 = sums.explained.values().map(|e| e.credits.get().saturating_sub(e.debits.get())).sum();
    let residual = match (opening, closing) {
        (Some(opening), Some(closing)) => Fen::new(closing.get().saturating_sub(opening.get()).saturating_sub(known)),
        (Some(_) | None, _) => Fen::new(moved.saturating_sub(known)),
    };
    let pending = inputs.open.iter().filter(|o| o.is_pending).count();
    let breaks = inputs.open.len() - pending;
    let verdict = verdict(gaps.len(), breaks, pending, residual);
    let report = Report {
        inputs,
        opening,
        closing,
        credits: sums.credits,
        debits: sums.debits,
        lines: sums.lines,
        matched: sums.explained.values().map(|e| e.lines).sum(),
        explained: sums.explained.into_values().collect(),
        lines_sha256: sums.sha256,
        gaps: gaps.iter().map(Gap::words).collect(),
        residual,
        breaks,
        pending,
        verdict: verdict.code().to_owned(),
    };
    let text = serde_json::to_string(&report).map_err(|e| PassError::Broken(format!("a report cannot be written: {e}")))?;
    let sha256 = hex::encode(Sha256::digest(text.as_bytes()));
    Ok(Made { report, verdict, gaps, text, sha256 })
}

struct Sums {
    credits: Fen,
    debits: Fen,
    lines: usize,
    explained: BTreeMap<(String, String), Explained>,
    sha256: String,
}

/// Adds the day's lines up, a page at a time.
async fn add_up(tx: &mut Tx, inputs: &Inputs) -> Result<Sums, PassError> {
    let mut hash = Sha256::new();
    let mut sums = Sums { credits: Fen::ZERO, debits: Fen::ZERO, lines: 0, explained: BTreeMap::new(), sha256: String::new() };
    let mut after = (0, 0);
    loop {
        let page = tx.lines_of_day(&inputs.statements, inputs.on, inputs.last_match, after).await?;
        let Some(last) = page.last() else { break };
        after = (last.statement, last.line);
        for l in page {
            let is_credit = l.side == "credit";
            sums.lines += 1;
            hash.update(format!("{}/{} {} {} {} {} {}\n", l.statement, l.line, l.side, l.fen, l.kind, l.subject, l.how));
            let total = if is_credit { &mut sums.credits } else { &mut sums.debits };
            *total = [*total, l.fen].into_iter().sum();
            if l.kind.is_empty() {
                continue;
            }
            let e = sums.explained.entry((l.kind.clone(), l.how.clone())).or_default();
            (e.kind, e.how) = (l.kind, l.how);
            e.lines += 1;
            let total = if is_credit { &mut e.credits } else { &mut e.debits };
            *total = [*total, l.fen].into_iter().sum();
        }
    }
    sums.sha256 = hex::encode(hash.finalize());
    Ok(sums)
}

/// How a replay went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// The run.
    pub run: i64,
    /// What its report hashed to.
    pub was: String,
    /// What it hashes to now.
    pub is: String,
}

/// Makes a run's report again from the inputs that it recorded. `None` where there is no such run.
///
/// # Errors
/// The database; a report that cannot be read.
pub async fn replay(store: &crate::store::Store, run: i64) -> Result<Option<Replayed>, PassError> {
    let mut tx = store.read().await?;
    let Some((row, text)) = tx.run(run).await? else { return Ok(None) };
    let was: Report = serde_json::from_str(&text).map_err(|e| PassError::Broken(format!("the report of run {run} cannot be read: {e}")))?;
    let made = make(&mut tx, was.inputs).await?;
    Ok(Some(Replayed { run, was: row.sha256, is: made.sha256 }))
}
