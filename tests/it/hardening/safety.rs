//! A store that is slow or unsafe: 503 at once and for as long as it lasts, never a false answer.

use futures_util::future::join_all;
use sqlx::{AssertSqlSafe, Executor as _};

use crate::support::{World, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_answer_is_answered_for() {
    World::run(async |mut world| {
        let limits = [("WAYBILL_INGEST__COMMIT_TIMEOUT_MS", "3000"), ("WAYBILL_INGEST__QUEUE_MAX", "20")];
        let url = world.ingest(&limits).await;
        world.worker(&[]).await;
        world.serve(&[]).await;
        let archive = world.partner("archive", &url);
        let post = || archive.request(reqwest::Method::POST, "/v1/messages").body("x").send();
        until("messages to be taken", || async { post().await.unwrap().status() == 202 }).await;

        let mut lock = world.db.begin().await.unwrap();
        lock.execute("lock table receipt in access exclusive mode").await.unwrap();
        let answers = join_all((0..100).map(|_| post())).await;
        let mut problems = Vec::new();
        for answer in answers {
            let answer = answer.unwrap();
            assert_eq!(answer.status(), 503);
            assert!(answer.headers().contains_key("retry-after"));
            let problem: serde_json::Value = answer.json().await.unwrap();
            problems.push(problem["type"].as_str().unwrap().to_owned());
        }
        for expected in ["/problems/overloaded", "/problems/store-unavailable"] {
            assert!(problems.iter().any(|problem| problem == expected), "{problems:?}");
        }
        lock.rollback().await.unwrap();
        until("messages to be taken again", || async { post().await.unwrap().status() == 202 }).await;
        world.until_settled().await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_accepted_while_commits_are_not_kept() {
    World::run(async |mut world| {
        let url = world.ingest(&[]).await;
        world.worker(&[]).await;
        world.serve(&[]).await;
        let archive = world.partner("archive", &url);
        let post = || archive.request(reqwest::Method::POST, "/v1/messages").body("x").send();
        until("messages to be taken", || async { post().await.unwrap().status() == 202 }).await;
        let set = async |what: &str| {
            let statement = format!("alter database {} {what}", world.name);
            world.db.execute(AssertSqlSafe(statement)).await.unwrap();
        };
        set("set synchronous_commit = off").await;
        until("posts to be refused", || async { post().await.unwrap().status() == 503 }).await;
        let refused = post().await.unwrap();
        assert!(refused.headers().contains_key("retry-after"));
        set("reset synchronous_commit").await;
        until("posts to be taken again", || async { post().await.unwrap().status() == 202 }).await;
        world.until_settled().await;
        world
    })
    .await;
}
