//! Faults, on services of their own: one test at a time, and each leaves them running.

mod postgres;
mod rabbitmq;
mod worker;
