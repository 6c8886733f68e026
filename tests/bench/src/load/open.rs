//! The open loop: when each message is due is fixed in advance, whatever the answers do, and its
//! latency counts from that moment. A stall delays the answers of all that came due meanwhile, and
//! all of them say so (no coordinated omission).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::connection::Connection;
use super::{Load, Traffic};

/// Posts at `per_s` for `lasts`, over at most `connections` connections: a message that comes due
/// while all are busy waits, and its latency says so.
///
/// # Errors
/// When nobody answers.
pub async fn open(
    traffic: &Traffic,
    tag: &'static str,
    connections: usize,
    per_s: f64,
    lasts: Duration,
) -> anyhow::Result<Load> {
    let count = (per_s * lasts.as_secs_f64()) as u64;
    anyhow::ensure!(count > 0, "an open loop of less than one message");
    let schedule = Schedule { began: Instant::now(), step_s: 1.0 / per_s, count };
    let mut load = Load::new();
    let due = Arc::new(Semaphore::new(0));
    let next = Arc::new(AtomicU64::new(0));
    let mut senders = JoinSet::new();
    for _ in 0..connections {
        let (traffic, due, next) = (traffic.clone(), Arc::clone(&due), Arc::clone(&next));
        senders.spawn(async move { send(&traffic, tag, &due, &next, schedule).await });
    }
    // a thread of its own: a runtime's timers are a millisecond wide
    let pacing = tokio::task::spawn_blocking(move || pace(&due, schedule, connections));
    while let Some(part) = senders.join_next().await {
        load.add(part??);
    }
    pacing.await?;
    load.accepted_in_time = load.accepted;
    load.lasted = lasts;
    load.step_s = schedule.step_s;
    Ok(load)
}

/// When each message is due.
#[derive(Debug, Clone, Copy)]
struct Schedule {
    began: Instant,
    step_s: f64,
    count: u64,
}

impl Schedule {
    fn at(self, n: u64) -> Instant {
        self.began + Duration::from_secs_f64(self.step_s * n as f64)
    }
}

/// Lets each message go when it is due, and at the end each sender.
fn pace(due: &Semaphore, schedule: Schedule, senders: usize) {
    for n in 0..schedule.count {
        let wait = schedule.at(n).saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
        due.add_permits(1);
    }
    due.add_permits(senders);
}

async fn send(
    traffic: &Traffic,
    tag: &str,
    due: &Semaphore,
    next: &AtomicU64,
    schedule: Schedule,
) -> anyhow::Result<Load> {
    let mut load = Load::new();
    let mut connection = Connection::new(traffic);
    while let Ok(permit) = due.acquire().await {
        permit.forget();
        let n = next.fetch_add(1, Ordering::Relaxed);
        if n >= schedule.count {
            break;
        }
        if connection.post(tag, n, &mut load).await? {
            let micros = schedule.at(n).elapsed().as_micros();
            load.answers.push((n, u32::try_from(micros).unwrap_or(u32::MAX)));
        }
    }
    Ok(load)
}
