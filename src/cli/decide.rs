//! Commands that decide: each asks the daemon, which asks the kernel who calls.

use std::path::Path;

use super::out::{Exit, Failure, Out};
use super::{ImportArgs, Settled};
use crate::config::Config;
use crate::daemon::socket::{self, Reply, Request};
use crate::domain::money::Fen;
use crate::passes::operate::import::ImportFacts;

/// Asks, and prints what the daemon says.
pub async fn ask(out: &Out, config: &Config, request: Request) -> Result<Exit, Failure> {
    asked(out, socket::ask(&config.node.socket, &request, None, &mut |_, _| {}).await?)
}

/// Brings a list.
pub async fn import(out: &Out, config: &Config, args: ImportArgs) -> Result<Exit, Failure> {
    let file_name = args.file.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
    let bytes = std::fs::metadata(&args.file).map_err(|e| Failure::misused(format!("{}: {e}", args.file.display())))?.len();
    let ImportArgs { file, number, department, project, period, pay_on, count, total } = args;
    let facts = ImportFacts { file_name, number, department, project, period, pay_on, count, total };
    let bar = out.bar();
    let mut progress = |done, of| {
        bar.set_length(of);
        bar.set_position(done);
    };
    let reply = socket::ask(&config.node.socket, &Request::BatchImport { facts, bytes }, Some(Path::new(&file)), &mut progress).await;
    bar.finish_and_clear();
    asked(out, reply?)
}

/// Proposes to settle a payment.
pub async fn resolve(
    out: &Out,
    config: &Config,
    reference: String,
    (settled, part): (Settled, Option<String>),
    evidence: String,
) -> Result<Exit, Failure> {
    let part_fen = match (settled, part) {
        (Settled::PartlyPaid, Some(yuan)) => {
            Some(Fen::parse_yuan(&yuan).map_err(|e| Failure::misused(format!("--paid {yuan}: {e}")))?.get())
        }
        (Settled::PartlyPaid, None) => return Err(Failure::misused("--as partly-paid needs --paid YUAN".to_owned())),
        (Settled::Paid | Settled::Failed, Some(_)) => return Err(Failure::misused("--paid goes with --as partly-paid".to_owned())),
        (Settled::Paid | Settled::Failed, None) => None,
    };
    ask(out, config, Request::PaymentResolve { reference, paid: settled == Settled::Paid, part_fen, evidence }).await
}

/// Approves a proposal, or withdraws it.
pub async fn proposal(out: &Out, config: &Config, id: i64, withdraw: bool) -> Result<Exit, Failure> {
    ask(out, config, if withdraw { Request::Withdraw { id } } else { Request::Approve { id } }).await
}

/// Who the daemon takes the caller for.
pub async fn whoami(out: &Out, config: &Config) -> Result<Exit, Failure> {
    ask(out, config, Request::WhoAmI).await
}

pub(super) fn asked(out: &Out, reply: Reply) -> Result<Exit, Failure> {
    match reply {
        Reply::Done { value, .. } if out.json => out.value(&value),
        Reply::Done { say, .. } => out.line(say),
        Reply::Refused { say, is_transient: true, .. } => return Err(Failure::not_now(say)),
        Reply::Refused { say, faults, beyond, is_transient: false } => {
            let more = if beyond == 0 { String::new() } else { format!(" (+{beyond})") };
            return Err(Failure::refused(format!("{say}{more}"), faults));
        }
        Reply::Progress { .. } => return Err(Failure::failed("the daemon broke off")),
    }
    Ok(Exit::Done)
}
