//! Finding messages: by id, by the sender's key, by the digests of the blind index, by what the ledger
//! shows of each. The newest first, a page at a time.
//!
//! A value out of a body never comes here: only its digest does.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{Postgres, QueryBuilder, Row as _};
use uuid::Uuid;
use waybill_core::find::Entry;

use crate::{Store, StoreError};

/// What to look for: whatever is given must hold.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// This message.
    pub id: Option<Uuid>,
    /// The first half of a dedupe key ([`waybill_core::accept::dedupe_prefix`]).
    pub dedupe_prefix: Option<[u8; 16]>,
    /// Each of these in the blind index. `narrow` 0: whoever assigned it.
    pub entries: Vec<Entry>,
    /// Of this source.
    pub source: Option<String>,
    /// Of this kind.
    pub kind: Option<String>,
    /// In this state.
    pub state: Option<String>,
    /// Accepted at or after this moment.
    pub from: Option<DateTime<Utc>>,
    /// Accepted before this moment.
    pub to: Option<DateTime<Utc>>,
    /// Older than this message: where the page before ended.
    pub after: Option<Uuid>,
    /// At most so many.
    pub limit: u32,
}

/// A message that was found. Nothing of its body.
#[derive(Debug, Clone, Serialize)]
pub struct Hit {
    /// The message.
    pub id: Uuid,
    /// Whose it is.
    pub source: String,
    /// Its kind.
    pub kind: String,
    /// Where it is; none: it has a receipt and no place (`waybill reconcile`).
    pub state: Option<String>,
    /// Attempts begun.
    pub attempts: Option<i32>,
    /// When it was accepted.
    pub received_at: DateTime<Utc>,
    /// When it became final, or dead.
    pub finished_at: Option<DateTime<Utc>>,
    /// The sender's key.
    pub idempotency_key: Option<String>,
    /// The class of its last failure.
    pub error_class: Option<String>,
    /// Its last failure in words.
    pub error_reason: Option<String>,
}

impl Store {
    /// The newest messages that match, at most `search.limit`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the ledger does not answer, or the search takes longer than a
    /// statement may.
    pub async fn find(&self, search: &Search) -> Result<Vec<Hit>, StoreError> {
        let mut query = QueryBuilder::<Postgres>::new("");
        let candidates = candidates(&mut query, search);
        query.push(
            "select r.id, r.source, r.kind, p.state, p.attempts, r.received_at, p.finished_at,
                    r.idempotency_key, p.error_class, p.error_reason
             from receipt r left join progress p on p.id = r.id where true",
        );
        if candidates {
            query.push(" and r.id in (select id from hit)");
        }
        bounds(&mut query, search, "r");
        if let Some(id) = search.id {
            query.push(" and r.id = ").push_bind(id);
        }
        for (column, value) in [
            (" and r.source = ", &search.source),
            (" and r.kind = ", &search.kind),
            (" and p.state = ", &search.state),
        ] {
            if let Some(value) = value {
                query.push(column).push_bind(value);
            }
        }
        if let Some(from) = search.from {
            query.push(" and r.received_at >= ").push_bind(from);
        }
        if let Some(to) = search.to {
            query.push(" and r.received_at < ").push_bind(to);
        }
        query.push(" order by r.id desc limit ").push_bind(i64::from(search.limit));
        let rows = query.build().fetch_all(self.pool()).await?;
        rows.iter().map(read).collect()
    }
}

/// Writes the CTE `hit`, where something finds the messages at once: the planner, which knows nothing
/// about how rare a digest is, must not walk through the ledger instead. False: nothing does.
fn candidates(query: &mut QueryBuilder<Postgres>, search: &Search) -> bool {
    if let Some((first, others)) = search.entries.split_first() {
        query.push("with hit as materialized (select distinct f.id from find_index f where ");
        entry(query, "f", *first);
        bounds(query, search, "f");
        for (at, other) in others.iter().enumerate() {
            let name = format!("o{at}");
            query.push(format!(" and exists (select from find_index {name} where {name}.id = f.id and "));
            entry(query, &name, *other);
            query.push(")");
        }
        let all_that_counts = search.dedupe_prefix.is_none()
            && [&search.source, &search.kind, &search.state].iter().all(|filter| filter.is_none())
            && search.from.is_none()
            && search.to.is_none();
        if all_that_counts {
            // nothing will fall away later: no more than these are needed
            query.push(" order by f.id desc limit ").push_bind(i64::from(search.limit));
        } else if let Some(prefix) = search.dedupe_prefix {
            query.push(" and f.id in (");
            keyed(query, prefix);
            query.push(")");
        }
        query.push(") ");
        return true;
    }
    if let Some(prefix) = search.dedupe_prefix {
        query.push("with hit as materialized (");
        keyed(query, prefix);
        query.push(") ");
        return true;
    }
    false
}

fn entry(query: &mut QueryBuilder<Postgres>, table: &str, entry: Entry) {
    query.push(table).push(".digest = ").push_bind(entry.digest);
    if entry.narrow != 0 {
        query.push(" and ").push(table).push(".narrow = ").push_bind(entry.narrow);
    }
}

/// The messages under a sender's key, source by source: that is how the index of keys is ordered.
fn keyed(query: &mut QueryBuilder<Postgres>, prefix: [u8; 16]) {
    query.push(
        "select keyed.id from source s cross join lateral (
             select id from receipt where source = s.name and dedupe_key >= ",
    );
    query.push_bind(prefix.to_vec());
    query.push(" and dedupe_key < ").push_bind(prefix.to_vec());
    query.push(" || decode(repeat('ff', 17), 'hex')) keyed");
}

/// What the ids alone say: a page, and about when (ids are given when messages are accepted; the
/// moment itself is compared besides).
fn bounds(query: &mut QueryBuilder<Postgres>, search: &Search, table: &str) {
    if let Some(after) = search.after {
        query.push(" and ").push(table).push(".id < ").push_bind(after);
    }
    if let Some(from) = search.from {
        query.push(" and ").push(table).push(".id >= id_at(").push_bind(from).push(" - interval '1 minute')");
    }
    if let Some(to) = search.to {
        query.push(" and ").push(table).push(".id < id_at(").push_bind(to).push(" + interval '1 minute')");
    }
}

fn read(row: &PgRow) -> Result<Hit, StoreError> {
    Ok(Hit {
        id: row.try_get("id")?,
        source: row.try_get("source")?,
        kind: row.try_get("kind")?,
        state: row.try_get("state")?,
        attempts: row.try_get("attempts")?,
        received_at: row.try_get("received_at")?,
        finished_at: row.try_get("finished_at")?,
        idempotency_key: row.try_get("idempotency_key")?,
        error_class: row.try_get("error_class")?,
        error_reason: row.try_get("error_reason")?,
    })
}
