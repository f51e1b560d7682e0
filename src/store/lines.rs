//! The lines of a file of ours, as they are written.

use super::StoreError;
use super::answers::list;
use super::outbound::FileOut;
use super::sql::{Row, Tx};
use crate::args;
use crate::domain::exchange::PaymentLine;
use crate::domain::file::FileKind;
use crate::domain::ids::EndToEndId;
use crate::domain::masked::{Account, IdNumber, Mobile, Name};

impl Tx {
    /// A page of a file's lines, in order, from this instruction on.
    ///
    /// # Errors
    /// The database refused.
    pub async fn lines_from(&mut self, file: &FileOut, from: i64, limit: i64, project_short: &str) -> Result<Vec<PaymentLine>, StoreError> {
        if file.kind == FileKind::Refund {
            return Ok(vec![self.refund_line_of_file(file.first_id, project_short).await?]);
        }
        let sql = "select id, payee_name, payee_id, account, bank_code, amount_fen, mobile, remark, ordinal from instruction \
                   where id >= $1 and id <= $2 order by id limit $3";
        let rows = self.rows(sql, args![from, file.last_id, limit]).await?;
        rows.iter().map(|r| payment_line(r, file, project_short)).collect()
    }

    /// Some lines of a file, by their instructions.
    ///
    /// # Errors
    /// The database refused.
    pub async fn lines_of(&mut self, file: &FileOut, ids: &[i64], project_short: &str) -> Result<Vec<(i64, PaymentLine)>, StoreError> {
        if file.kind == FileKind::Refund {
            return Ok(vec![(file.first_id, self.refund_line_of_file(file.first_id, project_short).await?)]);
        }
        let sql = format!(
            "select id, payee_name, payee_id, account, bank_code, amount_fen, mobile, remark, ordinal from instruction where id in ({})",
            list(ids)
        );
        let rows = self.rows(sqlx::AssertSqlSafe(sql), args![]).await?;
        rows.iter().map(|r| Ok((r.int(0)?, payment_line(r, file, project_short)?))).collect()
    }
}

/// A line of a file from a row of its columns: id, name, identity number, account, bank, amount, mobile, remark, ordinal.
pub(super) fn payment_line(r: &Row, file: &FileOut, project_short: &str) -> Result<PaymentLine, StoreError> {
    let id = r.int(0)?;
    Ok(PaymentLine {
        reference: EndToEndId(id).to_string(),
        seq: u64::try_from(id - file.first_id + 1).map_err(|_| StoreError::column(0, "a line of this file"))?,
        payee_name: Name::new(r.text(1)?),
        id_number: IdNumber::new(r.text(2)?),
        account: Account::new(r.text(3)?),
        bank_code: r.string(4)?,
        amount: r.fen(5)?,
        mobile: Mobile::new(r.text(6)?),
        project_short: project_short.to_owned(),
        remark: r.string(7)?,
        ordinal: u32::try_from(r.int(8)?).map_err(|_| StoreError::column(8, "an ordinal"))?,
    })
}
