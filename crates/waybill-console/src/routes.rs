//! Every route of the console, with what it needs. A route that is not in this table does not exist,
//! and each passes the guard, the answer for what does not exist too.

use axum::Router;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, any, get, post};

use crate::failure::Failure;
use crate::guard::{Gate, guard};
use crate::role::{Need, Role};
use crate::{Console, assets, live, login, pages};

/// One route.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its method.
    pub method: Method,
    /// Its path, as axum writes it.
    pub path: &'static str,
    /// What it needs.
    pub need: Need,
}

type Entry = (&'static str, &'static str, Need, MethodRouter<Console>);

/// The table.
fn table() -> Vec<Entry> {
    const ALL: Need = Need::Nobody;
    const VIEWER: Need = Need::Role(Role::Viewer);
    const OPERATOR: Need = Need::Role(Role::Operator);
    const ADMIN: Need = Need::Role(Role::Admin);
    vec![
        ("GET", "/assets/{name}", ALL, get(assets::serve)),
        ("GET", "/login", ALL, get(login::form)),
        ("POST", "/login", ALL, post(login::log_in)),
        ("POST", "/logout", VIEWER, post(login::log_out)),
        ("GET", "/", VIEWER, get(pages::overview::show)),
        ("GET", "/live", VIEWER, get(live::stream)),
        ("GET", "/dead", VIEWER, get(pages::dead::list)),
        ("POST", "/dead/replay", OPERATOR, post(pages::decide::replay)),
        ("POST", "/dead/discard", OPERATOR, post(pages::decide::discard)),
        ("POST", "/dead/undo", OPERATOR, post(pages::decide::undo)),
        ("GET", "/dead/waits", VIEWER, get(pages::waits::list)),
        ("GET", "/plans", VIEWER, get(pages::plans::list)),
        ("GET", "/plans/new", OPERATOR, get(pages::plan::form)),
        ("POST", "/plans/preview", OPERATOR, post(pages::plan::preview)),
        ("POST", "/plans", OPERATOR, post(pages::plan::make)),
        ("GET", "/plans/{id}", VIEWER, get(pages::plans::show)),
        ("GET", "/plans/{id}/items", VIEWER, get(pages::items::list)),
        ("GET", "/plans/{id}/waits", VIEWER, get(pages::items::waits)),
        ("POST", "/plans/{id}", OPERATOR, post(pages::plans::order)),
        ("GET", "/messages", VIEWER, get(pages::messages::list)),
        ("GET", "/messages/find", VIEWER, get(pages::find::form)),
        ("POST", "/messages/find", VIEWER, post(pages::find::find)),
        ("GET", "/messages/{id}", VIEWER, get(pages::message::show)),
        ("POST", "/messages/{id}/body", OPERATOR, post(pages::message::reveal)),
        ("POST", "/messages/{id}/download", OPERATOR, post(pages::message::download)),
        ("GET", "/sources", VIEWER, get(pages::sources::list)),
        ("GET", "/queues", VIEWER, get(pages::queues::show)),
        ("GET", "/reconciliation", VIEWER, get(pages::reconciliation::show)),
        ("GET", "/audit", VIEWER, get(pages::audit::list)),
        ("GET", "/runbook", VIEWER, get(pages::runbook::show)),
        ("GET", "/users", ADMIN, get(pages::users::list)),
        ("POST", "/users/{name}/logout", ADMIN, post(pages::users::log_out)),
    ]
}

/// Every route, for whoever checks that each holds what it needs.
pub fn all() -> Vec<Route> {
    let method = |name: &str| if name == "POST" { Method::POST } else { Method::GET };
    table().into_iter().map(|(name, path, need, _)| Route { method: method(name), path, need }).collect()
}

/// The router, each route behind the guard.
pub(crate) fn router(console: &Console) -> Router {
    let gate = |need| {
        let gate = Gate { console: console.clone(), need };
        from_fn_with_state(gate, guard)
    };
    let mut router = Router::new();
    for (_, path, need, handler) in table() {
        router = router.route(path, handler.layer(gate(need)));
    }
    let nowhere = any(|| async { Failure::Missing("There is no such page.".to_owned()) });
    router
        .fallback_service(nowhere.layer(gate(Need::Role(Role::Viewer))).with_state(()))
        .with_state(console.clone())
}
