//! Dead letters: filing what the broker gave up on, and the list of what a person must look at.
//!
//! `entry` keeps the list in step with the ledger, `filter` says which of it, `page` and `group` read
//! it. What a person decides about a dead letter is in [`crate::decide`].

mod behind;
mod empty;
pub(crate) mod entry;
pub(crate) mod filter;
mod group;
mod letter;
mod page;
mod tally;

use uuid::Uuid;
use waybill_core::outcome::Failure;

use crate::{Store, StoreError, ordering};

pub use filter::Filter;
pub use group::{Group, Groups, HELD_MAX};
pub use letter::{Decision, Letter};
pub use page::{Cursor, DeadLetter, HOLDS_MAX, NotACursor, Page};

impl Store {
    /// Verb `file`: the broker gave up on this message's deliveries. False: it has moved on.
    pub async fn file(&self, id: Uuid, failure: &Failure, skip_dead: bool) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        ordering::lock(&mut transaction, &[id]).await?;
        let filed = sqlx::query(
            "update progress
             set state = 'dead', finished_at = now(), due_at = null, lease = null,
                 lease_until = null, error_class = $2, error_reason = $3
             where id = $1 and state in ('accepted', 'published', 'retrying')",
        )
        .bind(id)
        .bind(failure.class.as_str())
        .bind(&failure.reason)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if filed == 0 {
            return Ok(false);
        }
        entry::enter(&mut transaction, &[id]).await?;
        let skipped = if skip_dead { vec![id] } else { Vec::new() };
        let settled = ordering::Places { all: vec![id], finished: Vec::new(), skipped };
        ordering::leave(&mut transaction, &settled).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Verb `republish`: the broker let go of a message that nobody has had in hand; due again. One
    /// whose confirm is not written yet loses its lease, so that the confirm comes too late.
    pub async fn republish(&self, id: Uuid) -> Result<bool, StoreError> {
        let moved = sqlx::query(
            "update progress
             set state = case state when 'published' then 'accepted' else state end,
                 due_at = now(), lease = null, lease_until = null
             where id = $1
               and (state = 'published' or state in ('accepted', 'retrying') and lease is not null)",
        )
        .bind(id)
        .execute(self.pool())
        .await?;
        Ok(moved.rows_affected() == 1)
    }
}
