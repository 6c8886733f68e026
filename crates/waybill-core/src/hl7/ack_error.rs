//! What a sender is told about a message that is not accepted: a code, a place, a text.
//!
//! A text names the field and what is expected there; a value of the message is never repeated.

use std::borrow::Cow;

/// Why a message is not accepted, for its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AckError {
    /// The kind of fault.
    pub code: ErrorCode,
    /// Where it is, when it is in one field.
    pub location: Option<Location>,
    /// For people: what is wrong and what is expected. Never a value of the message.
    pub text: Cow<'static, str>,
}

impl AckError {
    /// A fault in MSH-`field`.
    pub fn in_msh(code: ErrorCode, field: u16, text: impl Into<Cow<'static, str>>) -> Self {
        let location = Some(Location { segment: "MSH", field });
        Self { code, location, text: text.into() }
    }
}

/// A field of the first segment of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// The segment's name.
    pub segment: &'static str,
    /// The field's number, from 1.
    pub field: u16,
}

/// The message error conditions of HL7 table 0357 that are used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// 100
    SegmentSequence,
    /// 101
    RequiredFieldMissing,
    /// 102
    DataType,
    /// 103
    TableValueNotFound,
    /// 104
    ValueTooLong,
    /// 198
    Cardinality,
    /// 200
    UnsupportedMessageType,
    /// 201
    UnsupportedEventCode,
    /// 202
    UnsupportedProcessingId,
    /// 203
    UnsupportedVersion,
    /// 207
    Internal,
}

impl ErrorCode {
    /// The number in the table.
    pub const fn number(self) -> u16 {
        self.entry().0
    }

    /// The meaning in the table.
    pub const fn meaning(self) -> &'static str {
        self.entry().1
    }

    const fn entry(self) -> (u16, &'static str) {
        match self {
            Self::SegmentSequence => (100, "Segment sequence error"),
            Self::RequiredFieldMissing => (101, "Required field missing"),
            Self::DataType => (102, "Data type error"),
            Self::TableValueNotFound => (103, "Table value not found"),
            Self::ValueTooLong => (104, "Value too long"),
            Self::Cardinality => (198, "Non-conformant cardinality"),
            Self::UnsupportedMessageType => (200, "Unsupported message type"),
            Self::UnsupportedEventCode => (201, "Unsupported event code"),
            Self::UnsupportedProcessingId => (202, "Unsupported processing id"),
            Self::UnsupportedVersion => (203, "Unsupported version id"),
            Self::Internal => (207, "Application internal error"),
        }
    }
}
