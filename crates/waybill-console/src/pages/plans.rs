//! `GET /plans` and `/plans/{id}`: replay plans, how far they are, and what became of them; `POST
//! /plans/{id}`: an operator's order. The plans are run by `waybill serve`, never from here.

use askama::Template;
use axum::extract::{Form, Path, Query, State};
use axum::response::{Html, Redirect};
use serde::Deserialize;
use waybill_core::plan::{State as Phase, Verb};
use waybill_store::plan::{By, Moved, Plan, Report};

use super::items::STATES;
use super::{Viewer, reason};
use crate::Console;
use crate::failure::Failure;
use crate::view::{self, Frame};

/// Plans on the page.
const LISTED_MAX: u32 = 100;
/// Up to so many items a plan is held against the ledger whenever its page is read; a larger one only
/// when that is asked for.
const PROVED_MAX: u32 = 20_000;

#[derive(Template)]
#[template(path = "plans.html")]
struct Listed {
    frame: Frame,
    /// In this state alone; empty: in any.
    state: String,
    plans: Vec<Plan>,
}

#[derive(Template)]
#[template(path = "plan.html")]
struct Page {
    frame: Frame,
    plan: Plan,
    report: Option<Report>,
    /// It could be proved, and is too large to do so unasked.
    is_large: bool,
    /// What the dry run counted, where that was another number.
    seen: Option<u32>,
}

impl Page {
    /// The orders that it takes as it is.
    fn verbs(&self) -> Vec<&'static str> {
        let takes = |verb: &Verb| verb.from().contains(&self.plan.state);
        Verb::ALL.into_iter().filter(takes).map(Verb::as_str).collect()
    }

    /// Its items by state: its name in addresses and in words, how many, and what that means.
    fn items(&self) -> [(&'static str, &'static str, u32, &'static str); 6] {
        let items = self.plan.items;
        let ended = matches!(self.plan.state, Phase::Cancelled);
        let waiting = if ended { "never had their turn" } else { "their turn has not come" };
        let counted = [
            (items.recovered, "processed"),
            (items.failed, "dead again"),
            (items.held, "replayed, and held behind a dead letter"),
            (items.skipped, "no longer the dead letters that were looked at"),
            (items.replayed, "replayed, the outcome is not known yet"),
            (items.waiting, waiting),
        ];
        std::array::from_fn(|at| {
            let ((name, words), (count, meaning)) = (STATES[at], counted[at]);
            (name, words, count, meaning)
        })
    }
}

/// How it is to go, in words.
pub(crate) fn policy(plan: &Plan) -> String {
    let policy = plan.policy;
    let canary = match (policy.canary, policy.confirm) {
        (0, _) => "no canary".to_owned(),
        (canary, true) => format!("a canary of {canary}, then it waits for a person"),
        (canary, false) => format!("a canary of {canary}"),
    };
    let past = if plan.canary_passed { " (past)" } else { "" };
    let rate = policy.rate_per_s.map_or_else(
        || "as fast as live traffic leaves room".to_owned(),
        |rate| format!("at most {rate} a second"),
    );
    let share = policy.stop_share * 100.0;
    format!("{canary}{past}; {rate}; stops when more than {share:.0} % fail again")
}

/// What a page asks for beside its plan.
#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    seen: Option<u32>,
    proof: Option<String>,
}

/// An order to a plan.
#[derive(Debug, Deserialize)]
pub(crate) struct Order {
    verb: String,
    reason: String,
}

/// Which plans.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Chosen {
    state: String,
}

pub(crate) async fn list(
    State(console): State<Console>,
    viewer: Viewer,
    Query(chosen): Query<Chosen>,
) -> Result<Html<String>, Failure> {
    let mut plans = console.store().plans(false, LISTED_MAX).await?;
    plans.retain(|plan| chosen.state.is_empty() || plan.state.as_str() == chosen.state);
    view::html(&Listed { frame: viewer.frame("/plans", "Plans"), state: chosen.state, plans })
}

pub(crate) async fn show(
    State(console): State<Console>,
    viewer: Viewer,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Html<String>, Failure> {
    let plan = console.store().plan(read_id(&id)?).await?.ok_or_else(|| unknown(&id))?;
    let is_still = plan.items.replayed == 0 && plan.started_at.is_some() && plan.state != Phase::Running;
    let is_large = is_still && plan.items.all > PROVED_MAX && wanted.proof.is_none();
    let report = if is_still && !is_large { Some(console.store().plan_report(plan.id).await?) } else { None };
    let seen = wanted.seen.filter(|seen| *seen != plan.items.all);
    view::html(&Page { frame: viewer.frame("/plans", &format!("Plan {id}")), plan, report, is_large, seen })
}

pub(crate) async fn order(
    State(console): State<Console>,
    viewer: Viewer,
    Path(id): Path<String>,
    Form(order): Form<Order>,
) -> Result<Redirect, Failure> {
    let known = Verb::ALL.into_iter().find(|verb| verb.as_str() == order.verb);
    let verb = known.ok_or_else(|| Failure::Wrong("A plan takes no such order.".to_owned()))?;
    let by = By { actor: &viewer.visitor.name, via: viewer.via(), reason: reason(&order.reason)? };
    let most = console.bounds().plans_active_max;
    match console.store().move_plan(read_id(&id)?, verb, by, most).await? {
        Moved::Done(plan) => Ok(Redirect::to(&format!("/plans/{}", plan.id))),
        Moved::Not(plan) => Err(Failure::Wrong(format!(
            "Plan {} is {} (by now), which does not take the order {}. Nothing was done.",
            plan.id,
            plan.state.as_str(),
            verb.as_str()
        ))),
        Moved::TooMany(most) => Err(Failure::Wrong(format!(
            "{most} plans run already (plans.active_max). Pause or cancel one first. Nothing was done."
        ))),
        Moved::Unknown => Err(unknown(&id)),
    }
}

pub(super) fn read_id(id: &str) -> Result<i64, Failure> {
    id.parse().map_err(|_| unknown(id))
}

pub(super) fn unknown(id: &str) -> Failure {
    Failure::Missing(format!("There is no plan {} in this ledger.", view::cut(id, 40)))
}
