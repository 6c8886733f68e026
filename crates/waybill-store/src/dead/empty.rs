//! Groups without a dead letter: noticed, and let go when they have been empty for longer than any source
//! keeps its bodies. A group that is met again is made again.
//!
//! Never lets a group go that a transaction under way has met: whoever enters a dead letter holds the
//! lock of an insert on `dead_group` until its end, and a group goes under one that stands against it.

use sqlx::Executor as _;

use crate::{Store, StoreError};

/// Whoever dies meanwhile waits for us no longer than this, and we no longer for them.
const LOCK_WAIT: &str = "set local lock_timeout = '300ms'";

/// The next groups after `$1`: notes since when those are empty that are, and that the others are not. The
/// last of them, if there may be more; and whether one has been empty for long.
const LOOK: &str = "
with page as (
    select fingerprint, empty_since,
           not exists (select from dead_list l where l.fingerprint = g.fingerprint) as empty
    from dead_group g where fingerprint > $1 order by fingerprint limit $2
), noted as (
    update dead_group g set empty_since = case when page.empty then now() end
    from page where g.fingerprint = page.fingerprint and page.empty <> (page.empty_since is not null)
)
select case when count(*) >= $2 then max(fingerprint) end,
       coalesce(bool_or(empty and empty_since < now() - make_interval(days => (
           select max((spec->>'retention_days')::integer) from source))), false)
from page";

/// Of the groups in `$1` and up to `$2` (all, when it is null) those that have been empty for long.
const GONE: &str = "
with gone as (
    delete from dead_group g
    where fingerprint > $1 and fingerprint <= coalesce($2, 9223372036854775807)
      and empty_since < now() - make_interval(days => (
          select max((spec->>'retention_days')::integer) from source))
      and not exists (select from dead_list l where l.fingerprint = g.fingerprint)
    returning fingerprint
), tally as (
    -- nobody is on the list, so the sum of these is 0
    delete from dead_tally where fingerprint in (select fingerprint from gone)
)
select count(*) from gone";

impl Store {
    /// Looks at the next `limit` groups after `after`, and lets those go that have been empty for longer
    /// than any source keeps its bodies. How many went, and where to look next; `i64::MIN`: from the start.
    ///
    /// # Errors
    /// [`StoreError::Contended`] when dead letters are being entered all the time: try again later.
    pub async fn let_groups_go(&self, after: i64, limit: u32) -> Result<(u64, i64), StoreError> {
        let (last, has_old): (Option<i64>, bool) =
            sqlx::query_as(LOOK).bind(after).bind(i64::from(limit)).fetch_one(self.pool()).await?;
        let next = last.unwrap_or(i64::MIN);
        if !has_old {
            return Ok((0, next));
        }
        let mut transaction = self.begin().await?;
        transaction.execute(LOCK_WAIT).await?;
        // in the order in which an entry takes them; what is looked at then is seen under both
        transaction.execute("lock table dead_group, dead_tally in share row exclusive mode").await?;
        let gone: i64 = sqlx::query_scalar(GONE).bind(after).bind(last).fetch_one(&mut *transaction).await?;
        transaction.commit().await?;
        Ok((gone.unsigned_abs(), next))
    }
}
