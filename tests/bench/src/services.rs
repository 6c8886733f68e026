//! PostgreSQL and RabbitMQ, as `./dev bench` provides them, and a space of one's own in both: a database
//! and a virtual host that nothing else uses, and that leave nothing behind.

use std::path::PathBuf;
use std::str::FromStr as _;

use anyhow::Context as _;
use reqwest::Method;
use serde_json::Value;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, PgPool};

/// Where everything is. Set by `./dev bench`.
#[derive(Clone)]
pub struct Services {
    database_url: String,
    amqp_url: String,
    api_url: String,
    /// The folder of the product's programs.
    pub bin_dir: PathBuf,
    /// Where the programs' logs go.
    pub log_dir: PathBuf,
    http: reqwest::Client,
}

/// A database and a virtual host of the same name.
#[derive(Clone)]
pub struct Space {
    /// Their name.
    pub name: String,
    /// The database; holds a password.
    pub database_url: String,
    /// The virtual host; holds a password.
    pub amqp_url: String,
    /// The management API; holds a password.
    pub api_url: String,
    /// A look into the database, from outside.
    pub db: PgPool,
}

/// A queue as the management API shows it.
#[derive(Debug, Clone, Copy)]
pub struct Queue {
    /// Messages in it.
    pub messages: u64,
    /// What its process takes of the broker's memory.
    pub memory_bytes: u64,
    /// The bodies of its messages, wherever they are.
    pub message_bytes: u64,
}

impl Services {
    /// Reads the environment.
    pub fn from_environment() -> anyhow::Result<Self> {
        let variable = |name: &str| {
            std::env::var(name).with_context(|| format!("{name} is not set: run this as ./dev bench"))
        };
        let log_dir = PathBuf::from(variable("WAYBILL_BENCH_LOG_DIR")?);
        std::fs::create_dir_all(&log_dir).with_context(|| log_dir.display().to_string())?;
        Ok(Self {
            database_url: variable("WAYBILL_BENCH_DATABASE_URL")?,
            amqp_url: variable("WAYBILL_BENCH_AMQP_URL")?.trim_end_matches('/').to_owned(),
            api_url: variable("WAYBILL_BENCH_RABBITMQ_API_URL")?.trim_end_matches('/').to_owned(),
            bin_dir: PathBuf::from(variable("WAYBILL_BENCH_BIN_DIR")?),
            log_dir,
            http: reqwest::Client::new(),
        })
    }

    /// Makes an empty space called `bench_{name}`; what an interrupted run left of it goes first.
    pub async fn space(&self, name: &str) -> anyhow::Result<Space> {
        let name = format!("bench_{name}");
        self.drop_space(&name).await?;
        self.maintain(&format!("create database {name}")).await?;
        self.api(Method::PUT, &format!("vhosts/{name}")).await?;
        let (server, _) = self.server()?;
        let database_url = format!("{server}/{name}");
        let options = PgConnectOptions::from_str(&database_url)?
            // questions that find nothing are answered by the small indexes, not by reading everything
            .options([("enable_seqscan", "off"), ("jit", "off")])
            .disable_statement_logging();
        let db = PgPoolOptions::new().max_connections(4).connect_with(options).await?;
        let amqp_url = format!("{}/{name}", self.amqp_url);
        Ok(Space { name, database_url, amqp_url, api_url: self.api_url.clone(), db })
    }

    /// Takes the space back.
    pub async fn close(&self, space: Space) -> anyhow::Result<()> {
        space.db.close().await;
        self.drop_space(&space.name).await
    }

    /// Writes out what PostgreSQL still has to write, so that it is not written while we measure.
    pub async fn settle(&self) -> anyhow::Result<()> {
        self.maintain("checkpoint").await
    }

    /// What autovacuum has done by the time that people look, done at once.
    pub async fn vacuum(&self, space: &Space) -> anyhow::Result<()> {
        space.db.execute("vacuum (analyze)").await.context("vacuum")?;
        Ok(())
    }

    /// The versions of PostgreSQL and RabbitMQ.
    pub async fn versions(&self) -> anyhow::Result<(String, String)> {
        let pool = PgPoolOptions::new().max_connections(1).connect(&self.database_url).await?;
        let postgresql: String = sqlx::query_scalar("show server_version").fetch_one(&pool).await?;
        pool.close().await;
        let overview = self.api(Method::GET, "overview").await?;
        let rabbitmq = overview["rabbitmq_version"].as_str().unwrap_or("unknown").to_owned();
        Ok((postgresql, rabbitmq))
    }

    /// A queue of `space`, by the management API's figures, which are up to five seconds old; `None`
    /// while it has none.
    pub async fn queue(&self, space: &Space, queue: &str) -> anyhow::Result<Option<Queue>> {
        let shown = self.api(Method::GET, &format!("queues/{}/{queue}", space.name)).await?;
        let figure = |name: &str| shown.get(name).and_then(Value::as_u64);
        let figures = (figure("messages"), figure("memory"), figure("message_bytes"));
        let (Some(messages), Some(memory_bytes), Some(message_bytes)) = figures else { return Ok(None) };
        Ok(Some(Queue { messages, memory_bytes, message_bytes }))
    }

    /// The server part of the database's URL, and what follows.
    fn server(&self) -> anyhow::Result<(&str, &str)> {
        self.database_url.rsplit_once('/').context("WAYBILL_BENCH_DATABASE_URL names no database")
    }

    async fn drop_space(&self, name: &str) -> anyhow::Result<()> {
        self.maintain(&format!("drop database if exists {name} with (force)")).await?;
        let url = format!("{}/api/vhosts/{name}", self.api_url);
        self.http.delete(url).send().await.context("RabbitMQ's management API")?;
        Ok(())
    }

    async fn maintain(&self, statement: &str) -> anyhow::Result<()> {
        let pool = PgPoolOptions::new().max_connections(1).connect(&self.database_url).await?;
        pool.execute(AssertSqlSafe(statement.to_owned())).await.context(statement.to_owned())?;
        pool.close().await;
        Ok(())
    }

    async fn api(&self, method: Method, path: &str) -> anyhow::Result<Value> {
        let url = format!("{}/api/{path}", self.api_url);
        let response = self.http.request(method, url).send().await.map_err(reqwest::Error::without_url)?;
        let response = response.error_for_status().map_err(reqwest::Error::without_url)?;
        let text = response.text().await?;
        Ok(if text.is_empty() { Value::Null } else { serde_json::from_str(&text)? })
    }
}
