//! The closed loop: each connection posts again as soon as it is answered. It finds the peak; its
//! latencies say nothing, for a slow answer makes it ask less.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::connection::Connection;
use super::{Load, Traffic};

/// When a closed loop ends.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// After this long.
    Elapsed(Duration),
    /// After so many messages.
    Posted(u64),
}

/// Posts over `connections` connections, each message once, under keys `{tag}-{number}`.
///
/// # Errors
/// When nobody answers.
pub async fn closed(
    traffic: &Traffic,
    tag: &'static str,
    connections: usize,
    until: Until,
) -> anyhow::Result<Load> {
    let next = Arc::new(AtomicU64::new(0));
    let mut load = Load::new();
    let began = Instant::now();
    let mut senders = JoinSet::new();
    for _ in 0..connections {
        let (traffic, next) = (traffic.clone(), Arc::clone(&next));
        senders.spawn(async move { send(&traffic, tag, &next, began, until).await });
    }
    while let Some(part) = senders.join_next().await {
        load.add(part??);
    }
    load.lasted = match until {
        Until::Elapsed(duration) => duration,
        Until::Posted(_) => began.elapsed(),
    };
    Ok(load)
}

async fn send(
    traffic: &Traffic,
    tag: &str,
    next: &AtomicU64,
    began: Instant,
    until: Until,
) -> anyhow::Result<Load> {
    let mut load = Load::new();
    let mut connection = Connection::new(traffic);
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        let goes_on = match until {
            Until::Elapsed(duration) => began.elapsed() < duration,
            Until::Posted(count) => n < count,
        };
        if !goes_on {
            return Ok(load);
        }
        let accepted = connection.post(tag, n, &mut load).await?;
        let in_time = !matches!(until, Until::Elapsed(duration) if began.elapsed() > duration);
        load.accepted_in_time += u64::from(accepted && in_time);
    }
}
