//! Any bytes, read as HL7 at full depth. The walk is that of the unit tests, so what is found here
//! becomes a line of `what_was_found_is_survived`.
#![no_main]

use waybill_core::hl7::{Header, Message, Segment, Value, Verdict, acknowledgement, judge};

#[path = "../../../crates/waybill-core/src/hl7/proof/walk.rs"]
mod walk;

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    walk::walk(body);
});
