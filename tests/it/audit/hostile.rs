//! Text from outside, in everything the command line prints: it never steers the terminal, and keys, which
//! may be about a person, are not shown.

use serde_json::Value;

use crate::support::partner::{id, signature};
use crate::support::programs::run;
use crate::support::{BY, World};

/// Moves the cursor, clears the screen, sets the title, turns text around, hides text.
const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;x\u{7}\r\n\u{9b}31m\u{202e}txt\u{2066}\u{200b}\u{feff}\u{7f}END";

fn steers(text: &str) -> bool {
    let signs = ['\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}'];
    text.chars().any(|c| (c.is_control() && c != '\n') || signs.contains(&c))
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_text_is_inert_in_every_output() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let tis = &partners["tis"];
        let body = signature("m", "2026-01-31T12:00:00Z", "no such version");
        let letter = id(tis.json("k", body).send().await.unwrap()).await;
        tis.until(&letter, "dead").await;
        let plants = [
            "update progress set error_reason = $1 where id = $2::uuid",
            "update attempt set error_reason = $1, worker = $1, warnings = array[$1] where id = $2::uuid",
            "update receipt set idempotency_key = $1, content_type = $1 where id = $2::uuid",
        ];
        for plant in plants {
            sqlx::query(plant).bind(HOSTILE).bind(&letter).execute(&world.db).await.unwrap();
        }
        let detail = serde_json::json!({"x": HOSTILE});
        let act = waybill_store::audit::Act {
            actor: HOSTILE,
            via: waybill_store::audit::Via::Cli,
            action: HOSTILE,
            reason: HOSTILE,
            subjects: &[],
            source: Some(HOSTILE),
            detail: &detail,
        };
        world.store.audit(act).await.unwrap();
        let commands: [&[&str]; 12] = [
            &["message", "show", &letter],
            &["message", "show", &letter, "--as", "raw"],
            &["message", "show", &letter, "--as", "normalized"],
            &["dead", "list"],
            &["dead", "list", "--source", HOSTILE],
            &["source", "list"],
            &["source", "show", "tis"],
            &["source", "show", HOSTILE],
            &["report"],
            &["reconcile"],
            &["audit", "list"],
            &["doctor"],
        ];
        let mut shown = 0;
        for command in commands {
            for form in [&[][..], &["--json"]] {
                let output = run("waybill", &[command, form].concat(), &world.settings());
                let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
                assert!(!text.is_empty() && !steers(&text), "{command:?} {form:?}: {text:?}");
                shown += usize::from(text.contains("END"));
            }
        }
        assert!(shown >= 10, "the text was there to be shown: {shown}");
        let settings = world.settings();
        let json = run("waybill", &["audit", "list", "--json"], &settings).stdout;
        let json: Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(json[0]["actor"], HOSTILE, "and means the same to a machine");
        let mend = "update receipt set idempotency_key = 'k', content_type = 'application/json'
                    where id = $1::uuid";
        sqlx::query(mend).bind(&letter).execute(&world.db).await.unwrap();
        world.store.discard(&[letter.parse().unwrap()], BY.because("done")).await.unwrap();
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_json_are_masked_unless_revealed() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let tis = &partners["tis"];
        let body = signature("secret-member", "2026-01-31T12:00:00Z", "GG9");
        let id = id(tis.json("MRN-SECRET", body).send().await.unwrap()).await;
        tis.until(&id, "processed").await;
        let settings = world.settings();
        let show = |more: &[&str]| {
            let output =
                run("waybill", &[&["message", "show", &id, "--actor", "kim"], more].concat(), &settings);
            String::from_utf8(output.stdout).unwrap()
        };
        let masked: [&[&str]; 4] = [&[], &["--json"], &["--as", "raw"], &["--as", "raw", "--json"]];
        for more in masked {
            let text = show(more);
            for hidden in ["MRN", "secret-member", "2026-01-31T12", "GG9"] {
                assert!(!text.contains(hidden), "{more:?}: {text}");
            }
            assert!(text.contains(&waybill_core::mask::key("MRN-SECRET")), "{more:?}: {text}");
        }
        let raw: Value = serde_json::from_str(&show(&["--as", "raw", "--json"])).unwrap();
        assert_eq!(raw["json"]["programmeMembershipTisId"], "[13]");
        assert_eq!(raw["json"]["conditionsOfJoining"]["version"], "[3]");
        let clear: Value =
            serde_json::from_str(&show(&["--as", "raw", "--json", "--reveal", "ticket"])).unwrap();
        assert_eq!((&clear["idempotency_key"], &clear["json"]), (&"MRN-SECRET".into(), &Value::Null));
        world
    })
    .await;
}
