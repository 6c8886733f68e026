//! What one hot key costs the others: the same load twice, once spread over all patients, once with one
//! message in so many about one patient. Only the others' latencies are compared.

use serde::Serialize;

use crate::bodies::Bodies;
use crate::gateway::Gateway;
use crate::latency::Latency;
use crate::measure::{effects, post_and_settle};
use crate::plan::Plan;
use crate::services::Services;

/// One message in so many is about the hot patient.
const EVERY: u64 = 20;

/// The price of a hot key.
#[derive(Debug, Clone, Serialize)]
pub struct HotKey {
    /// Messages per second, all together.
    pub open_per_s: f64,
    /// The share of the hot key, when it is hot.
    pub share: f64,
    /// The others end to end, without a hot key.
    pub others_without: Latency,
    /// The others end to end, beside a hot key.
    pub others_beside: Latency,
    /// How many times as long half of the others take beside it.
    pub p50_vs_without: f64,
    /// How many times as long 99 of 100 take.
    pub p99_vs_without: f64,
    /// The hot key itself, end to end.
    pub hot: Latency,
}

/// Measures at half of `per_s`, on a gateway whose workers run.
pub async fn measure(
    services: &Services,
    plan: &Plan,
    gateway: &mut Gateway,
    per_s: f64,
) -> anyhow::Result<HotKey> {
    let open_per_s = per_s / 2.0;
    let is_other = |n: u64| !n.is_multiple_of(EVERY);
    services.settle().await?;
    let load = post_and_settle(plan, gateway, "k", open_per_s).await?;
    let others_without = effects(gateway, "k", &load, is_other).await?;

    services.settle().await?;
    gateway.traffic.bodies = Bodies::Hl7 { hot_every: EVERY };
    let load = post_and_settle(plan, gateway, "h", open_per_s).await?;
    let others_beside = effects(gateway, "h", &load, is_other).await?;
    let hot = effects(gateway, "h", &load, |n| !is_other(n)).await?;
    gateway.check().await?;
    Ok(HotKey {
        open_per_s,
        share: 1.0 / EVERY as f64,
        p50_vs_without: others_beside.p50_ms / others_without.p50_ms,
        p99_vs_without: others_beside.p99_ms / others_without.p99_ms,
        others_without,
        others_beside,
        hot,
    })
}
