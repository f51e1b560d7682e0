//! The main job, by the command that the README names: lists to ledger, over real SFTP, books beside the banks' own.

use std::process::Command;

use calamine::{Reader as _, Xlsx};
use serde_json::Value;

use crate::harness::{folder, run};

#[test]
fn the_demo_pays_a_city_and_every_equation_holds() {
    let dir = folder("demo");
    let printed =
        run(Command::new(env!("CARGO_BIN_EXE_bankgate")).args(["demo", "--payments", "600", "--seed", "7", "--json", "--dir"]).arg(&dir));
    let told: Value = serde_json::from_str(&printed).unwrap();
    let int = |key: &str| told[key].as_i64().unwrap_or_else(|| panic!("{key} in {printed}"));
    let parts = ["rejected", "held", "paid", "failed", "in_flight", "unknown"];
    assert_eq!(int("payments"), 600);
    assert_eq!(parts.iter().map(|p| int(p)).sum::<i64>(), 600, "{printed}");
    assert_eq!(parts.iter().map(|p| int(&format!("{p}_fen"))).sum::<i64>(), int("total_fen"), "{printed}");
    // It must have been a day worth telling of: some refused at the gate, some failed at the bank, most paid.
    assert!(int("paid") > 400 && int("rejected") > 0 && int("failed") > 0, "{printed}");
    assert_eq!(int("awaiting_case"), int("failed"));
    assert_eq!((told["ledger_balanced"].as_bool(), told["banks_agree"].as_bool()), (Some(true), Some(true)), "{printed}");
    assert_eq!((int("held"), int("unknown"), int("quarantined")), (0, 0, 0), "{printed}");
    assert!(int("files_out") > 4 && int("files_in") > int("files_out") && int("mails") > 4, "{printed}");

    // The mails are files of their own; a failure report carries its workbook, which opens and has a row a failure.
    let mails: Vec<_> = std::fs::read_dir(dir.join("mails")).unwrap().map(|m| m.unwrap().path()).collect();
    assert_eq!(i64::try_from(mails.len()).unwrap(), int("mails"));
    let python = "import email,sys,email.policy\nm=email.message_from_binary_file(open(sys.argv[1],'rb'),policy=email.policy.default)\n\
                  for a in m.iter_attachments(): a.get_filename().endswith('.xlsx') and open(sys.argv[2],'wb').write(a.get_payload(decode=True))\nprint(m['subject'])";
    let book = dir.join("book.xlsx");
    let mut books = 0;
    for mail in &mails {
        _ = std::fs::remove_file(&book);
        let subject = run(Command::new("python3").args(["-c", python]).arg(mail).arg(&book));
        assert!(!subject.trim().is_empty());
        if book.exists() {
            let sheets: Xlsx<_> = calamine::open_workbook(&book).unwrap();
            assert!(!sheets.sheet_names().is_empty());
            books += 1;
        }
    }
    assert!(books > 2, "reports and lists carry workbooks");
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn months_end_at_zero_and_every_account_is_explained() {
    let dir = folder("year");
    let bankgate = || Command::new(env!("CARGO_BIN_EXE_bankgate"));
    let printed = run(bankgate().args(["demo", "--months", "5", "--payments", "150", "--seed", "7", "--json", "--dir"]).arg(&dir));
    let told: Value = serde_json::from_str(printed.lines().next().unwrap_or_default()).unwrap_or_else(|e| panic!("{e}: {printed}"));
    assert_eq!(told["holds"], true, "{printed}");
    assert_eq!((told["ineligible_fen"].as_i64(), told["quarantined"].as_i64()), (Some(0), Some(0)), "{printed}");
    assert!(told["days"]["RECONCILED"].as_i64().unwrap() > 150, "{printed}");
    // It was a year worth telling of: the banks erred in each way that the sandbox knows, and money came back and went on.
    for kind in ["fee_charged", "duplicate_debit", "missing_here", "amount", "missing_at_bank", "returned", "stale"] {
        let all = told["breaks"].as_array().unwrap();
        let of = all.iter().find(|b| b["kind"] == kind).unwrap_or_else(|| panic!("no {kind}: {printed}"));
        let int = |key: &str| of[key].as_i64().unwrap();
        assert!(int("opened") > 0 && int("resolved") + int("became_another") == int("opened"), "{kind}: {printed}");
        assert_eq!(int("became_another") > 0, kind == "missing_at_bank", "{kind}: what is missing for long is stale: {printed}");
    }

    // An independent accountant adds the ledger up.
    let journal = told["journal"].as_str().unwrap();
    run(Command::new("hledger").args(["-s", "-f", journal, "check"]));
    let balance = |of: &str| run(Command::new("hledger").args(["-f", journal, "balance", "-N", "--flat", "-E", of]));
    assert!(balance("treasury").contains("CNY"), "{}", balance("treasury"));
    let ineligible = balance("suspense:ineligible");
    assert!(ineligible.lines().all(|line| line.trim_start().starts_with("0 ") || line.contains(" 0  ")), "{ineligible}");

    // A certificate for each department, project and month; the sealed figures hash to what the paper says, and are
    // traced to their rows by a command.
    let certificates = dir.join("certificates");
    let names: Vec<String> = std::fs::read_dir(&certificates).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    let months: std::collections::BTreeSet<&str> =
        names.iter().filter_map(|n| n.strip_prefix("QL-")).filter_map(|n| n.get(..7)).filter(|m| m.as_bytes()[4] == b'-').collect();
    assert_eq!(months.len(), 5, "{months:?}");
    let config = dir.join("bankgate.toml");
    let mut refunded = 0;
    for name in names.iter().filter(|n| n.ends_with(".json")) {
        let figures = certificates.join(name);
        let hash = run(Command::new("sha256sum").arg(&figures));
        let paper = std::fs::read_to_string(certificates.join(name.replace(".json", ".txt"))).unwrap();
        let flat: String = paper.split_whitespace().collect();
        assert!(flat.contains(hash.split_whitespace().next().unwrap()), "{name}: {paper}");
        refunded += usize::from(paper.contains("TK-"));
    }
    assert!(refunded > 0, "orders stand on certificates");
    run(bankgate().args(["--config"]).arg(&config).args(["ledger", "check"]));
    run(bankgate().args(["--config"]).arg(&config).args(["close", "verify", "--month", "2019-04"]));
    run(bankgate().args(["--config"]).arg(&config).args(["audit", "verify"]));
    let rows = run(bankgate().args(["--json", "--config"]).arg(&config).args(["close", "show", "2019-04", "--figure", "ineligible_added"]));
    assert!(serde_json::from_str::<Value>(&rows).unwrap().is_array(), "{rows}");
    std::fs::remove_dir_all(dir).unwrap();
}
