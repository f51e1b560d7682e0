//! The months' account: the figures and equations of any demo, and whether the year ended as it must.

use super::super::account::Account;
use super::super::stage::Stage;
use crate::cli::out::Out;
use crate::passes::Gateway;

/// What came of the months.
pub(super) struct Verdict {
    months: u32,
    account: Account,
}

impl Verdict {
    pub(super) async fn draw(_stage: &Stage, _gateway: &Gateway, months: u32, account: Account) -> anyhow::Result<Self> {
        Ok(Self { months, account })
    }

    /// Whether everything holds.
    pub(super) fn holds(&self) -> bool {
        self.account.holds()
    }

    pub(super) fn print(&self, out: &Out) {
        self.account.print(out);
        _ = self.months;
    }
}
