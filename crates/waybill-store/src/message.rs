//! One message: its receipt, its state, its attempts and its timeline.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};
use uuid::Uuid;

use crate::{Store, StoreError};

/// A message with all that happened to it. Serialises as the contract's receipt, extended.
#[derive(Debug, Clone, Serialize)]
pub struct Message {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub source: String,
    /// Its kind.
    pub kind: String,
    /// Where it is now.
    pub state: String,
    /// When it was accepted.
    pub received_at: DateTime<Utc>,
    /// SHA-256 of the body, hexadecimal.
    pub sha256: String,
    /// The body's length.
    pub bytes: i32,
    /// The sender's key.
    pub idempotency_key: Option<String>,
    /// Always false here: this is the message, not an answer to a repeat.
    pub duplicate: bool,
    /// Its control id was seen before with other bytes.
    pub control_id_conflict: bool,
    /// Attempts begun.
    pub attempts: i32,
    /// When the broker confirmed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published_at: Option<DateTime<Utc>>,
    /// When it became final.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<DateTime<Utc>>,
    /// When it is due to be published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<DateTime<Utc>>,
    /// The message it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_behind: Option<Uuid>,
    /// Why it had no effects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignored: Option<String>,
    /// The class of its last failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_class: Option<String>,
    /// Its last failure in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_reason: Option<String>,
    /// The message that an edit gave its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<Uuid>,
    /// The message whose place an edit gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Uuid>,
    /// The attempts that ended.
    pub attempt_log: Vec<Attempt>,
    /// What happened, in order.
    pub timeline: Vec<Event>,
    #[serde(skip)]
    claim: Option<(String, DateTime<Utc>)>,
}

/// An attempt that ended.
#[derive(Debug, Clone, Serialize)]
pub struct Attempt {
    /// Its number, from 1.
    pub attempt: i32,
    /// Who made it.
    pub worker: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// processed, ignored, failed or abandoned.
    pub outcome: String,
    /// The class of its failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_class: Option<String>,
    /// Its failure in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_reason: Option<String>,
    /// What was not taken from the message and why, or is otherwise odd about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// One thing that happened.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// When.
    pub at: DateTime<Utc>,
    /// What, as a short phrase.
    pub what: String,
}

impl Store {
    /// The message `id`; of `source` alone where one is given.
    pub async fn message(&self, id: Uuid, source: Option<&str>) -> Result<Option<Message>, StoreError> {
        // one snapshot, or a message might be seen in hand with its attempt ended
        let mut snapshot = self.begin().await?;
        sqlx::query("set transaction isolation level repeatable read read only")
            .execute(&mut *snapshot)
            .await?;
        let row = sqlx::query("select * from message where id = $1 and ($2::text is null or source = $2)")
            .bind(id)
            .bind(source)
            .fetch_optional(&mut *snapshot)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let mut message = read(&row)?;
        let attempts = sqlx::query("select * from attempt where id = $1 order by attempt")
            .bind(id)
            .fetch_all(&mut *snapshot)
            .await?;
        let (replaced_by, replaces) = links(&mut snapshot, id).await?;
        (message.replaced_by, message.replaces) = (replaced_by, replaces);
        let decisions = decisions(&mut snapshot, id).await?;
        snapshot.commit().await?;
        for row in &attempts {
            message.attempt_log.push(read_attempt(row)?);
        }
        message.timeline = message.story(decisions);
        Ok(Some(message))
    }

    /// The newest message of `source` whose sender's key hashes to `dedupe_prefix`.
    pub async fn message_by_key(
        &self,
        source: &str,
        dedupe_prefix: &[u8; 16],
    ) -> Result<Option<Message>, StoreError> {
        let id: Option<Uuid> = sqlx::query_scalar(
            "select id from receipt
             where source = $1 and dedupe_key >= $2
               and dedupe_key < $2 || decode(repeat('ff', 17), 'hex')
             order by seq desc limit 1",
        )
        .bind(source)
        .bind(&dedupe_prefix[..])
        .fetch_optional(self.pool())
        .await?;
        match id {
            Some(id) => self.message(id, Some(source)).await,
            None => Ok(None),
        }
    }
}

impl Message {
    /// The timeline, told from the columns: nothing is stored twice.
    fn story(&self, decisions: Vec<Event>) -> Vec<Event> {
        let mut events = Vec::new();
        let mut tell = |at: DateTime<Utc>, what: String| events.push(Event { at, what });
        tell(self.received_at, "accepted".into());
        if let Some(at) = self.published_at {
            tell(at, "published".into());
        }
        for attempt in &self.attempt_log {
            let number = attempt.attempt;
            tell(attempt.started_at, format!("attempt {number} claimed by {}", attempt.worker));
            let why = match (&attempt.error_class, &attempt.error_reason) {
                (Some(class), Some(reason)) => format!(": {class}: {reason}"),
                _ => String::new(),
            };
            tell(attempt.ended_at, format!("attempt {number} {}{why}", attempt.outcome));
            for warning in &attempt.warnings {
                tell(attempt.ended_at, format!("attempt {number} warned: {warning}"));
            }
        }
        if let Some((worker, at)) = &self.claim {
            tell(*at, format!("attempt {} claimed by {worker}", self.attempts));
        }
        // of a discarded message its decision tells
        if let Some(at) = self.finished_at.filter(|_| self.state != "discarded") {
            tell(at, self.state.clone());
        }
        events.extend(decisions);
        events.sort_by_key(|event| event.at);
        if let Some(at) = self.due_at {
            events.push(Event { at, what: "due to be published".into() });
        }
        events
    }
}

/// What replaced it, and what it replaces.
async fn links(snapshot: &mut PgConnection, id: Uuid) -> Result<(Option<Uuid>, Option<Uuid>), StoreError> {
    Ok(sqlx::query_as(
        "select (select id from replacement where replaces = $1), (select replaces from replacement where id = $1)",
    )
    .bind(id)
    .fetch_one(snapshot)
    .await?)
}

/// What operators decided upon it, and since when it had been dead each time; and whose place it has.
async fn decisions(snapshot: &mut PgConnection, id: Uuid) -> Result<Vec<Event>, StoreError> {
    let rows: Vec<(DateTime<Utc>, String)> = sqlx::query_as(
        "select at, what from (
             select d.seq, t.at, t.what from decision d
             -- an edit is a decision of the same moment
             left join replacement x on x.replaces = d.id and x.replaced_at = d.decided_at
             cross join lateral (values
                 (d.dead_at, case when d.verb <> 'undo' then
                     'dead: ' || d.error_class || ': ' || d.error_reason end),
                 (d.decided_at, case d.verb
                     when 'replay' then 'replayed'
                     when 'undo' then 'discard undone' || case when d.out_of_order then ', out of order' else '' end
                     else case when x.id is null then 'discarded' else 'replaced by ' || x.id end end
                     || coalesce(' by plan ' || d.plan, '')
                     || coalesce(': ' || d.reason, ''))) t (at, what)
             where d.id = $1
             union all
             select 0, replaced_at, 'made to replace ' || replaces || ': ' || reason
             from replacement where id = $1) told
         where what is not null order by seq, at",
    )
    .bind(id)
    .fetch_all(snapshot)
    .await?;
    Ok(rows.into_iter().map(|(at, what)| Event { at, what }).collect())
}

fn read(row: &PgRow) -> Result<Message, StoreError> {
    let state: String = row.try_get("state")?;
    let claim = if state == "processing" {
        Some((row.try_get("claimed_by")?, row.try_get("claimed_at")?))
    } else {
        None
    };
    Ok(Message {
        id: row.try_get("id")?,
        source: row.try_get("source")?,
        kind: row.try_get("kind")?,
        state,
        received_at: row.try_get("received_at")?,
        sha256: row.try_get("sha256")?,
        bytes: row.try_get("bytes")?,
        idempotency_key: row.try_get("idempotency_key")?,
        duplicate: false,
        control_id_conflict: row.try_get("control_id_conflict")?,
        attempts: row.try_get("attempts")?,
        published_at: row.try_get("published_at")?,
        finished_at: row.try_get("finished_at")?,
        due_at: row.try_get("due_at")?,
        held_behind: row.try_get("held_behind")?,
        ignored: row.try_get("ignored")?,
        error_class: row.try_get("error_class")?,
        error_reason: row.try_get("error_reason")?,
        replaced_by: None,
        replaces: None,
        attempt_log: Vec::new(),
        timeline: Vec::new(),
        claim,
    })
}

fn read_attempt(row: &PgRow) -> Result<Attempt, StoreError> {
    Ok(Attempt {
        attempt: row.try_get("attempt")?,
        worker: row.try_get("worker")?,
        started_at: row.try_get("started_at")?,
        ended_at: row.try_get("ended_at")?,
        outcome: row.try_get("outcome")?,
        error_class: row.try_get("error_class")?,
        error_reason: row.try_get("error_reason")?,
        warnings: row.try_get("warnings")?,
    })
}
