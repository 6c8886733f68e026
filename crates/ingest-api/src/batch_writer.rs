//! Storing batches: each is one statement of its own, on a connection of its own.
//!
//! A batch that is stored belongs to this task, not to the request: a client that goes away
//! interrupts nothing. Batches are large, so only so many may be in hand, from the first byte that
//! is read to the commit; and they are stored one after the other, so that the disk stays free for
//! the group commits of single submissions.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use waybill_process::Lifecycle;
use waybill_store::StoreError;
use waybill_store::accept_batch::{BatchAccepted, NewBatch};

use crate::Config;
use crate::budget::Share;
use crate::problem::{Kind, Problem};
use crate::writer::{Pen, explain};

/// A batch that waits for another transaction's lock is tried so often.
const TRIES_MAX: u32 = 3;

/// Hands batches to their writer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Batches {
    queue: mpsc::Sender<Waiting>,
    room: Arc<Semaphore>,
    limit: Duration,
    /// Bytes of a batch's body.
    pub bytes_max: usize,
}

/// The right to have a batch in hand; given back when every clone is gone.
pub type Held = Arc<OwnedSemaphorePermit>;

/// A batch that waits for its commit.
struct Waiting {
    batch: NewBatch,
    /// Items that are the same as others of the batch.
    repeats: usize,
    answer: oneshot::Sender<Result<BatchAccepted, Kind>>,
    /// Given back when it is answered.
    _held: (Held, Share),
}

/// Starts the writer. It ends when every [`Batches`] is gone and what waited is stored.
///
/// # Errors
/// When the ledger's URL cannot be used.
pub fn start(config: &Config, hint: &Arc<Notify>, lifecycle: &Lifecycle) -> anyhow::Result<Batches> {
    let ingest = &config.ingest;
    let (queue, waiting) = mpsc::channel(ingest.posted_batches_max);
    let (pen, hint, stop) = (Pen::new(config)?, Arc::clone(hint), lifecycle.stop());
    lifecycle.component("batch writer", async move {
        write_until_closed(pen, waiting, &hint).await?;
        // the queue closes when the server has drained, which is part of stopping
        stop.cancelled().await;
        Ok(())
    });
    Ok(Batches {
        queue,
        room: Arc::new(Semaphore::new(ingest.posted_batches_max)),
        limit: Duration::from_millis(ingest.commit_timeout_ms),
        bytes_max: ingest.posted_batch_bytes_max,
    })
}

impl Batches {
    /// Room for one more batch.
    ///
    /// # Errors
    /// `overloaded`: so many are in hand.
    pub fn hold(&self) -> Result<Held, Problem> {
        let permit = Arc::clone(&self.room).try_acquire_owned().map_err(|_| Kind::Overloaded)?;
        Ok(Arc::new(permit))
    }

    /// Stores every item of `batch`, or none; `share` is its share of the memory for bodies.
    ///
    /// # Errors
    /// `overloaded`: it was not taken. `store-unavailable`: whether it is stored is unknown.
    pub async fn store(
        &self,
        batch: NewBatch,
        repeats: usize,
        held: Held,
        share: Share,
    ) -> Result<BatchAccepted, Problem> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { batch, repeats, answer, _held: (held, share) };
        self.queue.try_send(waiting).map_err(|_| Kind::Overloaded)?;
        match tokio::time::timeout(self.limit, answered).await {
            Ok(Ok(answer)) => answer.map_err(Problem::from),
            Ok(Err(_)) | Err(_) => Err(Kind::StoreUnavailable.into()),
        }
    }
}

async fn write_until_closed(
    mut pen: Pen,
    mut queue: mpsc::Receiver<Waiting>,
    hint: &Notify,
) -> anyhow::Result<()> {
    while let Some(waiting) = queue.recv().await {
        let result = write(&mut pen, &waiting).await?;
        hint.notify_one();
        // the client may have gone: its batch is stored all the same
        let _ = waiting.answer.send(result.map_err(|error| explain(&error)));
    }
    Ok(())
}

/// Stores one batch. Who has the same keys in hand at the same moment has them for a moment only.
async fn write(pen: &mut Pen, waiting: &Waiting) -> Result<Result<BatchAccepted, StoreError>, StoreError> {
    let mut tries = 1;
    loop {
        let store = pen.store();
        match pen.in_time(store.accept_batch(&waiting.batch, waiting.repeats)).await? {
            Err(StoreError::Contended(_)) if tries < TRIES_MAX => tries += 1,
            result => return Ok(result),
        }
    }
}
