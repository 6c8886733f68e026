//! A process is killed, or stands still, at a named point of a message's way.

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::json;

use super::late;
use super::service::piled_up;
use crate::fleet::Role;
use crate::run::{Patience, until};
use crate::stage::Stage;

/// A fail point (`waybill_drill::point`), and what happens there.
#[derive(Debug)]
pub(super) struct Point {
    pub(super) role: Role,
    pub(super) at: &'static str,
    pub(super) how: How,
    pub(super) lure: Lure,
}

/// What happens at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// SIGKILL.
    Kill,
    /// SIGSTOP, for longer than any lease.
    Stop,
}

/// What makes a process come by that point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lure {
    /// Traffic.
    None,
    /// A claim that a killed worker left.
    AbandonedClaim,
    /// A dead letter of RabbitMQ's own.
    DeadLetter,
    /// So much work that it is stopped with visits in hand; it goes on when another has finished them.
    Backlog,
}

pub(super) const KILLED: i32 = 9;

impl Point {
    fn member(&self, stage: &Stage) -> Result<usize> {
        stage.fleet.of(self.role).first().copied().context("a process with that role")
    }

    pub(super) async fn inject(&self, stage: &mut Stage) -> Result<()> {
        let at = self.member(stage)?;
        let what = if self.how == How::Kill { "kill" } else { "stop" };
        if self.lure == Lure::Backlog {
            signal_all(stage, self.role, "STOP")?;
            piled_up(stage).await?;
        }
        stage.fleet.members[at].forget();
        stage.fleet.members[at].arm(self.at, what)?;
        match self.lure {
            Lure::None => Ok(()),
            Lure::Backlog => signal_all(stage, self.role, "CONT"),
            Lure::AbandonedClaim => {
                let worker = stage.fleet.of(Role::Worker)[0];
                stage.fleet.members[worker].arm("worker.after_claim", "kill")
            }
            Lure::DeadLetter => {
                ensure!(bury(stage).await?, "RabbitMQ did not take the dead letter");
                Ok(())
            }
        }
    }

    pub(super) async fn bitten(&self, stage: &mut Stage) -> Result<String> {
        let at = self.member(stage)?;
        let name = stage.fleet.members[at].name.clone();
        let what = format!("{name} to come by {}", self.at);
        until(&what, Patience::BITE, async || Ok(stage.fleet.members[at].was_hit(self.at))).await?;
        if self.how == How::Kill {
            until(&format!("{name} to be killed"), Patience::BITE, async || {
                Ok(stage.fleet.members[at].ended_by() == Some(KILLED))
            })
            .await?;
            return Ok(format!("{name} was killed at {}", self.at));
        }
        until(&format!("{name} to stand still"), Patience::BITE, async || {
            Ok(stage.fleet.members[at].is_stopped())
        })
        .await?;
        if self.lure == Lure::Backlog {
            let finished = late::overtaken(stage, at, self.at).await?;
            return Ok(format!("{name} stood still at {}, and {finished}", self.at));
        }
        Ok(format!("{name} stood still at {}", self.at))
    }

    pub(super) const fn hold_ms(&self) -> u64 {
        match self.how {
            How::Kill => 1000,
            How::Stop => 8000,
        }
    }

    pub(super) fn heal(&self, stage: &Stage) -> Result<()> {
        let at = self.member(stage)?;
        let member = &stage.fleet.members[at];
        member.disarm(self.at);
        if self.lure == Lure::Backlog {
            signal_all(stage, self.role, "CONT")?;
        }
        if self.how == How::Stop { member.signal("CONT") } else { Ok(()) }
    }
}

fn signal_all(stage: &Stage, role: Role, signal: &str) -> Result<()> {
    stage.fleet.of(role).into_iter().try_for_each(|at| stage.fleet.members[at].signal(signal))
}

/// Puts the envelope of a message that is under way into RabbitMQ's dead-letter queue, as RabbitMQ
/// itself would; whether there was such a queue.
pub(super) async fn bury(stage: &Stage) -> Result<bool> {
    let id: uuid::Uuid =
        sqlx::query_scalar("select id from receipt order by seq desc limit 1").fetch_one(&stage.db).await?;
    let envelope = format!(r#"{{"v":1,"id":"{id}","attempts":0}}"#);
    let publish = json!({"properties": {"delivery_mode": 2}, "routing_key": "waybill.dead",
                         "payload": envelope, "payload_encoding": "string"});
    let path = stage.in_vhost("exchanges", "amq.default/publish");
    let answer = stage.services.api(Method::POST, &path, Some(publish)).await?;
    Ok(answer["routed"] == true)
}
