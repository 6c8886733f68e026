//! The partner: senders that post over HTTP, write down every answer, and never give a message up.
//!
//! Each sender says one thing after the other and goes on when it was answered; after an error or
//! no answer it sends the same bytes with the same key again, as real senders do. What one sender
//! was answered is therefore also the order that was promised to it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use reqwest::Client;
use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::traffic::{Draft, Script};

/// How much the partners post.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Senders, each with its own script.
    pub senders: usize,
    /// Between two messages of one sender.
    pub pace: Duration,
}

/// Enough that something is in flight wherever a fault strikes.
pub const BUSY: Load = Load { senders: 6, pace: Duration::from_millis(25) };
/// As much as the machine takes: the next message follows the answer at once, unless told to wait.
pub const PEAK: Load = Load { senders: 64, pace: Duration::ZERO };

/// No partner waits longer for an answer. Ours is promised within 10 s.
const PATIENCE: Duration = Duration::from_secs(12);

/// Lists that are posted at once.
const SAYING: usize = 12;

/// How often a sender that is to wait asks whether it still is.
const WAIT: Duration = Duration::from_millis(20);

/// What one post came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Accepted, under this id.
    Accepted(Uuid),
    /// Answered by another status.
    Refused(u16),
    /// Accepted by its status, in words that cannot be read.
    Unreadable,
    /// No answer at all: it may be stored or not.
    Nothing,
}

/// A message that was sent, and what was answered, post by post.
#[derive(Debug, Clone)]
pub struct Sent {
    /// What was sent.
    pub draft: Draft,
    /// The body's SHA-256.
    pub sha256: Vec<u8>,
    /// Every answer, in order.
    pub answers: Vec<Answer>,
    /// Seconds that the slowest of them took.
    pub slowest_s: f64,
}

/// How the partners are doing, for whoever looks from outside.
#[derive(Debug, Default)]
pub struct Mood {
    /// Answered 2xx.
    pub accepted: AtomicU64,
    /// Answered otherwise, or not at all.
    pub refused: AtomicU64,
    /// Senders are to wait before their next message.
    pub wait: AtomicBool,
}

/// Where the senders post, and with which credentials.
#[derive(Debug, Clone)]
pub struct Address {
    /// The ports of the ingest processes, as partners reach them.
    pub ports: Vec<u16>,
    /// The API keys of the sources.
    pub keys: Vec<(String, String)>,
}

/// The senders at work.
#[derive(Debug)]
pub struct Partner {
    /// How they are doing.
    pub mood: Arc<Mood>,
    address: Address,
    history: Arc<Mutex<Vec<Sent>>>,
    stop: Arc<AtomicBool>,
    senders: Vec<JoinHandle<()>>,
}

impl Partner {
    /// Starts the senders.
    pub fn start(address: &Address, load: Load, seed: u64) -> Self {
        let mut partner = Self {
            mood: Arc::default(),
            address: address.clone(),
            history: Arc::default(),
            stop: Arc::default(),
            senders: Vec::new(),
        };
        partner.join(load, seed);
        partner
    }

    /// More senders, each with a script of its own, besides those that are at work.
    pub fn join(&mut self, load: Load, seed: u64) {
        let first = self.senders.len();
        for number in first..first + load.senders {
            let sender = self.sender(number, load.pace);
            self.senders.push(tokio::spawn(sender.send(Script::new(number, seed))));
        }
    }

    fn sender(&self, number: usize, pace: Duration) -> Sender {
        Sender {
            address: self.address.clone(),
            http: Client::builder().timeout(PATIENCE).build().unwrap_or_default(),
            at: number,
            pace,
            mood: Arc::clone(&self.mood),
            history: Arc::clone(&self.history),
            stop: Arc::clone(&self.stop),
        }
    }

    /// Posts these too, a few lists at once, each in its order; returns when all were accepted.
    pub async fn say(&self, lists: Vec<Vec<Draft>>) {
        let say = |(number, list): (usize, Vec<Draft>)| {
            let mut sender = self.sender(number, Duration::ZERO);
            async move {
                for draft in list {
                    let place = sender.write_down(draft);
                    sender.until_accepted(place).await;
                }
            }
        };
        stream::iter(lists.into_iter().enumerate()).for_each_concurrent(SAYING, say).await;
    }

    /// What was sent so far for `source`, with its answers.
    pub fn sent(&self, source: &str) -> Vec<Sent> {
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.iter().filter(|sent| sent.draft.source == source).cloned().collect()
    }

    /// Messages sent so far.
    pub fn count(&self) -> usize {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Seconds that the slowest answer took, of the messages from the one at `first` on.
    pub fn slowest_s(&self, first: usize) -> f64 {
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.iter().skip(first).map(|sent| sent.slowest_s).fold(0.0, f64::max)
    }

    /// Messages answered 2xx so far.
    pub fn accepted(&self) -> u64 {
        self.mood.accepted.load(Ordering::Relaxed)
    }

    /// Posts that were not answered 2xx so far.
    pub fn refused(&self) -> u64 {
        self.mood.refused.load(Ordering::Relaxed)
    }

    /// Lets every sender have its last message answered, for at most `limit`; everything that was
    /// sent. A message still without an answer is in the list, with what it got.
    pub async fn finish(self, limit: Duration) -> Vec<Sent> {
        self.stop.store(true, Ordering::Relaxed);
        let deadline = tokio::time::Instant::now() + limit;
        for mut sender in self.senders {
            if tokio::time::timeout_at(deadline, &mut sender).await.is_err() {
                sender.abort();
                let _ = sender.await;
            }
        }
        std::mem::take(&mut *self.history.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One sender.
struct Sender {
    address: Address,
    http: Client,
    /// Its number, and then which ingest it posts to.
    at: usize,
    pace: Duration,
    mood: Arc<Mood>,
    history: Arc<Mutex<Vec<Sent>>>,
    stop: Arc<AtomicBool>,
}

impl Sender {
    async fn send(mut self, mut script: Script) {
        while !self.stop.load(Ordering::Relaxed) {
            if self.mood.wait.load(Ordering::Relaxed) {
                tokio::time::sleep(WAIT).await;
                continue;
            }
            let place = self.write_down(script.say());
            self.until_accepted(place).await;
            if script.repeats() {
                self.post(place).await;
            }
            tokio::time::sleep(self.pace).await;
        }
    }

    /// A message is in the history before it is sent: nobody can know it otherwise.
    fn write_down(&self, draft: Draft) -> usize {
        let sha256 = Sha256::digest(&draft.body).to_vec();
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.push(Sent { draft, sha256, answers: Vec::new(), slowest_s: 0.0 });
        history.len() - 1
    }

    async fn until_accepted(&mut self, place: usize) {
        let mut wait = Duration::from_millis(100);
        while !matches!(self.post(place).await, Answer::Accepted(_)) {
            self.at += 1;
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(1));
        }
    }

    /// Posts the message once more, and writes the answer down.
    async fn post(&self, place: usize) -> Answer {
        let draft = self.history.lock().unwrap_or_else(PoisonError::into_inner)[place].draft.clone();
        let began = Instant::now();
        let answer = self.ask(&draft).await;
        let took = began.elapsed().as_secs_f64();
        let count =
            if matches!(answer, Answer::Accepted(_)) { &self.mood.accepted } else { &self.mood.refused };
        count.fetch_add(1, Ordering::Relaxed);
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history[place].answers.push(answer);
        history[place].slowest_s = history[place].slowest_s.max(took);
        answer
    }

    async fn ask(&self, draft: &Draft) -> Answer {
        let port = self.address.ports[self.at % self.address.ports.len()];
        let key = self.address.keys.iter().find(|(source, _)| source == draft.source);
        let mut request = self
            .http
            .post(format!("http://127.0.0.1:{port}/v1/messages"))
            .bearer_auth(key.map(|(_, key)| key.as_str()).unwrap_or_default())
            .body(draft.body.clone());
        request = if draft.source == "forms" {
            request.header("content-type", "application/json").header("idempotency-key", &draft.key)
        } else {
            request.header("content-type", "x-application/hl7-v2+er7")
        };
        let Ok(response) = request.send().await else { return Answer::Nothing };
        let status = response.status();
        if !status.is_success() {
            return Answer::Refused(status.as_u16());
        }
        let named =
            response.headers().get("waybill-message-id").and_then(|id| id.to_str().ok()?.parse().ok());
        let Ok(body) = response.text().await else { return Answer::Nothing };
        let id = if draft.source == "forms" {
            let receipt: Option<serde_json::Value> = serde_json::from_str(&body).ok();
            receipt.and_then(|receipt| receipt["id"].as_str()?.parse().ok())
        } else {
            named.filter(|_| body.contains("MSA|AA"))
        };
        id.map_or(Answer::Unreadable, Answer::Accepted)
    }
}
