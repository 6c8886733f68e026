//! How things are written on every page: numbers, times, ages, the frame around each page.

use askama::Template;
use axum::response::Html;
use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;
use waybill_core::words;

use crate::assets;
use crate::failure::Failure;
use crate::guard::{Caller, Visitor};
use crate::role::Role;

/// What every page has.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) title: String,
    /// The section it belongs to: the path of its link in the navigation.
    pub(crate) section: &'static str,
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) can_log_out: bool,
    pub(crate) form_token: String,
    pub(crate) css: &'static str,
    pub(crate) js: &'static str,
    pub(crate) icon: &'static str,
    pub(crate) now: DateTime<Utc>,
}

/// The navigation: path, label, the letter after `g`.
pub(crate) const SECTIONS: [(&str, &str, char); 8] = [
    ("/", "Overview", 'o'),
    ("/dead", "Dead letters", 'd'),
    ("/plans", "Plans", 'p'),
    ("/messages", "Messages", 'm'),
    ("/sources", "Sources", 's'),
    ("/queues", "Queues and broker", 'q'),
    ("/reconciliation", "Reconciliation", 'r'),
    ("/audit", "Audit", 'a'),
];

impl Frame {
    pub(crate) fn new(section: &'static str, title: &str, visitor: &Visitor, caller: &Caller) -> Self {
        let assets = assets::get();
        Self {
            title: title.to_owned(),
            section,
            name: visitor.name.clone(),
            role: visitor.role,
            can_log_out: visitor.session.is_some(),
            form_token: caller.form_token.clone(),
            css: &assets.css,
            js: &assets.js,
            icon: &assets.icon,
            now: now(),
        }
    }

    /// Whether the page belongs to the section of this path.
    pub(crate) fn is_in(&self, path: &str) -> bool {
        self.section == path
    }

    /// Whether the visitor may decide, and reveal.
    pub(crate) fn may_decide(&self) -> bool {
        self.role >= Role::Operator
    }

    /// Whether the visitor sees who has access.
    pub(crate) fn is_admin(&self) -> bool {
        self.role >= Role::Admin
    }

    /// A time as an element: UTC for people, RFC 3339 for machines, and how long ago. Made of the
    /// time alone, so that it needs no escaping.
    pub(crate) fn when(&self, at: &DateTime<Utc>) -> String {
        let (iso, utc, age) = (iso(at), utc(at), self.age(at));
        format!("<time datetime=\"{iso}\" title=\"{iso}\">{utc}</time> <span class=\"age\">{age}</span>")
    }

    /// How long ago, or until.
    fn age(&self, at: &DateTime<Utc>) -> String {
        let seconds = (self.now - *at).as_seconds_f64();
        if seconds >= 0.0 { format!("{} ago", span(seconds)) } else { format!("in {}", span(-seconds)) }
    }
}

/// How many there are of what is listed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Total {
    count: i64,
    /// Counted no further: there may be more.
    is_least: bool,
}

impl Total {
    pub(crate) const fn new(count: i64, is_least: bool) -> Self {
        Self { count, is_least }
    }

    pub(crate) const fn exact(count: i64) -> Self {
        Self::new(count, false)
    }

    /// What was counted up to `most`.
    pub(crate) fn up_to(count: i64, most: u32) -> Self {
        Self::new(count, count >= i64::from(most))
    }

    /// In words.
    pub(crate) fn words(self) -> String {
        let least = if self.is_least { "at least " } else { "" };
        format!("{least}{}", count(self.count))
    }

    /// For machines: the number alone.
    pub(crate) const fn number(self) -> i64 {
        self.count
    }

    /// The words for one, or for any other number.
    pub(crate) const fn noun(self, one: &'static str, others: &'static str) -> &'static str {
        words::either(self.count, one, others)
    }
}

/// A rendered page.
pub(crate) fn html(page: &impl Template) -> Result<Html<String>, Failure> {
    page.render().map(Html).map_err(|error| Failure::Fault(format!("a template: {error}")))
}

/// The moment, for ages and windows.
#[expect(clippy::disallowed_methods, reason = "what is shown beside times; decides nothing")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// Whether a choice is the chosen one.
pub(crate) fn is(name: &str, chosen: &str) -> bool {
    name == chosen
}

/// A count, as templates give it.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "a template passes references")]
pub(crate) fn n(number: &i64) -> String {
    count(*number)
}

/// The words for one, or for any other number, as templates give it.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "a template passes references")]
pub(crate) fn either(number: &i64, one: &'static str, others: &'static str) -> &'static str {
    words::either(*number, one, others)
}

/// A small count, as templates give it.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "a template passes references")]
pub(crate) fn few(number: &u32) -> String {
    count(i64::from(*number))
}

/// A span of time, as templates give it.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "a template passes references")]
pub(crate) fn span_of(seconds: &f64) -> String {
    span(*seconds)
}

/// A rate, as templates give it.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "a template passes references")]
pub(crate) fn rate_of(number: &f64) -> String {
    rate(*number)
}

/// A time, for people: UTC, to the second.
fn utc(at: &DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// A time, for machines (RFC 3339).
fn iso(at: &DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A count with thin gaps: `12 345`.
pub(crate) fn count(count: i64) -> String {
    let digits = count.unsigned_abs().to_string();
    let mut text = if count < 0 { "-".to_owned() } else { String::new() };
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A rate a second.
pub(crate) fn rate(rate: f64) -> String {
    match rate {
        0.0 | 100.0.. => format!("{rate:.0}/s"),
        0.1.. => format!("{rate:.1}/s"),
        // 0.1 in a minute
        0.0017.. => format!("{:.1}/min", rate * 60.0),
        _ => format!("{:.1}/h", rate * 3600.0),
    }
}

/// A figure that may be unknown.
pub(crate) fn figure(value: Option<f64>) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "a gauge of messages")]
    value.map_or_else(|| "unknown".to_owned(), |value| count(value as i64))
}

/// A span of time, short: `45 s`, `3 min`, `2 h 5 min`, `4 d 3 h`.
pub(crate) fn span(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a span, not negative")]
    let whole = seconds.max(0.0) as u64;
    let (days, hours, minutes) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{whole} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// The end of an id, where the whole one would not fit; its link has all of it. Ids begin with
/// their time, so what tells them apart is at the end.
pub(crate) fn brief(id: &Uuid) -> String {
    let text = id.to_string();
    format!("\u{2026}{}", text.get(24..).unwrap_or_default())
}

/// The start of a text that may be long.
pub(crate) fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}\u{2026}", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A count as a float; exact far beyond any count we have.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
pub(crate) const fn float(count: i64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_spans_are_short() {
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!((count(999).as_str(), count(-1000).as_str()), ("999", "-1\u{202f}000"));
        assert_eq!(
            [span(0.4), span(59.9), span(61.0), span(3700.0), span(90_000.0)],
            ["0 s", "59 s", "1 min", "1 h 1 min", "1 d 1 h"]
        );
        assert_eq!(
            [rate(0.0), rate(250.4), rate(2.04), rate(0.05), rate(0.001)],
            ["0/s", "250/s", "2.0/s", "3.0/min", "3.6/h"]
        );
        assert_eq!(cut("\u{e4}bcd", 2), "\u{e4}b\u{2026}");
        assert_eq!(cut("ab", 2), "ab");
        assert_eq!(figure(None), "unknown");
    }
}
