//! What is hidden, and what is harmless.

use proptest::prelude::*;
use serde_json::json as value;

use super::*;

fn check(given: Json, shown: &Json) {
    let mut masked = given;
    json(&mut masked);
    assert_eq!(&masked, shown);
}

#[test]
fn json_keeps_its_structure_alone() {
    check(
        value!({"name": "Ada", "born": 1815, "alive": false, "x": null}),
        &value!({"name": "[3]", "born": "[4]", "alive": "[bool]", "x": null}),
    );
    check(value!([["a", {"line2": "b"}]]), &value!([["[1]", {"line2": "[1]"}]]));
    check(value!("text"), &value!("[4]"));
    check(
        value!({"9434765919": 1, "9434765920": 2, "Ada Lovelace": 3, "a@b.example": 4, "": 5}),
        &value!({"[10]": "[1]", "[10] 2": "[1]", "[12]": "[1]", "[11]": "[1]", "[0]": "[1]"}),
    );
}

#[test]
fn keys_can_be_compared_and_not_read() {
    assert_eq!(key("MRN-1"), key("MRN-1"));
    assert_ne!(key("MRN-1"), key("MRN-2"));
    assert_eq!(key("").len(), "# [0]".len() + 12);
    assert!(!key("MRN-1").contains("MRN"));
}

#[test]
fn hostile_text_is_shown_as_what_it_is() {
    for (given, shown) in [
        ("plain, and älter", "plain, and älter"),
        ("a\u{1b}[31mb", "a\\u{1b}[31mb"),
        ("a\nb\r\t\u{7f}\u{9b}2J", "a\\u{a}b\\u{d}\\u{9}\\u{7f}\\u{9b}2J"),
        ("\u{202e}gnp.exe", "\\u{202e}gnp.exe"),
        ("a\u{200b}\u{feff}\u{2028}b\u{e0041}", "a\\u{200b}\\u{feff}\\u{2028}b\\u{e0041}"),
    ] {
        assert_eq!(inert(given), shown);
    }
    assert_eq!(inert_lines("a\n\u{1b}b"), "a\n\\u{1b}b");
}

/// Text with much in it that steers.
fn hostile() -> impl Strategy<Value = String> {
    let sign = prop_oneof![
        any::<char>(),
        prop::char::range('\0', '\u{9f}'),
        prop::char::range('\u{2000}', '\u{206f}'),
        prop::char::range('\u{e0000}', '\u{e007f}'),
    ];
    prop::collection::vec(sign, 0..60).prop_map(|signs| signs.into_iter().collect())
}

/// Any JSON, made of hostile text.
fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        hostile().prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::btree_map(hostile(), inner, 0..6)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

fn leaves(json: &Json) -> usize {
    match json {
        Json::Array(list) => list.iter().map(leaves).sum(),
        Json::Object(members) => members.values().map(leaves).sum(),
        _ => 1,
    }
}

proptest! {
    #[test]
    fn what_is_shown_never_steers(text in hostile()) {
        prop_assert!(!inert(&text).chars().any(steers));
        prop_assert!(!inert_lines(&text).replace('\n', "").chars().any(steers));
        prop_assert_eq!(inert(&inert(&text)), inert(&text));
        if !text.chars().any(steers) {
            prop_assert_eq!(inert(&text), text);
        }
    }

    #[test]
    fn inert_json_means_the_same(json in any_json()) {
        for text in [json.to_string(), serde_json::to_string_pretty(&json).unwrap()] {
            let inert = inert_json(&text);
            prop_assert!(!inert.replace('\n', "").chars().any(steers));
            prop_assert_eq!(serde_json::from_str::<Json>(&inert).unwrap(), json.clone());
        }
    }

    #[test]
    fn masked_json_has_the_shape_and_no_value(mut given in any_json()) {
        let count = leaves(&given);
        json(&mut given);
        prop_assert_eq!(leaves(&given), count, "no member is lost");
        let text = given.to_string();
        let shown = |c: char| c.is_ascii() && !c.is_control();
        prop_assert!(text.chars().all(shown), "{}", text);
    }
}
