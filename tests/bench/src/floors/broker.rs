//! The floor of RabbitMQ: confirmed, persistent publishes of the same envelopes to a queue as Waybill
//! declares it, with many on their way at once, and nobody consuming.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use tokio::task::JoinSet;
use uuid::Uuid;
use waybill_broker::{Broker, topology};
use waybill_core::envelope::Envelope;

use crate::plan::Plan;
use crate::services::{Services, Space};

/// Channels, and publishes of each whose confirms are awaited at the same time.
const CHANNELS: u64 = 4;
const IN_FLIGHT: usize = 250;
/// Envelopes of one go, at most: the queue takes a million.
const PUBLISHED_MAX: u64 = 450_000;
const LANE: &str = "default";

/// Confirmed publishes per second.
pub async fn measure(services: &Services, plan: &Plan) -> anyhow::Result<f64> {
    let space = services.space("broker_floor").await?;
    declare(&space).await?;
    let connection = Connection::connect(&space.amqp_url, ConnectionProperties::default()).await?;
    let mut channels = Vec::new();
    for _ in 0..CHANNELS {
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        channels.push(channel);
    }
    publish_on(&channels, plan.warm).await?;
    let per_s = publish_on(&channels, plan.floor).await?;
    connection.close(200, "done".into()).await?;
    services.close(space).await?;
    Ok(per_s)
}

async fn declare(space: &Space) -> anyhow::Result<()> {
    let config = waybill_broker::Config { url: space.amqp_url.clone(), heartbeat_s: 10, timeout_ms: 10_000 };
    let link = Broker::new(&config)?.connect("bench").await?;
    topology::declare(&link, &[LANE.to_owned()]).await?;
    link.close().await;
    Ok(())
}

/// Publishes on all of these channels for so long; what was confirmed, per second.
async fn publish_on(channels: &[Channel], lasts: Duration) -> anyhow::Result<f64> {
    let began = Instant::now();
    let mut publishers = JoinSet::new();
    for channel in channels {
        publishers.spawn(publish(channel.clone(), lasts));
    }
    let mut confirmed = 0;
    while let Some(ended) = publishers.join_next().await {
        confirmed += ended??;
    }
    Ok(confirmed as f64 / began.elapsed().as_secs_f64())
}

/// Publishes for so long, or until it is enough; how many were confirmed, which is all.
async fn publish(channel: Channel, lasts: Duration) -> anyhow::Result<u64> {
    let (began, mut published, mut confirmed) = (Instant::now(), 0, 0);
    let mut in_flight = FuturesUnordered::new();
    loop {
        while in_flight.len() < IN_FLIGHT && published < PUBLISHED_MAX / CHANNELS && began.elapsed() < lasts {
            published += 1;
            let id = Uuid::now_v7();
            let properties =
                BasicProperties::default().with_message_id(id.to_string().into()).with_delivery_mode(2);
            let options = BasicPublishOptions { mandatory: true, ..Default::default() };
            let envelope = Envelope::new(id, 0).encode();
            let exchange = topology::EXCHANGE.into();
            in_flight
                .push(channel.basic_publish(exchange, LANE.into(), options, &envelope, properties).await?);
        }
        let Some(answer) = in_flight.next().await else { return Ok(confirmed) };
        let answer = answer.context("publishing")?;
        anyhow::ensure!(matches!(answer, Confirmation::Ack(None)), "the broker did not take an envelope");
        confirmed += 1;
    }
}
