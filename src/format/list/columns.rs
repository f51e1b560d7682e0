//! The columns of a list, under their Chinese and English headers.

use super::rows::Faults;

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Seq,
    Township,
    Village,
    Group,
    HouseholdNo,
    EntitledName,
    EntitledId,
    PayeeName,
    PayeeId,
    PayeeRole,
    MandateNo,
    Account,
    BankCode,
    Mobile,
    Amount,
    Remark,
    ReissueOf,
}

/// How a column is called, and whether a list may lack it.
struct Naming {
    column: Column,
    chinese: &'static str,
    english: &'static str,
    is_required: bool,
}

const fn naming(column: Column, chinese: &'static str, english: &'static str, is_required: bool) -> Naming {
    Naming { column, chinese, english, is_required }
}

/// In the order in which lists are written.
const NAMINGS: [Naming; Column::COUNT] = [
    naming(Column::Seq, "序号", "seq", true),
    naming(Column::Township, "乡镇", "township", true),
    naming(Column::Village, "村", "village", true),
    naming(Column::Group, "组", "group", false),
    naming(Column::HouseholdNo, "户号", "household_no", false),
    naming(Column::EntitledName, "享受人姓名", "entitled_name", true),
    naming(Column::EntitledId, "享受人身份证号", "entitled_id", true),
    naming(Column::PayeeName, "收款人姓名", "payee_name", true),
    naming(Column::PayeeId, "收款人身份证号", "payee_id", true),
    naming(Column::PayeeRole, "与享受人关系", "payee_role", true),
    naming(Column::MandateNo, "代领授权书编号", "mandate_no", false),
    naming(Column::Account, "卡号", "account", true),
    naming(Column::BankCode, "开户行代码", "bank_code", true),
    naming(Column::Mobile, "手机号", "mobile", false),
    naming(Column::Amount, "金额(元)", "amount", true),
    naming(Column::Remark, "备注", "remark", false),
    naming(Column::ReissueOf, "重发原支付编号", "reissue_of", false),
];

impl Column {
    /// How many there are.
    pub(super) const COUNT: usize = 17;

    /// Its place among the columns, from 0.
    pub(super) fn index(self) -> usize {
        NAMINGS.iter().position(|n| n.column == self).unwrap_or(0)
    }

    /// The Chinese header.
    pub(super) fn chinese(self) -> &'static str {
        NAMINGS.iter().find(|n| n.column == self).map_or("", |n| n.chinese)
    }

    /// The English header.
    pub(super) fn english(self) -> &'static str {
        NAMINGS.iter().find(|n| n.column == self).map_or("", |n| n.english)
    }

    /// All, in the order in which lists are written.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        NAMINGS.iter().map(|n| n.column)
    }

    /// The column of a header. Spreadsheets write the bracket of 金额(元) in either width.
    pub(super) fn from_header(text: &str) -> Option<Self> {
        let text = if text == "金额（元）" { "金额(元)" } else { text };
        NAMINGS.iter().find(|n| n.chinese == text || n.english == text).map(|n| n.column)
    }

    /// Whether a number cell of a spreadsheet may stand here. In the others it would have lost digits or zeros.
    pub(super) const fn takes_numbers(self) -> bool {
        match self {
            Self::Seq | Self::Group | Self::HouseholdNo | Self::BankCode | Self::Mobile | Self::Amount | Self::Remark => true,
            Self::Township
            | Self::Village
            | Self::EntitledName
            | Self::EntitledId
            | Self::PayeeName
            | Self::PayeeId
            | Self::PayeeRole
            | Self::MandateNo
            | Self::Account
            | Self::ReissueOf => false,
        }
    }
}

/// Which column stands where in a list, as its first row says.
#[derive(Debug, Default)]
pub(super) struct Header {
    places: Vec<Place>,
}

/// One place of the header.
#[derive(Debug)]
pub(super) struct Place {
    /// `None`: no header stands above, so nothing may stand below.
    pub(super) column: Option<Column>,
    /// The header's text.
    pub(super) text: String,
}

impl Header {
    /// Reads the header row. `None` after faults: then no row can be understood.
    pub(super) fn read<'a>(line: u64, texts: impl Iterator<Item = &'a str>, faults: &mut Faults) -> Option<Self> {
        let places: Vec<Place> = texts.map(|text| Place { column: Column::from_header(text), text: text.to_owned() }).collect();
        let mut is_sound = true;
        let mut tell = |column: &str, what: String, next: &str| {
            is_sound = false;
            faults.tell(line, column, what, next);
        };
        for (at, place) in places.iter().enumerate() {
            match place.column {
                None if place.text.is_empty() => {}
                None => tell(&place.text, "no list has a column of this name".to_owned(), "rename the column, or remove it"),
                Some(column) => {
                    if places.iter().take(at).any(|earlier| earlier.column == Some(column)) {
                        tell(&place.text, format!("a second column for {}", column.chinese()), "keep one of them");
                    }
                }
            }
        }
        let there: Vec<&str> = places.iter().map(|p| p.text.as_str()).filter(|text| !text.is_empty()).collect();
        for missing in NAMINGS.iter().filter(|n| n.is_required && places.iter().all(|p| p.column != Some(n.column))) {
            let what = format!("the column is missing; the first row has: {}", there.join("、"));
            tell(missing.chinese, what, "add the column; it is also read as its English name");
        }
        is_sound.then_some(Self { places })
    }

    /// How many columns the list has.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The place at an offset from 0.
    pub(super) fn place(&self, at: usize) -> Option<&Place> {
        self.places.get(at)
    }

    /// What the list calls a column.
    pub(super) fn text_of(&self, column: Column) -> &str {
        self.places.iter().find(|p| p.column == Some(column)).map_or(column.chinese(), |p| p.text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_column_is_found_by_both_names() {
        for (at, column) in Column::all().enumerate() {
            assert_eq!(column.index(), at);
            assert_eq!(Column::from_header(column.chinese()), Some(column));
            assert_eq!(Column::from_header(column.english()), Some(column));
        }
        assert_eq!(Column::from_header("金额（元）"), Some(Column::Amount));
        assert_eq!(Column::from_header("金额"), None, "its unit would be a guess");
    }
}
