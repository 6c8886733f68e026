//! Running a processor: on a thread of its own, under a time limit, with its panics caught.
//!
//! Processors are pure, so nothing needs undoing. A panic or a hang is a failure of that attempt
//! alone. A thread that hangs cannot be ended from outside; the executor counts them and gives the
//! process up before they pile up.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use waybill_core::kinds::{Input, Kind, NONE, Reading};
use waybill_core::outcome::{ErrorClass, Outcome};
use waybill_store::claim::Claimed;

use crate::figures;

/// The processors, and how long one message may take.
#[derive(Debug, Clone, Copy)]
pub struct Processors {
    /// The registry of kinds.
    pub kinds: &'static [Kind],
    /// For one message.
    pub limit: Duration,
}

/// An outcome, and whether a thread still hangs on the message.
#[derive(Debug)]
pub struct Processed {
    /// What the processor said, or what became of it.
    pub outcome: Outcome,
    /// The processor did not come back in time.
    pub hangs: bool,
}

impl Processors {
    /// Processes one message.
    pub async fn run(&self, message: Claimed, reading: Reading) -> Processed {
        if message.kind == NONE {
            return done(Outcome::Ignored("its source has no kind"));
        }
        if waybill_drill::mutant("bad_release") && message.source == "letters" {
            return done(Outcome::failed(ErrorClass::Validation, "a defect of this release"));
        }
        let Some(kind) = self.kinds.iter().find(|kind| kind.name == message.kind) else {
            return done(Outcome::failed(
                ErrorClass::UnknownKind,
                "this version has no processor for the message's kind; update the workers or discard it",
            ));
        };
        let Some(body) = message.body else {
            return done(Outcome::failed(
                ErrorClass::Internal,
                "its body is gone from the ledger: restore it from a backup, or discard the message",
            ));
        };
        let (process, began) = (kind.process, Instant::now());
        let thread = tokio::task::spawn_blocking(move || {
            let input = Input {
                id: message.id,
                received_at: message.received_at,
                content_type: &message.content_type,
                body: &body,
                reading: &reading,
            };
            catch_unwind(AssertUnwindSafe(|| process(&input)))
        });
        let ended = tokio::time::timeout(self.limit, thread).await;
        figures::processing(began.elapsed());
        match ended {
            Ok(Ok(Ok(outcome))) => done(outcome),
            Ok(_) => done(Outcome::failed(
                ErrorClass::Internal,
                "the processor panicked; the worker's log says where",
            )),
            Err(_) => Processed {
                outcome: Outcome::failed(
                    ErrorClass::Timeout,
                    format!("the processor took longer than {} s", self.limit.as_secs()),
                ),
                hangs: true,
            },
        }
    }
}

const fn done(outcome: Outcome) -> Processed {
    Processed { outcome, hangs: false }
}
