//! Lists that are taken out: on the trail first, with their filter and count; masked; no formulas.

use serde_json::{Value, json};
use sqlx::Executor as _;

use super::acts::dead;
use crate::support::World;
use crate::support::partner::{id, signature};
use crate::support::programs::run;

/// Runs `waybill` as `kim`: its exit code, what it printed, what it said.
fn waybill(world: &World, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut settings = world.settings();
    settings.push(("WAYBILL_ACTOR".to_owned(), "kim".to_owned()));
    let output = run("waybill", arguments, &settings);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The last act on the trail.
async fn last(world: &World) -> Value {
    sqlx::query_scalar("select to_jsonb(audit) from audit order by position desc limit 1")
        .fetch_one(&world.db)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_taken_out_masked_and_on_the_trail() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let [one, two, three] = dead(&world, &partners["tis"]).await;
        let tis = &partners["tis"];
        let body = signature("m9", "2026-01-31T12:00:00Z", "GG10");
        let formula = id(tis.insist(|| tis.json("=cmd()", body.clone())).await).await;
        tis.until(&formula, "processed").await;

        let (code, csv, said) =
            waybill(&world, &["dead", "list", "--source", "tis", "--limit", "2", "--csv", "-"]);
        assert_eq!((code, csv.lines().count()), (Some(0), 3), "{csv}{said}");
        assert!(csv.starts_with("id,source,kind,") && csv.contains(&three), "{csv}");
        let act = last(&world).await;
        assert_eq!((&act["action"], &act["source"]), (&json!("export dead letters"), &json!("tis")));
        assert_eq!((&act["detail"]["count"], &act["detail"]["more"]), (&json!(2), &json!(true)));
        assert_eq!(act["detail"]["filter"]["letters"], "source tis");
        assert!([&one, &two].iter().any(|id| csv.contains(id.as_str())), "{csv}");

        let find = ["message", "find", "--state", "processed", "--csv", "-"];
        let (code, csv, said) = waybill(&world, &find);
        assert_eq!((code, csv.lines().count()), (Some(0), 2), "{csv}{said}");
        assert!(!csv.contains("cmd") && csv.contains(",#"), "a key is masked: {csv}");
        assert_eq!(last(&world).await["detail"]["keys"], false);
        assert_eq!(waybill(&world, &[&find[..], &["--keys"]].concat()).0, Some(2), "in clear for a reason");
        let (_, csv, said) = waybill(&world, &[&find[..], &["--keys", "--reason", "ticket 7"]].concat());
        assert!(csv.contains(",'=cmd(),"), "no formula: {csv}{said}");
        let act = last(&world).await;
        assert_eq!((&act["detail"]["keys"], &act["reason"]), (&json!(true), &json!("ticket 7")));

        let (code, csv, _) = waybill(&world, &["audit", "list", "--actor", "kim", "--csv", "-"]);
        assert_eq!((code, csv.lines().count()), (Some(0), 4), "{csv}");
        assert!(csv.lines().nth(1).unwrap().contains(",kim,cli,,,export messages,"), "{csv}");
        let act = last(&world).await;
        assert_eq!((&act["action"], &act["actor"]), (&json!("export audit"), &json!("kim")));
        assert_eq!(act["detail"]["filter"]["acts"]["actor"], "kim");
        assert_eq!(world.store.prove_audit(None).await.unwrap().broken, None);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_taken_out_that_cannot_be_written_down() {
    World::run(async |world| {
        let file = std::env::temp_dir().join(format!("{}.csv", world.name));
        let path = file.to_str().unwrap();
        let lists: [&[&str]; 2] = [&["dead", "list"], &["message", "find", "--state", "dead"]];
        world.db.execute("alter table audit rename to gone").await.unwrap();
        for list in lists {
            for to in ["-", path] {
                let (code, shown, said) = waybill(&world, &[list, &["--csv", to]].concat());
                assert_eq!((code, shown.as_str()), (Some(1), ""), "{said}");
                assert!(said.contains("nothing is written"), "{said}");
            }
        }
        assert!(!file.exists());
        world.db.execute("alter table gone rename to audit").await.unwrap();
        let (code, ..) = waybill(&world, &["dead", "list", "--csv", path]);
        assert_eq!(code, Some(3), "none");
        assert!(std::fs::read_to_string(&file).unwrap().starts_with("id,source"));
        let (code, _, said) = waybill(&world, &["dead", "list", "--csv", path]);
        assert_eq!(code, Some(1), "nothing is overwritten: {said}");
        assert_eq!(waybill(&world, &["dead", "list", "--csv", "-", "--json"]).0, Some(2));
        std::fs::remove_file(&file).unwrap();
        world
    })
    .await;
}
