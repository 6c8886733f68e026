//! The history of a run, and the judge of it.
//!
//! Triggers append every change of state and every effect to one table, inside the transaction that
//! makes it. What concerns one key happens under that key's lock, so the numbers of its entries are
//! in the order in which they took place. The judge is pure, and is itself tried on bad histories.

use std::collections::HashMap;
use std::fmt::Write as _;

use sqlx::Executor as _;
use uuid::Uuid;

use crate::support::World;

const HISTORY: &str = "
create table history (seq bigint generated always as identity, id uuid not null, what text not null);
create function history_state() returns trigger language plpgsql as $$
begin insert into history (id, what) values (new.id, new.state); return null; end $$;
create function history_effect() returns trigger language plpgsql as $$
begin insert into history (id, what) values (new.received_by, 'effect'); return null; end $$;
create function history_skipped() returns trigger language plpgsql as $$
begin insert into history (id, what) values (new.id, 'skipped'); return null; end $$;
create trigger history after update of state on progress
    for each row when (old.state <> new.state) execute function history_state();
create trigger history after insert or update on conditions_of_joining
    for each row execute function history_effect();
create trigger history after insert on skipped for each row execute function history_skipped();";

/// A message, as far as order is concerned.
#[derive(Debug, Clone)]
pub struct Given {
    pub seq: i64,
    pub keys: Vec<i64>,
    /// Which insert it came with: within one the order is that of the places.
    pub insert: usize,
}

/// What happened to which message, in order. Besides the states: `posted`, `answered`, `effect`,
/// `skipped`.
pub type History = Vec<(Uuid, String)>;

/// Begins to write the history of `world`.
pub async fn begin(world: &World) {
    world.db.execute(HISTORY).await.unwrap();
}

/// Notes what the ledger does not see: that these were posted, or answered.
pub async fn note(world: &World, ids: &[Uuid], what: &str) {
    sqlx::query("insert into history (id, what) select id, $2 from unnest($1::uuid[]) as g (id)")
        .bind(ids)
        .bind(what)
        .execute(&world.db)
        .await
        .unwrap();
}

/// The history so far.
pub async fn read(world: &World) -> History {
    sqlx::query_as("select id, what from history order by seq").fetch_all(&world.db).await.unwrap()
}

/// What is wrong with a history that has come to its end; `None`: nothing.
pub fn judge(given: &HashMap<Uuid, Given>, history: &History) -> Option<String> {
    let mut keys: HashMap<i64, Vec<Uuid>> = HashMap::new();
    for (id, message) in given {
        if let Some(wrong) = once(*id, history) {
            let shares =
                |other: &Uuid| other == id || given[other].keys.iter().any(|k| message.keys.contains(k));
            let ids: Vec<Uuid> = given.keys().copied().filter(shares).collect();
            return Some(format!("{id}: {wrong}\n{}", told(given, &ids, history)));
        }
        for key in &message.keys {
            keys.entry(*key).or_default().push(*id);
        }
    }
    for (key, ids) in &keys {
        let of_key: Vec<(Uuid, &str)> = history
            .iter()
            .filter(|(id, _)| ids.contains(id))
            .map(|(id, what)| (*id, what.as_str()))
            .collect();
        if let Some(wrong) = in_order(given, &of_key) {
            return Some(format!("key {key}: {wrong}\n{}", told(given, ids, history)));
        }
    }
    None
}

/// A processed message had its effect exactly once, a discarded one never; others are not final.
fn once(id: Uuid, history: &History) -> Option<String> {
    let of_id = || history.iter().filter(|(other, _)| *other == id).map(|(_, what)| what.as_str());
    let effects = of_id().filter(|what| *what == "effect").count();
    let is_state = |what: &&str| !matches!(*what, "effect" | "posted" | "answered" | "skipped");
    let last = of_id().rfind(is_state);
    match (last, effects) {
        (Some("processed"), 1) | (Some("discarded"), 0) => None,
        (last, effects) => Some(format!("it ends {} with {effects} effects", last.unwrap_or("nowhere"))),
    }
}

/// One key's history: nobody begins before those that came before it are over, or skipped; nobody
/// begins while another is in hand; an effect is had by the one in hand.
fn in_order(given: &HashMap<Uuid, Given>, of_key: &[(Uuid, &str)]) -> Option<String> {
    let mut in_hand: Option<Uuid> = None;
    // the last of each message's states, and where it was posted and answered
    let mut state: HashMap<Uuid, &str> = HashMap::new();
    let (mut posted, mut answered) = (HashMap::new(), HashMap::new());
    for (at, &(id, what)) in of_key.iter().enumerate() {
        match what {
            "posted" => drop(posted.insert(id, at)),
            "answered" => drop(answered.insert(id, at)),
            "effect" if in_hand != Some(id) => return Some(format!("{id} had its effect out of hand")),
            "effect" => {}
            "processing" => {
                if let Some(other) = in_hand {
                    return Some(format!("{id} was begun while {other} was in hand"));
                }
                in_hand = Some(id);
                let before = |other: &&Uuid| precedes(given, **other, id, &posted, &answered);
                let over =
                    |other: &Uuid| matches!(state.get(other), Some(&("processed" | "discarded" | "skipped")));
                if let Some(overtaken) = posted.keys().filter(before).find(|other| !over(other)) {
                    let now = state.get(overtaken).unwrap_or(&"accepted");
                    return Some(format!("{id} was begun before {overtaken}, which was {now}"));
                }
            }
            _ if in_hand == Some(id) => in_hand = None,
            _ => {}
        }
        if !matches!(what, "posted" | "answered" | "effect") {
            state.insert(id, what);
        }
    }
    None
}

/// Whether `one` was promised to come before `other`: answered before the other was posted, or
/// before it in the same insert.
fn precedes(
    given: &HashMap<Uuid, Given>,
    one: Uuid,
    other: Uuid,
    posted: &HashMap<Uuid, usize>,
    answered: &HashMap<Uuid, usize>,
) -> bool {
    let (a, b) = (&given[&one], &given[&other]);
    if a.insert == b.insert {
        return a.seq < b.seq;
    }
    answered.get(&one).is_some_and(|at| posted.get(&other).is_some_and(|later| at < later))
}

/// The history of these messages, a line each entry, named by their place in the ledger.
fn told(given: &HashMap<Uuid, Given>, ids: &[Uuid], history: &History) -> String {
    let mut text = String::new();
    for (at, (id, what)) in history.iter().enumerate().filter(|(_, (id, _))| ids.contains(id)) {
        let message = &given[id];
        writeln!(text, "{at:6} seq {:4} insert {:3} {id} {what}", message.seq, message.insert).unwrap();
    }
    text
}
