//! The floor of HTTP: an axum handler that reads the body and answers, in a process of its own.

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::{get, post};

use crate::bodies::Bodies;
use crate::gateway::naive::LISTEN;
use crate::load::{Traffic, Until, closed};
use crate::plan::Plan;
use crate::programs::{Spec, free_address};
use crate::services::Services;

/// The program: runs until SIGTERM.
pub async fn run() -> anyhow::Result<()> {
    let router = Router::new()
        .route("/v1/messages", post(async |body: Bytes| (StatusCode::ACCEPTED, format!("{}", body.len()))))
        .route("/readyz", get(async || "ready"));
    crate::naive::serve(std::env::var(LISTEN)?.parse()?, router).await
}

/// Requests per second.
pub async fn measure(services: &Services, plan: &Plan) -> anyhow::Result<f64> {
    let address = free_address()?;
    let spec = Spec {
        program: std::env::current_exe()?,
        arguments: vec!["role".to_owned(), "http-floor".to_owned()],
        settings: vec![(LISTEN.to_owned(), address.to_string())],
        log: services.log_dir.join("http-floor.log"),
        admin: address,
    };
    let mut program = spec.start()?;
    program.until_ready().await?;
    let traffic = Traffic { address, bodies: Bodies::Json, key: "floor".to_owned() };
    closed(&traffic, "w", plan.connections, Until::Elapsed(plan.warm)).await?;
    let load = closed(&traffic, "f", plan.connections, Until::Elapsed(plan.floor)).await?;
    program.stop().await?;
    anyhow::ensure!(load.accepted > 0, "the floor of HTTP accepted nothing: {:?}", load.refused);
    Ok(load.per_s())
}
