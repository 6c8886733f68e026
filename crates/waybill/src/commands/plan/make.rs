//! `waybill dead replay` with a filter: makes a plan of exactly the dead letters that match now, shows
//! what it would do, and starts it if told to.

use serde_json::json;
use waybill_core::plan::{State, Verb};
use waybill_store::Store;
use waybill_store::audit::Via;
use waybill_store::dead::Filter;
use waybill_store::plan::{By, Made, Plan, Preview, Wanted};

use super::{moved, print, watch};
use crate::cli::{NewPlan, Output};
use crate::commands::Ended;
use crate::config::Config;
use crate::table;

/// Makes a plan of what `filter` matches.
pub(in crate::commands) async fn make(
    store: &Store,
    config: &Config,
    filter: &Filter,
    new: &NewPlan,
    actor: &str,
    output: Output,
) -> anyhow::Result<Ended> {
    let policy = new.policy();
    let mut mistakes = policy.mistakes();
    if new.all != (*filter == Filter::default()) {
        mistakes
            .push("a plan needs a filter (`waybill dead groups` shows what there is), or --all without one");
    }
    let asked = &filter.words();
    let Some(why) = new.why.as_deref().filter(|_| mistakes.is_empty()) else {
        for mistake in mistakes {
            eprintln!("{mistake}");
        }
        return Ok(Ended::Usage);
    };
    let by = By { actor, via: Via::Cli, reason: why };
    let (items_max, once) = (config.plans.items_max, new.once.as_deref().filter(|_| !new.dry_run));
    let wanted = Wanted { filter, asked, policy: &policy, by, items_max, once };
    let made = if new.dry_run { store.preview_plan(wanted).await? } else { store.make_plan(wanted).await? };
    let (plan, preview) = match made {
        Made::Plan(plan, preview) => (plan, preview),
        Made::Before(plan) => return again(store, config, new, *plan, by, output).await,
        Made::Another(plan) => {
            eprintln!(
                "plan {} was made under this name (--once), of something else: {}, {} items; no plan was made",
                plan.id,
                table::plain(&plan.asked),
                plan.items.all
            );
            return Ok(Ended::Wrong);
        }
        Made::Nothing => {
            eprintln!("no dead letter matches: {asked}; `waybill dead groups` shows what there is");
            return Ok(Ended::Nothing);
        }
        Made::TooMany => {
            eprintln!(
                "more than {} dead letters match (plans.items_max); narrow the filter, for instance by \
                 --since and --until; no plan was made",
                config.plans.items_max
            );
            return Ok(Ended::Wrong);
        }
    };
    if new.dry_run {
        if output.json {
            println!("{}", table::json(&json!({"dry_run": preview}))?);
        } else {
            print::preview(&preview);
            println!("A dry run: no plan was made.");
        }
        return Ok(Ended::Done);
    }
    begun(store, config, new, (*plan, preview), by, output).await
}

/// Shows the plan just made, and starts it if told to.
async fn begun(
    store: &Store,
    config: &Config,
    new: &NewPlan,
    (plan, preview): (Plan, Preview),
    by: By<'_>,
    output: Output,
) -> anyhow::Result<Ended> {
    let start = new.start || new.watch;
    if !output.json {
        print::preview(&preview);
        println!("Plan {} is made.", plan.id);
    }
    let ended = if start { moved(store, config, plan.id, Verb::Start, by).await? } else { Ended::Done };
    if output.json {
        let plan = store.plan(plan.id).await?;
        println!("{}", table::json(&json!({"plan": plan, "preview": preview}))?);
    } else if ended == Ended::Done && new.watch {
        return watch::watch(store, plan.id).await;
    } else if start && ended == Ended::Done {
        println!("It has started: waybill plan show {} --watch", plan.id);
    } else {
        println!("Start it: waybill plan start {} --why REASON", plan.id);
    }
    Ok(ended)
}

/// The plan that the same command made before: shown, and begun where that was still to be done.
async fn again(
    store: &Store,
    config: &Config,
    new: &NewPlan,
    mut plan: Plan,
    by: By<'_>,
    output: Output,
) -> anyhow::Result<Ended> {
    if (new.start || new.watch) && plan.state == State::Made {
        match moved(store, config, plan.id, Verb::Start, by).await? {
            Ended::Done => plan = store.plan(plan.id).await?.unwrap_or(plan),
            other => return Ok(other),
        }
    }
    if output.json {
        println!("{}", table::json(&json!({"plan": &plan, "preview": null, "made_before": true}))?);
        return Ok(Ended::Done);
    }
    println!(
        "Plan {} was made by this before (--once), and is {}. No other was made.",
        plan.id,
        plan.state.as_str()
    );
    if new.watch {
        return watch::watch(store, plan.id).await;
    }
    print::show(&plan, None);
    Ok(Ended::Done)
}
