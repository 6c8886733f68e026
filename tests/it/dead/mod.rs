//! Dead letters: like with like, the list in step with the ledger, filters, pages and the commands.

mod commands;
mod empty;
mod listed;

use std::time::Duration;

use uuid::Uuid;
use waybill_core::fingerprint::Fingerprint;
use waybill_core::ordering::Key;
use waybill_core::outcome::{ErrorClass, Failure};
use waybill_core::recovery::Disposition;
use waybill_store::dead::{Filter, Group};
use waybill_store::record::Settled;

use crate::support::by_hand::{accepted, settled};
use crate::support::{BY, World};

const LEASE: Duration = Duration::from_mins(1);
const KIND: &str = "conditions-of-joining";

/// Claims `id` and lets it die, of this.
async fn die(world: &World, id: Uuid, class: ErrorClass, reason: &str) {
    let claimed = world.store.claim(&[id], "w", LEASE).await.unwrap().claimed.remove(0);
    let dead = Disposition::DeadLetter(Failure::new(class, reason));
    let dead = Settled {
        skip_dead: claimed.source == "skipping",
        ..settled(&claimed.source, id, claimed.attempt, dead)
    };
    assert_eq!(world.store.record(&[dead]).await.unwrap().recorded, [id]);
}

/// A message of `source` with this key, dead of this.
async fn dead(world: &World, source: &str, key: i64, class: ErrorClass, reason: &str) -> Uuid {
    let id = accepted(world, source, &[vec![key]]).await[0];
    die(world, id, class, reason).await;
    id
}

async fn groups(world: &World, filter: &Filter) -> Vec<Group> {
    world.store.dead_groups(filter, 100).await.unwrap().groups
}

/// The ids that a filter wants, by pages of two, the newest first.
async fn wanted(world: &World, filter: &Filter) -> Vec<Uuid> {
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let page = world.store.dead_page(filter, after, 2).await.unwrap();
        ids.extend(page.letters.iter().map(|letter| letter.id));
        after = page.next;
        if after.is_none() {
            return ids;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn like_goes_with_like() {
    World::run(async |world| {
        let parse = ErrorClass::Parse;
        let first = dead(&world, "tis", 1, parse, "not JSON: line 1, column 9").await;
        let waiting = accepted(&world, "tis", &[vec![1], vec![1]]).await;
        assert_eq!(world.store.claim(&waiting, "w", LEASE).await.unwrap().held, waiting);
        let last = dead(&world, "tis", 2, parse, "not JSON: line 77, column 12").await;
        dead(&world, "tis", 3, parse, "not JSON at all").await;
        dead(&world, "skipping", 9, parse, "not JSON: line 1, column 9").await;
        dead(&world, "tis", 4, ErrorClass::Internal, "not JSON: line 1, column 9").await;
        let groups = groups(&world, &Filter::default()).await;
        assert_eq!(groups.iter().map(|group| group.count).collect::<Vec<_>>(), [2, 1, 1, 1]);
        let largest = &groups[0];
        assert_eq!(largest.pattern, "not JSON: line *, column *");
        let expected = Fingerprint::of("tis", KIND, "parse", &largest.pattern);
        assert_eq!((largest.fingerprint, largest.holds, largest.holds_at_least), (expected, 2, false));
        assert_eq!((largest.example, largest.explanation.as_str()), (last, "not JSON: line 77, column 12"));
        assert!(largest.oldest < largest.newest);
        assert_eq!(wanted(&world, &Filter::group(expected)).await, [last, first]);
        let few = world.store.dead_groups(&Filter::default(), 1).await.unwrap();
        assert_eq!((few.groups.len(), few.total), (1, 4), "it says how many there are");
        let letter = world.store.dead_letter(first).await.unwrap().unwrap();
        assert_eq!((letter.alike, letter.holds, letter.held), (2, 2, waiting));
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_part_of_a_filter_narrows_pages_and_groups_alike() {
    World::run(async |world| {
        let c = dead(&world, "skipping", 1, ErrorClass::Validation, "/signedAt is missing").await;
        let a = dead(&world, "tis", 1, ErrorClass::Parse, "not JSON: line 1, column 9").await;
        let b = dead(&world, "tis", 1_000, ErrorClass::Validation, "/signedAt is missing").await;
        let d = dead(&world, "skipping", 7, ErrorClass::Timeout, "took 20 s").await;
        let died = world.store.dead_page(&Filter::default(), None, 10).await.unwrap().letters;
        let at = |id| died.iter().find(|letter| letter.id == id).unwrap().dead_at;
        let all = Filter::default;
        let group = Fingerprint::of("skipping", KIND, "timeout", "took * s");
        let cases = [
            (all(), vec![d, b, a, c]),
            (Filter::source("tis"), vec![b, a]),
            (Filter { kind: Some(KIND.into()), ..all() }, vec![d, b, a, c]),
            (Filter { kind: Some("visit".into()), ..all() }, vec![]),
            (Filter { class: Some(ErrorClass::Validation), ..all() }, vec![b, c]),
            (Filter { class: Some(ErrorClass::Validation), ..Filter::source("tis") }, vec![b]),
            (Filter::group(group), vec![d]),
            (Filter { text: Some("LINE 300".into()), ..all() }, vec![a]),
            (Filter { since: Some(at(a)), ..all() }, vec![d, b, a]),
            (Filter { until: Some(at(a)), ..all() }, vec![c]),
            (Filter { since: Some(at(a)), until: Some(at(d)), ..all() }, vec![b, a]),
            (Filter { key: Some(Key::from_i64(1)), ..all() }, vec![a, c]),
            (Filter { key: Some(Key::from_i64(1)), ..Filter::source("skipping") }, vec![c]),
            (Filter { key: Some(Key::from_i64(1)), since: Some(at(a)), ..all() }, vec![a]),
            (Filter { key: Some(Key::from_i64(9)), ..all() }, vec![]),
        ];
        for (filter, expected) in cases {
            assert_eq!(wanted(&world, &filter).await, expected, "{filter:?}");
            let groups = groups(&world, &filter).await;
            let count: i64 = groups.iter().map(|group| group.count).sum();
            assert_eq!(usize::try_from(count).unwrap(), expected.len(), "{filter:?}");
            assert!(groups.iter().all(|group| expected.contains(&group.example)), "{filter:?}");
        }
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_show_each_letter_once_while_others_come_and_go() {
    World::run(async |world| {
        let mut ids = Vec::new();
        for key in 0..7 {
            ids.push(dead(&world, "tis", key, ErrorClass::Validation, "/version is missing").await);
        }
        let all = Filter::default();
        let first = world.store.dead_page(&all, None, 3).await.unwrap();
        assert_eq!(
            first.letters.iter().map(|letter| letter.id).collect::<Vec<_>>(),
            [ids[6], ids[5], ids[4]]
        );
        // the page's last one goes, a newer one comes
        world.store.discard(&[ids[4], ids[2]], BY.because("sent again")).await.unwrap();
        dead(&world, "tis", 9, ErrorClass::Validation, "/version is missing").await;
        let second = world.store.dead_page(&all, first.next, 3).await.unwrap();
        assert_eq!(
            second.letters.iter().map(|letter| letter.id).collect::<Vec<_>>(),
            [ids[3], ids[1], ids[0]]
        );
        let third = world.store.dead_page(&all, second.next, 3).await.unwrap();
        assert!(third.letters.is_empty() && third.next.is_none());
        world
    })
    .await;
}
