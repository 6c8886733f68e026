//! `waybill top`: what it shows is what the ledger, RabbitMQ and the workers say.

use serde_json::Value;

use super::{err, out, waybill};
use crate::support::partner::{id, signature};
use crate::support::{World, until};

async fn top(world: &World, more: &[&str]) -> Value {
    let arguments: Vec<&str> = ["top", "--json", "--every", "1"].iter().chain(more).copied().collect();
    let ran = waybill(world, &arguments).await;
    assert_eq!(ran.status.code(), Some(0), "{}", err(&ran));
    serde_json::from_str(&out(&ran)).unwrap()
}

fn of_source<'a>(frame: &'a Value, name: &str) -> &'a Value {
    frame["ledger"]["sources"].as_array().unwrap().iter().find(|source| source["source"] == name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_counted_by_source_and_queue() {
    World::run(async |mut world| {
        let url = world.ingest(&[]).await;
        let tis = &world.partner("tis", &url);
        for member in ["m1", "m2", "m3"] {
            tis.sign(member, member, "2026-01-31T12:00:00Z").await;
        }
        until("three envelopes in the queue", || async {
            let frame = top(&world, &[]).await;
            let queues = frame["broker"]["queues"].as_array().unwrap().clone();
            let queue = queues.iter().find(|queue| queue["queue"] == "waybill.work.default").unwrap();
            queue["ready"] == 3 && frame["ledger"]["published"] == 3
        })
        .await;
        let frame = top(&world, &[]).await;
        assert_eq!(of_source(&frame, "tis")["unfinished"], 3, "{frame:#}");
        assert_eq!(of_source(&frame, "docutap")["unfinished"], 0);
        assert_eq!(frame["ledger"]["lanes"][0]["backlog"], 3, "{frame:#}");
        assert_eq!((&frame["broker"]["up"], &frame["ledger"]["at_least"]), (&true.into(), &false.into()));

        let worker = world.worker(&[]).await;
        world.until_settled().await;
        let body = signature("m4", "2026-01-31T12:00:00Z", "GG11");
        let dead = id(tis.insist(|| tis.json("bad", body.clone())).await).await;
        tis.until(&dead, "dead").await;
        waybill(&world, &["source", "pause", "docutap"]).await;
        let frame = top(&world, &["--worker-admin-urls", &worker]).await;
        assert_eq!((&frame["ledger"]["dead"], &of_source(&frame, "tis")["dead"]), (&1.into(), &1.into()));
        assert_eq!(of_source(&frame, "tis")["unfinished"], 0);
        assert_eq!(of_source(&frame, "docutap")["paused"], true);
        assert_eq!(frame["processes"][0]["ready"], true, "{frame:#}");
        assert!(frame["ledger"]["processed_per_s"].is_number(), "workers count for themselves: {frame:#}");

        // without a terminal: one frame, and the end
        let ran = waybill(&world, &["top", "--every", "1"]).await;
        let said = out(&ran);
        assert_eq!(ran.status.code(), Some(0));
        assert!(
            said.contains("docutap") && said.contains("paused") && said.contains("RabbitMQ: up"),
            "{said}"
        );
        assert!(!said.contains('\u{1b}'), "{said:?}");
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_answer_is_said_and_the_rest_is_shown() {
    World::run(async |world| {
        let mut settings = world.settings();
        settings.push(("WAYBILL_AMQP_URL".into(), "amqp://kim:pa55word@127.0.0.1:9/none".into()));
        settings.push(("WAYBILL_RABBITMQ_API_URL".into(), String::new()));
        settings.push(("WAYBILL_SERVE_ADMIN_URL".into(), "http://127.0.0.1:9".into()));
        let ran = super::with(settings, &["top", "--json"]).await;
        let frame: Value = serde_json::from_str(&out(&ran)).unwrap();
        assert_eq!((ran.status.code(), &frame["broker"]["up"]), (Some(0), &false.into()), "{frame:#}");
        assert!(frame["broker"]["why"].is_string() && frame["broker"]["queues"][0]["ready"].is_null());
        assert_eq!(frame["processes"][0]["ready"], false);
        assert_eq!(frame["ledger"]["due"], 0);
        world
    })
    .await;
}
