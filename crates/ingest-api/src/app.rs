//! The partners' API as one router.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Path;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::middleware;
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::{get, post};
use waybill_core::credential::Pepper;
use waybill_core::source::Source;
use waybill_process::http::Arrival;
use waybill_store::Store;
use waybill_store::directory::Directory;

use crate::batch_writer::Batches;
use crate::budget::Budget;
use crate::durable::Durable;
use crate::problem::{Kind, Problem};
use crate::rate::Rates;
use crate::writer::Writer;
use crate::{Config, auth, batch, body, guard, post as accept, request, status};

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
    /// Whether PostgreSQL keeps what it commits, as far as was seen.
    pub durable: Durable,
    /// The memory for bodies.
    pub budget: Budget,
    /// For a whole body.
    pub body_limit: Duration,
    /// For head and body together.
    pub request_limit: Duration,
    /// Batches.
    pub batches: Batches,
}

impl State {
    /// The source that these headers prove.
    ///
    /// # Errors
    /// `unauthorized`; or `store-unavailable` while it cannot be known who anybody is.
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<Arc<Source>, Problem> {
        if !self.directory.is_loaded() {
            return Err(Problem::new(Kind::StoreUnavailable, "The ledger has not been reached yet"));
        }
        auth::authenticate(headers, &self.directory.snapshot(), &self.pepper)
    }

    /// The limits of a body that comes with `parts`: its own time, and that of the whole request.
    pub fn body_limits(&self, parts: &Parts, bytes_max: usize) -> body::Limits {
        let now = Instant::now();
        let began = parts.extensions.get::<Arrival>().map_or(now, |arrival| arrival.began);
        let deadline = (now + self.body_limit).min(began + self.request_limit);
        body::Limits { bytes_max, deadline, share: self.budget.share() }
    }

    /// Whether what is committed is kept.
    ///
    /// # Errors
    /// `store-unavailable` when PostgreSQL is set up to lose it, or that is not known yet.
    pub fn check_durable(&self) -> Result<(), Problem> {
        if self.durable.is_so() {
            return Ok(());
        }
        Err(Problem::new(
            Kind::StoreUnavailable,
            "The store is not safe to write to; its operator can see why",
        ))
    }

    /// The handlers' state under `config`.
    pub fn new(
        config: &Config,
        store: Store,
        directory: Directory,
        writer: Writer,
        batches: Batches,
        durable: Durable,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            directory,
            writer,
            rates: Rates::default(),
            pepper: config.pepper.clone(),
            durable,
            budget: Budget::new(config.ingest.queue_bytes_max),
            body_limit: Duration::from_secs(config.ingest.body_timeout_s),
            request_limit: Duration::from_secs(config.ingest.request_timeout_s),
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
        .layer(middleware::from_fn(guard::refuse))
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
