//! `waybill plan`: what becomes of replay plans, and what a person tells them. Making one is
//! `waybill dead replay` with a filter. The plans themselves are run by `waybill serve`.

mod make;
mod print;
mod watch;

use waybill_core::plan::{State, Verb};
use waybill_store::Store;
use waybill_store::audit::Via;
use waybill_store::plan::{By, Moved};

use super::{Ended, nobody};
use crate::cli::{Move, Output, Plan, Who};
use crate::config::Config;
use crate::table;

pub(super) use make::make;

pub(super) async fn run(store: &Store, config: &Config, command: Plan, who: &Who) -> anyhow::Result<Ended> {
    match command {
        Plan::List { open, limit, output } => list(store, open, limit, output).await,
        Plan::Show { id, watch, output } => show(store, id, watch, output).await,
        Plan::Start(order) => give(store, config, Verb::Start, &order, who).await,
        Plan::Pause(order) => give(store, config, Verb::Pause, &order, who).await,
        Plan::Resume(order) => give(store, config, Verb::Resume, &order, who).await,
        Plan::Cancel(order) => give(store, config, Verb::Cancel, &order, who).await,
    }
}

async fn list(store: &Store, open: bool, limit: u32, output: Output) -> anyhow::Result<Ended> {
    let plans = store.plans(open, limit).await?;
    if output.json {
        println!("{}", table::json(&plans)?);
    } else if plans.is_empty() {
        println!("No plans.");
    } else {
        println!("{}", print::plans(&plans));
    }
    Ok(if plans.is_empty() { Ended::Nothing } else { Ended::Done })
}

async fn show(store: &Store, id: i64, watch: bool, output: Output) -> anyhow::Result<Ended> {
    if watch && !output.json {
        return watch::watch(store, id).await;
    }
    let Some(plan) = store.plan(id).await? else { return Ok(unknown(id)) };
    // what a plan has become is proved once nothing of it is under way
    let report = if plan.items.replayed == 0 && plan.started_at.is_some() && plan.state != State::Running {
        Some(store.plan_report(id).await?)
    } else {
        None
    };
    if output.json {
        println!("{}", table::json(&serde_json::json!({"plan": plan, "report": report}))?);
    } else {
        print::show(&plan, report.as_ref());
    }
    Ok(Ended::Done)
}

/// Gives a plan an order, and says what came of it.
async fn give(store: &Store, config: &Config, verb: Verb, order: &Move, who: &Who) -> anyhow::Result<Ended> {
    let Some(actor) = who.acting() else { return Ok(nobody()) };
    let by = By { actor: &actor, via: Via::Cli, reason: &order.why };
    match moved(store, config, order.id, verb, by).await? {
        Ended::Done => {}
        other => return Ok(other),
    }
    if order.watch && !order.output.json {
        return watch::watch(store, order.id).await;
    }
    if order.output.json {
        return show(store, order.id, false, order.output).await;
    }
    println!("Plan {}: {}.", order.id, verb.to().as_str());
    Ok(Ended::Done)
}

/// Moves a plan; says so when it does not move.
async fn moved(store: &Store, config: &Config, id: i64, verb: Verb, by: By<'_>) -> anyhow::Result<Ended> {
    Ok(match store.move_plan(id, verb, by, config.plans.active_max).await? {
        Moved::Done(_) => Ended::Done,
        Moved::Not(plan) => {
            let from: Vec<_> = verb.from().iter().map(|state| state.as_str()).collect();
            eprintln!(
                "plan {id} is {}; `{}` is for a plan that is {}; nothing was changed",
                plan.state.as_str(),
                verb.as_str(),
                from.join(", ")
            );
            Ended::Nothing
        }
        Moved::TooMany(max) => {
            eprintln!(
                "{max} plans run already (plans.active_max); pause or cancel one (`waybill plan list --open`), \
                 or start plan {id} later; nothing was changed"
            );
            Ended::Wrong
        }
        Moved::Unknown => unknown(id),
    })
}

fn unknown(id: i64) -> Ended {
    eprintln!("there is no plan {id}: `waybill plan list` shows them");
    Ended::Nothing
}
