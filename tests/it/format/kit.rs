//! The onboarding pack of a bank, from outside: every profile has one, it says what the profile says, and its samples are read.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;

use calamine::{Reader as _, Xlsx};

use super::folder;

fn bankgate(words: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_bankgate")).args(words).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap(), text)
}

fn profiles() -> Vec<PathBuf> {
    let dirs = std::fs::read_dir(folder("")).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir());
    dirs.collect()
}

/// The texts of a sheet.
fn texts(workbook: &Path, sheet: &str) -> Vec<Vec<String>> {
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(std::fs::read(workbook).unwrap())).unwrap();
    book.worksheet_range(sheet).unwrap().rows().map(|row| row.iter().map(ToString::to_string).collect()).collect()
}

#[test]
fn every_profile_has_a_pack_that_names_every_field_and_shows_files_that_are_read() {
    for profile in profiles() {
        let dir = tempfile::tempdir().unwrap();
        let (place, from) = (dir.path().join("pack"), profile.to_str().unwrap());
        let (code, said) = bankgate(&["bank", "kit", "--profile", from, "--out", place.to_str().unwrap()]);
        assert_eq!(code, 0, "{from}: {said}");
        let written = std::fs::read_to_string(profile.join("profile.toml")).unwrap();
        let fields = texts(&place.join("接口说明.xlsx"), "字段说明");
        let parsed: toml::Table = toml::from_str(&written).unwrap();
        let mut told = 0;
        for (name, layout) in parsed["layout"].as_table().unwrap() {
            for record in layout["record"].as_array().unwrap() {
                for field in record["field"].as_array().unwrap() {
                    let title = field["name"].as_str().unwrap();
                    assert!(fields.iter().any(|row| row[0] == *name && row[4] == title), "{from}: {name} {title}");
                    told += 1;
                }
            }
        }
        assert!(told > 5 && fields.iter().skip(2).filter(|row| !row[10].is_empty()).count() > 4, "{from}: examples");
        let letter = std::fs::read_to_string(place.join("接入说明.md")).unwrap();
        for part in ["inbox/", "outbox/", "回盘时限", "受理截止时间", "样例/request", "付款文件"] {
            assert!(letter.contains(part), "{from}: {part}");
        }
        assert!(!letter.contains('{'), "{from}: a bank does not read our templates");
        // The pack's samples are files that the same profile reads.
        let sample = place.join("样例/request");
        assert!(sample.is_dir() && !place.join("样例/list.csv").exists());
        // The same pack again is the same bytes, and never over another.
        let again = dir.path().join("again");
        assert_eq!(bankgate(&["bank", "kit", "--profile", from, "--out", again.to_str().unwrap()]).0, 0);
        let same = Command::new("diff").arg("-r").arg(&place).arg(&again).status().unwrap();
        assert!(same.success(), "{from}");
        let (code, said) = bankgate(&["bank", "kit", "--profile", from, "--out", place.to_str().unwrap()]);
        assert!(code == 2 && said.contains("is there already"), "{said}");
    }
}

#[test]
fn bytes_of_the_fixed_layout_are_counted_from_one_as_banks_do() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("pack");
    let from = folder("fixed-gbk-bytes");
    assert_eq!(bankgate(&["bank", "kit", "--profile", from.to_str().unwrap(), "--out", place.to_str().unwrap()]).0, 0);
    let fields = texts(&place.join("接口说明.xlsx"), "字段说明");
    let amount = fields.iter().find(|row| row[0] == "file" && row[4] == "金额").unwrap();
    assert_eq!(amount[5..9], ["第 41 字节起", "16 字节", "分，整数", "金额"].map(str::to_owned));
    assert_eq!(amount[10], "0000000000012345");
    let status = texts(&place.join("接口说明.xlsx"), "状态码");
    assert!(status.iter().any(|row| row[0] == "result" && row[1] == "00000000" && row[2] == "成功入账" && row[3] == "终态"), "{status:?}");
}

#[test]
fn a_profile_without_samples_makes_no_pack() {
    let dir = tempfile::tempdir().unwrap();
    let own = dir.path().join("own");
    std::fs::create_dir(&own).unwrap();
    std::fs::copy(folder("split-sf-noheader").join("profile.toml"), own.join("profile.toml")).unwrap();
    let place = dir.path().join("pack");
    let (code, said) = bankgate(&["bank", "kit", "--profile", own.to_str().unwrap(), "--out", place.to_str().unwrap()]);
    assert!(code == 1 && said.contains("no samples") && !place.exists(), "{said}");
    let left = std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(left, 1, "nothing half-done stays");
}
