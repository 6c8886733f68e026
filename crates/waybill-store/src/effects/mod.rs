//! Writing effects: one function for each variant of [`Effect`], inside the transaction that
//! records the attempts. What a processor decided is written here; of its own, this only knows
//! which patients were merged into which.

mod patient;
mod signature;
mod visit;

use sqlx::{Postgres, Transaction};
use uuid::Uuid;
use waybill_core::kinds::Effect;
use waybill_core::outcome::Done;

use crate::StoreError;
use patient::Survivors;

/// A message whose effects are to be written.
#[derive(Clone, Copy)]
pub(crate) struct Written<'a> {
    /// The message.
    pub(crate) id: Uuid,
    /// Whose it is.
    pub(crate) source: &'a str,
    /// What it means.
    pub(crate) done: &'a Done,
}

/// Writes the effects of these messages, in their order; what had to be said about it, by message.
pub(crate) async fn write(
    transaction: &mut Transaction<'static, Postgres>,
    messages: &[Written<'_>],
) -> Result<Vec<(Uuid, &'static str)>, StoreError> {
    let mut survivors = Survivors::load(transaction, messages).await?;
    let mut warnings = Vec::new();
    for message in messages {
        for effect in &message.done.effects {
            let said = match effect {
                Effect::Visit(change) => visit::change(transaction, &survivors, message, change).await?,
                Effect::Merge(merge) => survivors.merge(transaction, message, merge).await?,
                Effect::Signature(signed) => {
                    signature::sign(transaction, message.source, message.id, signed).await?;
                    Vec::new()
                }
            };
            warnings.extend(said.into_iter().map(|warning| (message.id, warning)));
        }
    }
    Ok(warnings)
}
