//! Logs and metrics. Logs go to standard error, as text or as JSON lines; a panic's message is not
//! logged, for it may quote a value: its place is.

use std::io::IsTerminal as _;
use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::config::Process;

/// Bounds of the histograms that measure durations, in seconds.
const SECONDS: [f64; 17] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// Sets up logs, the panic hook and the one TLS backend of this process.
///
/// # Errors
/// When the log filter cannot be read.
pub fn init(config: &Process) -> Result<(), String> {
    let filter = EnvFilter::try_new(&config.log)
        .map_err(|_| "process.log is not a filter: try info, or info,waybill_relay=debug".to_owned())?
        // the client logs returned messages whole
        .add_directive("lapin=error".parse().map_err(|_| "a log directive".to_owned())?);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let set = if config.log_format == "json" {
        builder.json().flatten_event(true).try_init()
    } else {
        builder.with_target(false).try_init()
    };
    set.map_err(|_| "logs are set up already".to_owned())?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a panic");
    }));
    install_tls();
    Ok(())
}

/// Makes aws-lc-rs the TLS backend of everything in this process that speaks TLS.
pub fn install_tls() {
    // fails only when one is installed already, which is as good
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// The process's metrics, installed on first use.
///
/// # Errors
/// When another recorder is installed.
pub fn metrics() -> Result<&'static PrometheusHandle, String> {
    static HANDLE: OnceLock<Result<PrometheusHandle, String>> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
                .and_then(PrometheusBuilder::install_recorder)
                .map_err(|e| format!("metrics: {e}"))
        })
        .as_ref()
        .map_err(Clone::clone)
}

/// Keeps the histograms bounded, until told to stop.
pub async fn upkeep(handle: &PrometheusHandle, stop: tokio_util::sync::CancellationToken) {
    let mut every = tokio::time::interval(Duration::from_secs(5));
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = every.tick() => handle.run_upkeep(),
        }
    }
}
