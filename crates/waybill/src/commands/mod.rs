//! The commands, a file each: read what is needed, call one verb, print.

mod apply;
mod audit;
mod body;
mod dead;
mod difference;
pub(crate) mod doctor;
mod edit;
mod find;
mod message;
mod migrate;
mod pack;
mod plan;
mod reconcile;
mod report;
mod source;
mod timeline;
mod topology;
mod undo;
mod user;

use std::process::ExitCode;
use std::time::Duration;

use waybill_process::{lifecycle, telemetry};
use waybill_store::Store;

use crate::cli::{Arguments, Command, Source, Topology, Who};
use crate::config::{Config, Need};
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

/// Runs a command to its end.
pub fn run(arguments: Arguments) -> ExitCode {
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
    match runtime.block_on(dispatch(arguments.command, &arguments.who, &config)) {
        Ok(Ended::Done) => ExitCode::SUCCESS,
        Ok(Ended::Wrong) => ExitCode::FAILURE,
        Ok(Ended::Usage) => ExitCode::from(2),
        Ok(Ended::Nothing) => ExitCode::from(3),
        Err(error) => {
            eprintln!("{}", table::plain_lines(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

const fn needs(command: &Command) -> &'static [Need] {
    match command {
        Command::Source(Source::RotateKey(_) | Source::ImportKey { .. }) | Command::Apply { .. } => {
            &[Need::Ledger, Need::Pepper]
        }
        Command::Topology(_) | Command::Serve | Command::Doctor { .. } => &[Need::Ledger, Need::Broker],
        _ => &[Need::Ledger],
    }
}

async fn dispatch(command: Command, who: &Who, config: &Config) -> anyhow::Result<Ended> {
    let mut database = config.database.clone();
    if matches!(command, Command::Migrate | Command::Reconcile { .. } | Command::Report { .. }) {
        // a migration takes as long as it takes, and waits its turn; so does a look at everything
        (database.statement_timeout_ms, database.lock_timeout_ms) = (0, 60_000);
    }
    let store = Store::new(&database, "waybill")?;
    let ended = match command {
        Command::Migrate => migrate::run(&store).await,
        Command::Topology(Topology::Apply) => topology::apply(&store, config).await,
        Command::Topology(Topology::Check { output }) => topology::check(&store, config, output).await,
        Command::Apply { file, dry_run, output } => {
            apply::run(&store, config, &file, dry_run, who, output).await
        }
        Command::Source(command) => source::run(&store, config, command, who).await,
        Command::Message(command) => message::run(&store, config, command, who).await,
        Command::Dead(command) => dead::run(&store, config, command, who).await,
        Command::Plan(command) => plan::run(&store, config, command, who).await,
        Command::Audit(command) => audit::run(&store, command, who).await,
        Command::User(command) => user::run(&store, command, who).await,
        Command::Reconcile { repair, output } => reconcile::run(&store, config, repair, who, output).await,
        Command::Report { pack, output } => report::run(&store, &pack, who, output).await,
        Command::Doctor { processes, output } => {
            Box::pin(doctor::run(&store, config, &processes, output)).await
        }
        Command::Serve => Ok(Ended::Done),
    };
    store.close().await;
    ended
}

/// Says that nobody is known to act.
fn nobody() -> Ended {
    eprintln!("neither --actor, WAYBILL_ACTOR nor USER says who acts: the audit trail needs it");
    Ended::Usage
}
