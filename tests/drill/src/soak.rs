//! The soak: full traffic and restarts for as long as is asked for, and nothing that loses anything.
//!
//! What the other runs show is that a loss is noticed; this one shows that nothing else is. From
//! beginning to end no finding may be written, no metric may count an unaccounted message, and no
//! envelope may be published again that RabbitMQ still has. A trigger of the drill's own counts the
//! last, so that the product is not asked about itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::Serialize;
use sqlx::{AssertSqlSafe, Executor as _, PgPool};

use crate::invariants::{accepted, check};
use crate::ledger;
use crate::partner::{PEAK, Partner};
use crate::random::Random;
use crate::run::{LAST_WORDS, drain};
use crate::services::{Services, variable};
use crate::stage::{ROLE, Stage, forget};

/// Between two looks at the metric, the findings and the witness.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Between two restarts.
const RESTART_EVERY: Duration = Duration::from_secs(8);
/// Senders wait while more than this is in hand, so that the load is what flows through for as long as it
/// is asked for, and not a backlog that grows.
const IN_HAND_MAX: i64 = 2_000;
const THROTTLE: &str = "throttle";
const THROTTLE_EVERY: Duration = Duration::from_millis(250);
/// Between two `waybill reconcile` under load, and two lines on the terminal.
const RECONCILE_EVERY: Duration = Duration::from_mins(5);
const TELL_EVERY: Duration = Duration::from_mins(1);
/// The defaults, where the drill's shorter times and smaller batches are no peak.
const SETTINGS: &[(&str, &str)] = &[
    ("WAYBILL_DATABASE__CONNECTIONS_MAX", "12"),
    ("WAYBILL_WORKER__BATCH_MAX", "32"),
    ("WAYBILL_SERVE__SWEEP_MS", "2000"),
];
/// What is wrong is told one by one up to here, and counted beyond.
const TOLD_MAX: usize = 20;

/// Counts what the verb `republish` moves, whoever calls it.
const WITNESS: &str = "
create table republished (id uuid not null, at timestamptz not null default now());
create function witness_republished() returns trigger language plpgsql as $$
begin insert into republished (id) values (new.id); return null; end $$;
create trigger republished after update on progress for each row
when (old.state = 'published' and new.state = 'accepted') execute function witness_republished();";

/// What a soak came to, as `soak.json` has it.
#[derive(Debug, Default, Serialize)]
pub struct Soaked {
    minutes: u64,
    seed: u64,
    sent: usize,
    accepted: usize,
    accepted_per_s: f64,
    processed: usize,
    dead: usize,
    /// Processes told to stop, and killed.
    stopped: u64,
    killed: u64,
    /// Looks at the metric that were answered.
    looks: u64,
    /// The most that it ever showed.
    unaccounted_max: f64,
    /// Rows of `finding`, and messages published again.
    findings: i64,
    republished: i64,
    /// `waybill reconcile` runs; each must end with exit 0.
    reconciled: u64,
    /// Everything that is wrong.
    wrong: Vec<String>,
    wrong_in_all: usize,
    /// Whether nothing is wrong.
    pub ok: bool,
}

impl Soaked {
    fn note(&mut self, what: String) {
        self.wrong_in_all += 1;
        if self.wrong.len() < TOLD_MAX {
            println!("  wrong: {what}");
            self.wrong.push(what);
        }
    }
}

/// Soaks for so many minutes, and says what it came to.
///
/// # Errors
/// When it could not go on.
pub async fn soak(services: &Services, minutes: u64, seed: u64) -> Result<Soaked> {
    let name = format!("soak{}", std::process::id());
    let mut stage =
        Stage::set(services, &name, "", None, SETTINGS).await.context("the stage could not be set")?;
    stage.db.execute(WITNESS).await?;
    stage.db.execute(AssertSqlSafe(format!("grant all on republished to {ROLE}"))).await?;
    let mut soaked = Soaked { minutes, seed, ..Soaked::default() };
    println!("soaking for {minutes} min, seed {seed}");
    let played = play(&mut stage, &mut soaked).await;
    if let Err(error) = played {
        soaked.note(format!("it could not be played out: {error:#}"));
    }
    soaked.ok = soaked.wrong_in_all == 0;
    let folder = stage.folder.clone();
    stage.strike().await?;
    if soaked.ok {
        forget(&folder);
    } else {
        println!("Read the processes' logs in {}.", folder.display());
    }
    tell(&soaked);
    Ok(soaked)
}

async fn play(stage: &mut Stage, soaked: &mut Soaked) -> Result<()> {
    stage.open(PEAK, soaked.seed);
    keep_throttled(stage);
    let began = Instant::now();
    let ended = under_load(stage, soaked, began).await;
    let took = began.elapsed().as_secs_f64();
    let partner = stage.partner.take().context("the partners post")?;
    stage.let_go(THROTTLE);
    partner.mood.wait.store(false, Ordering::Relaxed);
    let history = partner.finish(LAST_WORDS).await;
    ended?;
    if drain(stage).await? {
        soaked.note("not everything was drained, and nothing moves any more".to_owned());
    }
    reconcile(stage, soaked).await;
    look(stage, soaked).await?;
    let read = ledger::read(&stage.db).await?;
    for violation in check(&history, &read, false) {
        let id = violation.id.map(|id| id.to_string()).unwrap_or_default();
        soaked.note(format!("{:?} {id} {}", violation.invariant, violation.what));
    }
    let count = |wanted: &str| read.rows.iter().filter(|row| row.state.as_deref() == Some(wanted)).count();
    soaked.sent = history.len();
    soaked.accepted = history.iter().filter(|sent| accepted(sent).is_some()).count();
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = soaked.accepted as f64 / took;
    soaked.accepted_per_s = (rate * 10.0).round() / 10.0;
    (soaked.processed, soaked.dead) = (count("processed"), count("dead"));
    Ok(())
}

/// Restarts one process after the other, by SIGTERM and by SIGKILL, and looks all the while.
async fn under_load(stage: &mut Stage, soaked: &mut Soaked, began: Instant) -> Result<()> {
    let mut random = Random::new(soaked.seed);
    let lasts = Duration::from_secs(soaked.minutes * 60);
    let (mut restarted, mut reconciled, mut told) = (began, began, began);
    while began.elapsed() < lasts {
        tokio::time::sleep(LOOK_EVERY).await;
        look(stage, soaked).await?;
        if restarted.elapsed() > RESTART_EVERY {
            restarted = Instant::now();
            let at = random.below(stage.fleet.members.len());
            if random.one_in(2) {
                soaked.killed += 1;
                stage.fleet.kill(at).await?;
            } else {
                soaked.stopped += 1;
                stage.fleet.restart(at).await?;
            }
        }
        if reconciled.elapsed() > RECONCILE_EVERY {
            reconciled = Instant::now();
            reconcile(stage, soaked).await;
        }
        if told.elapsed() > TELL_EVERY {
            told = Instant::now();
            let posts = stage.partner.as_ref().map_or(0, Partner::accepted);
            let restarts = soaked.stopped + soaked.killed;
            println!(
                "  {:>3} min: {posts} posts accepted, {restarts} restarts, {} wrong",
                began.elapsed().as_secs() / 60,
                soaked.wrong_in_all
            );
        }
    }
    Ok(())
}

/// Lets the senders wait while more than `in_hand_max` messages are in hand.
pub(crate) async fn throttle(stage: &Stage, in_hand_max: i64) -> Result<()> {
    if let Some(partner) = &stage.partner {
        partner.mood.wait.store(in_hand(&stage.db).await? > in_hand_max, Ordering::Relaxed);
    }
    Ok(())
}

/// The same, again and again, for as long as it is held.
fn keep_throttled(stage: &mut Stage) {
    let Some(mood) = stage.partner.as_ref().map(|partner| Arc::clone(&partner.mood)) else { return };
    let db = stage.db.clone();
    stage.hold(THROTTLE, async move {
        loop {
            if let Ok(in_hand) = in_hand(&db).await {
                mood.wait.store(in_hand > IN_HAND_MAX, Ordering::Relaxed);
            }
            tokio::time::sleep(THROTTLE_EVERY).await;
        }
    });
}

async fn in_hand(db: &PgPool) -> Result<i64> {
    Ok(sqlx::query_scalar(
        "select (select count(*) from progress where due_at is not null)
              + (select count(*) from progress where state = 'published')
              + (select count(*) from progress where state = 'processing')",
    )
    .fetch_one(db)
    .await?)
}

/// The metric, the findings and the witness: each must say 0.
async fn look(stage: &mut Stage, soaked: &mut Soaked) -> Result<()> {
    stage.fleet.revive()?;
    for admin in stage.fleet.of(crate::fleet::Role::Serve).into_iter().map(|at| stage.fleet.members[at].admin)
    {
        // one that is being restarted says nothing
        let Some(unaccounted) = unaccounted(admin).await else { continue };
        soaked.looks += 1;
        if unaccounted > 0.0 {
            soaked.note(format!("waybill_unaccounted_messages is {unaccounted}"));
        }
        soaked.unaccounted_max = soaked.unaccounted_max.max(unaccounted);
    }
    let findings = stage.count("select count(*) from finding").await?;
    let republished = stage.count("select count(*) from republished").await?;
    if findings > soaked.findings {
        let what: Vec<(String, uuid::Uuid)> =
            sqlx::query_as("select problem, id from finding order by found_at desc limit 3")
                .fetch_all(&stage.db)
                .await?;
        soaked.note(format!("{findings} findings, of late {what:?}"));
    }
    if republished > soaked.republished {
        soaked.note(format!("{republished} messages were published again, and nothing was lost"));
    }
    (soaked.findings, soaked.republished) = (findings, republished);
    Ok(())
}

/// The sum of the metric over all sources; none: no answer, or it is not shown yet.
async fn unaccounted(admin: u16) -> Option<f64> {
    let response = reqwest::get(format!("http://127.0.0.1:{admin}/metrics")).await.ok()?;
    let text = response.text().await.ok()?;
    let series = text.lines().filter(|line| line.starts_with("waybill_unaccounted_messages{"));
    let values: Vec<f64> = series.filter_map(|line| line.rsplit_once(' ')?.1.parse().ok()).collect();
    (!values.is_empty()).then(|| values.iter().sum())
}

async fn reconcile(stage: &Stage, soaked: &mut Soaked) {
    soaked.reconciled += 1;
    if let Err(error) = stage.waybill(&["reconcile"]).await {
        soaked.note(format!("`waybill reconcile` objects: {error:#}"));
    }
}

/// Writes `soak.json`.
///
/// # Errors
/// When it cannot be written.
pub fn write(soaked: &Soaked) -> Result<()> {
    let folder = std::path::PathBuf::from(variable("WAYBILL_CHAOS_DIR")?);
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("soak.json");
    std::fs::write(&file, format!("{}\n", serde_json::to_string_pretty(soaked)?))?;
    println!("written: {}", file.display());
    Ok(())
}

/// The line that is counted.
fn tell(soaked: &Soaked) {
    let verdict = if soaked.ok { "ok" } else { "FAIL" };
    println!(
        "{verdict} soak: {} min, {} accepted ({} in a second), {} processes told to stop and {} killed; \
         unaccounted at most {} in {} looks, {} findings, {} published again, {} reconciled, {} wrong",
        soaked.minutes,
        soaked.accepted,
        soaked.accepted_per_s,
        soaked.stopped,
        soaked.killed,
        soaked.unaccounted_max,
        soaked.looks,
        soaked.findings,
        soaked.republished,
        soaked.reconciled,
        soaked.wrong_in_all
    );
}
