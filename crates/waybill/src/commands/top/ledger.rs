//! What `waybill top` asks the ledger: seven small questions, each bounded, all within one time limit.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use uuid::Uuid;
use waybill_store::conservation::first_id_at;
use waybill_store::gauges::{Due, SourceFigures};
use waybill_store::glance::Glance;
use waybill_store::{Store, StoreError};

use crate::serve::drain::Lane;
use crate::serve::sweep::number;

/// For all questions of one look.
const LIMIT: Duration = Duration::from_secs(10);
/// What is this young may not be committed yet, and is counted at the next look.
const UNSETTLED: TimeDelta = TimeDelta::seconds(2);
/// What came in before this is not asked for, however long ago the last look was.
const CAME_MAX: TimeDelta = TimeDelta::seconds(60);

/// What the ledger said at one moment.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) due: Due,
    pub(super) glance: Glance,
    /// Dead letters by source.
    pub(super) dead: BTreeMap<String, i64>,
    pub(super) sources: Vec<SourceFigures>,
    /// Replay plans that have not ended, by state.
    pub(super) plans: BTreeMap<String, i64>,
    /// Backlog of each lane, and seconds to empty it where its speed is known.
    pub(super) lanes: BTreeMap<String, (i64, Option<f64>)>,
}

/// What looks at the ledger.
pub(super) struct Eye<'a> {
    store: &'a Store,
    /// Up to where what came in was counted.
    since: Option<Uuid>,
    /// Where the last look at the lanes had begun.
    lanes_since: Option<(Uuid, Instant)>,
    speeds: HashMap<String, Lane>,
    names: Vec<String>,
}

impl<'a> Eye<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self { store, since: None, lanes_since: None, speeds: HashMap::new(), names: Vec::new() }
    }

    /// The lanes that were seen last.
    pub(super) fn lanes(&self) -> &[String] {
        &self.names
    }

    /// What the ledger says, or why it says nothing.
    pub(super) async fn look(&mut self) -> Result<Seen, String> {
        match tokio::time::timeout(LIMIT, self.ask()).await {
            Ok(asked) => asked.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {} s", LIMIT.as_secs())),
        }
    }

    async fn ask(&mut self) -> Result<Seen, StoreError> {
        #[expect(clippy::disallowed_methods, reason = "ids carry the time")]
        let now = chrono::Utc::now();
        let until = first_id_at(now - UNSETTLED);
        let since = self.since.unwrap_or(until).max(first_id_at(now - CAME_MAX));
        let glance = self.store.glance(since, until).await?;
        self.since = Some(until);
        let due = self.store.due().await?;
        let mut dead: BTreeMap<String, i64> = BTreeMap::new();
        for (source, .., count) in self.store.dead_counts().await? {
            *dead.entry(source).or_default() += count;
        }
        let sources = self.store.source_figures().await?;
        let plans = self.store.plan_figures().await?.plans.into_iter().collect();
        let lanes = self.lanes_now(first_id_at(now)).await?;
        self.names = lanes.keys().cloned().collect();
        Ok(Seen { due, glance, dead, sources, plans, lanes })
    }

    /// Each lane's backlog and speed, as the figure `waybill_drain_seconds` is made.
    async fn lanes_now(&mut self, id: Uuid) -> Result<BTreeMap<String, (i64, Option<f64>)>, StoreError> {
        let now = Instant::now();
        let known = self.store.lanes().await?;
        let backlogs = self.store.backlogs(self.lanes_since.map_or(id, |(since, _)| since), id).await?;
        for lane in known.iter().chain(backlogs.iter().map(|backlog| &backlog.lane)) {
            self.speeds.entry(lane.clone()).or_default();
        }
        let elapsed = self.lanes_since.map(|(_, at)| now.duration_since(at));
        let mut seen = BTreeMap::new();
        for (name, speed) in &mut self.speeds {
            let found = backlogs.iter().find(|backlog| backlog.lane == *name);
            let (messages, arrived, ahead) =
                found.map_or((0, 0, 0), |found| (found.messages, found.arrived, found.ahead));
            speed.look(number(messages), number(arrived), number(ahead), elapsed);
            seen.insert(name.clone(), (messages, speed.drain_s()));
        }
        self.lanes_since = Some((id, now));
        Ok(seen)
    }
}
