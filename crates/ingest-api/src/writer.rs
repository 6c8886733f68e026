//! The group commit: submissions that wait together share one insert and one commit.
//!
//! No timer: a writer takes what is waiting when its last commit is done, so a lone request pays
//! no delay and a crowd shares the disk. The writers run on tasks and connections of their own,
//! which a client that goes away cannot interrupt: a request hands its body over and waits for
//! the answer. One submission that the ledger refuses must not refuse its neighbours: the batch
//! is then tried one by one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, Notify, mpsc, oneshot};
use waybill_drill as drill;
use waybill_process::Lifecycle;
use waybill_store::accept::{Accepted, NewMessage};
use waybill_store::{Store, StoreError};

use crate::Config;
use crate::budget::Share;
use crate::problem::{Kind, Problem};

/// Hands submissions to the writers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Writer {
    queue: mpsc::Sender<Waiting>,
    limit: Duration,
}

/// A submission that waits for its commit.
#[derive(Debug)]
struct Waiting {
    message: NewMessage,
    answer: oneshot::Sender<Result<Accepted, Kind>>,
    /// Its share of the memory for bodies; given back when it is answered.
    share: Share,
}

/// Limits of one batch.
#[derive(Debug, Clone, Copy)]
struct Batch {
    count_max: usize,
    bytes_max: usize,
}

/// Starts the writers. They end when every [`Writer`] is gone and what waited is stored.
///
/// # Errors
/// When the ledger's URL cannot be used.
pub fn start(config: &Config, hint: &Arc<Notify>, lifecycle: &Lifecycle) -> anyhow::Result<Writer> {
    let ingest = &config.ingest;
    let limit = Duration::from_millis(ingest.commit_timeout_ms);
    let (queue, waiting) = mpsc::channel(ingest.queue_max);
    let waiting = Arc::new(Mutex::new(waiting));
    let batch = Batch { count_max: ingest.batch_max, bytes_max: ingest.batch_bytes_max };
    for _ in 0..ingest.writers {
        let pen = Pen::new(config)?;
        let (waiting, hint) = (Arc::clone(&waiting), Arc::clone(hint));
        let stop = lifecycle.stop();
        lifecycle.component("writer", async move {
            write_until_closed(pen, &waiting, batch, &hint).await?;
            // the queue closes when the server has drained, which is part of stopping
            stop.cancelled().await;
            Ok(())
        });
    }
    Ok(Writer { queue, limit })
}

impl Writer {
    /// Stores `message` together with whatever else waits, and says what became of it.
    ///
    /// # Errors
    /// `overloaded`: it was not taken. `store-unavailable`: whether it is stored is unknown.
    pub async fn store(&self, message: NewMessage, share: Share) -> Result<Accepted, Problem> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { message, answer, share };
        self.queue.try_send(waiting).map_err(|e| match e {
            TrySendError::Full(_) => Kind::Overloaded,
            TrySendError::Closed(_) => Kind::StoreUnavailable,
        })?;
        if drill::mutant("answer_before_commit") {
            return Ok(Accepted::Stored { control_id_conflict: false });
        }
        match tokio::time::timeout(self.limit, answered).await {
            Ok(Ok(answer)) => answer.map_err(Problem::from),
            Ok(Err(_)) | Err(_) => Err(Kind::StoreUnavailable.into()),
        }
    }
}

async fn write_until_closed(
    mut pen: Pen,
    waiting: &Mutex<mpsc::Receiver<Waiting>>,
    batch: Batch,
    hint: &Notify,
) -> anyhow::Result<()> {
    while let Some(taken) = take(waiting, batch).await {
        let (messages, answers): (Vec<_>, Vec<_>) =
            taken.into_iter().map(|w| (w.message, (w.answer, w.share))).unzip();
        drill::point("accept.before_commit");
        let results = pen.write(&messages).await?;
        drill::point("accept.after_commit");
        hint.notify_one();
        for ((answer, share), result) in answers.into_iter().zip(results) {
            // the client may have gone: its message is stored all the same
            let _ = answer.send(result);
            drop(share);
        }
    }
    Ok(())
}

/// What is waiting now, up to a batch, ordered by key; `None` when no more will come.
async fn take(waiting: &Mutex<mpsc::Receiver<Waiting>>, batch: Batch) -> Option<Vec<Waiting>> {
    let mut queue = waiting.lock().await;
    let first = queue.recv().await?;
    let mut bytes = first.message.body.len();
    let mut taken = vec![first];
    while taken.len() < batch.count_max && bytes < batch.bytes_max {
        let Ok(next) = queue.try_recv() else { break };
        bytes += next.message.body.len();
        taken.push(next);
    }
    drop(queue);
    // two batches with the same keys must meet them in the same order, or they deadlock
    taken.sort_by(|a, b| {
        (&a.message.source, &a.message.dedupe_key).cmp(&(&b.message.source, &b.message.dedupe_key))
    });
    Some(taken)
}

/// A writer's own connection. One that does not answer in time is left behind: in a network that
/// has fallen silent it would hang for ever.
pub(crate) struct Pen {
    config: waybill_store::Config,
    limit: Duration,
    store: Store,
}

impl Pen {
    pub(crate) fn new(config: &Config) -> Result<Self, StoreError> {
        let limit_ms = config.ingest.commit_timeout_ms;
        let config = waybill_store::Config {
            connections_max: 1,
            statement_timeout_ms: limit_ms,
            ..config.database.clone()
        };
        let store = Store::new(&config, "ingest-api writer")?;
        Ok(Self { config, limit: Duration::from_millis(limit_ms), store })
    }

    pub(crate) fn store(&self) -> Store {
        self.store.clone()
    }

    /// Stores the batch; one by one when the ledger refuses something in it.
    async fn write(&mut self, messages: &[NewMessage]) -> Result<Vec<Result<Accepted, Kind>>, StoreError> {
        let whole = self.accept(messages).await?;
        if messages.len() == 1 || !matches!(whole, Err(StoreError::Refused(_) | StoreError::Contended(_))) {
            return Ok(answers(whole, messages.len()));
        }
        let mut results = Vec::with_capacity(messages.len());
        for message in messages {
            let alone = self.accept(std::slice::from_ref(message)).await?;
            results.extend(answers(alone, 1));
        }
        Ok(results)
    }

    async fn accept(&mut self, messages: &[NewMessage]) -> Result<AcceptResult, StoreError> {
        let store = self.store();
        self.in_time(store.accept(messages)).await
    }

    /// What the ledger answers to `asked`, a statement over [`Pen::store`]; in time, or it is
    /// connected to anew. An error of its own ends the writer.
    pub(crate) async fn in_time<T>(
        &mut self,
        asked: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<Result<T, StoreError>, StoreError> {
        if let Ok(answer) = tokio::time::timeout(self.limit, asked).await {
            return Ok(answer);
        }
        self.store = Store::new(&self.config, "ingest-api writer")?;
        Ok(Err(StoreError::Unavailable("no answer in time; connecting anew".into())))
    }
}

type AcceptResult = Result<Vec<Option<Accepted>>, StoreError>;

/// An answer for each of `count` submissions.
fn answers(accepted: AcceptResult, count: usize) -> Vec<Result<Accepted, Kind>> {
    match accepted {
        Ok(list) => list.into_iter().map(|one| one.ok_or(Kind::StoreUnavailable)).collect(),
        Err(error) => {
            let kind = explain(&error);
            vec![Err(kind); count]
        }
    }
}

/// Logs a failure once, and says what the sender is told.
pub(crate) fn explain(error: &StoreError) -> Kind {
    tracing::error!(%error, "submissions could not be stored");
    Kind::StoreUnavailable
}
