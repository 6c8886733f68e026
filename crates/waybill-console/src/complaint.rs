//! What `waybill doctor` finds wrong that no metric says: PostgreSQL's settings, RabbitMQ's version, who
//! is held behind whom. `waybill serve` asks it now and then, and the overview repeats it.

use tokio::sync::watch;

/// A check that did not come out well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// What was looked at, for instance `postgresql`.
    pub area: String,
    /// The check's name.
    pub check: String,
    /// It does not work or can lose messages; else it works, and somebody should look.
    pub is_failure: bool,
    /// Why.
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

/// The complaints of the last look.
pub type Complaints = watch::Receiver<Vec<Complaint>>;
