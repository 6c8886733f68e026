//! Reading back: `GET /v1/messages/{id}` and `GET /v1/messages?idempotency_key=…`.
//!
//! A source sees its own messages only; another's looks exactly like one that does not exist.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use uuid::Uuid;
use waybill_core::accept::dedupe_prefix;
use waybill_store::StoreError;
use waybill_store::message::Message;

use crate::app;
use crate::problem::{Kind, Problem};

/// The message `id`.
pub async fn by_id(
    State(state): State<Arc<app::State>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let source = state.authenticate(&headers)?;
    let id: Uuid = id.parse().map_err(|_| Kind::NotFound)?;
    show(state.store.message(id, Some(&source.name)).await)
}

/// The parameters of a search.
#[derive(Debug, Deserialize)]
pub struct ByKey {
    idempotency_key: Option<String>,
}

/// The newest message under an idempotency key.
pub async fn by_key(
    State(state): State<Arc<app::State>>,
    search: Result<Query<ByKey>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let source = state.authenticate(&headers)?;
    let key = search.ok().and_then(|Query(search)| search.idempotency_key).ok_or_else(|| {
        Problem::new(Kind::NotFound, "Name one message: /v1/messages/{id} or ?idempotency_key=")
    })?;
    show(state.store.message_by_key(&source.name, &dedupe_prefix(&key)).await)
}

fn show(found: Result<Option<Message>, StoreError>) -> Result<Response, Problem> {
    match found {
        Ok(Some(message)) => Ok(axum::Json(message).into_response()),
        Ok(None) => Err(Kind::NotFound.into()),
        Err(error) => {
            tracing::error!(%error, "a message could not be read");
            Err(Kind::StoreUnavailable.into())
        }
    }
}
