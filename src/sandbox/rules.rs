//! The pretend bank's judgement of one row. Chance comes from the seed and the row's own words, never from the order in
//! which files happen to arrive: the same run gives the same answers.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::layout::Row;
use super::{BankSpec, Behaviour, Customer, CustomerState, Layout};

/// Why a row is not paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    AccountNotFound,
    NameMismatch {
        true_name: String,
    },
    IdMismatch,
    Closed,
    Frozen,
    Lost,
    Dormant,
    NotActivated,
    /// The bank was busy with itself; the next try goes through.
    Busy,
    /// A failure for no reason of the customer's.
    Spurious,
    /// This reference was decided before.
    Duplicate,
    /// The row's count of payments to the account today is not the bank's.
    Ordinal,
    /// The payer has too little.
    Funds,
    /// The file was refused whole.
    FileRefused(String),
}

impl Why {
    /// The code of banks that give codes; at most eight characters.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::AccountNotFound => "CB1004",
            Self::NameMismatch { .. } => "TPM055",
            Self::IdMismatch | Self::Dormant => "NN1IA999",
            Self::Closed => "PD3603",
            Self::Frozen => "PD3609",
            Self::Lost => "PD3606",
            Self::NotActivated => "PD3602",
            Self::Busy => "SB3028",
            Self::Spurious => "PD3755",
            Self::Duplicate | Self::Ordinal => "481299",
            Self::Funds => "T066",
            Self::FileRefused(_) => "0022",
        }
    }

    /// The bank's words; `terse` keeps the true holder's name out of them.
    pub(super) fn words(&self, terse: bool) -> String {
        let words = match self {
            Self::AccountNotFound => "账户不存在",
            Self::NameMismatch { true_name } if !terse => return format!("户名不符,原户名为[{true_name}]"),
            Self::NameMismatch { .. } => "户名不符",
            Self::IdMismatch => "证件号码不符",
            Self::Closed => "账户已销户",
            Self::Frozen => "账户冻结",
            Self::Lost => "账户挂失",
            Self::Dormant => "睡眠户",
            Self::NotActivated => "金融账户未激活",
            Self::Busy => "系统忙",
            Self::Spurious => "账户状态不正常",
            Self::Duplicate => "未处理记录重复",
            Self::Ordinal => "当日序号重复或不连续",
            Self::Funds => "付款账户余额不足",
            Self::FileRefused(text) => return text.clone(),
        };
        words.to_owned()
    }
}

/// The bank's customers, found as its layout finds them.
pub(super) struct Customers {
    list: Vec<Customer>,
    by_account: HashMap<String, usize>,
    by_id: HashMap<String, usize>,
    /// Those without an identity number.
    by_name: HashMap<String, usize>,
}

impl Customers {
    pub(super) fn new(list: Vec<Customer>) -> Self {
        let mut found = Self { by_account: HashMap::new(), by_id: HashMap::new(), by_name: HashMap::new(), list: Vec::new() };
        for (at, customer) in list.iter().enumerate() {
            found.by_account.entry(customer.account.clone()).or_insert(at);
            if customer.id_number.is_empty() {
                found.by_name.entry(customer.name.clone()).or_insert(at);
            } else {
                found.by_id.entry(customer.id_number.clone()).or_insert(at);
            }
        }
        found.list = list;
        found
    }

    fn find(&self, layout: Layout, row: &Row) -> Option<&Customer> {
        let at = match layout {
            Layout::SplitPair if row.id_number.is_empty() => self.by_name.get(&row.name),
            Layout::SplitPair => self.by_id.get(&row.id_number),
            Layout::FixedBytes | Layout::PipeSummary => self.by_account.get(&row.account),
        }?;
        self.list.get(*at)
    }

    /// Whose an account is.
    pub(super) fn name_of(&self, account: &str) -> Option<&str> {
        self.by_account.get(account).and_then(|at| self.list.get(*at)).map(|customer| customer.name.as_str())
    }

    /// The account to credit, or why not. A bank that has been busy for this payee and amount is not busy again.
    pub(super) fn judge(&self, spec: &Bank<'_>, row: &Row, was_busy: bool) -> Result<&str, Why> {
        let customer = self.find(spec.layout, row).ok_or(Why::AccountNotFound)?;
        if customer.name != row.name {
            return Err(Why::NameMismatch { true_name: customer.name.clone() });
        }
        if !row.id_number.is_empty() && !customer.id_number.is_empty() && row.id_number != customer.id_number {
            return Err(Why::IdMismatch);
        }
        match customer.state {
            CustomerState::Active => {}
            CustomerState::Closed => return Err(Why::Closed),
            CustomerState::Frozen => return Err(Why::Frozen),
            CustomerState::Lost => return Err(Why::Lost),
            CustomerState::Dormant => return Err(Why::Dormant),
            CustomerState::NotActivated => return Err(Why::NotActivated),
        }
        if !was_busy && happens(spec.behaviour.busy_per_mille, spec.seed, &["busy", &row.reference]) {
            return Err(Why::Busy);
        }
        if happens(spec.behaviour.wrong_per_mille, spec.seed, &["wrong", &row.reference]) {
            return Err(Why::Spurious);
        }
        Ok(&customer.account)
    }
}

/// What of a bank its judgement depends on.
pub(super) struct Bank<'a> {
    pub(super) layout: Layout,
    pub(super) seed: u64,
    pub(super) behaviour: &'a Behaviour,
}

impl<'a> Bank<'a> {
    pub(super) fn of(spec: &'a BankSpec) -> Self {
        Self { layout: spec.layout, seed: spec.seed, behaviour: &spec.behaviour }
    }
}

/// A seeded chance.
pub(super) fn happens(per_mille: u32, seed: u64, words: &[&str]) -> bool {
    per_mille > 0 && seeded(seed, words) % 1000 < u64::from(per_mille)
}

/// A number that depends on the seed and these words alone.
pub(super) fn seeded(seed: u64, words: &[&str]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = seeded_bytes(seed, words);
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// Thirty-two bytes that depend on the seed and these words alone.
pub(super) fn seeded_bytes(seed: u64, words: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    for word in words {
        hash.update(word.as_bytes());
        hash.update([0]);
    }
    hash.finalize().into()
}
