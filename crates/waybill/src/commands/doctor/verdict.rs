//! A check's verdict. "Unknown" is a verdict of its own: what could not be looked at is not well.

use serde::Serialize;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// Works, but somebody should look.
    Warn,
    /// Does not work, or can lose messages.
    Fail,
    /// Could not be looked at.
    Unknown,
}

impl Verdict {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    /// What was looked at: `postgresql`, `rabbitmq`, `ledger`, `process` or `configuration`.
    pub(super) area: &'static str,
    /// The check's name; stable.
    #[serde(rename = "check")]
    pub(super) name: &'static str,
    /// How it came out.
    pub(super) verdict: Verdict,
    /// Why.
    pub(super) reason: String,
    /// What to do; empty where there is nothing to do.
    pub(super) remedy: &'static str,
}

/// The checks of one area, as they are made.
#[derive(Debug)]
pub(super) struct Checks {
    area: &'static str,
    made: Vec<Check>,
}

impl Checks {
    pub(super) const fn of(area: &'static str) -> Self {
        Self { area, made: Vec::new() }
    }

    /// All well.
    pub(super) fn ok(&mut self, check: &'static str, reason: impl Into<String>) {
        self.note(check, Verdict::Ok, reason, "");
    }

    /// `verdict`, with what to do.
    pub(super) fn note(
        &mut self,
        check: &'static str,
        verdict: Verdict,
        reason: impl Into<String>,
        remedy: &'static str,
    ) {
        self.made.push(Check { area: self.area, name: check, verdict, reason: reason.into(), remedy });
    }

    /// Well if `fine`, else `verdict` with what to do.
    pub(super) fn judge(
        &mut self,
        check: &'static str,
        fine: bool,
        verdict: Verdict,
        reason: impl Into<String>,
        remedy: &'static str,
    ) {
        if fine { self.ok(check, reason) } else { self.note(check, verdict, reason, remedy) }
    }

    pub(super) fn finish(self) -> Vec<Check> {
        self.made
    }
}
