//! Whether a message may be accepted, judged by its header alone (HL7 2.5.1, 2.9.2.2 and 2.9.3.2).
//!
//! MSH-9, 11 and 12 decide whether this is a message for us at all (reject: AR, CR); any other
//! fault is an error in its content (AE, CE). Whether its trigger is handled is not asked here: a
//! well-formed one is accepted.

use super::{AckError, ErrorCode, Header, Verdict};

/// The longest control id: MSH-10 holds 20 bytes to version 2.6 and 199 from 2.7.
const CONTROL_ID_BYTES_MAX: usize = 199;

/// Why a message is not accepted, by how it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// AR or CR: its type, processing id or version is not acceptable.
    Reject(AckError),
    /// AE or CE: another fault in its content.
    Error(AckError),
}

impl From<Refusal> for Verdict {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Reject(error) => Self::Reject(error),
            Refusal::Error(error) => Self::Error(error),
        }
    }
}

/// Judges a header; the first fault found is the answer. An empty MSH-11 is acceptable where the
/// source's `processing_ids` list the empty one.
pub fn judge(header: &Header<'_>, processing_ids: &[String]) -> Result<(), Refusal> {
    let reject = |code, field, text| Err(Refusal::Reject(AckError::in_msh(code, field, text)));
    let error = |code, field, text| Err(Refusal::Error(AckError::in_msh(code, field, text)));
    if !is_code(&header.code()) {
        return reject(ErrorCode::UnsupportedMessageType, 9, "MSH-9.1 is not a message code such as ADT");
    }
    if !is_code(&header.trigger()) && !header.is_acknowledgement() {
        return reject(ErrorCode::UnsupportedEventCode, 9, "MSH-9.2 is not a trigger event such as A04");
    }
    let is_acceptable = match &*header.processing_id() {
        "P" | "D" | "T" => true,
        id => id.is_empty() && processing_ids.iter().any(String::is_empty),
    };
    if !is_acceptable {
        return reject(ErrorCode::UnsupportedProcessingId, 11, "MSH-11 is not P, D or T");
    }
    if !is_version(&header.version()) {
        return reject(ErrorCode::UnsupportedVersion, 12, "MSH-12 is not a version from 2.1 to 2.9");
    }
    if header.control_id().is_empty() {
        return error(ErrorCode::RequiredFieldMissing, 10, "MSH-10 is empty: a control id is needed");
    }
    if header.field(10).raw().len() > CONTROL_ID_BYTES_MAX {
        return error(ErrorCode::ValueTooLong, 10, "MSH-10 is longer than 199 bytes");
    }
    Ok(())
}

/// A message code or trigger event: three capitals or digits, a capital first (tables 0076, 0003).
pub(super) fn is_code(text: &str) -> bool {
    matches!(text.as_bytes(), [first, rest @ ..] if first.is_ascii_uppercase() && rest.len() == 2
        && rest.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()))
}

/// A version of table 0104: `2`, `2.x` or `2.x.y`, from 2.1 to 2.9.
fn is_version(text: &str) -> bool {
    match text.as_bytes() {
        b"2" | [b'2', b'.', b'1'..=b'9'] => true,
        [b'2', b'.', b'1'..=b'9', b'.', last] => last.is_ascii_digit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Refusal, judge};
    use crate::hl7::{Header, Message};

    /// Judges MSH-9 to MSH-12: "ok", or AR or AE with the code and the field.
    fn check(msh_9_to_12: &str, expected: &str) {
        let body = format!("MSH|^~\\&|A|B|C|D|20260310||{msh_9_to_12}\r");
        let Ok(message) = Message::parse(body.as_bytes()) else { unreachable!("refused: {body}") };
        check_judged(msh_9_to_12, expected, judge(&Header::read(message, "", "utf-8"), &["P".to_owned()]));
    }

    fn check_judged(msh_9_to_12: &str, expected: &str, judged: Result<(), Refusal>) {
        let (verdict, error) = match judged {
            Ok(()) => return assert_eq!("ok", expected, "{msh_9_to_12}"),
            Err(Refusal::Reject(error)) => ("AR", error),
            Err(Refusal::Error(error)) => ("AE", error),
        };
        let field = error.location.map(|at| at.field).unwrap_or_default();
        assert_eq!(format!("{verdict} {} MSH-{field}", error.code.number()), expected, "{msh_9_to_12}");
    }

    #[test]
    fn type_processing_id_and_version_are_rejected() {
        check("ADT^A04^ADT_A01|1|P|2.5.1", "ok");
        check("ZMR^Z01|1|D|2", "ok");
        check("ADT^A99|1|T^A|2.9^USA", "ok");
        check("ACK|1|P|2.3", "ok");
        check("|1|P|2.5.1", "AR 200 MSH-9");
        check("\"\"|1|P|2.5.1", "AR 200 MSH-9");
        check("adt^A04|1|P|2.5.1", "AR 200 MSH-9");
        check("ADT_A04|1|P|2.5.1", "AR 200 MSH-9");
        check("ADTX^A04|1|P|2.5.1", "AR 200 MSH-9");
        check("ADT|1|P|2.5.1", "AR 201 MSH-9");
        check("ADT^|1|P|2.5.1", "AR 201 MSH-9");
        check("ADT^4|1|P|2.5.1", "AR 201 MSH-9");
        check("ADT^^ADT_A01|1|P|2.5.1", "AR 201 MSH-9");
        check("ADT^A04|1||2.5.1", "AR 202 MSH-11");
        check("ADT^A04|1|X|2.5.1", "AR 202 MSH-11");
        check("ADT^A04|1|PT|2.5.1", "AR 202 MSH-11");
        check("ADT^A04|1|P|", "AR 203 MSH-12");
        for version in ["3.0", "2.0", "2.10", "2.5.1.1", "v2.5", "2.5.x", "1"] {
            check(&format!("ADT^A04|1|P|{version}"), "AR 203 MSH-12");
        }
    }

    #[test]
    fn an_empty_processing_id_is_for_the_source_to_allow() {
        let allowed = ["P".to_owned(), String::new()];
        for (processing_id, expected) in
            [("", "ok"), ("\"\"", "ok"), ("^A", "ok"), ("T", "ok"), ("X", "AR 202 MSH-11")]
        {
            let body = format!("MSH|^~\\&|A|B|C|D|20260310||ADT^A04|1|{processing_id}|2.5.1\r");
            let Ok(message) = Message::parse(body.as_bytes()) else { unreachable!("refused: {body}") };
            check_judged(processing_id, expected, judge(&Header::read(message, "", "utf-8"), &allowed));
        }
    }

    #[test]
    fn every_published_version_is_accepted() {
        for version in [
            "2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.2",
            "2.9", "2.9.1",
        ] {
            check(&format!("ADT^A04|1|P|{version}"), "ok");
        }
    }

    #[test]
    fn other_faults_are_errors_and_come_after_rejections() {
        check("ADT^A04||P|2.5.1", "AE 101 MSH-10");
        check("ADT^A04|  |P|2.5.1", "AE 101 MSH-10");
        check("ADT^A04|\"\"|P|2.5.1", "AE 101 MSH-10");
        check("ADT^A04||X|2.5.1", "AR 202 MSH-11");
        check(&format!("ADT^A04|{}|P|2.5.1", "9".repeat(199)), "ok");
        check(&format!("ADT^A04|{}|P|2.5.1", "9".repeat(200)), "AE 104 MSH-10");
    }
}
