//! The months' account: the figures and equations of any demo, whether the months ended as they must, and the papers that
//! are left behind: the ledger as a journal that another program adds up, and the certificates of every month.

use std::collections::BTreeMap;
use std::io::Write as _;

use anyhow::Context as _;
use serde_json::json;

use super::super::account::Account;
use super::super::stage::Stage;
use crate::cli::close::write_papers;
use crate::cli::out::Out;
use crate::domain::closing::{PeriodState, Scope};
use crate::domain::language::Language;
use crate::domain::matching::BreakKind;
use crate::domain::money::Fen;
use crate::passes::Gateway;
use crate::passes::journal::write_journal;
use crate::store::closing::Which;
use crate::store::statements::PayerAccount;
use crate::store::verdicts::BreaksTold;

/// The journal's name in the demo's folder.
const JOURNAL: &str = "bankgate.journal";
/// The certificates' folder in it.
const CERTIFICATES: &str = "certificates";

/// In so many months every kind of break appears.
const EVERY_BREAK_IN_MONTHS: u32 = 5;

/// What came of the months.
pub(super) struct Verdict {
    months: u32,
    account: Account,
    /// What nobody may keep and still lies with us.
    ineligible: Fen,
    /// Days by verdict, over all accounts.
    days: BTreeMap<String, usize>,
    /// Accounts and days that are not green.
    not_green: Vec<String>,
    /// Of each kind of break, how many were found and what became of them.
    breaks: Vec<BreaksTold>,
    sealed: usize,
    unsealed: Vec<String>,
    certificates: usize,
    journal: String,
}

impl Verdict {
    /// Reads how the months ended and writes their papers.
    pub(super) async fn draw(stage: &Stage, gateway: &Gateway, months: u32, account: Account) -> anyhow::Result<Self> {
        let mut tx = gateway.store.read().await?;
        let mut verdict = Self {
            months,
            ineligible: account.ineligible(),
            account,
            days: BTreeMap::new(),
            not_green: Vec::new(),
            breaks: tx.breaks_told().await?,
            sealed: 0,
            unsealed: Vec::new(),
            certificates: 0,
            journal: stage.dir.join(JOURNAL).display().to_string(),
        };
        for of in tx.accounts_to_reconcile().await? {
            verdict.reconciled(&of, &tx.runs_since(&of, stage.first_day()).await?);
        }
        let folder = stage.dir.join(CERTIFICATES);
        for scope in [Scope::Month, Scope::Year] {
            let which = Which::default();
            for period in tx.periods(scope, &which).await? {
                if period.state == PeriodState::Sealed {
                    verdict.sealed += 1;
                } else {
                    verdict.unsealed.push(format!("{} {}/{}", period.period, period.department, period.project));
                }
            }
            let papers = write_papers(&mut tx, (scope, &which), &folder, (Language::Zh, stage.zone)).await;
            verdict.certificates += papers.map_err(|e| anyhow::anyhow!("{e}"))?.0.iter().filter(|p| p.ends_with(".html")).count();
        }
        drop(tx);
        let file = std::fs::File::create(&verdict.journal).with_context(|| format!("writing {}", verdict.journal))?;
        let mut out = std::io::BufWriter::new(file);
        write_journal(&gateway.store, stage.zone, &mut out).await?;
        out.flush()?;
        Ok(verdict)
    }

    fn reconciled(&mut self, of: &PayerAccount, runs: &[crate::store::statements::RunRow]) {
        for run in runs {
            *self.days.entry(run.verdict.clone()).or_default() += 1;
            if run.verdict != "RECONCILED" {
                self.not_green.push(format!("{} {} {}: {}", of.bank, of.account, run.on_date, run.verdict));
            }
        }
    }

    /// Whether everything holds: the equations, the banks, nothing left that nobody may keep, every day of every account
    /// explained, every period sealed.
    pub(super) fn holds(&self) -> bool {
        let is_green = self.not_green.is_empty() && !self.days.is_empty();
        self.account.holds()
            && self.ineligible == Fen::ZERO
            && is_green
            && self.unsealed.is_empty()
            && self.sealed > 0
            && self.breaks.iter().all(|told| told.open() == 0)
            && self.never_seen().is_empty()
    }

    /// The kinds of breaks that should have appeared and did not: in so many months the banks err in every way.
    fn never_seen(&self) -> Vec<&'static str> {
        let is_seen = |kind: &BreakKind| self.breaks.iter().any(|told| told.kind == kind.code());
        let all = BreakKind::ALL.iter().filter(|_| self.months >= EVERY_BREAK_IN_MONTHS);
        all.filter(|kind| !is_seen(kind)).map(|kind| kind.code()).collect()
    }

    /// Prints the account: one JSON object for programs, a page for people.
    pub(super) fn print(&self, out: &Out) {
        if out.is_for_programs() {
            let mut value = self.account.json();
            if let Some(object) = value.as_object_mut() {
                object.insert("months".to_owned(), json!(self.months));
                object.insert("ineligible_fen".to_owned(), json!(self.ineligible));
                object.insert("days".to_owned(), json!(self.days));
                object.insert("not_green".to_owned(), json!(self.not_green));
                object.insert("breaks".to_owned(), json!(self.breaks));
                object.insert("breaks_never_seen".to_owned(), json!(self.never_seen()));
                object.insert("periods_sealed".to_owned(), json!(self.sealed));
                object.insert("periods_not_sealed".to_owned(), json!(self.unsealed));
                object.insert("certificates".to_owned(), json!(self.certificates));
                object.insert("journal".to_owned(), json!(self.journal));
                object.insert("holds".to_owned(), json!(self.holds()));
            }
            out.value(&value);
            return;
        }
        self.account.print(out);
        out.line(self.page());
    }

    fn page(&self) -> String {
        let sign = |holds: bool| if holds { "✓" } else { "✗" };
        let listed = |map: &BTreeMap<String, usize>| map.iter().map(|(what, n)| format!("{what} {n}")).collect::<Vec<_>>().join("，");
        let mut page = format!(
            "\n{}个月的结果\n  待退回（不应发放）余额 {} 元  {}\n  对账：{}  {}\n  差异（出现/了结/转为另一类）：{}  {}\n  已封存 {} 户次，未封存 {}  {}\n  \
             清零证明 {} 份（{CERTIFICATES}/）；总账 {}（hledger -s -f … check）\n",
            self.months,
            self.ineligible,
            sign(self.ineligible == Fen::ZERO),
            listed(&self.days),
            sign(self.not_green.is_empty()),
            self.breaks
                .iter()
                .map(|b| format!("{} {}/{}/{}", b.kind, b.opened, b.resolved, b.became_another))
                .collect::<Vec<_>>()
                .join("，"),
            sign(self.breaks.iter().all(|told| told.open() == 0) && self.never_seen().is_empty()),
            self.sealed,
            self.unsealed.len(),
            sign(self.unsealed.is_empty()),
            self.certificates,
            self.journal,
        );
        for kind in self.never_seen() {
            page.push_str(&format!("  ✗ {kind}：未曾出现\n"));
        }
        for wrong in self.not_green.iter().chain(&self.unsealed).take(20) {
            page.push_str(&format!("  ✗ {wrong}\n"));
        }
        page
    }
}
