//! Files far larger than the memory that they may take: a million rows are read within 64 MiB of data, which the kernel holds to.

use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use bankgate::format::Dialect;
use serde_json::Value;

use super::folder;

/// All that a process may have of memory of its own.
const MOST: u64 = 64 << 20;

/// Fen of a row.
const fn fen(row: u64) -> u64 {
    100 + row % 1_000
}

fn yuan(fen: u64) -> String {
    format!("{}.{:02}", fen / 100, fen % 100)
}

/// Writes a file row by row in GBK.
fn written(path: &Path, rows: u64, head: &str, row: impl Fn(u64) -> String, tail: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut out = BufWriter::with_capacity(1 << 20, std::fs::File::create(path).unwrap());
    let mut put = |text: &str| {
        let mut bytes = Vec::new();
        Dialect::Gbk.encode(text, &mut bytes).unwrap();
        out.write_all(&bytes).unwrap();
    };
    put(head);
    (1..=rows).for_each(|n| put(&row(n)));
    put(tail);
    out.flush().unwrap();
}

/// Reads a file by the real binary under the limit. What it prints streams too: only the last line is kept.
fn holds(id: &str, path: &Path, rows: u64) {
    let mut command = Command::new("prlimit");
    command.arg(format!("--data={MOST}")).arg(env!("CARGO_BIN_EXE_bankgate"));
    command.args(["--json", "format", "parse", "--kind", "result", "--profile"]).arg(folder(id)).arg(path);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let last = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).last();
    let status = child.wait().unwrap();
    let last = last.unwrap_or_else(|| panic!("{id}: {rows} rows do not stream: {status}"));
    let summary = serde_json::from_str::<Value>(&last).unwrap()["summary"].clone();
    let total: u64 = (1..=rows).map(fen).sum();
    assert!(summary["records"] == rows && summary["amount_found_fen"] == total && summary["verdict"] == "ok", "{id}: {summary} {status}");
}

#[test]
fn a_million_rows_between_delimiters_stream() {
    let (dir, rows) = (tempfile::tempdir().unwrap(), 1_000_000);
    let total = yuan((1..=rows).map(fen).sum());
    let path = dir.path().join("20190314/0512037R");
    let row = |n: u64| format!("{n}|王珅|{}|62170000{n:011}|0||交易成功|\r\n", yuan(fen(n)));
    written(&path, rows, &format!("{rows}|{total}|{rows}|{total}|\r\n"), row, "");
    holds("pipe-gbk-summary", &path, rows);
}

#[test]
fn fixed_columns_and_elements_stream() {
    let dir = tempfile::tempdir().unwrap();
    let rows = 150_000;
    let total: u64 = (1..=rows).map(fen).sum();
    let path = dir.path().join("20190314/03140001.dat");
    let head = format!(
        "{:<3}{:<14}{:<14}{:<5}{:<8}{:<3}{rows:08}{total:016}{rows:08}{total:016}{:<5}{:<8}{:<8}{:<8}{:<32}{:<120}\n",
        "DFK",
        "LS0001",
        "102665000015",
        "BT001",
        "03140001",
        "CNY",
        "00001",
        "20190314",
        "20190314",
        "20190315",
        "510601012345678901",
        "payer"
    );
    let row = |n: u64| {
        let (seq, fen, account) = (format!("R{n}"), fen(n), format!("62{n:017}"));
        format!("{n:08}{seq:<32}{fen:016}01{:<14}{account:<32}{:<120}{:<120}00000000{:<100}{:<120}\n", "102665000015", "payee", "", "", "")
    };
    written(&path, rows, &head, row, &format!("T{rows:08}{total:016}{:<251}\n", ""));
    holds("fixed-gbk-bytes", &path, rows);
    let path = dir.path().join("20190314/LS0001201903140001.ret.xml");
    let head = "<?xml version=\"1.0\" encoding=\"GBK\"?>\n<TRX><INFO><REQ_SN>LS0001201903140001</REQ_SN><RET_CODE>0000</RET_CODE></INFO><BODY><RET_DETAILS>";
    let row = |n: u64| {
        let (account, fen) = (format!("62{n:017}"), fen(n));
        format!(
            "<RET_DETAIL><SN>R{n}</SN><ACCOUNT_NO>{account}</ACCOUNT_NO><ACCOUNT_NAME>王珅</ACCOUNT_NAME><AMOUNT>{fen}</AMOUNT><RET_CODE>0000</RET_CODE></RET_DETAIL>"
        )
    };
    written(&path, rows, head, row, "</RET_DETAILS></BODY></TRX>\n");
    holds("xml-gbk-two-level", &path, rows);
}
