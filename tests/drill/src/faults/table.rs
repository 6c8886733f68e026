//! Every fault of the drill, one line each.

use super::broker::Broker;
use super::client::Client;
use super::fleet::Fleet;
use super::ledger::Ledger;
use super::network::{Network, Way};
use super::plans::Plans;
use super::points::{How, Lure, Point};
use super::service::{Service, Shows};
use super::{Act, Fault, Subject};
use crate::fleet::Role;
use crate::proxy::Mode;

/// The faults, in the order in which they are injected: name, what happens, what it breaks, how.
#[rustfmt::skip] // one line each
pub const FAULTS: &[Fault] = &[
    fault("accept.before_commit.kill", "ingest killed before the commit", Subject::Ingest, point(Role::Ingest, "accept.before_commit", How::Kill, Lure::None)).unprompt(),
    fault("accept.before_commit.stop", "ingest stopped before the commit", Subject::Ingest, point(Role::Ingest, "accept.before_commit", How::Stop, Lure::None)).unprompt(),
    fault("accept.after_commit.kill", "ingest killed after the commit, before anybody is answered", Subject::Ingest, point(Role::Ingest, "accept.after_commit", How::Kill, Lure::None)).unprompt().quick(),
    fault("accept.after_commit.stop", "ingest stopped after the commit, before anybody is answered", Subject::Ingest, point(Role::Ingest, "accept.after_commit", How::Stop, Lure::None)).unprompt(),
    fault("accept.before_answer.kill", "ingest killed before one sender is answered", Subject::Ingest, point(Role::Ingest, "accept.before_answer", How::Kill, Lure::None)).unprompt(),
    fault("accept.before_answer.stop", "ingest stopped before one sender is answered", Subject::Ingest, point(Role::Ingest, "accept.before_answer", How::Stop, Lure::None)).unprompt(),
    fault("relay.after_lease.kill", "ingest killed with a window leased", Subject::Ingest, point(Role::Ingest, "relay.after_lease", How::Kill, Lure::None)).unprompt(),
    fault("relay.after_lease.stop", "ingest stopped with a window leased", Subject::Ingest, point(Role::Ingest, "relay.after_lease", How::Stop, Lure::None)).unprompt(),
    fault("relay.after_publish.kill", "ingest killed with a window published, before its confirms", Subject::Ingest, point(Role::Ingest, "relay.after_publish", How::Kill, Lure::None)).unprompt().quick(),
    fault("relay.after_publish.stop", "ingest stopped with a window published, before its confirms", Subject::Ingest, point(Role::Ingest, "relay.after_publish", How::Stop, Lure::None)).unprompt(),
    fault("relay.after_confirm.kill", "ingest killed with a window confirmed, before that is recorded", Subject::Ingest, point(Role::Ingest, "relay.after_confirm", How::Kill, Lure::None)).unprompt(),
    fault("relay.after_confirm.stop", "ingest stopped with a window confirmed, before that is recorded", Subject::Ingest, point(Role::Ingest, "relay.after_confirm", How::Stop, Lure::None)).unprompt(),
    fault("relay.after_recorded.kill", "ingest killed with a window recorded", Subject::Ingest, point(Role::Ingest, "relay.after_recorded", How::Kill, Lure::None)).unprompt(),
    fault("relay.after_recorded.stop", "ingest stopped with a window recorded", Subject::Ingest, point(Role::Ingest, "relay.after_recorded", How::Stop, Lure::None)).unprompt(),
    fault("worker.after_delivery.kill", "worker killed with deliveries in hand", Subject::Worker, point(Role::Worker, "worker.after_delivery", How::Kill, Lure::None)),
    fault("worker.after_delivery.stop", "worker stopped with deliveries in hand", Subject::Worker, point(Role::Worker, "worker.after_delivery", How::Stop, Lure::None)),
    fault("worker.after_claim.kill", "worker killed with messages claimed", Subject::Worker, point(Role::Worker, "worker.after_claim", How::Kill, Lure::None)),
    fault("worker.after_claim.stop", "worker stopped with messages claimed", Subject::Worker, point(Role::Worker, "worker.after_claim", How::Stop, Lure::None)).quick(),
    fault("worker.after_process.kill", "worker killed with messages processed, nothing written", Subject::Worker, point(Role::Worker, "worker.after_process", How::Kill, Lure::None)),
    fault("worker.after_process.stop", "worker stopped with messages processed, nothing written", Subject::Worker, point(Role::Worker, "worker.after_process", How::Stop, Lure::None)),
    fault("worker.before_commit.kill", "worker killed before effects are committed", Subject::Worker, point(Role::Worker, "worker.before_commit", How::Kill, Lure::None)),
    fault("worker.before_commit.stop", "worker stopped before effects are committed", Subject::Worker, point(Role::Worker, "worker.before_commit", How::Stop, Lure::None)),
    fault("worker.after_commit.kill", "worker killed after the commit, before the ack", Subject::Worker, point(Role::Worker, "worker.after_commit", How::Kill, Lure::None)).quick(),
    fault("worker.after_commit.stop", "worker stopped after the commit, before the ack", Subject::Worker, point(Role::Worker, "worker.after_commit", How::Stop, Lure::None)),
    fault("worker.after_ack.kill", "worker killed after the ack", Subject::Worker, point(Role::Worker, "worker.after_ack", How::Kill, Lure::None)),
    fault("worker.after_ack.stop", "worker stopped after the ack", Subject::Worker, point(Role::Worker, "worker.after_ack", How::Stop, Lure::None)),
    fault("worker.after_process.stop_full", "worker stopped with visits processed, nothing written, until another has finished them", Subject::Worker, point(Role::Worker, "worker.after_process", How::Stop, Lure::Backlog)),
    fault("sweep.before_record.kill", "serve killed before abandoned claims are given back", Subject::Serve, point(Role::Serve, "sweep.before_record", How::Kill, Lure::AbandonedClaim)),
    fault("sweep.after_record.kill", "serve killed after abandoned claims were given back", Subject::Serve, point(Role::Serve, "sweep.after_record", How::Kill, Lure::AbandonedClaim)),
    fault("intake.after_take.kill", "serve killed with a dead letter of RabbitMQ's taken", Subject::Serve, point(Role::Serve, "intake.after_take", How::Kill, Lure::DeadLetter)),
    fault("intake.before_ack.kill", "serve killed with such a dead letter filed, before its ack", Subject::Serve, point(Role::Serve, "intake.before_ack", How::Kill, Lure::DeadLetter)),
    fault("ingest.killed", "every ingest killed at once", Subject::Ingest, fleet(Fleet::Killed(Some(Role::Ingest)))).unprompt(),
    fault("ingest.frozen", "every ingest frozen for longer than its leases", Subject::Ingest, fleet(Fleet::Stopped(Role::Ingest))).unprompt(),
    fault("ingest.hurried", "ingest told twice to stop, under load", Subject::Ingest, fleet(Fleet::Hurried(Role::Ingest))).unprompt(),
    fault("ingest.clock_ahead", "the clock of every ingest five minutes ahead", Subject::Ingest, fleet(Fleet::Skewed(Role::Ingest, 300))).unprompt(),
    fault("ingest.clock_behind", "the clock of every ingest five minutes behind", Subject::Ingest, fleet(Fleet::Skewed(Role::Ingest, -300))).unprompt(),
    fault("worker.killed", "every worker killed at once", Subject::Worker, fleet(Fleet::Killed(Some(Role::Worker)))),
    fault("worker.frozen", "every worker frozen for longer than its leases", Subject::Worker, fleet(Fleet::Stopped(Role::Worker))),
    fault("worker.hurried", "worker told twice to stop, under load", Subject::Worker, fleet(Fleet::Hurried(Role::Worker))),
    fault("worker.clock_ahead", "the clock of every worker five minutes ahead", Subject::Worker, fleet(Fleet::Skewed(Role::Worker, 300))),
    fault("worker.clock_behind", "the clock of every worker five minutes behind", Subject::Worker, fleet(Fleet::Skewed(Role::Worker, -300))),
    fault("serve.killed", "every serve killed at once", Subject::Serve, fleet(Fleet::Killed(Some(Role::Serve)))),
    fault("serve.frozen", "every serve frozen for longer than its leases", Subject::Serve, fleet(Fleet::Stopped(Role::Serve))),
    fault("serve.hurried", "serve told twice to stop, under load", Subject::Serve, fleet(Fleet::Hurried(Role::Serve))),
    fault("serve.clock_ahead", "the clock of every serve five minutes ahead", Subject::Serve, fleet(Fleet::Skewed(Role::Serve, 300))),
    fault("serve.clock_behind", "the clock of every serve five minutes behind", Subject::Serve, fleet(Fleet::Skewed(Role::Serve, -300))),
    fault("fleet.killed", "every process killed at once", Subject::Fleet, fleet(Fleet::Killed(None))).unprompt().quick(),
    fault("fleet.rolled", "a rolling restart under load", Subject::Fleet, fleet(Fleet::Rolled)).unprompt(),
    fault("worker.scaled", "workers from 1 to 20 to 3", Subject::Worker, fleet(Fleet::Scaled)),
    fault("ingest.starved", "next to no file descriptors for ingest", Subject::Ingest, fleet(Fleet::Starved)).unprompt(),
    fault("postgres.killed", "PostgreSQL and its children killed", Subject::Ledger, service(&["postgres", "kill"], &["postgres", "start"], Shows::Refusals, 1000)).quick(),
    fault("postgres.restarted", "PostgreSQL stopped in good order and started", Subject::Ledger, service(&["postgres", "stop"], &["postgres", "start"], Shows::Refusals, 1000)),
    fault("postgres.frozen", "PostgreSQL stands still for longer than anybody waits", Subject::Ledger, service(&["postgres", "pause"], &["postgres", "resume"], Shows::Refusals, 4000)),
    fault("postgres.terminated", "every connection ended, again and again", Subject::Ledger, ledger(Ledger::Terminated)),
    fault("postgres.locked", "the receipts locked, as by a migration", Subject::Ledger, ledger(Ledger::Locked("lock table receipt in access exclusive mode"))).quick(),
    fault("postgres.progress_locked", "the progress of all messages locked", Subject::Ledger, ledger(Ledger::Locked("lock table progress in access exclusive mode"))),
    fault("postgres.exhausted", "no connection left", Subject::Ledger, ledger(Ledger::Exhausted)),
    fault("postgres.read_only", "no writes, as after a failover to a standby", Subject::Ledger, ledger(Ledger::ReadOnly)),
    fault("postgres.deadlocks", "every fourth statement ends in a deadlock", Subject::Ledger, ledger(Ledger::Erring("40P01"))),
    fault("postgres.serialization", "every fourth statement ends in a serialization failure", Subject::Ledger, ledger(Ledger::Erring("40001"))),
    fault("postgres.disk_full", "the disk under the tables is full", Subject::Ledger, ledger(Ledger::DiskFull)),
    fault("postgres.fsync_fails", "fsync fails: PostgreSQL panics and recovers", Subject::Ledger, service(&["postgres", "fsync-fail"], &["postgres", "fsync-well"], Shows::Refusals, 1000)),
    fault("postgres.fsync_slow", "each fsync takes half a second", Subject::Ledger, service(&["postgres", "fsync-slow"], &["postgres", "fsync-well"], Shows::Delay, 3000)),
    fault("rabbitmq.killed", "RabbitMQ killed", Subject::Broker, service(&["rabbitmq", "kill"], &["rabbitmq", "start"], Shows::Backlog, 1000)).quick(),
    fault("rabbitmq.restarted", "RabbitMQ stopped in good order and started", Subject::Broker, service(&["rabbitmq", "stop"], &["rabbitmq", "start"], Shows::Backlog, 1000)),
    fault("rabbitmq.frozen", "RabbitMQ stands still for longer than its heartbeats", Subject::Broker, service(&["rabbitmq", "pause"], &["rabbitmq", "resume"], Shows::Backlog, 8000)),
    fault("rabbitmq.memory_alarm", "RabbitMQ blocks publishers: memory", Subject::Broker, service(&["rabbitmq", "alarm"], &["rabbitmq", "calm"], Shows::Backlog, 3000)),
    fault("rabbitmq.disk_alarm", "RabbitMQ blocks publishers: disk", Subject::Broker, service(&["rabbitmq", "disk-alarm"], &["rabbitmq", "disk-calm"], Shows::Backlog, 3000)),
    fault("rabbitmq.queue_deleted", "the work queue deleted, with what it holds", Subject::Broker, broker(Broker::QueueDeleted)),
    fault("rabbitmq.queue_replaced", "the work queue deleted, and declared again before its subscribers see it", Subject::Broker, broker(Broker::QueueReplaced)),
    fault("rabbitmq.queue_purged", "the work queue purged", Subject::Broker, broker(Broker::QueuePurged)).quick(),
    fault("rabbitmq.queue_full", "the work queue takes no more", Subject::Broker, broker(Broker::QueueFull)),
    fault("rabbitmq.dead_queue_deleted", "the queue for dead letters deleted", Subject::Broker, broker(Broker::DeadQueueDeleted)),
    fault("rabbitmq.exchange_deleted", "the exchange deleted", Subject::Broker, broker(Broker::ExchangeDeleted)),
    fault("rabbitmq.unbound", "the work queue unbound: publishes come back", Subject::Broker, broker(Broker::Unbound)),
    fault("rabbitmq.forbidden", "permissions revoked", Subject::Broker, broker(Broker::Forbidden)),
    fault("rabbitmq.disconnected", "all connections closed, again and again", Subject::Broker, broker(Broker::Disconnected)),
    fault("rabbitmq.killed_full", "RabbitMQ killed with confirmed envelopes in its queues", Subject::Broker, broker(Broker::KilledFull)),
    fault("rabbitmq.wiped", "RabbitMQ killed and started with empty data", Subject::Broker, broker(Broker::Wiped)),
    fault("rabbitmq.vhost_deleted", "the virtual host deleted, with everything in it", Subject::Broker, broker(Broker::VhostDeleted)),
    fault("network.partner.cut", "partners cut off", Subject::Partner, network(Way::Ingest, Mode::Cut, 1500)).unprompt(),
    fault("network.partner.silent", "the network to partners falls silent", Subject::Partner, network(Way::Ingest, Mode::Silent, 13000)).unprompt(),
    fault("network.partner.answers_swallowed", "answers to partners swallowed", Subject::Partner, network(Way::Ingest, Mode::NoAnswers, 3000)).unprompt().quick(),
    fault("network.partner.reset_mid_body", "connections reset in mid-body", Subject::Partner, network(Way::Ingest, Mode::ResetMidBody, 2000)),
    fault("network.partner.hasty", "partners hang up as soon as they have asked", Subject::Partner, network(Way::Ingest, Mode::Hasty(0), 2000)),
    fault("network.partner.impatient", "partners hang up before they are answered", Subject::Partner, network(Way::Ingest, Mode::Hasty(4), 2000)),
    fault("network.partner.slow", "a slow network to partners", Subject::Partner, network(Way::Ingest, Mode::Slow(150), 3000)),
    fault("network.ledger.cut", "PostgreSQL cut off", Subject::Ledger, network(Way::Ledger, Mode::Cut, 3000)).quick(),
    fault("network.ledger.silent", "the network to PostgreSQL falls silent", Subject::Ledger, network(Way::Ledger, Mode::Silent, 14000)),
    fault("network.ledger.slow", "a slow network to PostgreSQL", Subject::Ledger, network(Way::Ledger, Mode::Slow(60), 4000)),
    fault("network.ledger.answers_swallowed", "PostgreSQL's answers swallowed: commits of unknown fate", Subject::Ledger, network(Way::Ledger, Mode::NoAnswers, 11000)),
    fault("network.broker.cut", "RabbitMQ cut off", Subject::Broker, network(Way::Broker, Mode::Cut, 3000)),
    fault("network.broker.silent", "the network to RabbitMQ falls silent", Subject::Broker, network(Way::Broker, Mode::Silent, 9000)),
    fault("network.broker.slow", "a slow network to RabbitMQ", Subject::Broker, network(Way::Broker, Mode::Slow(60), 4000)),
    fault("network.broker.confirms_swallowed", "RabbitMQ's confirms and deliveries swallowed", Subject::Broker, network(Way::Broker, Mode::NoAnswers, 5000)).quick(),
    fault("clients.silent", "1000 connections that say nothing", Subject::Partner, client(Client::Silent)),
    fault("plan.started_twice", "two replay plans of the same letters, each started twice at once", Subject::Letters, plans(Plans::StartedTwice)).quick(),
    fault("plan.interrupted", "serve, PostgreSQL and RabbitMQ killed one after the other, in the midst of a plan", Subject::Letters, plans(Plans::Interrupted)),
    fault("plan.cancelled", "a plan cancelled twice at once, in the midst of it", Subject::Letters, plans(Plans::Cancelled)),
    fault("plan.under_load", "a plan of many letters, while many more partners post", Subject::Letters, plans(Plans::UnderLoad)),
    fault("edit.races_retry", "dead letters edited and replayed at once, one by one", Subject::Letters, plans(Plans::EditRaced)),
    fault("serve.plan.before_turn.kill", "serve killed before a plan's next turn", Subject::Serve, plans(Plans::Killed("plan.before_turn"))),
    fault("serve.plan.after_replay.kill", "serve killed with letters replayed, before that is written down and committed", Subject::Serve, plans(Plans::Killed("plan.after_replay"))),
    fault("serve.plan.after_turn.kill", "serve killed after a plan's turn was committed", Subject::Serve, plans(Plans::Killed("plan.after_turn"))),
    fault("serve.plan.before_finish.kill", "serve killed before the end of a plan is committed", Subject::Serve, plans(Plans::Killed("plan.before_finish"))),
];

const fn fault(name: &'static str, about: &'static str, subject: Subject, act: Act) -> Fault {
    Fault { name, about, subject, prompt: true, quick: false, act }
}

impl Fault {
    /// Partners cannot be answered in time.
    const fn unprompt(self) -> Self {
        Self { prompt: false, ..self }
    }

    /// The short drill has it too.
    const fn quick(self) -> Self {
        Self { quick: true, ..self }
    }
}

const fn point(role: Role, at: &'static str, how: How, lure: Lure) -> Act {
    Act::Point(Point { role, at, how, lure })
}

const fn fleet(fleet: Fleet) -> Act {
    Act::Fleet(fleet)
}

type Words = &'static [&'static str];

const fn service(breaks: Words, mends: Words, shows: Shows, hold_ms: u64) -> Act {
    Act::Service(Service { breaks, mends, shows, hold_ms })
}

const fn ledger(ledger: Ledger) -> Act {
    Act::Ledger(ledger)
}

const fn broker(broker: Broker) -> Act {
    Act::Broker(broker)
}

const fn network(way: Way, mode: Mode, hold_ms: u64) -> Act {
    Act::Network(Network { way, mode, hold_ms })
}

const fn plans(plans: Plans) -> Act {
    Act::Plans(plans)
}

const fn client(client: Client) -> Act {
    Act::Client(client)
}
