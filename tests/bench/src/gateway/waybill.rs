//! Waybill as it is shipped: its own programs, in its ordinary configuration, set up with its own
//! commands. Only addresses are given.

use std::process::Stdio;

use anyhow::Context as _;
use serde_json::Value;

use super::{Gateway, Questions};
use crate::bodies::Bodies;
use crate::load::Traffic;
use crate::programs::{Spec, free_address};
use crate::services::Services;

/// The work queue of the one lane that the benchmark uses.
const QUEUE: &str = "waybill.work.default";

/// The pepper of every benchmark.
const PEPPER: &str = "a pepper for the benchmark, not for you";

const QUESTIONS: Questions = Questions {
    unfinished: "select exists (select from progress where due_at is not null)
        or exists (select from progress where state = 'published')
        or exists (select from progress where state = 'processing')
        or exists (select from progress where state = 'held')",
    accepted: "select count(*) from receipt",
    processed: "select count(*) from progress where state = 'processed'",
    effects: "select (select count(*) from conditions_of_joining) + (select count(*) from visit)",
    commits: "select r.idempotency_key,
            (extract(epoch from pg_xact_commit_timestamp(a.xmin)) * 1e6)::bigint
        from attempt a join receipt r on r.id = a.id
        where a.outcome = 'processed' and r.idempotency_key like $1",
    last_commit: "select max((extract(epoch from pg_xact_commit_timestamp(xmin)) * 1e6)::bigint) from attempt",
};

/// The source that a benchmark posts to.
#[derive(Debug, Clone, Copy)]
pub struct Feed {
    /// Of its space.
    pub name: &'static str,
    /// What is posted.
    pub bodies: Bodies,
    /// Its `order_by`.
    pub order_by: &'static str,
}

/// Sets up a Waybill for `feed` in a new space and starts `ingest-api` and `waybill serve`, no worker yet.
pub async fn start(services: &Services, feed: Feed) -> anyhow::Result<Gateway> {
    let space = services.space(feed.name).await?;
    let (address, ingest_admin, serve_admin) = (free_address()?, free_address()?, free_address()?);
    let settings = [
        ("WAYBILL_DATABASE_URL", space.database_url.clone()),
        ("WAYBILL_AMQP_URL", space.amqp_url.clone()),
        ("WAYBILL_RABBITMQ_API_URL", space.api_url.clone()),
        ("WAYBILL_AUTH__PEPPER", PEPPER.to_owned()),
        ("WAYBILL_INGEST__LISTEN", address.to_string()),
        ("WAYBILL_INGEST__ADMIN_LISTEN", ingest_admin.to_string()),
        ("WAYBILL_SERVE__ADMIN_LISTEN", serve_admin.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    let spec = |program: &str, arguments: &[&str], admin| Spec {
        program: services.bin_dir.join(program),
        arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
        settings: settings.to_vec(),
        log: services.log_dir.join(format!("{}-{program}.log", space.name)),
        admin,
    };
    let sources = services.log_dir.join(format!("{}.toml", space.name));
    std::fs::write(&sources, source(feed)).with_context(|| sources.display().to_string())?;
    run(&spec("waybill", &["migrate"], serve_admin))?;
    run(&spec("waybill", &["topology", "apply"], serve_admin))?;
    let apply = ["apply", "-f", &sources.to_string_lossy(), "--json"];
    let applied: Value = serde_json::from_str(&run(&spec("waybill", &apply, serve_admin))?)?;
    let key = applied["created"][0]["key"].as_str().context("waybill apply shows no key")?.to_owned();

    let mut ingest = spec("ingest-api", &[], ingest_admin).start()?;
    let mut serve = spec("waybill", &["serve"], serve_admin).start()?;
    let worker = spec("worker", &[], serve_admin);
    ingest.until_ready().await?;
    serve.until_ready().await?;
    Ok(Gateway {
        questions: &QUESTIONS,
        queue: (feed.bodies == Bodies::Json).then_some(QUEUE),
        traffic: Traffic { address, bodies: feed.bodies, key },
        ingest,
        others: vec![serve],
        workers: Vec::new(),
        worker,
        space,
        accepted: 0,
        unknown: 0,
    })
}

fn source(feed: Feed) -> String {
    let (format, kind) = match feed.bodies {
        Bodies::Json => ("json", "conditions-of-joining"),
        Bodies::Hl7 { .. } => ("hl7v2", "visit"),
    };
    let (name, order_by) = (feed.name, feed.order_by);
    format!(
        "[[source]]\nname = \"{name}\"\nformat = \"{format}\"\nkind = \"{kind}\"\norder_by = \"{order_by}\"\n"
    )
}

/// Runs one command of the operator's tool to its end; what it prints.
fn run(spec: &Spec) -> anyhow::Result<String> {
    let output = spec.command().stderr(Stdio::piped()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "waybill {} failed: {said}", spec.arguments.join(" "));
    Ok(String::from_utf8(output.stdout)?)
}
