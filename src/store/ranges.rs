//! Ranges of instructions: who may not be sent any more, where the money comes from, which account stands how often.

use chrono::NaiveDate;

use super::StoreError;
use super::sql::Tx;
use crate::args;
use crate::domain::money::Fen;

impl Tx {
    /// Instructions of a range that may not be sent any more: voided, or their person has become ineligible since.
    ///
    /// # Errors
    /// The database refused.
    pub async fn unsendable(&mut self, range: (i64, i64), project: &str, on: NaiveDate) -> Result<Vec<(i64, String)>, StoreError> {
        let sql = "select i.id, n.reason from ineligible n join instruction i on upper(i.payee_id) = upper(trim(n.id_number)) \
                   where i.id >= $1 and i.id <= $2 and n.id_number <> '' and n.project in ('', $3) and n.from_date <= $4 \
                   union select i.id, n.reason from ineligible n join payment p on upper(p.entitled_id) = upper(trim(n.id_number)) join instruction i on i.payment_id = p.id \
                   where i.id >= $1 and i.id <= $2 and n.id_number <> '' and n.project in ('', $3) and n.from_date <= $4 \
                   union select s.instruction_id, '' from instruction_state s where s.instruction_id >= $1 and s.instruction_id <= $2 and s.state = 'voided'";
        self.rows(sql, args![range.0, range.1, project, on]).await?.iter().map(|r| Ok((r.int(0)?, r.string(1)?))).collect()
    }

    /// Money of a range by where it comes from: predecessors' class (`IR` or other); empty for a first attempt.
    ///
    /// # Errors
    /// The database refused.
    pub async fn sources_of_range(&mut self, range: (i64, i64)) -> Result<Vec<(String, Fen, u64)>, StoreError> {
        // What was carried over the year's end is paid from new funds: its old money is with the treasury.
        let sql = "select case when m.instruction_id is not null then case when m.state = 'carried' then '' else m.class end when s.instruction_id is null or s.state = 'carried' then '' when s.class = '' then 'UR' else s.class end, cast(sum(i.amount_fen) as bigint), count(*) \
                   from instruction i left join instruction_state s on s.instruction_id = i.previous_id \
                   left join remainder m on m.instruction_id = i.previous_id and m.part = i.part where i.id >= $1 and i.id <= $2 group by 1 order by 1";
        self.rows(sql, args![range.0, range.1]).await?.iter().map(|r| Ok((r.string(0)?, r.fen(1)?, r.count(2)?))).collect()
    }

    /// The last instruction of a range up to which the amounts sum to no more than this; `None` where the first alone is more.
    ///
    /// # Errors
    /// The database refused.
    pub async fn last_within(&mut self, range: (i64, i64), most: Fen) -> Result<Option<i64>, StoreError> {
        let sql = "select max(x.id) from (select id, sum(amount_fen) over (order by id) as sum_fen from instruction where id >= $1 and id <= $2) x \
                   where x.sum_fen <= $3";
        self.one(sql, args![range.0, range.1, most]).await?.opt_int(0)
    }

    /// The last instruction of a range up to which all go to the bank to which the first goes.
    ///
    /// # Errors
    /// The database refused.
    pub async fn last_of_bank(&mut self, (first, last): (i64, i64)) -> Result<i64, StoreError> {
        let sql = "select id from instruction where id > $1 and id <= $2 and bank_code <> (select bank_code from instruction where id = $1) order by id limit 1";
        let other = self.opt(sql, args![first, last]).await?;
        other.map_or(Ok(last), |row| Ok(row.int(0)? - 1))
    }

    /// Numbers the repeated accounts of a bank's day, for banks that ask an occurrence ordinal.
    ///
    /// # Errors
    /// The database refused.
    pub async fn number_occurrences(&mut self, bank: &str, date: NaiveDate, range: (i64, i64)) -> Result<u64, StoreError> {
        let sql = "update instruction set ordinal = x.n from (select i.id, row_number() over (partition by i.account order by i.id) as n \
                   from instruction i join file_out f on f.bank = $1 and f.business_date = $2 and f.state not in ('voided', 'abandoned') \
                   and i.id >= f.first_id and i.id <= f.last_id) x where instruction.id = x.id and x.n > 1 and instruction.id >= $3 and instruction.id <= $4";
        self.exec(sql, args![bank, date, range.0, range.1]).await
    }
}
