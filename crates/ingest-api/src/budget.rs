//! The memory that bodies may take: every byte that arrives is asked for before it is kept, and given
//! back when its message has been answered. What is beyond it is answered 503, not buffered.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::{Kind, Problem};

/// The bytes that all bodies together may take. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Semaphore>);

/// One body's share. Given back when it is dropped.
#[derive(Debug)]
pub struct Share {
    budget: Budget,
    permit: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// A budget of `bytes`.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }

    /// An empty share of it.
    pub fn share(&self) -> Share {
        Share { budget: self.clone(), permit: None }
    }
}

impl Share {
    /// Takes `bytes` more.
    ///
    /// # Errors
    /// `overloaded` when that many are not left.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        let count = u32::try_from(bytes).map_err(|_| Kind::Overloaded)?;
        let more = Arc::clone(&self.budget.0).try_acquire_many_owned(count).map_err(|_| Kind::Overloaded)?;
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Budget;

    #[test]
    fn a_share_grows_to_what_is_left_and_is_given_back() {
        let budget = Budget::new(10);
        let (mut one, mut other) = (budget.share(), budget.share());
        assert!(one.grow(4).is_ok() && one.grow(4).is_ok() && other.grow(2).is_ok());
        assert!(one.grow(1).is_err() && other.grow(1).is_err());
        drop(one);
        assert!(other.grow(8).is_ok() && other.grow(1).is_err());
    }
}
