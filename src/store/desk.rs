//! What people are told and decide: incidents, mails, proposals, operators, the audit log.

use sha2::{Digest as _, Sha256};

use super::StoreError;
use super::sql::Tx;
use crate::args;
use crate::domain::chain::Link;
use crate::domain::time::Timestamp;

/// Something that a person must know. The same key counts up while it is open: one alarm per incident.
#[derive(Clone, Debug)]
pub struct NewIncident<'a> {
    /// What makes it the same incident.
    pub key: &'a str,
    /// Its kind, such as `quarantined`.
    pub kind: &'a str,
    /// The bank concerned, or empty.
    pub bank: &'a str,
    /// What happened, where, how much.
    pub what: &'a str,
    /// What to do next: a command where there is one.
    pub next_step: &'a str,
}

/// An incident as it stands.
#[derive(Clone, Debug)]
pub struct Incident {
    /// Its key.
    pub id: i64,
    /// Its kind.
    pub kind: String,
    /// The bank concerned, or empty.
    pub bank: String,
    /// What happened.
    pub what: String,
    /// What to do next.
    pub next_step: String,
    /// How often.
    pub times: i64,
    /// Since when.
    pub first_at: Timestamp,
}

/// A mail on its way.
#[derive(Clone, Debug)]
pub struct OutboxMail {
    /// Its key.
    pub id: i64,
    /// Its Message-ID, the same at every try.
    pub message_id: String,
    /// Recipients.
    pub recipients: Vec<String>,
    /// The bytes.
    pub eml: Vec<u8>,
    /// `queued`, or `sending` after an unclear end.
    pub state: String,
    /// How often it was tried.
    pub attempts: i64,
}

/// A mail to put into the outbox.
#[derive(Clone, Debug)]
pub struct NewMail<'a> {
    /// What makes it the same mail.
    pub dedup_key: &'a str,
    /// Its Message-ID.
    pub message_id: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// Recipients.
    pub recipients: &'a [String],
    /// Subject, for people who list the outbox.
    pub subject: &'a str,
    /// The bytes.
    pub eml: Vec<u8>,
}

/// A person of the machine who may decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The login that the kernel vouches for.
    pub login: String,
    /// The person's name.
    pub name: String,
    /// `finance_it`, `finance`, `department` or `auditor`.
    pub role: String,
    /// The department, for its own staff.
    pub department: String,
}

/// An act by which money could move twice, waiting for a second person.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// Its key.
    pub id: i64,
    /// What is to be done.
    pub act: String,
    /// To what.
    pub subject: String,
    /// Why.
    pub reason: String,
    /// What it would do, in words.
    pub effect: String,
    /// The hash of that.
    pub effect_hash: String,
    /// Who proposed it.
    pub proposed_by: String,
}

impl Tx {
    /// Records an incident, or counts an open one up. Says whether it is new.
    ///
    /// # Errors
    /// The database refused.
    pub async fn incident(&mut self, i: &NewIncident<'_>, now: Timestamp) -> Result<bool, StoreError> {
        let again = "update incident set times = times + 1, last_at = $2 where key = $1 and state = 'open'";
        if self.exec(again, args![i.key, now]).await? > 0 {
            return Ok(false);
        }
        let sql = "insert into incident (key, kind, bank, what, next_step, first_at, last_at) values ($1, $2, $3, $4, $5, $6, $6) \
                   on conflict (key) where state = 'open' do nothing";
        self.exec_one(sql, args![i.key, i.kind, i.bank, i.what, i.next_step, now]).await
    }

    /// Closes the open incident of a key. Says whether there was one.
    ///
    /// # Errors
    /// The database refused.
    pub async fn close_incident(&mut self, key: &str, now: Timestamp) -> Result<bool, StoreError> {
        self.exec_one("update incident set state = 'closed', last_at = $2 where key = $1 and state = 'open'", args![key, now]).await
    }

    /// Whether an incident of this key is open.
    ///
    /// # Errors
    /// The database refused.
    pub async fn is_incident_open(&mut self, key: &str) -> Result<bool, StoreError> {
        Ok(self.opt("select id from incident where key = $1 and state = 'open'", args![key]).await?.is_some())
    }

    /// Open incidents that nobody was told of.
    ///
    /// # Errors
    /// The database refused.
    pub async fn incidents_unmailed(&mut self) -> Result<Vec<Incident>, StoreError> {
        let sql = "select id, kind, bank, what, next_step, times, first_at from incident where mail is null order by id limit 100";
        let rows = self.rows(sql, args![]).await?;
        rows.iter()
            .map(|r| {
                Ok(Incident {
                    id: r.int(0)?,
                    kind: r.string(1)?,
                    bank: r.string(2)?,
                    what: r.string(3)?,
                    next_step: r.string(4)?,
                    times: r.int(5)?,
                    first_at: Timestamp::from_millis(r.int(6)?),
                })
            })
            .collect()
    }

    /// Ties an incident to the mail that told of it.
    ///
    /// # Errors
    /// The database refused.
    pub async fn incident_mailed(&mut self, id: i64, mail: i64) -> Result<bool, StoreError> {
        self.exec_one("update incident set mail = $2 where id = $1 and mail is null", args![id, mail]).await
    }

    /// Puts a mail into the outbox once. `None` when a mail of this key is there already.
    ///
    /// # Errors
    /// The database refused.
    pub async fn enqueue_mail(&mut self, mail: NewMail<'_>, now: Timestamp) -> Result<Option<i64>, StoreError> {
        let sql = "insert into outbox_mail (dedup_key, message_id, kind, recipients, subject, eml, state, next_at, created_at) \
                   values ($1, $2, $3, $4, $5, $6, 'queued', $7, $7) on conflict do nothing returning id";
        let values = args![mail.dedup_key, mail.message_id, mail.kind, mail.recipients.join(","), mail.subject, mail.eml, now];
        self.opt(sql, values).await?.map(|r| r.int(0)).transpose()
    }

    /// Whether a mail of this key was written.
    ///
    /// # Errors
    /// The database refused.
    pub async fn is_mail_written(&mut self, dedup_key: &str) -> Result<bool, StoreError> {
        Ok(self.opt("select id from outbox_mail where dedup_key = $1", args![dedup_key]).await?.is_some())
    }

    /// Mails that are due.
    ///
    /// # Errors
    /// The database refused.
    pub async fn mails_due(&mut self, now: Timestamp, limit: i64) -> Result<Vec<OutboxMail>, StoreError> {
        let sql = "select id, message_id, recipients, eml, state, attempts from outbox_mail where state in ('queued', 'sending') and next_at <= $1 \
                   order by next_at, id limit $2";
        let rows = self.rows(sql, args![now, limit]).await?;
        rows.iter()
            .map(|r| {
                Ok(OutboxMail {
                    id: r.int(0)?,
                    message_id: r.string(1)?,
                    recipients: r.text(2)?.split(',').map(str::to_owned).collect(),
                    eml: r.bytes(3)?.to_vec(),
                    state: r.string(4)?,
                    attempts: r.int(5)?,
                })
            })
            .collect()
    }

    /// `queued → sending`: the intent, committed before the first byte leaves.
    ///
    /// # Errors
    /// The database refused.
    pub async fn mail_intent(&mut self, mail: &OutboxMail, give_up_at: Timestamp) -> Result<bool, StoreError> {
        let sql = "update outbox_mail set state = 'sending', attempts = attempts + 1, next_at = $4 where id = $1 and state = $2 and attempts = $3";
        self.exec_one(sql, args![mail.id, mail.state.as_str(), mail.attempts, give_up_at]).await
    }

    /// Records how a try ended.
    ///
    /// # Errors
    /// The database refused.
    pub async fn mail_outcome(
        &mut self,
        id: i64,
        state: &str,
        next_at: Timestamp,
        error: &str,
        sent_at: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        let sql = "update outbox_mail set state = $2, next_at = $3, last_error = $4, sent_at = $5 where id = $1 and state = 'sending'";
        self.exec_one(sql, args![id, state, next_at, error, sent_at]).await
    }

    /// The person of a login, if one may act here.
    ///
    /// # Errors
    /// The database refused.
    pub async fn operator(&mut self, login: &str) -> Result<Option<Operator>, StoreError> {
        let row = self.opt("select login, name, role, department from operator where login = $1 and active = 1", args![login]).await?;
        row.map(|r| Ok(Operator { login: r.string(0)?, name: r.string(1)?, role: r.string(2)?, department: r.string(3)? })).transpose()
    }

    /// Records a proposal.
    ///
    /// # Errors
    /// The database refused.
    pub async fn propose(
        &mut self,
        act: &str,
        subject: &str,
        reason: &str,
        effect: &str,
        by: &Operator,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let sql = "insert into proposal (act, subject, reason, effect, effect_hash, proposed_by, proposed_at) values ($1, $2, $3, $4, $5, $6, $7) returning id";
        let hash = hex::encode(Sha256::digest(effect.as_bytes()));
        self.one(sql, args![act, subject, reason, effect, hash, &by.login, now]).await?.int(0)
    }

    /// An open proposal.
    ///
    /// # Errors
    /// The database refused.
    pub async fn proposal(&mut self, id: i64) -> Result<Option<Proposal>, StoreError> {
        let sql = "select id, act, subject, reason, effect, effect_hash, proposed_by from proposal where id = $1 and state = 'open'";
        let row = self.opt(sql, args![id]).await?;
        row.map(|r| {
            Ok(Proposal {
                id: r.int(0)?,
                act: r.string(1)?,
                subject: r.string(2)?,
                reason: r.string(3)?,
                effect: r.string(4)?,
                effect_hash: r.string(5)?,
                proposed_by: r.string(6)?,
            })
        })
        .transpose()
    }

    /// Whether an act on a subject is proposed already.
    ///
    /// # Errors
    /// The database refused.
    pub async fn proposal_open(&mut self, act: &str, subject: &str) -> Result<Option<i64>, StoreError> {
        let row = self.opt("select id from proposal where act = $1 and subject = $2 and state = 'open'", args![act, subject]).await?;
        row.map(|r| r.int(0)).transpose()
    }

    /// Marks a proposal as approved and done; the database itself refuses the same person.
    ///
    /// # Errors
    /// It is not open any more, or the same person approves.
    pub async fn approve_proposal(&mut self, id: i64, by: &Operator, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "update proposal set state = 'done', approved_by = $2, approved_at = $3 where id = $1 and state = 'open'";
        self.exec_one(sql, args![id, &by.login, now]).await
    }

    /// Appends to the audit log: each row carries the hash of the one before, so that a rewritten table shows.
    ///
    /// # Errors
    /// The database refused.
    pub async fn audit(&mut self, actor: &str, act: &str, subject: &str, detail: &str, now: Timestamp) -> Result<String, StoreError> {
        // The counter's row lock puts the links in one order, whoever writes.
        let number = self.take_numbers("audit", 1).await?;
        let previous = self
            .opt("select hash from audit order by id desc limit 1", args![])
            .await?
            .map(|r| r.string(0))
            .transpose()?
            .unwrap_or_default();
        let hash = Link { id: number, at: now.millis(), actor, act, subject, detail, previous: &previous }.hash();
        let sql = "insert into audit (id, at, actor, act, subject, detail, previous, hash) values ($1, $2, $3, $4, $5, $6, $7, $8)";
        self.exec(sql, args![number, now, actor, act, subject, detail, previous, &hash]).await?;
        Ok(hash)
    }

    /// Walks the audit log; says how many links hold and where the first broken one is.
    ///
    /// # Errors
    /// The database refused.
    pub async fn audit_verify(&mut self) -> Result<(u64, Option<i64>), StoreError> {
        let chain = self.audit_chain("").await?;
        Ok((chain.rows, chain.broken))
    }
}
