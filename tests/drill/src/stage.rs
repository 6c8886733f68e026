//! A stage: a database and a virtual host of its own, in which real processes run for one drill run.
//!
//! Every connection between partners, processes and services goes through a proxy; the drill itself
//! goes straight to the services. The processes' role in PostgreSQL is an ordinary one.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Executor as _};

use crate::fleet::{Fleet, Role, clean};
use crate::ledger::WITNESS;
use crate::letters::Letters;
use crate::partner::{Address, Load, Partner};
use crate::proxy::Proxy;
use crate::run::{Patience, until};
use crate::services::Services;
use crate::traffic::SOURCES;

/// PostgreSQL's role for our processes.
pub const ROLE: &str = "drill";
/// The pepper of every drill.
const PEPPER: &str = "a pepper for the drill, at least 32 characters";

/// What every process is told; short times, so that a run shows in seconds what happens in minutes.
const SETTINGS: &[(&str, &str)] = &[
    ("WAYBILL_AUTH__PEPPER", PEPPER),
    ("WAYBILL_DATABASE__CONNECTIONS_MAX", "6"),
    ("WAYBILL_AMQP__HEARTBEAT_S", "3"),
    ("WAYBILL_AMQP__TIMEOUT_MS", "2000"),
    ("WAYBILL_RELAY__LEASE_S", "5"),
    ("WAYBILL_RELAY__RETRY_S", "1"),
    ("WAYBILL_RELAY__SCAN_MS", "200"),
    ("WAYBILL_WORKER__PROCESS_TIMEOUT_S", "2"),
    ("WAYBILL_WORKER__CLAIM_LEASE_S", "5"),
    ("WAYBILL_WORKER__BATCH_MAX", "8"),
    ("WAYBILL_SERVE__SWEEP_MS", "500"),
    ("WAYBILL_PROCESS__SOURCES_REFRESH_MS", "500"),
    ("WAYBILL_PROCESS__SHUTDOWN_S_MAX", "15"),
];

/// What the operator's tool says where another transaction has what it needs, and how often it is asked
/// again.
const BUSY: &str = "the ledger is busy";
const ORDERS: usize = 3;

/// The stage of one run.
#[derive(Debug)]
pub struct Stage {
    /// The services, whole.
    pub services: Services,
    /// The name of its database and its virtual host.
    pub name: String,
    /// Straight into the database, as a role that may do anything.
    pub db: PgPool,
    /// Between processes and PostgreSQL.
    pub to_ledger: Proxy,
    /// Between processes and RabbitMQ.
    pub to_broker: Proxy,
    /// Between partners and each ingest.
    pub to_ingest: Vec<Proxy>,
    /// The processes.
    pub fleet: Fleet,
    /// The partners, once they post.
    pub partner: Option<Partner>,
    /// The dead letters that a fault has made, and what was done to them.
    pub letters: Letters,
    /// What faults hold on to until they are healed, by family.
    holds: Vec<(&'static str, tokio::task::JoinHandle<()>)>,
    /// Logs, points.
    pub folder: PathBuf,
    address: Address,
}

impl Stage {
    /// Sets a stage: everything runs and is ready, and nobody posts yet. In `tablespace`, if given, and
    /// with `more` settings, which count before the drill's.
    pub async fn set(
        services: &Services,
        name: &str,
        mutants: &str,
        tablespace: Option<&str>,
        more: &[(&str, &str)],
    ) -> Result<Self> {
        let programs = PathBuf::from(crate::services::variable("WAYBILL_CHAOS_BIN_DIR")?);
        let folder = PathBuf::from(crate::services::variable("WAYBILL_CHAOS_DIR")?).join(name);
        std::fs::create_dir_all(&folder)?;
        create_database(services, name, tablespace).await?;
        create_vhost(services, name).await?;
        let (ledger_port, broker_port) = services.ports()?;
        let (to_ledger, to_broker) = (Proxy::start(ledger_port).await?, Proxy::start(broker_port).await?);
        let mut settings = settings(services, name, mutants, (to_ledger.port, to_broker.port));
        settings.extend(more.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
        let db = PgPoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(5))
            .connect_lazy(&services.database(name, None))?;
        let mut stage = Self {
            services: services.clone(),
            name: name.to_owned(),
            db,
            to_ledger,
            to_broker,
            to_ingest: Vec::new(),
            fleet: Fleet::new(programs, settings, folder.clone()),
            partner: None,
            letters: Letters::default(),
            holds: Vec::new(),
            folder,
            address: Address { ports: Vec::new(), keys: Vec::new() },
        };
        stage.waybill(&["migrate"]).await?;
        stage.db.execute(WITNESS).await?;
        stage.db.execute(AssertSqlSafe(format!("grant all on witness, witness_n_seq to {ROLE}"))).await?;
        stage.apply_sources().await?;
        for role in [Role::Ingest, Role::Ingest, Role::Worker, Role::Worker, Role::Serve] {
            let at = stage.fleet.add(role)?;
            if role == Role::Ingest {
                let proxy = Proxy::start(stage.fleet.members[at].port).await?;
                stage.address.ports.push(proxy.port);
                stage.to_ingest.push(proxy);
            }
        }
        stage.fleet.ready().await?;
        Ok(stage)
    }

    async fn apply_sources(&mut self) -> Result<()> {
        let file = self.folder.join("sources.toml");
        std::fs::write(&file, SOURCES)?;
        let said = self.waybill(&["apply", "-f", &file.to_string_lossy(), "--json"]).await?;
        let applied: Value = serde_json::from_str(&said).context("what `waybill apply` said")?;
        for created in applied["created"].as_array().into_iter().flatten() {
            let text = |name: &str| created[name].as_str().unwrap_or_default().to_owned();
            self.address.keys.push((text("name"), text("key")));
        }
        ensure!(self.address.keys.len() == 3, "`waybill apply` showed {} keys", self.address.keys.len());
        Ok(())
    }

    /// Lets the partners post so much, by `seed`.
    pub fn open(&mut self, load: Load, seed: u64) {
        self.partner = Some(Partner::start(&self.address, load, seed));
    }

    /// Keeps something going for a family of faults until it is let go.
    pub fn hold(&mut self, family: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.holds.push((family, tokio::spawn(task)));
    }

    /// Ends what is kept going for a family of faults.
    pub fn let_go(&mut self, family: &'static str) {
        self.holds.iter().filter(|(whose, _)| *whose == family).for_each(|(_, task)| task.abort());
        self.holds.retain(|(whose, _)| *whose != family);
    }

    /// Runs the operator's tool, straight at the services, and it must do what it is told; what it prints.
    pub async fn waybill(&self, arguments: &[&str]) -> Result<String> {
        let output = self.order(arguments).await?;
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "waybill {} failed: {complaint}{said}", arguments.join(" "));
        Ok(said)
    }

    /// Runs the operator's tool, straight at the services; what came of it. Does as it says where the
    /// ledger is busy: the same again.
    pub async fn order(&self, arguments: &[&str]) -> Result<Output> {
        for _ in 0..ORDERS {
            let output = self.order_once(arguments).await?;
            if output.status.success() || !String::from_utf8_lossy(&output.stderr).contains(BUSY) {
                return Ok(output);
            }
        }
        self.order_once(arguments).await
    }

    async fn order_once(&self, arguments: &[&str]) -> Result<Output> {
        let mut settings = self.fleet.settings.clone();
        let url = |name: &str, port| self.services.database(name, port);
        let own = in_role(&url(&self.name, None));
        settings.push(("WAYBILL_DATABASE_URL".into(), own));
        settings.push(("WAYBILL_AMQP_URL".into(), self.services.vhost(&self.name, None)));
        let mut command = clean(&self.fleet.programs.join("waybill"), &settings);
        command.args(arguments);
        Ok(tokio::task::spawn_blocking(move || command.output()).await??)
    }

    /// A number that a query gives.
    pub async fn count(&self, query: &'static str) -> Result<i64> {
        Ok(sqlx::query_scalar(query).fetch_one(&self.db).await?)
    }

    /// Posts that were not answered 2xx so far.
    pub fn refused(&self) -> u64 {
        self.partner.as_ref().map_or(0, Partner::refused)
    }

    /// The path of something of this stage's virtual host in RabbitMQ's API.
    pub fn in_vhost(&self, what: &str, rest: &str) -> String {
        format!("{what}/{}/{rest}", self.name)
    }

    /// Takes the stage away. Logs stay where they are.
    pub async fn strike(mut self) -> Result<()> {
        self.fleet.members.clear();
        self.db.close().await;
        let _ = self.services.api(Method::DELETE, &format!("vhosts/{}", self.name), None).await;
        let drop = AssertSqlSafe(format!("drop database if exists {} with (force)", self.name));
        maintenance(&self.services).await?.execute(drop).await?;
        Ok(())
    }
}

/// RabbitMQ's part of a stage; also after a broker has lost everything.
pub async fn create_vhost(services: &Services, name: &str) -> Result<()> {
    services.api(Method::PUT, &format!("vhosts/{name}"), None).await?;
    let all = json!({"configure": ".*", "write": ".*", "read": ".*"});
    services.api(Method::PUT, &format!("permissions/{name}/waybill"), Some(all)).await?;
    Ok(())
}

async fn create_database(services: &Services, name: &str, tablespace: Option<&str>) -> Result<()> {
    let db = maintenance(services).await?;
    let password = services.database_url.split(['/', '@']).nth(2).and_then(|part| part.split_once(':'));
    let (_, password) = password.context("a password in the database's URL")?;
    let exists: bool = sqlx::query_scalar("select exists (select from pg_roles where rolname = $1)")
        .bind(ROLE)
        .fetch_one(&db)
        .await?;
    let verb = if exists { "alter" } else { "create" };
    let role = format!("{verb} role {ROLE} login nosuperuser connection limit -1 password '{password}'");
    db.execute(AssertSqlSafe(role)).await?;
    let place = tablespace.map(|name| format!("tablespace {name}")).unwrap_or_default();
    db.execute(AssertSqlSafe(format!("create database {name} owner {ROLE} {place}"))).await?;
    db.close().await;
    Ok(())
}

/// A connection to the maintenance database, once it answers.
pub async fn maintenance(services: &Services) -> Result<PgPool> {
    let options = PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(3));
    let db = options.connect_lazy(&services.database_url)?;
    until("PostgreSQL to answer the drill", Patience::LONG, async || {
        Ok(db.execute("select 1").await.is_ok())
    })
    .await?;
    Ok(db)
}

/// The URL with the processes' role instead of its own.
fn in_role(url: &str) -> String {
    match url.strip_prefix("postgres://").and_then(|rest| rest.split_once(':')) {
        Some((_, rest)) => format!("postgres://{ROLE}:{rest}"),
        None => url.to_owned(),
    }
}

fn settings(services: &Services, name: &str, mutants: &str, ports: (u16, u16)) -> Vec<(String, String)> {
    let mut settings: Vec<(String, String)> =
        SETTINGS.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    settings.push(("WAYBILL_DATABASE_URL".into(), in_role(&services.database(name, Some(ports.0)))));
    settings.push(("WAYBILL_AMQP_URL".into(), services.vhost(name, Some(ports.1))));
    settings.push(("WAYBILL_RABBITMQ_API_URL".into(), services.api_url.clone()));
    settings.push(("WAYBILL_MUTANT".into(), mutants.to_owned()));
    if include_str!("../../../deploy/waybill.default.toml").contains("\nlost_grace_s ") {
        settings.push(("WAYBILL_SERVE__LOST_GRACE_S".into(), "10".into()));
    }
    settings
}

/// Whether the folder of a run is worth keeping is the report's to say; this one was not.
pub fn forget(folder: &Path) {
    let _ = std::fs::remove_dir_all(folder);
}
