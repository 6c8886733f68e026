//! More workers, more throughput? On one machine that can only be seen where the machine is not the
//! limit: each effect is made to take its time, by a trigger in PostgreSQL that sleeps.

use std::time::Duration;

use serde::Serialize;
use sqlx::{AssertSqlSafe, Executor as _};

use crate::gateway::Gateway;
use crate::load::{Until, closed};
use crate::measure::post;
use crate::plan::Plan;
use crate::say;

/// How long each effect takes.
const SERVICE_MS: u64 = 20;
/// Batches that a worker has in hand at once (`worker.executors`); the effects of a batch are written
/// one after another.
const AT_ONCE: u64 = 2;
/// Workers, in each of the runs.
const WORKERS: [usize; 4] = [1, 2, 4, 8];
/// For the first batches to be recorded.
const START: Duration = Duration::from_millis(1500);

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scaled {
    /// How many workers ran.
    pub workers: usize,
    /// How long each effect took.
    pub service_ms: u64,
    /// Messages per second.
    pub per_s: f64,
    /// That, by as many times the throughput of one worker.
    pub efficiency: f64,
}

/// Measures each number of workers on the same backlog; then works the rest off without the sleep.
pub async fn measure(plan: &Plan, gateway: &mut Gateway) -> anyhow::Result<Vec<Scaled>> {
    let sleep = format!(
        "create function take_time() returns trigger language plpgsql as $$
         begin perform pg_sleep({SERVICE_MS} / 1000.0); return new; end $$;
         create trigger take_time before insert on conditions_of_joining
             for each row execute function take_time()"
    );
    gateway.space.db.execute(AssertSqlSafe(sleep)).await?;
    let workers: usize = WORKERS.iter().sum();
    let seconds = (plan.scaling + START + START).as_secs_f64();
    let backlog = workers as f64 * seconds * (AT_ONCE * 1000 / SERVICE_MS) as f64;
    let load = closed(&gateway.traffic, "s", plan.connections, Until::Posted(backlog as u64)).await?;
    post(gateway, &load);
    let mut runs: Vec<Scaled> = Vec::new();
    for workers in WORKERS {
        say(&format!("  {workers} workers, {SERVICE_MS} ms for each effect"));
        gateway.start_workers(workers).await?;
        let first = last_commit(gateway).await?;
        tokio::time::sleep(START + plan.scaling).await;
        let per_s = rate(gateway, first).await?;
        gateway.stop_workers().await?;
        let one = runs.first().map_or(per_s, |run| run.per_s);
        let efficiency = per_s / (workers as f64 * one);
        runs.push(Scaled { workers, service_ms: SERVICE_MS, per_s, efficiency });
    }
    gateway.space.db.execute("drop trigger take_time on conditions_of_joining").await?;
    gateway.start_workers(2).await?;
    gateway.settle().await?;
    gateway.check().await?;
    Ok(runs)
}

async fn last_commit(gateway: &Gateway) -> anyhow::Result<i64> {
    Ok(gateway.ask::<Option<i64>>(gateway.questions.last_commit).await?.unwrap_or_default())
}

/// Messages per second since the commit after `first`, counted from commit to commit: batches end
/// together, and a window that cuts through one would count it or not by chance.
async fn rate(gateway: &Gateway, first: i64) -> anyhow::Result<f64> {
    let mut commits: Vec<i64> = gateway.commits("s").await?.into_iter().map(|(_, at)| at).collect();
    commits.retain(|&at| at > first);
    commits.sort_unstable();
    let (Some(begin), Some(end)) = (commits.first(), commits.last()) else {
        anyhow::bail!("nothing was processed")
    };
    let counted = commits.iter().filter(|&at| at > begin).count();
    anyhow::ensure!(counted > 0, "too little was processed to tell a rate");
    Ok(counted as f64 / ((end - begin) as f64 / 1e6))
}
