//! One gateway, measured: accepting alone, draining what has piled up, and everything at once. Naive or
//! Waybill, ordered or not, each goes through the same steps.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::gateway::Gateway;
use crate::latency::Latency;
use crate::load::{Load, Until, closed, open};
use crate::plan::Plan;
use crate::programs::Program;
use crate::say;
use crate::services::Services;

/// Workers, as `./dev up` starts them.
const WORKERS: usize = 2;
/// The management API's figures are renewed this often, and a little.
const FIGURES_EVERY: Duration = Duration::from_secs(6);

/// Accepting, while no worker runs.
#[derive(Debug, Clone, Serialize)]
pub struct Accept {
    /// Answers per second at the peak.
    pub per_s: f64,
    /// The rate at which latencies were measured: half the peak.
    pub open_per_s: f64,
    /// From when a message was due to its answer.
    #[serde(flatten)]
    pub latency: Latency,
}

/// From the post to the committed effect, while everything runs.
#[derive(Debug, Clone, Serialize)]
pub struct EndToEnd {
    /// Messages per second, from the first post to the last effect.
    pub per_s: f64,
    /// The rate at which latencies were measured: half of that.
    pub open_per_s: f64,
    /// From when a message was due to the commit of its effect.
    #[serde(flatten)]
    pub latency: Latency,
    /// From when it was due to its answer, at the same rate.
    pub answer: Latency,
}

/// Working off what has piled up.
#[derive(Debug, Clone, Serialize)]
pub struct Drain {
    /// Messages that waited.
    pub backlog: u64,
    /// Messages per second, from the workers' start to the last effect.
    pub per_s: f64,
}

/// Memory.
#[derive(Debug, Clone, Serialize)]
pub struct Memory {
    /// The most that `ingest-api` ever had resident.
    pub ingest_rss_mib: Option<f64>,
    /// The most that any worker ever had.
    pub worker_rss_mib: Option<f64>,
    /// The queue's memory and its messages' bodies, by messages waiting in it.
    pub broker_bytes_per_message: Option<f64>,
    /// How many messages waited in it then.
    pub broker_messages: Option<u64>,
}

/// A gateway's figures.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// Accepting.
    pub accept: Accept,
    /// The whole way.
    pub end_to_end: EndToEnd,
    /// The backlog.
    pub drain: Drain,
    /// Memory.
    pub memory: Memory,
}

/// Measures `gateway`, on which no worker runs yet. At the end its workers run, and everything is accounted
/// for.
///
/// # Errors
/// When a message is lost.
pub async fn measure(services: &Services, plan: &Plan, gateway: &mut Gateway) -> anyhow::Result<Measured> {
    services.settle().await?;
    say("  accepting, no worker: closed loop");
    peak(gateway, plan, "w", plan.warm).await?;
    let accept_per_s = peak(gateway, plan, "a", plan.closed).await?.per_s();
    let (broker_messages, broker_bytes_per_message) = broker(services, gateway).await?;

    services.settle().await?;
    let drain = drain(gateway).await?;
    gateway.stop_workers().await?;

    services.settle().await?;
    let open_per_s = accept_per_s / 2.0;
    say(&format!("  accepting, no worker: open loop at {open_per_s:.0}/s"));
    let load = open(&gateway.traffic, "b", plan.connections, open_per_s, plan.open).await?;
    let latency = answers(&load)?;
    post(gateway, &load);
    let accept = Accept { per_s: accept_per_s, open_per_s, latency };

    gateway.start_workers(WORKERS).await?;
    gateway.settle().await?;
    let end_to_end = end_to_end(services, plan, gateway).await?;
    let worker_rss_mib = gateway.workers.iter().filter_map(Program::resident_mib_max);
    let memory = Memory {
        ingest_rss_mib: gateway.ingest.resident_mib_max(),
        worker_rss_mib: worker_rss_mib.max_by(f64::total_cmp),
        broker_bytes_per_message,
        broker_messages,
    };
    gateway.check().await?;
    Ok(Measured { accept, end_to_end, drain, memory })
}

/// Counts what a load came to, and says what was not accepted.
pub fn post(gateway: &mut Gateway, load: &Load) {
    gateway.accepted += load.accepted;
    gateway.unknown += load.unknown;
    for (status, count) in &load.refused {
        say(&format!("    {count} answered {status}: not accepted, so not counted"));
        // a 5xx promises nothing: the message may be stored all the same
        gateway.unknown += if *status >= 500 { *count } else { 0 };
    }
    if load.unknown > 0 {
        say(&format!("    {} without an answer: stored or not", load.unknown));
    }
}

/// Posts in a closed loop for so long.
async fn peak(
    gateway: &mut Gateway,
    plan: &Plan,
    tag: &'static str,
    lasts: Duration,
) -> anyhow::Result<Load> {
    let load = closed(&gateway.traffic, tag, plan.connections, Until::Elapsed(lasts)).await?;
    post(gateway, &load);
    Ok(load)
}

/// Posts at this rate while everything runs, and waits until all of it is processed; the load.
pub async fn post_and_settle(
    plan: &Plan,
    gateway: &mut Gateway,
    tag: &'static str,
    per_s: f64,
) -> anyhow::Result<Load> {
    say(&format!("  everything runs: open loop at {per_s:.0}/s"));
    let load = open(&gateway.traffic, tag, plan.connections, per_s, plan.open).await?;
    post(gateway, &load);
    gateway.settle().await?;
    Ok(load)
}

/// From when each of these messages was due to the commit of its effect.
pub async fn effects(
    gateway: &Gateway,
    tag: &str,
    load: &Load,
    is_meant: impl Fn(u64) -> bool,
) -> anyhow::Result<Latency> {
    let commits = gateway.commits(tag).await?;
    let meant = commits.iter().filter(|(n, _)| is_meant(*n));
    Latency::of_micros(meant.map(|&(n, at)| at as f64 - load.due_at(n)))
}

fn answers(load: &Load) -> anyhow::Result<Latency> {
    Latency::of_micros(load.answers.iter().map(|&(_, micros)| f64::from(micros)))
}

/// What a waiting message costs the broker: how many wait, and the bytes of each.
async fn broker(services: &Services, gateway: &Gateway) -> anyhow::Result<(Option<u64>, Option<f64>)> {
    let Some(queue) = gateway.queue else { return Ok((None, None)) };
    say("  waiting until the relay has published what it will");
    let mut before = None;
    for _ in 0..10 {
        tokio::time::sleep(FIGURES_EVERY).await;
        let Some(queue) = services.queue(&gateway.space, queue).await? else { continue };
        if queue.messages > 0 && before == Some(queue.messages) {
            let bytes = (queue.memory_bytes + queue.message_bytes) as f64;
            return Ok((Some(queue.messages), Some(bytes / queue.messages as f64)));
        }
        before = Some(queue.messages);
    }
    say("    the queue does not come to rest: its memory is left out");
    Ok((None, None))
}

async fn drain(gateway: &mut Gateway) -> anyhow::Result<Drain> {
    let accepted: i64 = gateway.ask(gateway.questions.accepted).await?;
    say(&format!("  draining {accepted} messages with {WORKERS} workers"));
    let began = SystemTime::now();
    gateway.start_workers(WORKERS).await?;
    gateway.settle().await?;
    let seconds = since(gateway, began).await?;
    Ok(Drain { backlog: accepted.unsigned_abs(), per_s: accepted as f64 / seconds })
}

async fn end_to_end(services: &Services, plan: &Plan, gateway: &mut Gateway) -> anyhow::Result<EndToEnd> {
    say("  everything runs: closed loop");
    peak(gateway, plan, "x", plan.warm).await?;
    gateway.settle().await?;
    services.settle().await?;
    let load = peak(gateway, plan, "c", plan.closed).await?;
    gateway.settle().await?;
    let per_s = load.accepted as f64 / since(gateway, load.began).await?;

    services.settle().await?;
    let open_per_s = per_s / 2.0;
    let load = post_and_settle(plan, gateway, "o", open_per_s).await?;
    let latency = effects(gateway, "o", &load, |_| true).await?;
    Ok(EndToEnd { per_s, open_per_s, latency, answer: answers(&load)? })
}

/// Seconds from `began` to the last commit.
async fn since(gateway: &Gateway, began: SystemTime) -> anyhow::Result<f64> {
    let last: i64 = gateway.ask(gateway.questions.last_commit).await?;
    let began = began.duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64();
    Ok(last as f64 / 1e6 - began)
}
