//! `waybill topology apply|check|render`.

use waybill_broker::api::Api;
use waybill_broker::findings::{Finding, Seen};
use waybill_broker::{Broker, topology};
use waybill_store::Store;

use super::{Ended, progress};
use crate::cli::Output;
use crate::config::Config;
use crate::table;

/// The lanes of every source; the lane `default` even before the first source.
pub(super) async fn lanes(store: &Store) -> anyhow::Result<Vec<String>> {
    let mut lanes = store.lanes().await?;
    lanes.push("default".to_owned());
    lanes.sort_unstable();
    lanes.dedup();
    Ok(lanes)
}

pub(super) async fn apply(store: &Store, config: &Config, output: Output) -> anyhow::Result<Ended> {
    let lanes = lanes(store).await?;
    let link = Broker::new(&config.amqp)?.connect("waybill topology").await?;
    progress::during("declaring the queues", topology::declare(&link, &lanes)).await?;
    link.close().await;
    let queues = topology::queues(&lanes);
    if output.json {
        let names: Vec<&str> = queues.iter().map(|queue| queue.name.as_str()).collect();
        println!("{}", table::json(&serde_json::json!({"declared": names}))?);
        return Ok(Ended::Done);
    }
    for queue in queues {
        println!("{} is declared, bound to {}", queue.name, queue.binding.0);
    }
    Ok(Ended::Done)
}

/// Prints what these lanes need; RabbitMQ is not asked.
pub(super) fn render(config: &Config, mut lanes: Vec<String>, vhost: Option<&str>) -> anyhow::Result<Ended> {
    lanes.sort_unstable();
    lanes.dedup();
    let stated = if config.amqp.url.is_empty() { None } else { Some(Broker::new(&config.amqp)?) };
    let vhost = vhost.or_else(|| stated.as_ref().map(Broker::vhost)).unwrap_or("/");
    println!("{}", table::json(&topology::definitions(&lanes, vhost))?);
    Ok(Ended::Done)
}

pub(super) async fn check(store: &Store, config: &Config, output: Output) -> anyhow::Result<Ended> {
    let lanes = lanes(store).await?;
    let broker = Broker::new(&config.amqp)?;
    let link = broker.connect("waybill topology").await?;
    let mut found = progress::during("comparing the queues", topology::differences(&link, &lanes)).await?;
    link.close().await;
    let api = Api::configured(&config.rabbitmq_api, broker.vhost())?;
    let looked = match &api {
        Some(api) => Some(Seen::read(api).await?.findings(&lanes)),
        None => None,
    };
    for Finding { what, .. } in looked.into_iter().flatten() {
        // what is missing, AMQP has said already
        if !found.contains(&what) {
            found.push(what);
        }
    }
    let api = api.is_some();
    if output.json {
        println!(
            "{}",
            table::json(&serde_json::json!({
                "differences": found, "bindings_and_policies_checked": api,
            }))?
        );
    } else {
        for difference in &found {
            println!("{}", table::plain(difference));
        }
        if found.is_empty() {
            println!("The topology is as it must be.");
        }
        if !api {
            println!("Bindings and policies were not looked at: set rabbitmq_api.url for that.");
        }
    }
    Ok(if found.is_empty() { Ended::Done } else { Ended::Wrong })
}
