//! The broker watched: up, alarms, quorum, blocked connections, topology, and its queues.
//!
//! Three views, each optional but the first, each with its own time limit, asked at once: AMQP
//! (ready messages and consumers, now), the management API (the rest, some seconds late), and the
//! nodes' Prometheus endpoints (which answer when the API hangs). A figure that none of them gives
//! is unknown, and shown as NaN. `waybill_broker_up` says whether AMQP answers,
//! `waybill_broker_watch_up` whether all the views that are configured do.

mod idle;
mod series;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use waybill_broker::api::{Api, QueueFigures, Unroutable};
use waybill_broker::findings::{Finding, Seen, Weight};
use waybill_broker::prometheus::{Endpoints, Scrape};
use waybill_broker::topology::{self, DEAD, work_queue};
use waybill_broker::{Broker, Link};
use waybill_store::directory::Directory;

use super::sweep::{Done, Sweep};
use series::{ALARMS, REASONS, STRATEGIES, count, gauge, labelled, queue, yes};

/// For all that AMQP is asked in one pass: a connection may hang.
const AMQP_LIMIT: Duration = Duration::from_secs(10);

/// How RabbitMQ can be seen beside AMQP.
#[derive(Debug)]
pub(super) struct Views {
    pub(super) api: Option<Api>,
    pub(super) endpoints: Option<Endpoints>,
}

/// The pass that looks at the broker.
#[derive(Debug)]
pub(super) struct Watch {
    broker: Broker,
    views: Views,
    directory: Directory,
    link: Option<Link>,
    acknowledgements: idle::Acknowledgements,
    queues: series::Queues,
}

/// Ready messages and consumers over AMQP; none: there is no such queue.
type Depths = BTreeMap<String, Option<(u32, u32)>>;

/// What the management API said; each part by itself, for each may fail by itself.
struct FromApi {
    topology: anyhow::Result<Seen>,
    alarms: anyhow::Result<Vec<String>>,
    quorum_critical: anyhow::Result<bool>,
    connections_blocked: anyhow::Result<u64>,
    unroutable: anyhow::Result<Unroutable>,
}

impl Watch {
    pub(super) fn new(broker: Broker, views: Views, directory: Directory) -> Self {
        series::announce();
        Self {
            broker,
            views,
            directory,
            link: None,
            acknowledgements: idle::Acknowledgements::default(),
            queues: series::Queues::default(),
        }
    }

    /// The work queues and `waybill.dead`, at once; none where AMQP does not answer.
    async fn over_amqp(&mut self, queues: &BTreeSet<String>) -> anyhow::Result<Depths> {
        let link = match self.link.take() {
            Some(link) if link.is_connected() => link,
            _ => self.broker.connect("waybill watch").await?,
        };
        let mut depths = BTreeMap::new();
        for queue in queues {
            depths.insert(queue.clone(), topology::depth(&link, queue).await?);
        }
        self.link = Some(link);
        Ok(depths)
    }

    /// What each view says of one queue, the freshest first.
    fn show_queue(&mut self, name: &str, seen: &Sights<'_>, now: Instant) {
        let over_amqp = seen.depths.and_then(|depths| depths.get(name).copied().flatten());
        let figures = seen.queues.and_then(|queues| queues.iter().find(|queue| queue.name == name));
        let depth = seen.scrape.and_then(|scrape| scrape.queues.get(name).copied()).unwrap_or_default();
        let ready = over_amqp.map(|(ready, _)| u64::from(ready)).or(depth.ready);
        let consumers = over_amqp.map(|(_, consumers)| u64::from(consumers)).or(depth.consumers);
        let sight = idle::Sight {
            ready: ready.or_else(|| figures?.messages_ready),
            unacked: figures.and_then(|figures| figures.messages_unacknowledged).or(depth.unacked),
            consumers: consumers.or_else(|| figures?.consumers),
            acknowledged: figures.and_then(QueueFigures::acknowledged),
            is_consumed: name != DEAD,
        };
        queue("waybill_queue_ready", name, count(sight.ready));
        queue("waybill_queue_unacked", name, count(sight.unacked));
        queue("waybill_queue_consumers", name, count(sight.consumers));
        queue("waybill_queue_majority", name, yes(figures.and_then(QueueFigures::has_majority)));
        let idle = self.acknowledgements.is_idle(name, sight, now);
        queue("waybill_queue_idle", name, yes(idle));
    }
}

/// The queues as each view shows them; none where it was silent.
struct Sights<'a> {
    depths: Option<&'a Depths>,
    queues: Option<&'a Vec<QueueFigures>>,
    scrape: Option<&'a Scrape>,
}

impl FromApi {
    async fn ask(api: &Api) -> Self {
        let (topology, alarms, quorum_critical, connections_blocked, unroutable) = tokio::join!(
            Seen::read(api),
            api.alarms(),
            api.quorum_critical(),
            api.connections_blocked(),
            api.unroutable(),
        );
        Self {
            topology: topology.context("its queues and policies"),
            alarms: alarms.context("its alarms"),
            quorum_critical: quorum_critical.context("its quorum"),
            connections_blocked: connections_blocked.context("its connections"),
            unroutable: unroutable.context("its virtual host"),
        }
    }

    /// The first thing that it did not say.
    fn failure(self) -> Option<anyhow::Error> {
        let Self { topology, alarms, quorum_critical, connections_blocked, unroutable } = self;
        topology
            .err()
            .or(alarms.err())
            .or(quorum_critical.err())
            .or(connections_blocked.err())
            .or(unroutable.err())
    }
}

/// Alarms: what the API says, else what the nodes say.
fn show_alarms(api: Option<&FromApi>, scrape: Option<&Scrape>) {
    let raised = api.and_then(|api| api.alarms.as_ref().ok());
    for kind in ALARMS {
        let by_nodes = || scrape.and_then(|scrape| scrape.alarms.get(kind).copied());
        let is_raised = raised.map(|raised| raised.iter().any(|alarm| alarm == kind));
        labelled("waybill_broker_alarm", "kind", kind, yes(is_raised.or_else(by_nodes)));
    }
}

fn show_cluster(api: Option<&FromApi>, scrape: Option<&Scrape>) {
    let known = |part: fn(&FromApi) -> Option<f64>| api.and_then(part);
    gauge("waybill_broker_quorum_critical", known(|api| yes(api.quorum_critical.as_ref().ok().copied())));
    gauge(
        "waybill_broker_connections_blocked",
        known(|api| count(api.connections_blocked.as_ref().ok().copied())),
    );
    let unroutable = api.and_then(|api| api.unroutable.as_ref().ok().copied()).unwrap_or_default();
    labelled("waybill_broker_unroutable_messages", "how", "returned", count(unroutable.returned));
    labelled("waybill_broker_unroutable_messages", "how", "dropped", count(unroutable.dropped));
    for reason in REASONS {
        for strategy in STRATEGIES {
            let key = (reason.to_owned(), strategy.to_owned());
            let messages = scrape.and_then(|scrape| scrape.dead_lettered.get(&key).copied());
            series::dead_lettered(reason, strategy, messages);
        }
    }
}

/// Differences by weight. Without the API only missing queues are seen, so that "none" is unknown.
fn show_topology(lanes: &[String], api: Option<&FromApi>, depths: Option<&Depths>) {
    let findings: Option<Vec<Finding>> =
        api.and_then(|api| api.topology.as_ref().ok()).map(|seen| seen.findings(lanes));
    let missing = depths.map_or(0, |depths| depths.values().filter(|depth| depth.is_none()).count());
    for (label, weight) in [("unsafe", Weight::Unsafe), ("weak", Weight::Weak)] {
        let found = findings.as_ref().map(|all| all.iter().filter(|f| f.weight == weight).count());
        let missing = (weight == Weight::Unsafe && missing > 0).then_some(missing);
        let found = found.max(missing).map(|found| found as u64);
        labelled("waybill_topology_differences", "weight", label, count(found));
    }
}

impl Sweep for Watch {
    const NAME: &'static str = "watch";

    async fn run_once(&mut self) -> anyhow::Result<Done> {
        let lanes = self.directory.snapshot().lanes.clone();
        let mut queues: BTreeSet<String> = lanes.iter().map(|lane| work_queue(lane)).collect();
        queues.insert(DEAD.to_owned());
        let (api, endpoints) = (self.views.api.clone(), self.views.endpoints.clone());
        let asked = async { Some(FromApi::ask(api.as_ref()?).await) };
        let scraped = async { Some(endpoints.as_ref()?.scrape().await) };
        let amqp = tokio::time::timeout(AMQP_LIMIT, self.over_amqp(&queues));
        let (depths, api, scrape) = tokio::join!(amqp, asked, scraped);
        let depths =
            depths.unwrap_or_else(|_| Err(anyhow::anyhow!("RabbitMQ gave no answer in {AMQP_LIMIT:?}")));
        let seen_depths = depths.as_ref().ok();
        let seen_scrape = scrape.as_ref().and_then(|scrape| scrape.as_ref().ok());
        gauge("waybill_broker_up", yes(Some(depths.is_ok())));
        show_alarms(api.as_ref(), seen_scrape);
        show_cluster(api.as_ref(), seen_scrape);
        show_topology(&lanes, api.as_ref(), seen_depths);
        self.queues.are(&queues);
        let seen = Sights {
            depths: seen_depths,
            queues: api.as_ref().and_then(|api| api.topology.as_ref().ok()).map(|seen| &seen.queues),
            scrape: seen_scrape,
        };
        for name in &queues {
            self.show_queue(name, &seen, Instant::now());
        }
        let failure = depths
            .err()
            .or_else(|| api.and_then(FromApi::failure))
            .or_else(|| scrape.and_then(Result::err).map(anyhow::Error::from));
        gauge("waybill_broker_watch_up", yes(Some(failure.is_none())));
        failure.map_or(Ok(Done::default()), Err)
    }
}
