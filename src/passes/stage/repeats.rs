//! What the bank fills in around is ours (回填): columns that must have come back as they went are compared line by line with what
//! was sent, before anything of the set counts.

use std::collections::HashMap;

use crate::domain::exchange::{Answer, BatchFacts};
use crate::format::Profile;
use crate::passes::PassError;
use crate::store::outbound::FileOut;
use crate::store::sql::Tx;

/// Each line of this page that gives back something else than we sent, and the columns that do.
pub(super) async fn altered(
    tx: &mut Tx,
    profile: &Profile,
    (out, facts): (&FileOut, &BatchFacts),
    answers: &[(Answer, Option<i64>)],
) -> Result<Vec<(u64, Vec<String>)>, PassError> {
    let repeating = || answers.iter().filter(|(answer, _)| !answer.repeats.is_empty());
    let ids: Vec<i64> = repeating().filter_map(|(_, id)| *id).filter(|id| (out.first_id..=out.last_id).contains(id)).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let lines: HashMap<i64, _> = tx.lines_of(out, &ids, &facts.project_short).await?.into_iter().collect();
    let differing = repeating().filter_map(|(answer, id)| {
        let columns = profile.differing_repeats(facts, lines.get(id.as_ref()?)?, &answer.repeats);
        (!columns.is_empty()).then_some((answer.line, columns))
    });
    Ok(differing.collect())
}
