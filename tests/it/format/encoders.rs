//! Our character sets against decoders that share no code with them: the C library's (`iconv`) and Python's. Whatever we would send,
//! character by character, they must read as it was meant.

use std::process::{Command, Stdio};

use bankgate::format::Dialect;

/// Every character that the dialect sends, each on a line of its own, as text and as bytes; and those that it refuses to send.
fn sent(dialect: Dialect) -> (String, Vec<u8>, Vec<char>) {
    let (mut text, mut bytes, mut refused) = (String::new(), Vec::new(), Vec::new());
    for c in (' '..=char::MAX).filter(|c| *c != '\u{7F}') {
        match dialect.encode(c.encode_utf8(&mut [0; 4]), &mut bytes) {
            Ok(()) => {
                text.push(c);
                text.push('\n');
                bytes.push(b'\n');
            }
            Err(_) => refused.push(c),
        }
    }
    (text, bytes, refused)
}

/// What a program makes of the bytes.
fn through(command: &mut Command, bytes: &[u8]) -> String {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, bytes) = (child.stdin.take().unwrap(), bytes.to_vec());
    let writes = std::thread::spawn(move || std::io::Write::write_all(&mut input, &bytes));
    let output = child.wait_with_output().unwrap();
    writes.join().unwrap().unwrap();
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn iconv(from: &str, bytes: &[u8]) -> String {
    through(Command::new("iconv").args(["-f", from, "-t", "UTF-8"]), bytes)
}

fn python(from: &str, bytes: &[u8]) -> String {
    let program = format!("import sys; sys.stdout.buffer.write(sys.stdin.buffer.read().decode({from:?}).encode('utf-8'))");
    through(Command::new("python3").args(["-c", &program]), bytes)
}

/// What is read as something else: what was meant, what was read.
fn differences(meant: &str, read: &str) -> Vec<(String, String)> {
    assert_eq!(meant.lines().count(), read.lines().count());
    meant.lines().zip(read.lines()).filter(|(a, b)| a != b).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}

#[test]
fn every_character_of_gb18030_that_we_send_is_read_as_it_was_meant() {
    let (text, bytes, refused) = sent(Dialect::Gb18030);
    let none: Vec<(String, String)> = Vec::new();
    assert_eq!(differences(&text, &iconv("GB18030", &bytes)), none, "iconv");
    assert_eq!(differences(&text, &python("gb18030", &bytes)), none, "Python");
    // Refused: private use, invisible, lost; and the few that moved between the editions of 2000, 2005 and 2022.
    let of_nobody = |c: &char| {
        matches!(*c, '\u{80}'..='\u{A0}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202F}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFFD}'
            | '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{10FFFF}')
    };
    let moved: Vec<char> = refused.into_iter().filter(|c| !of_nobody(c)).collect();
    let listed: Vec<char> = ['\u{1E3F}']
        .into_iter()
        .chain('\u{9FB4}'..='\u{9FBB}')
        .chain('\u{FE10}'..='\u{FE19}')
        .chain(['\u{20087}', '\u{20089}', '\u{200CC}', '\u{215D7}', '\u{2298F}', '\u{241FE}'])
        .collect();
    assert_eq!(moved, listed);
    assert_eq!(text.lines().count() + listed.len(), 0x10_FFFF + 1 - 0x800 - 0x20 - 1 - of_nobody_count(), "nothing else is missing");
}

/// Private use (three planes' worth and the first block), invisible characters, the replacement character.
const fn of_nobody_count() -> usize {
    let (controls, zero_width, separators, marks) = (0x21, 5, 8, 16);
    let (private, planes) = (0x1900, 0x2_0000);
    controls + zero_width + separators + marks + 2 + private + planes
}

#[test]
fn every_character_of_gbk_that_we_send_is_read_alike_by_all_tables_of_that_name() {
    let (text, bytes, _) = sent(Dialect::Gbk);
    assert!(text.lines().count() > 21_000, "the hanzi of 1993 and the signs beside them");
    let none: Vec<(String, String)> = Vec::new();
    for (table, read) in [
        ("GBK, iconv", iconv("GBK", &bytes)),
        ("CP936, iconv", iconv("CP936", &bytes)),
        ("gbk, Python", python("gbk", &bytes)),
        ("cp936, Python", python("cp936", &bytes)),
        ("gb18030, Python", python("gb18030", &bytes)),
    ] {
        assert_eq!(differences(&text, &read), none, "{table}");
    }
}

#[test]
fn every_character_of_a_named_table_is_read_by_others_of_that_name_as_it_was_meant() {
    // Listed: Python's GB18030 is the edition of 2000, which had one sign elsewhere.
    type Decoder = fn(&str, &[u8]) -> String;
    let tables: [(&str, Dialect, &str, Decoder, Vec<&str>); 3] = [
        ("cp936", Dialect::Cp936, "CP936", iconv, vec![]),
        ("gb18030-2022", Dialect::Gb18030Of2022, "GB18030", iconv, vec![]),
        ("gb18030-2005", Dialect::Gb18030Of2005, "gb18030", python, vec!["\u{1E3F}"]),
    ];
    for (table, dialect, from, reads, listed) in tables {
        let (text, bytes, _) = sent(dialect);
        let other: Vec<String> = differences(&text, &reads(from, &bytes)).into_iter().map(|(meant, _)| meant).collect();
        assert_eq!(other, listed, "{table}");
        assert!(text.lines().count() > 21_000, "{table}");
    }
    // GBK's three tables differ in no more than they are known to: what two of them send, the third reads alike but for these.
    let (web, java) = (sent(Dialect::GbkWeb), sent(Dialect::GbkJava));
    let only = |one: &str, other: &str| {
        let others: std::collections::HashSet<&str> = other.lines().collect();
        one.lines().filter(|c| !others.contains(c)).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!((only(&web.0, &java.0).len(), only(&java.0, &web.0)), (100, vec!["♁".to_owned()]));
}
