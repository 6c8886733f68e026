//! The floor of PostgreSQL: durable inserts of the same bodies, batched as `ingest-api` batches them, into
//! a table that has a primary key and nothing else.

use std::time::{Duration, Instant};

use sqlx::{Executor as _, PgPool};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::bodies::Bodies;
use crate::plan::Plan;
use crate::services::Services;

/// Connections that insert, and rows of one insert: the defaults of `ingest.writers` and `ingest.batch_max`.
const CONNECTIONS: u64 = 2;
const ROWS: u64 = 256;

/// Rows per second.
pub async fn measure(services: &Services, plan: &Plan) -> anyhow::Result<f64> {
    let space = services.space("postgres_floor").await?;
    let schema = "create table floor (id uuid primary key, body bytea not null);
        alter table floor alter column body set storage external;";
    space.db.execute(schema).await?;
    insert(&space.db, plan.warm).await?;
    services.settle().await?;
    let per_s = insert(&space.db, plan.floor).await?;
    services.close(space).await?;
    Ok(per_s)
}

/// Inserts for so long; the rows that were committed, per second.
async fn insert(db: &PgPool, lasts: Duration) -> anyhow::Result<f64> {
    let began = Instant::now();
    let mut writers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        writers.spawn(write(db.clone(), lasts));
    }
    let mut rows = 0;
    while let Some(written) = writers.join_next().await {
        rows += written??;
    }
    Ok(rows as f64 / began.elapsed().as_secs_f64())
}

async fn write(db: PgPool, lasts: Duration) -> anyhow::Result<u64> {
    let mut bodies = vec![Vec::new(); ROWS as usize];
    for (n, body) in (0..).zip(&mut bodies) {
        Bodies::Json.write(&format!("f-{n}"), n, body);
    }
    let mut connection = db.acquire().await?;
    let (began, mut rows) = (Instant::now(), 0);
    while began.elapsed() < lasts {
        let ids: Vec<Uuid> = (0..ROWS).map(|_| Uuid::now_v7()).collect();
        sqlx::query("insert into floor (id, body) select * from unnest($1::uuid[], $2::bytea[])")
            .bind(ids)
            .bind(&bodies)
            .execute(&mut *connection)
            .await?;
        rows += ROWS;
    }
    Ok(rows)
}
