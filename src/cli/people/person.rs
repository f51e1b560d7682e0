//! One invented person, computed from the seed and a number, so that nobody needs to be kept.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::AccountState;
use crate::domain::ids::{id_check_character, luhn_holds};

/// Draws that are the same on every machine, and independent for each stream.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    pub(super) fn new(seed: u64, topic: Topic, number: u64) -> Self {
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(seed.to_le_bytes()) {
            *to = from;
        }
        let mut rng = ChaCha8Rng::from_seed(bytes);
        rng.set_stream((topic.number() << 48) | number);
        Self(rng)
    }

    /// From 0 to below `n`. The bias of a remainder does not matter to invented people.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.0.next_u64() % n.max(1)
    }

    pub(super) fn pick<'t>(&mut self, table: &[&'t str]) -> &'t str {
        at(table, self.below(count(table.len())))
    }
}

/// What a stream of draws is about.
#[derive(Clone, Copy)]
pub(super) enum Topic {
    Person,
    Batch,
    BatchSizes,
    Amount,
}

impl Topic {
    const fn number(self) -> u64 {
        match self {
            Self::Person => 1,
            Self::Batch => 2,
            Self::BatchSizes => 3,
            Self::Amount => 4,
        }
    }
}

/// An entry of a table, counted round.
fn at<'t>(table: &[&'t str], n: u64) -> &'t str {
    let place = n % count(table.len()).max(1);
    usize::try_from(place).ok().and_then(|place| table.get(place)).copied().unwrap_or_default()
}

pub(super) fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

const SURNAMES: [&str; 40] = [
    "王", "李", "张", "刘", "陈", "杨", "黄", "赵", "吴", "周", "徐", "孙", "马", "朱", "胡", "郭", "何", "高", "林", "罗", "郑", "梁",
    "谢", "宋", "唐", "许", "韩", "冯", "邓", "曹", "彭", "曾", "萧", "田", "董", "袁", "潘", "龚", "欧阳", "司马",
];
const GIVEN: [&str; 48] = [
    "秀", "英", "明", "华", "玉", "兰", "桂", "芳", "国", "强", "建", "军", "平", "志", "伟", "永", "德", "成", "光", "荣", "素", "珍",
    "琼", "淑", "春", "学", "文", "云", "海", "龙", "福", "贵", "忠", "良", "世", "清", "正", "洪", "林", "树", "全", "富", "万", "发",
    "碧", "群", "仁", "泽",
];
const YI_FAMILIES: [&str; 14] =
    ["阿牛", "吉克", "沙马", "曲比", "阿苏", "子古", "吉木", "阿尔", "勒格", "海来", "的日", "马海", "尔古", "俄木"];
const YI_GIVEN: [&str; 14] =
    ["木呷", "伍呷", "日古", "阿依", "拉铁", "子呷", "史布", "果果", "尔且", "尔布", "阿呷", "曲者", "里哈", "伍牛莫"];
/// Rare, and in GBK.
const RARE: [&str; 5] = ["珅", "億", "瑋", "弢", "镕"];
/// Only in GB18030, at least in the tables that we know to agree.
const BEYOND_GBK: [&str; 4] = ["㙓", "𫖯", "𬭎", "㛃"];
/// In GBK by one table and not by another.
const DISPUTED: &str = "䶮";
/// The interpunct that identity cards have.
const INTERPUNCT: char = '\u{00B7}';
/// What input methods make of it.
const IMPOSTORS: [&str; 2] = ["\u{2022}", "\u{30FB}"];

/// What is special in a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameKind {
    Common,
    Rare,
    BeyondGbk,
    Disputed,
    Yi,
    /// Yi, and the department's list writes another interpunct than the identity card and the bank.
    YiMistyped,
}

/// An invented person.
#[derive(Clone, Debug)]
pub(super) struct Person {
    /// As on the identity card and at the bank.
    pub(super) name: String,
    pub(super) kind: NameKind,
    /// As the department writes it, but for slips.
    pub(super) name_in_lists: String,
    pub(super) id_number: String,
    /// The place of the bank among the banks.
    pub(super) bank: u64,
    pub(super) account: String,
    pub(super) mobile: String,
    pub(super) state: AccountState,
}

impl Person {
    pub(super) fn new(seed: u64, number: u64, banks: u64) -> Self {
        let mut dice = Dice::new(seed, Topic::Person, number);
        let (kind, name) = name(&mut dice);
        let name_in_lists = match kind {
            NameKind::YiMistyped => name.replace(INTERPUNCT, dice.pick(&IMPOSTORS)),
            NameKind::Common | NameKind::Rare | NameKind::BeyondGbk | NameKind::Disputed | NameKind::Yi => name.clone(),
        };
        let bank = dice.below(banks);
        let state = match dice.below(1_000) {
            0..6 => AccountState::Closed,
            6..10 => AccountState::Frozen,
            10..14 => AccountState::Lost,
            14..20 => AccountState::Dormant,
            _ => AccountState::Active,
        };
        // No mobile number begins with 129.
        let mobile = format!("129{:08}", dice.below(100_000_000));
        Self { name, kind, name_in_lists, id_number: id_number(seed, number), bank, account: card(seed, number, bank), mobile, state }
    }
}

fn name(dice: &mut Dice) -> (NameKind, String) {
    let kind = match dice.below(10_000) {
        0..1_490 => NameKind::Yi,
        1_490..1_500 => NameKind::YiMistyped,
        1_500..1_600 => NameKind::Rare,
        1_600..1_630 => NameKind::BeyondGbk,
        1_630..1_640 => NameKind::Disputed,
        _ => NameKind::Common,
    };
    let surname = dice.pick(&SURNAMES);
    let last = match kind {
        NameKind::Yi | NameKind::YiMistyped => {
            return (kind, format!("{}{INTERPUNCT}{}", dice.pick(&YI_FAMILIES), dice.pick(&YI_GIVEN)));
        }
        NameKind::Common => dice.pick(&GIVEN),
        NameKind::Rare => dice.pick(&RARE),
        NameKind::BeyondGbk => dice.pick(&BEYOND_GBK),
        NameKind::Disputed => DISPUTED,
    };
    let middle = if dice.below(3) == 0 { "" } else { dice.pick(&GIVEN) };
    (kind, format!("{surname}{middle}{last}"))
}

/// The same name with another last character.
pub(super) fn misspelt(name: &str, dice: &mut Dice) -> String {
    let mut characters: Vec<char> = name.chars().collect();
    let last = characters.pop();
    let other = GIVEN.iter().cycle().skip(usize::try_from(dice.below(48)).unwrap_or(0)).find(|c| c.chars().next() != last);
    characters.into_iter().chain(other.iter().flat_map(|c| c.chars())).collect()
}

/// An identity number in a region that no place has, different for each number: 9,990 people share a birthday's place
/// in a walk through all days of 1935 to 1989 (none later than the 28th).
fn id_number(seed: u64, number: u64) -> String {
    const DAYS: u64 = 55 * 12 * 28;
    const STRIDE: u64 = 7_919;
    let (sequence, region, lap) = (number % 999 + 1, 511_190 + number / 999 % 10, number / 9_990);
    let day = (lap.wrapping_mul(STRIDE) % DAYS + (seed ^ (number % 9_990)).wrapping_mul(40_503) % DAYS) % DAYS;
    let (year, month, day) = (1935 + day / 336, day / 28 % 12 + 1, day % 28 + 1);
    with_check(&format!("{region:06}{year:04}{month:02}{day:02}{sequence:03}"))
}

fn with_check(body: &str) -> String {
    format!("{body}{}", id_check_character(body))
}

/// Somebody else's identity number, right in itself, one digit away: nobody here was born in the nineties.
pub(super) fn mistaken_id(id_number: &str) -> String {
    let (region, rest) = id_number.split_at_checked(8).unwrap_or_default();
    let body = rest.get(1..9).unwrap_or_default();
    with_check(&format!("{region}9{body}"))
}

/// The same number with a wrong check character.
pub(super) fn with_wrong_check(id_number: &str) -> String {
    let body = id_number.get(..17).unwrap_or_default();
    let wrong = match id_check_character(body) {
        'X' => '9',
        '9' => '0',
        _ => 'X',
    };
    format!("{body}{wrong}")
}

/// A card of nineteen digits under a prefix that no issuer has: prefix, bank, a number that walks once through all of
/// its ten digits, Luhn's digit.
fn card(seed: u64, number: u64, bank: u64) -> String {
    const RANGE: u64 = 10_000_000_000;
    let serial = (number.wrapping_mul(7_368_787) + seed % RANGE) % RANGE;
    let body = format!("629999{:02}{serial:010}", (bank + 1) % 100);
    (0..10).map(|digit| format!("{body}{digit}")).find(|card| luhn_holds(card)).unwrap_or(body)
}

/// The same card with one digit wrong. Luhn's digit does not hold then, so it is nobody's.
pub(super) fn mistyped_card(card: &str, dice: &mut Dice) -> String {
    let place = usize::try_from(8 + dice.below(11)).unwrap_or(8);
    card.chars().enumerate().map(|(at, c)| if at == place { next_digit(c) } else { c }).collect()
}

fn next_digit(c: char) -> char {
    c.to_digit(10).and_then(|digit| char::from_digit((digit + 1) % 10, 10)).unwrap_or('0')
}
