//! The console over real HTTP: who may come in, what they may do, that every page is inert, and that
//! it needs no script.

mod access;
mod browser;
mod commands;
mod figures;
mod find;
mod hostile;
mod hour;
mod live;
mod login;
mod pages;
mod plans;
mod trail;

pub(crate) use browser::Browser;
use waybill_console::{Role, secret};

use crate::support::{BY, World};

/// The password of every user of these tests.
pub(crate) const PASSWORD: &str = "a password of the tests";

/// Adds a user with that password.
pub(crate) async fn user(world: &World, name: &str, role: Role) {
    let hash = secret::hash(PASSWORD).unwrap();
    assert!(world.store.add_console_user(name, &hash, role.as_str(), BY).await.unwrap());
}

/// A browser in which a new user with this role has logged in.
async fn logged_in(world: &World, url: &str, role: Role) -> Browser {
    let name = format!("kim-{}", role.as_str());
    user(world, &name, role).await;
    let browser = Browser::new(url);
    assert_eq!(browser.log_in(&name, PASSWORD).await.status, 303, "{name} logs in");
    browser
}
