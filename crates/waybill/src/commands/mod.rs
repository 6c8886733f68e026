//! The commands, a file each: read what is needed, call one verb, print.

mod apply;
mod audit;
mod body;
mod config;
mod dead;
mod difference;
pub(crate) mod doctor;
mod edit;
mod export;
mod find;
mod manual;
mod message;
mod migrate;
mod pack;
mod plan;
mod progress;
mod reconcile;
mod report;
mod source;
mod timeline;
mod top;
mod topology;
mod undo;
mod user;

use std::process::ExitCode;
use std::time::Duration;

use waybill_broker::BrokerError;
use waybill_process::{lifecycle, telemetry};
use waybill_store::{Store, StoreError};

use crate::cli::{Arguments, Command, Source, Topology, Who};
use crate::config::{Config, Need};
use crate::terminal::Terminal;
use crate::{serve, table};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It did what it was told.
    Done,
    /// It found something wrong.
    Wrong,
    /// It was asked for what cannot be.
    Usage,
    /// Nothing matched.
    Nothing,
}

impl From<Ended> for ExitCode {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Done => Self::SUCCESS,
            Ended::Wrong => Self::FAILURE,
            Ended::Usage => Self::from(2),
            Ended::Nothing => Self::from(3),
        }
    }
}

/// Runs a command to its end.
pub fn run(arguments: Arguments) -> ExitCode {
    Terminal::settle(arguments.color);
    match &arguments.command {
        // what needs no service, and no configuration that is right
        Command::Completions { shell } => return ended(manual::completions(*shell)),
        Command::Man(page) => return ended(manual::manual(page)),
        Command::Config(command) => return ended(config::run(arguments.config.as_deref(), command)),
        _ => {}
    }
    let needs = needs(&arguments.command);
    let config = match Config::load(arguments.config.as_deref(), needs) {
        Ok(config) => config,
        Err(mistakes) => return mistakes.report(),
    };
    if let Command::Serve = arguments.command {
        let limit = Duration::from_secs(config.process.shutdown_s_max);
        return lifecycle::run("waybill serve", limit, |lifecycle| async move {
            telemetry::init(&config.process).map_err(anyhow::Error::msg)?;
            serve::start(config, &lifecycle).await?;
            Ok(())
        });
    }
    telemetry::install_tls();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    ended(runtime.block_on(dispatch(arguments.command, &arguments.who, &config)))
}

/// How a command ended, as an exit code; a failure is said, and what to do about it.
fn ended(ended: anyhow::Result<impl Into<ExitCode>>) -> ExitCode {
    match ended {
        Ok(ended) => ended.into(),
        Err(error) => {
            eprintln!("{}", table::plain_lines(&format!("{error:#}")));
            if let Some(advice) = advice(&error) {
                eprintln!("{advice}");
            }
            ExitCode::FAILURE
        }
    }
}

/// What to do about a service that does not answer.
fn advice(error: &anyhow::Error) -> Option<&'static str> {
    let ledger = "Is PostgreSQL up, and is WAYBILL_DATABASE_URL its address? `waybill doctor` looks at both.";
    let broker = "Is RabbitMQ up, and is WAYBILL_AMQP_URL its address? `waybill doctor` looks at both.";
    error.chain().find_map(|cause| {
        if let Some(StoreError::Unavailable(_)) = cause.downcast_ref() {
            Some(ledger)
        } else if let Some(BrokerError::Unavailable(_)) = cause.downcast_ref() {
            Some(broker)
        } else {
            None
        }
    })
}

fn needs(command: &Command) -> &'static [Need] {
    match command {
        Command::Source(Source::RotateKey(_) | Source::ImportKey { .. }) | Command::Apply { .. } => {
            &[Need::Ledger, Need::Pepper]
        }
        // it asks no service; but of the ledger, where no lane is given
        Command::Topology(Topology::Render { lanes, .. }) if !lanes.is_empty() => &[],
        Command::Topology(Topology::Render { .. }) => &[Need::Ledger],
        Command::Topology(_) | Command::Serve | Command::Doctor { .. } => &[Need::Ledger, Need::Broker],
        _ => &[Need::Ledger],
    }
}

async fn dispatch(command: Command, who: &Who, config: &Config) -> anyhow::Result<Ended> {
    if let Command::Topology(Topology::Render { lanes, vhost, .. }) = &command
        && !lanes.is_empty()
    {
        return topology::render(config, lanes.clone(), vhost.as_deref());
    }
    let mut database = config.database.clone();
    if matches!(command, Command::Migrate { .. } | Command::Reconcile { .. } | Command::Report { .. }) {
        // a migration takes as long as it takes, and waits its turn; so does a look at everything
        (database.statement_timeout_ms, database.lock_timeout_ms) = (0, 60_000);
    }
    let store = Store::new(&database, "waybill")?;
    let ended = match command {
        Command::Migrate { output } => migrate::run(&store, output).await,
        Command::Topology(Topology::Apply { output }) => topology::apply(&store, config, output).await,
        Command::Topology(Topology::Render { vhost, .. }) => {
            topology::render(config, topology::lanes(&store).await?, vhost.as_deref())
        }
        Command::Topology(Topology::Check { output }) => topology::check(&store, config, output).await,
        Command::Apply { file, dry_run, output } => {
            apply::run(&store, config, &file, dry_run, who, output).await
        }
        Command::Source(command) => source::run(&store, config, command, who).await,
        Command::Message(command) => message::run(&store, config, command, who).await,
        Command::Dead(command) => Box::pin(dead::run(&store, config, command, who)).await,
        Command::Plan(command) => plan::run(&store, config, command, who).await,
        Command::Audit(command) => audit::run(&store, command, who).await,
        Command::User(command) => user::run(&store, command, who).await,
        Command::Reconcile { repair, output } => reconcile::run(&store, config, repair, who, output).await,
        Command::Report { pack, output } => report::run(&store, &pack, who, output).await,
        Command::Doctor { processes, output } => {
            Box::pin(doctor::run(&store, config, &processes, output)).await
        }
        Command::Top(arguments) => Box::pin(top::run(&store, config, &arguments)).await,
        // these have run by now
        Command::Serve | Command::Completions { .. } | Command::Man(_) | Command::Config(_) => {
            Ok(Ended::Done)
        }
    };
    store.close().await;
    ended
}

/// Says that nobody is known to act.
fn nobody() -> Ended {
    eprintln!("neither --actor, WAYBILL_ACTOR nor USER says who acts: the audit trail needs it");
    Ended::Usage
}
