//! What needs no ledger: the configuration, completions, the manual, the rendered topology.

use std::process::Command;

use serde_json::Value;

use super::{commands, err, out, waybill, with};
use crate::support::{World, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_is_printed_with_what_set_it_and_can_be_read_again() {
    let folder = std::env::temp_dir().join(format!("waybill-cli-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("waybill.toml");
    std::fs::write(&file, "[relay]\nwindow_max = 7\n[auth]\npepper = \"0123456789abcdef0123456789abcdef\"\n")
        .unwrap();
    let path = file.to_str().unwrap();
    let settings = vec![
        ("WAYBILL_RELAY__LEASE_S".to_owned(), "44".to_owned()),
        ("WAYBILL_DATABASE_URL".to_owned(), "postgres://kim:pa55word@db:5432/waybill".to_owned()),
    ];
    let printed = out(&with(settings.clone(), &["--config", path, "config", "print"]).await);
    for line in [
        "window_max = 7  # the configuration file",
        "lease_s = 44  # WAYBILL_RELAY__LEASE_S",
        "url = \"postgres://kim:***@db:5432/waybill\"  # WAYBILL_DATABASE_URL",
        "pepper = \"***\"  # the configuration file",
        "heartbeat_s = 10\n",
    ] {
        assert!(printed.contains(line), "{line} is missing from:\n{printed}");
    }
    let document: Value =
        serde_json::from_str(&out(&with(settings, &["--config", path, "config", "print", "--json"]).await))
            .unwrap();
    assert_eq!((&document["relay"]["window_max"], &document["relay"]["lease_s"]), (&7.into(), &44.into()));

    // what is printed is a configuration: every key is known and of its type
    let again = folder.join("again.toml");
    std::fs::write(&again, printed.replace("\"***\"", "\"\"")).unwrap();
    let ran = with(Vec::new(), &["--config", again.to_str().unwrap(), "config", "print"]).await;
    assert_eq!(ran.status.code(), Some(0), "{}", err(&ran));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn bash_completes_commands_and_no_hidden_argument_is_offered() {
    for shell in ["bash", "zsh", "fish"] {
        let script = out(&with(Vec::new(), &["completions", shell]).await);
        assert!(script.contains("reveal") && script.contains("timeline"), "{shell}: {script}");
        assert!(
            !script.contains("named-actor") && !script.contains("shell-user"),
            "{shell}: hidden arguments"
        );
    }
    // too long for an argument
    let file = std::env::temp_dir().join(format!("waybill-completions-{}", std::process::id()));
    std::fs::write(&file, out(&with(Vec::new(), &["completions", "bash"]).await)).unwrap();
    let asked = "source \"$0\"; COMP_WORDS=(waybill dead ''); COMP_CWORD=2; _waybill waybill '' dead; \
                 echo \"${COMPREPLY[@]}\"";
    let answered = Command::new("bash").args(["-c", asked]).arg(&file).output().expect("bash runs");
    std::fs::remove_file(&file).unwrap();
    let offered = String::from_utf8_lossy(&answered.stdout).into_owned();
    for word in ["groups", "list", "replay", "discard"] {
        assert!(offered.split_whitespace().any(|one| one == word), "{word}: {offered}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manual_has_a_page_for_every_command_with_its_examples() {
    let folder = std::env::temp_dir().join(format!("waybill-man-{}", std::process::id()));
    let ran = with(Vec::new(), &["man", "--out", folder.to_str().unwrap()]).await;
    assert_eq!(ran.status.code(), Some(0), "{}", err(&ran));
    for path in commands() {
        let page = folder.join(format!("waybill-{}.1", path.replace(' ', "-")));
        let text = std::fs::read_to_string(&page).unwrap_or_else(|_| panic!("{} is missing", page.display()));
        assert!(text.contains(".SH EXAMPLES") && text.contains("waybill"), "{path}: {text}");
        assert!(!text.contains("named-actor") && !text.contains("shell-user"), "{path}: hidden arguments");
    }
    std::fs::remove_dir_all(&folder).unwrap();
    let one = out(&with(Vec::new(), &["man", "dead", "replay"]).await);
    assert!(one.contains("waybill\\-dead\\-replay"), "{one}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rendered_topology_is_the_one_that_is_declared() {
    World::run(async |world| {
        let rendered = out(&waybill(&world, &["topology", "render"]).await);
        let definitions: Value = serde_json::from_str(&rendered).unwrap();
        assert_eq!(definitions["queues"][0]["vhost"], world.name.as_str(), "{rendered}");
        // a stranger's virtual host, without asking anybody
        let offline =
            with(Vec::new(), &["topology", "render", "--lane", "slow", "--vhost", "elsewhere"]).await;
        let offline: Value = serde_json::from_str(&out(&offline)).unwrap();
        assert_eq!(offline["bindings"][0]["routing_key"], "slow");
        assert_eq!(offline["queues"][0]["vhost"], "elsewhere");

        // RabbitMQ imports it into a virtual host of which a queue is gone, and nothing differs
        let link = format!("{}/api/queues/{}/waybill.work.default", world.services.api_url, world.name);
        assert!(world.http.delete(link).send().await.unwrap().status().is_success());
        let check = || async { waybill(&world, &["topology", "check"]).await.status.code() };
        assert_eq!(check().await, Some(1), "a queue is missing");
        let import = world.http.post(format!("{}/api/definitions", world.services.api_url));
        let imported = import.header("content-type", "application/json").body(rendered).send().await.unwrap();
        assert!(imported.status().is_success(), "{}", imported.text().await.unwrap());
        until("the imported topology to be right", || async { check().await == Some(0) }).await;
        world
    })
    .await;
}
