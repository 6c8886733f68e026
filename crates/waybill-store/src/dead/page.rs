//! Dead letters, page by page, the newest first: by key, so that the thousandth page costs what the
//! first one does, and nothing is skipped or shown twice while others come and go.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;
use waybill_core::fingerprint::Fingerprint;

use super::filter::{Filter, in_time, matching, wanted};
use crate::{Store, StoreError};

/// Later messages that are counted behind one dead letter; with so many, there may be more.
pub const HOLDS_MAX: i64 = 1000;

/// Where a page ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// When the page's last letter was set aside.
    pub dead_at: DateTime<Utc>,
    /// Which it is.
    pub id: Uuid,
}

impl fmt::Display for Cursor {
    /// `2026-03-01T12:00:00.000000Z/0190...`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.dead_at.to_rfc3339_opts(SecondsFormat::Micros, true), self.id)
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Not a place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a place is what `waybill dead list` ended with: TIME/ID")]
pub struct NotACursor;

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let (at, id) = text.split_once('/').ok_or(NotACursor)?;
        let dead_at = DateTime::parse_from_rfc3339(at).map_err(|_| NotACursor)?.to_utc();
        Ok(Self { dead_at, id: id.parse().map_err(|_| NotACursor)? })
    }
}

/// A dead letter, as listed.
#[derive(Debug, Clone, Serialize)]
pub struct DeadLetter {
    /// The message.
    pub id: Uuid,
    /// Whose it is.
    pub source: String,
    /// Its kind.
    pub kind: String,
    /// Attempts made.
    pub attempts: i32,
    /// When it was accepted.
    pub received_at: DateTime<Utc>,
    /// When it was set aside.
    pub dead_at: DateTime<Utc>,
    /// The class of its failure.
    pub reason: String,
    /// What happened, in words.
    pub explanation: String,
    /// The group it belongs to.
    pub fingerprint: Fingerprint,
    /// Later messages of its keys, up to [`HOLDS_MAX`]: they wait for it.
    pub holds: i64,
}

/// One page of dead letters.
#[derive(Debug, Clone)]
pub struct Page {
    /// The letters, the newest first.
    pub letters: Vec<DeadLetter>,
    /// Where the next page begins; `None`: this was the last one.
    pub next: Option<Cursor>,
}

/// `$9`, `$10`: the place after which to look; `$11`: how many.
macro_rules! letters {
    ($found:expr) => {
        concat!(
            "with found as (",
            $found,
            ")
select found.id, found.dead_at, found.fingerprint, p.source, p.kind, p.attempts, r.received_at,
       p.error_class, p.error_reason,
       (select count(*) from (
            select distinct w.id from ordering o
            join ordering w on w.key = o.key and w.seq > o.seq
            where o.id = found.id limit $12) waiting) as holds
from found
-- one that has just left is passed over
left join progress p on p.id = found.id and p.state = 'dead'
left join receipt r on r.id = found.id
order by found.dead_at desc, found.id desc"
        )
    };
}

/// The newest of each group that is wanted, then the newest of these: each step by the index.
const NEWEST: &str = letters!(concat!(
    "select e.id, e.dead_at, e.fingerprint from dead_group g
     cross join lateral (
         select e.id, e.dead_at, e.fingerprint from dead_list e
         where e.fingerprint = g.fingerprint and (e.dead_at, e.id) < ($9, $10) and ",
    in_time!(),
    " order by e.dead_at desc, e.id desc limit $11) e
     where ",
    wanted!(),
    " and $8::bigint is null order by e.dead_at desc, e.id desc limit $11"
));

const NEWEST_OF_KEY: &str = letters!(matching!(
    of_key,
    "e.id, e.dead_at, e.fingerprint",
    "and (e.dead_at, e.id) < ($9, $10) order by e.dead_at desc, e.id desc limit $11"
));

impl Store {
    /// The next `limit` dead letters that `filter` wants, the newest first, after the place `after`.
    pub async fn dead_page(
        &self,
        filter: &Filter,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Page, StoreError> {
        let after = after.unwrap_or(Cursor { dead_at: DateTime::<Utc>::MAX_UTC, id: Uuid::max() });
        let statement = if filter.key.is_some() { NEWEST_OF_KEY } else { NEWEST };
        let rows = filter
            .bind(sqlx::query(statement))
            // PostgreSQL's years end before ours
            .bind(after.dead_at.min(END_OF_TIME))
            .bind(after.id)
            .bind(i64::from(limit))
            .bind(HOLDS_MAX)
            .fetch_all(self.pool())
            .await?;
        let next = match rows.last() {
            Some(last) if rows.len() >= limit as usize => {
                Some(Cursor { dead_at: last.try_get("dead_at")?, id: last.try_get("id")? })
            }
            _ => None,
        };
        let letters = rows.iter().filter_map(|row| read(row).transpose()).collect::<Result<_, _>>()?;
        Ok(Page { letters, next })
    }
}

/// After every death, and within what PostgreSQL can hold.
const END_OF_TIME: DateTime<Utc> = match DateTime::from_timestamp(253_402_300_799, 0) {
    Some(end) => end,
    None => DateTime::<Utc>::MAX_UTC,
};

/// A letter; `None`: it is dead no longer.
fn read(row: &PgRow) -> Result<Option<DeadLetter>, StoreError> {
    let Some(source) = row.try_get("source")? else { return Ok(None) };
    Ok(Some(DeadLetter {
        id: row.try_get("id")?,
        source,
        kind: row.try_get("kind")?,
        attempts: row.try_get("attempts")?,
        received_at: row.try_get("received_at")?,
        dead_at: row.try_get("dead_at")?,
        reason: row.try_get("error_class")?,
        explanation: row.try_get("error_reason")?,
        fingerprint: Fingerprint::from_i64(row.try_get("fingerprint")?),
        holds: row.try_get("holds")?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back() {
        let text = "2026-03-01T12:00:00.000001Z/01890a5d-ac96-774b-bcce-b302099a8057";
        let place: Cursor = text.parse().unwrap();
        assert_eq!(place.to_string(), text);
        for text in
            ["", "2026-03-01T12:00:00Z", "x/01890a5d-ac96-774b-bcce-b302099a8057", "2026-03-01T12:00:00Z/1"]
        {
            assert_eq!(text.parse::<Cursor>(), Err(NotACursor));
        }
    }
}
