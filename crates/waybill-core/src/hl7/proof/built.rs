//! Build, then parse: gives back what was built, at every level, whatever the texts hold.

use proptest::collection::vec;
use proptest::prelude::*;

use super::model::{Model, Tree, model};
use super::walk::walk;
use crate::hl7::{Charset, Component, Field, Message, Value, escape};

fn text() -> impl Strategy<Value = Vec<u8>> + Clone {
    let hard = proptest::sample::select(b"|^~\\&#!$%'*+-./;<=>?@\"\r\n\0\x0b\x1c \xff".as_slice());
    let letter = proptest::char::range('A', 'Z').prop_map(|letter| letter as u8);
    let any = vec(prop_oneof![hard, any::<u8>(), letter], 0..12);
    prop_oneof![8 => any, 1 => Just(Vec::new()), 1 => Just(b"\"\"".to_vec())]
}

/// What is read of `text`: where the message has no escape character, what it cannot hold is blank.
fn expected(model: &Model, text: &[u8]) -> Vec<u8> {
    let signs = model.separators;
    let declared = [signs.field, signs.component, signs.repetition];
    let cannot_hold =
        |byte: u8| byte.is_ascii_control() || declared.contains(&byte) || signs.subcomponent == Some(byte);
    let blank = |&byte: &u8| if signs.escape.is_none() && cannot_hold(byte) { b' ' } else { byte };
    text.iter().map(blank).collect()
}

fn check_text(model: &Model, read: Component<'_>, text: &[u8]) {
    let expected = expected(model, text);
    assert_eq!(&*escape::decode(read.raw(), &model.separators), expected, "{:?}", read.raw());
    let present = read.text(Charset::Utf8).map(std::borrow::Cow::into_owned);
    let kept = read.raw().trim_ascii_end();
    match (kept, std::str::from_utf8(&expected)) {
        (b"", _) => assert_eq!(present, Value::Absent),
        (b"\"\"", _) => assert_eq!(present, Value::Null),
        // blanks at the end mean nothing, but only those that were sent as blanks
        (_, Ok(whole)) if kept == read.raw() => {
            assert_eq!(present, Value::Present(whole.replace('\0', "\u{fffd}")));
        }
        _ => assert!(present.present().is_some()),
    }
}

fn check_field(model: &Model, read: Field<'_>, field: &Tree) {
    assert_eq!(read.repetitions().count(), field.len());
    for (read, components) in read.repetitions().zip(field) {
        assert_eq!(read.components().count(), components.len());
        for (read, texts) in read.components().zip(components) {
            assert_eq!(read.subcomponents().count(), texts.len());
            for (read, text) in read.subcomponents().zip(texts) {
                check_text(model, read, text);
            }
        }
    }
}

fn check(model: &Model) {
    let body = model.body();
    assert!(walk(&body), "refused");
    let Ok(message) = Message::parse(&body) else { unreachable!("refused") };
    assert_eq!(message.separators(), model.separators);
    assert_eq!(message.segments().count(), model.segments.len());
    for (n, (segment, (id, fields))) in message.segments().zip(&model.segments).enumerate() {
        assert_eq!(segment.id(), id.as_bytes());
        let before = if n == 0 { 2 } else { 0 };
        assert_eq!(segment.fields().count(), before + fields.len());
        for (n, (read, field)) in segment.fields().skip(before).zip(fields).enumerate() {
            check_field(model, read, field);
            check_field(model, segment.field(before + n + 1), field);
        }
    }
}

proptest! {
    #[test]
    fn what_is_built_is_read(model in model(text())) {
        check(&model);
    }
}
