//! Reading the audit trail, and proving that it is whole. Changes nothing.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;
use waybill_core::audit::{Break, Entry, Hash, Head, Kind, ORIGIN, Walk};
use waybill_core::credential::hex;

use crate::{Store, StoreError};

/// Entries read at once while the trail is proven.
const PAGE: i64 = 1000;

const ENTRIES: &str = "
select position, version, previous, hash, id, (extract(epoch from at) * 1000000)::bigint as at_us,
       actor, action, reason, subjects, source, detail::text as detail, via, address, session
from audit where (position, id) > ($1, $2) order by position, id limit $3";

/// Which acts to list; what is not given is not looked at.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Filter {
    /// Of this actor.
    pub actor: Option<String>,
    /// By this way ([`crate::audit::Via::NAMES`]).
    pub via: Option<String>,
    /// In this session of the console.
    pub session: Option<String>,
    /// Of this action.
    pub action: Option<String>,
    /// About this message.
    pub message: Option<Uuid>,
    /// About this source.
    pub source: Option<String>,
    /// At this moment or later.
    pub since: Option<DateTime<Utc>>,
    /// Before this moment.
    pub until: Option<DateTime<Utc>>,
    /// Before this place in the chain: the next page begins where the last ended.
    pub before: Option<i64>,
}

/// An act, as listed.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// Its place in the chain.
    pub position: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: String,
    /// By which way: cli, console or serve; none: it was written before that was kept, or by hand.
    pub via: Option<String>,
    /// From which address, where it came through the console.
    pub address: Option<String>,
    /// In which session of the console.
    pub session: Option<String>,
    /// What they did.
    pub action: String,
    /// Why.
    pub reason: String,
    /// The messages it is about.
    pub subjects: Vec<Uuid>,
    /// The source it is about.
    pub source: Option<String>,
    /// What else belongs to it.
    pub detail: Value,
    /// Its hash, hexadecimal.
    pub hash: String,
}

/// What a proof of the trail found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// The last entry that fits.
    pub head: Head,
    /// The first place that does not.
    pub broken: Option<Break>,
}

impl Store {
    /// Acts, the newest first, at most `limit`.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn acts(&self, filter: &Filter, limit: u32) -> Result<Vec<Listed>, StoreError> {
        let rows = sqlx::query(
            "select position, at, actor, via, address, session, action, reason, subjects, source, detail, hash
             from audit
             where ($1::text is null or actor = $1) and ($2::text is null or action = $2)
               and ($3::uuid is null or subjects @> array[$3]) and ($4::text is null or source = $4)
               and ($5::timestamptz is null or at >= $5) and ($6::timestamptz is null or at < $6)
               and ($7::bigint is null or position < $7) and ($8::text is null or via = $8)
               and ($9::text is null or session = $9)
             order by position desc limit $10",
        )
        .bind(&filter.actor)
        .bind(&filter.action)
        .bind(filter.message)
        .bind(&filter.source)
        .bind(filter.since)
        .bind(filter.until)
        .bind(filter.before)
        .bind(&filter.via)
        .bind(&filter.session)
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(listed).collect()
    }

    /// The last entry of the trail, as it stands; nothing is proven.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn audit_head(&self) -> Result<Head, StoreError> {
        let row = sqlx::query("select position, hash from audit order by position desc limit 1")
            .fetch_optional(self.pool())
            .await?;
        let Some(row) = row else { return Ok(ORIGIN) };
        Ok(Head { position: row.try_get("position")?, hash: hash(&row, "hash")?.unwrap_or_default() })
    }

    /// Walks the whole trail, a page at a time, and computes every hash again; `expected`: an entry that
    /// it must have, known from elsewhere.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn prove_audit(&self, expected: Option<Head>) -> Result<Proof, StoreError> {
        let mut walk = Walk::new(expected);
        let without_place: bool =
            sqlx::query_scalar("select exists (select from audit where position is null)")
                .fetch_one(self.pool())
                .await?;
        if without_place {
            let broken = Some(Break { position: 0, kind: Kind::Inserted });
            return Ok(Proof { head: walk.head(), broken });
        }
        // the id as well, in case two rows have one place
        let (mut position, mut id) = (i64::MIN, i64::MIN);
        loop {
            let rows = sqlx::query(ENTRIES).bind(position).bind(id).bind(PAGE).fetch_all(self.pool()).await?;
            if rows.is_empty() {
                let head = walk.head();
                return Ok(Proof { head, broken: walk.end().err() });
            }
            for row in &rows {
                (position, id) = (row.try_get("position")?, row.try_get("id")?);
                let followed = match entry(row)? {
                    Some(entry) => walk.follow(&entry),
                    None => Err(Break { position, kind: Kind::Inserted }),
                };
                if let Err(broken) = followed {
                    return Ok(Proof { head: walk.head(), broken: Some(broken) });
                }
            }
        }
    }
}

fn listed(row: &PgRow) -> Result<Listed, StoreError> {
    Ok(Listed {
        position: row.try_get("position")?,
        at: row.try_get("at")?,
        actor: row.try_get("actor")?,
        via: row.try_get("via")?,
        address: row.try_get("address")?,
        session: row.try_get("session")?,
        action: row.try_get("action")?,
        reason: row.try_get("reason")?,
        subjects: row.try_get("subjects")?,
        source: row.try_get("source")?,
        detail: row.try_get("detail")?,
        hash: hex(&hash(row, "hash")?.unwrap_or_default()),
    })
}

/// A row as an entry of the chain; `None`: it has no hashes, so it was not written through it.
fn entry(row: &PgRow) -> Result<Option<Entry>, StoreError> {
    let (Some(previous), Some(hash)) = (hash(row, "previous")?, hash(row, "hash")?) else { return Ok(None) };
    Ok(Some(Entry {
        position: row.try_get("position")?,
        version: row.try_get("version")?,
        previous,
        hash,
        id: row.try_get("id")?,
        at_us: row.try_get("at_us")?,
        actor: row.try_get("actor")?,
        action: row.try_get("action")?,
        reason: row.try_get("reason")?,
        subjects: row.try_get("subjects")?,
        source: row.try_get("source")?,
        detail: row.try_get("detail")?,
        via: row.try_get("via")?,
        address: row.try_get("address")?,
        session: row.try_get("session")?,
    }))
}

fn hash(row: &PgRow, column: &str) -> Result<Option<Hash>, StoreError> {
    let bytes: Option<Vec<u8>> = row.try_get(column)?;
    Ok(bytes.and_then(|bytes| bytes.try_into().ok()))
}
