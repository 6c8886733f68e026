//! Chance, for spreading waits: not for secrets.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// A random number in `[0, 1)`.
pub fn unit() -> f64 {
    // the standard library seeds each of these anew; 32 bits of it are exact as a float
    let random = RandomState::new().build_hasher().finish() >> 32;
    f64::from(u32::try_from(random).unwrap_or(u32::MAX)) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::unit;

    #[test]
    fn it_stays_in_range_and_varies() {
        let drawn: Vec<f64> = (0..1000).map(|_| unit()).collect();
        assert!(drawn.iter().all(|n| (0.0..1.0).contains(n)));
        assert!(drawn.iter().any(|n| *n < 0.2) && drawn.iter().any(|n| *n > 0.8));
    }
}
