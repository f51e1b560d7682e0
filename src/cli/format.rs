//! The tools for bank formats: check a profile, render a list by it, read a bank's file by it, lay a file's bytes over its
//! fields, and try a profile's own samples. They read files and a profile; no database, no settings, no clock.

/// What `format render` writes.
mod render;
/// What `format try` tries.
pub(super) mod samples;

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::out::{Exit, Failure, Out};
use crate::domain::exchange::InboundKind;
use crate::format::tool::{self, Sent};
use crate::format::{ParseSummary, Parsed, Profile, ProfileError, profile_schema};

/// The tools for bank formats.
#[derive(Debug, Subcommand)]
pub enum FormatCommand {
    /// Check a profile: its folder, its profile.toml, or a folder of profiles
    Check {
        /// The folder or file
        path: PathBuf,
    },
    /// Write the files that we would send for a list
    Render(RenderArgs),
    /// Read a bank's files: a JSON object a record, and last the summary
    Parse(ParseArgs),
    /// Lay the bytes of a file over the fields of its layout
    Explain {
        /// The file
        file: PathBuf,
        /// A profile's id under --formats, or its folder
        #[arg(long)]
        profile: String,
        /// What the file is; else told from its name
        #[arg(long, value_enum)]
        kind: Option<Kind>,
        /// So many lines
        #[arg(long, default_value_t = 20, value_name = "N")]
        lines: usize,
        /// The folder of profiles
        #[arg(long, default_value = "bank-formats", value_name = "DIR")]
        formats: PathBuf,
    },
    /// Print the JSON Schema of profile.toml, for editors
    Schema,
    /// Try a profile by its own samples: its list must render to its request's bytes and be read back, its answers must bind
    Try {
        /// The profile's folder, or a folder of profiles
        dir: PathBuf,
    },
}

/// What to render.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// A profile's id under --formats, or its folder
    #[arg(long)]
    profile: String,
    /// What to write
    #[arg(long, value_enum, default_value = "instruction")]
    kind: RenderKind,
    /// The list, as CSV: ref, seq, payee_name, id_number, account, bank_code, amount_yuan, mobile, project, remark, and
    /// ordinal where an account was paid earlier that day
    input: PathBuf,
    /// Where to write, below the bank's own folders
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// A fact of the batch: batch_no, date, seq_no, unit_no, payer_account, payer_name, payer_bank, department, project, period,
    /// and any name that the profile declares
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The folder of profiles
    #[arg(long, default_value = "bank-formats", value_name = "DIR")]
    formats: PathBuf,
}

/// What to read.
#[derive(Debug, Args)]
pub struct ParseArgs {
    /// A profile's id under --formats, or its folder
    #[arg(long)]
    profile: String,
    /// What the files are
    #[arg(long, value_enum)]
    kind: Kind,
    /// The payment file that they answer
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// All files of the answer set
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The folder of profiles
    #[arg(long, default_value = "bank-formats", value_name = "DIR")]
    formats: PathBuf,
}

/// What can be rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RenderKind {
    /// A payment file
    Instruction,
}

/// What can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Our own payment file
    Instruction,
    /// The file as a whole was accepted or refused
    Ack,
    /// What became of each payment
    Result,
    /// Credited, then sent back
    Return,
    /// The account's statement
    Statement,
    /// The answer to an enquiry
    Enquiry,
}

impl Kind {
    pub(super) const fn inbound(self) -> Option<InboundKind> {
        match self {
            Self::Instruction => None,
            Self::Ack => Some(InboundKind::Ack),
            Self::Result => Some(InboundKind::Result),
            Self::Return => Some(InboundKind::Return),
            Self::Statement => Some(InboundKind::Statement),
            Self::Enquiry => Some(InboundKind::Enquiry),
        }
    }
}

/// Does what is asked.
pub fn format(out: &Out, command: FormatCommand) -> Result<Exit, Failure> {
    match command {
        FormatCommand::Check { path } => check(out, &path),
        FormatCommand::Render(args) => render::render(out, &args),
        FormatCommand::Parse(args) => parse(out, &args),
        FormatCommand::Explain { file, profile, kind, lines, formats } => explain(out, &file, &find(&formats, &profile)?, kind, lines),
        FormatCommand::Schema => {
            let text = serde_json::to_string_pretty(&profile_schema()).map_err(|e| Failure::failed(e.to_string()))?;
            out.line(text);
            Ok(Exit::Done)
        }
        FormatCommand::Try { dir } => samples::try_samples(out, &dir),
    }
}

/// The folder of a profile: named itself, by its file, or by its id.
pub(super) fn folder_of(formats: &Path, profile: &str) -> PathBuf {
    let given = Path::new(profile);
    if given.join("profile.toml").is_file() {
        given.to_path_buf()
    } else if given.is_file() {
        given.parent().unwrap_or(given).to_path_buf()
    } else {
        formats.join(profile)
    }
}

pub(super) fn find(formats: &Path, profile: &str) -> Result<Profile, Failure> {
    Profile::load(&folder_of(formats, profile))
        .map_err(|e| Failure::misused(format!("{e}\n--profile takes an id under {} or a profile's folder", formats.display())))
}

pub(super) fn open(path: &Path) -> Result<BufReader<File>, Failure> {
    File::open(path).map(|f| BufReader::with_capacity(1 << 18, f)).map_err(|e| Failure::failed(format!("{}: {e}", path.display())))
}

/// The folders of profiles that a path means.
fn folders(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if path.is_file() {
        return Ok(vec![path.parent().unwrap_or(path).to_path_buf()]);
    }
    if path.join("profile.toml").is_file() {
        return Ok(vec![path.to_path_buf()]);
    }
    let entries = std::fs::read_dir(path).map_err(|e| Failure::failed(format!("{}: {e}", path.display())))?;
    let mut dirs: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).filter(|p| p.is_dir()).collect();
    dirs.sort();
    if dirs.is_empty() {
        return Err(Failure::failed(format!("{}: no profile in it: one folder each, with a profile.toml", path.display())));
    }
    Ok(dirs)
}

fn loaded(path: &Path, dir: &Path) -> Result<Profile, ProfileError> {
    let is_other_file = path.is_file() && path.file_name().is_none_or(|n| n != "profile.toml");
    if !is_other_file {
        return Profile::load(dir);
    }
    let unreadable =
        |e: std::io::Error| ProfileError { file: path.to_path_buf(), line: 0, column: 0, what: format!("cannot be read: {e}") };
    Profile::read(&std::fs::read_to_string(path).map_err(unreadable)?, path)
}

fn check(out: &Out, path: &Path) -> Result<Exit, Failure> {
    let mut is_well = true;
    let mut shown = Vec::new();
    for dir in folders(path)? {
        match loaded(path, &dir) {
            Ok(profile) => {
                if !out.is_for_programs() {
                    out.line(format!("{}: ok, version {}, {}", profile.id(), profile.version(), profile.title_zh()));
                }
                shown
                    .push(json!({ "path": dir, "id": profile.id(), "version": profile.version(), "digest": profile.digest(), "ok": true }));
            }
            Err(error) => {
                is_well = false;
                if !out.is_for_programs() {
                    out.note(error.to_string());
                }
                let place = json!({ "file": error.file, "line": error.line, "column": error.column, "what": error.what });
                shown.push(json!({ "path": dir, "ok": false, "error": place }));
            }
        }
    }
    if out.is_for_programs() {
        out.value(&json!({ "ok": is_well, "profiles": shown }));
    }
    Ok(if is_well { Exit::Done } else { Exit::Failed })
}

/// Which file of the set a path is, by its name and the folders that end in it.
pub(super) fn role_of(profile: &Profile, kind: InboundKind, path: &Path) -> Option<String> {
    let parts: Vec<String> = path.components().map(|c| c.as_os_str().to_string_lossy().into_owned()).collect();
    let by_name = (0..parts.len()).rev().find_map(|from| {
        let tail = parts.get(from..)?.join("/");
        profile.recognise(&tail).filter(|n| n.kind == kind).map(|n| n.role)
    });
    let name = parts.last().cloned().unwrap_or_default();
    by_name.or_else(|| profile.recognise_name(kind, &name)).or_else(|| {
        let data: Vec<&str> = profile.roles(kind).iter().filter(|r| !r.is_flag).map(|r| r.role.as_str()).collect();
        if let [only] = data.as_slice() { Some((*only).to_owned()) } else { None }
    })
}

fn sent(profile: &Profile, path: &Path) -> Result<Sent, Failure> {
    let mut sent = Sent::default();
    let summary = profile.parse_sent(&mut open(path)?, &mut |parsed| {
        if let Parsed::Answer(answer) = parsed {
            sent.take(answer);
        }
    });
    sent.finish(summary.map_err(|e| Failure::failed(format!("{}: {e}", path.display())))?);
    Ok(sent)
}

/// What reading a set found.
struct Set {
    summaries: Vec<ParseSummary>,
    problems: Vec<String>,
    notes: Vec<String>,
    absent: Option<tool::Absent>,
}

fn parse(out: &Out, args: &ParseArgs) -> Result<Exit, Failure> {
    let profile = find(&args.formats, &args.profile)?;
    let mut stdout = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    let is_json = out.is_for_programs();
    let mut say = |value: &Value| {
        if is_json || value.get("error").is_some() {
            _ = writeln!(stdout, "{value}");
        }
    };
    let request = args.request.as_deref();
    if request.is_some() && args.kind == Kind::Instruction {
        return Err(Failure::misused("--request names the payment file that an answer speaks of; --kind instruction is that file itself"));
    }
    let set = read_set(&profile, args.kind, &args.files, request, &mut say)?;
    let summary = summary_json(&set);
    _ = writeln!(stdout, "{}", json!({ "summary": summary }));
    _ = stdout.flush();
    let is_ok = summary["verdict"] == "ok";
    Ok(if is_ok { Exit::Done } else { Exit::Failed })
}

fn read_set(profile: &Profile, kind: Kind, files: &[PathBuf], request: Option<&Path>, say: &mut dyn FnMut(&Value)) -> Result<Set, Failure> {
    let mut set = Set { summaries: Vec::new(), problems: Vec::new(), notes: Vec::new(), absent: None };
    let failed = |path: &Path, e: std::io::Error| Failure::failed(format!("{}: {e}", path.display()));
    let Some(inbound) = kind.inbound() else {
        for path in files {
            let summary = profile.parse_sent(&mut open(path)?, &mut |parsed| match parsed {
                Parsed::Answer(answer) => say(&tool::sent_json(&answer)),
                Parsed::Entry(_) => {}
                Parsed::Fault(fault) => say(&tool::fault_json(&fault)),
            });
            set.take(summary.map_err(|e| failed(path, e))?, "");
        }
        return Ok(set);
    };
    let mut sent = request.map(|path| sent(profile, path)).transpose()?;
    let (mut flags, mut seen) = (Vec::new(), Vec::new());
    for path in files {
        let role = role_of(profile, inbound, path).ok_or_else(|| {
            Failure::misused(format!("{}: the profile {} knows no such {} by its name", path.display(), profile.id(), inbound.code()))
        })?;
        seen.push(role.clone());
        if profile.roles(inbound).iter().any(|r| r.role == role && r.is_flag) {
            flags.push((path, role));
            continue;
        }
        let summary = profile.parse(inbound, &role, &mut open(path)?, &mut |parsed| match parsed {
            Parsed::Answer(mut answer) => {
                if let Some(sent) = sent.as_mut().filter(|_| inbound != InboundKind::Ack && answer.line > 0) {
                    sent.bind(profile, &mut answer);
                }
                say(&tool::answer_json(&answer));
            }
            Parsed::Entry(entry) => say(&tool::entry_json(&entry)),
            Parsed::Fault(fault) => say(&tool::fault_json(&fault)),
        });
        let shown =
            if files.len() > 1 { path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned()) } else { String::new() };
        set.take(summary.map_err(|e| failed(path, e))?, &shown);
    }
    for role in profile.roles(inbound).iter().filter(|r| r.required && !seen.contains(&r.role)) {
        let what = format!("the set lacks its file {:?}", role.role);
        if role.is_flag { set.notes.push(what) } else { set.problems.push(what) }
    }
    for (path, role) in flags {
        let bytes = std::fs::read(path).map_err(|e| failed(path, e))?;
        let of = profile.roles(inbound).iter().find(|r| r.role == role).and_then(|r| r.of.clone());
        let data =
            seen.iter().filter(|r| profile.roles(inbound).iter().any(|s| s.role == **r && !s.is_flag)).position(|r| Some(r) == of.as_ref());
        if let Some(data) = data.and_then(|at| set.summaries.get(at))
            && let Err(what) = profile.check_flag(inbound, &role, &bytes, &data.tally, &data.found)
        {
            set.problems.push(format!("{}: {what}", path.display()));
        }
    }
    if let Some(mut sent) = sent {
        if inbound != InboundKind::Ack {
            set.absent = Some(sent.prove(profile, inbound, &set.summaries));
        }
        set.problems.extend(sent.problems());
    }
    Ok(set)
}

impl Set {
    fn take(&mut self, summary: ParseSummary, name: &str) {
        let named = |what: &String| if name.is_empty() { what.clone() } else { format!("{name}: {what}") };
        self.problems.extend(summary.problems.iter().map(named));
        self.notes.extend(summary.notes.iter().map(named));
        if summary.faults > 0 {
            self.problems.push(named(&format!("{} lines cannot be read", summary.faults)));
        }
        self.summaries.push(summary);
    }
}

fn summary_json(set: &Set) -> Value {
    let records: u64 = set.summaries.iter().map(|s| s.records).sum();
    let errors: u64 = set.summaries.iter().map(|s| s.faults).sum();
    let sum = |of: &dyn Fn(&ParseSummary) -> Option<i64>| set.summaries.iter().map(of).try_fold(0_i64, |all, one| all.checked_add(one?));
    let any = |of: &dyn Fn(&ParseSummary) -> Option<i64>| set.summaries.iter().find_map(of);
    let number = |n: Option<u64>| n.and_then(|n| i64::try_from(n).ok());
    let head = set.summaries.first().map(|s| s.head.clone()).unwrap_or_default();
    let mut summary = json!({
        "records": records,
        "errors": errors,
        "count_found": records,
        "count_declared": any(&|s| number(s.declared.count)),
        "amount_found_fen": sum(&|s| s.found.amount.map(crate::domain::money::Fen::get)),
        "amount_declared_fen": any(&|s| s.declared.amount.map(crate::domain::money::Fen::get)),
        "paid_count_declared": any(&|s| number(s.declared.paid_count)),
        "paid_declared_fen": any(&|s| s.declared.paid_amount.map(crate::domain::money::Fen::get)),
        "unit_proven": set.summaries.iter().find_map(|s| s.is_unit_proven),
        "absent": set.absent.map(|a| json!({ "count": a.count, "amount_fen": a.amount.get(), "status": a.outcome.map_or("unknown", crate::domain::exchange::Outcome::code) })),
        "verdict": if set.problems.is_empty() { "ok" } else { "quarantine" },
        "problems": set.problems,
        "notes": set.notes,
    });
    if head.opening.is_some() || head.closing.is_some() {
        summary["opening_fen"] = json!(head.opening.map(crate::domain::money::Fen::get));
        summary["closing_fen"] = json!(head.closing.map(crate::domain::money::Fen::get));
    }
    summary
}

fn explain(out: &Out, file: &Path, profile: &Profile, kind: Option<Kind>, lines: usize) -> Result<Exit, Failure> {
    let known = [Kind::Result, Kind::Ack, Kind::Return, Kind::Statement, Kind::Enquiry];
    let by_name = || known.into_iter().find(|k| k.inbound().is_some_and(|i| profile.recognise_name(i, &file_name(file)).is_some()));
    let kind = kind.or_else(by_name).unwrap_or(Kind::Instruction);
    let role = match kind.inbound() {
        None => None,
        Some(inbound) => {
            let role = role_of(profile, inbound, file)
                .ok_or_else(|| Failure::misused("the file's name says no role; rename it as the bank does"))?;
            Some((inbound, role))
        }
    };
    let explained = profile
        .explain(role.as_ref().map(|(k, r)| (*k, r.as_str())), &mut open(file)?, lines)
        .map_err(|e| Failure::failed(format!("{}: {e}", file.display())))?;
    if out.is_for_programs() {
        explained.iter().for_each(|line| out.value(line));
        return Ok(Exit::Done);
    }
    for line in &explained {
        out.line(format!("line {} ({}){}", line.line, line.record, line.fault.as_deref().map(|f| format!(": {f}")).unwrap_or_default()));
        let mut sheet = out.sheet(["from", "to", "field", "text", "bytes"]);
        for cell in &line.cells {
            sheet.row([cell.from.to_string(), cell.to.to_string(), cell.field.clone(), cell.text.clone(), cell.hex.clone()]);
        }
        out.show(&sheet, "");
    }
    Ok(Exit::Done)
}

pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
}
