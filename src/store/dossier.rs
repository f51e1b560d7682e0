//! Everything that concerns one batch, as tables of text, for its evidence (批次证据). Each is read a page at a time behind the key
//! in its first column.

use super::StoreError;
use super::evidence::{AuditRow, TextRows, text_rows};
use super::sql::Tx;
use crate::args;
use crate::domain::ids::EndToEndId;
use crate::domain::masked::{Account, IdNumber, Mobile, Name};
use crate::domain::scrub::scrub_bank_text;

/// Rows read at a time.
const PAGE: i64 = 5000;

/// One table: its file, its columns, and the statement that reads a page of it ($1 the batch, $2 behind this key, $3 at most so many).
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// The file's name.
    pub name: &'static str,
    /// The columns.
    pub heads: &'static [&'static str],
    sql: &'static str,
}

/// What concerns a batch beside its rows, its money and its files' bytes.
pub const TABLES: [Table; 8] = [
    Table {
        name: "batch.csv",
        heads: &[
            "no",
            "batch",
            "kind",
            "department",
            "project",
            "period",
            "pay_on",
            "declared_count",
            "declared_fen",
            "budget_line",
            "voucher",
            "digest",
            "created_at",
            "released_at",
            "state",
            "reasons",
        ],
        sql: "select 1, b.number, b.kind, b.department, b.project, b.period, b.pay_on, b.declared_count, b.declared_fen, b.budget_line, b.voucher, b.digest, \
              b.created_at, b.released_at, coalesce(a.state, ''), coalesce(a.reasons, '') from batch b left join admission a on a.batch = b.number \
              where b.number = $1 and 1 > $2 order by 1 limit $3",
    },
    Table {
        name: "results.csv",
        heads: &[
            "instruction",
            "seq",
            "attempt",
            "amount_fen",
            "state",
            "reason",
            "bank_code",
            "bank_ref",
            "file_out",
            "file_name",
            "line",
        ],
        sql: "select v.id, p.seq, v.attempt, v.amount_fen, v.state, v.reason, v.raw_code, v.bank_ref, v.file_out, coalesce(v.file_name, ''), v.line \
              from tranche t join v_instruction v on v.id >= t.first_id and v.id <= t.last_id join payment p on p.id = v.payment_id \
              where t.batch = $1 and v.id > $2 order by v.id limit $3",
    },
    Table {
        name: "cases.csv",
        heads: &[
            "case",
            "kind",
            "payment",
            "instruction",
            "amount_fen",
            "reason",
            "class",
            "owner",
            "state",
            "business_date",
            "due_on",
            "opened_at",
            "closed_at",
            "closed_as",
        ],
        sql: "select id, kind, payment_id, instruction_id, amount_fen, reason, class, owner, state, business_date, due_on, opened_at, closed_at, closed_as \
              from failure_case where batch = $1 and id > $2 order by id limit $3",
    },
    Table {
        name: "events.csv",
        heads: &["event", "at", "subject", "subject_id", "what", "from_state", "to_state", "actor", "detail"],
        sql: "select e.id, e.at, e.subject, e.subject_id, e.what, e.from_state, e.to_state, e.actor, e.detail from event e where e.id > $2 and ( \
              (e.subject = 'file_out' and e.subject_id in {files}) or (e.subject = 'file_in' and e.subject_id in \
              (select f.id from file_in f where f.file_out in {files})) or (e.subject = 'instruction' and exists \
              (select 1 from tranche t where t.batch = $1 and t.first_id <= e.subject_id and t.last_id >= e.subject_id))) order by e.id limit $3",
    },
    Table {
        name: "files_out.csv",
        heads: &[
            "file",
            "kind",
            "bank",
            "agreement",
            "profile",
            "profile_digest",
            "business_date",
            "seq_no",
            "dir",
            "name",
            "rows",
            "total_fen",
            "state",
            "sha256",
            "bytes",
            "evidence",
            "copies",
            "sent_at",
            "answered_at",
        ],
        sql: "select id, kind, bank, agreement, profile, profile_digest, business_date, seq_no, dir, name, rows, total_fen, state, sha256, bytes, evidence, copies, \
              sent_at, answered_at from file_out where id in {files} and id > $2 order by id limit $3",
    },
    Table {
        name: "files_in.csv",
        heads: &["file", "bank", "kind", "role", "dir", "name", "sha256", "bytes", "state", "answers_file", "seen_at"],
        sql: "select f.id, f.bank, f.kind, f.role, f.dir, f.name, f.sha256, f.bytes, f.state, f.file_out, f.seen_at from file_in f \
              where f.file_out in {files} and f.id > $2 order by f.id limit $3",
    },
    Table {
        name: "refunds.csv",
        heads: &[
            "instruction",
            "order",
            "part",
            "amount_fen",
            "state",
            "why",
            "budget_line",
            "voucher",
            "proposed_by",
            "approved_by",
            "receipt",
            "statement",
            "sent_at",
            "refunded_at",
        ],
        sql: "select l.instruction_id, o.number, l.part, l.amount_fen, o.state, o.why, o.budget_line, o.voucher, o.proposed_by, o.approved_by, o.receipt, \
              o.statement, o.sent_at, o.refunded_at from tranche t join refund_line l on l.instruction_id >= t.first_id and l.instruction_id <= t.last_id \
              join refund_order o on o.id = l.refund_order where t.batch = $1 and l.instruction_id > $2 order by l.instruction_id, o.id limit $3 * 1000",
    },
    Table {
        name: "mails.csv",
        heads: &["mail", "kind", "recipients", "subject", "state", "message_id", "created_at", "sent_at"],
        sql: "select m.id, m.kind, m.recipients, m.subject, m.state, m.message_id, m.created_at, m.sent_at from outbox_mail m where m.id > $2 and m.id in \
              (select completed_mail from admission where batch = $1 and completed_mail is not null union select mail from failure_case where batch = $1 \
              and mail is not null union select mail from incident where mail is not null and (key = 'returned:' || $1 or key = 'funds:' || $1)) \
              order by m.id limit $3",
    },
];

/// Files of ours that concern a batch ($1): its own, and those that carried its refunds.
const FILES: &str = "(select id from file_out where batch = $1 union select r.file_out from tranche t join refund_line l on l.instruction_id >= t.first_id \
                     and l.instruction_id <= t.last_id join refund_order r on r.id = l.refund_order where t.batch = $1 and r.file_out is not null)";

/// What went out in a file, line by line.
pub const READ_OUT: [&str; 10] =
    ["line", "reference", "ordinal", "payee_name", "payee_id", "account", "bank", "mobile", "amount_fen", "remark"];

/// What a bank's file said, line by line.
pub const READ_IN: [&str; 15] = [
    "line",
    "reference",
    "seq",
    "payee_name",
    "id_number",
    "account",
    "amount_fen",
    "paid_fen",
    "outcome",
    "is_final",
    "reason",
    "class",
    "bank_code",
    "bank_words",
    "bank_ref",
];

/// A bank's file that is kept in the archive.
#[derive(Clone, Debug)]
pub struct KeptFile {
    /// Its number.
    pub id: i64,
    /// `ack`, `result`, `return` …
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What its bytes hash to.
    pub sha256: String,
}

/// The columns of the batch's own rows.
pub const APPLICATION: [&str; 17] = [
    "seq",
    "township",
    "village",
    "group",
    "household_no",
    "entitled_name",
    "entitled_id",
    "payee_name",
    "payee_id",
    "payee_role",
    "mandate_no",
    "account",
    "bank",
    "mobile",
    "amount_fen",
    "remark",
    "reissue_of",
];

/// The columns of a statement's lines.
pub const STATEMENT_LINES: [&str; 10] =
    ["statement", "line", "bank", "account", "on_date", "side", "amount_fen", "reference", "bank_ref", "statement_file_sha256"];

impl Tx {
    /// A page of one of the tables, behind a key.
    ///
    /// # Errors
    /// The database refused.
    pub async fn dossier_page(&mut self, table: &Table, batch: &str, after: i64) -> Result<TextRows, StoreError> {
        let sql = table.sql.replace("{files}", FILES);
        let rows = self.rows(sqlx::AssertSqlSafe(sql), args![batch, after, PAGE]).await?;
        text_rows(&rows, table.heads.len())
    }

    /// A page of the batch's rows as they were approved: whole, or with names, identity numbers, cards and mobiles masked.
    ///
    /// # Errors
    /// The database refused.
    pub async fn application_page(&mut self, batch: &str, after: i64, is_whole: bool) -> Result<(TextRows, Option<i64>), StoreError> {
        let page = self.payments_after(batch, after, PAGE).await?;
        let last = page.last().map(|row| row.seq);
        let name = |n: &Name| if is_whole { n.reveal().to_owned() } else { n.to_string() };
        let id = |n: &IdNumber| if is_whole { n.reveal().to_owned() } else { n.to_string() };
        let card = |n: &Account| if is_whole { n.reveal().to_owned() } else { n.to_string() };
        let mobile = |n: &Mobile| if is_whole { n.reveal().to_owned() } else { n.to_string() };
        let rows = page.iter().map(|r| {
            vec![
                r.seq.to_string(),
                r.township.clone(),
                r.village.clone(),
                r.village_group.clone(),
                r.household_no.clone(),
                name(&r.entitled_name),
                id(&r.entitled_id),
                name(&r.payee_name),
                id(&r.payee_id),
                r.payee_role.clone(),
                r.mandate_no.clone(),
                card(&r.account),
                r.bank.clone(),
                mobile(&r.mobile),
                r.amount.get().to_string(),
                r.remark.clone(),
                r.reissue_of.clone(),
            ]
        });
        Ok((rows.collect(), last))
    }

    /// The numbers of our files of a batch that have bytes.
    ///
    /// # Errors
    /// The database refused.
    pub async fn sealed_files_of(&mut self, batch: &str) -> Result<Vec<i64>, StoreError> {
        let sql = format!("select id from file_out where id in {FILES} and sha256 <> '' order by id");
        let rows = self.rows(sqlx::AssertSqlSafe(sql), args![batch]).await?;
        rows.iter().map(|r| r.int(0)).collect()
    }

    /// The banks' files that answer those.
    ///
    /// # Errors
    /// The database refused.
    pub async fn kept_files_of(&mut self, batch: &str) -> Result<Vec<KeptFile>, StoreError> {
        let sql = format!("select id, kind, name, sha256 from file_in where file_out in {FILES} order by id");
        let rows = self.rows(sqlx::AssertSqlSafe(sql), args![batch]).await?;
        rows.iter().map(|r| Ok(KeptFile { id: r.int(0)?, kind: r.string(1)?, name: r.string(2)?, sha256: r.string(3)? })).collect()
    }

    /// A page of what went out in one of our files, people masked, and the last line of it.
    ///
    /// # Errors
    /// The database refused.
    pub async fn read_out_page(&mut self, file: i64, after: i64) -> Result<(TextRows, Option<i64>), StoreError> {
        let sql = "select i.id - f.first_id + 1, i.id, i.ordinal, i.payee_name, i.payee_id, i.account, i.bank_code, i.mobile, i.amount_fen, i.remark \
                   from file_out f join instruction i on i.id >= f.first_id + $2 and i.id <= f.last_id where f.id = $1 and f.kind = 'instruction' \
                   order by i.id limit $3";
        let rows = self.rows(sql, args![file, after, PAGE]).await?;
        let masked = rows.iter().map(|r| {
            let mut row = text_rows(std::slice::from_ref(r), READ_OUT.len())?.pop().unwrap_or_default();
            put(&mut row, 1, EndToEndId(r.int(1)?).to_string());
            put(&mut row, 3, Name::new(r.text(3)?).to_string());
            put(&mut row, 4, IdNumber::new(r.text(4)?).to_string());
            put(&mut row, 5, Account::new(r.text(5)?).to_string());
            put(&mut row, 7, Mobile::new(r.text(7)?).to_string());
            Ok(row)
        });
        Ok((masked.collect::<Result<_, StoreError>>()?, rows.last().map(|r| r.int(0)).transpose()?))
    }

    /// A page of what a bank's file said, people masked, and the last line of it. Nothing where it never could be read.
    ///
    /// # Errors
    /// The database refused.
    pub async fn read_in_page(&mut self, file: i64, after: i64) -> Result<(TextRows, Option<i64>), StoreError> {
        let sql = "select line, instruction_id, seq, payee_name, id_number, account, amount_fen, paid_fen, outcome, is_final, reason, class, raw_code, raw_text, \
                   bank_ref from answer_line where file_in = $1 and line > $2 order by line limit $3";
        let rows = self.rows(sql, args![file, after, PAGE]).await?;
        let masked = rows.iter().map(|r| {
            let mut row = text_rows(std::slice::from_ref(r), READ_IN.len())?.pop().unwrap_or_default();
            put(&mut row, 1, r.opt_int(1)?.map(|id| EndToEndId(id).to_string()).unwrap_or_default());
            put(&mut row, 3, Name::new(r.text(3)?).to_string());
            put(&mut row, 4, IdNumber::new(r.text(4)?).to_string());
            put(&mut row, 5, Account::new(r.text(5)?).to_string());
            put(&mut row, 13, scrub_bank_text(r.text(13)?));
            Ok(row)
        });
        Ok((masked.collect::<Result<_, StoreError>>()?, rows.last().map(|r| r.int(0)).transpose()?))
    }

    /// The refund orders by which money of a batch goes, or went, back.
    ///
    /// # Errors
    /// The database refused.
    pub async fn refund_orders_of(&mut self, batch: &str) -> Result<Vec<i64>, StoreError> {
        let sql = "select distinct l.refund_order from tranche t join refund_line l on l.instruction_id >= t.first_id and l.instruction_id <= t.last_id \
                   where t.batch = $1 order by 1";
        self.rows(sql, args![batch]).await?.iter().map(|r| r.int(0)).collect()
    }

    /// A letter's bytes.
    ///
    /// # Errors
    /// The database refused, or there is none.
    pub async fn letter_bytes(&mut self, mail: i64) -> Result<Vec<u8>, StoreError> {
        Ok(self.one("select eml from outbox_mail where id = $1", args![mail]).await?.bytes(0)?.to_vec())
    }

    /// Lines of statements that concern a batch: by a match, or because they carry a reference of one of its instructions.
    ///
    /// # Errors
    /// The database refused.
    pub async fn statement_lines_of(&mut self, batch: &str) -> Result<TextRows, StoreError> {
        let ranges: Vec<(i64, i64)> = self
            .rows("select first_id, last_id from tranche where batch = $1", args![batch])
            .await?
            .iter()
            .map(|r| Ok::<_, StoreError>((r.int(0)?, r.int(1)?)))
            .collect::<Result<_, _>>()?;
        let orders = self.refund_orders_of(batch).await?;
        let sql = "select l.statement, l.line, s.bank, s.account, l.on_date, l.side, l.amount_fen, l.reference, l.bank_ref, \
                   case when exists (select 1 from statement_match m where m.statement = l.statement and m.line = l.line and ( \
                   (m.kind in ('file', 'return_file', 'credit_back_file') and m.subject in (select id from file_out where batch = $1)) or (m.kind in ('instruction', 'return', 'recovery', 'credit_back') \
                   and exists (select 1 from tranche t where t.batch = $1 and t.first_id <= m.subject and t.last_id >= m.subject)) \
                   or (m.kind = 'refund' and m.subject in (select l.refund_order from tranche t join refund_line l on l.instruction_id >= t.first_id \
                   and l.instruction_id <= t.last_id where t.batch = $1)))) then 1 else 0 end, \
                   (select f.sha256 from file_in f where f.id = s.file_in) \
                   from statement_line l join statement s on s.id = l.statement where (l.statement, l.line) > ($2, $3) order by l.statement, l.line limit $4";
        let (mut after, mut found) = ((0, 0), TextRows::new());
        loop {
            let page = self.rows(sql, args![batch, after.0, after.1, PAGE]).await?;
            let Some(last) = page.last() else { return Ok(found) };
            after = (last.int(0)?, last.int(1)?);
            for r in page {
                let named = EndToEndId::parse(r.text(7)?)
                    .is_some_and(|EndToEndId(id)| orders.contains(&id) || ranges.iter().any(|(a, z)| (*a..=*z).contains(&id)));
                if named || r.int(9)? == 1 {
                    let mut row = text_rows(std::slice::from_ref(&r), STATEMENT_LINES.len() - 1)?;
                    for account in row.iter_mut().filter_map(|row| row.get_mut(3)) {
                        *account = Account::new(account.as_str()).to_string();
                    }
                    let hash = r.string(10)?;
                    row.iter_mut().for_each(|row| row.push(hash.clone()));
                    found.append(&mut row);
                }
            }
        }
    }

    /// What the audit log has of a batch: rows about it, and acts of two persons about its payments.
    ///
    /// # Errors
    /// The database refused.
    pub async fn audit_of_batch(&mut self, batch: &str) -> Result<Vec<AuditRow>, StoreError> {
        // `replace` finds words in both engines, where `like` would read a mark in a batch's number as a pattern.
        let sql = "select id from audit where subject = $1 or replace(detail, '(batch ' || $1 || ',', '') <> detail order by id";
        let ids: Vec<i64> = self.rows(sql, args![batch]).await?.iter().map(|r| r.int(0)).collect::<Result<_, _>>()?;
        let mut rows = Vec::new();
        for id in ids {
            rows.append(&mut self.audit_page(id - 1, 1).await?);
        }
        Ok(rows)
    }
}

fn put(row: &mut [String], at: usize, text: String) {
    if let Some(cell) = row.get_mut(at) {
        *cell = text;
    }
}
