//! `bankgate statement parse`: a bank's statement file, read by itself and proven. It needs no database and no settings, so that a
//! file can be looked at before a bank is connected.

use std::io::BufReader;
use std::path::PathBuf;

use clap::Args;

use super::out::{Exit, Failure, Out, Tone};
use crate::format::Profile;
use crate::format::statement::{Continuity, Statement, StatementError, StatementView, read, read_declared, view};

/// Which file, and by which profile.
#[derive(Debug, Args)]
pub struct ParseArgs {
    /// The file
    pub file: PathBuf,
    /// The profile whose layout it has, by its folder; else the form is told from the file
    #[arg(long, value_name = "DIR")]
    pub profile: Option<PathBuf>,
}

/// Reads it, and prints what it says and whether it adds up.
pub fn parse(out: &Out, args: &ParseArgs) -> Result<Exit, Failure> {
    let path = args.file.display();
    let file = std::fs::File::open(&args.file).map_err(|e| Failure::failed(format!("{path}: cannot be read: {e}")))?;
    let mut source = BufReader::with_capacity(1 << 20, file);
    let statements = match &args.profile {
        None => read(&mut source).map_err(|e| Failure::failed(failure(&path.to_string(), &e)))?,
        Some(dir) => {
            let profile = Profile::load(dir).map_err(|e| Failure::misused(e.to_string()))?;
            read_declared(&profile, &mut source)
                .map_err(|e| Failure::failed(format!("{path}: {e}")))?
                .ok_or_else(|| Failure::misused(format!("the profile {} declares no statement", profile.id())))?
        }
    };
    let views: Vec<StatementView> = statements.iter().map(view).collect();
    if out.json {
        out.value(&views);
    } else {
        table(out, &statements, &views);
    }
    for problem in views.iter().flat_map(|v| &v.problems) {
        out.note(format!("{path}: {problem}"));
    }
    let is_sound = statements.iter().all(|s| s.problems.is_empty() && !matches!(s.continuity, Continuity::Broken(_)));
    Ok(if is_sound { Exit::Done } else { Exit::Person })
}

fn failure(path: &str, error: &StatementError) -> String {
    format!("{path}: {error}")
}

fn table(out: &Out, statements: &[Statement], views: &[StatementView]) {
    let mut sheet =
        out.sheet(["form", "account", "currency", "from", "to", "opening", "credits", "debits", "closing", "entries", "continuity"]);
    for (statement, v) in statements.iter().zip(views) {
        let tone = match statement.continuity {
            Continuity::Holds => Tone::Good,
            Continuity::Broken(_) => Tone::Bad,
            Continuity::Unproven(_) => Tone::Warn,
        };
        let amount = |minor: &str| whole(minor, v.decimals);
        let cells = [
            v.form.to_owned(),
            v.account.clone(),
            v.currency.clone(),
            v.from.clone().unwrap_or_default(),
            v.to.clone().unwrap_or_default(),
            v.opening.as_deref().map(amount).unwrap_or_default(),
            amount(&v.credit_sum),
            amount(&v.debit_sum),
            v.closing.as_deref().map(amount).unwrap_or_default(),
            v.entries.len().to_string(),
        ];
        let said =
            if v.continuity_detail.is_empty() { v.continuity.to_owned() } else { format!("{}: {}", v.continuity, v.continuity_detail) };
        sheet.toned(cells.map(|c| (c, Tone::Plain)).into_iter().chain([(said, tone)]));
    }
    sheet.right(&[5, 6, 7, 8, 9]);
    out.show(&sheet, "the file holds no statement");
}

/// `123450` of two decimals as `1234.50`.
fn whole(minor: &str, decimals: usize) -> String {
    if decimals == 0 {
        return minor.to_owned();
    }
    let (sign, digits) = minor.strip_prefix('-').map_or(("", minor), |d| ("-", d));
    let padded = format!("{digits:0>width$}", width = decimals + 1);
    let (head, tail) = padded.split_at(padded.len() - decimals);
    format!("{sign}{head}.{tail}")
}
