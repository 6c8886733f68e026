//! Waybill as it is shipped: its own programs, in its ordinary configuration, set up with its own
//! commands. Only addresses are given.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::Context as _;
use serde_json::Value;

use super::{Gateway, Questions};
use crate::bodies::Bodies;
use crate::load::Traffic;
use crate::programs::{Program, Spec, free_address};
use crate::services::{Services, Space};

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

/// A Waybill that is set up, and of which nothing runs yet.
pub struct Made {
    feed: Feed,
    space: Space,
    key: String,
    settings: Vec<(String, String)>,
    addresses: Addresses,
    folders: (PathBuf, PathBuf),
}

/// Where its programs listen.
#[derive(Clone, Copy)]
struct Addresses {
    partner: SocketAddr,
    ingest: SocketAddr,
    serve: SocketAddr,
}

/// The operator's tool, as it is called for one Waybill.
pub struct Operator(Spec);

/// Sets up a Waybill for `feed` in a new space, with the operator's own commands.
pub async fn set_up(services: &Services, feed: Feed) -> anyhow::Result<Made> {
    let space = services.space(feed.name).await?;
    let addresses = Addresses { partner: free_address()?, ingest: free_address()?, serve: free_address()? };
    let settings = [
        ("WAYBILL_DATABASE_URL", space.database_url.clone()),
        ("WAYBILL_AMQP_URL", space.amqp_url.clone()),
        ("WAYBILL_RABBITMQ_API_URL", space.api_url.clone()),
        ("WAYBILL_AUTH__PEPPER", PEPPER.to_owned()),
        ("WAYBILL_INGEST__LISTEN", addresses.partner.to_string()),
        ("WAYBILL_INGEST__ADMIN_LISTEN", addresses.ingest.to_string()),
        ("WAYBILL_SERVE__ADMIN_LISTEN", addresses.serve.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec();
    let folders = (services.bin_dir.clone(), services.log_dir.clone());
    let made = Made { feed, space, key: String::new(), settings, addresses, folders };
    let sources = services.log_dir.join(format!("{}.toml", made.space.name));
    std::fs::write(&sources, source(feed)).with_context(|| sources.display().to_string())?;
    let operator = made.operator();
    operator.run(&["migrate"])?;
    operator.run(&["topology", "apply"])?;
    let applied = operator.read(&["apply", "-f", &sources.to_string_lossy(), "--json"])?;
    let key = applied["created"][0]["key"].as_str().context("waybill apply shows no key")?;
    Ok(Made { key: key.to_owned(), ..made })
}

/// Sets up a Waybill for `feed` in a new space and starts `ingest-api` and `waybill serve`, no worker yet.
pub async fn start(services: &Services, feed: Feed) -> anyhow::Result<Gateway> {
    let made = set_up(services, feed).await?;
    let mut ingest = made.ingest(&[]).start()?;
    let mut serve = made.serve().start()?;
    ingest.until_ready().await?;
    serve.until_ready().await?;
    Ok(made.gateway(ingest, vec![serve]))
}

impl Made {
    /// The operator's tool.
    pub fn operator(&self) -> Operator {
        Operator(self.spec("waybill", &[], self.addresses.serve))
    }

    /// The program that accepts, with these settings besides.
    pub fn ingest(&self, more: &[(&str, &str)]) -> Spec {
        let mut spec = self.spec("ingest-api", &[], self.addresses.ingest);
        spec.settings.extend(more.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
        spec
    }

    /// The sweeps, the plans and a relay.
    pub fn serve(&self) -> Spec {
        self.spec("waybill", &["serve"], self.addresses.serve)
    }

    /// It, with what runs of it.
    pub fn gateway(self, ingest: Program, others: Vec<Program>) -> Gateway {
        Gateway {
            questions: &QUESTIONS,
            queue: (self.feed.bodies == Bodies::Json).then_some(QUEUE),
            worker: self.spec("worker", &[], self.addresses.serve),
            traffic: Traffic { address: self.addresses.partner, bodies: self.feed.bodies, key: self.key },
            ingest,
            others,
            workers: Vec::new(),
            space: self.space,
            accepted: 0,
            unknown: 0,
        }
    }

    fn spec(&self, program: &str, arguments: &[&str], admin: SocketAddr) -> Spec {
        let (bin_dir, log_dir) = &self.folders;
        Spec {
            program: bin_dir.join(program),
            arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
            settings: self.settings.clone(),
            log: log_dir.join(format!("{}-{program}.log", self.space.name)),
            admin,
        }
    }
}

impl Operator {
    /// Runs one command to its end; what it prints.
    ///
    /// # Errors
    /// When its exit code is not 0.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = self.0.command();
        let output = command.args(arguments).stderr(Stdio::piped()).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "waybill {} failed: {said}", arguments.join(" "));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The same for a command that was given `--json`.
    ///
    /// # Errors
    /// As [`Operator::run`]; when it prints something else.
    pub fn read(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.run(arguments)?)?)
    }
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
