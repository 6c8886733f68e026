//! How long each part of a run takes. Nothing else differs between a full and a quick run.

use std::time::Duration;

/// The durations and sizes of a run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// `full` or `quick`.
    pub mode: &'static str,
    /// Load that is not measured, before each part.
    pub warm: Duration,
    /// Each closed loop.
    pub closed: Duration,
    /// Each open loop.
    pub open: Duration,
    /// Each floor.
    pub floor: Duration,
    /// Each of the four ways of reading HL7.
    pub hl7: Duration,
    /// Each number of workers.
    pub scaling: Duration,
    /// Dead letters of the replay plan.
    pub dead_letters: u64,
    /// Connections of the load generator.
    pub connections: usize,
}

/// Connections of every load: what a partner's integration engine and a few web servers may open.
const CONNECTIONS: usize = 256;

impl Plan {
    /// The run whose figures are worth keeping: about a quarter of an hour.
    pub fn full() -> Self {
        Self {
            mode: "full",
            warm: Duration::from_secs(2),
            closed: Duration::from_secs(8),
            open: Duration::from_secs(10),
            floor: Duration::from_secs(8),
            hl7: Duration::from_secs(5),
            scaling: Duration::from_secs(12),
            dead_letters: 232_000,
            connections: CONNECTIONS,
        }
    }

    /// The run that shows that everything still works: about two minutes.
    pub fn quick() -> Self {
        Self {
            mode: "quick",
            warm: Duration::from_millis(500),
            closed: Duration::from_millis(1500),
            open: Duration::from_secs(2),
            floor: Duration::from_millis(1500),
            hl7: Duration::from_millis(700),
            scaling: Duration::from_secs(3),
            dead_letters: 5_000,
            connections: CONNECTIONS,
        }
    }
}
