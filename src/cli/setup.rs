//! Checking the settings and all they name, bringing the database up to date, completions and manual pages.

use std::io::Write as _;
use std::path::Path;

use super::grammar;
use super::out::{Exit, Failure, Out};
use crate::config::{Config, ConfigError};
use crate::daemon::assemble::{self, connect};
use crate::domain::language::Words;
use crate::format::Profile;
use crate::store::intake::ProjectRow;

/// Prints a shell's completions.
pub fn completions(out: &Out, shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut grammar(), "bankgate", &mut text);
    out.line(String::from_utf8_lossy(&text));
    Ok(Exit::Done)
}

/// Writes a manual page for each command.
pub fn man(out: &Out, dir: &Path) -> Result<Exit, Failure> {
    let fail = |e: std::io::Error| Failure::failed(format!("{}: {e}", dir.display()));
    std::fs::create_dir_all(dir).map_err(fail)?;
    clap_mangen::generate_to(grammar(), dir).map_err(fail)?;
    out.note(format!("{}", dir.display()));
    Ok(Exit::Done)
}

/// Says everything that is wrong with the settings and with what they name, each with its place.
pub fn check(out: &Out, path: &Path, explain: bool) -> Result<Exit, Failure> {
    let (config, problems) = match Config::load(path) {
        Ok(config) => {
            let problems = problems(&config);
            (Some(config), problems)
        }
        Err(ConfigError::Refused { faults }) => (None, faults.iter().map(ToString::to_string).collect()),
        Err(error) => (None, vec![error.to_string()]),
    };
    let ok = problems.is_empty();
    if out.json {
        out.value(&serde_json::json!({ "file": path, "ok": ok, "problems": problems }));
    } else {
        if let Some(config) = config.as_ref().filter(|_| explain) {
            out.line(config.explain());
        }
        problems.iter().for_each(|problem| out.note(problem));
        if let Some(config) = config.as_ref().filter(|_| ok) {
            let n = config.banks.len();
            let words =
                Words::new(format!("{}：配置无误，{n}家银行", path.display()), format!("{}: all is well, {n} banks", path.display()));
            out.line(words.in_language(config.language));
        }
    }
    Ok(if ok { Exit::Done } else { Exit::Settings })
}

fn problems(config: &Config) -> Vec<String> {
    let mut found = config.folders_missing();
    found.extend(config.calendar().err().map(|e| e.to_string()));
    found.extend(config.catalogue().err().map(|e| e.to_string()));
    let folder = &config.formats.dir;
    match std::fs::read_dir(folder) {
        Err(error) => found.push(format!("{}: {error}", folder.display())),
        Ok(entries) => {
            let mut dirs: Vec<_> = entries.filter_map(|e| e.ok().map(|e| e.path())).filter(|d| d.join("profile.toml").is_file()).collect();
            dirs.sort();
            if dirs.is_empty() {
                found.push(format!("{}: no profile in it: one folder each, with a profile.toml", folder.display()));
            }
            let faults: Vec<String> = dirs.iter().filter_map(|d| Profile::load(d).err().map(|e| e.to_string())).collect();
            if faults.is_empty() {
                found.extend(assemble::profiles(folder).err().map(|e| e.to_string()));
            }
            found.extend(faults);
        }
    }
    found.extend(config.banks.iter().filter_map(|bank| assemble::edge(bank).err().map(|e| e.to_string())));
    found.extend(assemble::mailer(&config.mail).err().map(|e| e.to_string()));
    found.extend(config.database.password.as_ref().and_then(|p| p.read().err()).map(|e| e.to_string()));
    found
}

/// Brings the schema up to date and seeds the projects that are not there.
pub async fn migrate(out: &Out, config: &Config, dry_run: bool) -> Result<Exit, Failure> {
    let store = connect(config).await?;
    let plan = if dry_run { store.migration_plan().await? } else { store.migrate().await? };
    let mut seeded = 0_u64;
    if !dry_run {
        let mut tx = store.begin().await?;
        for p in config.catalogue()?.projects {
            let project = ProjectRow {
                code: p.code,
                name: p.name,
                short_name: p.short_name,
                payee_kind: p.payee.code().to_owned(),
                several_per_period: p.several_per_period,
            };
            seeded += u64::from(tx.seed_project(&project).await?);
        }
        tx.commit().await?;
    }
    store.close().await;
    if out.json {
        out.value(&serde_json::json!({ "had": plan.had, "applied": plan.applied, "dry_run": dry_run, "projects_seeded": seeded }));
        return Ok(Exit::Done);
    }
    let say = |zh: String, en: String| out.line(Words::new(zh, en).in_language(config.language));
    for (number, name) in &plan.applied {
        let (zh, en) = if dry_run { ("将执行", "would apply") } else { ("已执行", "applied") };
        say(format!("{zh}数据库版本{number}（{name}）"), format!("{en} schema version {number} ({name})"));
    }
    if plan.applied.is_empty() {
        say("数据库已是最新版本".to_owned(), "the schema is up to date".to_owned());
    }
    if seeded > 0 {
        say(format!("已登记{seeded}个补贴项目"), format!("{seeded} projects seeded"));
    }
    _ = std::io::stdout().flush();
    Ok(Exit::Done)
}
