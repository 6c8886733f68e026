//! How many are dead, by group: a sum of `dead_tally`, whose rows the list itself appends.
//!
//! A settling transaction appends and never updates, so it waits for nobody. Adding up replaces rows
//! by their sum in one statement: whoever reads meanwhile sees the one or the other, never both.

use crate::{Store, StoreError};

/// Rows that one fingerprint may have before they are added up.
const ROWS_MAX: i64 = 16;

impl Store {
    /// Dead letters by source, kind and error class.
    pub async fn dead_counts(&self) -> Result<Vec<(String, String, String, i64)>, StoreError> {
        Ok(sqlx::query_as(
            "select g.source, g.kind, g.error_class, sum(t.n)::bigint
             from dead_tally t join dead_group g on g.fingerprint = t.fingerprint
             group by g.source, g.kind, g.error_class",
        )
        .fetch_all(self.pool())
        .await?)
    }

    /// Adds up the counts of the groups that have many, up to `limit` rows. How many rows became fewer.
    pub async fn add_up_the_dead(&self, limit: u32) -> Result<u64, StoreError> {
        let (gone, come): (i64, i64) = sqlx::query_as(
            "with many as (
                 select fingerprint from dead_tally group by fingerprint having count(*) > $1
             ), gone as (
                 delete from dead_tally where seq in (
                     select seq from dead_tally where fingerprint in (select fingerprint from many)
                     order by seq limit $2
                     -- another replica adds up the others
                     for update skip locked)
                 returning fingerprint, n
             ), sums as (
                 select fingerprint, sum(n)::bigint as n from gone group by fingerprint
             ), come as (
                 insert into dead_tally (fingerprint, n)
                 select fingerprint, n from sums where n <> 0 returning 1
             )
             select (select count(*) from gone), (select count(*) from come)",
        )
        .bind(ROWS_MAX)
        .bind(i64::from(limit))
        .fetch_one(self.pool())
        .await?;
        Ok(u64::try_from(gone - come).unwrap_or_default())
    }
}
