//! `waybill dead undo`: a discard taken back within its grace. What later messages have done meanwhile
//! is said before it is done: such a discard stays, unless --out-of-order was given.

use std::time::Duration;

use serde_json::json;
use waybill_store::Store;
use waybill_store::audit::By;
use waybill_store::decide::DECIDED_MAX;
use waybill_store::undo::{How, Undone, Why};

use super::{Ended, nobody, progress};
use crate::cli::{Undo, Who};
use crate::table;

pub(super) async fn run(
    store: &Store,
    grace: Duration,
    arguments: &Undo,
    who: &Who,
) -> anyhow::Result<Ended> {
    let Some(actor) = who.acting() else { return Ok(nobody()) };
    let by = By::cli(&actor).because_of(arguments.reason.as_deref());
    let how = How { grace, out_of_order: arguments.out_of_order, by };
    let mut done = Undone::default();
    let all = arguments.ids.len();
    for (at, some) in arguments.ids.chunks(DECIDED_MAX).enumerate() {
        progress::step("undone", at * DECIDED_MAX, all);
        let some = store.undo(some, how).await?;
        done.undone.extend(some.undone);
        done.refused.extend(some.refused);
    }
    progress::step("undone", all, all);
    let unknown: Vec<_> = arguments
        .ids
        .iter()
        .filter(|id| !done.undone.contains(id) && !done.refused.iter().any(|(other, _)| other == *id))
        .collect();
    if arguments.output.json {
        let refused: Vec<_> =
            done.refused.iter().map(|(id, why)| json!({"id": id, "why": why.to_string()})).collect();
        let said = json!({"undone": done.undone, "refused": refused, "unknown": unknown});
        println!("{}", table::json(&said)?);
    } else {
        println!("{} undone: dead letters again, in their old places.", done.undone.len());
        for (id, why) in &done.refused {
            println!("{id} stays as it is: {why}.");
        }
        for id in unknown {
            println!("{id} is no message of this ledger.");
        }
    }
    // what is not discarded (any more) is nothing to undo; all else is a refusal
    let is_refused = done.refused.iter().any(|(_, why)| !matches!(why, Why::Not(_)));
    Ok(match (is_refused, done.undone.is_empty()) {
        (true, _) => Ended::Wrong,
        (false, true) => Ended::Nothing,
        (false, false) => Ended::Done,
    })
}
