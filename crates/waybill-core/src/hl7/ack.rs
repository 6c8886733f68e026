//! Building the acknowledgement of a message (HL7 2.3, chapter 2; 2.5.1, 2.9 and 2.15).
//!
//! What is copied from the message is copied byte for byte without its control bytes, so that
//! nothing a sender writes can begin a segment of ours. A value of the message is never repeated
//! in an error: the text names the field.

use chrono::{DateTime, Utc};

use super::{AckError, Header, Location, Separators, check, escape};

/// What is answered to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is safe: AA or CA.
    Accept,
    /// It is not acceptable as it is addressed: AR or CR.
    Reject(AckError),
    /// There is a fault in its content: AE or CE.
    Error(AckError),
}

/// The acknowledgement of the message `request` is the header of: `MSH`, `MSA` and, unless it is
/// accepted, `ERR`, each ended by CR.
///
/// Its codes are those of the original mode when MSH-15 and MSH-16 are both empty, else those of
/// the enhanced mode's accept phase. Never call it for an acknowledgement
/// ([`Header::is_acknowledgement`]).
pub fn acknowledgement(
    request: &Header<'_>,
    verdict: &Verdict,
    own_control_id: &str,
    now: DateTime<Utc>,
) -> Vec<u8> {
    let own = Own { separators: request.message().separators() };
    let copied = |n: usize| printable(request.field(n).raw());
    let (letter, error) = match verdict {
        Verdict::Accept => ("A", None),
        Verdict::Reject(error) => ("R", Some(error)),
        Verdict::Error(error) => ("E", Some(error)),
    };
    let mode = if request.is_enhanced_mode() { "C" } else { "A" };
    let is_old = is_before_2_5(&request.version());
    let mut answer = Vec::with_capacity(256);
    let mut msh = vec![
        copied(2),
        copied(5),
        copied(6),
        copied(3),
        copied(4),
        now.format("%Y%m%d%H%M%S%.3f%z").to_string().into_bytes(),
        Vec::new(),
        own.message_type(&request.trigger()),
        own.text(own_control_id),
        copied(11),
        copied(12),
    ];
    let charset = copied(18);
    if !charset.is_empty() {
        // what was copied is in the sender's set; all that is ours is ASCII, a part of each of them
        msh.resize(16, Vec::new());
        msh.push(charset);
    }
    own.segment(&mut answer, "MSH", &msh);
    let text = error.filter(|_| is_old).map(|error| own.text(&error.text));
    let msa = [Some(format!("{mode}{letter}").into_bytes()), Some(control_id(request)), text];
    own.segment(&mut answer, "MSA", &msa.into_iter().flatten().collect::<Vec<_>>());
    match error {
        None => {}
        Some(error) if is_old => own.segment(&mut answer, "ERR", &[own.error_before_2_5(error)]),
        Some(error) => own.segment(&mut answer, "ERR", &own.error_since_2_5(error)),
    }
    answer
}

/// Writes with the separators of the message that is answered.
struct Own {
    separators: Separators,
}

impl Own {
    fn segment(&self, answer: &mut Vec<u8>, id: &str, fields: &[Vec<u8>]) {
        answer.extend(id.as_bytes());
        for field in fields {
            answer.push(self.separators.field);
            answer.extend(field);
        }
        answer.push(b'\r');
    }

    /// A value of ours, written so that it stays one value.
    fn text(&self, text: &str) -> Vec<u8> {
        escape::encode(text.as_bytes(), &self.separators)
    }

    fn joined<const N: usize>(&self, parts: [&str; N], separator: u8) -> Vec<u8> {
        parts.map(|part| self.text(part)).join(&separator)
    }

    /// MSH-9. A trigger that is none is not repeated.
    fn message_type(&self, trigger: &str) -> Vec<u8> {
        if check::is_code(trigger) {
            self.joined(["ACK", trigger, "ACK"], self.separators.component)
        } else {
            b"ACK".to_vec()
        }
    }

    /// ERR-1 to version 2.4: segment, its sequence, field, code & meaning.
    fn error_before_2_5(&self, error: &AckError) -> Vec<u8> {
        let number = error.code.number().to_string();
        let code = match self.separators.subcomponent {
            Some(sign) => self.joined([&number, error.code.meaning()], sign),
            None => self.text(&number),
        };
        let at = match error.location {
            Some(Location { segment, field }) => {
                self.joined([segment, "1", &field.to_string()], self.separators.component)
            }
            None => self.joined(["", "", ""], self.separators.component),
        };
        [at, code].join(&self.separators.component)
    }

    /// ERR-1 to ERR-8 from version 2.5: location, code of table 0357, severity, text for people.
    fn error_since_2_5(&self, error: &AckError) -> [Vec<u8>; 8] {
        let component = self.separators.component;
        let number = error.code.number().to_string();
        let at = error
            .location
            .map(|Location { segment, field }| self.joined([segment, "1", &field.to_string()], component));
        let code = self.joined([&number, error.code.meaning(), "HL70357"], component);
        let none = Vec::new;
        [none(), at.unwrap_or_default(), code, b"E".to_vec(), none(), none(), none(), self.text(&error.text)]
    }
}

/// MSA-2: the control id as sent.
fn control_id(request: &Header<'_>) -> Vec<u8> {
    if request.control_id().is_empty() { Vec::new() } else { printable(request.field(10).raw()) }
}

/// A field as sent, without control bytes: none of them may be in a field, and CR ends a segment.
fn printable(raw: &[u8]) -> Vec<u8> {
    raw.iter().copied().filter(|byte| !byte.is_ascii_control()).collect()
}

/// Versions in which ERR has one field; an unknown version gets the later form.
fn is_before_2_5(version: &str) -> bool {
    matches!(version.as_bytes(), b"2" | [b'2', b'.', b'0'..=b'4', ..])
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::{Verdict, acknowledgement};
    use crate::hl7::{AckError, ErrorCode, Header, Message, judge};

    fn answer(body: &[u8], verdict: Option<&Verdict>) -> String {
        let Ok(message) = Message::parse(body) else { unreachable!("refused: {body:?}") };
        let header = Header::read(message, "application/hl7-v2", "utf-8");
        let judged = match judge(&header, &[]) {
            Ok(()) => Verdict::Accept,
            Err(refusal) => refusal.into(),
        };
        let now = DateTime::<Utc>::from_timestamp_millis(1_773_152_103_201).unwrap_or_default();
        let bytes = acknowledgement(&header, verdict.unwrap_or(&judged), "W-7", now);
        String::from_utf8_lossy(&bytes).replace('\r', "\n")
    }

    /// The answer to a message whose MSH goes on with `msh_9`.
    fn check(msh_9: &str, expected: &str) {
        let body = format!("MSH|^~\\&|APP|FAC^1.2|RAPP|RFAC|20260310||{msh_9}\rPID|1||42\r");
        assert_eq!(answer(body.as_bytes(), None), expected, "{msh_9}");
    }

    const MSH: &str = "MSH|^~\\&|RAPP|RFAC|APP|FAC^1.2|20260310141503.201+0000||";

    #[test]
    fn original_mode() {
        check("ADT^A04^ADT_A01|CW-3|P|2.5.1", &format!("{MSH}ACK^A04^ACK|W-7|P|2.5.1\nMSA|AA|CW-3\n"));
        check("ADT^A04|CW-3|T^A|2.3|||\"\"|", &format!("{MSH}ACK^A04^ACK|W-7|T^A|2.3\nMSA|AA|CW-3\n"));
    }

    #[test]
    fn enhanced_mode() {
        for asked in ["AL|NE", "AL", "|AL", "NE|NE", "ER"] {
            let expected = format!("{MSH}ACK^A04^ACK|W-7|P|2.5.1\nMSA|CA|CW-3\n");
            check(&format!("ADT^A04|CW-3|P|2.5.1|||{asked}"), &expected);
        }
        let expected = "ACK^A04^ACK|W-7|X|2.5.1\nMSA|CR|CW-3\nERR||MSH^1^11|202^Unsupported processing id^HL70357|E||||MSH-11 is not P, D or T\n";
        check("ADT^A04|CW-3|X|2.5.1|||AL", &format!("{MSH}{expected}"));
    }

    #[test]
    fn refusals_since_2_5() {
        check(
            "ADT^A04||P|2.5",
            &format!(
                "{MSH}ACK^A04^ACK|W-7|P|2.5\nMSA|AE|\nERR||MSH^1^10|101^Required field missing^HL70357|E||||MSH-10 is empty: a control id is needed\n"
            ),
        );
        check(
            "|CW-3|P|2.8",
            &format!(
                "{MSH}ACK|W-7|P|2.8\nMSA|AR|CW-3\nERR||MSH^1^9|200^Unsupported message type^HL70357|E||||MSH-9.1 is not a message code such as ADT\n"
            ),
        );
        check(
            "ADT^a04|CW-3|P|2.8",
            &format!(
                "{MSH}ACK|W-7|P|2.8\nMSA|AR|CW-3\nERR||MSH^1^9|201^Unsupported event code^HL70357|E||||MSH-9.2 is not a trigger event such as A04\n"
            ),
        );
        check(
            "ADT^A04|CW-3|P|9",
            &format!(
                "{MSH}ACK^A04^ACK|W-7|P|9\nMSA|AR|CW-3\nERR||MSH^1^12|203^Unsupported version id^HL70357|E||||MSH-12 is not a version from 2.1 to 2.9\n"
            ),
        );
    }

    #[test]
    fn refusals_before_2_5() {
        check(
            "ADT^A04|CW-3||2.3",
            &format!(
                "{MSH}ACK^A04^ACK|W-7||2.3\nMSA|AR|CW-3|MSH-11 is not P, D or T\nERR|MSH^1^11^202&Unsupported processing id\n"
            ),
        );
        check(
            "ADT^A04||P|2.4",
            &format!(
                "{MSH}ACK^A04^ACK|W-7|P|2.4\nMSA|AE||MSH-10 is empty: a control id is needed\nERR|MSH^1^10^101&Required field missing\n"
            ),
        );
    }

    fn internal() -> Verdict {
        let text = "try again: a|b^c\rMSA|AA".into();
        Verdict::Error(AckError { code: ErrorCode::Internal, location: None, text })
    }

    #[test]
    fn a_fault_without_a_place_and_a_text_with_separators() {
        let since = answer(b"MSH|^~\\&|||||||ADT^A04|1|P|2.6\r", Some(&internal()));
        let end = "MSA|AE|1\nERR|||207^Application internal error^HL70357|E||||try again: a\\F\\b\\S\\c\\X0D\\MSA\\F\\AA\n";
        assert!(since.ends_with(end), "{since}");
        let before = answer(b"MSH|^~\\&|||||||ADT^A04|1|P|2.2\r", Some(&internal()));
        assert!(before.ends_with("\nERR|^^^207&Application internal error\n"), "{before}");
    }

    #[test]
    fn the_separators_are_the_senders() {
        let text = answer(b"MSH!;:?*!A!B!C!D!20260310!!ADT;A04!1!X!2.3\r", None);
        let expected = "MSH!;:?*!C!D!A!B!20260310141503.201+0000!!ACK;A04;ACK!W-7!X!2.3\nMSA!AR!1!MSH-11 is not P, D or T\nERR!MSH;1;11;202*Unsupported processing id\n";
        assert_eq!(text, expected);
        let few = answer(b"MSH|^~}|||||||ADT^A04|1|X|2.1\r", None);
        assert!(few.starts_with("MSH|^~}|") && few.ends_with("\nERR|MSH^1^11^202\n"), "{few}");
        let five = answer(b"MSH|^~\\&#|||||||ADT^A04|1|P|2.7\r", None);
        assert!(five.starts_with("MSH|^~\\&#|||||2026"), "{five}");
    }

    #[test]
    fn nothing_copied_can_begin_a_segment() {
        let body =
            b"MSH|^~\\&|A\x0b\x1cB\x00|F\x07|R\x1b|\x7fS|20260310||ADT^A04|1\x0bMSA\x1c|P\x08|2.5.1\x0c\r";
        let text = answer(body, Some(&Verdict::Accept));
        assert_eq!(
            text,
            "MSH|^~\\&|R|S|AB|F|20260310141503.201+0000||ACK^A04^ACK|W-7|P|2.5.1\nMSA|AA|1MSA\n"
        );
    }

    #[test]
    fn the_answer_is_in_the_requests_character_set() {
        let bytes = b"MSH|^~\\&|Z\xfcri|F|G\xe4st|R|20260310||ADT^A04|\xf6\\T\\1|X|2.5.1||||||8859/1\r";
        let Ok(message) = Message::parse(bytes) else { unreachable!("refused") };
        let header = Header::read(message, "", "utf-8");
        let Err(refusal) = judge(&header, &[]) else { unreachable!("accepted") };
        let answer = acknowledgement(&header, &refusal.into(), "W-7", DateTime::<Utc>::default());
        let expected =
            b"MSH|^~\\&|G\xe4st|R|Z\xfcri|F|19700101000000.000+0000||ACK^A04^ACK|W-7|X|2.5.1||||||8859/1\r\
MSA|AR|\xf6\\T\\1\rERR||MSH^1^11|202^Unsupported processing id^HL70357|E||||MSH-11 is not P, D or T\r";
        assert_eq!(answer.escape_ascii().to_string(), expected.escape_ascii().to_string());
    }

    #[test]
    fn an_answer_is_a_message_that_wants_no_answer() {
        for body in [&b"MSH|^~\\&|A|B|C|D|20260310||ADT^A04|1|P|2.5.1\r"[..], b"MSH|^~\\&|\xff|||||||||\r"] {
            let text = answer(body, None).replace('\n', "\r");
            let Ok(message) = Message::parse(text.as_bytes()) else { unreachable!("refused: {text}") };
            assert!(Header::read(message, "", "utf-8").is_acknowledgement(), "{text}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_copied_as_they_are() {
        let Ok(message) = Message::parse(b"MSH|^~\\&|Z\xfcri|||||||1|P|2.5.1\r") else {
            unreachable!("refused")
        };
        let header = Header::read(message, "", "utf-8");
        let bytes = acknowledgement(&header, &Verdict::Accept, "W-7", DateTime::<Utc>::default());
        assert!(bytes.windows(5).any(|window| window == b"|Z\xfcri"), "{bytes:?}");
    }
}
