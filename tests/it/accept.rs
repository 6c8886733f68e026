//! Accepting: what partners get for what they post, by format.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::support::World;
use crate::support::partner::{acknowledged, arrival, hl7, id, signature};

#[tokio::test(flavor = "multi_thread")]
async fn json_gets_a_receipt_and_is_processed() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let tis = &partners["tis"];
        let body = signature("m-1", "2026-01-31T12:00:00Z", "GG10");
        let response = tis.json("key-1", body.clone()).send().await.unwrap();
        assert_eq!(response.status(), 202);
        assert!(response.headers().contains_key("x-request-id"));
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        let receipt: Value = response.json().await.unwrap();
        assert_eq!(location, format!("/v1/messages/{}", receipt["id"].as_str().unwrap()));
        for (field, expected) in [
            ("source", Value::from("tis")),
            ("kind", "conditions-of-joining".into()),
            ("state", "accepted".into()),
            ("bytes", body.len().into()),
            ("idempotency_key", "key-1".into()),
            ("duplicate", false.into()),
        ] {
            assert_eq!(receipt[field], expected, "{field}");
        }
        assert_eq!(receipt["sha256"].as_str().unwrap().len(), 64);

        let id = receipt["id"].as_str().unwrap();
        tis.until(id, "processed").await;
        let message = tis.message(id).await;
        assert_eq!(message["attempts"], 1);
        assert_eq!(message["received_at"], receipt["received_at"]);
        let story: Vec<_> =
            message["timeline"].as_array().unwrap().iter().map(|e| e["what"].clone()).collect();
        assert_eq!(story.first(), Some(&Value::from("accepted")), "{story:?}");
        assert!(story.contains(&"published".into()), "{story:?}");
        assert_eq!(story.last(), Some(&Value::from("processed")), "{story:?}");
        let found = tis.request(reqwest::Method::GET, "/v1/messages?idempotency_key=key-1").send().await;
        let found: Value = found.unwrap().json().await.unwrap();
        assert_eq!(found["id"].as_str(), Some(id));
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_stored_byte_for_byte() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let odd = b"{ \"a\" : 1.10, \"a\": 12345678901234567890123456789 }\r\n\xc3\xa9".to_vec();
        let every_byte: Vec<u8> = (0..=255).collect();
        let message = arrival("1", "P1", "V1").replace('\r', "\r\n");
        for (source, content_type, body) in [
            ("archive", "text/plain", odd),
            ("archive", "application/octet-stream", every_byte),
            ("archive", "application/octet-stream", Vec::new()),
            ("docutap", "application/hl7-v2", message.into_bytes()),
        ] {
            let post = partners[source].request(reqwest::Method::POST, "/v1/messages");
            let response = post.header("content-type", content_type).body(body.clone()).send().await.unwrap();
            let id = match source {
                "archive" => id(response).await,
                _ => acknowledged(&response),
            };
            let stored: Vec<u8> = sqlx::query_scalar("select body from body where id = $1::uuid")
                .bind(&id)
                .fetch_one(&world.db)
                .await
                .unwrap();
            assert_eq!(stored, body);
            partners[source].until(&id, "processed").await;
        }
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hl7_is_acknowledged_by_the_mode_it_asks_for() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let docutap = &partners["docutap"];
        let original = arrival("A-1", "P1", "V1");
        let with_msh = |from: &str, to: &str| original.replace(from, to);
        for (body, code, stored) in [
            (original.clone(), "AA", true),
            (with_msh("|A-1|P|2.5.1", "|A-2|P|2.5.1|||AL|NE"), "CA", true),
            (with_msh("|A-1|P|2.5.1", "|A-3|X|2.5.1"), "AR", false),
            (with_msh("|A-1|P|2.5.1", "|A-4|P|3.0"), "AR", false),
            (with_msh("|ADT^A04|A-1|", "||A-5|"), "AR", false),
            (with_msh("|A-1|P|", "||P|"), "AE", false),
            (with_msh("|A-1|P|2.5.1", "||P|2.5.1|||AL|NE"), "CE", false),
        ] {
            let response = docutap.hl7(body.clone()).send().await.unwrap();
            assert_eq!(response.status(), 200, "{body}");
            assert_eq!(response.headers()["content-type"], "x-application/hl7-v2+er7");
            assert_eq!(response.headers().contains_key("waybill-message-id"), stored, "{body}");
            let answer = response.text().await.unwrap();
            assert!(answer.starts_with("MSH|^~\\&|WAYBILL|HUB|APP|EAST|"), "addresses are swapped: {answer}");
            assert!(answer.contains(&format!("\rMSA|{code}|")), "{code} expected: {answer}");
            assert_eq!(answer.contains("\rERR|"), !stored, "{answer}");
        }
        let not_hl7 = docutap.hl7("hello, I am no HL7").send().await.unwrap();
        assert_eq!(not_hl7.status(), 400);
        assert_eq!(not_hl7.headers()["content-type"], "application/problem+json");
        assert!(!not_hl7.text().await.unwrap().contains("hello"), "content is never echoed");
        let unhandled = docutap.hl7(hl7("ADT^A31", "A-9", "P1", "")).send().await.unwrap();
        let id = acknowledged(&unhandled);
        docutap.until(&id, "processed").await;
        assert_eq!(docutap.message(&id).await["ignored"], "trigger not handled");
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn problems_are_explained() {
    World::run(async |mut world| {
        let url = world.ingest(&[]).await;
        let tis = world.partner("tis", &url);
        let archive = world.partner("archive", &url);
        let post = |partner: &crate::support::Partner| partner.request(reqwest::Method::POST, "/v1/messages");
        let json = |body: &'static str| post(&tis).header("content-type", "application/json").body(body);
        let bare = || world.http.post(format!("{url}/v1/messages")).body("{}");
        let too_large = vec![b'x'; 65_537];
        let cases = [
            (json("{\"a\": SECRET"), 400, "malformed-body"),
            (json("{} {}"), 400, "malformed-body"),
            (json("{}").header("idempotency-key", ""), 400, "idempotency-key-invalid"),
            (bare(), 401, "unauthorized"),
            (bare().bearer_auth("wb_000000000000_00"), 401, "unauthorized"),
            (bare().basic_auth("archive", Some(&tis.key)), 401, "unauthorized"),
            (post(&archive).bearer_auth("again").body("x"), 401, "unauthorized"),
            (post(&archive).body(too_large), 413, "body-too-large"),
            (json("{}").header("content-encoding", "br"), 415, "unsupported-media-type"),
            (post(&tis).header("content-type", "text/html").body("{}"), 415, "unsupported-media-type"),
            (tis.request(reqwest::Method::GET, "/v1/nothing"), 404, "not-found"),
            (tis.request(reqwest::Method::GET, "/v1/messages/1"), 404, "not-found"),
            (tis.request(reqwest::Method::DELETE, "/v1/messages"), 405, "method-not-allowed"),
        ];
        for (request, status, slug) in cases {
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), status, "{slug}");
            assert_eq!(response.headers()["content-type"], "application/problem+json", "{slug}");
            assert!(response.headers().contains_key("x-request-id"), "{slug}");
            let text = response.text().await.unwrap();
            assert!(!text.contains("SECRET"), "content is never echoed: {text}");
            let problem: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(problem["type"], format!("/problems/{slug}"));
            assert_eq!(problem["status"], status);
            let page = world.http.get(format!("{url}/problems/{slug}")).send().await.unwrap();
            assert_eq!(page.status(), 200, "{slug} is explained");
        }
        assert_eq!(world.count("select count(*) from receipt").await, 0, "nothing was stored");
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn above_its_rate_a_source_is_told_when_to_come_back() {
    World::run(async |mut world| {
        let slow =
            crate::support::world::SOURCES.replace("body_bytes_max = 65536", "rate_per_s = 1\nburst = 3");
        world.apply(&slow).await;
        let url = world.ingest(&[]).await;
        world.worker(&[]).await;
        let archive = world.partner("archive", &url);
        let post = || archive.request(reqwest::Method::POST, "/v1/messages").body("x").send();
        let responses = futures_util::future::join_all((0..10).map(|_| post())).await;
        let (taken, told): (Vec<_>, Vec<_>) =
            responses.into_iter().map(Result::unwrap).partition(|r| r.status() == 202);
        assert!(taken.len() >= 3 && !told.is_empty(), "{} taken", taken.len());
        for response in told {
            assert_eq!(response.status(), 429);
            assert_eq!(response.headers()["retry-after"], "1");
            let problem: Value = response.json().await.unwrap();
            assert_eq!(problem["type"], "/problems/rate-limited");
        }
        world.until_settled().await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_credentials_work_and_messages_of_others_are_not_shown() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let tis = &partners["tis"];
        let basic = tis
            .http
            .post(format!("{}/v1/messages", tis.url))
            .header("authorization", format!("Basic {}", BASE64_STANDARD.encode(format!("tis:{}", tis.key))))
            .header("content-type", "application/json")
            .body(signature("m-1", "2026-01-31T12:00:00Z", "GG9"));
        let response = basic.send().await.unwrap();
        assert_eq!(response.status(), 202);
        let id = id(response).await;
        tis.until(&id, "processed").await;
        let other = partners["skipping"].request(reqwest::Method::GET, &format!("/v1/messages/{id}"));
        assert_eq!(other.send().await.unwrap().status(), 404);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_series_of_the_contract_exist_from_the_start() {
    World::run(async |mut world| {
        world.everything().await;
        let admin = world.serve(&[]).await;
        let expected = [
            "waybill_messages_accepted_total{source=\"tis\"} 0",
            "waybill_messages_duplicate_total{source=\"docutap\"} 0",
            "waybill_messages_refused_total{source=\"tis\",problem=\"malformed-body\"} 0",
            "waybill_publishes_total{result=\"returned\"} 0",
            "waybill_messages_processed_total{source=\"docutap\",kind=\"visit\"} 0",
            "waybill_attempts_total{source=\"docutap\",kind=\"visit\",outcome=\"retry\"} 0",
            "waybill_due_messages 0",
            "waybill_due_oldest_seconds 0",
            "waybill_held_messages 0",
            "waybill_dead_letters{source=\"docutap\",kind=\"visit\",reason=\"validation\"} 0",
            "waybill_overdue_messages{source=\"docutap\"} 0",
            "waybill_source_silent_seconds{source=\"tis\"}",
            "waybill_unaccounted_messages{source=\"tis\"} 0",
            "waybill_queue_ready{queue=\"waybill.work.default\"} 0",
            "waybill_queue_unacked{queue=\"waybill.work.default\"} 0",
            "waybill_queue_consumers{queue=\"waybill.work.default\"}",
            "waybill_queue_idle{queue=\"waybill.work.default\"} 0",
            "waybill_broker_up 1",
            "waybill_broker_alarm{kind=\"memory\"} 0",
            "waybill_broker_blocked 0",
            "waybill_accept_seconds_count 0",
            "waybill_confirm_seconds_count 0",
            "waybill_process_seconds_count 0",
            "waybill_end_to_end_seconds_count 0",
        ];
        crate::support::until("every series to exist", || async {
            let text = world.http.get(format!("{admin}/metrics")).send().await.unwrap().text().await.unwrap();
            expected.iter().all(|series| text.contains(series))
        })
        .await;
        world
    })
    .await;
}
