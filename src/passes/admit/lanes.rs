//! Who pays what of a batch: for each bank's cards an agreement, and a block of numbers for what goes out together.

use std::sync::Arc;

use super::{Gate, Lane};
use crate::domain::money::Fen;
use crate::passes::PassError;
use crate::store::admission::Agreement;

impl Gate<'_> {
    /// Chooses an agreement for each bank's cards and takes a block of numbers for each; for each bank that is paid where the payer's
    /// bank asks that.
    pub(super) async fn open_lanes(&mut self, agreements: Vec<Agreement>, counts: &[(String, u64, Fen)]) -> Result<(), PassError> {
        // The agreement, by its place, and the rows of each lane.
        let mut lanes: Vec<(usize, u64)> = Vec::new();
        for (bank, count, _) in counts {
            let own = agreements.iter().position(|a| a.bank == *bank);
            let other = || agreements.iter().position(|a| a.other_banks && self.rules.clearing.contains_key(bank));
            let Some((at, agreement)) = own.or_else(other).and_then(|at| Some((at, agreements.get(at)?))) else { continue };
            let is_apart = self.gateway.profile(&agreement.profile)?.exchange().one_receiving_bank;
            let open = lanes.iter().position(|(of, _)| *of == at && !is_apart);
            let number = open.unwrap_or_else(|| {
                lanes.push((at, 0));
                lanes.len() - 1
            });
            Arc::make_mut(&mut self.rules).payers.insert(bank.clone(), number);
            if let Some((_, rows)) = lanes.get_mut(number) {
                *rows += count;
            }
        }
        for (at, rows) in lanes {
            let Some(agreement) = agreements.get(at).cloned() else { continue };
            let profile = Arc::clone(self.gateway.profile(&agreement.profile)?);
            let mut tx = self.gateway.store.begin().await?;
            let first_id = tx.take_numbers("instruction", rows).await?;
            tx.commit().await?;
            let most = if agreement.amount_max.is_positive() { agreement.amount_max } else { self.gateway.config.admission.amount_max };
            Arc::make_mut(&mut self.rules).lanes.push((profile, most));
            self.lanes.push(Lane { agreement, first_id, count: 0, total: Fen::ZERO });
        }
        Ok(())
    }
}
