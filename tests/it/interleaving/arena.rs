//! What takes part in a run: the plan that the seed decides, and what is on its way.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use uuid::Uuid;
use waybill_store::accept::NewMessage;
use waybill_store::record::Settled;

use super::history::{self, Given};
use super::rng::Rng;
use crate::support::World;
use crate::support::by_hand::message;

/// Keys of each source; merges join two or three of them.
const KEYS: i64 = 5;

/// The source that changes from holding to skipping in mid-run.
pub const TURNING: &str = "turning";

/// The source `turning`, beside those of every test.
pub const TURNING_TOML: &str = "
[[source]]
name = \"turning\"
format = \"json\"
kind = \"conditions-of-joining\"
order_by = \"json:/programmeMembershipTisId\"
on_dead = \"hold\"
";

/// One run.
#[derive(Debug)]
pub struct Arena<'a> {
    pub world: &'a World,
    /// Inserts that are not posted yet, the next one last.
    to_post: Mutex<Vec<(usize, Vec<NewMessage>)>>,
    /// Every message that was posted.
    given: Mutex<HashMap<Uuid, Given>>,
    /// Deliveries, as RabbitMQ might have them: in any order, more than once.
    pub queue: Mutex<Vec<Uuid>>,
    /// Windows whose confirms have not arrived.
    pub windows: Mutex<Vec<(i64, Vec<Uuid>)>>,
    /// What workers that were taken for dead will still want to record.
    pub late: Mutex<Vec<Settled>>,
    /// How often what happened.
    counts: Mutex<HashMap<&'static str, usize>>,
    steps: AtomicUsize,
}

impl<'a> Arena<'a> {
    /// Plans `messages` messages.
    pub fn new(world: &'a World, seed: u64, messages: usize) -> Self {
        let mut rng = Rng::part(seed, 0);
        let mut to_post = Vec::new();
        let mut planned = 0;
        while planned < messages {
            let mut together = Vec::new();
            for _ in 0..=rng.below(4) {
                // in the order of the plan, so that a sort by id is the same in each run
                let id = Uuid::from_u128(Uuid::now_v7().as_u128() >> 80 << 80 | planned as u128);
                together.push(NewMessage { id, ..planned_message(&mut rng) });
                planned += 1;
            }
            to_post.push((to_post.len(), together));
        }
        to_post.reverse();
        Self {
            world,
            to_post: Mutex::new(to_post),
            given: Mutex::default(),
            queue: Mutex::default(),
            windows: Mutex::default(),
            late: Mutex::default(),
            counts: Mutex::default(),
            steps: AtomicUsize::new(0),
        }
    }

    /// Posts the next insert, as a sender that has had the answers to all before; false: none is left.
    pub async fn post(&self) -> bool {
        let Some((insert, messages)) = lock(&self.to_post).pop() else { return false };
        let ids: Vec<Uuid> = messages.iter().map(|message| message.id).collect();
        history::note(self.world, &ids, "posted").await;
        self.world.store.accept(&messages).await.unwrap();
        history::note(self.world, &ids, "answered").await;
        let seqs: Vec<(Uuid, i64)> = sqlx::query_as("select id, seq from receipt where id = any($1)")
            .bind(&ids)
            .fetch_all(&self.world.db)
            .await
            .unwrap();
        let mut given = lock(&self.given);
        for message in messages {
            let seq = seqs.iter().find(|(id, _)| *id == message.id).unwrap().1;
            given.insert(message.id, Given { seq, keys: message.ordering, insert });
        }
        self.count("posted", ids.len());
        true
    }

    /// Some of the messages that were posted, whatever became of them.
    pub fn any(&self, rng: &mut Rng, count: usize) -> Vec<Uuid> {
        let given = lock(&self.given);
        let mut ids: Vec<Uuid> = given.keys().copied().collect();
        ids.sort_unstable_by_key(|id| given[id].seq);
        drop(given);
        (0..count).filter_map(|_| rng.take(&mut ids)).collect()
    }

    /// Counts something.
    pub fn count(&self, what: &'static str, by: usize) {
        *lock(&self.counts).entry(what).or_default() += by;
    }

    /// How often it happened.
    pub fn counted(&self, what: &str) -> usize {
        lock(&self.counts).get(what).copied().unwrap_or_default()
    }

    /// What happened how often, in one line.
    pub fn summary(&self) -> String {
        let mut counts: Vec<_> = lock(&self.counts).iter().map(|(what, n)| format!("{what} {n}")).collect();
        counts.sort_unstable();
        counts.join(", ")
    }

    /// The number of the next step, over all who take them.
    pub fn step(&self) -> usize {
        self.steps.fetch_add(1, Ordering::Relaxed)
    }

    /// Everything that was posted.
    pub fn given(&self) -> HashMap<Uuid, Given> {
        lock(&self.given).clone()
    }
}

/// A lock that nobody holds across a wait.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A message: of a source that holds, one that skips, one that changes its mind, or of none in order.
fn planned_message(rng: &mut Rng) -> NewMessage {
    let (source, first) = [("tis", 0), ("skipping", 100), (TURNING, 200), ("archive", 0)][rng.below(4)];
    let count = match rng.below(10) {
        _ if source == "archive" => 0,
        0..6 => 1,
        6..9 => 2,
        _ => 3,
    };
    let mut keys: Vec<i64> = (0..count)
        .map(|_| first + i64::try_from(rng.below(usize::try_from(KEYS).unwrap())).unwrap())
        .collect();
    keys.sort_unstable();
    keys.dedup();
    message(source, &keys)
}
