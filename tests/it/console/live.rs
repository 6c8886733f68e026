//! Pages that are open hear of each look, and do not keep the process from stopping.

use std::time::Duration;

use waybill_console::Role;

use super::{Browser, logged_in};
use crate::support::World;

#[tokio::test(flavor = "multi_thread")]
async fn events_come_for_those_who_are_logged_in_until_the_process_stops() {
    World::run(async |mut world| {
        let url = world.console(&[("WAYBILL_CONSOLE__SAMPLE_MS", "500")]).await;
        assert_eq!(Browser::new(&url).get("/live").await.status, 401);
        let browser = logged_in(&world, &url, Role::Viewer).await;
        let mut answer = browser.request(reqwest::Method::GET, "/live").send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let mut heard = String::new();
        while heard.matches("event: look").count() < 2 {
            heard.push_str(std::str::from_utf8(&answer.chunk().await.unwrap().unwrap()).unwrap());
        }
        assert!(heard.lines().all(|line| line.is_empty()
            || line == "event: look"
            || line.strip_prefix("data: ").is_some_and(|data| data.parse::<u64>().is_ok())
            || line.starts_with(':')));
        let rest = tokio::spawn(async move { while let Ok(Some(_)) = answer.chunk().await {} });
        tokio::time::timeout(Duration::from_secs(20), world.stop_all())
            .await
            .expect("an open page holds nothing up");
        rest.await.unwrap();
        world
    })
    .await;
}
