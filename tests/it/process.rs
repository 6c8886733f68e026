//! Processing: retries, permanent failures, panics, hangs, refused effects.

use waybill_core::kinds::conditions_of_joining::{KIND, Signature};
use waybill_core::kinds::{Effect, Input, Kind};
use waybill_core::outcome::{ErrorClass, Outcome};
use waybill_core::source::Format;

use crate::support::partner::{id, signature};
use crate::support::{Partner, World};

/// A kind that does what its messages say.
const OBEDIENT: &[Kind] =
    &[Kind { name: "conditions-of-joining", formats: &[Format::Json], process: obey, ..KIND }];

fn obey(input: &Input<'_>) -> Outcome {
    let order = std::str::from_utf8(input.body).unwrap_or_default();
    let signature = |membership: &str| {
        Outcome::Done(
            vec![Effect::Signature(Signature {
                programme_membership_id: membership.to_owned(),
                signed_at: input.received_at,
                version: "GG9".to_owned(),
            })]
            .into(),
        )
    };
    if order.contains("panic") {
        unreachable!("told to panic")
    } else if order.contains("hang") {
        // far beyond the limit; not for ever, or this test's own runtime could not end
        std::thread::sleep(std::time::Duration::from_secs(5));
        signature("too late")
    } else if order.contains("fail") {
        Outcome::failed(ErrorClass::Internal, "told to fail")
    } else if order.contains("refused-effect") {
        // PostgreSQL takes no NUL in a text
        signature("nul \u{0}")
    } else {
        signature(&input.id.to_string())
    }
}

async fn obedient(world: &mut World) -> Partner {
    let sources = crate::support::world::SOURCES
        .replace("order_by = \"json:/programmeMembershipTisId\"", "order_by = \"none\"")
        .replace("backoff_s = [1]", "backoff_s = [0]\nattempts_max = 3");
    world.apply(&sources).await;
    let url = world.ingest(&[]).await;
    let limits = [("WAYBILL_WORKER__PROCESS_TIMEOUT_S", "1"), ("WAYBILL_WORKER__CLAIM_LEASE_S", "10")];
    world.worker_with(OBEDIENT, &limits).await;
    world.worker_with(OBEDIENT, &limits).await;
    world.serve(&[]).await;
    world.partner("tis", &url)
}

async fn order(tis: &Partner, what: &str) -> String {
    id(tis.json(what, format!("{{\"order\": \"{what}\"}}")).send().await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_panics_hangs_or_fails_is_dead_and_harms_no_other() {
    World::run(async |mut world| {
        let tis = obedient(&mut world).await;
        let cases = [
            ("panic", "internal", 3, "the processor panicked"),
            ("hang", "timeout", 3, "longer than 1 s"),
            ("fail", "internal", 3, "told to fail (attempt 3, the last one)"),
            ("refused-effect", "internal", 3, "its effects were not written"),
        ];
        let mut ids = Vec::new();
        for (case, (what, ..)) in cases.into_iter().enumerate() {
            ids.push(order(&tis, what).await);
            for n in 0..20 {
                order(&tis, &format!("good-{case}-{n}")).await;
            }
        }
        for (id, (what, class, attempts, reason)) in ids.iter().zip(cases) {
            tis.until(id, "dead").await;
            let message = tis.message(id).await;
            assert_eq!(message["error_class"], class, "{what}");
            assert_eq!(message["attempts"], attempts, "{what}");
            assert_eq!(message["attempt_log"].as_array().unwrap().len(), 3, "{what}");
            let said = message["error_reason"].as_str().unwrap();
            assert!(said.contains(reason), "{what}: {said}");
        }
        world.until_settled().await;
        assert_eq!(world.count("select count(*) from witness").await, 80, "every neighbour had its effect");
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permanent_failure_is_dead_at_once() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let tis = &partners["tis"];
        let id =
            id(tis.json("k", signature("m", "2026-01-31T12:00:00Z", "GG11")).send().await.unwrap()).await;
        tis.until(&id, "dead").await;
        let message = tis.message(&id).await;
        assert_eq!(message["attempts"], 1);
        assert_eq!(message["error_class"], "validation");
        assert!(!message.to_string().contains("GG11"), "no value of the message in its reason");
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_without_a_processor_is_dead_with_a_clear_reason() {
    World::run(async |mut world| {
        let url = world.ingest(&[]).await;
        world.worker_with(&[], &[]).await;
        let tis = world.partner("tis", &url);
        let id = tis.sign("k", "m", "2026-01-31T12:00:00Z").await;
        tis.until(&id, "dead").await;
        assert_eq!(tis.message(&id).await["error_class"], "unknown_kind");
        world
    })
    .await;
}
