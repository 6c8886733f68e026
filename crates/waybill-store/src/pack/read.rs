//! Rows as the parts of a pack; and deaths put together by what they have in common, which PostgreSQL
//! cannot tell.

use std::collections::HashMap;

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use waybill_core::fingerprint::{Fingerprint, pattern};

use super::{Affected, Death, Partner};
use crate::StoreError;

/// Messages that a group names.
const EXAMPLES_MAX: usize = 10;

/// Deaths by group.
#[derive(Debug, Default)]
pub(super) struct Groups(HashMap<Fingerprint, (Death, i64)>);

impl Groups {
    /// Adds the deaths for one reason.
    pub(super) fn add(&mut self, more: Death) {
        let Some((group, largest)) = self.0.get_mut(&more.group) else {
            let deaths = more.deaths;
            self.0.insert(more.group, (more, deaths));
            return;
        };
        group.deaths += more.deaths;
        group.earlier += more.earlier;
        group.still_dead += more.still_dead;
        group.first_at = group.first_at.min(more.first_at);
        group.last_at = group.last_at.max(more.last_at);
        group.examples.extend(more.examples);
        group.examples.truncate(EXAMPLES_MAX);
        if more.deaths > *largest {
            *largest = more.deaths;
            group.reason = more.reason;
        }
    }

    /// Source by source, the largest first.
    pub(super) fn sorted(self) -> Vec<Death> {
        let mut deaths: Vec<Death> = self.0.into_values().map(|(group, _)| group).collect();
        deaths.sort_by(|a, b| {
            let by_size = || b.deaths.cmp(&a.deaths).then(a.group.cmp(&b.group));
            a.source.cmp(&b.source).then_with(by_size)
        });
        deaths
    }
}

pub(super) fn partner(row: &PgRow) -> Result<Partner, StoreError> {
    Ok(Partner {
        source: row.try_get("source")?,
        accepted: row.try_get("accepted")?,
        processed: row.try_get("processed")?,
        discarded: row.try_get("discarded")?,
        dead: row.try_get("dead")?,
        held: row.try_get("held")?,
        in_progress: row.try_get("in_progress")?,
        unaccounted: row.try_get("unaccounted")?,
        ignored: row.try_get("ignored")?,
        delayed: row.try_get("delayed")?,
        late_max_s: row.try_get("late_max_s")?,
        ever_dead: row.try_get("ever_dead")?,
        dead_max_s: row.try_get("dead_max_s")?,
        replayed: row.try_get("replayed")?,
        repaired: row.try_get("repaired")?,
        found: row.try_get("found")?,
        retried: row.try_get("retried")?,
        p50_s: row.try_get("p50_s")?,
        p95_s: row.try_get("p95_s")?,
        max_s: row.try_get("max_s")?,
        longest: row.try_get("longest")?,
        deadline_s: row.try_get("deadline_s")?,
        earlier: row.try_get("earlier")?,
        earlier_delayed: row.try_get("earlier_delayed")?,
        earlier_dead: row.try_get("earlier_dead")?,
        earlier_repaired: row.try_get("earlier_repaired")?,
    })
}

/// The deaths of a source and kind for one reason, word for word.
pub(super) fn death(row: &PgRow) -> Result<Death, StoreError> {
    let text = |column: &str| row.try_get::<String, _>(column);
    let (source, kind, class, reason) =
        (text("source")?, text("kind")?, text("error_class")?, text("error_reason")?);
    Ok(Death {
        group: Fingerprint::of(&source, &kind, &class, &pattern(&reason)),
        source,
        kind,
        class,
        reason,
        deaths: row.try_get("deaths")?,
        earlier: row.try_get("earlier")?,
        still_dead: row.try_get("still_dead")?,
        first_at: row.try_get("first_at")?,
        last_at: row.try_get("last_at")?,
        examples: row.try_get("examples")?,
    })
}

pub(super) fn affected(row: &PgRow) -> Result<Affected, StoreError> {
    let (source, kind): (String, String) = (row.try_get("source")?, row.try_get("kind")?);
    let error_class: Option<String> = row.try_get("error_class")?;
    let error_reason: Option<String> = row.try_get("error_reason")?;
    let group = error_class
        .as_ref()
        .zip(error_reason.as_ref())
        .map(|(class, reason)| Fingerprint::of(&source, &kind, class, &pattern(reason)));
    Ok(Affected {
        earlier: row.try_get("earlier")?,
        id: row.try_get("id")?,
        source,
        idempotency_key: row.try_get("idempotency_key")?,
        received_at: row.try_get("received_at")?,
        state: row.try_get("state")?,
        finished_at: row.try_get("finished_at")?,
        took_s: row.try_get("took_s")?,
        attempts: row.try_get("attempts")?,
        delayed: row.try_get("delayed")?,
        late_s: row.try_get("late_s")?,
        deaths: row.try_get("deaths")?,
        dead_s: row.try_get("dead_s")?,
        replays: row.try_get("replays")?,
        repaired: row.try_get("repaired")?,
        group,
        findings: row.try_get("findings")?,
        error_class,
        error_reason,
    })
}
