//! Lists that went back whole, and by what they are here again.

use std::collections::BTreeSet;

use super::StoreError;
use super::sql::Tx;
use crate::args;

/// Somebody without an identity number: his name, his mandate, and what is paid again.
type Unnumbered = [String; 3];

impl Tx {
    /// Batches that went back and are here again now that this one passes: itself, and those of its project and period that name a
    /// person whom it names and of whose people none is left out by what has passed since. Where a person may have several entitlements
    /// in one period, another list that names him says nothing of the one that went back: that is a person's to close.
    ///
    /// # Errors
    /// The database refused.
    pub async fn came_back_as(&mut self, batch: &str) -> Result<Vec<String>, StoreError> {
        let sql = "select substr(i.key, 10) from incident i join batch o on o.number = substr(i.key, 10) join admission a on a.batch = o.number and a.state = 'returned' \
                   join batch b on b.number = $1 and b.department = o.department and b.project = o.project and b.period = o.period and b.kind = o.kind \
                   join project j on j.code = o.project and j.several_per_period = 0 \
                   where i.kind = 'batch_returned' and i.state = 'open' and o.number <> $1 order by 1";
        let returned = self.rows(sql, args![batch]).await?.iter().map(|r| r.string(0)).collect::<Result<Vec<_>, _>>()?;
        let mut found = vec![batch.to_owned()];
        if returned.is_empty() {
            return Ok(found);
        }
        // One by one, and mostly none: lists are long, and a plan may as well begin with comparing all their people.
        let names_one = "select 1 from payment p join payment q on q.batch = $1 and upper(q.entitled_id) = upper(p.entitled_id) and q.entitled_name = p.entitled_name \
                         where p.batch = $2 and p.entitled_id <> '' limit 1";
        let unnumbered = self.unnumbered(batch).await?;
        let names: BTreeSet<&String> = unnumbered.iter().map(|[name, ..]| name).collect();
        for other in returned {
            let waiting = self.unnumbered(&other).await?;
            let is_named =
                waiting.iter().any(|[name, ..]| names.contains(name)) || self.opt(names_one, args![batch, &other]).await?.is_some();
            if is_named && !self.lacks_one(&other, waiting).await? {
                found.push(other);
            }
        }
        Ok(found)
    }

    /// Whether somebody of a list that went back is in none that has passed since, and waits still: each is looked up by himself, a
    /// reissue's row by what it pays again. Of those without a number no index tells one from another: the lists are gone through.
    async fn lacks_one(&mut self, list: &str, mut waiting: BTreeSet<Unnumbered>) -> Result<bool, StoreError> {
        let numbered = "select 1 from payment p join batch o on o.number = p.batch join admission r on r.batch = p.batch where p.batch = $1 \
                        and p.entitled_id <> '' and (select count(*) from payment q join batch b on b.number = q.batch join admission a on a.batch = q.batch \
                        where upper(q.entitled_id) = upper(p.entitled_id) and q.reissue_of = p.reissue_of and b.department = o.department \
                        and b.project = o.project and b.period = o.period and b.kind = o.kind \
                        and a.state = 'admitted' and a.decided_at >= r.decided_at) = 0 limit 1";
        if self.opt(numbered, args![list]).await?.is_some() {
            return Ok(true);
        }
        if waiting.is_empty() {
            return Ok(false);
        }
        let passed = "select b.number from batch o join admission r on r.batch = o.number join admission a on a.decided_at >= r.decided_at and a.state = 'admitted' \
                      join batch b on b.number = a.batch and b.department = o.department and b.project = o.project and b.period = o.period and b.kind = o.kind \
                      where o.number = $1";
        for passed in self.rows(passed, args![list]).await? {
            for person in self.unnumbered(passed.text(0)?).await? {
                waiting.remove(&person);
            }
        }
        Ok(!waiting.is_empty())
    }

    async fn unnumbered(&mut self, batch: &str) -> Result<BTreeSet<Unnumbered>, StoreError> {
        let sql = "select entitled_name, mandate_no, reissue_of from payment where batch = $1 and entitled_id = ''";
        self.rows(sql, args![batch]).await?.iter().map(|r| Ok([r.string(0)?, r.string(1)?, r.string(2)?])).collect()
    }
}
