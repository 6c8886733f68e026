//! Waybill's own reading. What is not asked for is not looked at.

use waybill_core::hl7::{Header, Message};

/// What accepting, answering and ordering look at.
pub(super) fn envelope(text: &str) -> usize {
    let Ok(message) = Message::parse(text.as_bytes()) else { return 0 };
    let header = Header::read(message, "application/hl7-v2", "utf-8");
    let words = [
        header.sending_application(),
        header.sending_facility(),
        header.code(),
        header.trigger(),
        header.control_id(),
        header.processing_id(),
        header.version(),
    ];
    let patients = header.patient_key().into_iter().chain(header.merged_patients());
    words.iter().map(|word| word.len()).sum::<usize>()
        + usize::from(header.is_enhanced_mode())
        + patients.map(|patient| patient.id.len() + patient.authority.len()).sum::<usize>()
        + header.visit_key().map_or(0, |visit| visit.len())
}

/// Every subcomponent of every component of every repetition of every field.
pub(super) fn every_part(text: &str) -> usize {
    let Ok(message) = Message::parse(text.as_bytes()) else { return 0 };
    let mut sum = 0;
    for segment in message.segments() {
        for field in segment.fields() {
            for repetition in field.repetitions() {
                for component in repetition.components() {
                    for part in component.subcomponents() {
                        sum += part.raw().len();
                    }
                }
            }
        }
    }
    sum
}
