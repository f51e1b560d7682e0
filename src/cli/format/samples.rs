//! `format try`: a profile against its own samples.
//!
//! `samples/list.csv` is a list as `format render` takes it and `samples/list.set` its facts, a `key=value` a line. What is
//! rendered from them must be `samples/request/`, and what is read back from that must be the list. Every other folder holds
//! what the bank says: `ack`, `result`, `return`, `statement` or `enquiry-answer`, each with any suffix; one that ends in
//! `-quarantine` must be refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Kind, file_name, folders, open, read_set, render};
use crate::cli::out::{Exit, Failure, Out};
use crate::domain::exchange::PaymentLine;
use crate::format::{DigestKind, Parsed, Profile, Tallier, same_contents, tool};

/// Every file below a folder.
pub(in crate::cli) fn below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![dir.to_path_buf()];
    while let Some(next) = left.pop() {
        for path in std::fs::read_dir(&next).into_iter().flatten().filter_map(|e| e.ok().map(|e| e.path())) {
            if path.is_dir() { left.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// What is wrong with a sample; nothing where it holds.
type Problems = Vec<String>;

pub(super) fn try_samples(out: &Out, dir: &Path) -> Result<Exit, Failure> {
    let mut is_well = true;
    let mut shown: Vec<Value> = Vec::new();
    for folder in folders(dir)? {
        let profile = Profile::load(&folder).map_err(|e| Failure::failed(e.to_string()))?;
        let (problems, data) = list(&profile, &folder);
        let mut tried = vec![("list".to_owned(), problems)];
        tried.extend(sets(&profile, &folder, data)?);
        for (name, problems) in tried {
            is_well &= problems.is_empty();
            if !out.is_for_programs() {
                out.line(format!("{}/{name}: {}", profile.id(), if problems.is_empty() { "ok" } else { "does not hold" }));
                problems.iter().for_each(|p| out.note(format!("  {p}")));
            }
            shown.push(json!({ "profile": profile.id(), "sample": name, "ok": problems.is_empty(), "problems": problems }));
        }
    }
    if out.is_for_programs() {
        out.value(&json!({ "ok": is_well, "samples": shown }));
    }
    Ok(if is_well { Exit::Done } else { Exit::Failed })
}

/// Renders the list, compares with the request, reads it back. With it, the request's payment file.
fn list(profile: &Profile, folder: &Path) -> (Problems, Option<PathBuf>) {
    let mut data = None;
    let problems = rendered(profile, folder, &mut data).unwrap_or_else(|failure| vec![failure.to_string()]);
    (problems, data)
}

fn rendered(profile: &Profile, folder: &Path, first: &mut Option<PathBuf>) -> Result<Problems, Failure> {
    let samples = folder.join("samples");
    let (csv, set) = (samples.join("list.csv"), samples.join("list.set"));
    for (path, what) in [(&csv, "the list that the request is rendered from"), (&set, "its facts, a key=value a line")] {
        if !path.is_file() {
            return Ok(vec![format!("{} is missing: {what}", path.display())]);
        }
    }
    let unreadable = |path: &Path, e: std::io::Error| Failure::failed(format!("{}: {e}", path.display()));
    let text = std::fs::read_to_string(&set).map_err(|e| unreadable(&set, e))?;
    let pairs: Vec<String> = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).map(str::to_owned).collect();
    let mut facts = render::facts(profile, &pairs)?;
    let place = tempfile::tempdir().map_err(|e| Failure::failed(e.to_string()))?;
    let (made, shown) = render::made(profile, &mut facts, &csv, place.path())?;
    let mut wanted = BTreeMap::new();
    let request = samples.join("request");
    for path in below(&request) {
        let name = path.strip_prefix(&request).unwrap_or(&path).to_string_lossy().into_owned();
        wanted.insert(name, std::fs::read(&path).map_err(|e| unreadable(&path, e))?);
    }
    let data: Vec<&Path> = shown.iter().filter_map(|f| Path::new(f["path"].as_str()?).strip_prefix(place.path()).ok()).collect();
    *first = data.first().map(|name| request.join(name)).filter(|path| path.is_file());
    let lines = tool::payments(open(&csv)?, &facts).map_err(|what| Failure::failed(what.join("\n")))?;
    let (mut problems, mut back) = (Problems::new(), Vec::new());
    let mut packed = Vec::new();
    for one in &made {
        let (name, bytes) = one.read(place.path()).map_err(|e| Failure::failed(e.to_string()))?;
        match wanted.remove(&name) {
            None => problems.push(format!("renders to {name}, which is not in {}", request.display())),
            Some(sample) if same_contents(&sample, &bytes) => packed.push((sample, bytes.clone())),
            Some(sample) => {
                let sample = as_packed(sample, &packed);
                if sample != bytes {
                    problems.push(format!("{name}: {}", first_difference(&sample, &bytes)));
                }
            }
        }
        if data.contains(&Path::new(&name)) {
            problems.extend(read_back(profile, &name, &bytes, &lines, &mut back)?);
        }
    }
    problems.extend(wanted.keys().map(|name| format!("{name} is in {}, and the list does not render to it", request.display())));
    if problems.is_empty() && back.len() != lines.len() {
        problems.push(format!("{} payments were rendered, {} are read back", lines.len(), back.len()));
    }
    Ok(problems)
}

/// Another program packs the same rows into other bytes: the digests that a companion has of the sample's package become
/// those of ours.
fn as_packed(companion: Vec<u8>, packed: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut text = match String::from_utf8(companion) {
        Ok(text) => text,
        Err(bytes) => return bytes.into_bytes(),
    };
    for (sample, ours) in packed.iter().filter(|(sample, ours)| sample != ours) {
        let tally = |bytes: &[u8]| {
            let mut tallier = Tallier::new(&[DigestKind::Sha256, DigestKind::Sm3, DigestKind::Md5]);
            tallier.update(bytes);
            tallier.finish()
        };
        let (theirs, mine) = (tally(sample), tally(ours));
        for (from, to) in [(Some(theirs.sha256), Some(mine.sha256)), (theirs.sm3, mine.sm3), (theirs.md5, mine.md5)] {
            if let (Some(from), Some(to)) = (from, to) {
                text = text.replace(&from, &to).replace(&from.to_uppercase(), &to.to_uppercase());
            }
        }
    }
    text.into_bytes()
}

/// Reads what was rendered, and compares each payment with the list, column by column, where the layout carries it.
fn read_back(profile: &Profile, name: &str, bytes: &[u8], lines: &[PaymentLine], back: &mut Vec<u64>) -> Result<Problems, Failure> {
    let mut problems = Problems::new();
    let summary = profile.parse_sent(&mut &bytes[..], &mut |parsed| match parsed {
        Parsed::Answer(answer) => {
            let at = back.len();
            back.push(answer.line);
            let Some(line) = lines.get(at) else { return };
            let changed = tool::changed(&profile.told(line), &answer);
            problems.extend(changed.iter().map(|what| format!("{name}, line {}: {what} is read back as something else", answer.line)));
        }
        Parsed::Entry(_) => {}
        Parsed::Fault(fault) => problems.push(format!("{name}, line {}: cannot be read back: {}", fault.line, fault.what)),
    });
    let summary = summary.map_err(|e| Failure::failed(format!("{name}: {e}")))?;
    problems.extend(summary.problems.iter().map(|what| format!("{name}, read back: {what}")));
    Ok(problems)
}

fn first_difference(sample: &[u8], made: &[u8]) -> String {
    let at = sample.iter().zip(made).position(|(a, b)| a != b).unwrap_or(sample.len().min(made.len()));
    let line = 1 + sample.iter().take(at).filter(|b| **b == b'\n').count();
    let near = |bytes: &[u8]| hex::encode(bytes.iter().skip(at).take(12).copied().collect::<Vec<_>>());
    format!("differs from the sample at byte {at}, line {line}: sample {}, rendered {}", near(sample), near(made))
}

/// What a folder of samples holds, by its name. An enquiry of ours is no file to be read.
pub(in crate::cli) fn kind_of(folder: &str) -> Option<Kind> {
    Some(match folder.split('-').next().unwrap_or_default() {
        "request" => Kind::Instruction,
        "ack" => Kind::Ack,
        "result" => Kind::Result,
        "return" => Kind::Return,
        "statement" => Kind::Statement,
        "enquiry" if folder.starts_with("enquiry-answer") => Kind::Enquiry,
        _ => return None,
    })
}

/// What the bank says, set by set.
fn sets(profile: &Profile, folder: &Path, request: Option<PathBuf>) -> Result<Vec<(String, Problems)>, Failure> {
    let request = request.or_else(|| below(&folder.join("samples/request")).into_iter().next());
    let sets = std::fs::read_dir(folder.join("samples")).into_iter().flatten().filter_map(|e| e.ok().map(|e| e.path()));
    let mut sets: Vec<PathBuf> = sets.filter(|p| p.is_dir()).collect();
    sets.sort();
    let mut tried = Vec::new();
    for set in sets {
        let name = file_name(&set);
        let Some(kind) = kind_of(&name) else { continue };
        let mut files = below(&set);
        if kind == Kind::Instruction {
            files = request.clone().into_iter().collect();
        }
        let bound = request.as_deref().filter(|_| matches!(kind, Kind::Result | Kind::Return | Kind::Enquiry));
        let found = read_set(profile, kind, &files, bound, &mut |_| {})?;
        let problems = match (name.ends_with("-quarantine"), found.problems.is_empty()) {
            (false, _) => found.problems,
            (true, false) => Problems::new(),
            (true, true) => vec!["is read without a problem, and its name says that it must be refused".to_owned()],
        };
        tried.push((name, problems));
    }
    Ok(tried)
}
