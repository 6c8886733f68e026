//! The flow through the ledger, for the console: what came in since the last look, and what is
//! unfinished now. Small indexes and the newest ids alone.

use std::collections::BTreeMap;

use sqlx::Row as _;
use uuid::Uuid;

use crate::{Store, StoreError};

/// Where the unfinished and the dead are, now, and what came in since an id.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Flow {
    /// Messages accepted since, by source.
    pub accepted: BTreeMap<String, i64>,
    /// Due to be published now.
    pub due: i64,
    /// To be published later: retries.
    pub retrying: i64,
    /// In the broker, as far as the ledger knows.
    pub published: i64,
    /// In a worker's hand.
    pub in_hand: i64,
    /// Waiting for an earlier message of their key.
    pub held: i64,
    /// Set aside for a person.
    pub dead: i64,
    /// How long the oldest has been due, in seconds.
    pub oldest_due_s: f64,
    /// How long the oldest unfinished claim has lasted, in seconds.
    pub oldest_in_hand_s: f64,
    /// How long the oldest held message has been here, in seconds.
    pub oldest_held_s: f64,
    /// How long the oldest dead letter has waited for a person, in seconds.
    pub oldest_dead_s: f64,
    /// The oldest due message.
    pub oldest_due: Option<Uuid>,
}

impl Flow {
    /// Messages that are neither final nor dead.
    pub const fn unfinished(&self) -> i64 {
        self.due + self.retrying + self.published + self.in_hand + self.held
    }
}

impl Store {
    /// The flow now; `accepted` counts what has an id above `since`, up to `until`.
    pub async fn flow(&self, since: Uuid, until: Uuid) -> Result<Flow, StoreError> {
        let row = sqlx::query(
            "select (select count(*) from progress where due_at <= now()) as due,
                    (select count(*) from progress where due_at > now()) as later,
                    (select count(*) from progress where state = 'published') as published,
                    (select count(*) from progress where state = 'processing') as in_hand,
                    (select count(*) from progress where state = 'held') as held,
                    (select count(*) from progress where state = 'dead') as dead,
                    coalesce((select extract(epoch from now() - min(due_at)) from progress
                              where due_at <= now()), 0)::float8 as oldest_due_s,
                    coalesce((select extract(epoch from now() - min(claimed_at)) from progress
                              where state = 'processing'), 0)::float8 as oldest_in_hand_s,
                    coalesce((select extract(epoch from now() - r.received_at) from receipt r where r.id =
                              (select id from progress where state = 'held' order by id limit 1)),
                             0)::float8 as oldest_held_s,
                    coalesce((select extract(epoch from now() - min(finished_at)) from progress
                              where state = 'dead'), 0)::float8 as oldest_dead_s,
                    (select id from progress where due_at <= now() order by due_at limit 1) as oldest_due",
        )
        .fetch_one(self.pool())
        .await?;
        let accepted: Vec<(String, i64)> =
            sqlx::query_as("select source, count(*) from receipt where id > $1 and id <= $2 group by source")
                .bind(since)
                .bind(until)
                .fetch_all(self.pool())
                .await?;
        Ok(Flow {
            accepted: accepted.into_iter().collect(),
            due: row.try_get("due")?,
            retrying: row.try_get("later")?,
            published: row.try_get("published")?,
            in_hand: row.try_get("in_hand")?,
            held: row.try_get("held")?,
            dead: row.try_get("dead")?,
            oldest_due_s: row.try_get::<f64, _>("oldest_due_s")?.max(0.0),
            oldest_in_hand_s: row.try_get::<f64, _>("oldest_in_hand_s")?.max(0.0),
            oldest_held_s: row.try_get::<f64, _>("oldest_held_s")?.max(0.0),
            oldest_dead_s: row.try_get::<f64, _>("oldest_dead_s")?.max(0.0),
            oldest_due: row.try_get("oldest_due")?,
        })
    }
}
