//! What every long-running process has: configuration, logs, metrics, admin port, shutdown.
