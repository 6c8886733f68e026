//! The integration tests: one binary, against real PostgreSQL and real RabbitMQ.
//!
//! `./dev test` provides the services and says in the environment where they are. Each test has a
//! database and a virtual host of its own; when it ends, the harness asserts that the ledger
//! balances. A test waits on what it can see, never on the clock.

mod support;

mod accept;
mod cancel;
mod claims;
mod command_line;
mod conservation;
mod demo;
mod fault;
mod idempotency;
mod order;
mod process;
mod publish;
mod shape;
mod shutdown;
mod verbs;
