//! The program that processes: a transaction a message, then its ack. Several messages at once.

use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::routing::get;
use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::FieldTable;
use sqlx::PgPool;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use uuid::Uuid;
use waybill_core::envelope::Envelope;
use waybill_core::kinds::{Effect, Input, Reading, conditions_of_joining};
use waybill_core::outcome::Outcome;

use super::{Place, QUEUE, serve};

/// Deliveries in hand: as many as Waybill's worker takes by default.
const PREFETCH: u16 = 64;
/// Transactions at once: one a connection.
const AT_ONCE: usize = super::DATABASE_CONNECTIONS as usize;

/// Runs until SIGTERM.
pub async fn run() -> anyhow::Result<()> {
    let place = Place::find().await?;
    let channel = place.broker.create_channel().await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let tag = Uuid::now_v7().to_string();
    let options = BasicConsumeOptions::default();
    let mut consumer =
        channel.basic_consume(QUEUE.into(), tag.as_str().into(), options, FieldTable::default()).await?;
    let free = Arc::new(Semaphore::new(AT_ONCE));
    let in_hand = TaskTracker::new();
    let consuming = async {
        while let Some(delivery) = consumer.next().await {
            let (delivery, db) = (delivery?, place.db.clone());
            let permit = Arc::clone(&free).acquire_owned().await?;
            in_hand.spawn(async move {
                see_through(&db, delivery).await;
                drop(permit);
            });
        }
        anyhow::bail!("the subscription has ended")
    };
    let serving = serve(place.listen, Router::new().route("/readyz", get(async || "ready")));
    tokio::select! {
        ended = consuming => return ended,
        stopped = serving => stopped?,
    }
    in_hand.close();
    in_hand.wait().await;
    Ok(())
}

async fn see_through(db: &PgPool, delivery: Delivery) {
    let settled = match process(db, &delivery.data).await {
        Ok(()) => delivery.acker.ack(BasicAckOptions::default()).await,
        Err(error) => {
            eprintln!("handed back: {error:#}");
            delivery.acker.nack(BasicNackOptions { requeue: true, ..Default::default() }).await
        }
    };
    if let Err(error) = settled {
        eprintln!("not settled: {error}");
    }
}

async fn process(db: &PgPool, envelope: &[u8]) -> anyhow::Result<()> {
    let id = Envelope::decode(envelope)?.id;
    let mut transaction = db.begin().await?;
    let body: Option<Vec<u8>> =
        sqlx::query_scalar("select body from naive_message where id = $1 and state = 'accepted' for update")
            .bind(id)
            .fetch_optional(&mut *transaction)
            .await?;
    // a delivery that comes again
    let Some(body) = body else { return Ok(()) };
    let reading = Reading {
        timezone: "UTC".parse().context("a time zone")?,
        charset: "utf-8".to_owned(),
        processing_ids: Vec::new(),
    };
    let received_at = sqlx::types::chrono::DateTime::default();
    let input = Input { id, received_at, content_type: "application/json", body: &body, reading: &reading };
    let Outcome::Done(done) = conditions_of_joining::process(&input) else {
        anyhow::bail!("a body that cannot be processed")
    };
    for effect in done.effects {
        let Effect::Signature(signed) = effect else { continue };
        sqlx::query("insert into naive_effect values ($1, $2, $3, $4)")
            .bind(&signed.programme_membership_id)
            .bind(signed.signed_at)
            .bind(&signed.version)
            .bind(id)
            .execute(&mut *transaction)
            .await?;
    }
    sqlx::query("update naive_message set state = 'processed' where id = $1")
        .bind(id)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(())
}
