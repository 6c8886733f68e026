//! The balance of every source, kept for the pages: it reads the whole ledger, so it is made anew
//! only when somebody looks, and never takes more than a small share of the time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use waybill_store::Store;
use waybill_store::conservation::Balance;

use crate::view;

/// A balance is made anew after this at the soonest.
const AGE_MIN: Duration = Duration::from_secs(20);
/// And after this many times what it took.
const SHARE: u32 = 20;
/// A ledger with more messages is balanced on the command line: it would hold a snapshot for long.
const MESSAGES_MAX: f32 = 2e6;

/// The last balance.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    /// By source.
    pub(crate) balances: Arc<Vec<Balance>>,
    /// As of when; none: not yet.
    pub(crate) at: Option<DateTime<Utc>>,
    /// Why there is none, or no newer one.
    pub(crate) why_not: Option<String>,
}

/// Keeps it.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    kept: Mutex<Kept>,
    wanted: Notify,
}

impl Keeper {
    /// The last balance; asks for a newer one.
    pub(crate) fn ask(&self) -> Kept {
        self.wanted.notify_one();
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes balances when they are wanted, until told to stop.
    pub(crate) async fn keep(&self, store: Store, stop: CancellationToken) {
        // so that the first page has one
        self.wanted.notify_one();
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.wanted.notified() => {}
            }
            let began = Instant::now();
            let made = tokio::select! {
                () = stop.cancelled() => return,
                made = make(&store) => made,
            };
            {
                let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
                match made {
                    Ok(balances) => {
                        *kept = Kept { balances: Arc::new(balances), at: Some(view::now()), why_not: None };
                    }
                    Err(why) => kept.why_not = Some(why),
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep((began.elapsed() * SHARE).max(AGE_MIN)) => {}
            }
        }
    }
}

async fn make(store: &Store) -> Result<Vec<Balance>, String> {
    let messages = store.messages_about().await.map_err(|error| error.to_string())?;
    if messages > MESSAGES_MAX {
        return Err("the ledger is too large to be balanced for a page: run waybill report".to_owned());
    }
    store.balance().await.map_err(|error| error.to_string())
}
