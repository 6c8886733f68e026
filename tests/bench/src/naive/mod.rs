//! The naive gateway: what many would write first, written with care. A request is one insert, one
//! publish and one awaited confirm, then the answer; a delivery is one transaction, then its ack.
//!
//! It is durable and loses nothing while all goes well, and shares with Waybill the envelopes, the kind of
//! queue, the processor and the bodies. It has no keys, no duplicates, no order, no retries, no sweeps; a
//! crash between insert and confirm leaves a message that nobody publishes. It is not for use.

mod ingest;
mod worker;

use std::net::SocketAddr;

use anyhow::Context as _;
use axum::Router;
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, ConnectionProperties};
use sqlx::Executor as _;
use sqlx::postgres::{PgPool, PgPoolOptions};

use crate::gateway::naive::LISTEN;
use crate::services::Space;

pub use ingest::run as ingest;
pub use worker::run as worker;

/// Its one queue.
pub const QUEUE: &str = "naive.work";
/// Connections to PostgreSQL, of each program.
const DATABASE_CONNECTIONS: u32 = 16;

const SCHEMA: &str = "
create table naive_message (
    id uuid primary key,
    idempotency_key text not null unique,
    body bytea not null,
    state text not null default 'accepted',
    received_at timestamptz not null default now()
);
alter table naive_message alter column body set storage external;
create table naive_effect (
    programme_membership_id text primary key,
    signed_at timestamptz not null,
    version text not null,
    received_by uuid not null
);";

/// Makes its tables and its queue.
pub async fn set_up(space: &Space) -> anyhow::Result<()> {
    space.db.execute(SCHEMA).await?;
    let connection = connect(&space.amqp_url).await?;
    let channel = connection.create_channel().await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(QUEUE.into(), options, arguments).await?;
    connection.close(200, "done".into()).await?;
    Ok(())
}

/// What a naive program is told by its environment.
struct Place {
    listen: SocketAddr,
    db: PgPool,
    broker: Connection,
}

impl Place {
    async fn find() -> anyhow::Result<Self> {
        let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
        let pool = PgPoolOptions::new().max_connections(DATABASE_CONNECTIONS);
        Ok(Self {
            listen: variable(LISTEN)?.parse()?,
            db: pool.connect(&variable("WAYBILL_BENCH_DATABASE_URL")?).await?,
            broker: connect(&variable("WAYBILL_BENCH_AMQP_URL")?).await?,
        })
    }
}

async fn connect(url: &str) -> anyhow::Result<Connection> {
    Connection::connect(url, ConnectionProperties::default()).await.context("RabbitMQ")
}

/// Serves until SIGTERM; what is in hand is finished.
pub async fn serve(listen: SocketAddr, router: Router) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind(listen).await?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let stop = async move {
        terminate.recv().await;
    };
    axum::serve(listener, router).with_graceful_shutdown(stop).await?;
    Ok(())
}
