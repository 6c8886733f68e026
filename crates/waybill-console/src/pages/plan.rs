//! `/plans/new`: a replay plan is asked for, looked at as a dry run, and only then made. Making one
//! starts nothing. An ordering key identifies somebody: it is posted, never part of an address, and its
//! hash alone goes to the ledger.

use askama::Template;
use axum::extract::{Form, Query, State};
use axum::response::{Html, Redirect};
use serde::Deserialize;
use waybill_core::ordering::Key;
use waybill_core::plan::Policy;
use waybill_store::dead::Filter;
use waybill_store::plan::{By, Made, Preview, Wanted};

use super::choices::Choices;
use super::letters::Letters;
use super::{Viewer, reason};
use crate::failure::Failure;
use crate::view::{self, Frame};
use crate::{Console, secret};

/// Characters of a form's own name.
const ONCE_MAX: usize = 100;

/// Longer than any value that is a key.
const KEY_BYTES_MAX: usize = 4096;

/// What is asked for, as the form has it. Has no `Debug`: its key identifies somebody.
#[derive(Clone, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    #[serde(flatten)]
    letters: Letters,
    /// With this ordering key of the source, as its partner writes it.
    key: String,
    /// That all dead letters are meant, where nothing narrows.
    all: String,
    canary: String,
    confirm: String,
    rate: String,
    /// In hundredths.
    stop: String,
    reason: String,
    /// Items that the dry run counted.
    seen: String,
    /// The form's own name: sent twice, it makes one plan.
    once: String,
}

impl Default for Asked {
    /// Careful: a few first, slowly, and an early stop.
    fn default() -> Self {
        Self {
            letters: Letters::default(),
            key: String::new(),
            all: String::new(),
            canary: "20".to_owned(),
            confirm: String::new(),
            rate: "100".to_owned(),
            stop: "10".to_owned(),
            reason: String::new(),
            seen: String::new(),
            once: String::new(),
        }
    }
}

#[derive(Template)]
#[template(path = "plan_new.html")]
struct Page {
    frame: Frame,
    asked: Asked,
    choices: Choices,
    /// The dry run, and what it is of.
    dry: Option<(Preview, String)>,
}

impl Asked {
    fn policy(&self) -> Result<Policy, Failure> {
        let wrong = |what: &str| Failure::Wrong(format!("{what}. Nothing was done."));
        let whole = |text: &str| match text.trim() {
            "" => Some(0),
            text => text.parse().ok(),
        };
        let canary = whole(&self.canary).ok_or_else(|| wrong("The canary is a whole number"))?;
        let rate_per_s = match self.rate.trim() {
            "" => None,
            text => Some(text.parse().map_err(|_| wrong("The rate is a number of dead letters a second"))?),
        };
        let stop: f64 = self.stop.trim().parse().map_err(|_| wrong("The stop is a number from 0 to 100"))?;
        let policy =
            Policy { canary, confirm: !self.confirm.is_empty(), rate_per_s, stop_share: stop / 100.0 };
        match policy.mistakes()[..] {
            [] => Ok(policy),
            [mistake, ..] => Err(Failure::Wrong(format!("It cannot be so: {mistake}. Nothing was done."))),
        }
    }

    /// Which dead letters.
    fn filter(&self, console: &Console) -> Result<Filter, Failure> {
        let wrong = |what: String| Failure::Wrong(format!("{what}. Nothing was done."));
        let filter = self.letters.filter()?;
        let key = self.key.trim();
        if key.is_empty() {
            if self.letters.is_all() && self.all.is_empty() {
                return Err(wrong("Say which dead letters, or that all of them are meant".to_owned()));
            }
            return Ok(filter);
        }
        if key.len() > KEY_BYTES_MAX {
            return Err(wrong("The ordering key is longer than any that is known".to_owned()));
        }
        let Some(name) = &filter.source else {
            return Err(wrong("An ordering key is a source's: choose the source".to_owned()));
        };
        let known = console.directory().snapshot();
        let source = known.sources.get(name).ok_or_else(|| wrong(format!("There is no source {name}")))?;
        let typed = Key::typed(source, key);
        let typed = typed.ok_or_else(|| wrong(format!("Messages of {name} have no ordering key")))?;
        Ok(Filter { key: Some(typed), ..filter })
    }

    /// Makes the plan, or only looks.
    async fn make(&self, console: &Console, viewer: &Viewer, keep: bool) -> Result<Made, Failure> {
        let (filter, policy) = (self.filter(console)?, self.policy()?);
        let by = By { actor: &viewer.visitor.name, via: viewer.via(), reason: reason(&self.reason)? };
        let items_max = console.bounds().plan_items_max;
        let once = Some(self.once.trim()).filter(|once| keep && !once.is_empty());
        if once.is_some_and(|once| once.chars().count() > ONCE_MAX) {
            return Err(Failure::Wrong("The form is not ours. Nothing was done.".to_owned()));
        }
        let wanted = Wanted { filter: &filter, asked: &filter.words(), policy: &policy, by, items_max, once };
        let store = console.store();
        Ok(if keep { store.make_plan(wanted).await? } else { store.preview_plan(wanted).await? })
    }
}

/// Why there is no plan.
fn none(made: &Made, console: &Console) -> Failure {
    match made {
        Made::TooMany => Failure::Wrong(format!(
            "More than {} dead letters fit (plans.items_max): narrow the choice. Nothing was done.",
            console.bounds().plan_items_max
        )),
        Made::Another(plan) => Failure::Wrong(format!(
            "Of this form plan {} was made already, and something else was in it. Run the dry run again. \
             Nothing was done.",
            plan.id
        )),
        _ => Failure::Wrong("No dead letter fits (any more). Nothing was done.".to_owned()),
    }
}

/// `GET /plans/new`
pub(crate) async fn form(
    State(console): State<Console>,
    viewer: Viewer,
    Query(mut asked): Query<Asked>,
) -> Result<Html<String>, Failure> {
    asked.letters = asked.letters.trimmed();
    // an address that has one was not made here
    asked.key.clear();
    page(&console, &viewer, asked, None)
}

/// `POST /plans/preview`
pub(crate) async fn preview(
    State(console): State<Console>,
    viewer: Viewer,
    Form(mut asked): Form<Asked>,
) -> Result<Html<String>, Failure> {
    asked.letters = asked.letters.settled()?;
    match asked.make(&console, &viewer, false).await? {
        Made::Plan(plan, preview) => {
            asked.once = secret::token()?;
            page(&console, &viewer, asked, Some((preview, plan.asked)))
        }
        other => Err(none(&other, &console)),
    }
}

/// `POST /plans`
pub(crate) async fn make(
    State(console): State<Console>,
    viewer: Viewer,
    Form(mut asked): Form<Asked>,
) -> Result<Redirect, Failure> {
    asked.letters = asked.letters.trimmed();
    let Ok(seen) = asked.seen.parse::<u32>() else {
        let what = "A plan is made of what a dry run has shown: run it first. Nothing was done.";
        return Err(Failure::Wrong(what.to_owned()));
    };
    match asked.make(&console, &viewer, true).await? {
        // the second of two clicks gets what the first one made
        Made::Plan(plan, _) | Made::Before(plan) => {
            Ok(Redirect::to(&format!("/plans/{}?seen={seen}", plan.id)))
        }
        other => Err(none(&other, &console)),
    }
}

fn page(
    console: &Console,
    viewer: &Viewer,
    asked: Asked,
    dry: Option<(Preview, String)>,
) -> Result<Html<String>, Failure> {
    let choices = Choices::of(console);
    view::html(&Page { frame: viewer.frame("/plans", "New plan"), asked, choices, dry })
}
