//! Conservation: is every message where its row says it is? What does not fit is named, in the
//! metric, in the log and in the ledger, and mended on the next pass where that is safe.
//!
//! Each pass looks at the unfinished (the longest waiting first), at those accepted within the
//! window, and at one page of all the others, so that its work is bounded and everything is looked at
//! at least once a day. What was found stands until a look at just that message finds it well.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use uuid::Uuid;
use waybill_store::Store;
use waybill_store::conservation::{KeyCursor, Misfit, first_id_at};
use waybill_store::directory::Directory;
use waybill_store::problem::Problem;

use super::standing::Standing;
use super::sweep::{Done, Sweep};
use crate::keys;
use crate::mend::mend;

/// Open problems that are kept in memory; more are found again when these are mended.
const OPEN_MAX: usize = 10_000;
/// For the pages of the window in one pass; a longer window is walked through in several.
const WINDOW_BUDGET: Duration = Duration::from_millis(300);
/// A round through everything takes at most this.
const ROUND_MAX: Duration = Duration::from_hours(12);
/// Bodies that are read again for their keys in one pass.
const BODIES_MAX: usize = 100;
/// Lines about single messages that one pass writes into the log.
const LOGGED_MAX: usize = 100;

/// What bounds the pass.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Messages accepted this recently are walked through again and again.
    pub(super) window: Duration,
    /// Messages of one page.
    pub(super) page: u32,
    /// Between two passes.
    pub(super) every: Duration,
    /// How long a claim may last, in seconds.
    pub(super) claim_s_max: f64,
}

/// The pass that balances the ledger.
#[derive(Debug)]
pub(super) struct Conservation {
    store: Store,
    directory: Directory,
    limits: Limits,
    standing: Standing,
    open: Vec<Misfit>,
    /// Where each walk goes on.
    recent: Uuid,
    all: Uuid,
    held: Uuid,
    keys: KeyCursor,
    listed: Uuid,
    bodies: KeyCursor,
}

impl Conservation {
    /// A pass that has seen nothing yet.
    pub(super) const fn new(store: Store, directory: Directory, limits: Limits, standing: Standing) -> Self {
        Self {
            store,
            directory,
            limits,
            standing,
            open: Vec::new(),
            recent: Uuid::nil(),
            all: Uuid::nil(),
            held: Uuid::nil(),
            keys: KeyCursor::START,
            listed: Uuid::nil(),
            bodies: KeyCursor::START,
        }
    }

    /// Looks at this pass's share of the ledger.
    async fn look(&mut self) -> anyhow::Result<Vec<Misfit>> {
        let Limits { page, claim_s_max, .. } = self.limits;
        let unfinished = self.store.look_at_unfinished(page, self.held, claim_s_max).await?;
        self.held = self.store.next_held(page, self.held).await?;
        let mut found = unfinished.misfits;
        found.extend(self.look_at_recent().await?);
        let (look, next) = self.store.look_at_page(self.all, self.page_of_all().await?, claim_s_max).await?;
        self.all = next.unwrap_or(Uuid::nil());
        found.extend(look.misfits);
        let (misfits, next) = self.store.look_at_keys(self.keys, page).await?;
        self.keys = next;
        found.extend(misfits);
        let (misfits, next) = self.store.look_at_listed(self.listed, page).await?;
        self.listed = next;
        found.extend(misfits);
        let known = self.directory.snapshot();
        let (misfits, next) = keys::missing(&self.store, &known, self.bodies).await?;
        self.bodies = next;
        found.extend(misfits);
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    async fn look_at_recent(&mut self) -> anyhow::Result<Vec<Misfit>> {
        #[expect(clippy::disallowed_methods, reason = "how far back to look, not what to believe")]
        let window = first_id_at(chrono::Utc::now() - self.limits.window);
        let (mut found, began) = (Vec::new(), Instant::now());
        self.recent = self.recent.max(window);
        loop {
            let (look, next) =
                self.store.look_at_page(self.recent, self.limits.page, self.limits.claim_s_max).await?;
            found.extend(look.misfits);
            self.recent = next.unwrap_or(Uuid::nil());
            if next.is_none() || began.elapsed() > WINDOW_BUDGET {
                return Ok(found);
            }
        }
    }

    /// How many of all the others: so many that a round ends in time, however large the ledger is.
    async fn page_of_all(&self) -> anyhow::Result<u32> {
        let passes = ROUND_MAX.as_secs_f64() / self.limits.every.as_secs_f64();
        let share = f64::from(self.store.messages_about().await?) / passes;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a page, bounded")]
        let share = share.clamp(0.0, 1e6) as u32;
        Ok(share.max(self.limits.page))
    }

    /// What stood open, was not seen on this pass, and is still wrong.
    async fn still_wrong(&self, found: &[Misfit]) -> anyhow::Result<Vec<Misfit>> {
        let unseen: Vec<Uuid> =
            self.open.iter().filter(|misfit| !found.contains(misfit)).map(|misfit| misfit.id).collect();
        let mut found = self.store.look_at(&unseen, self.limits.claim_s_max).await?.misfits;
        let keyless: Vec<Uuid> = self
            .open
            .iter()
            .filter(|misfit| misfit.problem == Problem::OrderMissing && unseen.contains(&misfit.id))
            .take(BODIES_MAX)
            .map(|misfit| misfit.id)
            .collect();
        found.extend(keys::still_missing(&self.store, &self.directory.snapshot(), &keyless).await?);
        Ok(found.into_iter().filter(|misfit| self.open.contains(misfit)).collect())
    }

    /// Names what is new, in the log and in the ledger.
    async fn name(&self, found: &[Misfit]) -> anyhow::Result<()> {
        let new: Vec<Misfit> = found.iter().filter(|misfit| !self.open.contains(misfit)).cloned().collect();
        for misfit in new.iter().take(LOGGED_MAX) {
            tracing::error!(message.id = %misfit.id, source = misfit.source, problem = misfit.problem.code(),
                "{}; {}", misfit.problem.meaning(), misfit.problem.advice());
        }
        if new.len() > LOGGED_MAX {
            tracing::error!(
                problems = new.len(),
                "more are out of balance than are logged: run `waybill reconcile`"
            );
        }
        self.store.note_found(&new).await?;
        let gone: Vec<Misfit> = self.open.iter().filter(|misfit| !found.contains(misfit)).cloned().collect();
        self.store.note_mended(&gone).await?;
        Ok(())
    }
}

impl Sweep for Conservation {
    const NAME: &'static str = "conservation";

    async fn run_once(&mut self) -> anyhow::Result<Done> {
        // what the last pass has named: a look apart, so that it can be seen before it is mended
        let known = self.directory.snapshot();
        let mended = mend(&self.store, &known, &self.open, self.limits.claim_s_max).await?;
        let mut found = self.look().await?;
        found.extend(self.still_wrong(&found).await?);
        found.sort_unstable();
        found.dedup();
        found.truncate(OPEN_MAX);
        self.name(&found).await?;
        let mut counts: BTreeMap<String, i64> = BTreeMap::new();
        for misfit in &found {
            *counts.entry(misfit.source.clone()).or_default() += 1;
        }
        self.standing.show(&self.directory, counts);
        self.open = found;
        Ok(Done::changed(mended.len() as u64))
    }
}
