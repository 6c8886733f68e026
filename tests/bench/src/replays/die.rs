//! Deaths: what a worker's record writes when it dead-letters a message, for all messages at once. The
//! list of the dead is not written here: `waybill migrate` enters them, by the product's own code.

use sqlx::PgPool;

/// Each attempted once, a second after it came, by a worker that did not know its version yet. None has
/// had an envelope, so nothing of them is in the broker.
const DIE: &str = "
with dead as (
    update progress p
    set state = 'dead', attempts = 1, due_at = null, claimed_by = 'a worker of yesterday',
        claimed_at = r.received_at + interval '1 second', published_at = r.received_at,
        finished_at = r.received_at + interval '1 second', error_class = 'validation',
        error_reason = 'conditionsOfJoining.version: a version that is not known here, in message ' || r.seq
    from receipt r
    where r.id = p.id and p.state = 'accepted'
    returning p.id, p.claimed_by, p.claimed_at, p.finished_at, p.error_class, p.error_reason
)
insert into attempt (id, attempt, worker, started_at, ended_at, outcome, error_class, error_reason)
select id, 1, claimed_by, claimed_at, finished_at, 'failed', error_class, error_reason from dead";

/// Lets every message die; how many did.
pub(super) async fn all(db: &PgPool) -> anyhow::Result<u64> {
    // finished in the past: nothing may die after now
    sqlx::query("select pg_sleep(1.1)").execute(db).await?;
    Ok(sqlx::query(DIE).execute(db).await?.rows_affected())
}
