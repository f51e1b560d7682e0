//! `format render`: a list becomes the files that we would send, all of them or none.

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::{RenderArgs, RenderKind, find, open};
use crate::cli::out::{Exit, Failure, Out};
use crate::domain::exchange::{BatchFacts, PaymentLine};
use crate::domain::masked::Account;
use crate::format::{NameError, Profile, RenderError, tool};

/// The batch's facts from `key=value`s.
pub(super) fn facts(profile: &Profile, set: &[String]) -> Result<BatchFacts, Failure> {
    let mut facts = BatchFacts { seq_no: 1, ..BatchFacts::default() };
    let mut has_date = false;
    for pair in set {
        let (key, value) = pair.split_once('=').ok_or_else(|| Failure::misused(format!("--set {pair}: it is key=value")))?;
        let value = value.to_owned();
        match key {
            "batch_no" => facts.batch_no = value,
            "date" => {
                let digits: String = value.chars().filter(|c| *c != '-').collect();
                let day = chrono::NaiveDate::parse_from_str(&digits, "%Y%m%d").ok().filter(|_| digits.len() == 8);
                facts.date = day.ok_or_else(|| Failure::misused(format!("--set date={value}: it is a day such as 2019-03-14")))?;
                has_date = true;
            }
            "seq_no" => {
                facts.seq_no = value.parse().map_err(|_| Failure::misused(format!("--set seq_no={value}: it is a number from 1")))?
            }
            "unit_no" => facts.unit_no = value,
            "payer_account" => facts.payer_account = Account::new(value),
            "payer_name" => facts.payer_name = value,
            "payer_bank" => facts.payer_bank = value,
            "department" => facts.department = value,
            "project" => facts.project = value,
            "project_short" => facts.project_short = value,
            "period" => facts.period = value,
            other => {
                let name = other.strip_prefix("extra.").unwrap_or(other);
                if !profile.declares(name) {
                    let declared = profile.declared().join(", ");
                    return Err(Failure::misused(format!(
                        "--set {other}: not known; allowed: batch_no, date, seq_no, unit_no, payer_account, payer_name, payer_bank, department, project, project_short, period, and what the profile declares: {declared}"
                    )));
                }
                facts.extra.insert(name.to_owned(), value);
            }
        }
    }
    if has_date {
        Ok(facts)
    } else {
        Err(Failure::misused("--set date=YYYY-MM-DD is needed: a file is a function of its facts, not of the clock"))
    }
}

/// A file that is whole and does not stand under its name yet.
pub(super) struct Made {
    path: PathBuf,
    bytes: NamedTempFile,
}

pub(super) fn render(out: &Out, args: &RenderArgs) -> Result<Exit, Failure> {
    let RenderKind::Instruction = args.kind;
    let profile = find(&args.formats, &args.profile)?;
    let mut facts = facts(&profile, &args.set)?;
    let (made, shown) = made(&profile, &mut facts, &args.input, &args.out)?;
    publish(made)?;
    if out.is_for_programs() {
        out.value(&json!({ "files": shown }));
    } else {
        for file in &shown {
            out.line(file["path"].as_str().unwrap_or_default());
            let rules = file["substituted"].as_array().into_iter().flatten().filter_map(Value::as_str);
            rules.for_each(|rule| out.line(format!("  written as agreed: {rule}")));
        }
    }
    Ok(Exit::Done)
}

/// Renders a list into files that stand beside their places.
pub(super) fn made(profile: &Profile, facts: &mut BatchFacts, input: &Path, to: &Path) -> Result<(Vec<Made>, Vec<Value>), Failure> {
    let refused = |what: Vec<String>| Failure::failed(format!("{}: nothing was written\n{}", input.display(), what.join("\n")));
    let mut lines = tool::payments(open(input)?, facts).map_err(refused)?;
    let faults: Vec<String> = lines
        .iter()
        .flat_map(|l| profile.check_line(l).into_iter().map(|f| format!("payment {}: {f}", l.seq)).collect::<Vec<_>>())
        .collect();
    if !faults.is_empty() {
        return Err(refused(faults));
    }
    tool::group(&mut lines, profile);
    let parts = tool::parts(&lines, profile);
    let is_split = parts.len() > 1;
    let first_no = facts.seq_no;
    let (mut made, mut shown) = (Vec::new(), Vec::new());
    let mut rest = lines.as_mut_slice();
    for (rows, number) in parts.into_iter().zip(first_no..) {
        let (part, more) = rest.split_at_mut(rows);
        rest = more;
        if is_split {
            part.iter_mut().zip(1..).for_each(|(line, seq)| line.seq = seq);
        }
        facts.seq_no = number;
        facts.count = u64::try_from(part.len()).unwrap_or(u64::MAX);
        facts.total = part.iter().map(|l| l.amount).sum();
        shown.push(render_one(profile, facts, part, to, &mut made)?);
    }
    if shown.is_empty() {
        return Err(Failure::failed(format!("{}: it holds no payment, and a file without payments is never sent", input.display())));
    }
    let mut paths: Vec<&PathBuf> = made.iter().map(|m| &m.path).collect();
    paths.sort();
    if let Some([twice, _]) = paths.windows(2).find(|pair| matches!(pair, [a, b] if a == b)) {
        let what = format!("{}: two parts of the list would have this name; the profile's name needs {{seq_no}}", twice.display());
        return Err(Failure::failed(format!("{what}\nnothing was written")));
    }
    Ok((made, shown))
}

/// All of them take their names; where one cannot, what stood there before stands there again.
fn publish(made: Vec<Made>) -> Result<(), Failure> {
    let mut done: Vec<(PathBuf, Option<Made>)> = Vec::new();
    for one in made {
        let path = one.path.clone();
        let ended = one.before().and_then(|before| {
            one.bytes.persist(&path).map_err(|e| e.error)?;
            Ok(before)
        });
        match ended {
            Ok(before) => done.push((path, before)),
            Err(e) => return Err(Failure::failed(format!("{}: {e}\n{}", path.display(), taken_back(done)))),
        }
    }
    Ok(())
}

/// Undoes what was written, and says so, or what could not be undone.
fn taken_back(done: Vec<(PathBuf, Option<Made>)>) -> String {
    let mut left = Vec::new();
    for (path, before) in done {
        let undone = match before {
            Some(before) => before.bytes.persist(&path).map(drop).map_err(|e| e.error),
            None => std::fs::remove_file(&path),
        };
        left.extend(undone.err().map(|e| format!("{} was written and stays: {e}", path.display())));
    }
    if left.is_empty() { "nothing was written".to_owned() } else { left.join("\n") }
}

impl Made {
    fn begin(path: PathBuf) -> std::io::Result<Self> {
        let dir = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(dir)?;
        let bytes = tempfile::Builder::new().prefix(".").suffix(".part").permissions(readable()).tempfile_in(dir)?;
        Ok(Self { path, bytes })
    }

    /// A copy of the file that stands under its name now.
    fn before(&self) -> std::io::Result<Option<Self>> {
        if !self.path.is_file() {
            return Ok(None);
        }
        let copy = Self::begin(self.path.clone())?;
        std::fs::copy(&self.path, copy.bytes.path())?;
        Ok(Some(copy))
    }

    /// Its name below the folder, and what is in it.
    pub(super) fn read(&self, below: &Path) -> std::io::Result<(String, Vec<u8>)> {
        let name = self.path.strip_prefix(below).unwrap_or(&self.path).to_string_lossy().into_owned();
        Ok((name, std::fs::read(self.bytes.path())?))
    }
}

fn readable() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}

/// What cannot be rendered, and where it is a fact of the file: how it is given here.
fn with_setting(e: &RenderError) -> String {
    match e {
        RenderError::Name(NameError::Missing(name) | NameError::NotAllowed { name, .. }) => {
            format!("{e}; here it is given by --set {name}=VALUE")
        }
        RenderError::Batch { .. } => format!("{e}; here what belongs to the batch is given by --set KEY=VALUE"),
        RenderError::Name(NameError::SequenceExhausted { .. }) => format!("{e}; here the number is given by --set seq_no=NUMBER"),
        RenderError::Line { .. }
        | RenderError::Order { .. }
        | RenderError::TooManyRows { .. }
        | RenderError::Totals { .. }
        | RenderError::Io(_) => e.to_string(),
    }
}

fn render_one(profile: &Profile, facts: &BatchFacts, lines: &[PaymentLine], to: &Path, made: &mut Vec<Made>) -> Result<Value, Failure> {
    let failed = |e: RenderError| Failure::failed(with_setting(&e));
    let names = profile.instruction_names(facts).map_err(|e| failed(e.into()))?;
    let dir = if names.dir.is_empty() { to.to_path_buf() } else { to.join(&names.dir) };
    let path = dir.join(&names.data);
    let not_written = |path: &Path, e: std::io::Error| Failure::failed(format!("{}: {e}", path.display()));
    let mut data = Made::begin(path.clone()).map_err(|e| not_written(&path, e))?;
    let mut renderer = profile.renderer(facts, BufWriter::with_capacity(1 << 18, data.bytes.as_file_mut())).map_err(failed)?;
    for line in lines {
        renderer.line(line).map_err(failed)?;
    }
    let (bytes, rendered) = renderer.finish().map_err(failed)?;
    bytes.into_inner().map_err(|e| not_written(&path, e.into_error()))?;
    made.push(data);
    let mut flag_path = None;
    if let (Some(name), Some(flag)) = (&names.flag, &rendered.flag) {
        let flag_at = dir.join(name);
        let mut beside = Made::begin(flag_at.clone()).map_err(|e| not_written(&flag_at, e))?;
        beside.bytes.write_all(flag).map_err(|e| not_written(&flag_at, e))?;
        made.push(beside);
        flag_path = Some(flag_at);
    }
    Ok(json!({
        "path": path, "flag": flag_path, "key": names.key, "bytes": rendered.bytes, "lines": rendered.lines, "rows": rendered.rows,
        "total_fen": rendered.total.get(), "sha256": rendered.sha256, "cut_values": rendered.cuts,
        "substituted": rendered.substituted.iter().map(ToString::to_string).collect::<Vec<_>>(),
    }))
}
