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
