//! The ledger: schema, migrations, every SQL statement and every transition.
//!
//! Each verb of [`waybill_core::lifecycle`] is one function here: named, guarded by the states it
//! may leave, and checked by counting rows. Nobody else writes SQL. This crate never talks to the
//! broker, and holds no lock or transaction while anything but PostgreSQL is waited for.

pub mod accept;
pub mod accept_batch;
pub mod audit;
pub mod audit_trail;
pub mod body;
pub mod claim;
mod concurrent;
pub mod conservation;
pub mod console;
pub mod dead;
pub mod decide;
pub mod directory;
pub mod durability;
pub mod edit;
mod effects;
pub mod error;
pub mod find;
pub mod find_index;
pub mod finding;
pub mod gauges;
pub mod glance;
pub mod health;
pub mod keyed;
pub mod lost;
pub mod message;
pub mod migrate;
mod ordering;
pub mod overdue;
pub mod pack;
pub mod plan;
pub mod pool;
pub mod problem;
pub mod record;
pub mod relay;
pub mod repair;
pub mod retention;
pub mod seek;
pub mod source;
pub mod source_key;
pub mod source_state;
pub mod sweep;
pub mod timeline;
pub mod undo;
pub mod upkeep;

pub use error::StoreError;
pub use pool::{Config, Store};
