//! The command line as a person or a program meets it: what it prints, and how it ends.

use std::path::Path;
use std::process::{Command, Output};

use bankgate::domain::ids::EndToEndId;

use super::books::by_hand;
use super::{settings, world};

fn bankgate(config: &Path, words: &[&str]) -> (i32, String, String) {
    let output: Output = Command::new(env!("CARGO_BIN_EXE_bankgate")).env("BANKGATE_CONFIG", config).args(words).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_command_line_explains_itself() {
    let output = Command::new(env!("CARGO_BIN_EXE_bankgate")).env_remove("BANKGATE_CONFIG").arg("--help").output().unwrap();
    insta::assert_snapshot!("help", String::from_utf8(output.stdout).unwrap());
    bankgate::cli::grammar().debug_assert();
    let dir = tempfile::tempdir().unwrap();
    let (code, ..) = bankgate(dir.path(), &["man", dir.path().to_str().unwrap()]);
    assert!(code == 0 && dir.path().join("bankgate-batch-import.1").exists());
    let (code, text, _) = bankgate(dir.path(), &["completions", "bash"]);
    assert!(code == 0 && text.contains("_bankgate"));
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_read_by_themselves_and_end_as_they_say() {
    let w = world(None).await;
    by_hand(&w).await;
    let run = |words: &[&str]| bankgate(&w.config, words);
    let json = |words: &[&str]| -> serde_json::Value { serde_json::from_str(&run(&[words, &["--json"]].concat()).1).unwrap() };

    assert_eq!(json(&["batch", "list"])[0]["number"], "H-1");
    assert_eq!(json(&["ledger"])["totals"]["paid"]["fen"], 10_000);
    assert_eq!(json(&["file", "list"])[0]["rows"], 7);
    assert_eq!(json(&["file", "show", "1"])["file"]["state"], "sent");
    assert_eq!(json(&["file", "list", "--in"]), serde_json::json!([]));
    assert_eq!(json(&["failure", "list"]).as_array().unwrap().len(), 4);
    assert_eq!(json(&["payment", "show", "H-1", "6"])["attempts"].as_array().unwrap().len(), 2);
    assert_eq!(json(&["payment", "show", &EndToEndId(1).to_string()])["state"], "paid");
    for words in [
        &["status"][..],
        &["ledger"],
        &["batch", "show", "H-1"],
        &["payment", "show", "H-1", "1"],
        &["failure", "list"],
        &["file", "show", "1"],
    ] {
        let (code, text, error) = run(words);
        assert!(code == 0 && error.is_empty() && !text.contains('\u{1b}'), "{words:?}: {code} {error}{text}");
        assert!(!text.contains("6299990100000000017") && !text.contains("木呷"), "{text}");
    }
    // The ledger: alone it checks; a trial balance is even; an account's history ends in its balance; hledger takes the journal.
    assert_eq!(run(&["ledger", "check"]).0, 0);
    assert_eq!(json(&["ledger", "trial"])["balanced"], true);
    assert_eq!(json(&["ledger", "trial", "--as-of", "2019-03-01"])["accounts"], serde_json::json!([]));
    let paid = json(&["ledger", "account", "paid:D1:0901:2019"]);
    assert_eq!((&paid["closing"], paid["entries"].as_array().unwrap().len()), (&serde_json::json!(10_000), 2));
    let by_kind = ["ledger", "account", "--kind", "paid", "--department", "D1", "--project", "0901", "--year", "2019"];
    assert_eq!(json(&by_kind), paid);
    assert_eq!((run(&["ledger", "account", "cash:D1"]).0, run(&["ledger", "account", "paid:D9:0901:2019"]).0), (2, 1));
    let journal = w.dir.path().join("all.journal");
    let export = ["ledger", "export", "--format", "journal", "--out", journal.to_str().unwrap()];
    assert_eq!(json(&export)["entries"], 6);
    crate::ledger::hledger(&journal, &["check", "-s"]).unwrap();
    assert_eq!(run(&export).0, 2, "it is there");
    // The audit log, though nothing stands in it; what decides asks the daemon.
    assert_eq!(json(&["audit", "verify"])["holds"], true);
    assert_eq!(run(&["audit", "verify", "--head", &"0".repeat(64)]).0, 1);
    assert_eq!((run(&["audit", "head"]).0, json(&["audit", "list"])), (0, serde_json::json!([])));
    assert_eq!(json(&["audit", "report", "--month", "2019-03"])["batches"], 1);
    let folder = w.dir.path().join("evidence");
    let (code, text, error) = run(&["audit", "export", "--batch", "H-1", "--out", folder.to_str().unwrap()]);
    assert!(code == 0 && folder.join("MANIFEST.sha256").exists(), "{text}{error}");
    assert_eq!(run(&["audit", "export", "--batch", "H-1", "--out", "x", "--whole"]).0, 5);
    assert_eq!(run(&["switch", "payments", w.config.to_str().unwrap(), "--source", "old"]).0, 5);

    let (code, text, _) = run(&["doctor", "--offline"]);
    assert!(code == 3 && text.contains("payment resolve"), "{code} {text}");
    assert_eq!(run(&["batch", "show", "nope"]).0, 1);
    let (code, _, error) = run(&["batch", "approve", "H-1"]);
    assert!(code == 5 && error.contains("is it running"), "{code} {error}");
    assert_eq!(run(&["batch", "approve"]).0, 2);

    let (code, text, error) = run(&["check"]);
    assert!(code == 2 && error.contains("no profile in it"), "{code} {text}{error}");
    std::fs::write(&w.config, std::fs::read_to_string(&w.config).unwrap().replace("[mail]", "[mail]\nkinds = 1")).unwrap();
    let (code, _, error) = run(&["check"]);
    assert!(code == 2 && error.contains("bankgate.toml:") && error.contains("kinds"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_schema_is_said_and_migrated() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["formats", "state", "archive", "mail"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
    }
    let config = dir.path().join("bankgate.toml");
    std::fs::write(&config, settings(dir.path(), &format!("sqlite:{}", dir.path().join("new.db").display()))).unwrap();
    let (code, _, error) = bankgate(&config, &["status"]);
    assert!(code == 2 && error.contains("bankgate migrate"), "{code} {error}");
    let (code, text, _) = bankgate(&config, &["migrate", "--dry-run"]);
    assert!(code == 0 && text.contains("would apply schema version 1"), "{text}");
    assert_eq!(bankgate(&config, &["status"]).0, 2);
    let (code, text, error) = bankgate(&config, &["migrate", "--json"]);
    assert!(code == 0 && text.contains("\"projects_seeded\":31"), "{text}{error}");
    assert_eq!(bankgate(&config, &["status"]).0, 0);
    assert!(bankgate(&config, &["migrate"]).1.contains("up to date"));
}
