//! What must hold after any fault: pure, over what partners were told and what the ledger holds.
//!
//! By identity, never by counts: one message lost and one invented balance each other. A second
//! implementation of the promises of docs/GUARANTEES.md, which shares no code with the product.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::ledger::{Item, Ledger, Row};
use crate::partner::{Answer, Sent};
use crate::traffic::Expected;

/// Which promise was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Invariant {
    /// Answered 2xx, and not in the ledger, or not as it was sent.
    FalseAnswer,
    /// Accepted, and in no final state, nor behind a dead letter.
    Conservation,
    /// Not exactly one effect.
    ExactlyOnce,
    /// Effects of one key in another order than the answers.
    Order,
    /// Something that was never sent, or sent once and stored twice.
    Phantom,
    /// A repeat was answered with another id.
    OneReceipt,
    /// A dead letter without reason, or of a message that was fine.
    DeadLetter,
    /// No answer within the time.
    SlowAnswer,
    /// Not drained when everything was back.
    Drain,
    /// The product's own balance objects.
    Balance,
    /// A replay plan says something else of a letter than what became of it, replayed it twice, or took
    /// an order that it had to refuse.
    Plan,
}

/// One broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// The message, where there is one.
    pub id: Option<Uuid>,
    /// What was found, in words.
    pub what: String,
}

/// Seconds within which every post is answered.
const ANSWER_S_MAX: f64 = 10.5;

/// All that is wrong. With `prompt`, every answer must have come in time.
pub fn check(history: &[Sent], ledger: &Ledger, prompt: bool) -> Vec<Violation> {
    let mut found = Found(Vec::new());
    let rows: HashMap<Uuid, &Row> = ledger.rows.iter().map(|row| (row.id, row)).collect();
    for sent in history {
        answers(sent, &rows, prompt, &mut found);
        if let Some(row) = accepted(sent).and_then(|id| rows.get(&id)) {
            end(sent, row, &rows, &mut found);
        }
    }
    effects(history, ledger, &rows, &mut found);
    order(history, ledger, &mut found);
    phantoms(history, ledger, &mut found);
    ledger.items.iter().for_each(|item| planned(item, &rows, &mut found));
    if ledger.in_hand > 0 {
        found.note(Invariant::Conservation, None, format!("{} messages are still in hand", ledger.in_hand));
    }
    found.0
}

/// The id that the partner was told.
pub fn accepted(sent: &Sent) -> Option<Uuid> {
    sent.answers.iter().find_map(|answer| match answer {
        Answer::Accepted(id) => Some(*id),
        _ => None,
    })
}

struct Found(Vec<Violation>);

impl Found {
    fn note(&mut self, invariant: Invariant, id: Option<Uuid>, what: String) {
        self.0.push(Violation { invariant, id, what });
    }
}

/// What was answered is true, the same each time, and came in time.
fn answers(sent: &Sent, rows: &HashMap<Uuid, &Row>, prompt: bool, found: &mut Found) {
    let key = &sent.draft.key;
    let ids: HashSet<Uuid> = sent
        .answers
        .iter()
        .filter_map(|answer| if let Answer::Accepted(id) = answer { Some(*id) } else { None })
        .collect();
    if ids.len() > 1 {
        found.note(Invariant::OneReceipt, None, format!("{key} was answered with {} ids", ids.len()));
    }
    if sent.answers.contains(&Answer::Unreadable) {
        found.note(Invariant::FalseAnswer, None, format!("{key} was answered 2xx without a receipt"));
    }
    if ids.is_empty() {
        found.note(Invariant::Drain, None, format!("{key} was never accepted, however often it was sent"));
    }
    for id in ids {
        let same = |row: &&Row| {
            row.source == sent.draft.source
                && row.sha256 == sent.sha256
                && row.body_sha256.as_ref() == Some(&sent.sha256)
        };
        match rows.get(&id) {
            None => found.note(
                Invariant::FalseAnswer,
                Some(id),
                format!("{key} was answered 2xx and is not stored"),
            ),
            Some(row) if !same(row) => {
                found.note(Invariant::FalseAnswer, Some(id), format!("{key} is not stored as it was sent"));
            }
            Some(_) => {}
        }
    }
    if prompt && sent.slowest_s > ANSWER_S_MAX {
        let what = format!("{key} waited {:.1} s for an answer", sent.slowest_s);
        found.note(Invariant::SlowAnswer, accepted(sent), what);
    }
}

/// It ended as it had to.
fn end(sent: &Sent, row: &Row, rows: &HashMap<Uuid, &Row>, found: &mut Found) {
    if let Expected::Replaced(by, _) = &sent.draft.expected {
        replaced(row, *by, rows, found);
        return;
    }
    let state = row.state.as_deref().unwrap_or("nowhere");
    let as_expected = match (&sent.draft.expected, state) {
        (Expected::Effect(_), "processed") | (Expected::Dead, "dead") => true,
        (Expected::Held, "held") => row.is_behind_dead,
        _ => false,
    };
    let has_reason = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let reason = row.error_reason.as_deref().unwrap_or("no reason");
    if state == "dead" && !as_expected {
        found.note(Invariant::DeadLetter, Some(row.id), format!("a good message is a dead letter: {reason}"));
    } else if !as_expected {
        let what = format!("accepted, expected {:?}, and now it is '{state}'", sent.draft.expected);
        found.note(Invariant::Conservation, Some(row.id), what);
    } else if state == "dead"
        && !(has_reason(&row.error_class) && has_reason(&row.error_reason) && row.attempts > Some(0))
    {
        found.note(
            Invariant::DeadLetter,
            Some(row.id),
            "a dead letter without class, reason or attempt".into(),
        );
    } else if state == "processed" && row.successes != 1 {
        let what = format!("processed, with {} successful attempts on record", row.successes);
        found.note(Invariant::ExactlyOnce, Some(row.id), what);
    }
}

/// The original of an edit is discarded, and the message whose id was printed has its place, processed
/// once.
fn replaced(original: &Row, by: Uuid, rows: &HashMap<Uuid, &Row>, found: &mut Found) {
    if original.state.as_deref() != Some("discarded") || original.successes > 0 {
        let what = format!("it was edited, and is {:?} all the same", original.state);
        found.note(Invariant::Conservation, Some(original.id), what);
    }
    match rows.get(&by) {
        Some(row) if row.replaces == Some(original.id) && row.state.as_deref() == Some("processed") => {
            if row.successes != 1 {
                let what = format!("processed, with {} successful attempts on record", row.successes);
                found.note(Invariant::ExactlyOnce, Some(by), what);
            }
        }
        row => {
            let state = row.and_then(|row| row.state.as_deref());
            let what = format!("an edit of {} made it, and it is {state:?} or elsewhere", original.id);
            found.note(Invariant::Conservation, Some(by), what);
        }
    }
}

/// Whose effects are a message's: its own, unless an edit gave its place to another.
fn acting(sent: &Sent) -> Option<Uuid> {
    match &sent.draft.expected {
        Expected::Replaced(by, _) => accepted(sent).map(|_| *by),
        _ => accepted(sent),
    }
}

/// What a plan says of a letter is what became of it, and no death was replayed twice.
fn planned(item: &Item, rows: &HashMap<Uuid, &Row>, found: &mut Found) {
    let now = rows.get(&item.id).and_then(|row| row.state.as_deref());
    let (fits, replays) = match item.state.as_str() {
        "recovered" => (now == Some("processed"), 1),
        "failed" => (now == Some("dead"), 1),
        "skipped" => (true, 0),
        "waiting" => (item.plan_state == "cancelled", 0),
        // still in flight when everything was drained; or behind a dead letter, where none of ours is
        _ => (false, 1),
    };
    if !fits || item.replays != replays {
        let what = format!(
            "plan {} ({}) says '{}' and replayed it {} times; it is {now:?}",
            item.plan, item.plan_state, item.state, item.replays
        );
        found.note(Invariant::Plan, Some(item.id), what);
    }
    if item.again > 0 {
        let what = format!("one death of it was replayed {} times too often", item.again);
        found.note(Invariant::Plan, Some(item.id), what);
    }
}

/// Each message that is to have an effect has had it once, and no other has any.
fn effects(history: &[Sent], ledger: &Ledger, rows: &HashMap<Uuid, &Row>, found: &mut Found) {
    let mut had: HashMap<Uuid, Vec<&str>> = HashMap::new();
    for effect in &ledger.effects {
        had.entry(effect.by).or_default().push(&effect.what);
    }
    for sent in history {
        let (Some(id), Some(told)) = (acting(sent), accepted(sent)) else { continue };
        if id != told && had.remove(&told).is_some() {
            found.note(
                Invariant::ExactlyOnce,
                Some(told),
                "it was edited, and had effects all the same".into(),
            );
        }
        let had = had.remove(&id).unwrap_or_default();
        let (key, wanted) = (&sent.draft.key, wanted(&sent.draft.expected));
        if !had.is_empty() && had != wanted {
            let what = format!("{key} was to have the effects {wanted:?} and had {had:?}");
            found.note(Invariant::ExactlyOnce, Some(id), what);
        }
        // one that is not processed is objected to already
        let processed = rows.get(&id).is_some_and(|row| row.state.as_deref() == Some("processed"));
        if processed && had.is_empty() && !wanted.is_empty() {
            let what = format!("{key} is processed, and its effect {wanted:?} never happened");
            found.note(Invariant::Conservation, Some(id), what);
        }
    }
    for (id, what) in had {
        found.note(
            Invariant::Phantom,
            Some(id),
            format!("effects {what:?} of a message nobody was answered for"),
        );
    }
}

fn wanted(expected: &Expected) -> Vec<&str> {
    match expected {
        Expected::Effect(what) | Expected::Replaced(_, what) => vec![what],
        Expected::Dead | Expected::Held => Vec::new(),
    }
}

/// The effects of each key came in the order of the answers. A sender says one thing after the
/// other and keys belong to one sender, so the order of the history is that order.
fn order(history: &[Sent], ledger: &Ledger, found: &mut Found) {
    let mut first = HashMap::new();
    for (at, effect) in ledger.effects.iter().enumerate() {
        first.entry(effect.by).or_insert(at);
    }
    let mut last: HashMap<(&str, &str), (usize, &str)> = HashMap::new();
    for sent in history {
        let Some(at) = acting(sent).and_then(|id| first.get(&id)) else { continue };
        for key in &sent.draft.ordering {
            let before = last.insert((sent.draft.source, key), (*at, &sent.draft.key));
            if let Some((before, other)) = before.filter(|(before, _)| before > at) {
                let what =
                    format!("{} overtook {other} on key {key}: effects {at} and {before}", sent.draft.key);
                found.note(Invariant::Order, accepted(sent), what);
            }
        }
    }
}

/// Nothing is stored that was not sent, and nothing twice; what an edit made is known by the id that
/// the operator was shown, stands in the place of just that message, and alone there.
fn phantoms(history: &[Sent], ledger: &Ledger, found: &mut Found) {
    let sent: HashSet<(&str, &[u8])> =
        history.iter().map(|sent| (sent.draft.source, &sent.sha256[..])).collect();
    let edits: HashMap<Uuid, Uuid> = history
        .iter()
        .filter_map(|sent| acting(sent).zip(accepted(sent)).filter(|(by, original)| by != original))
        .collect();
    let mut seen = HashSet::new();
    for row in &ledger.rows {
        if let Some(original) = row.replaces {
            if edits.get(&row.id) != Some(&original) {
                let what = format!("it replaces {original}, and nobody was told of such an edit");
                found.note(Invariant::Phantom, Some(row.id), what);
            }
            continue;
        }
        if !sent.contains(&(row.source.as_str(), &row.sha256[..])) {
            found.note(Invariant::Phantom, Some(row.id), format!("{} never sent this", row.source));
        }
        if !seen.insert((&row.source, &row.sha256)) {
            found.note(Invariant::Phantom, Some(row.id), "one submission was stored twice".into());
        }
    }
}

#[cfg(test)]
mod tests;
