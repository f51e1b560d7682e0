//! What any profile of the tree renders, it reads back: whatever the names, amounts and words, if they pass the profile's own check.
//! A profile that is added is tried without a word here.

use std::sync::LazyLock;

use bankgate::domain::exchange::{Answer, PaymentLine};
use bankgate::domain::masked::{Account, IdNumber, Mobile, Name};
use bankgate::domain::money::Fen;
use bankgate::format::{Parsed, Profile, tool};
use proptest::prelude::*;

use super::{facts, folder, render};

static PROFILES: LazyLock<Vec<Profile>> = LazyLock::new(|| {
    let dirs = std::fs::read_dir(folder("")).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir());
    dirs.map(|dir| Profile::load(&dir).unwrap_or_else(|e| panic!("{e}"))).collect()
});

/// Names: everyday hanzi, those whose second byte is a delimiter or an escape, some beyond GBK (four bytes with digits among them), Yi names.
fn name() -> impl Strategy<Value = String> {
    let hanzi = prop_oneof![
        6 => prop::char::range('\u{4E00}', '\u{9FA5}'),
        2 => prop::sample::select(vec!['珅', '億', '瑋', '弢', '晐', '寍', '〇', '誠', '許', '俓', '乗']),
        1 => prop::sample::select(vec!['𠮷', '𫖯', '㛃', '䶮', '𬱖']),
    ];
    let part = prop::collection::vec(hanzi, 1..5).prop_map(|c| c.into_iter().collect::<String>());
    prop_oneof![
        4 => part.clone(),
        2 => (part.clone(), part).prop_map(|(a, b)| format!("{a}·{b}")),
        1 => "[A-Z]{1,10} [A-Z]{1,10}",
    ]
}

fn amount() -> impl Strategy<Value = i64> {
    prop_oneof![4 => 1i64..1_000_000, 1 => Just(1), 1 => Just(10), 1 => Just(100), 1 => 99_999_000i64..100_000_000]
}

/// The project's short name, which the text message carries: with whatever delimits, quotes or escapes somewhere.
fn words() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["低保金", "补\"贴\"", "耕地,补贴", "A<B>&\"C\"", "退耕|还林", "a\\b", "残疾'补贴", "1;2"])
        .prop_map(str::to_owned)
}

fn lines() -> impl Strategy<Value = Vec<PaymentLine>> {
    let row = (name(), "[1-9][0-9]{16}[0-9X]", "[0-9]{12,19}", amount(), prop::option::of("1[3-9][0-9]{9}"), words(), any::<bool>());
    let line = row.prop_map(|(name, id, account, fen, mobile, words, has_id)| PaymentLine {
        payee_name: Name::new(name),
        id_number: IdNumber::new(if has_id { id } else { String::new() }),
        account: Account::new(account),
        bank_code: "102665000015".to_owned(),
        amount: Fen::new(fen),
        mobile: Mobile::new(mobile.unwrap_or_default()),
        project_short: words,
        remark: "凭证1".to_owned(),
        ordinal: 1,
        ..PaymentLine::default()
    });
    prop::collection::vec(line, 1..24)
}

fn read_back(profile: &Profile, bytes: &[u8]) -> (Vec<Answer>, Vec<String>) {
    let (mut answers, mut wrong) = (Vec::new(), Vec::new());
    let summary = profile
        .parse_sent(&mut &bytes[..], &mut |parsed| match parsed {
            Parsed::Answer(answer) => answers.push(answer),
            Parsed::Entry(_) => wrong.push("an entry of a statement".to_owned()),
            Parsed::Fault(fault) => wrong.push(format!("line {}: {}", fault.line, fault.what)),
        })
        .unwrap();
    wrong.extend(summary.problems);
    (answers, wrong)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_any_profile_renders_it_reads_back(lines in lines()) {
        for profile in PROFILES.iter() {
            // What a bank cannot carry goes back to the department, and is tried elsewhere.
            let mut fit: Vec<PaymentLine> = lines.iter().filter(|line| profile.check_line(line).is_empty()).cloned().collect();
            for (line, seq) in fit.iter_mut().zip(1_u64..) {
                (line.seq, line.reference) = (seq, format!("BG{seq:016}"));
            }
            if fit.is_empty() {
                continue;
            }
            let (bytes, rendered) = render(profile, &facts(&fit), &fit).unwrap_or_else(|e| panic!("{}: {e}", profile.id()));
            let (back, wrong) = read_back(profile, &bytes);
            prop_assert!(wrong.is_empty(), "{}: {wrong:?}", profile.id());
            prop_assert_eq!((back.len(), rendered.rows), (fit.len(), u64::try_from(fit.len()).unwrap()), "{}", profile.id());
            for (line, answer) in fit.iter().zip(&back) {
                let changed = tool::changed(line, answer);
                prop_assert!(changed.is_empty(), "{}: {changed:?} of {:?}", profile.id(), line.payee_name.reveal());
            }
            let again = render(profile, &facts(&fit), &fit).unwrap().0;
            prop_assert!(again == bytes, "{}: the same rows make the same bytes", profile.id());
        }
    }
}

#[test]
fn each_profile_carries_everyday_names_of_yi_counties_and_names_with_delimiters_in_them() {
    for profile in PROFILES.iter() {
        for name in ["阿牛·木呷", "王珅", "欧阳億"] {
            let line = PaymentLine { payee_name: Name::new(name), remark: "凭证1".to_owned(), ..super::people().remove(0) };
            assert_eq!(profile.check_line(&line), [], "{}: {name}", profile.id());
        }
    }
}
