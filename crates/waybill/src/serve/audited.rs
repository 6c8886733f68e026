//! The head of the audit trail, told outside: its place and hash in the log, its place as a metric. Whoever
//! cuts the trail's end off cannot cut it off there too.

use waybill_core::audit::Head;
use waybill_store::Store;

use super::sweep::{Done, Sweep, number};

/// The pass that tells the head.
#[derive(Debug)]
pub(super) struct Audited {
    pub(super) store: Store,
    /// The head that was logged last.
    pub(super) logged: Option<Head>,
}

impl Sweep for Audited {
    const NAME: &'static str = "audited";

    async fn run_once(&mut self) -> anyhow::Result<Done> {
        let head = self.store.audit_head().await?;
        metrics::gauge!("waybill_audit_position").set(number(head.position));
        if self.logged.is_some_and(|logged| logged.position > head.position) {
            tracing::error!(audit.head = %head, "the audit trail has become shorter: see docs/RUNBOOK.md");
        } else if self.logged != Some(head) {
            tracing::info!(audit.head = %head, "the audit trail's head: keep it, for waybill audit verify --expect");
        }
        self.logged = Some(head);
        Ok(Done::default())
    }
}
