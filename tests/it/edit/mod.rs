//! Edits, and discards that are undone: who wins, which place a message has, and what is kept of it.

mod command;
mod kept;
mod places;
mod races;
mod undo;

use std::time::Duration;

use uuid::Uuid;
use waybill_store::StoreError;
use waybill_store::edit::{Correction, Edited};
use waybill_store::undo::{How, Undone};

use crate::support::{BY, World};

/// A corrected body with these keys takes the place of `original`; its id, if it did.
pub(crate) async fn by_hand(
    world: &World,
    original: Uuid,
    body: &[u8],
    ordering: &[i64],
) -> Result<(Uuid, Edited), StoreError> {
    edit(world, original, body, ordering, false).await
}

async fn edit(
    world: &World,
    original: Uuid,
    body: &[u8],
    ordering: &[i64],
    out_of_order: bool,
) -> Result<(Uuid, Edited), StoreError> {
    let id = Uuid::now_v7();
    let correction = Correction {
        original,
        id,
        kind: "conditions-of-joining",
        lane: "default",
        sha256: [1; 32],
        ordering,
        body,
        difference: b"@@ -0,0 +1,1 @@\n+{}\n",
        actor: "kim",
        via: waybill_store::audit::Via::Cli,
        reason: "a wrong version",
        out_of_order,
    };
    Ok((id, world.store.edit(&correction).await?))
}

/// Corrects `original`, which must be possible; the corrected message, and what that released.
async fn corrected(world: &World, original: Uuid, keys: &[i64]) -> (Uuid, Vec<Uuid>) {
    let (id, edited) = edit(world, original, b"{}", keys, true).await.unwrap();
    let Edited::Done { released } = edited else { panic!("it was edited: {edited:?}") };
    (id, released)
}

/// Undoes the discards of `ids`, an hour after them at most.
async fn undo(world: &World, ids: &[Uuid], out_of_order: bool) -> Undone {
    let how = How { grace: Duration::from_hours(1), out_of_order, by: BY };
    world.store.undo(ids, how).await.unwrap()
}

async fn state(world: &World, id: Uuid) -> String {
    world.store.message(id, None).await.unwrap().unwrap().state
}
