//! Each invariant objects to what it is there for, and to nothing else.

use super::*;
use crate::ledger::Effect;
use crate::traffic::Draft;

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

/// A message sent under `n`, accepted, with key `k`.
fn sent(n: u8) -> Sent {
    Sent {
        draft: Draft {
            source: "forms",
            key: format!("s{n}"),
            body: String::new(),
            ordering: vec!["k".into()],
            expected: Expected::Effect("form k".into()),
        },
        sha256: vec![n; 32],
        answers: vec![Answer::Accepted(id(n.into()))],
        slowest_s: 0.1,
    }
}

fn row(n: u8) -> Row {
    Row {
        id: id(n.into()),
        source: "forms".into(),
        sha256: vec![n; 32],
        body_sha256: Some(vec![n; 32]),
        state: Some("processed".into()),
        attempts: Some(1),
        successes: 1,
        error_class: None,
        error_reason: None,
        replaces: None,
        is_behind_dead: false,
    }
}

fn effect(n: u8) -> Effect {
    Effect { by: id(n.into()), what: "form k".into() }
}

/// Two messages of one key, through and fine.
fn fine() -> (Vec<Sent>, Ledger) {
    let ledger =
        Ledger { rows: vec![row(1), row(2)], effects: vec![effect(1), effect(2)], ..Ledger::default() };
    (vec![sent(1), sent(2)], ledger)
}

/// What is objected to when `spoil` has been at it.
fn check_spoilt(spoil: impl Fn(&mut Vec<Sent>, &mut Ledger), objections: &[Invariant]) {
    let (mut history, mut ledger) = fine();
    spoil(&mut history, &mut ledger);
    let found: Vec<Invariant> = check(&history, &ledger, true).iter().map(|v| v.invariant).collect();
    assert_eq!(found, objections);
}

#[test]
fn a_fine_run_is_fine() {
    check_spoilt(|_, _| {}, &[]);
}

#[test]
fn an_answer_must_be_true() {
    use Invariant::{Drain, FalseAnswer, OneReceipt, SlowAnswer};
    check_spoilt(
        |_, ledger| {
            ledger.rows.remove(1);
            ledger.effects.remove(1);
        },
        &[FalseAnswer],
    );
    check_spoilt(|_, ledger| ledger.rows[0].body_sha256 = None, &[FalseAnswer]);
    check_spoilt(|_, ledger| ledger.rows[0].source = "visits".into(), &[FalseAnswer, Invariant::Phantom]);
    check_spoilt(|history, _| history[0].answers.insert(0, Answer::Unreadable), &[FalseAnswer]);
    check_spoilt(|history, _| history[0].answers.push(Answer::Accepted(id(2))), &[OneReceipt, FalseAnswer]);
    check_spoilt(|history, _| history[0].slowest_s = 11.0, &[SlowAnswer]);
    check_spoilt(
        |history, ledger| {
            history[1].answers = vec![Answer::Nothing, Answer::Refused(503)];
            ledger.rows.remove(1);
            ledger.effects.remove(1);
        },
        &[Drain],
    );
}

#[test]
fn an_accepted_message_must_end() {
    use Invariant::{Conservation, DeadLetter, ExactlyOnce};
    for state in ["accepted", "published", "held", "processing", "retrying", "discarded"] {
        check_spoilt(|_, ledger| ledger.rows[0].state = Some(state.into()), &[Conservation]);
    }
    check_spoilt(|_, ledger| ledger.rows[0].state = None, &[Conservation]);
    check_spoilt(|_, ledger| ledger.in_hand = 1, &[Conservation]);
    check_spoilt(|_, ledger| ledger.rows[0].state = Some("dead".into()), &[DeadLetter]);
    check_spoilt(|_, ledger| ledger.rows[0].successes = 2, &[ExactlyOnce]);
    let dead = |reason: Option<&str>| {
        let reason = reason.map(str::to_owned);
        move |history: &mut Vec<Sent>, ledger: &mut Ledger| {
            history[1].draft.expected = Expected::Dead;
            ledger.effects.remove(1);
            ledger.rows[1].state = Some("dead".into());
            ledger.rows[1].error_class = Some("invalid".into());
            ledger.rows[1].error_reason.clone_from(&reason);
        }
    };
    check_spoilt(dead(Some("unknown version")), &[]);
    check_spoilt(dead(None), &[DeadLetter]);
    let held = |is_behind_dead| {
        move |history: &mut Vec<Sent>, ledger: &mut Ledger| {
            history[1].draft.expected = Expected::Held;
            ledger.effects.remove(1);
            ledger.rows[1].state = Some("held".into());
            ledger.rows[1].is_behind_dead = is_behind_dead;
        }
    };
    check_spoilt(held(true), &[]);
    check_spoilt(held(false), &[Conservation]);
}

#[test]
fn an_effect_happens_exactly_once() {
    use Invariant::{ExactlyOnce, Phantom};
    check_spoilt(|_, ledger| ledger.effects.push(effect(2)), &[ExactlyOnce]);
    check_spoilt(|_, ledger| drop(ledger.effects.pop()), &[Invariant::Conservation]);
    check_spoilt(|_, ledger| ledger.effects[0].what = "form other".into(), &[ExactlyOnce]);
    check_spoilt(|_, ledger| ledger.effects.push(effect(9)), &[Phantom]);
}

#[test]
fn effects_come_in_the_order_of_the_answers() {
    check_spoilt(|_, ledger| ledger.effects.swap(0, 1), &[Invariant::Order]);
    check_spoilt(
        |history, ledger| {
            history[1].draft.ordering = vec!["other".into()];
            ledger.effects.swap(0, 1);
        },
        &[],
    );
}

#[test]
fn nothing_is_stored_that_was_not_sent_and_nothing_twice() {
    check_spoilt(|_, ledger| ledger.rows.push(row(3)), &[Invariant::Phantom]);
    check_spoilt(|_, ledger| ledger.rows.push(Row { id: id(7), ..row(2) }), &[Invariant::Phantom]);
}

/// Message 2 is edited: 3 has its place, as the operator was told.
fn edit(history: &mut [Sent], ledger: &mut Ledger) {
    history[1].draft.expected = Expected::Replaced(id(3), "form k".into());
    ledger.rows[1].state = Some("discarded".into());
    ledger.rows[1].successes = 0;
    ledger.effects[1].by = id(3);
    ledger.rows.push(Row { replaces: Some(id(2)), ..row(3) });
}

#[test]
fn what_an_edit_made_stands_in_the_place_of_its_original() {
    use Invariant::{Conservation, ExactlyOnce, Order, Phantom};
    let check = |spoil: fn(&mut Vec<Sent>, &mut Ledger), objections: &[Invariant]| {
        check_spoilt(
            |history, ledger| {
                edit(history, ledger);
                spoil(history, ledger);
            },
            objections,
        );
    };
    check(|_, _| {}, &[]);
    check(|_, ledger| ledger.rows[1].state = Some("dead".into()), &[Conservation]);
    check(|_, ledger| ledger.rows[2].state = Some("accepted".into()), &[Conservation]);
    check(|_, ledger| ledger.rows[2].replaces = Some(id(1)), &[Conservation, Phantom]);
    check(|_, ledger| ledger.rows[2].successes = 2, &[ExactlyOnce]);
    check(|_, ledger| ledger.effects.swap(0, 1), &[Order]);
    // both the original and what replaced it had effects
    check(|_, ledger| ledger.effects.push(effect(2)), &[ExactlyOnce]);
    // an edit that nobody was told of, of a message that has one already, and of one that has none
    check(|_, ledger| ledger.rows.push(Row { replaces: Some(id(2)), ..row(4) }), &[Phantom]);
    check(
        |history, _| history[1].draft.expected = Expected::Effect("form k".into()),
        &[Conservation, Phantom, Phantom],
    );
}

#[test]
fn a_plan_says_what_became_of_its_letters() {
    let item = |state: &str, plan_state: &str, replays: i64| Item {
        plan: 1,
        id: id(1),
        state: state.into(),
        plan_state: plan_state.into(),
        replays,
        again: 0,
    };
    let check = |item: Item, objections: &[Invariant]| {
        check_spoilt(|_, ledger| ledger.items.push(item.clone()), objections);
    };
    check(item("recovered", "finished", 1), &[]);
    check(item("skipped", "finished", 0), &[]);
    check(item("waiting", "cancelled", 0), &[]);
    check(item("recovered", "finished", 2), &[Invariant::Plan]);
    check(item("skipped", "finished", 1), &[Invariant::Plan]);
    check(item("waiting", "cancelled", 1), &[Invariant::Plan]);
    check(item("waiting", "finished", 0), &[Invariant::Plan]);
    check(item("replayed", "running", 1), &[Invariant::Plan]);
    check(item("held", "finished", 1), &[Invariant::Plan]);
    // it was processed
    check(item("failed", "finished", 1), &[Invariant::Plan]);
    check(Item { again: 1, ..item("skipped", "finished", 0) }, &[Invariant::Plan]);
}
