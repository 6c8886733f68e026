//! `waybill apply -f FILE`: prints the difference, then makes it so.
//!
//! A new source's first key is shown here, once. The lanes of the file must have their queues:
//! they are declared first, so that nobody is accepted into a lane that leads nowhere.

use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;
use waybill_broker::{Broker, topology};
use waybill_store::Store;
use waybill_store::audit::By;
use waybill_store::source::{Difference, Key, compare};

use super::source::new_key;
use super::{Ended, nobody, progress};
use crate::cli::{Output, Who};
use crate::config::Config;
use crate::table;

#[derive(Serialize)]
struct Created {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

#[derive(Serialize)]
struct Applied {
    created: Vec<Created>,
    changed: Vec<String>,
    disabled: Vec<String>,
}

pub(super) async fn run(
    store: &Store,
    config: &Config,
    file: &Path,
    dry_run: bool,
    who: &Who,
    output: Output,
) -> anyhow::Result<Ended> {
    let Some(actor) = who.acting() else { return Ok(nobody()) };
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let wanted = waybill_core::source::read(&text).map_err(|mistakes| {
        anyhow::anyhow!("{}: nothing was applied.\n  {}", file.display(), mistakes.join("\n  "))
    })?;
    let difference = compare(&wanted, &store.sources().await?);
    if !output.json {
        print(&difference);
    }
    let mut keys = Vec::new();
    if !dry_run {
        declare_lanes(config, wanted.iter().map(|source| source.lane.clone()).collect()).await?;
        for name in &difference.created {
            keys.push(new_key(config, name)?);
        }
        let stored: Vec<Key> = keys.iter().map(|(stored, _)| stored.clone()).collect();
        let said = format!("applying {} source(s), {} new key(s)", wanted.len(), keys.len());
        progress::during(&said, store.apply(&wanted, &stored, By::cli(&actor))).await?;
    }
    let key_of = |name: &str| {
        let found = keys.iter().find(|(stored, _)| stored.source == name);
        found.map(|(_, key)| key.reveal().to_owned())
    };
    let applied = Applied {
        created: difference
            .created
            .iter()
            .map(|name| Created { key: key_of(name), name: name.clone() })
            .collect(),
        changed: difference.changed,
        disabled: difference.disabled,
    };
    if output.json {
        println!("{}", table::json(&applied)?);
    } else {
        for created in applied.created.iter().filter(|created| created.key.is_some()) {
            println!("key of {}: {}", created.name, created.key.as_deref().unwrap_or_default());
        }
        if applied.created.iter().any(|created| created.key.is_some()) {
            println!("Keys are shown only now; keep them where secrets are kept.");
        }
    }
    Ok(Ended::Done)
}

fn print(difference: &Difference) {
    let lines =
        [("create", &difference.created), ("change", &difference.changed), ("disable", &difference.disabled)];
    for (what, names) in lines {
        for name in names {
            println!("{what} source {name}");
        }
    }
    if difference.is_empty() {
        println!("Nothing to change.");
    }
}

/// Declares the queues of the file's lanes, where RabbitMQ is configured.
async fn declare_lanes(config: &Config, mut lanes: Vec<String>) -> anyhow::Result<()> {
    lanes.sort_unstable();
    lanes.dedup();
    let advice = "the lanes' queues could not be declared, so nothing was applied; set amqp.url \
                  (WAYBILL_AMQP_URL) to a RabbitMQ that answers";
    anyhow::ensure!(!config.amqp.url.is_empty(), advice);
    let link = Broker::new(&config.amqp)?.connect("waybill apply").await.context(advice)?;
    let said = format!("declaring the queues of {} lane(s)", lanes.len());
    progress::during(&said, topology::declare(&link, &lanes)).await.context(advice)?;
    link.close().await;
    Ok(())
}
