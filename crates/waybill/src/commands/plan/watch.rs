//! Watching a plan: a bar where there is a terminal, a line now and then where there is none. It only
//! looks; ending it changes nothing.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use waybill_core::plan::State;
use waybill_store::Store;
use waybill_store::plan::Plan;

use super::print;
use super::unknown;
use crate::commands::Ended;
use crate::{table, terminal};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks between two lines, where there is no terminal.
const LOOKS_PER_LINE: u32 = 10;
/// Characters of the bar.
const BAR: u32 = 24;

/// Watches plan `id` until it ends, stops, or waits for a person; then its report.
pub(super) async fn watch(store: &Store, id: i64) -> anyhow::Result<Ended> {
    let mut out = std::io::stdout();
    let has_terminal = out.is_terminal();
    let mut looks: u32 = 0;
    let plan = loop {
        let Some(plan) = store.plan(id).await? else { return Ok(unknown(id)) };
        let goes_on = goes_on(&plan);
        if has_terminal {
            // a line that wraps could not be replaced
            let columns = terminal::size().map_or(80, |(columns, _)| columns.into());
            let line = format!("{} {}", bar(&plan), table::plain(&print::progress(&plan)));
            write!(out, "\r\x1b[2K{}", terminal::cut(&line, columns))?;
            out.flush()?;
        } else if looks.is_multiple_of(LOOKS_PER_LINE) {
            println!("{}", print::progress(&plan));
        }
        if !goes_on {
            break plan;
        }
        looks += 1;
        tokio::time::sleep(LOOK_EVERY).await;
    };
    if has_terminal {
        println!();
    }
    let report = store.plan_report(id).await?;
    print::show(&plan, Some(&report));
    let is_well = plan.state != State::Stopped && report.contradicted == 0;
    Ok(if is_well { Ended::Done } else { Ended::Wrong })
}

/// Whether it moves by itself.
fn goes_on(plan: &Plan) -> bool {
    match plan.state {
        State::Running => true,
        State::Made | State::Finished => false,
        State::Ready | State::Paused | State::Stopped | State::Cancelled => plan.items.replayed > 0,
    }
}

fn bar(plan: &Plan) -> String {
    let (done, all) = (plan.items.done(), plan.items.all.max(1));
    let full = u32::try_from(u64::from(BAR) * u64::from(done) / u64::from(all)).unwrap_or(BAR).min(BAR);
    let (full, rest) = (full as usize, (BAR - full) as usize);
    format!("[{}{}] {:3.0} %", "#".repeat(full), ".".repeat(rest), 100.0 * f64::from(done) / f64::from(all))
}
