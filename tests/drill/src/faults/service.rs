//! PostgreSQL or RabbitMQ itself: killed, restarted, frozen, alarmed, by the control script.

use anyhow::Result;

use super::Force;
use crate::run::{Patience, until};
use crate::services::Services;
use crate::stage::Stage;

/// Something that the control script breaks and mends.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) breaks: &'static [&'static str],
    pub(super) mends: &'static [&'static str],
    pub(super) shows: Shows,
    pub(super) hold_ms: u64,
}

/// What shows that it was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shows {
    /// Partners are refused.
    Refusals,
    /// Work piles up in the ledger.
    Backlog,
    /// Answers take longer: nothing else can be seen from outside.
    Delay,
}

/// As much work as piles up only where something has come to a halt.
const BACKLOG: i64 = 40;
/// Posts that partners were refused.
const REFUSALS: u64 = 3;

impl Service {
    pub(super) async fn inject(&self, stage: &Stage) -> Result<()> {
        stage.services.control(self.breaks).await.map(drop)
    }

    pub(super) async fn bitten(&self, stage: &Stage, force: &Force) -> Result<String> {
        match self.shows {
            Shows::Refusals => refused(stage, force).await,
            Shows::Backlog => piled_up(stage).await,
            Shows::Delay => delayed(stage).await,
        }
    }

    pub(super) const fn hold_ms(&self) -> u64 {
        self.hold_ms
    }

    pub(super) async fn heal(&self, stage: &Stage) -> Result<()> {
        stage.services.control(self.mends).await?;
        Ok(())
    }

    /// The control script knows what this machine lacks for it.
    pub(super) async fn cannot(&self, services: &Services) -> Result<Option<String>> {
        let mut words = vec!["can"];
        words.extend(self.breaks);
        let said = services.control(&words).await?;
        Ok(Some(said).filter(|said| !said.is_empty()))
    }
}

/// Waits until partners have been refused.
pub(super) async fn refused(stage: &Stage, force: &Force) -> Result<String> {
    let wanted = force.refused + REFUSALS;
    until("partners to be refused", Patience::BITE, async || Ok(stage.refused() >= wanted)).await?;
    Ok(format!("{} posts were refused", stage.refused() - force.refused))
}

/// Waits until work has piled up in the ledger.
pub(super) async fn piled_up(stage: &Stage) -> Result<String> {
    const QUERY: &str = "select count(*) from progress where finished_at is null and state <> 'held'";
    until("work to pile up in the ledger", Patience::BITE, async || {
        Ok(stage.count(QUERY).await.is_ok_and(|count| count >= BACKLOG))
    })
    .await?;
    Ok(format!("{} messages were in flight", stage.count(QUERY).await?))
}

/// Waits until a commit has taken its time.
async fn delayed(stage: &Stage) -> Result<String> {
    let began = std::time::Instant::now();
    let accepted = |stage: &Stage| stage.partner.as_ref().map_or(0, crate::partner::Partner::accepted);
    let before = accepted(stage);
    until("slow answers", Patience::BITE, async || Ok(began.elapsed().as_secs() >= 3)).await?;
    let rate = (accepted(stage) - before) / 3;
    anyhow::ensure!(rate < 60, "{rate} messages were accepted in a second, as if nothing were the matter");
    Ok(format!("{rate} messages were accepted in a second"))
}
