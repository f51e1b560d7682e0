//! A batch that cannot pass now and is not sent back: it waits at the gate, is told of once, and goes on by itself.

use super::Gate;
use crate::domain::language::Words;
use crate::domain::time::Timestamp;
use crate::passes::{Done, Gateway, PassError};
use crate::store::admission::{BatchRow, Verdict};
use crate::store::desk::NewIncident;

/// Rows that are named in words; of more only the count is told.
const NAMED: usize = 10;

/// The kind of incident that a batch has whose check failed, as a pass has that failed.
const FAILED: &str = "pass_failed";
/// How its key begins.
const FAILED_OF: &str = "admit:";

/// What a batch waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Money that has not arrived.
    Funds,
    /// Rows of it went out before the database forgot them, and the books cannot take them as they stand.
    Books,
}

impl Wait {
    pub(crate) const ALL: [Self; 2] = [Self::Funds, Self::Books];

    pub(crate) fn key(self, batch: &str) -> String {
        match self {
            Self::Funds => format!("funds:{batch}"),
            Self::Books => format!("off_books:{batch}"),
        }
    }

    const fn kind(self) -> &'static str {
        match self {
            Self::Funds => "funds_short",
            Self::Books => "list_off_books",
        }
    }

    fn next_step(self) -> Words {
        match self {
            Self::Funds => Words::new("资金到账后自动继续", "goes on by itself once the funds arrive"),
            Self::Books => Words::new(
                "先处理所列原因（撤销占用该笔的另一批次或退款单等），批次随后自动继续；钱已到银行，切勿换号重报",
                "put right what stands in the way (take back the other list or refund order that holds the payment), then it goes on by itself; the money \
                 is at the bank: never enter it under another number",
            ),
        }
    }
}

/// Rows that went out and that the books cannot take: how many, and of some why.
#[derive(Default)]
pub(super) struct OffTheBooks {
    rows: usize,
    why: Vec<(i64, Words)>,
}

impl OffTheBooks {
    pub(super) fn note(&mut self, seq: i64, why: Words) {
        self.rows += 1;
        if self.why.len() < NAMED {
            self.why.push((seq, why));
        }
    }

    /// What is told of a batch, where there are any.
    pub(super) fn words(&self, batch: &str) -> Option<Words> {
        let rows = self.rows;
        if rows == 0 {
            return None;
        }
        let zh: Vec<String> = self.why.iter().map(|(seq, why)| format!("第{seq}笔{}", why.zh)).collect();
        let en: Vec<String> = self.why.iter().map(|(seq, why)| format!("row {seq}: {}", why.en)).collect();
        Some(Words::new(
            format!("批次{batch}有{rows}笔已发往银行、但现在无法入账：{}", zh.join("；")),
            format!("{rows} payments of batch {batch} went to the bank and cannot be put on the books now: {}", en.join("; ")),
        ))
    }
}

pub(super) fn failed_key(batch: &str) -> String {
    format!("{FAILED_OF}{batch}")
}

/// Tells of a batch whose check failed and where no retry mends it: of each by itself, for another one's trouble says nothing of it.
pub(super) async fn tell_failed(gateway: &Gateway, batch: &str, e: &PassError, now: Timestamp) -> Result<Done, PassError> {
    tracing::error!(batch, error = %e, "batch could not be checked");
    let what = gateway.say(Words::new(
        format!("批次{batch}检查出错，既未受理也未退回：{e}"),
        format!("batch {batch} could not be checked, and neither passed nor went back: {e}"),
    ));
    let next_step = gateway.say(Words::new(
        "请财政信息人员查看日志；排除后该批次自动继续，其他批次不受影响",
        "finance IT reads the log; the batch goes on by itself once that is mended, and the others do meanwhile",
    ));
    let key = failed_key(batch);
    gateway.tell(&NewIncident { key: &key, kind: FAILED, bank: "", what: &what, next_step: &next_step }, now).await?;
    Ok(Done::default())
}

/// Ends that of batches that are at the gate no more: another node let them through, or somebody took them back.
pub(super) async fn settle_gone(gateway: &Gateway, here: &[BatchRow], now: Timestamp) -> Result<Done, PassError> {
    let told = gateway.store.read().await?.incidents_of(FAILED).await?;
    let is_gone = |key: &&String| key.strip_prefix(FAILED_OF).is_some_and(|batch| here.iter().all(|b| b.number != batch));
    for key in told.iter().filter(is_gone) {
        gateway.settle(key, now).await?;
    }
    Ok(Done::default())
}

impl Gate<'_> {
    pub(super) async fn hold(&self, on: Wait, what: Words) -> Result<Done, PassError> {
        let (number, key) = (&self.batch.number, on.key(&self.batch.number));
        let is_held = self.batch.admission == "held" && self.batch.admission_digest == self.batch.digest;
        if is_held && self.gateway.store.read().await?.is_incident_open(&key).await? {
            return Ok(Done::default());
        }
        let what = self.gateway.say(what);
        let verdict =
            Verdict { state: "held", digest: self.batch.digest.clone(), year: self.year(), reasons: what.clone(), ..Verdict::default() };
        let mut tx = self.gateway.store.begin().await?;
        if !tx.set_verdict((number, &self.batch.admission), &verdict, self.now).await? {
            return Ok(Done::default());
        }
        for other in Wait::ALL.into_iter().filter(|other| *other != on) {
            tx.close_incident(&other.key(number), self.now).await?;
        }
        let next_step = self.gateway.say(on.next_step());
        tx.incident(&NewIncident { key: &key, kind: on.kind(), bank: "", what: &what, next_step: &next_step }, self.now).await?;
        tx.commit().await?;
        Ok(Done { changed: 1, ..Done::default() })
    }
}
