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
pub async fn until<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let began = Instant::now();
    while !ask().await {
        assert!(began.elapsed() < LIMIT, "waited {LIMIT:?} for: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}
