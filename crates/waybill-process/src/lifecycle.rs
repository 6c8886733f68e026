//! Start and stop. A process is a set of components; each runs until it is told to stop.
//!
//! Stopping has two stages: SIGTERM (or SIGINT) asks every component to take no more work and
//! finish what it has in hand; a second signal or the deadline ends the process at once. A
//! component that ends by itself takes the process down with a failure code, so that something
//! outside can start it again: a process never lives on without one of its parts.

use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The components of a process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    stop: CancellationToken,
    tracker: TaskTracker,
    failed: Arc<AtomicBool>,
}

impl Lifecycle {
    /// Nothing runs yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the process is to stop: take no more work.
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Runs a component. It must run until [`Lifecycle::stop`] is cancelled, and end soon after.
    pub fn component(
        &self,
        name: &'static str,
        component: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let (stop, failed) = (self.stop.clone(), Arc::clone(&self.failed));
        #[expect(clippy::disallowed_methods, reason = "awaited by the tracked task")]
        let running = tokio::spawn(component);
        self.tracker.spawn(async move {
            let ended = running.await;
            let failure = match &ended {
                Ok(Ok(())) if stop.is_cancelled() => return,
                Ok(Ok(())) => "it ended by itself".to_owned(),
                Ok(Err(e)) => format!("{e:#}"),
                Err(_) => "it panicked".to_owned(),
            };
            tracing::error!(component = name, reason = failure, "a component failed; stopping");
            failed.store(true, Ordering::Relaxed);
            stop.cancel();
        });
    }

    /// Stops every component and waits until all have ended, without a limit. For tests, which
    /// have a limit of their own.
    pub async fn shut_down(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Waits for a signal or a failed component, then stops all within `limit`.
    pub async fn run_to_end(self, limit: Duration) -> ExitCode {
        let (Ok(mut terminate), Ok(mut interrupt)) =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            tracing::error!("signals cannot be listened to");
            return ExitCode::FAILURE;
        };
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = either(&mut terminate, &mut interrupt) => {
                tracing::info!(limit_s = limit.as_secs(), "stopping: finishing what is in hand");
            }
        }
        self.stop.cancel();
        self.tracker.close();
        let ended = tokio::select! {
            () = self.tracker.wait() => true,
            () = tokio::time::sleep(limit) => {
                tracing::warn!("the time to stop is over; what was in hand will be taken up again");
                false
            }
            () = either(&mut terminate, &mut interrupt) => {
                tracing::warn!("told twice: stopping at once; what was in hand will be taken up again");
                false
            }
        };
        if ended && !self.failed.load(Ordering::Relaxed) {
            tracing::info!("stopped");
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// Runs a process: `start` brings its components up, then it lives until a signal or a failure.
///
/// Work that hangs on a blocking thread does not keep the process from ending.
pub fn run<F>(name: &str, limit: Duration, start: impl FnOnce(Lifecycle) -> F) -> ExitCode
where
    F: Future<Output = anyhow::Result<()>>,
{
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{name} did not start: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(async {
        let lifecycle = Lifecycle::new();
        match start(lifecycle.clone()).await {
            Ok(()) => lifecycle.run_to_end(limit).await,
            Err(error) => {
                eprintln!("{name} did not start: {error:#}");
                ExitCode::FAILURE
            }
        }
    });
    runtime.shutdown_background();
    code
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_component_that_ends_by_itself_stops_the_process_with_a_failure() {
        for failing in 0..3 {
            let lifecycle = Lifecycle::new();
            let stop = lifecycle.stop();
            lifecycle.component("good", async move {
                stop.cancelled().await;
                Ok(())
            });
            lifecycle.component("bad", async move {
                match failing {
                    0 => Ok(()),
                    1 => Err(anyhow::anyhow!("broken")),
                    _ => unreachable!("a panic on purpose"),
                }
            });
            let code = lifecycle.run_to_end(Duration::from_secs(5)).await;
            assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::FAILURE));
        }
    }

    #[tokio::test]
    async fn components_that_stop_when_told_end_in_success() {
        let lifecycle = Lifecycle::new();
        let stop = lifecycle.stop();
        lifecycle.component("good", async move {
            stop.cancelled().await;
            Ok(())
        });
        lifecycle.stop().cancel();
        let code = lifecycle.run_to_end(Duration::from_secs(5)).await;
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::SUCCESS));
    }
}
