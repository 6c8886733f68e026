//! What the console keeps: its users, their sessions, and what it asks the ledger for its pages.
//!
//! Nothing here reads a body; each question is bounded by a limit, a time or a small index.

pub mod browse;
pub mod flow;
pub mod login;
pub mod session;
pub mod user;
