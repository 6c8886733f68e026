//! The rate of each source: above it, the answer is 429 and nothing is stored.
//!
//! Counted per process, after authentication, so that nobody can use up another's rate. A source
//! whose rate was changed starts anew.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};

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
        limiter.1.check().map_err(|refused| {
            let wait = refused.wait_time_from(DefaultClock::default().now());
            wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
        })
    }
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
}
