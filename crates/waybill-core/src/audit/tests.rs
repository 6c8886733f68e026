//! Trails, whole and tampered with.

use proptest::prelude::*;

use super::*;

fn entry(position: i64, previous: Hash) -> Entry {
    let mut entry = Entry {
        position,
        // the older ones are as they were written
        version: if position < 3 { 1 } else { 2 },
        previous,
        hash: [0; 32],
        id: position * 3,
        at_us: 1_700_000_000_000_000 + position,
        actor: "kim".to_owned(),
        action: "replay".to_owned(),
        reason: format!("ticket {position}"),
        subjects: vec![Uuid::from_u128(7)],
        source: (position % 2 == 0).then(|| "tis".to_owned()),
        detail: "{}".to_owned(),
        via: (position > 2).then(|| "console".to_owned()),
        address: (position > 3).then(|| "192.0.2.1".to_owned()),
        session: None,
    };
    entry.hash = entry.computed();
    entry
}

fn trail(length: i64) -> Vec<Entry> {
    let mut previous = ORIGIN.hash;
    (1..=length)
        .map(|position| {
            let entry = entry(position, previous);
            previous = entry.hash;
            entry
        })
        .collect()
}

fn walk(trail: &[Entry], expected: Option<Head>) -> Result<Head, Break> {
    let mut walk = Walk::new(expected);
    trail.iter().try_for_each(|entry| walk.follow(entry))?;
    walk.end()
}

fn check(tamper: impl FnOnce(&mut Vec<Entry>), position: i64, kind: Kind) {
    let mut trail = trail(5);
    tamper(&mut trail);
    assert_eq!(walk(&trail, None), Err(Break { position, kind }));
}

fn renumber(trail: &mut [Entry]) {
    for (entry, position) in trail.iter_mut().zip(1..) {
        entry.position = position;
    }
}

#[test]
fn a_whole_trail_leads_to_its_head() {
    let trail = trail(5);
    let head = Head { position: 5, hash: trail[4].hash };
    assert_eq!(walk(&trail, None), Ok(head));
    assert_eq!(walk(&[], None), Ok(ORIGIN));
    assert_eq!(walk(&trail, Some(Head { position: 3, hash: trail[2].hash })), Ok(head));
    assert_eq!(head.to_string().parse(), Ok(head));
    for bad in ["", "5", "5:", "-1:00", "5:zz", &format!("5:+{}", "0".repeat(63))] {
        assert!(bad.parse::<Head>().is_err(), "{bad}");
    }
}

#[test]
fn each_kind_of_tampering_is_told() {
    check(|trail| trail[2].reason = "another".to_owned(), 3, Kind::Changed);
    check(
        |trail| {
            trail[2].actor = "sam".to_owned();
            trail[2].hash = trail[2].computed();
        },
        3,
        Kind::Changed,
    );
    check(|trail| trail[0].subjects.clear(), 1, Kind::Changed);
    check(|trail| trail[0].via = Some("cli".to_owned()), 1, Kind::Changed);
    check(|trail| trail[1].version = 2, 2, Kind::Changed);
    check(|trail| trail[3].via = Some("cli".to_owned()), 4, Kind::Changed);
    check(|trail| trail[3].session = trail[3].address.take(), 4, Kind::Changed);
    check(|trail| trail[4].version = 3, 5, Kind::Changed);
    check(|trail| drop(trail.remove(2)), 3, Kind::Removed);
    check(|trail| drop(trail.remove(0)), 1, Kind::Removed);
    check(
        |trail| {
            trail.remove(1);
            renumber(trail);
        },
        2,
        Kind::Removed,
    );
    check(|trail| trail.insert(3, entry(3, [9; 32])), 3, Kind::Inserted);
    check(|trail| trail.push(Entry { hash: [9; 32], ..entry(6, [9; 32]) }), 6, Kind::Inserted);
    check(
        |trail| {
            let forged = entry(3, trail[1].hash);
            trail.insert(2, Entry { action: "discard".to_owned(), ..forged });
            trail[2].hash = trail[2].computed();
            renumber(trail);
        },
        3,
        Kind::Inserted,
    );
}

#[test]
fn a_cut_end_or_another_trail_is_told_by_the_head_alone() {
    let whole = trail(5);
    let head = Head { position: 5, hash: whole[4].hash };
    assert!(walk(&whole[..3], None).is_ok(), "the chain alone cannot tell");
    assert_eq!(walk(&whole[..3], Some(head)), Err(Break { position: 4, kind: Kind::Removed }));
    let other = Head { hash: [1; 32], ..head };
    assert_eq!(walk(&whole, Some(other)), Err(Break { position: 5, kind: Kind::Changed }));
}

proptest! {
    #[test]
    fn no_two_contents_are_written_alike(
        (a, b, c) in (".*", ".*", ".*"), (d, e, f) in (".*", ".*", ".*"),
        source in proptest::option::of(".*"), other in proptest::option::of(".*"),
    ) {
        let one = Entry { actor: a, action: b, reason: c, source, ..entry(1, ORIGIN.hash) };
        let two = Entry { actor: d, action: e, reason: f, source: other, ..entry(1, ORIGIN.hash) };
        prop_assert_eq!(one == two, one.computed() == two.computed());
        let moved = Entry {
            actor: format!("{}{}", one.actor, one.action), action: String::new(), ..one.clone()
        };
        prop_assert_eq!(one == moved, one.computed() == moved.computed());
    }
}
