//! Which reasons are alike, by example and by property.

use proptest::prelude::*;

use super::{Fingerprint, PATTERN_CHARS_MAX, pattern};

fn check(reason: &str, expected: &str) {
    assert_eq!(pattern(reason), expected);
    assert_eq!(pattern(expected), expected, "a pattern is its own");
}

#[test]
fn names_stay() {
    check("PID-3 is empty: the patient has no identifier", "PID-3 is empty: the patient has no identifier");
    check("PV1-19, SCH-1 and SCH-11.4 are empty", "PV1-19, SCH-1 and SCH-11.4 are empty");
    check(
        "conditionsOfJoining.version is not one of GG9, GG10",
        "conditionsOfJoining.version is not one of GG9, GG10",
    );
    check("ADT^A04 in utf-8", "ADT^A04 in utf-8");
    check(
        "missing field `signedAt`; the worker's log says where",
        "missing field `signedAt`; the worker's log says where",
    );
}

#[test]
fn values_do_not() {
    check("not JSON: line 3, column 17", "not JSON: line *, column *");
    check("PID-3 is longer than 255 characters", "PID-3 is longer than * characters");
    check(
        "the processor took longer than 20 s (attempt 8, the last one)",
        "the processor took longer than * s (attempt *, the last one)",
    );
    check("at 2026-01-31T12:00:00.5+01:00 it was -3.5e7", "at * it was *");
    check("at 2026-01-31 12:00:00 +0100: 20s", "at *: *");
    check("01890a5d-ac96-774b-bcce-b302099a8057 and ab890a5d-ac96-774b-bcce-b302099a8057", "* and *");
    check("patient MRN1001 of \"St. Example's\" is 'odd'", "patient * of * is *");
    check("sha deadbeefcafe, 0x1f", "sha *");
    check("/items/12/name is missing; one of 3, 4, 5", "/items/*/name is missing; one of *");
    check("mail to ada@example.org", "mail to *");
}

#[test]
fn spaces_and_open_quotes_do_no_harm() {
    check("  a\t\n b  ", "a b");
    check("an \"open quote", "an \"open quote");
    check("", "");
}

#[test]
fn long_reasons_have_an_end() {
    assert_eq!(pattern(&"word ".repeat(1000)).chars().count(), PATTERN_CHARS_MAX - 1);
}

#[test]
fn a_fingerprint_is_stable_and_reads_back() {
    let one = Fingerprint::of("tis", "conditions-of-joining", "validation", "/signedAt is missing");
    assert_eq!(one.to_string(), "03678a31023cdec4");
    assert_eq!(one.to_string().parse(), Ok(one));
    assert_eq!(Fingerprint::from_i64(-1).to_string(), "ffffffffffffffff");
    assert_eq!("ffffffffffffffff".parse(), Ok(Fingerprint::from_i64(-1)));
    for text in ["", "abc", "000000000000000g", "+000000000000001", "00000000000000000"] {
        assert!(text.parse::<Fingerprint>().is_err(), "{text}");
    }
    for other in [
        Fingerprint::of("tis2", "conditions-of-joining", "validation", "/signedAt is missing"),
        Fingerprint::of("tis", "visit", "validation", "/signedAt is missing"),
        Fingerprint::of("tis", "conditions-of-joining", "parse", "/signedAt is missing"),
        Fingerprint::of("tis", "conditions-of-joining", "validation", "/version is missing"),
    ] {
        assert_ne!(one, other);
    }
}

/// Any value of the sorts that a reason may hold.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<u32>().prop_map(|n| format!("{}.{}", n >> 8, n & 255)),
        any::<u128>().prop_map(|n| uuid::Uuid::from_u128(n).to_string()),
        any::<u64>().prop_map(|n| format!("{n:016x}")),
        (0..4_000_000_000_i64, 0..1000_u32).prop_filter_map("no time", |(s, ms)| {
            chrono::DateTime::from_timestamp(s, ms * 1_000_000).map(|at| at.to_rfc3339())
        }),
        "[ -!#-&(-~]{0,20}".prop_map(|text| format!("\"{text}\"")),
        "[ -!#-&(-~]{0,20}".prop_map(|text| format!("'{text}'")),
    ]
}

proptest! {
    #[test]
    fn the_value_makes_no_difference(a in value(), b in value(), c in value()) {
        let reason = |x: &str, y: &str| format!("PID-5: {x} is not one of ({y}), see `log`");
        prop_assert_eq!(pattern(&reason(&a, &b)), pattern(&reason(&c, &a)));
        prop_assert_eq!(pattern(&reason(&a, &b)), "PID-5: * is not one of (*), see `log`");
    }

    #[test]
    fn words_do(a in "[g-z]{1,12}", b in "[g-z]{1,12}") {
        let reason = |word: &str| format!("the {word} is missing");
        prop_assert_eq!(pattern(&reason(&a)) == pattern(&reason(&b)), a == b);
    }

    #[test]
    fn any_text_has_a_pattern_without_long_numbers(text in any::<String>()) {
        let pattern = pattern(&text);
        prop_assert!(pattern.chars().count() <= PATTERN_CHARS_MAX);
        let mut run = 0;
        for c in pattern.chars() {
            run = if c.is_ascii_digit() { run + 1 } else { 0 };
            prop_assert!(run <= 3, "{}", pattern);
        }
    }
}
