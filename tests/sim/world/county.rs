//! The county around the nodes: lists are released, departments correct them, two persons settle what is unknown.

use std::collections::BTreeMap;

use bankgate::domain::batch::BatchDigest;
use bankgate::domain::ids::EndToEndId;
use bankgate::domain::time::Timestamp;
use bankgate::passes::operate::propose::{Act, approve, propose_resolve, withdraw};
use bankgate::passes::operate::refund::{propose_receipt, sent_by_hand};
use rand::Rng as _;

use super::super::audit::{Verdict, Violation};
use super::super::bank::{Act as BankAct, Bank};
use super::super::house::{BANKS, ZONE};
use super::super::people::{NAMES, account, finance, id_number, person};
use super::super::port::{Fault, Outside};
use super::{DAY, HOUR, MINUTE, World};

/// From here on numbers are nobody's.
const NOBODY: usize = 40_000;

impl World {
    /// A batch for one bank: mostly people who were not yet paid for this period.
    pub(super) async fn release_batch(&mut self) {
        let bank = self.out(|out| BANKS[out.rng.random_range(0..self.banks)].0);
        let people = self.out(|out| out.rng.random_range(2..9));
        let at_bank = self.entitled.values().filter(|(_, at, _)| *at == bank);
        let periods: Vec<String> = at_bank.map(|(.., period)| period.clone()).collect();
        // A list more for a period that had one: some of its people stand in both.
        let is_more = self.out(|out| out.strikes_in(Fault::Sloppy, 4)) && !periods.is_empty();
        let period = match is_more {
            true => periods[self.out(|out| out.rng.random_range(0..periods.len()))].clone(),
            false => format!("2019-{:02}", (self.numbers % 12) + 1),
        };
        let mut rows: Vec<(usize, &'static str, i64, String)> = Vec::new();
        for _ in 0..people {
            let again = self.out(|out| out.strikes_in(Fault::Sloppy, if is_more { 2 } else { 8 }));
            let here = self.entitled.iter().filter(|(fen, (_, at, of))| *at == bank && *of == period && !self.misnamed.contains(fen));
            let known: Vec<i64> = here.map(|(fen, _)| *fen).collect();
            if again && !known.is_empty() {
                let fen = self.out(|out| known[out.rng.random_range(0..known.len())]);
                let (who, bank, _) = self.entitled[&fen].clone();
                // The same claim in another list.
                if !rows.iter().any(|(w, ..)| *w == who) {
                    rows.push((who, bank, fen, String::new()));
                }
                continue;
            }
            let who = self.entitled.len();
            let fen = self.entitle(who, bank, &period);
            rows.push((who, bank, fen, String::new()));
            // And once more, by a number that is nobody's: where the bank refuses that, it is corrected into his.
            if self.out(|out| out.strikes_in(Fault::Sloppy, 6)) {
                let nobody = NOBODY + self.entitled.len();
                let fen = self.entitle(who, bank, &period);
                self.misnamed.insert(fen);
                rows.push((nobody, bank, fen, String::new()));
            }
        }
        self.write_batch("first", &period, &rows).await;
    }

    /// Somebody is to get an amount that nobody else gets.
    fn entitle(&mut self, who: usize, bank: &'static str, period: &str) -> i64 {
        let fen = 10_000 + i64::try_from(self.entitled.len()).unwrap();
        self.entitled.insert(fen, (who, bank, period.to_owned()));
        self.out(|out| out.periods.insert(fen, period.to_owned()));
        fen
    }

    async fn write_batch(&mut self, kind: &str, period: &str, rows: &[(usize, &'static str, i64, String)]) {
        if rows.is_empty() {
            return;
        }
        self.numbers += 1;
        let number = format!("N{:04}", self.numbers);
        let now = Timestamp::from_millis(self.now());
        let pay_on = now.date(ZONE);
        let mut digest = BatchDigest::default();
        let mut values = Vec::new();
        let mut total = 0;
        for (seq, (who, bank, fen, again)) in rows.iter().enumerate() {
            let row = person(*who, bank, i64::try_from(seq).unwrap() + 1, *fen, again);
            digest.row(&row.digest_line());
            total += fen;
            let (name, id, account) = (NAMES[who % NAMES.len()], id_number(*who), account(*who));
            values.push(format!(
                "('{number}', {}, '某镇', '某村', '1组', '{name}', '{id}', '{name}', '{id}', 'self', '{account}', '{bank}', '13800138001', {fen}, '{again}')",
                row.seq
            ));
        }
        let head = format!(
            "insert into batch (number, kind, department, project, period, pay_on, declared_count, declared_fen, maker, approver, finance_reviewer, \
             released_by, digest, created_at, released_at) values ('{number}', '{kind}', 'D1', '1', '{period}', '{pay_on}', {}, {total}, 'zhang', 'li', \
             'wang', 'zhao', '{}', {now}, null)",
            rows.len(),
            digest.finish(),
            now = now.millis(),
        );
        let body = format!(
            "insert into payment (batch, seq, township, village, village_group, entitled_name, entitled_id, payee_name, payee_id, payee_role, account, bank, \
             mobile, amount_fen, reissue_of) values {}",
            values.join(", ")
        );
        let release = format!("update batch set released_at = {} where number = '{number}'", now.millis());
        let statements = vec![head, body, release];
        for sql in &statements {
            self.sql(sql).await;
        }
        self.released.push((number.clone(), statements));
        self.out(|out| out.say(&format!("batch {number} {kind} {} rows", rows.len())));
    }

    /// Departments correct what failed: some at once, some later, some wrongly, some twice.
    pub(super) async fn departments_correct(&mut self) {
        let open = self.audit.correctable().await;
        let mut lists: BTreeMap<String, Vec<(usize, &'static str, i64, String)>> = BTreeMap::new();
        for (id, fen, _) in open {
            let acts = self.out(|out| out.rng.random_range(0..3) == 0);
            let again = self.out(|out| out.strikes_in(Fault::Sloppy, 4));
            if !acts || (self.reissued.contains(&id) && !again) {
                continue;
            }
            let wrongly = self.out(|out| out.strikes_in(Fault::Sloppy, 6));
            let Some((who, bank, period)) = self.entitled.get(&fen).cloned() else { continue };
            let row = (who, bank, if wrongly { fen + 1_000_000 } else { fen }, EndToEndId(id).to_string());
            if !wrongly {
                self.reissued.insert(id);
            }
            lists.entry(period).or_default().push(row);
        }
        for (period, rows) in lists {
            self.write_batch("reissue", &period, &rows).await;
        }
        self.soon(1);
    }

    /// What stays unknown is settled by two persons, by what the bank's own books show. One alone is refused.
    pub(super) async fn two_persons_settle(&mut self) -> Verdict {
        let unknown = self.audit.unknown().await;
        for (id, fen, bank, path) in unknown {
            if self.out(|out| out.rng.random_range(0..6)) != 0 {
                continue;
            }
            let Some(is_credited) = self.out(|out| truth(out, &bank, &path, fen)) else { continue };
            let act = if is_credited { Act::ResolvePaid } else { Act::ResolveFailed };
            let now = Timestamp::from_millis(self.now());
            let Ok((proposal, _)) = propose_resolve(&self.people, &finance("qian"), id, act, "银行回函第1号", now).await else {
                continue;
            };
            self.by_two(proposal, &format!("{id} {act:?}")).await?;
        }
        Ok(())
    }

    /// Some of who was paid had no right to it: they are put on the list of those who may not be paid, and mostly bring it back.
    pub(super) async fn some_had_no_right(&mut self) {
        let found = self.out(|out| {
            let is_one = out.strikes_in(Fault::Repaid, 4);
            let code = BANKS[out.rng.random_range(0..self.banks)].0;
            let paid: Vec<(usize, usize, i64)> = credited(&out.banks[code]);
            let one = (is_one && !paid.is_empty()).then(|| paid[out.rng.random_range(0..paid.len())])?;
            let (id, at, fen) = one;
            let in_days = out.rng.random_range(0..12);
            if out.rng.random_range(0..5) != 0 {
                let when = out.now_ms + in_days * DAY + HOUR;
                out.banks.get_mut(code).unwrap().plan(when, BankAct::Repay(id, at));
            }
            Some(fen)
        });
        // What stands under a wrong number was paid to whoever that is.
        let who = found.filter(|fen| !self.misnamed.contains(fen)).and_then(|fen| self.entitled.get(&fen)).map(|(who, ..)| *who);
        let Some(who) = who else { return };
        self.excluded.insert(who);
        self.out(|out| out.say(&format!("{who} had no right to it")));
        self.enter_excluded().await;
        self.soon(1);
    }

    /// Who may not be paid, from the first day on.
    pub(super) async fn enter_excluded(&mut self) {
        let from = Timestamp::from_millis(self.start).date(ZONE);
        for who in self.excluded.clone() {
            let id = id_number(who);
            self.sql(&format!("insert or ignore into ineligible (id_number, reason, from_date) values ('{id}', 'INELIGIBLE', '{from}')"))
                .await;
        }
    }

    /// What nobody may keep goes back to the treasury: approved by another than who proposed it, carried there, seen by its receipt.
    pub(super) async fn two_persons_refund(&mut self) -> Verdict {
        let (proposals, approved, sent) = self.audit.refunds().await;
        let now = Timestamp::from_millis(self.now());
        for id in proposals {
            let done = approve(&self.people, &finance("sun"), id, now).await;
            self.out(|out| out.say(&format!("refund approved by {id}: {}", done.is_ok())));
        }
        for number in approved {
            let done = sent_by_hand(&self.people, &finance("qian"), &number, now).await;
            self.out(|out| out.say(&format!("refund {number} is carried: {}", done.is_ok())));
        }
        for number in sent {
            if self.out(|out| out.rng.random_range(0..3)) != 0 {
                continue;
            }
            let Ok((proposal, _)) = propose_receipt(&self.people, &finance("qian"), &number, "国库回单第1号", now).await else {
                continue;
            };
            self.by_two(proposal, &format!("receipt of {number}")).await?;
        }
        Ok(())
    }

    /// Another person approves; whoever proposed it may not.
    pub(super) async fn by_two(&mut self, proposal: i64, what: &str) -> Verdict {
        self.approved_by_another(proposal, what).await.map(drop)
    }

    async fn approved_by_another(&mut self, proposal: i64, what: &str) -> Result<bool, Violation> {
        let now = Timestamp::from_millis(self.now());
        if approve(&self.people, &finance("qian"), proposal, now).await.is_ok() {
            return Err(Violation { law: "6: two persons", what: format!("one person alone settled {what}") });
        }
        let is_done = approve(&self.people, &finance("sun"), proposal, now).await.is_ok();
        self.out(|out| out.say(&format!("two persons settle {what}: {is_done}")));
        self.soon(1);
        Ok(is_done)
    }

    /// Another person comes to it when the bank's word is some minutes or hours old.
    pub(super) fn approved_later(&mut self, proposal: i64, what: String) {
        let due = self.out(|out| out.now_ms + out.rng.random_range(1..9 * 60) * MINUTE);
        self.proposed.push((due, proposal, what));
        self.wakes.insert(due);
    }

    /// What waits for another person, and its hour came. What cannot be approved any more is withdrawn.
    pub(super) async fn another_approves(&mut self) -> Verdict {
        let now = self.now();
        let (due, waiting) = std::mem::take(&mut self.proposed).into_iter().partition(|(at, ..)| *at <= now);
        self.proposed = waiting;
        for (_, proposal, what) in due {
            if !self.approved_by_another(proposal, &what).await? {
                _ = withdraw(&self.people, &finance("sun"), proposal, Timestamp::from_millis(now)).await;
            }
        }
        Ok(())
    }
}

/// What stands credited: file, line, entitlement.
fn credited(bank: &Bank) -> Vec<(usize, usize, i64)> {
    let files = bank.taken.iter().enumerate();
    let lines = files.flat_map(|(id, taken)| taken.lines.iter().zip(&taken.slip.orders).enumerate().map(move |(at, of)| (id, at, of)));
    lines.filter(|(.., (line, _))| line.credited).map(|(id, at, (_, order))| (id, at, order.fen)).collect()
}

/// What a bank's clerk finds when asked by telephone: credited, not credited, or nothing to be said yet.
fn truth(out: &Outside, code: &str, path: &str, fen: i64) -> Option<bool> {
    let bank = out.banks.get(code)?;
    let lies_there = out.boxes[code].files.keys().any(|p| p.starts_with(&format!("inbox/{path}")));
    let taken: Vec<_> = bank.taken.iter().filter(|t| t.slip.path == path).collect();
    if lies_there || taken.is_empty() {
        return (!lies_there).then_some(false);
    }
    taken[0].fate_of(fen)
}
