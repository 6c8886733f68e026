//! `waybill report`: the balance of every source. Exit code 1 when something is unaccounted for.

use waybill_store::Store;
use waybill_store::pack::Window;

use super::{Ended, pack, progress};
use crate::cli::{Output, Pack, Who};
use crate::table;

pub(super) async fn run(store: &Store, arguments: &Pack, who: &Who, output: Output) -> anyhow::Result<Ended> {
    if let (Some(from), Some(to)) = (arguments.from, arguments.to) {
        let window = Window { from, to, source: arguments.source.clone() };
        let written = Box::pin(pack::run(store, window, arguments, who, output));
        return progress::during("putting the pack together", written).await;
    }
    let balances = progress::during("counting every message", store.balance()).await?;
    if output.json {
        println!("{}", table::json(&balances)?);
    } else {
        let rows = balances.iter().map(|b| {
            let counts = [
                b.accepted,
                b.duplicate,
                b.replacements,
                b.processed,
                b.dead,
                b.discarded,
                b.held,
                b.in_flight,
                b.unaccounted,
            ];
            let counts = counts.iter().map(i64::to_string);
            [b.source.clone()].into_iter().chain(counts).collect()
        });
        let header = [
            "source",
            "accepted",
            "duplicate",
            "by edit",
            "processed",
            "dead",
            "discarded",
            "held",
            "in flight",
            "unaccounted",
        ];
        println!("{}", table::table(&header, rows));
    }
    let is_balanced = balances.iter().all(|balance| balance.unaccounted == 0);
    if !is_balanced && !output.json {
        println!("Unaccounted messages are not where their rows say they are: see docs/RUNBOOK.md.");
    }
    Ok(if is_balanced { Ended::Done } else { Ended::Wrong })
}
