//! `waybill user`: passwords by standard input, changes on the audit trail.

use serde_json::Value;

use super::{Browser, PASSWORD};
use crate::support::World;
use crate::support::programs;

/// Runs `waybill user` with `typed` on standard input: its exit code and what it printed.
fn run(world: &World, arguments: &[&str], typed: &str) -> (Option<i32>, String) {
    let mut settings = world.settings();
    settings.push(("USER".to_owned(), "root".to_owned()));
    programs::typed("waybill", &[&["user"], arguments].concat(), &settings, typed)
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_made_changed_and_let_go_on_the_command_line() {
    World::run(async |mut world| {
        let url = world.console(&[]).await;
        let typed = format!("{PASSWORD}\n");
        let (code, said) = run(&world, &["add", "kim", "--role", "operator"], "short\n");
        assert!(code == Some(1) && said.contains("at least 12"), "{said}");
        assert_eq!(run(&world, &["add", "Not A Name"], &typed).0, Some(2));
        assert_eq!(run(&world, &["add", "kim", "--role", "king"], &typed).0, Some(2));
        let (code, said) = run(&world, &["add", "kim", "--role", "operator"], &typed);
        assert_eq!(code, Some(0), "{said}");
        assert!(!said.contains(PASSWORD));
        assert_eq!(run(&world, &["add", "kim"], &typed).0, Some(2), "there is one");
        let browser = Browser::new(&url);
        assert_eq!(browser.log_in("kim", PASSWORD).await.status, 303);
        let (_, users) = run(&world, &["list", "--json"], "");
        let users: Value = serde_json::from_str(&users).unwrap();
        assert_eq!(
            (&users[0]["name"], &users[0]["role"], &users[0]["sessions"]),
            (&"kim".into(), &"operator".into(), &1.into())
        );
        assert!(!users.to_string().contains("argon2"));
        let (_, sessions) = run(&world, &["sessions", "--json"], "");
        assert_eq!(serde_json::from_str::<Value>(&sessions).unwrap()[0]["address"], "127.0.0.1");
        assert_eq!(run(&world, &["logout", "kim"], "").0, Some(0));
        assert_eq!(browser.get("/").await.status, 303);
        assert_eq!(run(&world, &["password", "kim"], "another password\n").0, Some(0));
        assert_eq!(browser.log_in("kim", PASSWORD).await.status, 401);
        assert_eq!(browser.log_in("kim", "another password").await.status, 303);
        assert_eq!(run(&world, &["role", "kim", "viewer"], "").0, Some(0));
        assert_eq!(run(&world, &["disable", "kim"], "").0, Some(0));
        assert_eq!(browser.log_in("kim", "another password").await.status, 401);
        assert_eq!(run(&world, &["disable", "kim", "--undo"], "").0, Some(0));
        assert_eq!(browser.log_in("kim", "another password").await.status, 303);
        assert_eq!(run(&world, &["role", "nobody", "viewer"], "").0, Some(3));
        let acts: Vec<String> =
            sqlx::query_scalar("select action from audit where actor = 'root' order by id")
                .fetch_all(&world.db)
                .await
                .unwrap();
        assert!(
            acts.contains(&"set role".to_owned()) && acts.contains(&"disable user".to_owned()),
            "{acts:?}"
        );
        world
    })
    .await;
}
