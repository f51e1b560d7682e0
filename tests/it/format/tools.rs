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
