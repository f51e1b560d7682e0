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
                  for a in m.iter_attachments(): open(sys.argv[2],'wb').write(a.get_content())\nprint(m['subject'])";
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
