//! A body for a page: masked for everybody; in clear for an operator with a reason, once the act is on
//! the audit trail. Nothing is shown when that fails.

use serde_json::{Value, json};
use uuid::Uuid;
use waybill_core::accept::HL7_MEDIA_TYPES;
use waybill_core::hl7::normalized::masked_lines;
use waybill_core::hl7::{Header, Message};
use waybill_core::mask;
use waybill_store::audit::By;
use waybill_store::body::Body;

use crate::Console;
use crate::failure::Failure;
use crate::view::cut;

/// Characters of a body that a page shows; the rest is in the download.
const SHOWN_MAX: usize = 64 * 1024;
/// Lines, and characters of a line, of a masked body that a page shows.
const LINES_MAX: usize = 500;
const LINE_MAX: usize = 2_000;

/// A body without its values.
#[derive(Debug)]
pub(crate) enum Masked {
    /// Its lines, each value as its length.
    Lines(Vec<String>),
    /// Why nothing is shown.
    Nothing(&'static str),
}

/// Who looks at what in clear, and why.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look<'a> {
    pub(crate) by: By<'a>,
    pub(crate) id: Uuid,
    pub(crate) form: &'static str,
}

/// The body of `id`, masked.
pub(crate) async fn masked(console: &Console, id: Uuid) -> Result<Masked, Failure> {
    let Some(body) = find(console, id).await? else {
        return Ok(Masked::Nothing("The body is no longer kept."));
    };
    let essence = body.content_type.split(';').next().unwrap_or_default().trim();
    if !HL7_MEDIA_TYPES.iter().any(|hl7| essence.eq_ignore_ascii_case(hl7)) {
        let read = tokio::task::spawn_blocking(move || masked_json(&body.body.unwrap_or_default()));
        let lines = read.await.map_err(|_| Failure::Fault("a body could not be read".to_owned()))?;
        return Ok(lines.map_or(
            Masked::Nothing("The body is neither HL7 nor JSON: nothing of it can be shown masked."),
            Masked::Lines,
        ));
    }
    let known = console.directory().snapshot();
    let charset = known.sources.get(&body.source).map(|source| source.charset.clone());
    let Some(charset) = charset else {
        return Ok(Masked::Nothing("Its source is not known, so how to read it is not known either."));
    };
    let read = tokio::task::spawn_blocking(move || {
        let bytes = body.body.unwrap_or_default();
        let message = Message::parse(&bytes).ok()?;
        Some(few(&masked_lines(&Header::read(message, &body.content_type, &charset))))
    });
    let lines = read.await.map_err(|_| Failure::Fault("a body could not be read".to_owned()))?;
    Ok(lines.map_or(Masked::Nothing("The body cannot be read as HL7."), Masked::Lines))
}

/// The lines of a body that is JSON, without its values; of others, and of what is no object or array,
/// nothing.
fn masked_json(bytes: &[u8]) -> Option<Vec<String>> {
    let mut json: Value = serde_json::from_slice(bytes).ok()?;
    if !json.is_object() && !json.is_array() {
        return None;
    }
    mask::json(&mut json);
    let text = serde_json::to_string_pretty(&json).ok()?;
    Some(few(&text.lines().collect::<Vec<_>>()))
}

/// As many lines, and as much of each, as a page shows.
fn few(lines: &[impl AsRef<str>]) -> Vec<String> {
    let mut few: Vec<String> =
        lines.iter().take(LINES_MAX).map(|line| cut(line.as_ref(), LINE_MAX)).collect();
    match lines.len().saturating_sub(LINES_MAX) {
        0 => {}
        left => few.push(format!("{left} more lines")),
    }
    few
}

/// The bytes of a body in clear: written down first, then read.
pub(crate) async fn reveal(console: &Console, look: Look<'_>) -> Result<Vec<u8>, Failure> {
    let Some(body) = find(console, look.id).await? else {
        return Err(Failure::Missing("The body is no longer kept.".to_owned()));
    };
    let detail = json!({"form": look.form});
    let subjects = [look.id];
    let act = look.by.on_messages("view body", &subjects, &detail).of(&body.source);
    console.store().audit(act).await?;
    body.body.ok_or_else(|| Failure::Missing("The body is no longer kept.".to_owned()))
}

/// The part of a body that a page shows, as text, and whether that is all of it. HL7's carriage
/// returns become lines.
pub(crate) fn shown(bytes: &[u8]) -> (String, bool) {
    // a character has at most four bytes: what is beyond cannot be among those shown
    let start = bytes.get(..SHOWN_MAX * 4).unwrap_or(bytes);
    let text = String::from_utf8_lossy(start).replace("\r\n", "\n").replace('\r', "\n");
    let end = text.char_indices().nth(SHOWN_MAX).map(|(end, _)| end);
    let is_all = end.is_none() && start.len() == bytes.len();
    (text.get(..end.unwrap_or(text.len())).unwrap_or_default().to_owned(), is_all)
}

/// The body, if there is such a message and its body is kept.
async fn find(console: &Console, id: Uuid) -> Result<Option<Body>, Failure> {
    let Some(body) = console.store().body(id).await? else {
        return Err(Failure::Missing(format!("There is no message {id} in this ledger.")));
    };
    Ok(Some(body).filter(|body| body.body.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_shows_the_start_of_a_large_body() {
        assert_eq!(shown(b"MSH|a\rPID|b\r\nc"), ("MSH|a\nPID|b\nc".to_owned(), true));
        let (text, is_all) = shown(&vec![b'x'; 10 * 1024 * 1024]);
        assert_eq!((text.len(), is_all), (SHOWN_MAX, false));
        let (text, is_all) = shown(&[0xff, b'a']);
        assert_eq!((text.as_str(), is_all), ("\u{fffd}a", true));
    }
}
