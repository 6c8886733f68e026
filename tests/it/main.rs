//! The integration tests: one binary, against real PostgreSQL and real RabbitMQ.
//!
//! `./dev test` provides the services and says in the environment where they are. Each test has a
//! database and a virtual host of its own; when it ends, the harness asserts that the ledger
//! balances. A test waits on what it can see, never on the clock.

mod support;

mod accept;
mod audit;
mod batch;
mod browser;
mod cancel;
mod claims;
mod cli;
mod command_line;
mod conservation;
mod console;
mod dead;
mod decisions;
mod demo;
mod doctor;
mod edit;
mod fault;
mod find;
mod forgotten;
mod hardening;
mod idempotency;
mod interleaving;
mod order;
mod pack;
mod plans;
mod process;
mod publish;
mod race;
mod shape;
mod show;
mod shutdown;
mod sources;
mod timeline;
mod verbs;
mod visits;
mod watch;
