//! Envelopes that RabbitMQ had confirmed and no longer has: a queue purged, deleted or declared
//! anew, a broker wiped. Their messages become due again.
//!
//! Judged by identity and by the broker's own counts ([`judge`]), never by how long something has
//! waited. One that was still there after all is published twice: a wake-up too many, no effect.

mod judge;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use uuid::Uuid;
use waybill_broker::api::{Api, QueueFigures};
use waybill_broker::topology::{self, DEAD, work_queue};
use waybill_broker::{Broker, Link};
use waybill_store::Store;
use waybill_store::conservation::Misfit;
use waybill_store::directory::Directory;

use super::standing::Standing;
use super::sweep::{Done, Sweep};
use judge::{Depth, Lane, Waiting};

/// Statements of `sweep_rows_max` rows in one pass, for each lane.
const CHUNKS_MAX: u32 = 50;
/// Lines about single messages that one pass writes into the log.
const LOGGED_MAX: usize = 100;

/// The sweep for lost envelopes.
#[derive(Debug)]
pub(crate) struct Lost {
    store: Store,
    directory: Directory,
    broker: Broker,
    api: Option<Api>,
    grace: Duration,
    rows_max: u32,
    standing: Standing,
    link: Option<Link>,
    lanes: HashMap<String, Lane>,
    /// Whether more looks may show more.
    pub(crate) undecided: bool,
}

impl Lost {
    /// A sweep that has seen nothing yet.
    pub(crate) fn new(
        store: Store,
        directory: Directory,
        (broker, api): (Broker, Option<Api>),
        (grace, rows_max): (Duration, u32),
        standing: Standing,
    ) -> Self {
        let (link, lanes, undecided) = (None, HashMap::new(), true);
        Self { store, directory, broker, api, grace, rows_max, standing, link, lanes, undecided }
    }

    /// What is lost by now; those that look so must do so for a while.
    pub(crate) async fn find(&mut self) -> anyhow::Result<Vec<Misfit>> {
        let link = match self.link.take() {
            Some(link) if link.is_connected() => link,
            _ => self.broker.connect("waybill lost").await?,
        };
        let figures = match &self.api {
            Some(api) => Some(api.queues().await?),
            None => None,
        };
        let lanes = self.directory.snapshot().lanes.clone();
        self.lanes.retain(|lane, _| lanes.contains(lane));
        self.undecided = false;
        let mut lost = Vec::new();
        for lane in &lanes {
            let depth = depth_of(&link, lane, figures.as_deref()).await?;
            lost.extend(self.lost_of(lane, depth).await?);
        }
        self.link = Some(link);
        Ok(lost)
    }

    /// The broker was asked before this looks at the ledger: what is published before and after the
    /// broker's answer, and has been for longer than the answer lags, must be in it.
    async fn lost_of(&mut self, lane: &str, depth: Depth) -> anyhow::Result<Vec<Misfit>> {
        let now = Instant::now();
        let seen = self.lanes.entry(lane.to_owned()).or_default();
        let overtaken_before = seen.overtaken_before(self.grace, now);
        let published = self.store.published_of(lane, self.grace, overtaken_before).await?;
        let waiting = Waiting { all: published.all, old: published.old, overtaken: published.overtaken };
        let lost = seen.judge(waiting, depth, now);
        self.undecided |= lost == 0 && seen.is_undecided(waiting, depth);
        let newest = self.store.newest_of_lane(lane).await?;
        let markers: Vec<Uuid> = seen.markers().iter().chain(&newest).copied().collect();
        let delivered = self.store.delivered(&markers).await?;
        seen.mark(&newest, &delivered, now);
        if lost == 0 {
            return Ok(Vec::new());
        }
        let count = u32::try_from(lost).unwrap_or(u32::MAX).min(self.rows_max.saturating_mul(CHUNKS_MAX));
        Ok(self.store.longest_published(lane, self.grace, count).await?)
    }

    /// Makes them due again: how many.
    pub(crate) async fn mend(&mut self, lost: &[Misfit]) -> anyhow::Result<u64> {
        let mut mended = 0;
        for chunk in lost.chunks(self.rows_max as usize) {
            let ids: Vec<Uuid> = chunk.iter().map(|misfit| misfit.id).collect();
            self.store.note_found(chunk).await?;
            mended += self.store.republish_lost(&ids, self.grace).await?;
            self.store.note_mended(chunk).await?;
        }
        self.lanes.values_mut().for_each(Lane::count_anew);
        Ok(mended)
    }
}

/// How many envelopes of a lane the broker has; those that it set aside may be of this lane, too.
async fn depth_of(link: &Link, lane: &str, figures: Option<&[QueueFigures]>) -> anyhow::Result<Depth> {
    let queue = work_queue(lane);
    let (ready, consumers) = topology::depth(link, &queue).await?.unwrap_or_default();
    let (dead, _) = topology::depth(link, DEAD).await?.unwrap_or_default();
    let ready = u64::from(ready);
    let told = figures.is_some();
    let all = match figures {
        Some(figures) => match figures.iter().find(|figures| figures.name == queue) {
            // never less than what was seen just now
            Some(figures) => figures.messages.map(|all| all.max(ready)),
            // not there: nothing is in it
            None => Some(ready),
        },
        None => (consumers == 0).then_some(ready),
    };
    Ok(Depth { ready, all: all.map(|all| all + u64::from(dead)), told })
}

impl Sweep for Lost {
    const NAME: &'static str = "lost";

    async fn run_once(&mut self) -> anyhow::Result<Done> {
        let lost = self.find().await?;
        self.standing.set_lost(&lost);
        if lost.is_empty() {
            return Ok(Done::default());
        }
        for misfit in lost.iter().take(LOGGED_MAX) {
            tracing::error!(message.id = %misfit.id, source = misfit.source,
                "RabbitMQ had confirmed it, and no longer has it; it is due again");
        }
        if lost.len() > LOGGED_MAX {
            tracing::error!(
                lost = lost.len(),
                "more are lost than are logged: `waybill reconcile` has findings"
            );
        }
        Ok(Done::changed(self.mend(&lost).await?))
    }
}
