//! A bank that packs its files and says beside them what they hold: nothing is read before the sidecar is there, and nothing at all
//! where it speaks of other bytes.

use std::sync::Arc;

use bankgate::format::{Dialect, Profile};
use sha2::Digest as _;

use super::world::{CLEARING, World, draft, on_both};

const STEM: &str = "LS0001_20190314_0001";

async fn packs(w: &mut World, change: &[(&str, &str)]) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("bank-formats/labelled-versioned-hybrid/profile.toml");
    let mut text = std::fs::read_to_string(&file).unwrap();
    for (from, to) in change {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let profile = Arc::new(Profile::read(&text, &file).unwrap_or_else(|e| panic!("{e}")));
    w.change(|g| drop(g.profiles.insert("labelled-versioned-hybrid".to_owned(), profile)));
    w.sql("update agreement set profile = 'labelled-versioned-hybrid' where number = 'A-B2'").await;
}

/// The bank's answer, by the package that lies in its inbox: every payment credited.
fn answer(w: &World) -> (Vec<u8>, i64, usize) {
    let bytes = std::fs::read(w.mailbox(CLEARING).join(format!("inbox/{STEM}.zip"))).unwrap();
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut zip.by_name(&format!("{STEM}.txt")).unwrap(), &mut text).unwrap();
    let text = Dialect::Gbk.decode(&text, &mut String::new()).unwrap().to_owned();
    let (mut out, mut total, mut rows) = ("单位编号：LS0001\n".to_owned(), 0, 0);
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split('|').collect();
        let gbk = |text: &str| text.chars().map(|c| c.len_utf8().min(2)).sum::<usize>();
        let name = format!("{}{}", cells[7], " ".repeat(42 - gbk(cells[7])));
        out += &format!(
            "{:0>16}|{:0>7}|{:<19}|{:<20}|{name}|{:0>13}|{:0>13}|20190314|1|{:7}|{:40}\n",
            1, cells[1], cells[5], cells[9], cells[6], cells[6], "", ""
        );
        total += cells[6].replace('.', "").parse::<i64>().unwrap();
        rows += 1;
    }
    let mut bytes = Vec::new();
    Dialect::Gbk.encode(&out, &mut bytes).unwrap();
    (bytes, total, rows)
}

fn packed(text: &[u8]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file(format!("{STEM}_RT"), zip::write::SimpleFileOptions::default()).unwrap();
    std::io::Write::write_all(&mut zip, text).unwrap();
    zip.finish().unwrap().into_inner()
}

fn sidecar(text: &[u8], total: i64, rows: usize) -> String {
    format!("count={rows}\namount={}.{:02}\nmd5={}\n", total / 100, total % 100, hex::encode(md5::Md5::digest(text)))
}

#[tokio::test]
async fn an_answer_waits_for_its_sidecar_and_is_read_out_of_its_package() {
    on_both(async |w| {
        packs(w, &[]).await;
        w.release(&draft("B", CLEARING, 0..4)).await;
        w.settle().await;
        assert!(w.mailbox(CLEARING).join(format!("inbox/{STEM}.ctl")).exists());
        let (text, total, rows) = answer(w);
        w.put(CLEARING, &format!("{STEM}_RT"), &packed(&text));
        w.settle().await;
        w.settle().await;
        assert_eq!((w.answers().await, w.states("B").await), (vec![], vec!["sent".to_owned(); 4]), "not read before its sidecar is there");
        w.put(CLEARING, &format!("{STEM}_RT.ctl"), sidecar(&text, total, rows).as_bytes());
        w.settle().await;
        assert_eq!(w.states("B").await, vec!["paid"; 4], "{:?}", w.texts("select problems from file_in").await);
        assert_eq!(w.files().await, ["answered"]);
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn a_sidecar_of_other_bytes_quarantines_and_the_corrected_set_is_taken() {
    on_both(async |w| {
        packs(w, &[("md5={text:md5}\n\"\"\"\n\n[layout.result]", "size={bytes}\nmd5={text:md5}\n\"\"\"\n\n[layout.result]")]).await;
        w.release(&draft("B", CLEARING, 0..3)).await;
        w.settle().await;
        let (text, total, rows) = answer(w);
        let package = packed(&text);
        let says = |bytes: usize| sidecar(&text, total, rows).replace("md5=", &format!("size={bytes}\nmd5="));
        w.put(CLEARING, &format!("{STEM}_RT"), &package);
        w.put(CLEARING, &format!("{STEM}_RT.ctl"), says(package.len() + 1).as_bytes());
        w.settle().await;
        assert_eq!(w.answers().await, ["quarantined", "quarantined"]);
        assert_eq!((w.int("select count(*) from answer_line").await, w.incidents("quarantined").await), (0, 1), "not a line was read");
        assert_eq!(w.states("B").await, vec!["sent"; 3]);
        w.put(CLEARING, &format!("{STEM}_RT.ctl"), says(package.len()).as_bytes());
        w.settle().await;
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn a_package_that_is_none_is_quarantined_once_and_blocks_nothing() {
    on_both(async |w| {
        packs(w, &[]).await;
        w.release(&draft("B", CLEARING, 0..2)).await;
        w.settle().await;
        let (text, total, rows) = answer(w);
        w.put(CLEARING, &format!("{STEM}_RT"), b"PK\x03\x04 this is no package");
        w.put(CLEARING, &format!("{STEM}_RT.ctl"), sidecar(&text, total, rows).as_bytes());
        w.settle().await;
        w.settle().await;
        assert_eq!(w.answers().await, ["quarantined", "quarantined"]);
        assert_eq!((w.incidents("quarantined").await, w.states("B").await), (1, vec!["sent".to_owned(); 2]));
    })
    .await;
}

/// The clearing bank, with a limit of what one file may sum to.
async fn takes_at_most(w: &mut World, yuan: &str) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("bank-formats/fixed-gbk-bytes/profile.toml");
    let text = std::fs::read_to_string(&file).unwrap().replacen("max_rows = ", &format!("max_amount = \"{yuan}\"\nmax_rows = "), 1);
    let profile = Arc::new(Profile::read(&text, &file).unwrap_or_else(|e| panic!("{e}")));
    w.change(|g| drop(g.profiles.insert("fixed-gbk-bytes".to_owned(), profile)));
}

#[tokio::test]
async fn a_batch_goes_out_in_files_of_no_more_than_the_bank_takes() {
    on_both(async |w| {
        takes_at_most(w, "200.11").await;
        // 100.00, 100.11, 100.22, 100.33, 100.44: the first two are to the fen what a file takes.
        w.release(&draft("B", CLEARING, 0..5)).await;
        w.settle().await;
        let files = w.texts("select rows || ' ' || total_fen || ' ' || state from file_out order by id").await;
        assert_eq!(files, ["2 20011 sent", "1 10022 sent", "1 10033 sent", "1 10044 sent"]);
        assert_eq!(w.states("B").await, vec!["sent"; 5]);
        w.books_hold().await;
    })
    .await;
}

#[tokio::test]
async fn a_payment_above_what_any_file_takes_is_told_once_and_nothing_of_its_batch_goes_out() {
    on_both(async |w| {
        takes_at_most(w, "100.22").await;
        w.release(&draft("B", CLEARING, 0..4)).await;
        w.settle().await;
        w.settle().await;
        assert_eq!((w.int("select count(*) from file_out").await, w.incidents("plan_failed").await), (0, 1));
        assert_eq!(w.states("B").await, vec!["pending"; 4]);
        w.books_hold().await;
    })
    .await;
}
