//! The harness: services, a world per test, a partner that posts.

pub mod by_hand;
pub mod partner;
pub mod programs;
pub mod services;
pub mod world;

pub use partner::Partner;
pub use services::Services;
pub use world::World;

use std::time::{Duration, Instant};

use waybill_store::audit::By;

/// Who acts in a test that is not about who does.
pub const BY: By<'static> = By::cli("a test");

/// How long a test waits for what must come.
pub const LIMIT: Duration = Duration::from_mins(1);
/// Between two looks.
pub const PAUSE: Duration = Duration::from_millis(20);

/// Asks until the answer is yes; says what was waited for when it stays no.
pub async fn until<F: Future<Output = bool>>(what: &str, ask: impl FnMut() -> F) {
    within(LIMIT, what, ask).await;
}

/// The same, for what takes as long as the product's own timers, or is many steps.
pub async fn until_at_last<F: Future<Output = bool>>(what: &str, ask: impl FnMut() -> F) {
    within(LIMIT * 3, what, ask).await;
}

async fn within<F: Future<Output = bool>>(limit: Duration, what: &str, mut ask: impl FnMut() -> F) {
    let began = Instant::now();
    while !ask().await {
        assert!(began.elapsed() < limit, "waited {limit:?} for: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}
