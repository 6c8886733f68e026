//! The operator's tool, and the serving process: relay, sweeps, watch.
