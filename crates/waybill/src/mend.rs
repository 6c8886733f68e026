//! Mending what does not fit, for the sweep and for `waybill reconcile --repair` alike: each problem
//! by its remedy, all through the store's guarded repairs. Never publishes.

use std::collections::BTreeMap;

use uuid::Uuid;
use waybill_store::Store;
use waybill_store::conservation::Misfit;
use waybill_store::directory::Snapshot;
use waybill_store::problem::{Problem, Remedy};

use crate::keys;

/// Mends what can be mended without guessing; which that was. What the broker has lost is not
/// mended here: only a look at the broker tells what that is.
///
/// # Errors
/// When the ledger does not answer; what was mended by then stays mended.
pub async fn mend(
    store: &Store,
    known: &Snapshot,
    misfits: &[Misfit],
    claim_s_max: f64,
) -> anyhow::Result<Vec<Misfit>> {
    let mut by_problem: BTreeMap<Problem, Vec<&Misfit>> = BTreeMap::new();
    for misfit in misfits {
        by_problem.entry(misfit.problem).or_default().push(misfit);
    }
    let mut mended = Vec::new();
    for (problem, group) in by_problem {
        match problem.remedy() {
            Remedy::Person => {}
            _ if problem == Problem::Lost => {}
            Remedy::Keys => {
                for misfit in group {
                    if enter_keys(store, known, misfit).await? {
                        mended.push(misfit.clone());
                    }
                }
            }
            _ => {
                let ids: Vec<Uuid> = group.iter().map(|misfit| misfit.id).collect();
                let done = store.mend(problem, &ids, claim_s_max).await?;
                mended.extend(group.into_iter().filter(|misfit| done.contains(&misfit.id)).cloned());
            }
        }
    }
    Ok(mended)
}

/// Reads a message's ordering keys from its body again, as accepting it did.
async fn enter_keys(store: &Store, known: &Snapshot, misfit: &Misfit) -> anyhow::Result<bool> {
    let Some(source) = known.sources.get(&misfit.source) else { return Ok(false) };
    let Some((content_type, body)) = store.body_for_keys(misfit.id).await? else { return Ok(false) };
    let Some(keys) = keys::read(source, &content_type, &body) else { return Ok(false) };
    Ok(!keys.is_empty() && store.enter_keys(misfit.id, &keys).await?)
}
