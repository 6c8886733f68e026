//! What may happen to our processes from outside: signals, restarts, scale, limits, clocks.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::points::KILLED;
use super::{Force, service};
use crate::fleet::Role;
use crate::proxy::Mode;
use crate::run::{Patience, until};
use crate::services::{Services, variable};
use crate::stage::Stage;

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fleet {
    /// All processes of a role are killed at once; of every role, without one.
    Killed(Option<Role>),
    /// All processes of a role stand still, for longer than any lease.
    Stopped(Role),
    /// One after the other is stopped in good order and started again.
    Rolled,
    /// Told twice to stop: it ends at once.
    Hurried(Role),
    /// From one worker to twenty, and back to three.
    Scaled,
    /// A process has next to no file descriptors.
    Starved,
    /// The clock of a role is wrong, by so many seconds.
    Skewed(Role, i64),
}

/// Workers at the top, and afterwards.
const MANY: usize = 20;
const FEW: usize = 3;
/// For a process to stop in good order.
const STOP: Duration = Duration::from_secs(40);
/// How often a process is told to stop twice, until the second signal is one of its own.
const TRIES: usize = 8;

impl Fleet {
    /// Whether it ends processes in good order, or waits until new ones are ready.
    pub(super) const fn starts_anew(self) -> bool {
        matches!(self, Self::Rolled | Self::Hurried(_) | Self::Scaled | Self::Skewed(..))
    }

    pub(super) async fn inject(self, stage: &mut Stage) -> Result<()> {
        match self {
            Self::Killed(role) => {
                for at in roles(stage, role) {
                    stage.fleet.members[at].forget();
                    stage.fleet.members[at].signal("KILL")?;
                }
                Ok(())
            }
            Self::Stopped(role) => {
                for at in roles(stage, Some(role)) {
                    stage.fleet.members[at].signal("STOP")?;
                }
                tokio::time::sleep(Duration::from_secs(8)).await;
                Ok(())
            }
            Self::Rolled => roll(stage).await,
            Self::Hurried(role) => hurry(stage, role).await,
            Self::Scaled => scale(stage).await,
            Self::Starved => {
                limit(stage, "20")?;
                // connections that are open stay so: partners must need new ones
                stage.to_ingest.iter().for_each(|proxy| proxy.set(Mode::Cut));
                tokio::time::sleep(Duration::from_millis(300)).await;
                stage.to_ingest.iter().for_each(|proxy| proxy.set(Mode::Open));
                Ok(())
            }
            Self::Skewed(role, seconds) => {
                for at in roles(stage, Some(role)) {
                    let shim = variable("WAYBILL_CHAOS_SHIM")?;
                    let more = [("LD_PRELOAD", shim), ("DRILL_CLOCK_OFFSET_S", seconds.to_string())];
                    stage.fleet.members[at].more =
                        more.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
                    stage.fleet.restart(at).await?;
                }
                Ok(())
            }
        }
    }

    pub(super) async fn bitten(self, stage: &mut Stage, force: &Force) -> Result<String> {
        match self {
            Self::Killed(role) => {
                let at = roles(stage, role);
                until("the processes to be gone", Patience::BITE, async || {
                    Ok(at.iter().all(|&at| stage.fleet.members[at].ended_by() == Some(KILLED)))
                })
                .await?;
                Ok(format!("{} processes were killed", at.len()))
            }
            Self::Stopped(role) => {
                let at = roles(stage, Some(role));
                ensure!(at.iter().all(|&at| stage.fleet.members[at].is_stopped()), "they do not stand still");
                Ok(format!("{} processes stood still", at.len()))
            }
            Self::Rolled => {
                Ok(format!("{} processes ended with exit 0 and came back", stage.fleet.members.len()))
            }
            Self::Hurried(_) => Ok("the process ended by its second signal".into()),
            Self::Scaled => Ok(format!("{MANY} workers were ready, then {FEW}")),
            Self::Starved => service::refused(stage, force).await,
            Self::Skewed(role, seconds) => {
                let port = stage.fleet.members[roles(stage, Some(role))[0]].admin;
                let mut seen = 0;
                // it was started just now
                until("a clock that differs", Patience::BITE, async || {
                    seen = clock_difference(port).await.unwrap_or_default();
                    Ok((seen - seconds).abs() < 30)
                })
                .await
                .with_context(|| format!("its clock differs by {seen} s, not by {seconds} s"))?;
                Ok(format!("its clock differs by {seen} s"))
            }
        }
    }

    pub(super) async fn heal(self, stage: &mut Stage) -> Result<()> {
        match self {
            Self::Stopped(role) => {
                for at in roles(stage, Some(role)) {
                    stage.fleet.members[at].signal("CONT")?;
                }
            }
            Self::Starved => limit(stage, "4096")?,
            Self::Skewed(role, _) => {
                for at in roles(stage, Some(role)) {
                    stage.fleet.members[at].more.clear();
                    stage.fleet.restart(at).await?;
                }
            }
            Self::Killed(_) | Self::Rolled | Self::Hurried(_) | Self::Scaled => {}
        }
        Ok(())
    }

    pub(super) async fn cannot(self, services: &Services) -> Result<Option<String>> {
        match self {
            Self::Skewed(..) => {
                Ok(Some(services.control(&["can", "shim"]).await?).filter(|said| !said.is_empty()))
            }
            Self::Starved if Command::new("prlimit").arg("--version").output().is_err() => {
                Ok(Some("prlimit is not installed".into()))
            }
            _ => Ok(None),
        }
    }
}

fn roles(stage: &Stage, role: Option<Role>) -> Vec<usize> {
    (0..stage.fleet.members.len())
        .filter(|&at| role.is_none_or(|r| stage.fleet.members[at].role == r))
        .collect()
}

async fn roll(stage: &mut Stage) -> Result<()> {
    // what another fault has stopped stays so until it is healed
    for at in roles(stage, None) {
        if !stage.fleet.members[at].wanted() {
            continue;
        }
        stage.fleet.restart(at).await?;
        stage.fleet.ready().await?;
    }
    Ok(())
}

async fn hurry(stage: &mut Stage, role: Role) -> Result<()> {
    let at = roles(stage, Some(role))[0];
    for _ in 0..TRIES {
        let member = &mut stage.fleet.members[at];
        member.signal("TERM")?;
        member.signal("TERM")?;
        let code = member.ended(STOP).await?;
        stage.fleet.start(at)?;
        if code != Some(0) {
            return Ok(());
        }
        // two signals that come together are one to the system, and it was stopped in good order
        stage.fleet.ready().await?;
    }
    bail!("told twice to stop, {TRIES} times, it always ended in good order")
}

async fn scale(stage: &mut Stage) -> Result<()> {
    let workers = stage.fleet.of(Role::Worker);
    // to one, to twenty, to three
    let (_, more) = workers.split_first().context("a worker")?;
    stop_workers(stage, more).await?;
    for &at in more {
        stage.fleet.start(at)?;
    }
    for _ in workers.len()..MANY {
        stage.fleet.add(Role::Worker)?;
    }
    stage.fleet.ready().await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let workers = stage.fleet.of(Role::Worker);
    stop_workers(stage, &workers[FEW..]).await
}

async fn stop_workers(stage: &mut Stage, at: &[usize]) -> Result<()> {
    for &at in at {
        stage.fleet.members[at].signal("TERM")?;
    }
    for &at in at {
        let code = stage.fleet.members[at].ended(STOP).await?;
        ensure!(code == Some(0), "a worker ended with {code:?} instead of 0 when it was told to stop");
    }
    Ok(())
}

/// Limits the file descriptors of every ingest.
fn limit(stage: &Stage, count: &str) -> Result<()> {
    for at in stage.fleet.of(Role::Ingest) {
        let Some(pid) = stage.fleet.members[at].pid() else { continue };
        let set = Command::new("prlimit")
            .args(["--pid", &pid.to_string(), &format!("--nofile={count}:")])
            .status()
            .context("prlimit")?;
        ensure!(set.success(), "prlimit could not limit process {pid}");
    }
    Ok(())
}

/// Seconds by which the clock of the process at this port differs from ours: its answers say what
/// time it is there.
async fn clock_difference(port: u16) -> Result<i64> {
    let response = reqwest::get(format!("http://127.0.0.1:{port}/livez")).await?;
    let date = response.headers().get("date").and_then(|date| date.to_str().ok()).context("a date")?;
    let output = Command::new("date").args(["-d", date, "+%s"]).output()?;
    let theirs: i64 = String::from_utf8_lossy(&output.stdout).trim().parse()?;
    let ours = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    Ok(theirs - i64::try_from(ours)?)
}
