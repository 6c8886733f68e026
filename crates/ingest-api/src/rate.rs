//! The rate of each source: above it, the answer is 429 and nothing is stored.
//!
//! Counted per process, after authentication, so that nobody can use up another's rate. A source
//! whose rate was changed starts anew.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use waybill_core::source::Source;

/// The limiters of all sources that have a rate.
#[derive(Debug, Default)]
pub struct Rates {
    by_source: Mutex<HashMap<String, (Quota, DefaultDirectRateLimiter)>>,
}

impl Rates {
    /// Counts one submission of `source`.
    ///
    /// # Errors
    /// The seconds after which one more will be taken.
    pub fn count(&self, source: &Source) -> Result<(), u64> {
        self.ask(source, |limiter| {
            limiter.check().map_err(|refused| whole(refused.wait_time_from(DefaultClock::default().now())))
        })
    }

    /// Counts the items of a batch whose first one [`Rates::count`] has counted: all or none.
    ///
    /// # Errors
    /// How long to wait, or that waiting does not help.
    pub fn count_rest(&self, source: &Source, items: usize) -> Result<(), TooFast> {
        let items = u32::try_from(items).unwrap_or(u32::MAX);
        let Some(rest) = items.checked_sub(1).and_then(NonZeroU32::new) else { return Ok(()) };
        self.ask(source, |limiter| {
            let full = source.burst.div_ceil(source.rate_per_s.max(1)).into();
            if items > source.burst {
                // judged by the whole of it: the first item is already counted
                return Err(TooFast { wait_s: full, never: true });
            }
            limiter.check_n(rest).map_err(|_| TooFast { wait_s: full, never: true })?.map_err(|refused| {
                TooFast { wait_s: whole(refused.wait_time_from(DefaultClock::default().now())), never: false }
            })
        })
    }

    /// What the limiter of `source` says; a source without a rate has none.
    fn ask<E>(
        &self,
        source: &Source,
        ask: impl FnOnce(&DefaultDirectRateLimiter) -> Result<(), E>,
    ) -> Result<(), E> {
        let (Some(rate), Some(burst)) = (NonZeroU32::new(source.rate_per_s), NonZeroU32::new(source.burst))
        else {
            return Ok(());
        };
        let quota = Quota::per_second(rate).allow_burst(burst);
        let mut limiters = self.by_source.lock().unwrap_or_else(PoisonError::into_inner);
        let limiter = limiters
            .entry(source.name.clone())
            .and_modify(|known| {
                if known.0 != quota {
                    *known = (quota, RateLimiter::direct(quota));
                }
            })
            .or_insert_with(|| (quota, RateLimiter::direct(quota)));
        ask(&limiter.1)
    }
}

/// A batch is above its source's rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooFast {
    /// After so many seconds it will be taken; or, where it never will be, a batch of `burst` items.
    pub wait_s: u64,
    /// It has more items than the source may send at once, so waiting does not help.
    pub never: bool,
}

/// Whole seconds, rounded up.
fn whole(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(rate: u32, burst: u32) -> Source {
        let text =
            format!("[[source]]\nname = \"a\"\nformat = \"opaque\"\nrate_per_s = {rate}\nburst = {burst}");
        waybill_core::source::read(&text).unwrap().remove(0)
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_counts() {
        let rates = Rates::default();
        let slow = source(1, 3);
        assert!((0..3).all(|_| rates.count(&slow).is_ok()));
        assert_eq!(rates.count(&slow), Err(1));
        assert!((0..10).all(|_| rates.count(&source(0, 1)).is_ok()), "0 is no limit");
        assert!(rates.count(&source(2, 3)).is_ok(), "a changed rate starts anew");
    }

    #[test]
    fn the_items_of_a_batch_count_together_or_not_at_all() {
        let rates = Rates::default();
        let slow = source(1, 100);
        let post = |items| rates.count(&slow).map(|()| rates.count_rest(&slow, items));
        assert_eq!(post(101), Ok(Err(TooFast { wait_s: 100, never: true })));
        assert_eq!(post(60), Ok(Ok(())));
        let wait = post(60);
        assert!(matches!(wait, Ok(Err(TooFast { wait_s: 1..=60, never: false }))), "{wait:?}");
        assert_eq!(post(30), Ok(Ok(())), "what was refused took no more than its first");
        assert_eq!(post(1), Ok(Ok(())));
        assert_eq!(rates.count_rest(&source(0, 1), 10_000), Ok(()), "0 is no limit");
    }
}
