//! The drill's own PostgreSQL and RabbitMQ, and the script that breaks and mends them.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::Method;
use serde_json::Value;

/// Where the services are; `./dev chaos` says so in the environment.
#[derive(Debug, Clone)]
pub struct Services {
    /// A maintenance database, as a role that may do anything.
    pub database_url: String,
    /// RabbitMQ, without a virtual host.
    pub amqp_url: String,
    /// RabbitMQ's management API, with credentials.
    pub api_url: String,
    /// Breaks and mends them.
    ctl: PathBuf,
    http: reqwest::Client,
}

impl Services {
    /// What the environment says.
    pub fn from_environment() -> Result<Self> {
        Ok(Self {
            database_url: variable("WAYBILL_CHAOS_DATABASE_URL")?,
            amqp_url: variable("WAYBILL_CHAOS_AMQP_URL")?,
            api_url: variable("WAYBILL_CHAOS_RABBITMQ_API_URL")?,
            ctl: variable("WAYBILL_CHAOS_CTL")?.into(),
            http: reqwest::Client::builder().timeout(Duration::from_secs(15)).build()?,
        })
    }

    /// Has the control script do something; returns when the state is reached.
    pub async fn control(&self, words: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.ctl);
        command.args(words);
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        ensure!(
            output.status.success(),
            "'{}' failed: {said} {}",
            words.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(said)
    }

    /// Asks RabbitMQ's management API; a name within `path` must be written as in a URL.
    pub async fn api(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let url = format!("{}/api/{path}", self.api_url.trim_end_matches('/'));
        let mut request = self.http.request(method, url);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.with_context(|| format!("RabbitMQ's API, {path}"))?;
        let status = response.status();
        let text = response.text().await.unwrap_or_default();
        if !status.is_success() {
            bail!("RabbitMQ's API answered {status} to {path}: {text}");
        }
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// The URL of the database `name`, at `port` of this machine instead of its own if one is given.
    pub fn database(&self, name: &str, port: Option<u16>) -> String {
        let (server, _) = self.database_url.rsplit_once('/').unwrap_or((&self.database_url, ""));
        format!("{}/{name}", at_port(server, port))
    }

    /// The URL of the virtual host `name`.
    pub fn vhost(&self, name: &str, port: Option<u16>) -> String {
        format!("{}/{name}", at_port(self.amqp_url.trim_end_matches('/'), port))
    }

    /// The ports of PostgreSQL and of RabbitMQ.
    pub fn ports(&self) -> Result<(u16, u16)> {
        let (server, _) = self.database_url.rsplit_once('/').context("a database in the URL")?;
        Ok((port_of(server)?, port_of(self.amqp_url.trim_end_matches('/'))?))
    }
}

/// A variable that `./dev chaos` sets.
pub fn variable(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set: start the drill with ./dev chaos"))
}

fn port_of(server: &str) -> Result<u16> {
    let port = server.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    port.context("a port in the services' URLs")
}

fn at_port(server: &str, port: Option<u16>) -> String {
    match (port, server.rsplit_once(':')) {
        (Some(port), Some((host, _))) => format!("{host}:{port}"),
        _ => server.to_owned(),
    }
}
