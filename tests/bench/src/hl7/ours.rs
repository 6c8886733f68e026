//! Waybill's own reading. What is not asked for is not looked at.

use waybill_core::hl7::{Header, Message, Segment};

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
    message.segments().map(|segment| of_segment(text.as_bytes(), &segment)).sum()
}

fn of_segment(body: &[u8], segment: &Segment<'_>) -> usize {
    let separators = segment.separators();
    let line = body.get(segment.offset()..).unwrap_or_default();
    let line = line.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let is_header = segment.is("MSH");
    let mut sum = 0;
    for n in 1..=count(line, separators.field) - 1 + usize::from(is_header) {
        let field = segment.field(n);
        if is_header && n < 3 {
            sum += field.raw().len();
            continue;
        }
        for repetition in field.repetitions() {
            for m in 1..=count(repetition.raw(), separators.component) {
                let component = repetition.component(m);
                let parts = separators.subcomponent.map_or(1, |sign| count(component.raw(), sign));
                sum += (1..=parts).map(|part| component.subcomponent(part).raw().len()).sum::<usize>();
            }
        }
    }
    sum
}

fn count(bytes: &[u8], sign: u8) -> usize {
    bytes.split(|&byte| byte == sign).count()
}
