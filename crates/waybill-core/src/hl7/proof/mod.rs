//! What is claimed of the reader, shown: on any bytes, on built messages, on bodies made to be
//! slow, on public samples, and beside another parser.
//!
//! `walk` reads everything of a body and checks what must hold for any bytes. The fuzz target in
//! `tests/fuzz` is the same walk, so what it finds becomes a line here.

mod any_bytes;
mod built;
mod differential;
mod hostile;
mod model;
pub(super) mod samples;
mod slow;
pub(super) mod walk;

use super::{Header, Message, Segment, Value, Verdict, acknowledgement, judge};
