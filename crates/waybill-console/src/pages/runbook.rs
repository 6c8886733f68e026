//! `GET /runbook`: docs/RUNBOOK.md and docs/ON-CALL.md of this version, by section: at 3 a.m.
//! the network that the documentation stands on may be the thing that is down.

use std::sync::LazyLock;

use askama::Template;
use axum::response::Html;

use super::Viewer;
use crate::failure::Failure;
use crate::prose::{self, anchor};
use crate::view::{self, Frame};

const RUNBOOK: &str = include_str!("../../../../docs/RUNBOOK.md");
const ON_CALL: &str = include_str!("../../../../docs/ON-CALL.md");

/// One section.
struct Section {
    /// What links name it by: the title in small letters, without spaces.
    id: String,
    title: String,
    /// HTML.
    text: String,
}

#[derive(Template)]
#[template(path = "runbook.html")]
struct Page {
    frame: Frame,
    sections: &'static [Section],
}

/// Rendered once: they are part of the program.
static SECTIONS: LazyLock<Vec<Section>> = LazyLock::new(sections);

pub(crate) async fn show(viewer: Viewer) -> Result<Html<String>, Failure> {
    view::html(&Page { frame: viewer.frame("", "Runbook"), sections: &SECTIONS })
}

fn sections() -> Vec<Section> {
    let (runbook, on_call) = (RUNBOOK.split("\n## "), ON_CALL.split("\n## "));
    runbook
        .chain(on_call.flat_map(|section| section.split("\n### ")))
        .map(|section| {
            let (title, text) = section.split_once('\n').unwrap_or((section, ""));
            let title = title.trim_start_matches("# ").trim().replace('`', "");
            Section { id: anchor(&title), title, text: prose::html(text) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_verdict_has_its_section() {
        let ids: Vec<String> = sections().into_iter().map(|section| section.id).collect();
        let source = concat!(
            include_str!("../verdict/mod.rs"),
            include_str!("../verdict/broker.rs"),
            include_str!("../verdict/sources.rs"),
            include_str!("../verdict/trend.rs")
        );
        let mut named = BTreeSet::new();
        for alert in source.split('"').filter(|word| word.starts_with("Waybill") && word.len() < 40) {
            named.insert(alert);
            assert!(ids.contains(&anchor(alert)), "{alert} has no section in docs/RUNBOOK.md");
        }
        for section in ["waybill doctor", "Replay plans", "The first minute", "A whole source is dying"] {
            assert!(ids.contains(&anchor(section)), "{section} has no section: {ids:?}");
        }
        // every alert that this process can see by itself; the others need Prometheus
        let rules = include_str!("../../../../deploy/observability/rules/waybill.yml");
        let alerts = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
        let unseen: Vec<&str> = alerts.filter(|alert| !named.contains(alert)).collect();
        assert_eq!(unseen, ["WaybillRefusingSubmissions", "WaybillProcessAbsent"]);
        let unique: BTreeSet<&String> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "each section has an id of its own");
        for section in SECTIONS.iter() {
            for link in section.text.split("href=\"").skip(1) {
                let id = link.split('"').next().unwrap_or_default().trim_start_matches('#').to_owned();
                assert!(ids.contains(&id), "{} leads to {id}, which is not there", section.title);
            }
        }
    }
}
