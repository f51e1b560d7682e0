//! The sandbox's invented county: places, departments, and the projects they pay from.

/// Townships (乡镇), invented.
pub(super) const TOWNSHIPS: [&str; 12] =
    ["青禾镇", "云溪镇", "石桥镇", "白鹭乡", "松坪乡", "柳河镇", "半山彝族乡", "金坝镇", "竹泉乡", "东岭彝族乡", "大湾镇", "清水塘乡"];

/// Villages (村) of each township, invented.
pub(super) const VILLAGES: [&str; 8] = ["石桥村", "杨柳村", "红光村", "新民村", "马鞍村", "双河村", "花椒村", "瓦吉村"];

/// A department (业务主管部门).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Department {
    /// Its code.
    pub code: &'static str,
    /// Its name.
    pub name: &'static str,
    /// `市` or `县`.
    pub level: &'static str,
    /// A region code that no place has.
    pub region: &'static str,
    /// Where failure reports go.
    pub mail: &'static str,
}

/// The departments of the sandbox.
pub(super) const DEPARTMENTS: [Department; 3] = [
    Department { code: "NY", name: "青禾县农业农村局", level: "县", region: "511190", mail: "nongye@example.test" },
    Department { code: "MZ", name: "青禾县民政局", level: "县", region: "511190", mail: "minzheng@example.test" },
    Department { code: "WJ", name: "云沐市卫生健康局", level: "市", region: "511199", mail: "weijian@example.test" },
];

/// How a project's amounts come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AmountRule {
    /// Everybody the same, in fen.
    Fixed(i64),
    /// One of some rates, in fen.
    OneOf(&'static [i64]),
    /// Land in hundredths of a mu (亩), at a rate in fen per mu.
    Area { rate_fen: i64, hundredths_max: u64 },
    /// Whole yuan that make up for a household's missing income.
    TopUp { yuan_min: u64, yuan_max: u64 },
}

/// A subsidy project (补贴项目), as numbered in the city's catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its number in the catalogue.
    pub code: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its name in the bank's text message.
    pub short_name: &'static str,
    /// The department's code.
    pub department: &'static str,
    /// Whether it is paid to the head for a household.
    pub is_household: bool,
    /// Paid each month, else each year.
    pub is_monthly: bool,
    /// Its share of all payments, in parts of [`SHARES`].
    pub(super) share: u64,
    pub(super) amounts: AmountRule,
}

/// What the projects' shares sum to.
pub(super) const SHARES: u64 = 60;

/// The projects that the sandbox pays. A household project has at most 5 of 60 shares and a personal one at most 9,
/// so that the people suffice: see `World::households_for`.
pub(super) const PROJECTS: [Project; 8] = [
    Project {
        code: "1",
        name: "耕地地力保护补贴",
        short_name: "地力补贴",
        department: "NY",
        is_household: true,
        is_monthly: false,
        share: 5,
        amounts: AmountRule::Area { rate_fen: 11_736, hundredths_max: 1_800 },
    },
    Project {
        code: "2",
        name: "退耕还林直补退耕农户",
        short_name: "退耕还林",
        department: "NY",
        is_household: true,
        is_monthly: false,
        share: 5,
        amounts: AmountRule::Area { rate_fen: 12_500, hundredths_max: 900 },
    },
    Project {
        code: "9.1",
        name: "最低生活保障金",
        short_name: "低保金",
        department: "MZ",
        is_household: true,
        is_monthly: true,
        share: 5,
        amounts: AmountRule::TopUp { yuan_min: 120, yuan_max: 1_400 },
    },
    Project {
        code: "9.2",
        name: "分散特困人员救助供养金",
        short_name: "特困供养金",
        department: "MZ",
        is_household: false,
        is_monthly: true,
        share: 9,
        amounts: AmountRule::Fixed(68_900),
    },
    Project {
        code: "10.1",
        name: "困难残疾人生活补贴",
        short_name: "残疾生活补贴",
        department: "MZ",
        is_household: false,
        is_monthly: true,
        share: 9,
        amounts: AmountRule::Fixed(8_000),
    },
    Project {
        code: "10.2",
        name: "重度残疾人护理补贴",
        short_name: "残疾护理补贴",
        department: "MZ",
        is_household: false,
        is_monthly: true,
        share: 9,
        amounts: AmountRule::OneOf(&[5_000, 8_000]),
    },
    Project {
        code: "14",
        name: "农村部分计划生育家庭奖励扶助",
        short_name: "奖励扶助金",
        department: "WJ",
        is_household: false,
        is_monthly: false,
        share: 9,
        amounts: AmountRule::Fixed(96_000),
    },
    Project {
        code: "15",
        name: "计划生育家庭特别扶助",
        short_name: "特别扶助金",
        department: "WJ",
        is_household: false,
        is_monthly: false,
        share: 9,
        amounts: AmountRule::OneOf(&[408_000, 528_000]),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_whole_and_small_enough() {
        assert_eq!(PROJECTS.iter().map(|p| p.share).sum::<u64>(), SHARES);
        assert!(PROJECTS.iter().all(|p| p.share <= if p.is_household { 5 } else { 9 }));
        assert!(PROJECTS.iter().all(|p| DEPARTMENTS.iter().any(|d| d.code == p.department)));
    }
}
