//! The naive gateway, as processes: see [`crate::naive`] for what it does.

use super::{Gateway, Questions};
use crate::bodies::Bodies;
use crate::load::Traffic;
use crate::naive;
use crate::programs::{Spec, free_address};
use crate::services::Services;

/// The variable that says where a naive program listens.
pub const LISTEN: &str = "WAYBILL_BENCH_LISTEN";

const QUESTIONS: Questions = Questions {
    unfinished: "select exists (select from naive_message where state = 'accepted')",
    accepted: "select count(*) from naive_message",
    processed: "select count(*) from naive_message where state = 'processed'",
    effects: "select count(*) from naive_effect",
    commits: "select idempotency_key, (extract(epoch from pg_xact_commit_timestamp(xmin)) * 1e6)::bigint
        from naive_message where state = 'processed' and idempotency_key like $1",
    last_commit: "select max((extract(epoch from pg_xact_commit_timestamp(xmin)) * 1e6)::bigint)
        from naive_message where state = 'processed'",
};

/// Sets up a naive gateway in a new space and starts the program that accepts, no worker yet.
pub async fn start(services: &Services) -> anyhow::Result<Gateway> {
    let space = services.space("naive").await?;
    naive::set_up(&space).await?;
    let address = free_address()?;
    let role = |role: &str| -> anyhow::Result<Spec> {
        Ok(Spec {
            program: std::env::current_exe()?,
            arguments: vec!["role".to_owned(), role.to_owned()],
            settings: vec![
                (LISTEN.to_owned(), address.to_string()),
                ("WAYBILL_BENCH_DATABASE_URL".to_owned(), space.database_url.clone()),
                ("WAYBILL_BENCH_AMQP_URL".to_owned(), space.amqp_url.clone()),
            ],
            log: services.log_dir.join(format!("{}-{role}.log", space.name)),
            admin: address,
        })
    };
    let mut ingest = role("naive-ingest")?.start()?;
    ingest.until_ready().await?;
    Ok(Gateway {
        questions: &QUESTIONS,
        queue: None,
        traffic: Traffic { address, bodies: Bodies::Json, key: "naive".to_owned() },
        ingest,
        others: Vec::new(),
        workers: Vec::new(),
        worker: role("naive-worker")?,
        space,
        accepted: 0,
        unknown: 0,
    })
}
