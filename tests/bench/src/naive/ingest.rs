//! The program that accepts: insert, publish, await the confirm, answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation};
use sqlx::PgPool;
use tokio::sync::Mutex;
use uuid::Uuid;
use waybill_core::envelope::Envelope;

use super::{Place, QUEUE, serve};

/// Channels that requests take turns on.
const CHANNELS: usize = 4;

struct Shared {
    db: PgPool,
    channels: Vec<Mutex<Channel>>,
    next: AtomicUsize,
}

/// Runs until SIGTERM.
pub async fn run() -> anyhow::Result<()> {
    let place = Place::find().await?;
    let mut channels = Vec::new();
    for _ in 0..CHANNELS {
        let channel = place.broker.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        channels.push(Mutex::new(channel));
    }
    let shared = Arc::new(Shared { db: place.db, channels, next: AtomicUsize::new(0) });
    let router = Router::new()
        .route("/v1/messages", post(accept))
        .route("/readyz", get(async || "ready"))
        .with_state(shared);
    serve(place.listen, router).await
}

async fn accept(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    match store_and_publish(&shared, &headers, &body).await {
        Ok(id) => (StatusCode::ACCEPTED, format!(r#"{{"id":"{id}","state":"accepted"}}"#)),
        Err(error) => {
            eprintln!("not accepted: {error:#}");
            (StatusCode::SERVICE_UNAVAILABLE, "{}".to_owned())
        }
    }
}

async fn store_and_publish(shared: &Shared, headers: &HeaderMap, body: &Bytes) -> anyhow::Result<Uuid> {
    let id = Uuid::now_v7();
    let key = headers.get("idempotency-key").context("no key")?.to_str()?;
    sqlx::query("insert into naive_message (id, idempotency_key, body) values ($1, $2, $3)")
        .bind(id)
        .bind(key)
        .bind(&body[..])
        .execute(&shared.db)
        .await?;
    let turn = shared.next.fetch_add(1, Ordering::Relaxed) % CHANNELS;
    let channel = shared.channels.get(turn).context("a channel")?.lock().await;
    let properties = BasicProperties::default().with_message_id(id.to_string().into()).with_delivery_mode(2);
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let envelope = Envelope::new(id, 0).encode();
    let confirm = channel.basic_publish("".into(), QUEUE.into(), options, &envelope, properties).await?;
    // the next request may publish while this one waits
    drop(channel);
    anyhow::ensure!(matches!(confirm.await?, Confirmation::Ack(None)), "the broker did not take it");
    Ok(id)
}
