//! How long things are kept: what an edit changed goes with the original's body, and a body that an
//! undo would need stays for the grace.

use uuid::{NoContext, Timestamp, Uuid};
use waybill_store::accept::NewMessage;

use super::{corrected, undo};
use crate::decisions::die;
use crate::support::by_hand::message;
use crate::support::{BY, World};

const SHORT: &str = "[[source]]\nname = \"short\"\nformat = \"opaque\"\nretention_days = 2\n";

/// A message that came five days ago, and died.
async fn old_dead_letter(world: &World) -> Uuid {
    let seconds = chrono::Utc::now().timestamp() - 5 * 86_400;
    let id = Uuid::new_v7(Timestamp::from_unix(NoContext, seconds.try_into().unwrap(), 0));
    let message = NewMessage { id, ..message("short", &[]) };
    world.store.accept(&[message]).await.unwrap();
    die(world, id).await;
    id
}

async fn bodies(world: &World, id: Uuid) -> bool {
    world.store.body(id).await.unwrap().unwrap().body.is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_edit_changed_goes_with_the_body_of_the_original() {
    World::run(async |mut world| {
        world.apply(&format!("{}{SHORT}", crate::support::world::SOURCES)).await;
        let dead = old_dead_letter(&world).await;
        let (new, _) = corrected(&world, dead, &[]).await;
        world.store.let_bodies_go(100).await.unwrap();
        world.store.let_decisions_go(100).await.unwrap();
        assert!(bodies(&world, dead).await, "for a day after the decision");
        assert!(world.store.difference(new).await.unwrap().unwrap().difference.is_some());

        let day_later = "update progress set finished_at = now() - interval '25 hours' where id = $1";
        sqlx::query(day_later).bind(dead).execute(&world.db).await.unwrap();
        sqlx::query("delete from retention").execute(&world.db).await.unwrap();
        world.store.let_bodies_go(100).await.unwrap();
        assert_eq!(world.store.let_decisions_go(100).await.unwrap(), 1);
        assert!(!bodies(&world, dead).await);
        assert!(bodies(&world, new).await, "its own time is not over");
        let edit = world.store.difference(new).await.unwrap().unwrap();
        assert!(edit.difference.is_none() && edit.actor == "kim", "who and why is kept");
        assert_eq!(world.store.let_decisions_go(100).await.unwrap(), 0, "once");
        crate::decisions::complete(&world, new).await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_undo_needs_is_kept_for_its_grace_and_no_longer() {
    World::run(async |mut world| {
        world.apply(&format!("{}{SHORT}", crate::support::world::SOURCES)).await;
        let dead = old_dead_letter(&world).await;
        world.store.discard(&[dead], BY.because("by mistake")).await.unwrap();
        world.store.let_bodies_go(100).await.unwrap();
        assert_eq!(undo(&world, &[dead], false).await.undone, [dead], "although its body's time is over");

        let [keyed] = crate::decisions::of_one_key(&world, "tis").await;
        die(&world, keyed).await;
        world.store.discard(&[keyed], BY.because("for good")).await.unwrap();
        assert_eq!(world.store.let_decisions_go(100).await.unwrap(), 0);
        let day_later = "update given_up set given_up_at = now() - interval '25 hours'";
        sqlx::query(day_later).execute(&world.db).await.unwrap();
        assert_eq!(world.store.let_decisions_go(100).await.unwrap(), 1);
        world
    })
    .await;
}
