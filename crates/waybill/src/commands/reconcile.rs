//! `waybill reconcile`: the balance of every source, and what does not fit, by id. Exit code 1 when
//! something does not; `--repair` mends what can be mended without guessing.

use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use uuid::Uuid;
use waybill_broker::Broker;
use waybill_broker::api::Api;
use waybill_store::Store;
use waybill_store::audit::By;
use waybill_store::conservation::{Balance, Look, Misfit};
use waybill_store::directory::{Directory, Snapshot};
use waybill_store::finding::Finding;
use waybill_store::overdue::Overdue;

use super::{Ended, nobody, progress};
use crate::cli::{Output, Who};
use crate::config::Config;
use crate::keys;
use crate::mend::mend;
use crate::serve::lost::Lost;
use crate::serve::standing::Standing;
use crate::table;

/// Ids of overdue messages and of findings that are printed.
const LISTED_MAX: u32 = 100;
/// Lost envelopes that one statement makes due; a run names fifty times as many.
const LOST_MAX: u32 = 1000;
/// Between two looks at the broker, and how many: far longer than its figures lag.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOOKS_MAX: u32 = 40;

/// What is printed.
#[derive(Debug, Serialize)]
struct Report {
    balance: Vec<Balance>,
    problems: Vec<Problem>,
    /// How many more there are than are named.
    unnamed: i64,
    /// Whether the broker's counts were looked at; if not, why.
    broker: String,
    overdue: Vec<Overdue>,
    findings: Vec<Finding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repaired: Option<Vec<Misfit>>,
}

#[derive(Debug, Serialize)]
struct Problem {
    #[serde(flatten)]
    misfit: Misfit,
    meaning: &'static str,
    advice: &'static str,
}

pub(super) async fn run(
    store: &Store,
    config: &Config,
    repair: bool,
    who: &Who,
    output: Output,
) -> anyhow::Result<Ended> {
    let claim_s_max = config.serve.claim_s_max();
    let directory = Directory::default();
    directory.refresh(store).await?;
    let known = directory.snapshot();
    let (mut look, mut broker, mut lost) =
        (look(store, &known, claim_s_max).await?, String::new(), Vec::new());
    let mut sweep = sweep(store, config, &directory);
    let looked = find_lost(&mut sweep, &mut broker, &mut lost);
    progress::during("waiting until RabbitMQ's figures are sure", looked).await?;
    let mut repaired = None;
    if repair {
        let Some(actor) = who.acting() else { return Ok(nobody()) };
        account(store, &actor, look.misfits.iter().chain(&lost)).await?;
        let mending = mend(store, &known, &look.misfits, claim_s_max);
        let mut done = progress::during("mending", mending).await?;
        if let Ok(sweep) = &mut sweep
            && !lost.is_empty()
        {
            sweep.mend(&lost).await?;
            done.append(&mut lost);
        }
        store.note_found(&done).await?;
        store.note_mended(&done).await?;
        look = self::look(store, &known, claim_s_max).await?;
        repaired = Some(done);
    }
    let misfits = look.misfits.into_iter().chain(lost);
    let problem = |misfit: Misfit| Problem {
        meaning: misfit.problem.meaning(),
        advice: misfit.problem.advice(),
        misfit,
    };
    let report = Report {
        balance: look.balances.into_values().collect(),
        problems: misfits.map(problem).collect(),
        unnamed: look.unnamed,
        broker,
        overdue: store.overdue(LISTED_MAX).await?,
        findings: store.findings(LISTED_MAX).await?,
        repaired,
    };
    if output.json {
        println!("{}", table::json(&report)?);
    } else {
        print(&report);
    }
    Ok(if report.problems.is_empty() && report.unnamed == 0 { Ended::Done } else { Ended::Wrong })
}

/// Puts on the audit trail what is about to be mended; nothing is mended when that fails.
async fn account(store: &Store, actor: &str, misfits: impl Iterator<Item = &Misfit>) -> anyhow::Result<()> {
    let mut ids: Vec<Uuid> = misfits.map(|misfit| misfit.id).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(());
    }
    let detail = serde_json::json!({});
    let act = By::cli(actor).on_messages("repair", &ids, &detail);
    store.audit(act).await.context("nothing is mended: the audit trail cannot be written")
}

/// All rows, and the bodies of those that may stand in several ordering keys.
async fn look(store: &Store, known: &Snapshot, claim_s_max: f64) -> anyhow::Result<Look> {
    let mut look = progress::during("looking at every message", store.look_at_all(claim_s_max)).await?;
    let missing = progress::during("reading the keys of merges", keys::all_missing(store, known)).await?;
    look.misfits.extend(missing);
    look.misfits.sort_unstable();
    look.misfits.dedup();
    Ok(look)
}

/// The look at the broker, or why there is none.
fn sweep(store: &Store, config: &Config, directory: &Directory) -> Result<Lost, String> {
    if config.amqp.url.is_empty() || config.rabbitmq_api.url.is_empty() {
        return Err("not looked at: set amqp.url and rabbitmq_api.url".to_owned());
    }
    let broker = Broker::new(&config.amqp).map_err(|error| error.to_string())?;
    let api = Api::new(&config.rabbitmq_api.url, broker.vhost()).map_err(|error| error.to_string())?;
    let limits = (config.serve.lost_grace(), LOST_MAX);
    Ok(Lost::new(store.clone(), directory.clone(), (broker, Some(api)), limits, Standing::default()))
}

/// Looks at the broker for as long as it takes to be sure; at once where nothing is published.
async fn find_lost(
    sweep: &mut Result<Lost, String>,
    broker: &mut String,
    lost: &mut Vec<Misfit>,
) -> anyhow::Result<()> {
    let sweep = match sweep {
        Ok(sweep) => sweep,
        Err(why) => {
            broker.clone_from(why);
            return Ok(());
        }
    };
    for look in 0..LOOKS_MAX {
        if look > 0 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        match sweep.find().await {
            // each look names all that is lost by then
            Ok(found) => *lost = found,
            Err(error) => {
                *broker = format!("not looked at: {error:#}");
                return Ok(());
            }
        }
        if !sweep.undecided {
            "looked at".clone_into(broker);
            return Ok(());
        }
    }
    "its figures are not known".clone_into(broker);
    Ok(())
}

fn print(report: &Report) {
    let rows = report.balance.iter().map(|b| {
        let counts = [
            b.accepted,
            b.processed,
            b.dead,
            b.discarded,
            b.held,
            b.retrying,
            b.due,
            b.published,
            b.in_hand,
            b.unaccounted,
        ];
        [b.source.clone()].into_iter().chain(counts.iter().map(i64::to_string)).collect()
    });
    let header = [
        "source",
        "accepted",
        "processed",
        "dead",
        "discarded",
        "held",
        "retrying",
        "due",
        "published",
        "in hand",
        "unaccounted",
    ];
    println!("{}", table::table(&header, rows));
    println!("RabbitMQ: {}.", table::plain(&report.broker));
    if let Some(repaired) = &report.repaired {
        for misfit in repaired {
            println!("{} {}: mended", misfit.id, misfit.problem.code());
        }
    }
    for problem in &report.problems {
        let Misfit { id, problem: what, source } = &problem.misfit;
        println!("{id} {source} {}: {}; {}", what.code(), problem.meaning, problem.advice);
    }
    if report.unnamed > 0 {
        println!("{} more do not fit.", report.unnamed);
    }
    for late in &report.overdue {
        println!("{} {} overdue: {}, accepted {}", late.id, late.source, late.state, late.received_at);
    }
    if report.problems.is_empty() && report.unnamed == 0 {
        println!("Everything that was accepted is where it says it is.");
    }
}
