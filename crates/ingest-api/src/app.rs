//! The partners' API as one router.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::middleware;
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::{get, post};
use waybill_core::credential::Pepper;
use waybill_store::Store;
use waybill_store::directory::Directory;

use crate::batch_writer::Batches;
use crate::problem::{Kind, Problem};
use crate::rate::Rates;
use crate::writer::Writer;
use crate::{Config, batch, post as accept, request, status};

/// What the handlers share.
#[derive(Debug)]
pub struct State {
    /// For reading.
    pub store: Store,
    /// Sources and keys.
    pub directory: Directory,
    /// For storing.
    pub writer: Writer,
    /// The sources' rates.
    pub rates: Rates,
    /// Proves keys.
    pub pepper: Pepper,
    /// For a whole body.
    pub body_limit: Duration,
    /// Batches.
    pub batches: Batches,
}

impl State {
    /// The handlers' state under `config`.
    pub fn new(
        config: &Config,
        store: Store,
        directory: Directory,
        writer: Writer,
        batches: Batches,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            directory,
            writer,
            rates: Rates::default(),
            pepper: config.pepper.clone(),
            body_limit: Duration::from_secs(config.ingest.body_timeout_s),
            batches,
        })
    }
}

/// Every path a partner may use.
pub fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/v1/messages", post(accept::message).get(status::by_key))
        .route("/v1/messages/batch", post(batch::messages))
        .route("/v1/messages/{id}", get(status::by_id))
        .route("/problems/{slug}", get(explain))
        .fallback(|| async { Problem::from(Kind::NotFound) })
        .method_not_allowed_fallback(|| async { Problem::from(Kind::MethodNotAllowed) })
        .layer(middleware::from_fn(request::identify))
        .with_state(state)
}

/// The page of a problem.
async fn explain(Path(slug): Path<String>) -> Response {
    match Kind::find(&slug) {
        Some(kind) => Html(kind.page()).into_response(),
        None => Problem::from(Kind::NotFound).into_response(),
    }
}
