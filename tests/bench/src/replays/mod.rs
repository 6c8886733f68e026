//! A replay plan over a large group of dead letters: how long it takes to make, to run without a brake, and
//! what the ledger says of it afterwards. And what is looked at before: the groups, a page.
//!
//! The dead letters are messages that `ingest-api` accepted; only their deaths are written by hand, as a
//! worker of yesterday would have recorded them. Their bodies are good, so each replay is processed.

mod die;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::Serialize;
use serde_json::Value;
use sqlx::AssertSqlSafe;

use crate::bodies::Bodies;
use crate::gateway::Gateway;
use crate::gateway::waybill::{Feed, Operator, set_up};
use crate::load::{Until, closed};
use crate::measure::post;
use crate::plan::Plan;
use crate::say;
use crate::services::Services;

/// Workers that run, as `./dev up` starts them.
const WORKERS: usize = 2;
/// Between two looks at a plan that runs.
const LOOK: Duration = Duration::from_millis(100);
/// Without an item done for this long, a plan has stopped.
const STALL_LIMIT: Duration = Duration::from_mins(2);
/// A source of bodies that each have an ordering key of their own.
const FEED: Feed = Feed { name: "replays", bodies: Bodies::Json, order_by: "json:/programmeMembershipTisId" };

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Replays {
    /// Dead letters, all of one group.
    pub dead_letters: u64,
    /// `waybill migrate`, which enters them in the list of the dead.
    pub list_s: f64,
    /// The blind index: messages indexed in a second, from the start of `waybill serve`.
    pub index_per_s: f64,
    /// `waybill dead groups`.
    pub groups_s: f64,
    /// `waybill dead list --limit 100`.
    pub page_s: f64,
    /// `waybill dead replay --group` without `--start`.
    pub plan_make_s: f64,
    /// From `waybill plan start` to when every item had its outcome.
    pub plan_run_s: f64,
    /// Items by that time.
    pub plan_per_s: f64,
    /// `waybill plan show`, which compares every item with the ledger.
    pub plan_report_s: f64,
}

/// Measures a plan; at the end everything is accounted for.
///
/// # Errors
/// When an item does not recover, a message is lost, or the ledger and the plan disagree.
pub async fn measure(services: &Services, plan: &Plan) -> anyhow::Result<Replays> {
    say(&format!("a replay plan of {} dead letters", plan.dead_letters));
    let made = set_up(services, FEED).await?;
    let (operator, serve) = (made.operator(), made.serve());
    // nothing is published: what dies here has been delivered long ago
    let mut ingest = made.ingest(&[("WAYBILL_RELAY__ENABLED", "false")]).start()?;
    ingest.until_ready().await?;
    let mut gateway = made.gateway(ingest, Vec::new());
    let load = closed(&gateway.traffic, "dead", plan.connections, Until::Posted(plan.dead_letters)).await?;
    post(&mut gateway, &load);
    let dead_letters = die::all(&gateway.space.db).await?;
    anyhow::ensure!(dead_letters == plan.dead_letters, "{dead_letters} of {} are dead", plan.dead_letters);
    let (list_s, _) = timed(|| operator.run(&["migrate"]))?;
    services.vacuum(&gateway.space).await?;
    services.settle().await?;

    say("  indexing them");
    let began = Instant::now();
    let mut serve = serve.start()?;
    serve.until_ready().await?;
    gateway.others.push(serve);
    until_indexed(&gateway).await?;
    let index_per_s = dead_letters as f64 / began.elapsed().as_secs_f64();

    let (groups_s, groups) = timed(|| operator.read(&["dead", "groups", "--json"]))?;
    let group = groups[0]["fingerprint"].as_str().context("there is no group")?.to_owned();
    let page = ["dead", "list", "--group", &group, "--limit", "100", "--json"];
    let (page_s, _) = timed(|| operator.read(&page))?;
    say("  making the plan");
    let asked = ["dead", "replay", "--group", &group, "--why", "the cause is mended", "--json"];
    let (plan_make_s, shown) = timed(|| operator.read(&asked))?;
    let id = shown["plan"]["id"].as_i64().context("the plan has no number")?.to_string();
    gateway.start_workers(WORKERS).await?;
    services.settle().await?;
    say(&format!("  made in {plan_make_s:.2} s; running it"));
    let began = Instant::now();
    operator.run(&["plan", "start", &id, "--why", "the cause is mended"])?;
    until_ended(&gateway, &id).await?;
    let plan_run_s = began.elapsed().as_secs_f64();

    let (plan_report_s, shown) = timed(|| operator.read(&["plan", "show", &id, "--json"]))?;
    check(&gateway, &operator, &shown, dead_letters).await?;
    gateway.close(services).await?;
    let plan_per_s = dead_letters as f64 / plan_run_s;
    let figures = Replays {
        dead_letters,
        list_s,
        index_per_s,
        groups_s,
        page_s,
        plan_make_s,
        plan_run_s,
        plan_per_s,
        plan_report_s,
    };
    Ok(figures)
}

/// How long it took, in seconds, and what it came to.
fn timed<T>(act: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(f64, T)> {
    let began = Instant::now();
    let done = act()?;
    Ok((began.elapsed().as_secs_f64(), done))
}

async fn until_indexed(gateway: &Gateway) -> anyhow::Result<()> {
    let behind = "select (select seq from find_cursor) < (select max(seq) from receipt)";
    let began = Instant::now();
    while gateway.ask::<bool>(behind).await? {
        anyhow::ensure!(began.elapsed() < STALL_LIMIT * 10, "the blind index does not get on");
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Waits until the plan is finished.
///
/// # Errors
/// When it stops, or nothing of it is done any more.
async fn until_ended(gateway: &Gateway, id: &str) -> anyhow::Result<()> {
    let look = format!("select state, recovered + failed + held + skipped, items from plan where id = {id}");
    let (mut before, mut since, mut told) = (-1, Instant::now(), Instant::now());
    loop {
        let (state, done, items): (String, i32, i32) =
            sqlx::query_as(AssertSqlSafe(look.as_str())).fetch_one(&gateway.space.db).await?;
        if state == "finished" {
            return Ok(());
        }
        anyhow::ensure!(state == "running", "the plan is {state} after {done} of {items}");
        if done != before {
            (before, since) = (done, Instant::now());
        }
        anyhow::ensure!(since.elapsed() < STALL_LIMIT, "{} items wait for ever", items - done);
        if told.elapsed() > Duration::from_secs(10) {
            told = Instant::now();
            say(&format!("    {done} of {items} done"));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Every item recovered, the ledger says the same, and all of it balances.
async fn check(
    gateway: &Gateway,
    operator: &Operator,
    shown: &Value,
    dead_letters: u64,
) -> anyhow::Result<()> {
    let (items, report) = (&shown["plan"]["items"], &shown["report"]);
    let recovered = items["recovered"].as_u64() == Some(dead_letters);
    let agreed = report["recovered"].as_u64() == Some(dead_letters) && report["contradicted"] == 0;
    anyhow::ensure!(recovered && agreed, "the plan says {items}, the ledger {report}");
    let dead: i64 = gateway
        .ask("select (select count(*) from dead_list) + (select coalesce(sum(n), 0)::bigint from dead_tally)")
        .await?;
    anyhow::ensure!(dead == 0, "{dead} are on the list of the dead still");
    gateway.settle().await?;
    gateway.check().await?;
    operator.run(&["reconcile"])?;
    say("    the ledger says the same of every item, and balances");
    Ok(())
}
