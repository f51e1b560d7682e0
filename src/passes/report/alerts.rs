//! Incidents to finance IT (告警), and what a bank must hear of its own file.

use super::super::letters::{self, Alert, BankNotice, BankNoticeKind, FileFault, Letter, NextStep, Urgency};
use super::super::{Done, Gateway, PassError, join};
use super::{Addressed, Post, addresses, contact};
use crate::domain::language::Words;
use crate::domain::time::Timestamp;
use crate::store::desk::Incident;

/// More new incidents than this have one cause, and people read one letter about it rather than hundreds.
const STORM: usize = 20;
/// Faults of a file that are told to its bank one by one.
const FAULTS_MAX: usize = 10;

/// One mail per new incident; in a storm, one that lists them.
///
/// # Errors
/// The database.
pub(super) async fn alerts(gateway: &Gateway, now: Timestamp) -> Result<Done, PassError> {
    let mut done = Done::default();
    loop {
        let incidents = gateway.store.read().await?.incidents_unmailed().await?;
        if incidents.is_empty() {
            return Ok(done);
        }
        let told = if incidents.len() > STORM {
            // Banks are not written to in a storm: its cause is likelier here, and a person decides what to ask of whom.
            tell(gateway, &incidents, Vec::new(), now).await?
        } else {
            let mut told = 0;
            for incident in &incidents {
                let notice = notice(gateway, incident, now).await?;
                told += tell(gateway, std::slice::from_ref(incident), notice.into_iter().collect(), now).await?;
            }
            told
        };
        done.changed += told;
        // Nothing moved: another node tells of them. The next run sees what is left.
        if told == 0 {
            return Ok(done);
        }
    }
}

/// One mail about these incidents, tied to each of them, and the notices that go with it, in one transaction.
async fn tell(gateway: &Gateway, incidents: &[Incident], notices: Vec<Post>, now: Timestamp) -> Result<u64, PassError> {
    let (Some(first), Some(last)) = (incidents.first(), incidents.last()) else { return Ok(0) };
    let (key, letter) = match incidents {
        [one] => (format!("alert:{}", one.id), alert_of(gateway, one, now).await?),
        several => (format!("alerts:{}-{}", first.id, last.id), storm_of(gateway, several, now)?),
    };
    let post = Addressed::finance_it(gateway, letter).post(gateway, key, "alert", now)?;
    let mut tx = gateway.store.begin().await?;
    let Some(mail) = post.enqueue(&mut tx, now).await? else { return Ok(0) };
    for incident in incidents {
        if !tx.incident_mailed(incident.id, mail).await? {
            return Ok(0);
        }
    }
    let mut told = 1;
    for notice in notices {
        told += u64::from(notice.enqueue(&mut tx, now).await?.is_some());
    }
    tx.commit().await?;
    Ok(told)
}

fn written(letter: Result<Letter, letters::LetterError>) -> Result<Letter, PassError> {
    letter.map_err(|e| PassError::Broken(e.to_string()))
}

/// Incidents behind which money neither stands nor could move wrongly. An incident that is not known here is urgent.
fn urgency(kind: &str) -> Urgency {
    match kind {
        "funds_short" | "batch_returned" | "no_address" | "mail_bounced" | "mail_late" | "unmapped_reason" | "statement_overdue"
        | "funding_aside" => Urgency::Today,
        _ => Urgency::Now,
    }
}

fn number(incident: &Incident) -> String {
    format!("INC-{}", incident.id)
}

/// The command within a step, if it names one between backticks or is one.
fn command(step: &str) -> Option<String> {
    let quoted = step.split('`').skip(1).step_by(2).find(|words| words.starts_with("bankgate "));
    quoted.or_else(|| step.starts_with("bankgate ").then_some(step)).map(str::to_owned)
}

async fn alert_of(gateway: &Gateway, incident: &Incident, now: Timestamp) -> Result<Letter, PassError> {
    let mut tx = gateway.store.read().await?;
    let bank = tx.bank_contacts(&incident.bank).await?;
    // The letter blots out long numbers in what happened; the key still names the batch or file.
    let key = tx.incident_key(incident.id).await?;
    drop(tx);
    let here = || gateway.say(Words::new("补贴发放网关", "the gateway"));
    let place = bank.map_or_else(here, |(name, _)| format!("{name} ({})", incident.bank));
    let alert = Alert {
        incident: number(incident),
        urgency: urgency(&incident.kind),
        what: incident.what.clone(),
        place: format!("{place} · {key}"),
        since: incident.first_at,
        generated_at: now,
        zone: gateway.zone(),
        count: None,
        amount: None,
        next: vec![NextStep { what: incident.next_step.replace('`', ""), command: command(&incident.next_step) }],
    };
    written(letters::alert(&alert, gateway.config.language))
}

fn storm_of(gateway: &Gateway, incidents: &[Incident], now: Timestamp) -> Result<Letter, PassError> {
    let (first, last) = (incidents.first().map(number).unwrap_or_default(), incidents.last().map(number).unwrap_or_default());
    let step = |i: &Incident| NextStep {
        what: format!("[{}] {} {} {} → {}", number(i), i.kind, i.bank, i.what, i.next_step.replace('`', "")),
        command: command(&i.next_step),
    };
    let count = incidents.len();
    let alert = Alert {
        incident: format!("{first}…{last}"),
        urgency: incidents.iter().map(|i| urgency(&i.kind)).max().unwrap_or(Urgency::Now),
        what: gateway.say(Words::new(format!("同时发生 {count} 起告警，合并为一封"), format!("{count} incidents at once, in one letter"))),
        place: gateway.say(Words::new("见下列各项", "see each item")),
        since: incidents.iter().map(|i| i.first_at).min().unwrap_or(now),
        generated_at: now,
        zone: gateway.zone(),
        count: None,
        amount: None,
        next: incidents.iter().map(step).collect(),
    };
    written(letters::alert(&alert, gateway.config.language))
}

/// To a bank whose file was set aside, if its operators have an address.
async fn notice(gateway: &Gateway, incident: &Incident, now: Timestamp) -> Result<Option<Post>, PassError> {
    if incident.kind != "quarantined" || incident.bank.is_empty() {
        return Ok(None);
    }
    let mut tx = gateway.store.read().await?;
    let Some((bank, contacts)) = tx.bank_contacts(&incident.bank).await? else { return Ok(None) };
    let (to, _) = addresses(gateway, &contacts);
    let Some(file) = tx.file_aside(incident.id).await? else { return Ok(None) };
    drop(tx);
    if to.is_empty() {
        return Ok(None);
    }
    let problems: Vec<&str> = file.problems.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let outbox = gateway.edges.get(&incident.bank).map_or("", |edge| edge.outbox.as_str());
    let notice = BankNotice {
        incident: number(incident),
        kind: BankNoticeKind::Quarantined,
        bank,
        file: file.name,
        folder: join(outbox, &file.dir),
        at: file.seen_at,
        generated_at: now,
        zone: gateway.zone(),
        faults: problems.iter().take(FAULTS_MAX).map(|what| FileFault { line: None, what: (*what).to_owned() }).collect(),
        more: u64::try_from(problems.len().saturating_sub(FAULTS_MAX)).unwrap_or(u64::MAX),
        contact: contact(gateway),
    };
    let letter = written(letters::bank_notice(&notice, gateway.config.language))?;
    let addressed = Addressed { to, letter, is_known: true };
    addressed.post(gateway, format!("notice:{}", incident.id), "bank_notice", now).map(Some)
}
