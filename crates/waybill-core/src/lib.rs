//! What a message is, which kinds exist, how one is processed and what happens next.
//!
//! Everything here is pure: bytes and values in, values out. No tokio, sqlx, lapin or axum; no
//! clock, no randomness, no environment. What this crate decides can therefore be tested without
//! a service, and cannot fail for reasons outside of it.

pub mod accept;
pub mod audit;
pub mod correction;
pub mod credential;
pub mod difference;
pub mod envelope;
pub mod find;
pub mod fingerprint;
pub mod hl7;
pub mod items;
pub mod kinds;
pub mod lifecycle;
pub mod mask;
pub mod ordering;
pub mod outcome;
pub mod plan;
pub mod recovery;
pub mod source;
pub mod words;
