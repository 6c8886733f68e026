//! `waybill source list|rotate-key`.

use waybill_core::credential::{ApiKey, ID_BYTES, SECRET_BYTES};
use waybill_store::Store;
use waybill_store::source::Key;

use super::Ended;
use crate::cli::{Output, Source};
use crate::config::Config;
use crate::table;

pub(super) async fn run(store: &Store, config: &Config, command: Source) -> anyhow::Result<Ended> {
    match command {
        Source::List { output } => list(store, output).await,
        Source::RotateKey { name, output } => rotate_key(store, config, &name, output).await,
    }
}

/// A new key for the source `name`: as stored, and in the clear.
pub(super) fn new_key(config: &Config, name: &str) -> anyhow::Result<(Key, ApiKey)> {
    let pepper = config.pepper.as_ref().ok_or_else(|| anyhow::anyhow!("auth.pepper is not set"))?;
    let mut random = [0; ID_BYTES + SECRET_BYTES];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| anyhow::anyhow!("the system gives no randomness"))?;
    let (mut id, mut secret) = ([0; ID_BYTES], [0; SECRET_BYTES]);
    id.copy_from_slice(&random[..ID_BYTES]);
    secret.copy_from_slice(&random[ID_BYTES..]);
    let key = ApiKey::from_random(id, secret);
    let stored =
        Key { id: key.id().to_owned(), source: name.to_owned(), digest: key.digest(pepper).to_vec() };
    Ok((stored, key))
}

async fn rotate_key(store: &Store, config: &Config, name: &str, output: Output) -> anyhow::Result<Ended> {
    let (stored, key) = new_key(config, name)?;
    if !store.rotate_key(&stored).await? {
        eprintln!("there is no source {name}: `waybill source list` shows them");
        return Ok(Ended::Nothing);
    }
    if output.json {
        println!("{}", table::json(&serde_json::json!({"name": name, "key": key.reveal()}))?);
    } else {
        println!("key of {name}: {}", key.reveal());
        println!("It is shown only now. The newest older key stays live until the next rotation.");
    }
    Ok(Ended::Done)
}

async fn list(store: &Store, output: Output) -> anyhow::Result<Ended> {
    let known = store.sources().await?;
    if output.json {
        let list: Vec<_> =
            known.iter().map(|k| serde_json::json!({"enabled": k.enabled, "source": k.source})).collect();
        println!("{}", table::json(&list)?);
    } else {
        let rows = known.iter().map(|k| {
            let source = &k.source;
            vec![
                source.name.clone(),
                if k.enabled { "yes" } else { "no" }.to_owned(),
                source.kind_label().to_owned(),
                source.lane.clone(),
                String::from(source.order_by.clone()),
            ]
        });
        println!("{}", table::table(&["source", "enabled", "kind", "lane", "order by"], rows));
    }
    Ok(if known.is_empty() { Ended::Nothing } else { Ended::Done })
}
