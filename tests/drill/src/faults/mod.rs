//! The faults: a table of them, a file for each family.
//!
//! A fault is injected while messages flow, must then show that it has bitten (a fault that hit
//! nothing proves nothing), is held for a moment, and healed, as an operator or a supervisor would.

mod broker;
mod client;
mod fleet;
mod late;
mod ledger;
mod network;
mod plans;
mod points;
mod service;
mod table;

use std::time::Duration;

use anyhow::Result;

use crate::services::Services;
use crate::stage::Stage;

pub use table::FAULTS;

/// What a fault breaks. Two of a pair break different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum Subject {
    /// The way between partners and us.
    Partner,
    /// The accepting processes.
    Ingest,
    /// PostgreSQL, or the way to it.
    Ledger,
    /// RabbitMQ, or the way to it.
    Broker,
    /// The workers.
    Worker,
    /// The sweeping process.
    Serve,
    /// All processes.
    Fleet,
    /// What operators decide about dead letters.
    Letters,
}

/// One fault.
#[derive(Debug)]
pub struct Fault {
    /// Its name, for `--only`.
    pub name: &'static str,
    /// What happens, in words.
    pub about: &'static str,
    /// What it breaks.
    pub subject: Subject,
    /// Whether partners must be answered in time all the same. They cannot be where the accepting
    /// process, or the way to it, is itself what stands still.
    pub prompt: bool,
    /// Whether the short drill has it.
    pub quick: bool,
    act: Act,
}

/// How a fault is injected and healed, by family.
#[derive(Debug)]
enum Act {
    Point(points::Point),
    Service(service::Service),
    Network(network::Network),
    Ledger(ledger::Ledger),
    Broker(broker::Broker),
    Fleet(fleet::Fleet),
    Client(client::Client),
    Plans(plans::Plans),
}

/// What was there when a fault was injected, to tell what it has done.
#[derive(Debug, Clone, Default)]
pub struct Force {
    /// Posts not answered 2xx before.
    refused: u64,
    /// How often the network had bitten before.
    bites: u64,
}

impl Fault {
    /// Whether the two can be injected together: they break different things. What goes through all
    /// processes waits for each, so it does not go with what ends one of them; dead letters are made by one
    /// fault at a time; and what takes the workers away leaves nothing that could happen to them.
    pub fn goes_with(&self, other: &Self) -> bool {
        let fleet = [self, other].iter().any(|fault| matches!(fault.act, Act::Fleet(_)));
        let outside = [self, other]
            .iter()
            .any(|fault| matches!(fault.subject, Subject::Partner | Subject::Ledger | Subject::Broker));
        let letters = [self, other].iter().all(|fault| matches!(fault.act, Act::Plans(_)));
        let gone = self.takes_workers_from(other) || other.takes_workers_from(self);
        self.subject != other.subject && (!fleet || outside) && !letters && !gone
    }

    fn takes_workers_from(&self, other: &Self) -> bool {
        let takes = matches!(&self.act, Act::Broker(broker) if broker.takes_workers());
        let needs =
            matches!(other.act, Act::Fleet(_)) && matches!(other.subject, Subject::Worker | Subject::Fleet);
        takes && needs
    }

    /// Its place in a pair: what needs messages to flow, processes to become ready or to take a thousand
    /// connections, or a letter to be put into RabbitMQ, comes first, and what is injected by way of
    /// RabbitMQ and PostgreSQL before what makes them hard to reach.
    pub const fn order(&self) -> u8 {
        match (&self.act, self.subject) {
            (Act::Plans(_), _) => 0,
            (Act::Client(_) | Act::Point(points::Point { lure: points::Lure::DeadLetter, .. }), _) => 1,
            (Act::Fleet(fleet), _) if fleet.starts_anew() => 1,
            (_, Subject::Broker | Subject::Letters) => 2,
            (_, Subject::Worker | Subject::Serve | Subject::Ingest | Subject::Fleet) => 3,
            (_, Subject::Partner) => 4,
            (_, Subject::Ledger) => 5,
        }
    }

    /// Breaks it.
    ///
    /// # Errors
    /// When it could not be broken; then the run has failed.
    pub async fn inject(&self, stage: &mut Stage) -> Result<Force> {
        let mut force = Force { refused: stage.refused(), bites: 0 };
        match &self.act {
            Act::Point(point) => point.inject(stage).await,
            Act::Service(service) => service.inject(stage).await,
            Act::Network(network) => {
                force.bites = network.bites(stage);
                network.inject(stage);
                Ok(())
            }
            Act::Ledger(ledger) => ledger.inject(stage).await,
            Act::Broker(broker) => broker.inject(stage).await,
            Act::Fleet(fleet) => fleet.inject(stage).await,
            Act::Client(client) => client.inject(stage).await,
            Act::Plans(plans) => plans.inject(stage).await,
        }?;
        Ok(force)
    }

    /// Waits until it has bitten; what shows that.
    ///
    /// # Errors
    /// When nothing shows it: nothing was in flight, and the run proves nothing.
    pub async fn bitten(&self, stage: &mut Stage, force: &Force) -> Result<String> {
        match &self.act {
            Act::Point(point) => point.bitten(stage).await,
            Act::Service(service) => service.bitten(stage, force).await,
            Act::Network(network) => network.bitten(stage, force).await,
            Act::Ledger(ledger) => ledger.bitten(stage, force).await,
            Act::Broker(broker) => broker.bitten(stage).await,
            Act::Fleet(fleet) => fleet.bitten(stage, force).await,
            Act::Client(client) => client.bitten(stage).await,
            Act::Plans(plans) => plans.bitten(stage).await,
        }
    }

    /// How long it lasts after it has bitten.
    pub fn hold(&self) -> Duration {
        Duration::from_millis(match &self.act {
            Act::Point(point) => point.hold_ms(),
            Act::Service(service) => service.hold_ms(),
            Act::Network(network) => network.hold_ms(),
            Act::Ledger(ledger) => ledger.hold_ms(),
            Act::Broker(_) | Act::Fleet(_) | Act::Client(_) => 2000,
            Act::Plans(_) => 500,
        })
    }

    /// Mends it; does nothing to what is whole.
    ///
    /// # Errors
    /// When it cannot be mended.
    pub async fn heal(&self, stage: &mut Stage) -> Result<()> {
        match &self.act {
            Act::Point(point) => point.heal(stage)?,
            Act::Service(service) => service.heal(stage).await?,
            Act::Network(network) => network.heal(stage),
            Act::Ledger(ledger) => ledger.heal(stage).await?,
            Act::Broker(broker) => broker.heal(stage).await?,
            Act::Fleet(fleet) => fleet.heal(stage).await?,
            Act::Client(_) => client::Client::heal(stage),
            Act::Plans(plans) => plans.heal(stage).await?,
        }
        stage.fleet.revive()
    }

    /// Why it cannot be injected on this machine, if it cannot. Prepares what it needs.
    ///
    /// # Errors
    /// When that cannot be found out.
    pub async fn cannot(&self, services: &Services) -> Result<Option<String>> {
        match &self.act {
            Act::Service(service) => service.cannot(services).await,
            Act::Ledger(ledger) => ledger.cannot(services).await,
            Act::Fleet(fleet) => fleet.cannot(services).await,
            _ => Ok(None),
        }
    }

    /// Takes away what it needed.
    ///
    /// # Errors
    /// When that cannot be done.
    pub async fn clear(&self, services: &Services) -> Result<()> {
        match &self.act {
            Act::Ledger(ledger) => ledger.clear(services).await,
            _ => Ok(()),
        }
    }

    /// Where the run's database must be, if it matters.
    pub const fn tablespace(&self) -> Option<&'static str> {
        match &self.act {
            Act::Ledger(ledger) => ledger.tablespace(),
            _ => None,
        }
    }
}
