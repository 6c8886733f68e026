//! The projection `conditions_of_joining`: an older signature never overwrites a newer one.

use sqlx::{Postgres, Transaction};
use uuid::Uuid;
use waybill_core::kinds::conditions_of_joining::Signature;

use crate::StoreError;

/// Writes a signature, unless one at least as new stands.
pub(super) async fn sign(
    transaction: &mut Transaction<'static, Postgres>,
    source: &str,
    id: Uuid,
    signed: &Signature,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into conditions_of_joining as known
             (source, programme_membership_id, signed_at, version, received_by)
         values ($1, $2, $3, $4, $5)
         on conflict (source, programme_membership_id) do update
         set signed_at = excluded.signed_at, version = excluded.version,
             received_by = excluded.received_by
         where known.signed_at < excluded.signed_at",
    )
    .bind(source)
    .bind(&signed.programme_membership_id)
    .bind(signed.signed_at)
    .bind(&signed.version)
    .bind(id)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
