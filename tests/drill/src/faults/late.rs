//! A worker that stands still with messages in hand, until another worker has finished them.
//!
//! What it then writes comes late for certain, and no time decides that. Visits must be among them:
//! each of their events is written whatever the visit already says, so that a second effect shows.
//! A form that is signed again, or a merge that is made again, changes nothing and would show nothing.

use anyhow::{Context as _, Result, bail};
use uuid::Uuid;

use crate::run::{Patience, until};
use crate::stage::Stage;

/// Visits that the stopped worker has in hand.
const VISITS: usize = 2;

/// What a worker, by the end of its name in the ledger, has in hand, merges and forms left out.
const IN_HAND: &str = "
select p.id from progress p join body b on b.id = p.id
where p.state = 'processing' and p.source = 'visits' and p.claimed_by like '%/' || $1
  and position('ADT^A40'::bytea in b.body) = 0";

/// Of those, how many are unfinished, and how many another worker has finished.
const FINISHED: &str = "
select count(*) filter (where finished_at is null),
       count(*) filter (where finished_at is not null and claimed_by not like '%/' || $1)
from progress where id = any($2)";

/// How often a worker is stopped, until what it had in hand was unfinished then.
const TRIES: usize = 5;

/// Waits until the member at `at`, which stands still at `point`, has visits in hand and others have
/// finished them. With too few in hand it goes on to its next batch, and is stopped there; so it does when
/// its commit was under way, and nothing comes late.
pub(super) async fn overtaken(stage: &Stage, at: usize, point: &str) -> Result<String> {
    for _ in 0..TRIES {
        let finished = overtaken_once(stage, at, point).await?;
        if finished > 0 {
            return Ok(format!("another finished {finished} visits that it had in hand"));
        }
        let member = &stage.fleet.members[at];
        member.arm(point, "stop")?;
        member.signal("CONT")?;
    }
    bail!("{TRIES} times its batch was recorded before it stood still: nothing came late")
}

/// How many others have finished.
async fn overtaken_once(stage: &Stage, at: usize, point: &str) -> Result<i64> {
    let member = &stage.fleet.members[at];
    let pid = member.pid().context("a process that stands still")?.to_string();
    let mut hand: Vec<Uuid> = Vec::new();
    until("visits to be in the hand of the stopped worker", Patience::BITE, async || {
        if !member.is_stopped() {
            return Ok(false);
        }
        hand = sqlx::query_scalar(IN_HAND).bind(&pid).fetch_all(&stage.db).await?;
        if hand.len() < VISITS {
            member.arm(point, "stop")?;
            member.signal("CONT")?;
        }
        Ok(hand.len() >= VISITS)
    })
    .await?;
    let mut finished = 0_i64;
    until("another worker to finish what the stopped one has in hand", Patience::LONG, async || {
        let query = sqlx::query_as(FINISHED).bind(&pid).bind(&hand);
        let (unfinished, by_others): (i64, i64) = query.fetch_one(&stage.db).await?;
        finished = by_others;
        Ok(unfinished == 0)
    })
    .await?;
    Ok(finished)
}
