//! The doorbell: topology, supervised connections, publisher, consumer.
//!
//! RabbitMQ wakes workers; it is not where messages are kept. This crate never talks to
//! PostgreSQL, never publishes from a consuming connection (a blocked connection would hold the
//! acknowledgements up), and waits for nothing without a time limit.

pub mod api;
pub mod connection;
pub mod consumer;
pub mod dead;
pub mod error;
pub mod findings;
pub mod guard;
pub mod permissions;
pub mod prometheus;
pub mod publisher;
mod subscription;
pub mod topology;

pub use connection::{Broker, Config, Link};
pub use error::BrokerError;
