//! What a batch (批次) and its rows must satisfy, as pure rules. All reasons are given at once.

use chrono::NaiveDate;
use sha2::{Digest as _, Sha256};

use super::ids::check_id_number;
use super::language::Words;
use super::masked::{IdNumber, Name};
use super::reason::Reason;

/// Who acted on a batch.
#[derive(Clone, Copy, Debug)]
pub struct Hands<'a> {
    /// Who entered it (经办).
    pub maker: &'a str,
    /// Who approved it (审核).
    pub approver: &'a str,
    /// Who reviewed it at the finance bureau (财政复核).
    pub finance_reviewer: &'a str,
    /// Who released it (发放).
    pub released_by: &'a str,
}

impl Hands<'_> {
    /// What is wrong with the order of hands. Three different people at least, and nobody checks what he made.
    #[must_use]
    pub fn faults(&self) -> Vec<Words> {
        let mut faults = Vec::new();
        let hands = [("经办人", "maker", self.maker), ("审核人", "approver", self.approver), ("发放人", "released_by", self.released_by)];
        for (zh, en, _) in hands.iter().filter(|(_, _, who)| person_of(who).is_empty()) {
            faults.push(Words::new(format!("{zh}未填写"), format!("{en} is not named")));
        }
        let maker = person_of(self.maker);
        if !maker.is_empty() && maker == person_of(self.approver) {
            faults.push(Words::new("经办人与审核人为同一人", format!("maker and approver are the same person, {}", self.maker)));
        }
        let hands = [self.maker, self.approver, self.finance_reviewer, self.released_by];
        let mut people: Vec<String> = hands.into_iter().map(person_of).filter(|p| !p.is_empty()).collect();
        let hands = people.len();
        people.sort_unstable();
        people.dedup();
        if hands >= 3 && people.len() < 3 {
            faults.push(Words::new("经手人员不足三人", "fewer than three different people acted on it"));
        }
        faults
    }
}

/// Whom a login names (经手人), to be compared and never shown: one person is written `li`, `LI`, `ｌｉ` or with a blank behind it, by whoever
/// types it. Two accounts of a machine that differ by no more count as one person, which errs on the safe side.
#[must_use]
pub fn person_of(login: &str) -> String {
    let is_seen = |c: &char| !c.is_control() && !matches!(c, '\u{200B}'..='\u{200F}' | '\u{FEFF}');
    let narrow = |c: char| match c {
        '\u{3000}' => ' ',
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
        c => c,
    };
    login.chars().filter(is_seen).map(narrow).collect::<String>().trim().to_lowercase()
}

/// Whether a period is a year, a quarter or a month: `2019`, `2019-Q1`, `2019-03`.
#[must_use]
pub fn is_period(text: &str) -> bool {
    let year = |y: &str| y.len() == 4 && y.bytes().all(|b| b.is_ascii_digit());
    match text.split_once('-') {
        None => year(text),
        Some((y, rest)) => {
            year(y)
                && (matches!(rest, "Q1" | "Q2" | "Q3" | "Q4")
                    || (rest.len() == 2
                        && rest.parse::<u32>().is_ok_and(|m| (1..=12).contains(&m))
                        && rest.bytes().all(|b| b.is_ascii_digit())))
        }
    }
}

/// The people of a row.
#[derive(Clone, Copy, Debug)]
pub struct Persons<'a> {
    /// The entitled person (享受人).
    pub entitled_name: &'a Name,
    /// The entitled person's identity number, which may be missing with a mandate.
    pub entitled_id: &'a IdNumber,
    /// The payee (收款人).
    pub payee_name: &'a Name,
    /// The payee's identity number.
    pub payee_id: &'a IdNumber,
    /// `self`, `head` or `proxy`.
    pub role: &'a str,
    /// The written mandate (代领授权书).
    pub mandate_no: &'a str,
    /// The household.
    pub household_no: &'a str,
    /// Whether the project pays households.
    pub pays_households: bool,
}

impl Persons<'_> {
    /// Rule R1: money for a person to that person's own card, for a household to its head's; a person without an identity
    /// number through a proxy with a written mandate.
    #[must_use]
    pub fn fault(&self) -> Option<(Reason, Words)> {
        let say = |reason, zh: &str, en: &str| Some((reason, Words::new(zh, en)));
        if self.payee_name.is_empty() {
            return say(Reason::NameMismatch, "收款人姓名缺失", "the payee's name is missing");
        }
        if self.payee_id.is_empty() {
            return say(Reason::IdMissingOrInvalid, "收款人身份证号缺失", "the payee's identity number is missing");
        }
        if let Err(e) = check_id_number(self.payee_id) {
            return say(Reason::IdMissingOrInvalid, "收款人身份证号校验不通过", &format!("the payee's identity number {e}"));
        }
        if !self.entitled_id.is_empty()
            && let Err(e) = check_id_number(self.entitled_id)
        {
            return say(Reason::IdMissingOrInvalid, "享受人身份证号校验不通过", &format!("the entitled person's identity number {e}"));
        }
        let same = self.entitled_id == self.payee_id && self.entitled_name == self.payee_name;
        match self.role {
            "self" if self.entitled_id.is_empty() => say(
                Reason::IdMissingOrInvalid,
                "无身份证号的人员须凭书面委托由他人代领",
                "without an identity number only a proxy with a mandate may receive",
            ),
            "self" if !same => say(
                Reason::IdMismatch,
                "收款人应为本人，但姓名或身份证号与享受人不一致",
                "the payee is to be the entitled person, but name or identity number differ",
            ),
            "head" if !self.pays_households => {
                say(Reason::FileFormat, "该项目按人发放，不能发给户主", "the project pays persons, not heads of households")
            }
            "head" if self.household_no.is_empty() => {
                say(Reason::FileFormat, "户主领取但户号缺失", "a head of household without a household number")
            }
            "proxy" if self.mandate_no.is_empty() => {
                say(Reason::IdMissingOrInvalid, "代领缺少书面委托编号", "a proxy without a written mandate")
            }
            "self" | "head" | "proxy" => None,
            other => say(Reason::FileFormat, &format!("与享受人关系“{other}”不认识"), &format!("role {other:?}: self, head or proxy")),
        }
    }

    /// The claim of law 1: the same entitled person, project and period give the same key, whatever batch or bank. Rows of
    /// a project that allows several in a period are told apart by their payment.
    #[must_use]
    pub fn claim_key(&self, project: &str, period: &str, apart: Option<i64>) -> i64 {
        let mut hash = Sha256::new();
        let who = if self.entitled_id.is_empty() {
            format!("{}\u{1f}{}", super::ids::claim_text(self.entitled_name), self.mandate_no)
        } else {
            super::ids::claim_id(self.entitled_id)
        };
        for part in [who.as_str(), project, period, &apart.map(|a| a.to_string()).unwrap_or_default()] {
            hash.update(part.as_bytes());
            hash.update([0x1f]);
        }
        let bytes: [u8; 8] = hash.finalize().first_chunk().copied().unwrap_or_default();
        i64::from_be_bytes(bytes)
    }
}

/// The digest over a batch's rows: SHA-256 over the hex SHA-256 of each row's line, in the order of their numbers.
#[derive(Clone, Debug, Default)]
pub struct BatchDigest(Sha256);

impl BatchDigest {
    /// Takes the next row: its columns in the order of `docs/DATABASE.md`, joined by U+001F.
    pub fn row(&mut self, line: &str) {
        self.0.update(hex::encode(Sha256::digest(line.as_bytes())).as_bytes());
    }

    /// The digest in lower-case hex.
    #[must_use]
    pub fn finish(self) -> String {
        hex::encode(self.0.finalize())
    }
}

/// The fiscal year of a payment day.
#[must_use]
pub fn fiscal_year(pay_on: NaiveDate) -> i32 {
    chrono::Datelike::year(&pay_on)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_people_and_nobody_checks_himself() {
        let hands = |maker, approver, finance_reviewer, released_by| Hands { maker, approver, finance_reviewer, released_by }.faults();
        assert!(hands("a", "b", "c", "d").is_empty());
        assert!(hands("a", "b", "", "c").is_empty());
        assert!(hands("a", "b", "c", "a").is_empty());
        assert_eq!(hands("a", "a", "b", "c").len(), 1);
        assert_eq!(hands("a", "b", "", "a").len(), 1);
        assert_eq!(hands("", "", "", "").len(), 3);
        assert_eq!(hands("", "\u{3000}", "", "").len(), 3);
        for again in ["a", "A", " a\u{3000}", "\u{FF21}", "\u{FEFF}a\t"] {
            assert_eq!((hands("a", again, "b", "c").len(), hands("a", "b", "", again).len()), (1, 1), "{again:?}");
        }
    }

    #[test]
    fn periods() {
        for good in ["2019", "2019-Q4", "2019-01", "2019-12"] {
            assert!(is_period(good), "{good}");
        }
        for bad in ["", "19", "2019-13", "2019-00", "2019-Q5", "2019-1", "2019-+1", "2019/03"] {
            assert!(!is_period(bad), "{bad}");
        }
    }

    fn persons<'a>(names: &'a [Name; 2], ids: &'a [IdNumber; 2], role: &'a str, mandate_no: &'a str) -> Persons<'a> {
        Persons {
            entitled_name: &names[0],
            entitled_id: &ids[0],
            payee_name: &names[1],
            payee_id: &ids[1],
            role,
            mandate_no,
            household_no: "H1",
            pays_households: role == "head",
        }
    }

    #[test]
    fn r1_money_goes_to_the_person_the_head_or_a_mandated_proxy() {
        let good = IdNumber::new("11010519491231002X");
        let other = IdNumber::new("110105194912310038");
        let names = [Name::new("甲"), Name::new("甲")];
        let two = [Name::new("甲"), Name::new("乙")];
        let same = [good.clone(), good.clone()];
        let none = [IdNumber::default(), good.clone()];
        assert_eq!(persons(&names, &same, "self", "").fault(), None);
        assert!(persons(&two, &same, "self", "").fault().is_some());
        assert!(persons(&names, &none, "self", "").fault().is_some());
        assert!(persons(&two, &none, "proxy", "").fault().is_some());
        assert_eq!(persons(&two, &none, "proxy", "M-1").fault(), None);
        assert!(persons(&two, &[good.clone(), IdNumber::default()], "proxy", "M-1").fault().is_some());
        assert!(persons(&two, &[good, other], "uncle", "").fault().is_some());
    }

    #[test]
    fn a_claim_is_the_persons_not_the_rows() {
        let id = IdNumber::new("11010519491231002X");
        let lower = [IdNumber::new("11010519491231002x"), id.clone()];
        let same = [id.clone(), id];
        let names = [Name::new("甲"), Name::new("甲")];
        let key = |ids, period, apart| persons(&names, ids, "self", "").claim_key("1", period, apart);
        assert_eq!(key(&same, "2019", None), key(&lower, "2019", None));
        assert_ne!(key(&same, "2019", None), key(&same, "2020", None));
        assert_ne!(key(&same, "2019", Some(1)), key(&same, "2019", Some(2)));
    }
}
