//! The header: what acceptance, ordering and the answer need to know of a message.
//!
//! The fields of MSH are found once, whatever is asked of them, and decoded when asked for. Fields that are only compared or echoed are given as sent, with their
//! separators and escapes; codes and identifiers are given as text.

use std::borrow::Cow;

use chrono::FixedOffset;

use super::msh::Msh;
use super::{Charset, Component, Field, Message, PatientId, Timestamp, Value};

/// A message seen through its MSH segment and the identifiers it is ordered by.
#[derive(Debug, Clone, Copy)]
pub struct Header<'a> {
    message: Message<'a>,
    msh: Msh<'a>,
    charset: Charset,
}

impl<'a> Header<'a> {
    /// Looks at `message`. Its character set is the `charset` parameter of the media type it was
    /// posted with, else MSH-18, else what its source says.
    pub fn read(message: Message<'a>, content_type: &str, source_charset: &str) -> Self {
        let msh = Msh::read(message.msh());
        let charset = Charset::choose(content_type, msh.field(18).raw(), source_charset);
        Self { message, msh, charset }
    }

    /// The message itself.
    pub fn message(&self) -> Message<'a> {
        self.message
    }

    /// The character set its text is in.
    pub fn charset(&self) -> Charset {
        self.charset
    }

    /// MSH-`n`.
    pub fn field(&self, n: usize) -> Field<'a> {
        self.msh.field(n)
    }

    /// MSH-3 as sent; empty when absent or null.
    pub fn sending_application(&self) -> Cow<'a, str> {
        self.as_sent(3)
    }

    /// MSH-4 as sent; empty when absent or null.
    pub fn sending_facility(&self) -> Cow<'a, str> {
        self.as_sent(4)
    }

    /// MSH-5 as sent; empty when absent or null.
    pub fn receiving_application(&self) -> Cow<'a, str> {
        self.as_sent(5)
    }

    /// MSH-6 as sent; empty when absent or null.
    pub fn receiving_facility(&self) -> Cow<'a, str> {
        self.as_sent(6)
    }

    /// MSH-7, when the message was made, if it can be read. Never a reason to order by it.
    pub fn sent_at(&self) -> Option<Timestamp> {
        Timestamp::parse(self.field(7).component(1).raw())
    }

    /// The offset of MSH-7, which timestamps without one are in (HL7 2.5.1, 2.15.9.7).
    pub fn default_offset(&self) -> Option<FixedOffset> {
        self.sent_at().and_then(|sent_at| sent_at.local_offset(&self.version()))
    }

    /// MSH-9.1, the message code, for instance `ADT`; empty when there is none.
    pub fn code(&self) -> Cow<'a, str> {
        self.text(self.field(9).component(1))
    }

    /// MSH-9.2, the trigger event, for instance `A04`; empty when there is none.
    pub fn trigger(&self) -> Cow<'a, str> {
        self.text(self.field(9).component(2))
    }

    /// MSH-9.3, the structure, for instance `ADT_A01`; empty when there is none.
    pub fn structure(&self) -> Cow<'a, str> {
        self.text(self.field(9).component(3))
    }

    /// MSH-10 as sent; empty when absent, null or blank.
    pub fn control_id(&self) -> Cow<'a, str> {
        let sent = self.as_sent(10);
        if sent.trim().is_empty() { Cow::default() } else { sent }
    }

    /// MSH-11.1: `P`, `D` or `T` when it is acceptable.
    pub fn processing_id(&self) -> Cow<'a, str> {
        self.text(self.field(11).component(1))
    }

    /// MSH-12.1, for instance `2.5.1`.
    pub fn version(&self) -> Cow<'a, str> {
        self.text(self.field(12).component(1))
    }

    /// MSH-15, when the sender wants an accept acknowledgement (table 0155); empty when not said.
    pub fn accept_acknowledgement_type(&self) -> Cow<'a, str> {
        self.text(self.field(15).component(1))
    }

    /// MSH-16, when the sender wants an application acknowledgement; empty when not said.
    pub fn application_acknowledgement_type(&self) -> Cow<'a, str> {
        self.text(self.field(16).component(1))
    }

    /// Whether the sender speaks the enhanced acknowledgement mode: it fills MSH-15 or MSH-16
    /// (HL7 2.5.1, 2.9.3).
    pub fn is_enhanced_mode(&self) -> bool {
        !self.accept_acknowledgement_type().is_empty() || !self.application_acknowledgement_type().is_empty()
    }

    /// Whether this is itself an acknowledgement, which is never acknowledged: two systems that
    /// did so would never stop. Other responses (an MSA with a type of its own) are messages.
    pub fn is_acknowledgement(&self) -> bool {
        match &*self.code() {
            "ACK" => true,
            "MCF" | "" => self.message.segment("MSA").is_some(),
            _ => false,
        }
    }

    /// Whether this is a fragment of a message that goes on in another, or the rest of one: it has
    /// a continuation pointer in MSH-14, or in the DSC-1 of any DSC (HL7 2.5.1, 2.10.2).
    pub fn is_continued(&self) -> bool {
        let points =
            |field: Field<'_>| matches!(field.value(), Value::Present(raw) if !raw.trim_ascii().is_empty());
        points(self.field(14)) || self.message.segments_called("DSC").any(|dsc| points(dsc.field(1)))
    }

    /// Which patient the message is about: PID-3 (a medical record number first), else PID-2,
    /// PID-4, PID-18 of the first PID.
    pub fn patient_key(&self) -> Option<PatientId> {
        let pid = self.message.segment("PID")?;
        [3, 2, 4, 18].into_iter().find_map(|n| PatientId::preferred(pid.field(n), self.charset))
    }

    /// The patients that a merge takes the place of: every identifier in MRG-1 of every group.
    pub fn merged_patients(&self) -> Vec<PatientId> {
        let groups = self.message.segments_called("MRG");
        groups.flat_map(|mrg| PatientId::all(mrg.field(1), self.charset)).map(|(_, id)| id).collect()
    }

    /// Every identifier of every patient that it names: PID-3, PID-2, PID-4 and PID-18 of each PID, and
    /// the MRG-1 of each merge.
    pub fn patients(&self) -> impl Iterator<Item = PatientId> + use<'a> {
        let charset = self.charset;
        let named = self.message.segments_called("PID").flat_map(move |pid| {
            [3, 2, 4, 18].into_iter().flat_map(move |n| PatientId::all(pid.field(n), charset))
        });
        let merged = self.message.segments_called("MRG");
        let merged = merged.flat_map(move |mrg| PatientId::all(mrg.field(1), charset));
        named.chain(merged).map(|(_, id)| id)
    }

    /// Every number of the visit or appointment it is about: PV1-19.1, SCH-1.1, SCH-2.1.
    pub fn visits(&self) -> Vec<String> {
        let numbers = [("PV1", 19), ("SCH", 1), ("SCH", 2)].into_iter();
        numbers
            .filter_map(|(segment, n)| {
                let number = self.message.field(segment, n).component(1);
                number.text(self.charset).present().map(Cow::into_owned)
            })
            .collect()
    }

    /// The patients that stay: the preferred identifier in PID-3 of every group.
    pub fn surviving_patients(&self) -> Vec<PatientId> {
        let groups = self.message.segments_called("PID");
        groups.filter_map(|pid| PatientId::preferred(pid.field(3), self.charset)).collect()
    }

    /// Which visit or appointment it is about: PV1-19.1, else SCH-1.1, else SCH-2.1.
    pub fn visit_key(&self) -> Option<String> {
        [("PV1", 19), ("SCH", 1), ("SCH", 2)].into_iter().find_map(|(segment, n)| {
            let number = self.message.field(segment, n).component(1);
            number.text(self.charset).present().map(Cow::into_owned)
        })
    }

    fn as_sent(&self, n: usize) -> Cow<'a, str> {
        self.field(n).as_sent(self.charset).present().unwrap_or_default()
    }

    fn text(&self, component: Component<'a>) -> Cow<'a, str> {
        match component.text(self.charset) {
            Value::Present(text) => text,
            Value::Absent | Value::Null => Cow::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Header;
    use crate::hl7::{Message, PatientId};

    fn read(body: &str) -> Header<'_> {
        let Ok(message) = Message::parse(body.as_bytes()) else { unreachable!("refused: {body}") };
        Header::read(message, "application/hl7-v2", "utf-8")
    }

    fn pairs(patients: impl IntoIterator<Item = PatientId>) -> Vec<String> {
        patients.into_iter().map(|patient| format!("{}@{}", patient.id, patient.authority)).collect()
    }

    #[test]
    fn fields_of_msh_are_found() {
        let header = read(
            "MSH|^~\\&|APP^1.2^ISO|FAC|RAPP|RFAC|20260310091502-0500||ADT^A04^ADT_A01|CW\\T\\3|P^T|2.5.1^USA|||AL|NE||8859/1\r",
        );
        assert_eq!(header.sending_application(), "APP^1.2^ISO");
        assert_eq!(header.sending_facility(), "FAC");
        assert_eq!(header.receiving_application(), "RAPP");
        assert_eq!(header.receiving_facility(), "RFAC");
        assert_eq!(header.default_offset().map(|offset| offset.local_minus_utc()), Some(-5 * 3600));
        assert_eq!((&*header.code(), &*header.trigger(), &*header.structure()), ("ADT", "A04", "ADT_A01"));
        assert_eq!(header.control_id(), "CW\\T\\3");
        assert_eq!((&*header.processing_id(), &*header.version()), ("P", "2.5.1"));
        assert_eq!(header.accept_acknowledgement_type(), "AL");
        assert_eq!(header.application_acknowledgement_type(), "NE");
        assert_eq!(header.charset(), crate::hl7::Charset::Latin1);
        assert!(header.is_enhanced_mode() && !header.is_acknowledgement());
    }

    #[test]
    fn what_is_absent_null_or_blank_is_empty() {
        let header = read("MSH|^~\\&|||||||\"\"|  |\"\"||||\"\"|\r");
        assert_eq!(header.sending_application(), "");
        assert_eq!((&*header.code(), &*header.control_id(), &*header.processing_id()), ("", "", ""));
        assert!(header.sent_at().is_none() && !header.is_enhanced_mode());
    }

    fn check_acknowledgement(msh_9: &str, rest: &str, expected: bool) {
        let body = format!("MSH|^~\\&|||||||{msh_9}|1|P|2.3\r{rest}");
        assert_eq!(read(&body).is_acknowledgement(), expected, "{msh_9} {rest}");
    }

    #[test]
    fn an_acknowledgement_is_recognised() {
        check_acknowledgement("ACK", "", true);
        check_acknowledgement("ACK^A01^ACK", "MSA|AA|1\r", true);
        check_acknowledgement("MCF", "MSA|AA|1\r", true);
        check_acknowledgement("", "MSA|AA|1\r", true);
        check_acknowledgement("ORR^O02", "MSA|AA|1\r", false);
        check_acknowledgement("ADT^A04", "", false);
        check_acknowledgement("", "", false);
    }

    fn check_continued(msh_14: &str, rest: &str, expected: bool) {
        let body = format!("MSH|^~\\&|||||||ORU^R01|1|P|2.5|1|{msh_14}|AL\r{rest}");
        assert_eq!(read(&body).is_continued(), expected, "{msh_14:?} {rest:?}");
    }

    #[test]
    fn a_continued_message_is_recognised() {
        check_continued("", "OBX|1\r", false);
        check_continued("42", "OBX|1\r", true);
        check_continued("", "OBX|1\rDSC|42|F\r", true);
        check_continued("", "DSC|\rDSC|42\r", true);
        for nothing in ["\"\"", "  "] {
            check_continued(nothing, &format!("OBX|1\rDSC|{nothing}|F\rDSCX|1\r"), false);
        }
        check_continued("", "DSC\rZZZ|DSC|42\r", false);
    }

    #[test]
    fn a_nul_never_reaches_a_text() {
        let pv1 = format!("PV1{}", "|".repeat(19));
        let header = read_owned(&format!(
            "MSH|^~\\&|A\0|B|||||ADT^A\0|1\0|P|2.5\rPID|||1\\X00\\^^^\0\rMRG|\0\r{pv1}V\0\r"
        ));
        assert_eq!(
            header,
            ["A\u{fffd}", "A\u{fffd}", "1\u{fffd}", "1\u{fffd}@\u{fffd}", "\u{fffd}@", "V\u{fffd}"]
        );
    }

    /// The texts of a header that are stored.
    fn read_owned(body: &str) -> Vec<String> {
        let header = read(body);
        let texts = [header.sending_application(), header.trigger(), header.control_id()];
        let patients = pairs(header.patient_key().into_iter().chain(header.merged_patients()));
        texts.map(String::from).into_iter().chain(patients).chain(header.visit_key()).collect()
    }

    fn check_patient(pid: &str, expected: &str) {
        let body = format!("MSH|^~\\&|A\r{pid}\r");
        assert_eq!(pairs(read(&body).patient_key()).concat(), expected, "{pid}");
    }

    #[test]
    fn the_patient_is_in_pid_3_else_2_4_18() {
        check_patient("PID|1|2^^^B|1^^^A^PI~3^^^A^MR|4|||||||||||||| 18", "3@A");
        check_patient("PID|1|2^^^B|\"\"|4^^^D", "2@B");
        check_patient("PID|1|||4^^^D", "4@D");
        check_patient("PID|1|||||||||||||||||18^^^AN", "18@AN");
        check_patient("PID|1", "");
        check_patient("PV1|1", "");
    }

    #[test]
    fn every_group_of_a_merge_counts() {
        let header = read(
            "MSH|^~\\&|A\rEVN|A40\rPID|1||1^^^A^MR\rPD1|x\rMRG|8^^^A^PI~9^^^A^MR\rPID|2||2^^^A^MR\rMRG|7^^^B\rMRG|\r",
        );
        assert_eq!(pairs(header.surviving_patients()), ["1@A", "2@A"]);
        assert_eq!(pairs(header.merged_patients()), ["8@A", "9@A", "7@B"]);
        assert_eq!(pairs(header.patient_key()), ["1@A"]);
    }

    fn check_visit(rest: &str, expected: Option<&str>) {
        let body = format!("MSH|^~\\&|A\r{rest}\r");
        assert_eq!(read(&body).visit_key().as_deref(), expected, "{rest}");
    }

    #[test]
    fn the_visit_is_in_pv1_19_else_sch_1_else_sch_2() {
        let pv1 = format!("PV1{}", "|".repeat(19));
        check_visit(&format!("SCH|P1|F1\r{pv1}V-1^^^A"), Some("V-1"));
        check_visit(&format!("SCH|P1^X|F1\r{pv1}"), Some("P1"));
        check_visit(&format!("SCH||F1^X\r{pv1}\"\""), Some("F1"));
        check_visit("SCH||", None);
        check_visit("PID|1", None);
    }
}
