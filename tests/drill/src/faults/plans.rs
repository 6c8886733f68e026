//! Replay plans and edits: given twice, given up, in a race, under load, and with whoever runs them
//! killed.
//!
//! All of it happens while the fault is injected, so that each order is known to have been given at a
//! plan that was in the midst of its work; what another fault of a pair then does to the plan is the
//! same as to all else. What became of each letter is for the invariants to say.

use anyhow::{Context as _, Result, ensure};
use futures_util::future::try_join_all;
use serde_json::Value;

use super::points::KILLED;
use crate::fleet::Role;
use crate::invariants::accepted;
use crate::letters::{self, IN_HAND_MAX, SOURCE};
use crate::partner::{Load, Partner, Sent};
use crate::run::{Patience, until};
use crate::soak::throttle;
use crate::stage::Stage;

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plans {
    /// Two plans of the same letters are made at once, and each is started twice at once; the second once
    /// letters of the first are processed: it comes to those, and then meets the first in its midst.
    StartedTwice,
    /// Serve, PostgreSQL and RabbitMQ are killed, one after the other.
    Interrupted,
    /// It is cancelled twice at once, and cannot be resumed.
    Cancelled,
    /// Many letters, and many more senders.
    UnderLoad,
    /// Edit and replay of the same letter at once.
    EditRaced,
    /// Serve is killed at this point.
    Killed(&'static str),
}

/// Letters of a plan that something is to hit in its midst, and replays of it in a second.
const FEW: usize = 48;
/// Letters of a plan that is to be hit three times in its midst: it goes on between the hits.
const SEVERAL: usize = 120;
const RATE: u32 = 10;
/// Letters of the first of two plans that are processed when the second starts.
const AHEAD: i64 = 4;
/// Letters of a plan under load, and who posts besides.
const MANY: usize = 240;
const CROWD: Load = Load { senders: 18, pace: std::time::Duration::from_millis(5) };
/// Plans in their midst.
const IN_MIDST: &str = "select count(*) from plan where state = 'running' and waiting > 0 and turn > 0";
/// Letters that are raced for.
const RACES: usize = 28;
/// Races for one letter, until one of the two takes.
const TRIES: usize = 4;

impl Plans {
    pub(super) async fn inject(self, stage: &mut Stage) -> Result<()> {
        let letters = match self {
            Self::UnderLoad => MANY,
            Self::Interrupted => SEVERAL,
            Self::EditRaced => RACES,
            _ => FEW,
        };
        letters::die(stage, letters).await?;
        stage.letters.bite = match self {
            Self::StartedTwice => started_twice(stage).await?,
            Self::Interrupted => interrupted(stage).await?,
            Self::Cancelled => cancelled(stage).await?,
            Self::UnderLoad => under_load(stage).await?,
            Self::EditRaced => edits_raced(stage).await?,
            Self::Killed(point) => armed(stage, point).await?,
        };
        Ok(())
    }

    pub(super) async fn bitten(self, stage: &mut Stage) -> Result<String> {
        let Self::Killed(point) = self else { return Ok(stage.letters.bite.clone()) };
        let at = serve(stage)?;
        until(&format!("serve to come by {point}"), Patience::LONG, async || {
            // the ledger may be away, by another fault
            let _ = throttle(stage, IN_HAND_MAX).await;
            let member = &mut stage.fleet.members[at];
            Ok(member.was_hit(point) && member.ended_by() == Some(KILLED))
        })
        .await?;
        letters::go_on(stage);
        let Turns { state, had, left } = turns(stage, 1).await?;
        ensure!(state == "running", "the plan was {state} already");
        Ok(format!(
            "serve was killed at {point}: {state}, {had} of {} letters had had their turn",
            had + left
        ))
    }

    /// What was broken is mended already, unless it went wrong halfway.
    pub(super) async fn heal(self, stage: &mut Stage) -> Result<()> {
        match self {
            Self::Interrupted => {
                if let Some(service) = stage.letters.down.take() {
                    stage.services.control(&[service, "start"]).await?;
                }
            }
            Self::Killed(point) => stage.fleet.members[serve(stage)?].disarm(point),
            _ => {}
        }
        Ok(())
    }
}

fn serve(stage: &Stage) -> Result<usize> {
    stage.fleet.of(Role::Serve).first().copied().context("a serve")
}

/// How far a plan is.
struct Turns {
    state: String,
    had: i64,
    left: i64,
}

async fn turns(stage: &Stage, plan: i64) -> Result<Turns> {
    let (now, had, left): (String, i32, i32) =
        sqlx::query_as("select state, items - waiting, waiting from plan where id = $1")
            .bind(plan)
            .fetch_one(&stage.db)
            .await?;
    Ok(Turns { state: now, had: had.into(), left: left.into() })
}

/// Waits until so many have had their turn; the plan must still run, and have letters left.
async fn midst(stage: &Stage, plan: i64, wanted: usize) -> Result<String> {
    let wanted = i64::try_from(wanted)?;
    let mut now = turns(stage, plan).await?;
    until("letters to have their turn", Patience::LONG, async || {
        // the ledger may be starting just now
        if let Ok(then) = turns(stage, plan).await {
            now = then;
        }
        Ok(now.had >= wanted)
    })
    .await?;
    let Turns { state, had, left } = now;
    ensure!(state == "running" && left > 0, "too late: the plan was {state} with {left} letters left");
    Ok(format!("{had} of {}", had + left))
}

async fn started_twice(stage: &mut Stage) -> Result<String> {
    let plans = try_join_all([0; 2].map(|_| letters::plan(stage, Some(RATE), false))).await?;
    for &plan in &plans {
        let wrong = letters::order_at_once(stage, "start", plan, 2).await?;
        stage.letters.wrong.extend(wrong);
        let recovered = "select coalesce(sum(recovered), 0) from plan";
        until("letters of a plan to be processed", Patience::BITE, async || {
            Ok(stage.count(recovered).await? >= AHEAD)
        })
        .await?;
    }
    until("both plans to be in their midst", Patience::BITE, async || Ok(stage.count(IN_MIDST).await? == 2))
        .await?;
    let (one, other) = (turns(stage, plans[0]).await?, turns(stage, plans[1]).await?);
    Ok(format!("two plans of the same {FEW} letters ran at once, {} and {} of them in", one.had, other.had))
}

async fn interrupted(stage: &mut Stage) -> Result<String> {
    let plan = letters::plan(stage, Some(RATE), true).await?;
    let first = midst(stage, plan, FEW / 8).await?;
    let serve = serve(stage)?;
    stage.fleet.kill(serve).await?;
    let second = midst(stage, plan, FEW / 4).await?;
    restart(stage, "postgres").await?;
    let third = midst(stage, plan, FEW / 2).await?;
    restart(stage, "rabbitmq").await?;
    Ok(format!("serve was killed with {first} letters in, PostgreSQL with {second}, RabbitMQ with {third}"))
}

/// Kills a service and starts it again.
async fn restart(stage: &mut Stage, service: &'static str) -> Result<()> {
    stage.letters.down = Some(service);
    stage.services.control(&[service, "kill"]).await?;
    stage.services.control(&[service, "start"]).await?;
    stage.letters.down = None;
    Ok(())
}

async fn cancelled(stage: &mut Stage) -> Result<String> {
    let plan = letters::plan(stage, Some(RATE), true).await?;
    let seen = midst(stage, plan, FEW / 4).await?;
    let wrong = letters::order_at_once(stage, "cancel", plan, 2).await?;
    stage.letters.wrong.extend(wrong);
    let resume = ["plan", "resume", &plan.to_string(), "--why", "a mistake"];
    if stage.order(&resume).await?.status.success() {
        stage.letters.wrong.push(format!("plan {plan} was cancelled, and could be resumed"));
    }
    let Turns { state, had, left } = turns(stage, plan).await?;
    ensure!(left > 0, "it was cancelled too late: no letter is left, it is {state}");
    Ok(format!("cancelled with {seen} letters in; {state}, {had} had their turn and {left} never will"))
}

async fn under_load(stage: &mut Stage) -> Result<String> {
    let partner = stage.partner.as_mut().context("the partners post")?;
    partner.join(CROWD, 11);
    let before = partner.accepted();
    // some live traffic first: the plan comes into it, and does not wait for it
    until("the crowd to post", Patience::LONG, async || Ok(live(stage)?.accepted() >= before + 60)).await?;
    let (first, before) = (live(stage)?.count(), live(stage)?.accepted());
    let plan = letters::plan(stage, None, true).await?;
    let began = std::time::Instant::now();
    until("the plan to end under load", Patience::LONG, async || {
        throttle(stage, IN_HAND_MAX).await?;
        Ok(turns(stage, plan).await?.state == "finished")
    })
    .await?;
    letters::go_on(stage);
    let (took, live) = (began.elapsed().as_secs_f64(), live(stage)?);
    let (posts, slowest) = (live.accepted() - before, live.slowest_s(first));
    ensure!(posts >= 20, "only {posts} posts were accepted meanwhile: that is no load");
    Ok(format!(
        "a plan of {MANY} letters took {took:.1} s, {posts} posts were accepted meanwhile, the slowest in {slowest:.1} s"
    ))
}

fn live(stage: &Stage) -> Result<&Partner> {
    stage.partner.as_ref().context("the partners post")
}

/// Races an edit and a replay for each letter that is good; who comes late begins earlier next time.
async fn edits_raced(stage: &mut Stage) -> Result<String> {
    let letters = live(stage)?.sent(SOURCE);
    let first = |sent: &&Sent| letters::is_good(sent) && sent.draft.key.ends_with("-0");
    let mut head_start_ms = 10_u64;
    let (mut edited, mut replayed) = (0, 0);
    for sent in letters.iter().filter(first) {
        let mut winner = None;
        for _ in 0..TRIES {
            winner = race(stage, sent, head_start_ms).await?;
            if winner.is_some() {
                break;
            }
        }
        match winner {
            Some(Winner::Edit) => {
                edited += 1;
                head_start_ms = head_start_ms * 2 / 3;
            }
            Some(Winner::Replay) => {
                replayed += 1;
                head_start_ms = (head_start_ms + 5) * 3 / 2;
            }
            None => {
                stage.letters.wrong.push(format!("{} can be neither edited nor replayed", sent.draft.key));
            }
        }
    }
    ensure!(edited > 0 && replayed > 0, "no race: {edited} edits and {replayed} replays took");
    Ok(format!("edit and replay at once, letter by letter: {edited} edits took, and {replayed} replays"))
}

enum Winner {
    Edit,
    Replay,
}

/// Edits and replays one letter at once, the edit so many milliseconds earlier: not both may take. Neither
/// does if both found it locked for too long.
async fn race(stage: &mut Stage, sent: &Sent, head_start_ms: u64) -> Result<Option<Winner>> {
    let original = accepted(sent).context("a letter that was accepted")?;
    let (body, effect) = letters::corrected(&sent.draft);
    let file = stage.folder.join("corrected.hl7");
    std::fs::write(&file, body)?;
    let (id, file) = (original.to_string(), file.to_string_lossy().into_owned());
    let edit = ["dead", "edit", &id, "--file", &file, "--reason", "a wrong visit", "--json"];
    let replay = ["dead", "replay", &id, "--json"];
    let later = async {
        tokio::time::sleep(std::time::Duration::from_millis(head_start_ms)).await;
        stage.order(&replay).await
    };
    let (edit, replay) = tokio::try_join!(stage.order(&edit), later)?;
    let printed: Option<Value> =
        edit.status.success().then(|| serde_json::from_slice(&edit.stdout)).transpose()?;
    if let Some(printed) = &printed {
        let by = printed["id"].as_str().context("the id that an edit prints")?.parse()?;
        stage.letters.corrected.insert(original, (by, effect));
    }
    let replayed = replay.status.success();
    if printed.is_some() && replayed {
        stage.letters.wrong.push(format!("{original} was edited and replayed at once: both took"));
    }
    Ok(if printed.is_some() { Some(Winner::Edit) } else { replayed.then_some(Winner::Replay) })
}

/// Starts a plan and arms the point once some letters have had their turn.
async fn armed(stage: &Stage, point: &str) -> Result<String> {
    let plan = letters::plan(stage, Some(RATE), true).await?;
    let seen = midst(stage, plan, FEW / 4).await?;
    stage.fleet.members[serve(stage)?].arm(point, "kill")?;
    Ok(seen)
}
