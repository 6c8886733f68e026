//! The admin port: `/livez`, `/readyz` and `/metrics`.
//!
//! Live means that the process can answer at all; ready, that it can do its job now. The port is
//! for probes and scrapers: it shows no bodies and takes no orders.

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;

use crate::http::{Limits, serve};
use crate::{Lifecycle, Readiness, telemetry};

/// Binds the admin port and serves it until the process has stopped.
///
/// # Errors
/// When `listen` cannot be bound or metrics cannot be installed.
pub async fn start(
    listen: &str,
    readiness: &Readiness,
    lifecycle: &Lifecycle,
) -> anyhow::Result<std::net::SocketAddr> {
    let metrics = telemetry::metrics().map_err(anyhow::Error::msg)?;
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|e| anyhow::anyhow!("the admin port {listen} cannot be bound: {e}"))?;
    let address = listener.local_addr()?;
    tracing::info!(%address, "admin port: /livez, /readyz, /metrics");
    let router = router(readiness.clone(), metrics, lifecycle);
    let stop = lifecycle.stop();
    lifecycle.component("admin", async move {
        serve(listener, router, Limits::default(), stop).await;
        Ok(())
    });
    let stop = lifecycle.stop();
    lifecycle.component("metrics", async move {
        telemetry::upkeep(metrics, stop).await;
        Ok(())
    });
    Ok(address)
}

fn router(readiness: Readiness, metrics: &'static PrometheusHandle, lifecycle: &Lifecycle) -> Router {
    let stop = lifecycle.stop();
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route(
            "/readyz",
            get(move || async move {
                let mut missing = readiness.missing();
                if stop.is_cancelled() {
                    missing.push("stopping".to_owned());
                }
                ready(&missing, &readiness.missed())
            }),
        )
        .route(
            "/metrics",
            get(move || async move {
                ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render())
            }),
        )
}

fn ready(missing: &[String], missed: &[String]) -> Response {
    let (status, mut lines) = if missing.is_empty() {
        (StatusCode::OK, vec!["ready".to_owned()])
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, missing.to_vec())
    };
    lines.extend(missed.iter().map(|line| format!("goes on without {line}")));
    (status, lines.join("\n") + "\n").into_response()
}
