//! Replay plans: exactly what was looked at, at its own pace, stopped when it goes wrong, and proved
//! by the ledger. Most tests play `waybill serve` and the workers themselves, step by step.

mod judged;
mod kept_in_order;
mod killed;
mod operated;
mod pruned;
mod set;

use std::time::Duration;

use uuid::Uuid;
use waybill_core::outcome::{ErrorClass, Failure};
use waybill_core::plan::{Policy, State, Verb};
use waybill_core::recovery::Disposition;
use waybill_store::audit::Via;
use waybill_store::dead::Filter;
use waybill_store::plan::{By, Made, Moved, Plan, Preview, Wanted};
use waybill_store::record::Settled;

use crate::support::World;
use crate::support::by_hand::{done, message, settled};
use crate::support::partner::signature;

const LEASE: Duration = Duration::from_mins(1);
const BY: By<'static> = By { actor: "a test", via: Via::Cli, reason: "the cause is mended" };
/// Replays in flight, and plans that run at once.
const WINDOW: u32 = 1000;
const ACTIVE: u32 = 4;

/// Between two passes of the sweeps that are not looked at here.
const SELDOM: (&str, &str) = ("WAYBILL_SERVE__SWEEP_MS", "2000");

/// A policy without any brake.
fn free() -> Policy {
    Policy { canary: 0, confirm: false, rate_per_s: None, stop_share: 1.0 }
}

/// A dead letter to be.
#[derive(Clone)]
pub(crate) struct Letter {
    source: &'static str,
    key: Option<i64>,
    body: String,
}

/// A letter whose replay a real worker processes.
pub(crate) fn good(key: i64) -> Letter {
    let body = signature(&format!("membership {key}"), "2026-01-31T12:00:00Z", "GG10");
    Letter { source: "tis", key: Some(key), body }
}

/// A letter whose replay fails for good again.
pub(crate) fn bad(key: i64) -> Letter {
    let body = signature(&format!("membership {key}"), "2026-01-31T12:00:00Z", "GG11");
    Letter { source: "tis", key: Some(key), body }
}

impl Letter {
    fn of(self, source: &'static str) -> Self {
        Self { source, ..self }
    }
}

/// Stores messages, in this order.
pub(crate) async fn stored(world: &World, letters: &[Letter]) -> Vec<Uuid> {
    let mut ids = Vec::new();
    for letter in letters {
        let mut one = message(letter.source, letter.key.as_slice());
        one.body = letter.body.clone().into();
        ids.push(one.id);
        world.store.accept(&[one]).await.unwrap();
    }
    ids
}

/// Claims what can be claimed of these, and lets it die.
pub(crate) async fn die(world: &World, ids: &[Uuid]) -> usize {
    let claim = world.store.claim(ids, "w", LEASE).await.unwrap();
    let dead: Vec<Settled> = claim
        .claimed
        .iter()
        .map(|claimed| {
            let failure = Failure::new(ErrorClass::Validation, "a test");
            let dead =
                settled(&claimed.source, claimed.id, claimed.attempt, Disposition::DeadLetter(failure));
            Settled { skip_dead: claimed.source == "skipping", ..dead }
        })
        .collect();
    world.store.record(&dead).await.unwrap().recorded.len()
}

/// Claims what can be claimed of these, and completes it.
pub(crate) async fn complete(world: &World, ids: &[Uuid]) -> usize {
    let claim = world.store.claim(ids, "w", LEASE).await.unwrap();
    let all: Vec<Settled> = claim.claimed.iter().map(done).collect();
    world.store.record(&all).await.unwrap().recorded.len()
}

/// Dead letters, each of a key of its own if it has one.
pub(crate) async fn dead(world: &World, letters: &[Letter]) -> Vec<Uuid> {
    let ids = stored(world, letters).await;
    assert_eq!(die(world, &ids).await, ids.len(), "all are dead");
    ids
}

/// All dead letters of a source.
fn of(source: &str) -> Filter {
    Filter { source: Some(source.into()), ..Filter::default() }
}

/// Makes a plan of all dead letters of `source`.
async fn made(world: &World, source: &str, policy: &Policy) -> (Plan, Preview) {
    let filter = of(source);
    let wanted = Wanted { filter: &filter, asked: "a test's", policy, by: BY, items_max: 1000, once: None };
    match world.store.make_plan(wanted).await.unwrap() {
        Made::Plan(plan, preview) => (*plan, preview),
        other => panic!("no plan: {other:?}"),
    }
}

/// Makes a plan of all dead letters of `source`, and starts it.
async fn started(world: &World, source: &str, policy: &Policy) -> i64 {
    let (plan, _) = made(world, source, policy).await;
    order(world, plan.id, Verb::Start).await;
    plan.id
}

/// An order that must take.
async fn order(world: &World, id: i64, verb: Verb) {
    let moved = world.store.move_plan(id, verb, BY, ACTIVE).await.unwrap();
    assert!(matches!(moved, Moved::Done(_)), "{verb:?}: {moved:?}");
}

/// A pass of `waybill serve` over one plan; how many it replayed.
async fn step(world: &World, id: i64) -> u32 {
    world.store.settle_plan(id, "a test").await.unwrap();
    let mut replayed = 0;
    loop {
        let turn = world.store.plan_turn(id, WINDOW).await.unwrap();
        replayed += turn.replayed;
        if !turn.more {
            return replayed;
        }
    }
}

async fn plan(world: &World, id: i64) -> Plan {
    world.store.plan(id).await.unwrap().expect("the plan is there")
}

/// Recovered, failed, held, skipped, in flight, waiting.
async fn counts(world: &World, id: i64) -> [u32; 6] {
    let items = plan(world, id).await.items;
    [items.recovered, items.failed, items.held, items.skipped, items.replayed, items.waiting]
}

/// The plan is in `state`, and nothing in the ledger says otherwise than its items.
async fn is(world: &World, id: i64, state: State) {
    let plan = plan(world, id).await;
    assert_eq!(plan.state, state, "{plan:?}");
    let report = world.store.plan_report(id).await.unwrap();
    assert_eq!(report.contradicted, 0, "{report:?}");
}

/// A `waybill serve` whose other sweeps look now and then, so that the plans have its time.
async fn serve(world: &mut World, more: &[(&str, &str)]) -> String {
    world.serve(&[&[SELDOM], more].concat()).await
}
