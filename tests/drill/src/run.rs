//! One run: set a stage, let partners post, break it, see that it is broken, mend it, and look.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

use crate::faults::{Fault, Subject};
use crate::invariants::{Invariant, Violation, accepted, check};
use crate::partner::{BUSY, Sent};
use crate::services::Services;
use crate::stage::{Stage, forget};
use crate::{ledger, letters};

/// How long something is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience(Duration);

impl Patience {
    /// For what may take its time on a busy machine.
    pub const LONG: Self = Self(Duration::from_secs(90));
    /// For a fault to show that it has bitten.
    pub const BITE: Self = Self(Duration::from_secs(30));
}

/// Without any movement for this long, draining has come to a halt.
const HALT: Duration = Duration::from_secs(45);
/// For the senders to have their last messages answered once everything is back.
pub const LAST_WORDS: Duration = Duration::from_mins(1);
/// For a second fault to show itself while the first is in force.
const HIDDEN: Duration = Duration::from_secs(8);
/// Messages that are accepted before anything is broken, and again after it was mended.
const FLOW: u64 = 60;

/// Asks until the answer is yes.
pub async fn until(what: &str, patience: Patience, mut ask: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !ask().await? {
        if began.elapsed() > patience.0 {
            bail!("waited {} s for {what}", patience.0.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// What one run came to; the fields of `latest.json` (contract, section 8), and a few more.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The fault, or two joined by "+".
    pub fault: String,
    /// Messages that partners sent.
    pub sent: usize,
    /// Messages that were answered 2xx.
    pub accepted: usize,
    /// Messages processed.
    pub processed: usize,
    /// Dead letters, all of them expected in a good run.
    pub dead: usize,
    /// Answered 2xx and not stored, or not finished.
    pub lost: usize,
    /// Effects that did not happen exactly once.
    pub duplicate_effects: usize,
    /// Effects out of order.
    pub out_of_order: usize,
    /// Everything else that is wrong.
    pub other: usize,
    /// Seconds from mending until everything was drained.
    pub recovery_s: f64,
    /// Whether all is well; none: it could not be injected here.
    pub ok: Option<bool>,
    /// Why not, or why it could not be injected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What showed that the fault had bitten.
    pub bite: String,
    /// What made the traffic.
    pub seed: u64,
    /// What is wrong, one by one.
    #[serde(skip)]
    pub violations: Vec<Violation>,
    /// Where logs are, if they were kept.
    #[serde(skip)]
    pub folder: Option<String>,
}

/// What is injected, and how.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The faults, one or two.
    pub faults: &'a [&'a Fault],
    /// For the traffic.
    pub seed: u64,
    /// Defects that are switched on.
    pub mutants: &'a str,
    /// Which run of the drill this is.
    pub number: usize,
}

impl Outcome {
    fn new(order: Order<'_>) -> Self {
        Self {
            fault: order.faults.iter().map(|fault| fault.name).collect::<Vec<_>>().join("+"),
            sent: 0,
            accepted: 0,
            processed: 0,
            dead: 0,
            lost: 0,
            duplicate_effects: 0,
            out_of_order: 0,
            other: 0,
            recovery_s: 0.0,
            ok: None,
            reason: None,
            bite: String::new(),
            seed: order.seed,
            violations: Vec::new(),
            folder: None,
        }
    }
}

/// Runs the faults of `order` on a stage of their own.
pub async fn run(services: &Services, order: Order<'_>) -> Outcome {
    let mut outcome = Outcome::new(order);
    for fault in order.faults {
        match fault.cannot(services).await {
            Ok(None) => {}
            Ok(Some(reason)) => {
                outcome.reason = Some(reason);
                return outcome;
            }
            Err(error) => return failed(outcome, &error),
        }
    }
    let name = format!("drill{}x{}", std::process::id(), order.number);
    let tablespace = order.faults.iter().find_map(|fault| fault.tablespace());
    let stage = Stage::set(services, &name, order.mutants, tablespace, &[]).await;
    let mut stage = match stage.context("the stage could not be set") {
        Ok(stage) => stage,
        Err(error) => return failed(outcome, &error),
    };
    let folder = stage.folder.clone();
    let broken_off = play(&mut stage, order, &mut outcome).await.err();
    if let Some(error) = &broken_off {
        outcome = failed(outcome, error);
        mend_all(&mut stage, order).await;
    }
    if let Err(error) = stage.strike().await {
        outcome = failed(outcome, &error.context("the stage could not be taken away"));
    }
    if broken_off.is_some() {
        // a RabbitMQ that loses a virtual host while it recovers it may take no queue after that; one that
        // does not come back is what the next run says
        for order in ["kill", "start"] {
            let _ = services.control(&["rabbitmq", order]).await;
        }
    }
    for fault in order.faults {
        if let Err(error) = fault.clear(services).await {
            outcome = failed(outcome, &error.context("what the fault needed could not be taken away"));
        }
    }
    if outcome.ok == Some(true) {
        forget(&folder);
    } else {
        outcome.folder = Some(folder.display().to_string());
    }
    outcome
}

fn failed(mut outcome: Outcome, error: &anyhow::Error) -> Outcome {
    outcome.ok = Some(false);
    outcome.reason.get_or_insert_with(|| format!("{error:#}"));
    outcome
}

/// The run itself.
async fn play(stage: &mut Stage, order: Order<'_>, outcome: &mut Outcome) -> Result<()> {
    stage.open(BUSY, order.seed);
    flow(stage, "messages to flow").await?;
    let bites = break_and_mend(stage, order.faults).await?;
    outcome.bite = bites.join("; ");
    let mended = Instant::now();
    flow(stage, "messages to flow again").await?;
    let partner = stage.partner.take().context("the partners post")?;
    let mut history = partner.finish(LAST_WORDS).await;
    letters::see_through(stage).await;
    let halted = drain(stage).await?;
    outcome.recovery_s = (mended.elapsed().as_secs_f64() * 10.0).round() / 10.0;
    let prompt = order.faults.iter().all(|fault| fault.prompt);
    stage.letters.expect(&mut history, &ledger::items(&stage.db).await?);
    look(stage, &history, prompt, halted, outcome).await
}

/// Waits until some more messages were accepted.
async fn flow(stage: &mut Stage, what: &str) -> Result<()> {
    let accepted = |stage: &Stage| stage.partner.as_ref().map_or(0, crate::partner::Partner::accepted);
    let before = accepted(stage);
    until(what, Patience::LONG, async || {
        stage.fleet.revive()?;
        Ok(accepted(stage) >= before + FLOW)
    })
    .await
}

/// Injects the faults one into the other, and heals them in the same order, but for PostgreSQL, which the
/// healing of all else may need: that comes first once it has bitten. Each must show that it has bitten
/// before it is healed; one that is hidden by another may do so when that one is healed.
async fn break_and_mend(stage: &mut Stage, faults: &[&Fault]) -> Result<Vec<String>> {
    let (mut bites, mut forces) = (Vec::new(), Vec::new());
    for fault in faults {
        let force = fault.inject(stage).await.with_context(|| format!("injecting {}", fault.name))?;
        let hidden = if forces.is_empty() { Patience::BITE.0 } else { HIDDEN };
        let bite = tokio::time::timeout(hidden, fault.bitten(stage, &force)).await;
        bites.push(bite.ok().and_then(Result::ok));
        forces.push(force);
    }
    let mut order: Vec<usize> = (0..faults.len()).collect();
    order.sort_by_key(|&at| faults[at].subject != Subject::Ledger || bites[at].is_none());
    for at in order {
        let (fault, force) = (faults[at], &forces[at]);
        if bites[at].is_none() {
            let bite = fault.bitten(stage, force).await;
            bites[at] =
                Some(bite.with_context(|| format!("{} did not bite, which proves nothing", fault.name))?);
        }
        tokio::time::sleep(fault.hold()).await;
        fault.heal(stage).await.with_context(|| format!("healing {}", fault.name))?;
    }
    Ok(bites.into_iter().flatten().collect())
}

/// The run broke off: the services must be whole for the next one all the same.
async fn mend_all(stage: &mut Stage, order: Order<'_>) {
    for fault in order.faults {
        let _ = fault.heal(stage).await;
    }
    if let Some(partner) = stage.partner.take() {
        partner.finish(Duration::ZERO).await;
    }
}

/// Waits until everything is final or behind a dead letter, for as long as anything moves. True: it
/// has come to a halt before.
pub async fn drain(stage: &mut Stage) -> Result<bool> {
    let (mut mark, mut moved) = (String::new(), Instant::now());
    loop {
        stage.fleet.revive()?;
        let (unfinished, now) = ledger::unfinished(&stage.db).await?;
        if unfinished == 0 {
            return Ok(false);
        }
        if now != mark {
            (mark, moved) = (now, Instant::now());
        }
        if moved.elapsed() > HALT {
            return Ok(true);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Reads the ledger and checks it against what the partners know.
async fn look(
    stage: &mut Stage,
    history: &[Sent],
    prompt: bool,
    halted: bool,
    outcome: &mut Outcome,
) -> Result<()> {
    let read = ledger::read(&stage.db).await?;
    outcome.violations = check(history, &read, prompt);
    let wrong = stage.letters.wrong.drain(..);
    outcome.violations.extend(wrong.map(|what| Violation { invariant: Invariant::Plan, id: None, what }));
    if halted {
        let what = format!("nothing has moved for {} s, and not everything is final", HALT.as_secs());
        outcome.violations.push(Violation { invariant: Invariant::Drain, id: None, what });
    }
    if let Err(error) = stage.waybill(&["report"]).await {
        let what = format!("`waybill report` objects: {error:#}");
        outcome.violations.push(Violation { invariant: Invariant::Balance, id: None, what });
    }
    let count = |wanted: &str| read.rows.iter().filter(|row| row.state.as_deref() == Some(wanted)).count();
    outcome.sent = history.len();
    outcome.accepted = history.iter().filter(|sent| accepted(sent).is_some()).count();
    (outcome.processed, outcome.dead) = (count("processed"), count("dead"));
    sum_up(outcome);
    Ok(())
}

fn sum_up(outcome: &mut Outcome) {
    for violation in &outcome.violations {
        *match violation.invariant {
            Invariant::FalseAnswer | Invariant::Conservation => &mut outcome.lost,
            Invariant::ExactlyOnce => &mut outcome.duplicate_effects,
            Invariant::Order => &mut outcome.out_of_order,
            _ => &mut outcome.other,
        } += 1;
    }
    outcome.ok = Some(outcome.violations.is_empty());
    outcome.reason = outcome.violations.first().map(|violation| violation.what.clone());
}
