//! The network between partners, processes and services.

use anyhow::Result;

use super::Force;
use crate::proxy::{Mode, Proxy};
use crate::run::{Patience, until};
use crate::stage::Stage;

/// Something that happens to a way.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) way: Way,
    pub(super) mode: Mode,
    pub(super) hold_ms: u64,
}

/// Which way: from partners, or from our processes, to these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Ingest,
    Ledger,
    Broker,
}

impl Network {
    pub(super) fn inject(&self, stage: &Stage) {
        self.set(stage, self.mode);
    }

    pub(super) const fn hold_ms(&self) -> u64 {
        self.hold_ms
    }

    pub(super) fn heal(&self, stage: &Stage) {
        self.set(stage, Mode::Open);
    }

    /// How often it has bitten so far.
    pub(super) fn bites(&self, stage: &Stage) -> u64 {
        match self.way {
            Way::Ingest => stage.to_ingest.iter().map(Proxy::bites).sum(),
            Way::Ledger => stage.to_ledger.bites(),
            Way::Broker => stage.to_broker.bites(),
        }
    }

    pub(super) async fn bitten(&self, stage: &Stage, force: &Force) -> Result<String> {
        until("the network to bite", Patience::BITE, async || Ok(self.bites(stage) > force.bites)).await?;
        Ok(format!("{} connections or chunks were hit", self.bites(stage) - force.bites))
    }

    fn set(&self, stage: &Stage, mode: Mode) {
        match self.way {
            Way::Ingest => stage.to_ingest.iter().for_each(|proxy| proxy.set(mode)),
            Way::Ledger => stage.to_ledger.set(mode),
            Way::Broker => stage.to_broker.set(mode),
        }
    }
}
