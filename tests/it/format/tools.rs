//! The tools for bank formats, from outside: what a person or a program sees of a profile and of a file.

use std::process::Command;

use serde_json::Value;

use super::folder;

fn bankgate(words: &[&str]) -> (i32, Vec<Value>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_bankgate")).args(["--json", "format"]).args(words).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let values = text.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect();
    (output.status.code().unwrap(), values, String::from_utf8(output.stderr).unwrap())
}

fn sample(id: &str, path: &str) -> String {
    folder(id).join("samples").join(path).to_str().unwrap().to_owned()
}

#[test]
fn profiles_are_checked_alone_and_together_and_faults_have_a_place() {
    let (code, said, _) = bankgate(&["check", folder("").to_str().unwrap()]);
    assert!(code == 0 && said[0]["profiles"].as_array().unwrap().len() >= 4, "{said:?}");
    let dir = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(folder("split-sf-noheader").join("profile.toml")).unwrap();
    std::fs::write(dir.path().join("profile.toml"), text.replacen("charset = \"gbk\"", "charset = \"gkb\"", 1)).unwrap();
    let (code, said, _) = bankgate(&["check", dir.path().to_str().unwrap()]);
    let error = &said[0]["profiles"][0]["error"];
    assert!(code == 1 && error["line"] == 7 && error["what"].as_str().unwrap().contains("expected one of `gbk`"), "{said:?}");
}

#[test]
fn a_result_is_read_and_bound_to_the_payment_file() {
    let id = "fixed-gbk-bytes";
    let (request, result) = (sample(id, "request/20190314/03140001.dat"), sample(id, "result/20190314/03140001.dat"));
    let profile = folder(id);
    let run = |files: &[&str]| {
        let words = ["parse", "--profile", profile.to_str().unwrap(), "--kind", "result", "--request", &request];
        bankgate(&[&words[..], files].concat())
    };
    let (code, said, error) = run(&[&result, &format!("{result}.ok")]);
    let summary = &said.last().unwrap()["summary"];
    assert!(code == 0 && summary["verdict"] == "ok" && summary["records"] == 5, "{error}{summary}");
    assert_eq!((&said[1]["status"], &said[1]["reason"], &said[1]["amount_fen"]), (&"failed".into(), &"NAME_MISMATCH".into(), &5.into()));
    assert_eq!((&said[3]["status"], &said[3]["paid_fen"]), (&"unknown".into(), &Value::Null));
    // One row less: header, trailer and the payment file all say that one is missing.
    let bytes = std::fs::read(&result).unwrap();
    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
    lines.remove(2);
    let dir = tempfile::tempdir().unwrap();
    let torn = dir.path().join("03140001.dat");
    std::fs::write(&torn, lines.concat()).unwrap();
    let (code, said, _) = run(&[torn.to_str().unwrap()]);
    let summary = &said.last().unwrap()["summary"];
    let problems = summary["problems"].to_string();
    assert!(code == 1 && summary["verdict"] == "quarantine" && problems.contains("payment 2"), "{summary}");
}

#[test]
fn half_a_pair_is_no_set_and_a_stranger_belongs_to_nothing() {
    let id = "split-sf-noheader";
    let request = sample(id, "request/YHDF__201903140001.TXT");
    let profile = folder(id);
    let run = |files: &[&str]| {
        let words = ["parse", "--profile", profile.to_str().unwrap(), "--kind", "result", "--request", &request];
        let (_, said, _) = bankgate(&[&words[..], files].concat());
        said.last().unwrap()["summary"].clone()
    };
    let (paid, failed) = (sample(id, "result/YHDFFK201903140001_S.TXT"), sample(id, "result/YHDFFK201903140001_F.TXT"));
    assert_eq!(run(&[&paid, &failed])["verdict"], "ok");
    let half = run(&[&paid]);
    assert!(half["verdict"] == "quarantine" && half["problems"].to_string().contains("failure"), "{half}");
    let dir = tempfile::tempdir().unwrap();
    let strange = dir.path().join("YHDFFK201903140001_F.TXT");
    let line = std::fs::read(&failed).unwrap();
    let reference = super::people()[1].reference.clone();
    let text: Vec<u8> = line.split_inclusive(|b| *b == b'\n').next().unwrap().to_vec();
    let at = text.windows(reference.len()).position(|w| w == reference.as_bytes()).unwrap();
    let mut text = [&text[..], &line[text.len()..]].concat();
    text[at + 3] = b'9';
    std::fs::write(&strange, text).unwrap();
    let said = run(&[&paid, strange.to_str().unwrap()]);
    assert!(said["problems"].to_string().contains("belongs to no payment"), "{said}");
}

#[test]
fn a_list_is_rendered_and_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("list.csv");
    let rows: String = super::people()
        .iter()
        .map(|p| {
            format!(
                "{},{},{},{},{},{},{},耕地补贴\n",
                p.reference,
                p.seq,
                revealed(p).0,
                revealed(p).1,
                revealed(p).2,
                p.bank_code,
                p.amount
            )
        })
        .collect();
    std::fs::write(&list, format!("ref,seq,payee_name,id_number,account,bank_code,amount_yuan,project\n{rows}")).unwrap();
    let profile = folder("split-sf-noheader");
    let out = dir.path().join("out");
    let words = ["render", "--profile", profile.to_str().unwrap(), "--kind", "instruction", list.to_str().unwrap(), "--out"];
    let (code, said, error) = bankgate(&[&words[..], &[out.to_str().unwrap(), "--set", "date=2019-03-14", "--set", "seq_no=1"]].concat());
    assert_eq!(code, 0, "{error}{said:?}");
    let written = std::fs::read(out.join("YHDF__201903140001.TXT")).unwrap();
    assert!(written == std::fs::read(sample("split-sf-noheader", "request/YHDF__201903140001.TXT")).unwrap());
    let (code, _, _) = bankgate(&[&words[..], &[out.to_str().unwrap(), "--set", "dat=2019-03-14"]].concat());
    assert_eq!(code, 2, "a fact that nobody knows");
}

fn revealed(line: &bankgate::domain::exchange::PaymentLine) -> (&str, &str, &str) {
    (line.payee_name.reveal(), line.id_number.reveal(), line.account.reveal())
}

#[test]
fn bytes_are_laid_over_fields_and_samples_are_tried() {
    let profile = folder("fixed-gbk-bytes");
    let file = sample("fixed-gbk-bytes", "result/20190314/03140001.dat");
    let (code, said, _) = bankgate(&["explain", &file, "--profile", profile.to_str().unwrap(), "--kind", "result", "--lines", "2"]);
    assert!(code == 0 && said.len() == 2, "{said:?}");
    let amount = said[1]["cells"].as_array().unwrap().iter().find(|c| c["field"] == "金额").unwrap().clone();
    assert_eq!((&amount["from"], &amount["to"], &amount["text"]), (&40.into(), &56.into(), &"0000000000012345".into()));
    let (code, said, _) = bankgate(&["try", profile.to_str().unwrap()]);
    assert!(code == 0 && said[0]["samples"].as_array().unwrap().len() >= 5, "{said:?}");
    for id in ["pipe-gbk-summary", "split-sf-noheader", "refund-pipe-gbk"] {
        let (code, said, _) = bankgate(&["try", folder(id).to_str().unwrap()]);
        assert_eq!(code, 0, "{id}: {said:?}");
    }
}

/// A folder of the tree, copied to where it may be spoilt.
fn copied(id: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let done = Command::new("cp").arg("-r").arg(folder(id)).arg(dir.path()).status().unwrap();
    assert!(done.success());
    dir
}

#[test]
fn every_profile_renders_its_own_list_to_its_own_request_and_reads_it_back() {
    let (code, said, error) = bankgate(&["try", folder("").to_str().unwrap()]);
    let samples = said[0]["samples"].as_array().unwrap();
    assert_eq!(code, 0, "{error}{samples:?}");
    let lists = samples.iter().filter(|s| s["sample"] == "list").count();
    let profiles = std::fs::read_dir(folder("")).unwrap().filter(|e| e.as_ref().unwrap().path().is_dir()).count();
    assert_eq!(lists, profiles, "each profile has a list");
}

#[test]
fn a_profile_whose_samples_are_not_what_it_writes_does_not_hold() {
    let id = "pipe-gbk-summary";
    let spoilt = |path: &str, spoil: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        let dir = copied(id);
        let place = dir.path().join(id).join("samples").join(path);
        std::fs::write(&place, spoil(std::fs::read(&place).unwrap())).unwrap();
        let (code, said, _) = bankgate(&["try", dir.path().join(id).to_str().unwrap()]);
        assert_eq!(code, 1, "{path}: {said:?}");
        said[0]["samples"][0]["problems"].to_string()
    };
    let digit = |mut bytes: Vec<u8>| {
        let at = bytes.iter().rposition(u8::is_ascii_digit).unwrap();
        bytes[at] = if bytes[at] == b'9' { b'8' } else { b'9' };
        bytes
    };
    assert!(spoilt("request/20190314/0512037", &digit).contains("differs from the sample at byte"));
    let later = |text| String::from_utf8(text).unwrap().replace("2019-03-14", "2019-03-15").into_bytes();
    assert!(spoilt("list.set", &later).contains("which is not in"));
    assert!(
        spoilt("list.csv", &|text| String::from_utf8(text).unwrap().replace("王五", "王\u{2022}五").into_bytes()).contains("payment 1")
    );
    let dir = copied(id);
    std::fs::remove_dir_all(dir.path().join(id).join("samples")).unwrap();
    let (code, said, _) = bankgate(&["try", dir.path().join(id).to_str().unwrap()]);
    assert!(code == 1 && said[0].to_string().contains("list.csv is missing"), "no samples are no proof: {said:?}");
}

#[test]
fn every_record_has_the_same_keys_and_says_paid_failed_or_unknown() {
    const KEYS: [&str; 14] = [
        "account",
        "amount_fen",
        "bank_ref",
        "date",
        "id_number",
        "line",
        "paid_fen",
        "payee_name",
        "raw_code",
        "raw_text",
        "reason",
        "ref",
        "seq",
        "status",
    ];
    let cases = [
        ("fixed-gbk-bytes", "instruction", "request/20190314/03140001.dat"),
        ("fixed-gbk-bytes", "ack", "ack/20190314/03140001.ack"),
        ("fixed-gbk-bytes", "result", "result/20190314/03140001.dat"),
        ("fixed-gbk-bytes", "statement", "statement/STMT_510601012345678901_20190314.txt"),
        ("split-sf-noheader", "return", "return/YHDFTP201903140001_T.TXT"),
        ("iso20022", "result", "result/20190314/LS0001-20190314-0001.sts.xml"),
        ("xml-gbk-two-level", "enquiry", "enquiry-answer/20190314/LS0001201903140001.a0318.xml"),
        ("sheet-plus-control", "result", "result/20190314/h2h_batchPay_LS0001_201903140001_R.xlsx"),
    ];
    for (id, kind, path) in cases {
        let (_, said, error) = bankgate(&["parse", "--profile", folder(id).to_str().unwrap(), "--kind", kind, &sample(id, path)]);
        let records = &said[..said.len() - 1];
        assert!(!records.is_empty(), "{id} {kind}: {error}");
        for record in records {
            let missing: Vec<_> = KEYS.iter().filter(|key| record.get(**key).is_none()).collect();
            assert!(missing.is_empty(), "{id} {kind}: {missing:?} {record}");
            let of_a_payment = ["paid", "failed", "unknown"].map(Value::from).contains(&record["status"]);
            assert!(of_a_payment != matches!(kind, "instruction" | "statement"), "{id} {kind}: {record}");
        }
    }
    let back = sample("split-sf-noheader", "return/YHDFTP201903140001_T.TXT");
    let (_, said, _) = bankgate(&["parse", "--profile", folder("split-sf-noheader").to_str().unwrap(), "--kind", "return", &back]);
    assert_eq!((&said[0]["status"], &said[0]["outcome"]), (&"failed".into(), &"returned".into()));
}

#[test]
fn a_payment_file_answers_no_payment_file() {
    let (id, file) = ("fixed-gbk-bytes", sample("fixed-gbk-bytes", "request/20190314/03140001.dat"));
    let (code, said, error) =
        bankgate(&["parse", "--profile", folder(id).to_str().unwrap(), "--kind", "instruction", "--request", &file, &file]);
    assert!(code == 2 && said[0]["error"].as_str().unwrap().contains("--request"), "{error}{said:?}");
}

#[test]
fn a_list_is_rendered_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let (list, out) = (dir.path().join("list.csv"), dir.path().join("out"));
    // Two parts, and the second cannot stand beside a folder of its name.
    let id = "split-sf-noheader";
    let text = std::fs::read_to_string(folder(id).join("profile.toml")).unwrap();
    let place = dir.path().join(id);
    std::fs::create_dir(&place).unwrap();
    let rows = text.lines().find(|l| l.starts_with("max_rows")).unwrap();
    std::fs::write(place.join("profile.toml"), text.replace(rows, "max_rows = 3")).unwrap();
    std::fs::copy(sample(id, "list.csv"), &list).unwrap();
    std::fs::create_dir_all(out.join("YHDF__201903140002.TXT")).unwrap();
    let words = ["render", "--profile", place.to_str().unwrap(), list.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let (code, said, error) = bankgate(&[&words[..], &["--set", "date=2019-03-14"]].concat());
    assert!(code == 1 && said[0]["error"].as_str().unwrap().contains("nothing was written"), "{error}{said:?}");
    let names: Vec<_> = std::fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["YHDF__201903140002.TXT"], "what was written is taken away again");
    // What stood there before stands there still.
    let first = out.join("YHDF__201903140001.TXT");
    std::fs::write(&first, "an earlier one").unwrap();
    assert_eq!(bankgate(&[&words[..], &["--set", "date=2019-03-14"]].concat()).0, 1);
    assert_eq!(std::fs::read(&first).unwrap(), b"an earlier one");
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 2, "and nothing beside it");
    std::fs::remove_dir(out.join("YHDF__201903140002.TXT")).unwrap();
    let (code, said, error) = bankgate(&[&words[..], &["--set", "date=2019-03-14"]].concat());
    assert!(code == 0 && said[0]["files"].as_array().unwrap().len() == 2, "{error}");
}

#[test]
fn a_list_is_split_by_receiving_bank_where_the_profile_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (list, out, place) = (dir.path().join("list.csv"), dir.path().join("out"), dir.path().join("fixed-gbk-bytes"));
    let text = std::fs::read_to_string(folder("fixed-gbk-bytes").join("profile.toml")).unwrap();
    std::fs::create_dir(&place).unwrap();
    std::fs::write(place.join("profile.toml"), text.replace("max_rows =", "split_by = \"receiving_bank\"\nmax_rows =")).unwrap();
    let banks = ["402665100012", "102665000015", "402665100012", "102665000015", "402665100012"];
    let rows: String = banks.iter().zip(1..).map(|(bank, n)| format!("BG{n:016},王五,62170000{n:011},{bank},{n}.00,耕地补贴\n")).collect();
    std::fs::write(&list, format!("ref,payee_name,account,bank_code,amount_yuan,project\n{rows}")).unwrap();
    let [place, list, to] = [&place, &list, &out].map(|path| path.to_str().unwrap());
    let words = [
        "render",
        "--profile",
        place,
        list,
        "--out",
        to,
        "--set",
        "date=2019-03-14",
        "--set",
        "batch_no=B1",
        "--set",
        "payer_account=5106",
        "--set",
        "payer_name=局",
        "--set",
        "payer_bank=102665000015",
    ];
    let (code, said, _) = bankgate(&words);
    let error = said[0].to_string();
    assert!(code == 1 && error.contains("企业代码") && error.contains("--set KEY=VALUE"), "{code}: {error}");
    let (code, said, error) = bankgate(&[&words[..], &["--set", "unit_no=LS0001"]].concat());
    assert_eq!(code, 0, "{error}{said:?}");
    let files: Vec<(Vec<String>, Vec<String>)> = ["03140001.dat", "03140002.dat"]
        .iter()
        .map(|name| {
            let bytes = std::fs::read(out.join("20190314").join(name)).unwrap();
            let lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').filter(|line| line.len() == 572).collect();
            let column = |at: usize, end: usize| lines.iter().map(|l| String::from_utf8_lossy(&l[at..end]).trim().to_owned()).collect();
            (column(58, 72), column(8, 40))
        })
        .collect();
    let of = |numbers: &[u8]| numbers.iter().map(|n| format!("BG{n:016}")).collect::<Vec<_>>();
    assert_eq!(files[0], (vec!["402665100012".to_owned(); 3], of(&[1, 3, 5])), "the bank that came first, its rows in their order");
    assert_eq!(files[1], (vec!["102665000015".to_owned(); 2], of(&[2, 4])));
}
