//! The floor of PostgreSQL: durable inserts of the same bodies, batched as `ingest-api` batches them, into
//! a table that has a primary key and nothing else.

use std::time::Instant;

use futures_util::future::try_join_all;
use sqlx::{Executor as _, PgPool};
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
    try_join_all((0..CONNECTIONS).map(|n| insert(&space.db, n, plan.warm.as_secs_f64()))).await?;
    services.settle().await?;
    let began = Instant::now();
    let rows = try_join_all((0..CONNECTIONS).map(|n| insert(&space.db, n, plan.floor.as_secs_f64()))).await?;
    let per_s = rows.iter().sum::<u64>() as f64 / began.elapsed().as_secs_f64();
    services.close(space).await?;
    Ok(per_s)
}

/// Inserts for so long; the rows that were committed.
async fn insert(db: &PgPool, connection: u64, seconds: f64) -> anyhow::Result<u64> {
    let mut connection_of_its_own = db.acquire().await?;
    let (began, mut rows) = (Instant::now(), 0);
    while began.elapsed().as_secs_f64() < seconds {
        let (mut ids, mut bodies) = (Vec::new(), Vec::new());
        for n in rows..rows + ROWS {
            let mut body = Vec::new();
            Bodies::Json.write(&format!("f{connection}-{n}"), n, &mut body);
            ids.push(Uuid::now_v7());
            bodies.push(body);
        }
        sqlx::query("insert into floor (id, body) select * from unnest($1::uuid[], $2::bytea[])")
            .bind(ids)
            .bind(bodies)
            .execute(&mut *connection_of_its_own)
            .await?;
        rows += ROWS;
    }
    Ok(rows)
}
