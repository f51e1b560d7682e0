//! Every way in which a profile can be wrong is refused with its line, its column, and what is allowed.

use std::path::Path;

use bankgate::format::{Profile, ProfileError};

use super::folder;

/// The profile with one text replaced by another (its first occurrence).
fn broken(id: &str, from: &str, to: &str) -> (String, ProfileError) {
    let text = std::fs::read_to_string(folder(id).join("profile.toml")).unwrap();
    assert!(text.contains(from), "{id} holds no {from:?}");
    let text = text.replacen(from, to, 1);
    let error = Profile::read(&text, Path::new("profile.toml")).err().unwrap_or_else(|| panic!("{id}: {to:?} must be refused"));
    (text, error)
}

const P1: &str = "pipe-gbk-summary";
const P2: &str = "fixed-gbk-bytes";
const P4: &str = "split-sf-noheader";
const P6: &str = "cnaps2-beps382";
const P7: &str = "treasury-voucher-8207";

/// Profile, what is replaced, by what, where the error points (the text that begins there), what it says.
const CASES: &[(&str, &str, &str, &str, &str)] = &[
    (P4, "id = \"split", "id = \"Split", "\"Split-", "lower-case"),
    (P4, "version = 1", "version = 0", "0\n", "from 1"),
    (P4, "version = 1", "version = \"1\"", "\"1\"", "expected u32"),
    (P4, "version = 1\n", "", "", "missing field `version`"),
    (P4, "version = 1\n", "version = 1\nverison = 1\n", "verison", "unknown field `verison`, expected one of"),
    (P4, "charset = \"gbk\"", "charset = \"big5\"", "\"big5\"", "expected one of `gbk`"),
    (P4, "newline = \"lf\"", "newline = \"cr\"", "\"cr\"", "expected one of `lf`"),
    (P4, "newline = \"lf\"", "newline = \"either\"", "\"request\"\n\n[layout", "either"),
    (P4, "title_zh = \"成功失败分文件（无表头）\"", "title_zh = \" \"", "\" \"", "title is empty"),
    (P4, "split_success_failure", "some_rows", "\"some_rows\"", "expected one of `all_rows`"),
    (P4, "binding = [\"reference\"]", "binding = []", "[]", "at least one"),
    (P4, "binding = [\"reference\"]", "binding = [\"name\"]", "\"name\"", "expected one of `reference`"),
    (P4, "publish = \"rename\"", "publish = \"flag\"", "\"flag\"", "flag_name"),
    (P4, "ready = \"pair\"", "ready = \"flag\"", "\"flag\"", "needs an inbound flag"),
    (P1, "ready = \"stable\"", "ready = \"pair\"", "\"pair\"", "two data files"),
    (P4, "max_rows = 20000", "max_rows = 0", "0\n", "at least one row"),
    (P4, "max_rows = 20000", "max_rows = 20000\nack_within_minutes = 5", "5\n", "kind ack"),
    (P2, "ack_within_minutes = 120\n", "", "[exchange]", "ack_within_minutes"),
    (P4, "late_after_days = 2", "late_after_days = 0", "0\n", "expected_within_days"),
    (P4, "abandon_after_days = 5", "abandon_after_days = 1", "1\n", "late_after_days"),
    (P1, "pattern = \"[0-9]{4}\"", "pattern = \"[0-9\"", "\"[0-9\"", "regular expression"),
    (P1, "default = \"0512\"", "default = \"512\"", "\"512\"", "pattern"),
    (P4, "name = \"YHDF__{date:yyyyMMdd}", "name = \"YHDF__{date:yyyymmdd}", "\"YHDF__", "allowed: yyyyMMdd"),
    (P4, "{seq_no:4}.TXT", "{seq_no}.TXT", "\"YHDF__", "seq_no:<digits>"),
    (P4, "{seq_no:4}.TXT", "{batch}.TXT", "\"YHDF__", "allowed: date:<format>"),
    (P4, "{seq_no:4}.TXT", "{seq_no:4.TXT", "\"YHDF__", "without its }"),
    (P4, "dir = \"\"", "dir = \"../\"", "\"../\"", "below the bank's folder"),
    (P4, "dir = \"\"", "dir = \"/inbox\"", "\"/inbox\"", "relative"),
    (P4, "dir = \"\"", "dir = \"{account}\"", "\"{account}\"", "statements"),
    (P4, "name = \"YHDF__", "name = \"a/YHDF__", "\"a/YHDF__", "folders stand in dir"),
    (P4, "layout = \"request\"", "layout = \"requests\"", "\"requests\"", "allowed: request, result, statement"),
    (P2, "flag_name = \"{name}.ok\"\n", "", "\"{bytes}|", "stand together"),
    (P2, "|{sm3}\\n\"", "|{sm4}\\n\"", "\"{bytes}|", "allowed: bytes, lines, sha256, sm3, md5"),
    (
        P2,
        "\"{date:yyyyMMdd}/{date:MMdd}{seq_no:4}.dat\"",
        "\"{date:yyyyMMdd}/{date:MMdd}.dat\"",
        "\"{date:yyyyMMdd}/{date:MMdd}.dat\"",
        "does not carry",
    ),
    (P2, "\"{date:yyyyMMdd}/{date:MMdd}{seq_no:4}.ack\"", "\"{unit_no}/{date:yyyyMMdd}{seq_no:4}.ack\"", "\"{unit_no}/", "dates only"),
    (P2, "role = \"flag\"", "role = \"data\"", "\"data\"\npath = \"{date:yyyyMMdd}/{date:MMdd}{seq_no:4}.dat.ok\"", "same role"),
    (P2, "kind = \"ack\"", "kind = \"nack\"", "\"nack\"", "expected one of `ack`"),
    (P2, "status = \"ack\"", "status = \"acks\"", "\"acks\"", "allowed: ack, result"),
    (P2, "outcome = \"accepted\"", "outcome = \"paid\"", "\"ack\"\npath", "never paid"),
    (P2, "status = \"ack\"\n", "", "\"ack\"\npath", "needs status"),
    (P4, "outcome = \"paid\"\nfinal = true", "outcome = \"paid\"", "\"paid\"", "final"),
    (P4, "outcome = \"paid\"\nfinal = true", "outcome = \"unknown\"\nfinal = true", "\"unknown\"", "cannot be final"),
    (P4, "outcome = \"paid\"\nfinal = true", "outcome = \"paid\"\nfinal = true\nstatus = \"failure\"", "\"failure\"", "not both"),
    (P4, "key = \"{account}_{date:yyyyMMdd}\"\n", "", "\"statement/", "key of its own"),
    (P4, "kind = \"result\"\nrole = \"success\"", "kind = \"statement\"\nrole = \"success\"", "\"YHDFFK", "key of its own"),
    (P1, "is = [\"0\"]\n", "is = [\"0\"]\notherwise = true\n", "[[status.result]]\nis = [\"0\"]", "exactly one"),
    (
        P1,
        "is = [\"0\"]\noutcome = \"paid\"\nfinal = true",
        "is = [\"0\"]\noutcome = \"unknown\"\nfinal = true",
        "[[status.result]]",
        "cannot be final",
    ),
    (P1, "is = [\"0\"]", "otherwise = true", "[[status.result]]\nis = [\"1\"]", "never reached"),
    (P2, "is = [\"\", \"PR000000\"", "is = [\"\"", "\"PR000000\"", "list it there as unknown"),
    (P1, "codes = [\"2000\"", "codes = [\"1999\"", "\"2000\"", "list it there as unknown"),
    (P1, "reason = \"NAME_MISMATCH\"", "reason = \"NAME\"", "\"NAME\"", "allowed: ACCT_NOT_FOUND"),
    (P1, "codes = [\"3063\"]", "codes = [\"3063\", \"3031\"]", "\"3031\"]", "mapped twice"),
    (P1, "texts = [\"挂失\"", "texts = [\"挂失(\"", "\"挂失(\"", "regular expression"),
    (P4, "syntax = \"delimited\"", "syntax = \"csv\"", "\"csv\"", "expected one of `delimited`, `fixed`"),
    (P4, "delimiter = \"|\"\n", "", "\"delimited\"", "needs its delimiter"),
    (P4, "delimiter = \"|\"", "delimiter = \"x\"", "\"x\"", "no letters"),
    (P2, "syntax = \"fixed\"", "syntax = \"fixed\"\ndelimiter = \"|\"", "\"|\"", "no delimiters"),
    (P2, "length = 276", "length = 277", "277", "make 276 bytes"),
    (P2, "length = 276\n", "", "[[layout.file.record]]", "needs its length"),
    (P2, "at = 3, width = 14", "at = 4, width = 14", "4, width", "ends at 3"),
    (P2, "at = 3, width = 14, ", "at = 3, ", "{ name = \"企业代码\"", "width in bytes"),
    (P2, "literal = \"DFK\"", "literal = \"DFKX\"", "\"DFKX\"", "4 bytes, the column 3"),
    (P1, "literal = \"0\"", "literal = \"0|\"", "\"0|\"", "delimiter"),
    (P4, "at = \"each\"", "at = \"first\"", "[layout.request]", "at = \"each\""),
    (P1, "at = \"first\"", "at = \"each\"", "\"each\"\nfield = [\n    { name = \"占位一\"", "stands there already"),
    (P4, "value = \"payee_name\"", "value = \"payee\"", "\"payee\"", "allowed: reference, seq, payee_name"),
    (P4, "value = \"payee_name\"", "value = \"status\"", "\"request\"\n\n[layout", "nothing to write"),
    (P1, "value = \"unit_no\"", "value = \"account\"", "\"request\"\n\n[layout", "header or trailer"),
    (P4, "value = \"payee_name\"", "value = \"payee_name\", literal = \"x\"", "{ name = \"姓名\"", "exactly one of"),
    (P4, "value = \"amount\", type = \"yuan\"", "value = \"amount\"", "{ name = \"金额\"", "needs its unit"),
    (P4, "value = \"amount\", type = \"yuan\"", "value = \"amount\", type = \"text\"", "\"text\"", "an amount"),
    (P4, "value = \"payee_name\"", "value = \"payee_name\", format = \"x\"", "\"x\"", "only dates"),
    (P1, "value = \"date\", format = \"yyyyMMdd\"", "value = \"date\"", "{ name = \"批次日期\"", "needs its format"),
    (P1, "value = \"date\", format = \"yyyyMMdd\"", "value = \"date\", format = \"ddNNyyyy\"", "\"ddNNyyyy\"", "allowed: yyyyMMdd"),
    (P4, "credit = \"C\", debit = \"D\"", "credit = \"C\"", "{ name = \"借贷标志\"", "credit"),
    (P4, "words_after = \";\"", "words_after = \";;\"", "\";;\"", "one character"),
    (P1, "when_present = \"id_number\"", "when_present = \"unit_no\"", "\"unit_no\"", "payment line"),
    (P2, "[;{mobile}]", "[;{phone}]", "\"{project_short}", "allowed: reference"),
    (P2, "[;{mobile}]", "[;{mobile}", "\"{project_short}", "without its ]"),
    (P2, "in = \"paid_count\"", "in = \"paidcount\"", "\"paidcount\"", "allowed: reference"),
    (P2, "in = \"status\"", "in = \"code\"", "\"file\"\nstatus", "lacks a column \"status\""),
    (P4, "value = \"side\", credit = \"C\", debit = \"D\"", "literal = \"C\"", "\"statement\"\n", "lacks a column \"side\""),
    (P2, "at = \"first\"\nlength", "at = \"prologue\"\nlength", "\"prologue\"", "a prologue stands before XML"),
    (P6, "at = \"first\"\nfield", "at = \"prologue\"\nfield", "\"prologue\"", "one prologue"),
    (P6, "length = 132", "length = 131", "131", "132"),
    (
        P7,
        "path = \"MOF/VoucherBody/Voucher/XSumAmt\", blank",
        "path = \"MOV/VoucherBody/Voucher/XSumAmt\", blank",
        "\"voucher\"",
        "one root",
    ),
    (P7, "same_as = \"备注\"", "same_as = \"备住\"", "\"备住\"", "they have 明细号, 原凭证号"),
    (P7, "same_as = \"备注\"", "same_as = \"金额\"", "\"金额\"", "a number or an amount"),
    (P7, "same_as = \"备注\"", "same_as = \"收款人户名\"", "\"收款人户名\"", "wherever it is read"),
    (P7, "same_as = \"备注\"", "same_as = \"退回原因\"", "\"退回原因\"", "as a literal"),
    (P7, "same_as = \"备注\"", "same_as = \"备注\", in = \"text\"", "\"text\"", "read as nothing else"),
    (P7, "value = \"paid\", type = \"yuan\"", "value = \"paid\", type = \"yuan\", same_as = \"金额\"", "\"金额\", optional", "for words"),
    (P7, "value = \"sent_total\", type = \"yuan\"", "same_as = \"备注\"", "\"备注\" },\n    { name = \"付款账号\"", "the repeated records"),
    (
        P6,
        "at = 41, width = 8, value = \"ignore\"",
        "at = 41, width = 8, value = \"file_status\"",
        "{ name = \"日期\", at = 41, width = 8, value = \"file_status\"",
        "not what became",
    ),
    (P6, "at = 3, width", "at = 4, width", "4, width", "3"),
    (P4, "[exchange]", "[exchange", "", "unclosed table"),
];

#[test]
fn every_fault_of_a_profile_is_shown_at_its_place() {
    for (id, from, to, points_at, says) in CASES {
        let (text, error) = broken(id, from, to);
        assert!(error.what.contains(says), "{id}, {to:?}: {error}");
        assert!(error.line >= 1 && error.column >= 1, "{id}, {to:?}: {error}");
        let line_start: usize = text.split_inclusive('\n').take(error.line - 1).map(str::len).sum();
        let from_column: String = text[line_start..].chars().skip(error.column - 1).collect();
        assert!(
            from_column.starts_with(points_at),
            "{id}, {to:?}: {error}\npoints at {:?}",
            from_column.chars().take(60).collect::<String>()
        );
        let shown = format!("profile.toml:{}:{}: ", error.line, error.column);
        assert!(error.to_string().starts_with(&shown), "{error}");
    }
}

#[test]
fn a_profile_that_cannot_be_read_says_so() {
    let error = Profile::load(Path::new("/nonexistent")).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/profile.toml: cannot be read"), "{error}");
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("profile.toml"), b"\xCD\xF5").unwrap();
    assert!(Profile::load(dir.path()).unwrap_err().what.contains("not UTF-8"));
}
