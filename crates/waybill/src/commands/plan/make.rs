//! `waybill dead replay` with a filter: makes a plan of exactly the dead letters that match now, shows
//! what it would do, and starts it if told to.

use serde_json::json;
use waybill_core::plan::Verb;
use waybill_store::Store;
use waybill_store::dead::Filter;
use waybill_store::plan::{By, Made, Wanted};

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
    let by = By { actor, reason: why };
    let wanted = Wanted { filter, asked, policy: &policy, by, items_max: config.plans.items_max };
    let made = if new.dry_run { store.preview_plan(wanted).await? } else { store.make_plan(wanted).await? };
    let (plan, preview) = match made {
        Made::Plan(plan, preview) => (plan, preview),
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
