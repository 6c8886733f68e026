//! What every Waybill process has: configuration, logs, metrics, an admin port, an HTTP server
//! with limits, and a shutdown in two stages.
//!
//! Knows nothing of messages, the ledger or the broker: it could serve any other program.

pub mod admin;
pub mod chance;
pub mod config;
pub mod http;
pub mod lifecycle;
pub mod readiness;
pub mod telemetry;

pub use lifecycle::Lifecycle;
pub use readiness::Readiness;
