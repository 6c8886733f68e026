//! What is posted: signed forms in JSON and arrivals in HL7, about 1 KiB each, every one of them
//! different. All people are invented.

use std::io::Write as _;

/// The size of every body, in bytes.
pub const BODY_BYTES: usize = 1024;
/// Patients that the HL7 messages are about.
const PATIENTS: u64 = 10_000;

/// A form of body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bodies {
    /// `conditions-of-joining`, with an `Idempotency-Key`.
    Json,
    /// ADT^A04, with a control id of its own.
    Hl7 {
        /// Each so-manyth message is about one and the same patient; 0: none.
        hot_every: u64,
    },
}

impl Bodies {
    /// The media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Hl7 { .. } => "x-application/hl7-v2+er7",
        }
    }

    /// Whether message `n` is about the patient that many are about.
    pub const fn is_hot(self, n: u64) -> bool {
        matches!(self, Self::Hl7 { hot_every } if hot_every > 0 && n.is_multiple_of(hot_every))
    }

    /// Whether this answer says that the message is safe.
    pub fn is_accepted(self, status: u16, answer: &[u8]) -> bool {
        match self {
            Self::Json => status == 202,
            Self::Hl7 { .. } => status == 200 && answer.windows(8).any(|window| window == b"\rMSA|AA|"),
        }
    }

    /// Writes the body with the key `key`, which is message `n`, into `body`.
    pub fn write(self, key: &str, n: u64, body: &mut Vec<u8>) {
        body.clear();
        // writing into memory does not fail
        let _ = match self {
            Self::Json => write!(
                body,
                r#"{{"programmeMembershipTisId":"{key}","conditionsOfJoining":{{"signedAt":"2026-01-31T12:00:00Z","version":"GG10","syncedAt":null}},"remark":""#
            ),
            Self::Hl7 { .. } => {
                let patient = if self.is_hot(n) { PATIENTS } else { n % PATIENTS };
                write!(
                    body,
                    "MSH|^~\\&|BENCH|EAST|WAYBILL|HUB|20260310091500-0500||ADT^A04^ADT_A01|{key}|P|2.5.1\r\
                     EVN|A04|20260310091500-0500\r\
                     PID|1||P{patient}^^^EAST^MR~{patient}^^^PAYPLAN^PI||Anyperson^Alex^Q||19800101|U|||\
                     1 Example Street^^Sampletown^NY^00000||555-0100|||||AC{patient}\r\
                     NK1|1|Anyperson^Sam|SPO|1 Example Street^^Sampletown^NY^00000|555-0101\r\
                     PV1|1|O|EAST^ROOM-1^1||||903^Dummyfield^Dee||||||||||||{key}^^^EAST^VN\r\
                     NTE|1|L|"
                )
            }
        };
        let end: &[u8] = match self {
            Self::Json => b"\"}",
            Self::Hl7 { .. } => b"\r",
        };
        let filling = b"The quick brown fox jumps over the lazy dog. ".iter().copied().cycle();
        body.extend(filling.take(BODY_BYTES.saturating_sub(body.len() + end.len())));
        body.extend_from_slice(end);
    }
}

#[cfg(test)]
mod tests {
    use waybill_core::hl7::{Header, Message};

    use super::*;

    #[test]
    fn bodies_have_their_size_and_can_be_read() {
        let mut body = Vec::new();
        Bodies::Json.write("a-1", 1, &mut body);
        assert_eq!(body.len(), BODY_BYTES);
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(json["programmeMembershipTisId"], "a-1");
        for (n, patient) in [(1, "P1"), (20, "P10000")] {
            Bodies::Hl7 { hot_every: 20 }.write("a-1", n, &mut body);
            assert_eq!(body.len(), BODY_BYTES);
            let message = Message::parse(&body).unwrap();
            let header = Header::read(message, "", "utf-8");
            assert_eq!(header.control_id(), "a-1");
            assert_eq!(header.visit_key().as_deref(), Some("a-1"));
            assert_eq!(header.patient_key().unwrap().id, patient);
        }
    }

    #[test]
    fn only_an_acceptance_is_an_acceptance() {
        assert!(Bodies::Json.is_accepted(202, b"{}"));
        assert!(!Bodies::Json.is_accepted(200, b"{}"));
        let hl7 = Bodies::Hl7 { hot_every: 0 };
        assert!(hl7.is_accepted(200, b"MSH|^~\\&|A\rMSA|AA|a-1\r"));
        assert!(!hl7.is_accepted(200, b"MSH|^~\\&|A\rMSA|AE|a-1\r"));
    }
}
