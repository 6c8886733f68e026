//! Writing effects: one statement for each variant of [`Effect`], inside the transaction that
//! records the attempt. What a processor decided is written here; nothing is decided here.

mod signature;
mod visit;

use sqlx::{Postgres, Transaction};
use uuid::Uuid;
use waybill_core::kinds::Effect;

use crate::StoreError;

/// Writes the effects of message `id` of `source`, in their order.
pub(crate) async fn write(
    transaction: &mut Transaction<'static, Postgres>,
    source: &str,
    id: Uuid,
    effects: &[Effect],
) -> Result<(), StoreError> {
    for effect in effects {
        match effect {
            Effect::Visit(change) => visit::change(transaction, source, id, change).await?,
            Effect::Merge(merge) => visit::merge(transaction, source, id, merge).await?,
            Effect::Signature(signed) => signature::sign(transaction, source, id, signed).await?,
        }
    }
    Ok(())
}
