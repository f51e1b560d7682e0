//! What was finally failed and is paid after all (先败后成): whoever holds its claim by now is stopped, or a person is told
//! that money may have gone twice.

use super::Apply;
use crate::domain::file::FileOutState;
use crate::domain::reason::Reason;
use crate::passes::PassError;
use crate::passes::plan::{give_path_back, regroup, unreserve};
use crate::store::desk::NewIncident;
use crate::store::sql::Tx;

impl Apply<'_> {
    /// A finally failed instruction turns out paid: whoever holds its claim now is stopped, be it a retry, a reissue or
    /// another batch's payment, and the claim goes back to it. Each is looked up by itself: stopping one may renumber others.
    pub(super) async fn reclaim(&self, tx: &mut Tx, instruction: i64) -> Result<(), PassError> {
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
            Some(file) if !file.may_be_out() => {
                let why = format!("instruction {instruction} before one of its lines was paid after all");
                if tx.move_file(&file, FileOutState::Abandoned, &why, &self.gateway.holder, self.now).await? {
                    give_path_back(self.gateway, tx, &file, self.now).await?;
                    unreserve(tx, &file, self.now).await?;
                    regroup(self.gateway, tx, &tranche, (file.first_id, file.last_id), &out, self.now).await?;
                }
            }
            Some(file) => {
                let today = self.gateway.today(self.now);
                let due_on = self.gateway.due_day(today, 1)?;
                let department = &self.file.purse.department;
                if tx.suspect_double(instruction, rival, department, &file.bank, (today, due_on), self.now).await? == 0 {
                    return Ok(());
                }
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
