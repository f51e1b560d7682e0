//! Statements as banks really send them: any version, prefix, namespace and envelope, any currency, several in a file; and what
//! no bank should send, refused with its place. `bankgate statement parse` is tried from outside.

use std::cell::Cell;
use std::fmt::Write as _;
use std::io::Read;
use std::process::Command;

use bankgate::domain::exchange::Side;
use bankgate::format::Dialect;
use bankgate::format::statement::{Booked, Continuity, Form, Statement, entries, head, read, scan};

fn parsed(text: &str) -> Vec<Statement> {
    read(&mut text.as_bytes()).unwrap_or_else(|e| panic!("{e}"))
}

fn one(text: &str) -> Statement {
    let mut all = parsed(text);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn refused(bytes: &[u8]) -> String {
    read(&mut &bytes[..]).unwrap_err().to_string()
}

fn balance(kind: &str, amount: &str, side: &str, day: &str) -> String {
    format!(
        "<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp><Amt Ccy=\"CNY\">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
    )
}

fn entry(amount: &str, side: &str, inside: &str) -> String {
    format!(
        "<Ntry><Amt Ccy=\"CNY\">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2019-03-14</Dt></BookgDt>{inside}</Ntry>"
    )
}

/// The inside of a statement.
fn statement(id: &str, opening: &str, closing: &str, lines: &str) -> String {
    format!(
        "<Stmt><Id>{id}</Id><Acct><Id><Othr><Id>510601012345678901</Id></Othr></Id><Ccy>CNY</Ccy></Acct>{}{}{lines}</Stmt>",
        balance("OPBD", opening, "CRDT", "2019-03-14"),
        balance("CLBD", closing, "CRDT", "2019-03-14")
    )
}

fn camt053(inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.08\"><BkToCstmrStmt><GrpHdr><MsgId>M1</MsgId></GrpHdr>{inside}</BkToCstmrStmt></Document>"
    )
}

#[test]
fn a_statement_of_the_new_version_is_read_and_proven() {
    let detail = "<NtryDtls><TxDtls><Refs><EndToEndId>BG0000000000010014</EndToEndId></Refs><RltdPties><Cdtr><Pty><Nm>阿牛·木呷</Nm></Pty></Cdtr>\
                  <CdtrAcct><Id><Othr><Id>6217001234567890030</Id></Othr></Id></CdtrAcct></RltdPties></TxDtls></NtryDtls>";
    let lines = entry("100.00", "DBIT", detail) + &entry("50.5", "CRDT", "<AddtlNtryInf>利息</AddtlNtryInf>");
    let s = one(&camt053(&statement("S1", "1000.00", "950.50", &lines)));
    assert_eq!((s.form, s.continuity, s.problems), (Form::Camt053, Continuity::Holds, vec![]));
    assert_eq!((s.credit_sum, s.debit_sum), (5050, 10000));
    let lines = entries(&parsed(&camt053(&statement("S1", "1000.00", "950.50", &lines)))[0], 1).unwrap();
    assert_eq!(lines[0].reference.as_deref(), Some("BG0000000000010014"));
    assert_eq!((lines[0].side, lines[0].amount.get()), (Side::Debit, 10000));
    assert_eq!(lines[0].counter_name.as_ref().unwrap().to_string(), "阿****");
    assert_eq!((lines[1].side, lines[1].text.as_str()), (Side::Credit, "利息"));
}

#[test]
fn form_does_not_matter() {
    let lines = entry("100.00", "DBIT", "<NtryRef>R1</NtryRef>");
    let plain = camt053(&statement("S1", "1000.00", "900.00", &lines));
    let expected = one(&plain);
    let bare = plain.replace(" xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.08\"", "");
    let national = plain.replace("urn:iso:std:iso:20022:tech:xsd:camt.053.001.08", "urn:cnaps:std:cnaps2:2010:tech:xsd:camt.053.001.02");
    let mut prefixed = plain.replace("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", "").replace("</", "\u{1}").replace('<', "<ns2:");
    prefixed = prefixed.replace('\u{1}', "</ns2:").replace("xmlns=", "xmlns:ns2=");
    let body = plain.replace("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", "");
    let envelope = format!(
        "\u{FEFF}<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Header><Id>x</Id></soap:Header><soap:Body><Data>{body}</Data></soap:Body></soap:Envelope>"
    );
    let pretty = plain.replace("><", ">\r\n\t<").replace("<Id>S1", "<!-- ours --><Id><![CDATA[S1]]>");
    for (what, text) in [("bare", bare), ("national", national), ("prefixed", prefixed), ("envelope", envelope), ("pretty", pretty)] {
        let mut found = one(&text);
        assert_eq!(found.continuity, Continuity::Holds, "{what}");
        found.line = expected.line;
        found.movements.iter_mut().for_each(|m| m.line = expected.movements[0].line);
        assert_eq!(found, expected, "{what}");
    }
}

#[test]
fn the_old_version_and_other_character_sets_are_read() {
    let old = camt053(&statement("S1", "1000.00", "900.00", &entry("100.00", "DBIT", "<AddtlNtryInf>代发·珅</AddtlNtryInf>")))
        .replace("<Sts><Cd>BOOK</Cd></Sts>", "<Sts>BOOK</Sts>")
        .replace("001.08", "001.02");
    assert_eq!(one(&old).continuity, Continuity::Holds);
    let declared = old.replace("UTF-8", "GBK");
    let mut bytes = Vec::new();
    Dialect::Gbk.encode(&declared, &mut bytes).unwrap();
    assert_eq!(read(&mut &bytes[..]).unwrap()[0].movements[0].whole.text, "代发·珅");
    let wide: Vec<u8> = [0xFF, 0xFE].into_iter().chain(old.replace("UTF-8", "UTF-16").encode_utf16().flat_map(u16::to_le_bytes)).collect();
    assert_eq!(read(&mut &wide[..]).unwrap()[0].movements[0].whole.text, "代发·珅");
    assert!(refused(&bytes.iter().map(|b| if *b == b'B' { b'Q' } else { *b }).collect::<Vec<_>>()).contains("character set"));
}

#[test]
fn currencies_have_their_own_decimals() {
    for (currency, opening, amount, closing, minor) in
        [("JPY", "1000", "100", "900", 100), ("BHD", "1.000", "0.125", "0.875", 125), ("USD", "1.00", "0.25", "0.75", 25)]
    {
        let text = camt053(&statement("S1", opening, closing, &entry(amount, "DBIT", ""))).replace("CNY", currency);
        let s = one(&text);
        assert_eq!((s.currency.as_str(), &s.continuity, s.debit_sum), (currency, &Continuity::Holds, minor));
    }
    let text = camt053(&statement("S1", "1000", "899.5", &entry("100.5", "DBIT", ""))).replace("CNY", "JPY");
    assert!(one(&text).problems.iter().any(|p| p.contains("the currency has 0")));
    let mixed = camt053(&statement("S1", "1000.00", "900.00", &entry("100.00", "DBIT", "").replace("CNY", "USD")));
    let s = one(&mixed);
    assert!(s.problems[0].contains("is in USD, and the account in CNY"), "{:?}", s.problems);
    assert!(matches!(s.continuity, Continuity::Broken(_)));
}

#[test]
fn a_reversal_stands_on_the_side_it_is_booked_on() {
    let lines = entry("100.00", "DBIT", "") + &entry("100.00", "CRDT", "<RvslInd>true</RvslInd>");
    let s = one(&camt053(&statement("S1", "1000.00", "1000.00", &lines)));
    assert_eq!(s.continuity, Continuity::Holds);
    assert!(s.movements[1].is_reversal && s.movements[1].side == Side::Credit);
    assert!(entries(&s, 1).unwrap()[1].text.contains("冲正"));
}

#[test]
fn batched_entries_are_told_apart_where_their_payments_make_the_whole() {
    let tx = |amount: &str, reference: &str| {
        format!("<TxDtls><Refs><EndToEndId>{reference}</EndToEndId></Refs><Amt Ccy=\"CNY\">{amount}</Amt></TxDtls>")
    };
    let batch = "<NtryDtls><Btch><NbOfTxs>2</NbOfTxs><TtlAmt Ccy=\"CNY\">100.00</TtlAmt></Btch>";
    let lines = entry("100.00", "DBIT", &format!("{batch}{}{}</NtryDtls>", tx("60.00", "R1"), tx("40.00", "R2")));
    let s = one(&camt053(&statement("S1", "1000.00", "900.00", &lines)));
    let found: Vec<_> = entries(&s, 1).unwrap().into_iter().map(|e| (e.line, e.reference.unwrap(), e.amount.get())).collect();
    assert_eq!(found, [(1, "R1".to_owned(), 6000), (2, "R2".to_owned(), 4000)]);
    assert_eq!((s.debit_sum, s.continuity.code()), (10000, "ok"));
    // They do not make the whole: the entry is one lump.
    let lines = entry("100.00", "DBIT", &format!("<NtryDtls>{}{}</NtryDtls>", tx("60.00", "R1"), tx("30.00", "R2")));
    let s = one(&camt053(&statement("S1", "1000.00", "900.00", &lines)));
    assert_eq!(entries(&s, 1).unwrap().len(), 1);
    let lines = entry("100.00", "DBIT", "<NtryDtls><Btch><NbOfTxs>9</NbOfTxs><TtlAmt Ccy=\"CNY\">99.00</TtlAmt></Btch></NtryDtls>");
    let s = one(&camt053(&statement("S1", "1000.00", "900.00", &lines)));
    assert!(s.problems[0].contains("the batch makes 9900"), "{:?}", s.problems);
}

#[test]
fn balances_by_all_their_names() {
    let lines = entry("100.00", "DBIT", "");
    let whole = statement("S1", "1000.00", "900.00", &lines);
    for (from, to, expected) in [
        ("OPBD", "PRCD", "ok"),
        ("CLBD", "CLAV", "unproven"),
        ("OPBD", "OPAV", "unproven"),
        ("1000.00</Amt><CdtDbtInd>CRDT", "1000.00</Amt><CdtDbtInd>DBIT", "broken"),
    ] {
        assert_eq!(one(&camt053(&whole.replace(from, to))).continuity.code(), expected, "{from} {to}");
    }
    let both = whole.replace("<Ntry>", &(balance("PRCD", "1000.00", "CRDT", "2019-03-13") + "<Ntry>"));
    assert_eq!(one(&camt053(&both)).continuity, Continuity::Holds);
    let differs = whole.replace("<Ntry>", &(balance("PRCD", "999.00", "CRDT", "2019-03-13") + "<Ntry>"));
    assert!(matches!(one(&camt053(&differs)).continuity, Continuity::Broken(_)));
}

#[test]
fn one_closes_as_the_next_opens_and_no_page_is_missing() {
    let first = statement("S1", "1000.00", "900.00", &entry("100.00", "DBIT", ""));
    let page = |n: u32, last: bool, text: &str| {
        text.replace("<Acct>", &format!("<StmtPgntn><PgNb>{n}</PgNb><LastPgInd>{last}</LastPgInd></StmtPgntn><Acct>"))
    };
    let second = statement("S2", "900.00", "850.00", &entry("50.00", "DBIT", ""));
    let codes = |text: &str| parsed(&camt053(text)).iter().map(|s| s.continuity.code()).collect::<Vec<_>>();
    assert_eq!(codes(&format!("{first}{second}")), ["ok", "ok"]);
    assert_eq!(codes(&format!("{first}{}", second.replace("900.00", "901.00").replace("850.00", "851.00"))), ["ok", "broken"]);
    let interim = |text: &str| text.replace("CLBD", "ITBD");
    let (one, two) = (page(1, false, &interim(&first)), page(2, true, &second));
    assert_eq!(codes(&format!("{one}{two}")), ["ok", "ok"]);
    assert_eq!(codes(&format!("{one}{}", page(3, true, &second))), ["ok", "broken"]);
    // Another account's statement between them is no gap.
    let other = statement("S9", "5.00", "5.00", "").replace("510601012345678901", "510601012345678902");
    assert_eq!(codes(&format!("{first}{other}{second}")), ["ok", "ok", "ok"]);
}

#[test]
fn pending_lines_and_declared_totals() {
    let pending = entry("7.00", "DBIT", "").replace("BOOK", "PDNG");
    let s = one(&camt053(&statement("S1", "1000.00", "900.00", &(entry("100.00", "DBIT", "") + &pending))));
    assert_eq!((s.continuity.code(), s.debit_sum, s.movements[1].booked), ("ok", 10000, Booked::NotYet));
    assert_eq!(entries(&s, 1).unwrap().len(), 1);
    let totals = "<TxsSummry><TtlDbtNtries><NbOfNtries>2</NbOfNtries><Sum>100.00</Sum></TtlDbtNtries></TxsSummry>";
    let s = one(&camt053(&statement("S1", "1000.00", "900.00", &format!("{totals}{}", entry("100.00", "DBIT", "")))));
    assert!(s.problems[0].contains("count of debits is declared as 2, and 1"), "{:?}", s.problems);
}

#[test]
fn notices_never_prove_a_day() {
    let report = camt053(&statement("S1", "1000.00", "900.00", &entry("100.00", "DBIT", "")))
        .replace("BkToCstmrStmt", "BkToCstmrAcctRpt")
        .replace("Stmt>", "Rpt>");
    let s = one(&report);
    assert_eq!((s.form, s.form.is_notice(), s.continuity.code()), (Form::Camt052, true, "unproven"));
    let notice = report.replace("BkToCstmrAcctRpt", "BkToCstmrDbtCdtNtfctn").replace("Rpt>", "Ntfctn>");
    let s = one(&notice);
    assert_eq!((s.form, s.form.is_notice(), s.movements.len()), (Form::Camt054, true, 1));
}

const MT940: &str = "{1:F01BANKCNBJAXXX0000000000}{2:O9401200190314BANKCNBJAXXX00000000001903141200N}{4:\r\n:20:STMT1\r\n:25:510601012345678901\r\n:28C:73/1\r\n\
:60F:C190313CNY1000,00\r\n:61:1903140314D100,00NTRFBG0000000000010014//BANK1\r\n代发\r\n:86:/EREF/BG0000000000010022/ 王五\r\n继续\r\n\
:61:1903140314RC20,5NTRFNONREF//BANK2\r\n:61:1903140314C30,NTRFX\r\n:61:1903140314RD5,25NTRFY\r\n:62F:C190314CNY914,75\r\n:64:C190314CNY900,00\r\n-}\r\n";

#[test]
fn mt940_marks_say_what_is_booked() {
    let s = one(MT940);
    assert_eq!((s.form, s.continuity, s.problems), (Form::Mt940, Continuity::Holds, vec![]));
    let found: Vec<_> = s.movements.iter().map(|m| (m.side, m.minor, m.is_reversal)).collect();
    assert_eq!(found, [(Side::Debit, 10000, false), (Side::Debit, 2050, true), (Side::Credit, 3000, false), (Side::Credit, 525, true)]);
    assert_eq!((s.credit_sum, s.debit_sum), (3525, 12050));
    assert_eq!(s.movements[0].whole.reference.as_deref(), Some("BG0000000000010022"), "what the words say end to end goes first");
    assert_eq!(s.movements[0].whole.bank_ref.as_deref(), Some("BANK1"));
    assert!(s.movements[0].whole.text.contains("继续"));
    assert_eq!(s.movements[1].whole.reference, None);
    let h = head(&one(MT940)).unwrap();
    assert_eq!((h.from.unwrap().to_string(), h.to.unwrap().to_string()), ("2019-03-14".to_owned(), "2019-03-14".to_owned()));
    assert_eq!((h.opening.unwrap().get(), h.closing.unwrap().get()), (100_000, 91_475));
}

#[test]
fn mt940_pages_years_and_faults() {
    let first = ":20:A\n:25:1\n:28C:5/1\n:60F:C181230CNY10,00\n:61:1901021231D4,00NTRFA\n:62M:C181231CNY6,00\n-\n";
    let second = ":20:A\n:25:1\n:28C:5/2\n:60M:C181231CNY6,00\n:61:190102C1,00NTRFB\n:62F:C190102CNY7,00\n-\n";
    let pages = parsed(&format!("{first}{second}"));
    assert_eq!(pages.iter().map(|s| s.continuity.code()).collect::<Vec<_>>(), ["ok", "ok"]);
    assert_eq!(pages[0].movements[0].booked_on.to_string(), "2018-12-31", "of the year that lies nearest to the value date");
    let gap = parsed(&format!("{first}{}", second.replace("5/2", "5/3")));
    assert_eq!(gap[1].continuity.code(), "broken");
    for (from, to, part) in [
        ("RC20,5", "RX20,5", "marks C, D"),
        ("RC20,5", "RC20.5", "not an amount"),
        ("RC20,5", "RC20,555", "3 decimals"),
        ("RC20,5N", "RC20,5", "no type of transaction"),
        ("62F:C190314CNY", "62F:C190314USD", "and the statement in CNY"),
        ("62F:C190314", "62F:C190230", "no date"),
    ] {
        let s = one(&MT940.replacen(from, to, 1));
        assert!(s.problems.iter().any(|p| p.starts_with("line ") && p.contains(part)), "{to}: {:?}", s.problems);
        assert!(matches!(s.continuity, Continuity::Broken(_) | Continuity::Unproven(_)), "{to}");
    }
    let s = one(&MT940.replace("{2:O940", "{2:O942").replace(":60F:C190313CNY1000,00", ":34F:CNY0,\r\n:13D:1903141200+0800"));
    assert_eq!((s.form, s.continuity.code()), (Form::Mt942, "unproven"));
}

/// Bytes, and how many of them were taken so far.
struct Counted<'b>(&'b [u8], &'b Cell<usize>);

impl Read for Counted<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = self.0.read(out)?;
        self.1.set(self.1.get() + n);
        Ok(n)
    }
}

#[test]
fn movements_are_handed_on_while_the_file_is_read_and_the_file_is_not_held() {
    let lines = entry("0.01", "CRDT", "<AddtlNtryInf>利息</AddtlNtryInf>").repeat(20_000);
    let camt = camt053(&[statement("S1", "0.00", "200.00", &lines), statement("S2", "200.00", "400.00", &lines)].concat());
    let page = |number: u32, opening: &str, closing: &str| {
        let lines = ":61:190314C0,01NTRFA//B\n:86:利息\n".repeat(20_000);
        format!(":20:A\n:25:1\n:28C:{number}\n:60F:C190314CNY{opening}\n{lines}:62F:C190314CNY{closing}\n-\n")
    };
    let mt = [page(1, "0,", "200,"), page(2, "200,", "400,")].concat();
    for text in [camt, mt] {
        let taken = Cell::new(0);
        // Opened to look at it, once more where its character set has to be known, and to read it: the last time counts.
        let opened = || -> std::io::Result<Box<dyn Read>> {
            taken.set(0);
            Ok(Box::new(Counted(text.as_bytes(), &taken)))
        };
        let (mut farthest, mut counts) = (0, [0, 0]);
        let statements = scan(&opened, &mut |at, movement| {
            counts[at] += 1;
            assert_eq!((movement.minor, movement.whole.text.trim_start_matches("TRF ")), (1, "利息"));
            if counts[0] == 1 {
                farthest = farthest.max(taken.get());
            }
        })
        .unwrap();
        assert!(farthest * 10 < text.len(), "the first movement was handed on after {farthest} of {} bytes", text.len());
        assert_eq!((counts, taken.get()), ([20_000, 20_000], text.len()));
        for s in &statements {
            assert_eq!((s.movements.len(), s.seen.credits, s.credit_sum, s.continuity.code()), (0, 20_000, 20_000, "ok"));
        }
    }
}

#[test]
fn hostile_files_are_refused_with_their_place() {
    let deep = "<a>".repeat(100) + &"</a>".repeat(100);
    let long = format!("<Document><BkToCstmrStmt><x>{}</x></BkToCstmrStmt></Document>", "y".repeat(3_000_000));
    let mut wide = String::from("<Document ");
    for i in 0..200_000 {
        let _ = write!(wide, "a{i}=\"1\" ");
    }
    let laughs =
        "<?xml version=\"1.0\"?>\n<!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol2 \"&lol;&lol;\">]>\n<Document>&lol2;</Document>";
    for (text, line, part) in [
        (laughs, 2, "document type"),
        ("<Document>\n <BkToCstmrStmt>&xxe;</BkToCstmrStmt></Document>", 2, "entities are not expanded"),
        (deep.as_str(), 1, "nests deeper"),
        (long.as_str(), 1, "longer than"),
        (wide.as_str(), 1, "longer than"),
        ("<Document>\n<BkToCstmrStmt>\n<Stmt><Id>1</Id>", 3, "torn"),
        ("<Document><BkToCstmrStmt></Document>", 1, "expected"),
        ("<Document>\n<BkToCstmrStmt>12<x/></BkToCstmrStmt></Document>", 2, "text stands between"),
        ("<Document></Document><Document></Document>", 1, "second root"),
        ("<Document/>", 1, "no camt.053"),
        ("<?xml version=\"1.0\" encoding=\"EBCDIC-X\"?><Document/>", 1, "unknown character set"),
        ("hello", 1, "neither XML"),
        ("", 1, "empty"),
        (":20:A\n:25:1\n-\nhello\n", 4, "in no field"),
    ] {
        let error = refused(text.as_bytes());
        assert!(error.starts_with(&format!("line {line}")) && error.contains(part), "{part}: {error}");
    }
    assert!(refused(b"<Document>\n<x>\xFF\xFE\xFF</x></Document>").starts_with("line 2"));
}

#[test]
fn the_command_reads_a_file_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let run = |name: &str, text: &str| {
        let file = dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        let out = Command::new(env!("CARGO_BIN_EXE_bankgate")).args(["statement", "parse", "--json"]).arg(&file).output().unwrap();
        (out.status.code(), String::from_utf8(out.stdout).unwrap())
    };
    let (code, out) = run("a.sta", MT940);
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, Some(0));
    let s = &found[0];
    for (key, value) in [
        ("form", "MT940"),
        ("account", "510601012345678901"),
        ("currency", "CNY"),
        ("opening", "100000"),
        ("closing", "91475"),
        ("credit_sum", "3525"),
        ("debit_sum", "12050"),
        ("continuity", "ok"),
    ] {
        assert_eq!(s[key], value, "{key}");
    }
    assert_eq!(s["entries"].as_array().unwrap().len(), 4);
    assert_eq!(s["entries"][1]["side"], "debit");
    let (code, _) = run("b.sta", &MT940.replace("914,75", "914,76"));
    assert_eq!(code, Some(3));
    let (code, out) = run("c.xml", "<Document>\n<BkToCstmrStmt>&x;</BkToCstmrStmt></Document>");
    assert_eq!(code, Some(1));
    assert!(out.contains("line 2, column 16"), "{out}");
    let profile = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("bank-formats/fixed-gbk-bytes");
    let sample = profile.join("samples/statement/STMT_510601012345678901_20190314.txt");
    let out = Command::new(env!("CARGO_BIN_EXE_bankgate"))
        .args(["statement", "parse", "--json", "--profile"])
        .args([&profile, &sample])
        .output()
        .unwrap();
    let found: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((out.status.code(), &found[0]["continuity"]), (Some(0), &serde_json::json!("ok")));
}
