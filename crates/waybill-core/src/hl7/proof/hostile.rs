//! Bodies made to be slow to read: each grows by repeating what costs a careless reader most.
//!
//! Shared by the tests, which read them whole, and by `examples/hl7_rate.rs`, which shows that
//! twice the bytes take twice the time.

/// What a shape is called, what it begins with, and what is repeated.
pub(super) type Shape = (&'static str, &'static str, &'static [u8]);

const MSH: &str = "MSH|^~\\&|A|B|||20260310||ADT^A04|1|P|2.5.1\r";

/// Every shape. Each is one message, of one segment or of very many.
pub(super) const SHAPES: [Shape; 12] = [
    ("field separators", MSH, b"|"),
    ("repetition separators", "MSH|^~\\&|A|B\rPID|1||", b"~"),
    ("component separators", "MSH|^~\\&|A|B\rPID|1||", b"^"),
    ("subcomponent separators", "MSH|^~\\&|A|B\rPID|1||", b"&"),
    ("all separators", "MSH|^~\\&|A|B\rPID|1||", b"|~^&"),
    ("escapes", "MSH|^~\\&|A|B\rPID|1||", b"\\T\\"),
    ("open escapes", "MSH|^~\\&|A|B\rPID|1||", b"\\"),
    ("one long hexadecimal escape", "MSH|^~\\&|A|B\rPID|1||\\X", b"41"),
    ("blank lines", MSH, b"\r\n"),
    ("framing", MSH, b"\x0b\x1c\r"),
    ("short segments", MSH, b"\rP"),
    ("merges", MSH, b"PID|1||1^^^A^MR~2\rMRG|3^^^A\r"),
];

/// A body of about `bytes` bytes in this shape.
pub(super) fn body((_, begin, repeated): Shape, bytes: usize) -> Vec<u8> {
    let mut body = begin.as_bytes().to_vec();
    body.extend(repeated.repeat(bytes.saturating_sub(begin.len()) / repeated.len()));
    body
}
