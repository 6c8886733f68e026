//! `GET /runbook`: docs/RUNBOOK.md of this version, as text, by section: at 3 a.m. the network that
//! the documentation stands on may be the thing that is down.

use askama::Template;
use axum::response::Html;

use super::Viewer;
use crate::failure::Failure;
use crate::view::{self, Frame};

const RUNBOOK: &str = include_str!("../../../../docs/RUNBOOK.md");

/// One section.
struct Section {
    /// What links name it by: the title in small letters, without spaces.
    id: String,
    title: &'static str,
    text: &'static str,
}

#[derive(Template)]
#[template(path = "runbook.html")]
struct Page {
    frame: Frame,
    sections: Vec<Section>,
}

pub(crate) async fn show(viewer: Viewer) -> Result<Html<String>, Failure> {
    view::html(&Page { frame: viewer.frame("", "Runbook"), sections: sections() })
}

fn sections() -> Vec<Section> {
    RUNBOOK
        .split("\n## ")
        .map(|section| {
            let (title, text) = section.split_once('\n').unwrap_or((section, ""));
            let title = title.trim_start_matches("# ").trim();
            Section { id: anchor(title), title, text: text.trim() }
        })
        .collect()
}

/// The id of a section.
pub(crate) fn anchor(title: &str) -> String {
    title.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_has_its_section() {
        let ids: Vec<String> = sections().into_iter().map(|section| section.id).collect();
        let source = include_str!("../verdict.rs");
        let mut named = 0;
        for alert in source.split('"').filter(|word| word.starts_with("Waybill") && word.len() < 40) {
            named += 1;
            assert!(ids.contains(&anchor(alert)), "{alert} has no section in docs/RUNBOOK.md");
        }
        assert!(named > 10);
        assert!(ids.contains(&"waybilldoctor".to_owned()), "{ids:?}");
    }
}
