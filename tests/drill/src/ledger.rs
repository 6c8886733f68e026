//! What the ledger holds, read from its raw tables by SQL of the drill's own.
//!
//! Never by the product's code: a mistake there must not hide itself. Effects are witnessed by
//! triggers into a table without any constraint, so that a second effect shows as a second row.

use anyhow::Result;
use sqlx::Row as _;
use sqlx::postgres::{PgPool, PgRow};
use uuid::Uuid;

/// The witness of effects, installed before any message is sent.
pub const WITNESS: &str = "
create table witness (n bigserial, by uuid not null, what text not null);
create function witness_visit() returns trigger language plpgsql as $$
begin insert into witness (by, what) values (new.updated_by, 'visit ' || new.visit_id); return null; end $$;
create function witness_form() returns trigger language plpgsql as $$
begin insert into witness (by, what) values (new.received_by, 'form ' || new.programme_membership_id); return null; end $$;
create trigger witness after insert or update on visit for each row execute function witness_visit();
create trigger witness after insert or update on conditions_of_joining for each row execute function witness_form();";

/// One message, wherever it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its id.
    pub id: Uuid,
    /// Its source.
    pub source: String,
    /// The hash that its receipt names.
    pub sha256: Vec<u8>,
    /// The hash of the body that is stored; none without a body.
    pub body_sha256: Option<Vec<u8>>,
    /// Its state; none without a row in `progress`.
    pub state: Option<String>,
    /// Attempts counted.
    pub attempts: Option<i32>,
    /// Attempts that ended in success.
    pub successes: i64,
    /// The class of its failure.
    pub error_class: Option<String>,
    /// The reason, in words.
    pub error_reason: Option<String>,
    /// The message whose place an operator's edit gave it.
    pub replaces: Option<Uuid>,
    /// Held, and an unfinished or dead message stands before it in one of its keys.
    pub is_behind_dead: bool,
}

/// One effect, in the order in which effects happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// The message that had it.
    pub by: Uuid,
    /// On what.
    pub what: String,
}

/// All that the ledger holds.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// The messages.
    pub rows: Vec<Row>,
    /// The effects, in their order.
    pub effects: Vec<Effect>,
    /// Messages in hand.
    pub in_hand: i64,
    /// The items of all replay plans.
    pub items: Vec<Item>,
}

/// A dead letter in a replay plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The plan's number.
    pub plan: i64,
    /// The message.
    pub id: Uuid,
    /// What became of it, as the plan says.
    pub state: String,
    /// Where the plan is.
    pub plan_state: String,
    /// How often this plan decided to replay it.
    pub replays: i64,
    /// How often a death of this message was replayed, whoever decided, beyond once for each death.
    pub again: i64,
}

const ROWS: &str = "
select r.id, r.source, r.sha256, sha256(b.body) as body_sha256, p.state, p.attempts,
       (select count(*) from attempt a where a.id = r.id and a.outcome in ('processed', 'ignored')) as successes,
       p.error_class, p.error_reason,
       (select x.replaces from replacement x where x.id = r.id) as replaces,
       coalesce(p.state = 'held' and exists (
           select from ordering o join ordering e on e.key = o.key and e.seq < o.seq
           join progress before on before.id = e.id and before.state = 'dead'
           where o.id = r.id), false) as is_behind_dead
from receipt r left join body b on b.id = r.id left join progress p on p.id = r.id
order by r.seq";

/// Messages that are neither final nor held behind a dead letter, and a mark that changes whenever
/// anything moves.
const UNFINISHED: &str = "
select count(*) filter (where finished_at is null and not (state = 'held' and exists (
           select from ordering o join ordering e on e.key = o.key and e.seq < o.seq
           join progress before on before.id = e.id and before.state = 'dead'
           where o.id = p.id))),
       md5(string_agg(state || coalesce(attempts, 0) || coalesce(published_at::text, ''), ',' order by id))
from progress p where finished_at is null";

const ITEMS: &str = "
select i.plan, i.id, i.state, p.state,
       (select count(*) from decision d where d.id = i.id and d.verb = 'replay' and d.plan = i.plan),
       (select count(*) - count(distinct d.dead_at) from decision d where d.id = i.id and d.verb = 'replay')
from plan_item i join plan p on p.id = i.plan order by i.plan, i.seq";

/// Reads everything.
pub async fn read(db: &PgPool) -> Result<Ledger> {
    let rows = sqlx::query(ROWS).fetch_all(db).await?;
    let effects: Vec<(Uuid, String)> =
        sqlx::query_as("select by, what from witness order by n").fetch_all(db).await?;
    Ok(Ledger {
        rows: rows.iter().map(row).collect::<Result<_, _>>()?,
        effects: effects.into_iter().map(|(by, what)| Effect { by, what }).collect(),
        items: items(db).await?,
        in_hand: sqlx::query_scalar("select count(*) from in_hand").fetch_one(db).await?,
    })
}

/// The items of all replay plans, in their order.
pub async fn items(db: &PgPool) -> Result<Vec<Item>> {
    let items: Vec<(i64, Uuid, String, String, i64, i64)> = sqlx::query_as(ITEMS).fetch_all(db).await?;
    let item =
        |(plan, id, state, plan_state, replays, again)| Item { plan, id, state, plan_state, replays, again };
    Ok(items.into_iter().map(item).collect())
}

fn row(row: &PgRow) -> sqlx::Result<Row> {
    Ok(Row {
        id: row.try_get("id")?,
        source: row.try_get("source")?,
        sha256: row.try_get("sha256")?,
        body_sha256: row.try_get("body_sha256")?,
        state: row.try_get("state")?,
        attempts: row.try_get("attempts")?,
        successes: row.try_get("successes")?,
        error_class: row.try_get("error_class")?,
        error_reason: row.try_get("error_reason")?,
        replaces: row.try_get("replaces")?,
        is_behind_dead: row.try_get("is_behind_dead")?,
    })
}

/// How many messages are unfinished, and a mark of where they are.
pub async fn unfinished(db: &PgPool) -> Result<(i64, String)> {
    let (count, mark): (i64, Option<String>) = sqlx::query_as(UNFINISHED).fetch_one(db).await?;
    Ok((count, mark.unwrap_or_default()))
}
