//! The judge, judged: each history that breaks one rule is refused, and the good ones are not.

use std::collections::HashMap;

use uuid::Uuid;

use super::history::{Given, History, judge};

/// Two messages of key 7, posted one after the other, unless `side_by_side`.
fn given() -> HashMap<Uuid, Given> {
    let message = |seq| Given { seq, keys: vec![7], insert: usize::try_from(seq).unwrap() };
    [(Uuid::from_u128(1), message(1)), (Uuid::from_u128(2), message(2))].into()
}

/// A history from words like `1:posted`.
fn history(words: &str) -> History {
    let entry = |word: &str| {
        let (id, what) = word.split_once(':').unwrap();
        (Uuid::from_u128(id.parse().unwrap()), what.to_owned())
    };
    words.split_whitespace().map(entry).collect()
}

const POSTED: &str = "1:posted 1:answered 2:posted 2:answered ";

fn check_good(words: &str) {
    assert_eq!(judge(&given(), &history(words)), None, "{words}");
}

fn check_bad(words: &str, wrong: &str) {
    let said = judge(&given(), &history(words)).expect(words);
    assert!(said.contains(wrong), "{words}: {said}");
}

#[test]
fn good_histories_pass() {
    let in_turn = "1:processing 1:effect 1:processed 2:processing 2:effect 2:processed";
    check_good(&format!("{POSTED}{in_turn}"));
    check_good(&format!("{POSTED}1:processing 1:retrying 2:held {in_turn}"));
    let skipped = "1:processing 1:dead 1:skipped 2:processing 2:effect 2:processed 1:accepted";
    check_good(&format!("{POSTED}{skipped} 1:processing 1:effect 1:processed"));
    check_good(&format!("{POSTED}1:processing 1:dead 1:discarded 2:processing 2:effect 2:processed"));
    // posted side by side: no order was promised
    let side_by_side = "1:posted 2:posted 1:answered 2:answered";
    check_good(&format!(
        "{side_by_side} 2:processing 2:effect 2:processed 1:processing 1:effect 1:processed"
    ));
}

#[test]
fn bad_histories_are_refused() {
    let second = "2:processing 2:effect 2:processed";
    let first = "1:processing 1:effect 1:processed";
    check_bad(&format!("{POSTED}{second} {first}"), "which was accepted");
    check_bad(&format!("{POSTED}1:processing 1:retrying {second} {first}"), "which was retrying");
    check_bad(&format!("{POSTED}1:processing 1:dead {second} 1:accepted {first}"), "which was dead");
    // replayed, so it has its place again
    let replayed = "1:processing 1:dead 1:skipped 1:accepted";
    check_bad(&format!("{POSTED}{replayed} {second} {first}"), "which was accepted");
    check_bad(&format!("{POSTED}1:processing {second} 1:effect 1:processed"), "was in hand");
    check_bad(&format!("{POSTED}{first} 1:effect {second}"), "2 effects");
    check_bad(&format!("{POSTED}1:processing 1:processed {second}"), "0 effects");
    check_bad(
        &format!("{POSTED}1:processing 1:retrying 1:effect 1:processing 1:processed {second}"),
        "out of hand",
    );
    check_bad(&format!("{POSTED}{first} 2:held"), "ends held");
    check_bad(&format!("{POSTED}{first}"), "ends nowhere");
    check_bad(&format!("{POSTED}1:processing 1:effect 1:dead 1:discarded {second}"), "1 effects");
}
