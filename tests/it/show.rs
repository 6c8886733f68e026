//! `waybill message show --as`: bodies are masked, and shown in clear only with a reason that is
//! written down first.

use serde_json::{Value, json};
use sqlx::Executor as _;

use crate::support::World;
use crate::support::partner::{Partner, acknowledged, id, signature};
use crate::support::programs::run;

const VISIT: &str = "MSH|^~\\&|APP|EAST|WAYBILL|HUB|20260310091500-0500||ADT^A04|CONTROL-7|P|2.5.1\r\
EVN||20260310091500-0500\r\
PID|||MRN-SECRET^^^EAST^MR||SURNAME^FORENAME||19800101\r\
PV1||O|ROOM1||||||||||||||||VISIT-9\r\
BROKEN LINE|\x1b[31mred\r";

/// What of the bodies must not be seen without a reason.
const SECRETS: [&str; 7] =
    ["CONTROL-7", "MRN-SECRET", "SURNAME", "FORENAME", "19800101", "BROKEN", "secret-member"];

/// Runs `waybill message show` with `arguments`: its exit code, what it printed, what it said.
fn show(world: &World, arguments: &[&str]) -> (Option<i32>, Vec<u8>, String) {
    let arguments = [&["message", "show"], arguments].concat();
    let mut settings = world.settings();
    settings.push(("USER".to_owned(), "kim".to_owned()));
    let output = run("waybill", &arguments, &settings);
    (output.status.code(), output.stdout, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// What was shown, which must hold none of the secrets.
fn masked(world: &World, arguments: &[&str]) -> String {
    let (code, shown, said) = show(world, arguments);
    let text = String::from_utf8(shown).unwrap();
    assert_eq!(code, Some(0), "{arguments:?}: {said}");
    for secret in SECRETS {
        assert!(!text.contains(secret) && !said.contains(secret), "{arguments:?}: {secret}");
    }
    text
}

async fn visit(partner: &Partner) -> String {
    acknowledged(&partner.hl7(VISIT).send().await.unwrap())
}

async fn trail(world: &World) -> Vec<Value> {
    let rows = "select jsonb_build_object('actor', actor, 'action', action, 'reason', reason,
                    'subjects', subjects, 'source', source, 'detail', detail)
                from audit where action = 'view body' order by position";
    sqlx::query_scalar(rows).fetch_all(&world.db).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_masked_unless_a_reason_is_given() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let hl7 = visit(&partners["docutap"]).await;
        partners["docutap"].until(&hl7, "processed").await;

        let raw = masked(&world, &[&hl7, "--as", "raw"]);
        assert!(raw.contains("PID|||[10]^^^[4]^[2]||[7]^[8]||[8]"), "{raw}");
        assert!(raw.contains("ADT^A04") && raw.contains(&VISIT.len().to_string()), "{raw}");
        let raw: Value = serde_json::from_str(&masked(&world, &[&hl7, "--as", "raw", "--json"])).unwrap();
        assert_eq!((&raw["masked"], &raw["lines"][4]), (&json!(true), &json!("[11]|[8]")));
        let normal = masked(&world, &[&hl7, "--as", "normalized"]);
        let line = masked(&world, &[&hl7, "--as", "normalized", "--json"]);
        let normal: Value = serde_json::from_str(&normal).unwrap();
        assert_eq!(normal, serde_json::from_str::<Value>(&line).unwrap());
        assert_eq!(line, format!("{normal}\n"), "one line, keys sorted");
        assert_eq!((&normal["masked"], &normal["message"]["trigger"]), (&json!(true), &json!("A04")));
        assert_eq!(normal["patient"]["name"]["family"], "[7]");
        assert_eq!(trail(&world).await, Vec::<Value>::new(), "nothing was revealed");

        let reveal = ["--reveal", " ticket 7 "];
        let (code, body, _) = show(&world, &[&[&*hl7, "--as", "raw"][..], &reveal].concat());
        assert_eq!((code, body.as_slice()), (Some(0), VISIT.as_bytes()), "byte for byte");
        let (_, text, _) =
            show(&world, &[&[&*hl7, "--as", "normalized", "--json", "--actor", "sam"][..], &reveal].concat());
        let normal: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(normal["patient"]["name"], json!({"family": "SURNAME", "given": ["FORENAME"]}));
        assert_eq!(normal["message"]["sent_at"]["utc"], "2026-03-10T14:15:00Z");
        assert_eq!(
            (&normal["message"]["id"], &normal["message"]["source"]),
            (&json!(hl7), &json!("docutap"))
        );
        let act = |actor: &str, form: &str| {
            json!({"actor": actor, "action": "view body", "reason": "ticket 7", "subjects": [hl7],
                   "source": "docutap", "detail": {"form": form}})
        };
        assert_eq!(trail(&world).await, [act("kim", "raw"), act("sam", "normalized")]);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_not_hl7_show_their_size_or_all() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let body = signature("secret-member", "2026-01-31T12:00:00Z", "GG9");
        let json = id(partners["tis"].json("k", body.clone()).send().await.unwrap()).await;
        partners["tis"].until(&json, "processed").await;

        let raw = masked(&world, &[&json, "--as", "raw"]);
        assert!(raw.contains("application/json") && raw.contains(&body.len().to_string()), "{raw}");
        let raw: Value = serde_json::from_str(&masked(&world, &[&json, "--as", "raw", "--json"])).unwrap();
        assert_eq!((&raw["lines"], &raw["bytes"]), (&Value::Null, &json!(body.len())));
        let (code, shown, _) = show(&world, &[&json, "--as", "raw", "--reveal", "ticket 8", "--json"]);
        assert_eq!(code, Some(0));
        assert_eq!(serde_json::from_slice::<Value>(&shown).unwrap()["body"], body);
        let (code, shown, said) = show(&world, &[&json, "--as", "normalized", "--reveal", "ticket 8"]);
        assert_eq!((code, shown.as_slice()), (Some(2), &b""[..]));
        assert!(said.contains("no HL7 message") && said.contains("--as raw"), "{said}");
        assert_eq!(trail(&world).await.len(), 1, "what was refused was not looked at");
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_revealed_without_a_reason_and_a_trail() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let hl7 = visit(&partners["docutap"]).await;
        partners["docutap"].until(&hl7, "processed").await;
        let refused: [&[&str]; 4] = [
            &[&hl7, "--reveal", "ticket 9"],
            &[&hl7, "--as", "raw", "--reveal", "  "],
            &[&hl7, "--as", "raw", "--reveal", "ticket 9", "--actor", ""],
            &[&hl7, "--as", "pdf"],
        ];
        for arguments in refused {
            let (code, shown, _) = show(&world, arguments);
            assert_eq!((code, shown.as_slice()), (Some(2), &b""[..]), "{arguments:?}");
        }
        let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
        assert_eq!(show(&world, &[unknown, "--as", "raw"]).0, Some(3));

        world.db.execute("alter table audit rename to gone").await.unwrap();
        for form in ["raw", "normalized"] {
            let (code, shown, said) = show(&world, &[&hl7, "--as", form, "--reveal", "ticket 9"]);
            assert_eq!((code, shown.as_slice()), (Some(1), &b""[..]), "{form}");
            assert!(said.contains("nothing is shown"), "{said}");
            assert_eq!(show(&world, &[&hl7, "--as", form]).0, Some(0), "masked needs no trail");
        }
        world.db.execute("alter table gone rename to audit").await.unwrap();
        // the balance would miss a body that stays away
        let elsewhere = "update body set id = $2::uuid where id = $1::uuid";
        sqlx::query(elsewhere).bind(&hl7).bind(unknown).execute(&world.db).await.unwrap();
        let (code, _, said) = show(&world, &[&hl7, "--as", "raw", "--reveal", "ticket 9"]);
        sqlx::query(elsewhere).bind(unknown).bind(&hl7).execute(&world.db).await.unwrap();
        assert_eq!(code, Some(3));
        assert!(said.contains("no longer kept"), "{said}");
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_trail_is_only_ever_added_to() {
    World::run(async |world| {
        let detail = json!({});
        let act = waybill_store::audit::Act {
            actor: "kim",
            via: waybill_store::audit::Via::Cli,
            action: "view body",
            reason: "ticket 7",
            subjects: &[],
            source: None,
            detail: &detail,
        };
        world.store.audit(act).await.unwrap();
        for statement in [
            "update audit set reason = 'another'",
            "delete from audit",
            "truncate audit",
            "delete from audit where false",
        ] {
            let refused = world.db.execute(statement).await.unwrap_err();
            let code =
                refused.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned));
            assert_eq!(code.as_deref(), Some("42501"), "{statement}");
        }
        for nothing in
            [waybill_store::audit::Act { reason: "", ..act }, waybill_store::audit::Act { actor: "", ..act }]
        {
            assert!(world.store.audit(nothing).await.is_err());
        }
        world.store.audit(act).await.unwrap();
        assert_eq!(trail(&world).await.len(), 2);
        world
    })
    .await;
}
