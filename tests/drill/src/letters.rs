//! Dead letters, as many as a fault needs: made by a bad release of the workers, which is rolled back.
//!
//! Each is the first message of a key of its own, and others wait behind it. Most would be processed
//! after the rollback if they were replayed; a few are bad themselves and die of every attempt. What is
//! to become of each is known before anything is done to them, but for what a cancelled plan had not
//! come to, and who won a race of two operators: that is read from the items, and from what the
//! operator's tool has printed, and every effect is then held against it.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use uuid::Uuid;

use crate::fleet::Role;
use crate::invariants::accepted;
use crate::ledger::Item;
use crate::partner::Sent;
use crate::run::{Patience, until};
use crate::soak::throttle;
use crate::stage::Stage;
use crate::traffic::{Draft, Expected, hl7};

/// The source of the letters.
pub const SOURCE: &str = "letters";
/// The mutant of the workers under which every message of that source dies.
const BAD_RELEASE: &str = "bad_release";
/// One in so many is bad itself.
const HOPELESS: usize = 8;
/// Letters that are dead.
const DEAD: &str = "select count(*) from progress where source = 'letters' and state = 'dead'";
/// Messages in hand above which live traffic waits for letters that are waited for.
pub const IN_HAND_MAX: i64 = 300;
/// For a worker to stop in good order.
const STOP: Duration = Duration::from_secs(40);

/// What is known of the letters of one run.
#[derive(Debug, Default)]
pub struct Letters {
    /// By original: the message that an edit made of it, as the operator's tool printed its id, and the
    /// effect it is to have.
    pub corrected: HashMap<Uuid, (Uuid, String)>,
    /// What an operator was told that cannot be.
    pub wrong: Vec<String>,
    /// The service that is down just now.
    pub down: Option<&'static str>,
    /// What was done to them.
    pub bite: String,
}

impl Letters {
    /// Settles what was not known when they were sent: letters that a cancelled plan has not come to
    /// stay dead, and what waits behind them stays held; what was edited is replaced.
    pub fn expect(&self, history: &mut [Sent], items: &[Item]) {
        let given_up = |item: &&Item| item.state == "waiting" && item.plan_state == "cancelled";
        let left: HashSet<Uuid> = items.iter().filter(given_up).map(|item| item.id).collect();
        let of_letters = |sent: &&mut Sent| sent.draft.source == SOURCE;
        let mut stuck = HashSet::new();
        for sent in history.iter_mut().filter(of_letters) {
            let Some(id) = accepted(sent) else { continue };
            if let Some((by, effect)) = self.corrected.get(&id) {
                sent.draft.expected = Expected::Replaced(*by, effect.clone());
            } else if left.contains(&id) {
                sent.draft.expected = Expected::Dead;
                stuck.extend(sent.draft.ordering.clone());
            } else if sent.draft.ordering.iter().any(|key| stuck.contains(key)) {
                sent.draft.expected = Expected::Held;
            }
        }
    }
}

/// So many letters, each with what waits behind it: lists to be posted each in its order.
fn write(keys: usize) -> Vec<Vec<Draft>> {
    (0..keys).map(letter).collect()
}

fn letter(n: usize) -> Vec<Draft> {
    let patient = format!("L{n}");
    let hopeless = n % HOPELESS == HOPELESS - 1;
    let say = |at: usize, trigger: &str, body: &dyn Fn(String) -> String, expected: Expected| Draft {
        source: SOURCE,
        key: format!("letter{n}-{at}"),
        body: body(hl7(trigger, &format!("{patient}-{at}"), &patient, &patient)),
        ordering: vec![patient.clone()],
        expected,
    };
    let effect = || Expected::Effect(format!("visit V{patient}"));
    let as_it_is = |body: String| body;
    // a visit without its number
    let without = |body: String| body.replace(&format!("V{patient}"), "");
    let behind = || if hopeless { Expected::Held } else { effect() };
    let mut said = vec![if hopeless {
        say(0, "A04", &without, Expected::Dead)
    } else {
        say(0, "A04", &as_it_is, effect())
    }];
    said.extend((1..=n % 3).map(|at| say(at, "A08", &as_it_is, behind())));
    said
}

/// What an operator makes of a letter: its body, and the effect that tells it from the original's.
pub fn corrected(draft: &Draft) -> (String, String) {
    let patient = &draft.ordering[0];
    let body = draft.body.replace(&format!("V{patient}"), &format!("V{patient}c"));
    (body, format!("visit V{patient}c"))
}

/// Whether a letter would be processed if it were replayed.
pub const fn is_good(sent: &Sent) -> bool {
    matches!(sent.draft.expected, Expected::Effect(_))
}

/// Lets so many letters die, and rolls the bad release back.
///
/// # Errors
/// When they do not die.
pub async fn die(stage: &mut Stage, keys: usize) -> Result<()> {
    release(stage, true).await?;
    stage.partner.as_ref().context("the partners post")?.say(write(keys)).await;
    let wanted = i64::try_from(keys)?;
    until("the letters to die", Patience::LONG, async || {
        // they would wait behind a backlog for as long as it grows
        throttle(stage, IN_HAND_MAX).await?;
        Ok(stage.count(DEAD).await? == wanted)
    })
    .await?;
    go_on(stage);
    release(stage, false).await
}

/// Lets the senders post as they like again.
pub fn go_on(stage: &Stage) {
    if let Some(partner) = &stage.partner {
        partner.mood.wait.store(false, Ordering::Relaxed);
    }
}

/// Rolls the release of the workers out, or back.
async fn release(stage: &mut Stage, bad: bool) -> Result<()> {
    let workers = stage.fleet.of(Role::Worker);
    let others = stage.fleet.settings.iter().find(|(name, _)| name == "WAYBILL_MUTANT");
    let mutants = format!("{BAD_RELEASE},{}", others.map_or("", |(_, mutants)| mutants));
    for &at in &workers {
        let member = &mut stage.fleet.members[at];
        member.more = if bad { vec![("WAYBILL_MUTANT".to_owned(), mutants.clone())] } else { Vec::new() };
        member.signal("TERM")?;
    }
    for &at in &workers {
        let member = &mut stage.fleet.members[at];
        let code = member.ended(STOP).await?;
        ensure!(code == Some(0), "{} ended with {code:?} instead of 0 when it was told to stop", member.name);
        stage.fleet.start(at)?;
    }
    stage.fleet.ready().await
}

/// Makes a plan of all letters, and starts it or does not; its number.
///
/// # Errors
/// When it is not made.
pub async fn plan(stage: &Stage, rate: Option<u32>, start: bool) -> Result<i64> {
    let rate = rate.map(|rate| rate.to_string());
    let mut words = vec!["dead", "replay", "--source", SOURCE, "--why", "the release is rolled back"];
    // the hopeless ones fail again, and are not to stop it
    words.extend(["--stop-at", "1", "--json"]);
    words.extend(rate.iter().flat_map(|rate| ["--rate", rate]));
    words.extend(start.then_some("--start"));
    let said: Value = serde_json::from_str(&stage.waybill(&words).await?)?;
    said["plan"]["id"].as_i64().with_context(|| format!("a plan's number in {said}"))
}

/// Gives the same order to a plan so many times at once: just one may take.
///
/// # Errors
/// When the tool cannot be run.
pub async fn order_at_once(stage: &Stage, verb: &str, plan: i64, times: usize) -> Result<Option<String>> {
    let number = plan.to_string();
    let words = ["plan", verb, &number, "--why", "it is time"];
    let given = futures_util::future::try_join_all((0..times).map(|_| stage.order(&words))).await?;
    let took = given.iter().filter(|output| output.status.success()).count();
    Ok((took != 1).then(|| format!("of {times} `plan {verb} {plan}` at once {took} took, not one")))
}

/// Waits until every plan that was started has ended, and notes it if one does not.
pub async fn see_through(stage: &mut Stage) {
    const OPEN: &str = "select count(*) from plan where ended_at is null";
    let ended = until("all replay plans to end", Patience::LONG, async || {
        stage.fleet.revive()?;
        Ok(stage.count(OPEN).await.is_ok_and(|open| open == 0))
    });
    if let Err(error) = ended.await {
        stage.letters.wrong.push(format!("a replay plan does not end: {error:#}"));
    }
}
