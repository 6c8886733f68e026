//! What is on the list of the dead, and is not dead: the way back of the balance's look at the dead.

use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use super::Misfit;
use crate::problem::Problem;
use crate::{Store, StoreError};

/// A page of `$2` entries after `$1`: where it ends, and what of it is wrong.
const LEFT_OVER: &str = "
with page as (
    select id from dead_list where id > $1 order by id limit $2
), wrong as (
    select page.id, coalesce(p.source, g.source, '-') as source
    from page
    join dead_list l on l.id = page.id
    left join progress p on p.id = page.id
    left join dead_group g on g.fingerprint = l.fingerprint
    where p.state is distinct from 'dead'
)
select (select count(*) from page), (select id from page order by id desc limit 1),
       coalesce((select array_agg(id order by id) from wrong), '{}'),
       coalesce((select array_agg(source order by id) from wrong), '{}')";

impl Store {
    /// What is on the list of the dead and not dead, in the next `page` entries after `after`; and
    /// where the next page begins, nil when this was the last one.
    pub async fn look_at_listed(&self, after: Uuid, page: u32) -> Result<(Vec<Misfit>, Uuid), StoreError> {
        let mut snapshot = self.snapshot().await?;
        let found = page_of(&mut snapshot, after, page).await?;
        snapshot.commit().await?;
        Ok(found)
    }
}

pub(super) async fn page_of(
    snapshot: &mut Transaction<'static, Postgres>,
    after: Uuid,
    page: u32,
) -> Result<(Vec<Misfit>, Uuid), StoreError> {
    let (seen, last, ids, sources): (i64, Option<Uuid>, Vec<Uuid>, Vec<String>) =
        sqlx::query_as(LEFT_OVER).bind(after).bind(i64::from(page)).fetch_one(&mut **snapshot).await?;
    let next = last.filter(|_| seen >= i64::from(page)).unwrap_or(Uuid::nil());
    let misfit = |(id, source)| Misfit { id, problem: Problem::DeadListLeftOver, source };
    Ok((ids.into_iter().zip(sources).map(misfit).collect(), next))
}
