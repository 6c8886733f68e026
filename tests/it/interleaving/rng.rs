//! Chance that can be repeated: `SplitMix64` (Steele, Lea, Flood 2014), seeded and printed.

/// A sequence of numbers that its seed decides.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// The sequence of `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A sequence of its own for part number `part`.
    pub fn part(seed: u64, part: u64) -> Self {
        let mut mixed = Self(seed ^ part.wrapping_mul(0xd134_2543_de82_ef95));
        Self(mixed.next())
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is above 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    /// Yes, so many times in a hundred.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Takes one out, whichever; `None` when there is none.
    pub fn take<T>(&mut self, from: &mut Vec<T>) -> Option<T> {
        (!from.is_empty()).then(|| from.swap_remove(self.below(from.len())))
    }
}

/// The seeds of a test: the one of `WAYBILL_TEST_SEED`, or `count` new ones.
pub fn seeds(count: u64) -> Vec<u64> {
    if let Ok(seed) = std::env::var("WAYBILL_TEST_SEED") {
        return vec![seed.parse().expect("WAYBILL_TEST_SEED is a number")];
    }
    let mut rng = Rng::new(u64::try_from(uuid::Uuid::now_v7().as_u128() & u128::from(u64::MAX)).unwrap());
    (0..count).map(|_| rng.next() >> 32).collect()
}
