//! What the console is looked at with: a morning on which a release was rolled back too far. The workers did
//! not know the kind of one source any more, so all its messages died; one partner sent something unreadable.
//! Then the right worker was started, and somebody opens the console.

use waybill_console::Role;
use waybill_core::kinds::{Kind, visit};

use super::Chromium;
use crate::console::{PASSWORD, user};
use crate::support::partner::{arrival, hl7, id, signature};
use crate::support::{Partner, World, until};

/// What the worker of the older release knows.
const OLDER: &[Kind] = &[visit::KIND];
/// Dead letters of the one source.
pub(super) const DEAD: usize = 12;
/// Messages that wait behind some of them.
pub(super) const HELD: usize = 3;
/// A browser leaves others little of a small machine: who waits for a connection may wait for long.
const PATIENT: (&str, &str) = ("WAYBILL_DATABASE__ACQUIRE_TIMEOUT_MS", "60000");
/// Looks of the console follow each other closely, so that no test waits for long; its sweeps need not.
const CONSOLE: [(&str, &str); 3] =
    [PATIENT, ("WAYBILL_CONSOLE__SAMPLE_MS", "1000"), ("WAYBILL_SERVE__SWEEP_MS", "1000")];

/// The morning.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) browser: Chromium,
    /// The console's address.
    pub(super) url: String,
    /// One of the dead letters.
    pub(super) dead: String,
    pub(super) tis: Partner,
    pub(super) docutap: Partner,
    pub(super) archive: Partner,
}

impl Scene {
    /// Lets it come about, by real messages.
    pub(super) async fn new(world: &mut World) -> Self {
        let older = world.worker_apart(OLDER, &[PATIENT]).await;
        let ingest = world.ingest(&[PATIENT]).await;
        let [tis, docutap, archive] =
            ["tis", "docutap", "archive"].map(|source| world.partner(source, &ingest));
        let mut dead = Vec::new();
        for n in 0..DEAD {
            dead.push(tis.sign(&format!("2026-{n:04}"), &membership(n), "2026-03-10T07:45:00Z").await);
        }
        for id in &dead {
            tis.until(id, "dead").await;
        }
        older.shut_down().await;
        world.worker(&[PATIENT]).await;
        let url = world.console(&CONSOLE).await;
        for n in 0..HELD {
            tis.sign(&format!("2026-{n:04}-b"), &membership(n), "2026-03-10T08:15:00Z").await;
        }
        for n in 0..8 {
            let visit = arrival(&format!("C-{n}"), &format!("MRN-{n}"), &format!("V-{n}"));
            assert_eq!(docutap.hl7(visit).send().await.unwrap().status(), 200);
        }
        let unreadable = hl7("ADT^A04", "C-8", "MRN-8", "");
        assert_eq!(docutap.hl7(unreadable).send().await.unwrap().status(), 200);
        world.until_settled().await;
        let dead = dead.swap_remove(4);
        Self { browser: Chromium::start().await, url, dead, tis, docutap, archive }
    }

    /// Opens a page of the console.
    pub(super) async fn go(&self, path: &str) {
        self.browser.go(&format!("{}{path}", self.url)).await;
    }

    /// The page that is open, without the console's address.
    pub(super) async fn at(&self) -> String {
        let url = self.browser.url().await;
        url.strip_prefix(&self.url).unwrap_or(&url).to_owned()
    }

    /// Waits until the page at `path` is open.
    pub(super) async fn arrives(&self, path: &str) {
        until(&format!("the page {path}"), || async { self.at().await == path }).await;
    }

    /// A new user with this role logs in, by the form.
    pub(super) async fn log_in(&self, world: &World, role: Role) {
        user(world, "kim", role).await;
        self.go("/login").await;
        self.browser.fill("#name", "kim").await;
        self.browser.fill("#password", PASSWORD).await;
        self.browser.click("#log-in").await;
        self.arrives("/").await;
    }

    /// Posts something that dies for good, whoever processes it; its id.
    pub(super) async fn hopeless(&self, key: &str, membership: &str) -> String {
        let body = signature(membership, "2026-03-10T09:00:00Z", "GG99");
        let message = id(self.tis.json(key, body).send().await.unwrap()).await;
        self.tis.until(&message, "dead").await;
        message
    }
}

fn membership(n: usize) -> String {
    format!("membership-{n}")
}
