//! Latencies as percentiles: of all that were measured, not of samples.

use serde::Serialize;

/// The middle and the tail of a set of latencies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Half are at most this, in milliseconds.
    pub p50_ms: f64,
    /// 99 of 100 are at most this, in milliseconds.
    pub p99_ms: f64,
}

impl Latency {
    /// Of latencies in microseconds.
    ///
    /// # Errors
    /// When there are none.
    pub fn of_micros(values: impl Iterator<Item = f64>) -> anyhow::Result<Self> {
        let mut values: Vec<f64> = values.collect();
        values.sort_unstable_by(f64::total_cmp);
        // nearest rank: the smallest value that so many are not above
        let rank = |share: f64| (share * values.len() as f64).ceil() as usize;
        let at = |share: f64| values.get(rank(share).saturating_sub(1)).map(|micros| micros / 1000.0);
        match (at(0.5), at(0.99)) {
            (Some(p50_ms), Some(p99_ms)) => Ok(Self { p50_ms, p99_ms }),
            _ => anyhow::bail!("there are no latencies: nothing was accepted"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let of = |values: &[f64]| Latency::of_micros(values.iter().copied()).unwrap();
        assert_eq!(of(&[3000.0, 1000.0, 2000.0]), Latency { p50_ms: 2.0, p99_ms: 3.0 });
        let hundred: Vec<f64> = (1..=100).map(|n| f64::from(n) * 1000.0).collect();
        assert_eq!(of(&hundred), Latency { p50_ms: 50.0, p99_ms: 99.0 });
        assert!(Latency::of_micros(std::iter::empty()).is_err());
    }
}
