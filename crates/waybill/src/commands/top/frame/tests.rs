//! Rates from looks.

use std::time::Duration;

use waybill_store::gauges::Due;
use waybill_store::glance::{Glance, Waiting};

use super::*;

/// A look at a ledger with one source: what came since the last, what waits, what is dead.
fn look(at: Instant, came: i64, waits: i64, dead: i64, is_partial: bool) -> Look {
    let waiting = BTreeMap::from([("tis".to_owned(), Waiting { published: waits, ..Waiting::default() })]);
    let accepted = BTreeMap::from([("tis".to_owned(), came)]);
    let seen = ledger::Seen {
        due: Due { messages: 0, oldest_s: -0.5 },
        glance: Glance { waiting, accepted, is_partial },
        dead: BTreeMap::from([("tis".to_owned(), dead)]),
        sources: Vec::new(),
        plans: BTreeMap::new(),
        lanes: BTreeMap::new(),
    };
    Look { at, ledger: Ok(seen), broker: broker::Seen::default(), processes: processes::Seen::default() }
}

fn rates(looks: &[Look]) -> (Option<f64>, Option<f64>) {
    let ledger = Frame::of(looks).ledger.expect("it answered");
    (ledger.accepted_per_s, ledger.finished_per_s)
}

#[test]
fn what_came_and_is_no_longer_here_has_become_final() {
    let start = Instant::now();
    let later = start + Duration::from_secs(2);
    let first = look(start, 99, 10, 1, false);
    assert_eq!(rates(std::slice::from_ref(&first)), (None, None), "one look gives no rate");
    assert_eq!(rates(&[first.clone(), look(later, 20, 12, 3, false)]), (Some(10.0), Some(8.0)));
    assert_eq!(
        rates(&[first.clone(), look(later, 0, 14, 1, false)]).1,
        Some(0.0),
        "a replay finishes nothing"
    );
    assert_eq!(rates(&[first, look(later, 20, 12, 3, true)]), (None, None), "more than was counted");
}

#[test]
fn a_ledger_that_was_silent_is_compared_from_when_it_answered_again() {
    let start = Instant::now();
    let after = |seconds| start + Duration::from_secs(seconds);
    let silent = Look { ledger: Err("gone".into()), ..look(after(2), 0, 0, 0, false) };
    let looks = [
        look(start, 0, 50, 0, false),
        silent.clone(),
        look(after(4), 7, 5, 0, false),
        look(after(6), 4, 5, 0, false),
    ];
    assert_eq!(rates(&looks), (Some(2.0), Some(2.0)));
    let frame = Frame::of(&looks[..2]);
    assert_eq!((frame.ledger.is_none(), frame.ledger_why.as_deref()), (true, Some("gone")));
    assert!(Frame::of(&[]).ledger.is_none());
}
