//! What waits, by source, and what came in, for somebody who watches. Each wait is counted by its own
//! small index and no further than a limit: a look costs the same whatever the backlog.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::{Store, StoreError};

/// Rows of each wait that are counted, and rows of what came in.
const COUNTED_MAX: i64 = 50_000;

/// What waits and what came, by source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Glance {
    /// Messages that are not final, by source.
    pub waiting: BTreeMap<String, Waiting>,
    /// Messages accepted between the two ids, by source.
    pub accepted: BTreeMap<String, i64>,
    /// Whether there are more than were counted: then each count is "at least".
    pub is_partial: bool,
}

/// Messages of one source that are not final, by what they wait for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// For the relay.
    pub due: i64,
    /// For the time of their next attempt.
    pub retrying: i64,
    /// For a worker.
    pub published: i64,
    /// For the worker that has them.
    pub in_hand: i64,
    /// For an earlier message of their key.
    pub held: i64,
}

impl Waiting {
    /// All of them.
    pub const fn all(&self) -> i64 {
        self.due + self.retrying + self.published + self.in_hand + self.held
    }
}

impl Store {
    /// What waits now; `accepted` counts what has an id above `since`, up to `until`.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn glance(&self, since: Uuid, until: Uuid) -> Result<Glance, StoreError> {
        let waits: Vec<(String, String, i64)> = sqlx::query_as(
            "with waits as (
                 (select source, case when due_at <= now() then 'due' else 'retrying' end as what
                  from progress where due_at is not null limit $1)
                 union all (select source, 'published' from progress where state = 'published' limit $1)
                 union all (select source, 'in hand' from progress where state = 'processing' limit $1)
                 union all (select source, 'held' from progress where state = 'held' limit $1)
             )
             select source, what, count(*) from waits group by source, what",
        )
        .bind(COUNTED_MAX)
        .fetch_all(self.pool())
        .await?;
        let accepted: Vec<(String, i64)> = sqlx::query_as(
            "select source, count(*) from (
                 select source from receipt where id > $1 and id <= $2 order by id limit $3) came
             group by source",
        )
        .bind(since)
        .bind(until)
        .bind(COUNTED_MAX)
        .fetch_all(self.pool())
        .await?;
        let mut glance = Glance { accepted: accepted.into_iter().collect(), ..Glance::default() };
        for (source, what, count) in waits {
            let waiting = glance.waiting.entry(source).or_default();
            *match what.as_str() {
                "due" => &mut waiting.due,
                "retrying" => &mut waiting.retrying,
                "published" => &mut waiting.published,
                "in hand" => &mut waiting.in_hand,
                _ => &mut waiting.held,
            } = count;
        }
        glance.is_partial = glance.is_cut();
        Ok(glance)
    }
}

impl Glance {
    /// Whether a count has reached the limit.
    fn is_cut(&self) -> bool {
        let sum = |part: fn(&Waiting) -> i64| self.waiting.values().map(part).sum::<i64>();
        let sums = [
            sum(|waiting| waiting.due + waiting.retrying),
            sum(|waiting| waiting.published),
            sum(|waiting| waiting.in_hand),
            sum(|waiting| waiting.held),
            self.accepted.values().sum(),
        ];
        sums.into_iter().any(|counted| counted >= COUNTED_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_reached_the_limit_is_no_count() {
        let mut glance = Glance::default();
        assert!(!glance.is_cut());
        glance.waiting.insert("a".into(), Waiting { held: COUNTED_MAX - 1, ..Waiting::default() });
        assert!(!glance.is_cut());
        glance.waiting.insert("b".into(), Waiting { held: 1, ..Waiting::default() });
        assert!(glance.is_cut(), "the two together");
        let came = BTreeMap::from([("a".to_owned(), COUNTED_MAX)]);
        assert!(Glance { accepted: came, ..Glance::default() }.is_cut());
    }
}
