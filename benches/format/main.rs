//! How fast each syntax is written and read back, beside a copy of the same bytes on the same disk, in one run:
//!
//! ```sh
//! cargo bench --bench format -- [--rows 200000] [--json]
//! ```
//!
//! A row is rendered by a profile of the tree and read back as `format parse --kind instruction` reads it, from file to file: every column
//! checked, every digest counted. The copy moves the same bytes in blocks; the hash is the SHA-256 that both directions count besides.
//! Each figure is the median of several turns; figures are comparable within one run only. Packages and workbooks are counted by the bytes that
//! they have on the disk.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench that cannot go on stops there, and prints")]
#![expect(
    clippy::disallowed_types,
    clippy::float_arithmetic,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "ratios of times are no money"
)]

use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bankgate::clock::Stopwatch;
use bankgate::domain::exchange::{BatchFacts, PaymentLine};
use bankgate::domain::masked::{Account, IdNumber, Mobile, Name};
use bankgate::domain::money::Fen;
use bankgate::format::{Parsed, Profile};
use chrono::NaiveDate;
use clap::Parser;
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// A syntax, the profile that stands for it, and how many rows it is given at most, where the profile allows more: a workbook is made whole
/// in memory.
const SYNTAXES: [(&str, &str, usize); 8] = [
    ("delimited, GBK", "split-sf-noheader", usize::MAX),
    ("delimited, quoted, UTF-8", "csv-plus-control", usize::MAX),
    ("delimited and packed, GBK", "labelled-versioned-hybrid", usize::MAX),
    ("fixed, GBK", "fixed-gbk-bytes", usize::MAX),
    ("prefixed, GB18030", "prefixed", usize::MAX),
    ("XML, UTF-8 (pain.001)", "iso20022", usize::MAX),
    ("XML, GBK", "xml-gbk-two-level", usize::MAX),
    ("workbook", "sheet-plus-control", 20_000),
];
const BLOCK: usize = 256 * 1024;

/// Times rendering and parsing, syntax by syntax, and a copy of the same bytes.
#[derive(Debug, Parser)]
struct Options {
    /// How many payments a file has.
    #[arg(long, default_value_t = 200_000)]
    rows: usize,
    /// Turns, of which the median counts.
    #[arg(long, default_value_t = 5)]
    turns: usize,
    /// One object a line instead of a table.
    #[arg(long)]
    json: bool,
    /// Cargo says it to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What one syntax took.
struct Timed {
    syntax: &'static str,
    rows: usize,
    bytes: u64,
    render: Duration,
    parse: Duration,
    copy: Duration,
    hash: Duration,
}

fn main() {
    let options = Options::parse();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = tempfile::tempdir_in(root.join("target")).unwrap();
    if !options.json {
        println!(
            "{:<27}{:>9}{:>9}{:>13}{:>13}{:>11}{:>11}{:>15}{:>14}",
            "syntax", "rows", "MiB", "render MB/s", "parse MB/s", "copy MB/s", "hash MB/s", "render : copy", "parse : copy"
        );
    }
    for (syntax, id, most) in SYNTAXES {
        let profile = profile(root, id);
        let rows = usize::try_from(profile.exchange().max_rows).unwrap_or(usize::MAX).min(options.rows).min(most);
        let timed = measure(&profile, syntax, &people(rows), options.turns, dir.path());
        println!("{}", if options.json { timed.json() } else { timed.row() });
    }
}

fn profile(root: &Path, id: &str) -> Profile {
    let folder = root.join("bank-formats").join(id);
    if folder.is_dir() {
        return Profile::load(&folder).unwrap_or_else(|e| panic!("{e}"));
    }
    let file = root.join("tests/fuzz/profiles").join(format!("{id}.toml"));
    Profile::read(&std::fs::read_to_string(&file).unwrap(), &file).unwrap_or_else(|e| panic!("{e}"))
}

fn people(rows: usize) -> Vec<PaymentLine> {
    let names = ["王五", "王珅", "阿牛·木呷", "欧阳億", "吉克·伍呷莫·阿依子史"];
    (1..=u64::try_from(rows).unwrap())
        .zip(names.into_iter().cycle())
        .map(|(seq, name)| PaymentLine {
            reference: format!("BG{seq:016}"),
            seq,
            payee_name: Name::new(name),
            id_number: IdNumber::new("511181199001012018"),
            account: Account::new(format!("62170012{seq:011}")),
            bank_code: "102665000015".to_owned(),
            amount: Fen::new(10_000 + i64::try_from(seq % 90_000).unwrap()),
            mobile: Mobile::new("13800138001"),
            project_short: "耕地补贴".to_owned(),
            remark: String::new(),
            ordinal: 1,
        })
        .collect()
}

fn facts(lines: &[PaymentLine]) -> BatchFacts {
    BatchFacts {
        batch_no: "B20190314001".to_owned(),
        date: NaiveDate::from_ymd_opt(2019, 3, 14).unwrap(),
        seq_no: 1,
        unit_no: "LS0001".to_owned(),
        payer_account: Account::new("510601012345678901"),
        payer_name: "乐山市农业农村局".to_owned(),
        payer_bank: "102665000015".to_owned(),
        project: "耕地补贴".to_owned(),
        project_short: "耕地补贴".to_owned(),
        count: u64::try_from(lines.len()).unwrap(),
        total: lines.iter().map(|l| l.amount).sum(),
        ..BatchFacts::default()
    }
}

fn measure(profile: &Profile, syntax: &'static str, lines: &[PaymentLine], turns: usize, dir: &Path) -> Timed {
    let (file, copied) = (dir.join("file"), dir.join("copy"));
    let batch = facts(lines);
    let render = median(turns, || {
        let mut renderer = profile.renderer(&batch, BufWriter::with_capacity(BLOCK, File::create(&file).unwrap())).unwrap();
        lines.iter().for_each(|line| renderer.line(line).unwrap_or_else(|e| panic!("{syntax}: {e}")));
        renderer.finish().unwrap_or_else(|e| panic!("{syntax}: {e}"));
    });
    let parse = median(turns, || {
        let mut read = 0;
        let mut sink = |parsed: Parsed| match parsed {
            Parsed::Answer(_) => read += 1,
            other @ (Parsed::Entry(_) | Parsed::Fault(_)) => panic!("{syntax}: {other:?}"),
        };
        let summary = profile.parse_sent(&mut BufReader::with_capacity(BLOCK, File::open(&file).unwrap()), &mut sink).unwrap();
        assert_eq!((read, summary.problems), (lines.len(), vec![]), "{syntax}");
    });
    let copy = median(turns, || copy(&file, &copied));
    let hash = median(turns, || {
        let mut digest = Sha256::new();
        each_block(&file, |block| digest.update(block));
        assert_eq!(digest.finalize().len(), 32);
    });
    Timed { syntax, rows: lines.len(), bytes: std::fs::metadata(&file).unwrap().len(), render, parse, copy, hash }
}

fn median(turns: usize, mut work: impl FnMut()) -> Duration {
    // Once for nothing: pages and caches are warm for all alike.
    work();
    let mut times: Vec<Duration> = (0..turns.max(1))
        .map(|_| {
            let watch = Stopwatch::start();
            work();
            watch.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn each_block(file: &Path, mut take: impl FnMut(&[u8])) {
    let mut source = File::open(file).unwrap();
    let mut block = vec![0; BLOCK];
    loop {
        match source.read(&mut block).unwrap() {
            0 => return,
            read => take(&block[..read]),
        }
    }
}

fn copy(from: &Path, to: &PathBuf) {
    let mut out = File::create(to).unwrap();
    each_block(from, |block| out.write_all(block).unwrap());
}

impl Timed {
    fn speed(&self, time: Duration) -> f64 {
        self.bytes as f64 / 1e6 / time.as_secs_f64()
    }

    fn ratio(&self, time: Duration) -> f64 {
        time.as_secs_f64() / self.copy.as_secs_f64()
    }

    fn row(&self) -> String {
        format!(
            "{:<27}{:>9}{:>9.1}{:>13.0}{:>13.0}{:>11.0}{:>11.0}{:>15.1}{:>14.1}",
            self.syntax,
            self.rows,
            self.bytes as f64 / 1_048_576.0,
            self.speed(self.render),
            self.speed(self.parse),
            self.speed(self.copy),
            self.speed(self.hash),
            self.ratio(self.render),
            self.ratio(self.parse),
        )
    }

    fn json(&self) -> String {
        json!({
            "syntax": self.syntax, "rows": self.rows, "bytes": self.bytes, "render_mb_s": self.speed(self.render), "parse_mb_s": self.speed(self.parse),
            "copy_mb_s": self.speed(self.copy), "hash_mb_s": self.speed(self.hash), "render_ratio": self.ratio(self.render), "parse_ratio": self.ratio(self.parse),
        })
        .to_string()
    }
}
