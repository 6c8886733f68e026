//! A source's keys: new, revoked, imported. A new key is printed once; one that is imported never is.

use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use serde_json::json;
use waybill_core::credential::{ApiKey, ID_BYTES, Pepper, SECRET_BYTES};
use waybill_store::Store;
use waybill_store::audit::By;
use waybill_store::source::Key;
use waybill_store::source_key::Added;

use super::super::Ended;
use super::unknown;
use crate::cli::Changed;
use crate::config::Config;
use crate::table;

/// Bytes of a file that may hold a key.
const FILE_BYTES_MAX: u64 = 4096;
/// The fewest characters of an imported key's secret: a key is checked by a fast hash, so it must not be
/// one that can be guessed.
const SECRET_CHARACTERS_MIN: usize = 32;

/// A new key for the source `name`: as stored, and in the clear.
pub(in crate::commands) fn new_key(config: &Config, name: &str) -> anyhow::Result<(Key, ApiKey)> {
    let mut random = [0; ID_BYTES + SECRET_BYTES];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| anyhow::anyhow!("the system gives no randomness"))?;
    let (mut id, mut secret) = ([0; ID_BYTES], [0; SECRET_BYTES]);
    id.copy_from_slice(&random[..ID_BYTES]);
    secret.copy_from_slice(&random[ID_BYTES..]);
    let key = ApiKey::from_random(id, secret);
    Ok((stored(config, name, &key)?, key))
}

fn stored(config: &Config, name: &str, key: &ApiKey) -> anyhow::Result<Key> {
    let pepper: &Pepper = config.pepper.as_ref().context("auth.pepper is not set")?;
    Ok(Key { id: key.id().to_owned(), source: name.to_owned(), digest: key.digest(pepper).to_vec() })
}

pub(super) async fn rotate(
    store: &Store,
    config: &Config,
    changed: &Changed,
    actor: &str,
) -> anyhow::Result<Ended> {
    let name = &changed.name;
    let (stored, key) = new_key(config, name)?;
    match store.rotate_key(&stored, by(actor, changed)).await? {
        Added::Live => {}
        Added::NoSource => return Ok(unknown(name)),
        Added::IdTaken | Added::AlreadyLive => anyhow::bail!("the new key's id is taken: try again"),
    }
    if changed.output.json {
        println!("{}", table::json(&json!({"name": name, "key": key.reveal()}))?);
    } else {
        println!("key of {name}: {}", key.reveal());
        println!("It is shown only now. The newest older key stays live until the next rotation.");
    }
    Ok(Ended::Done)
}

pub(super) async fn revoke(store: &Store, id: &str, changed: &Changed, actor: &str) -> anyhow::Result<Ended> {
    let name = &changed.name;
    if !store.revoke_key(name, id, by(actor, changed)).await? {
        // not the id: it may be a whole key, given by mistake
        eprintln!("{} has no live key with this id: `waybill source show` lists them", table::plain(name));
        return Ok(Ended::Nothing);
    }
    let live = store.keys_of(name).await?.iter().filter(|key| key.revoked_at.is_none()).count();
    if changed.output.json {
        println!("{}", table::json(&json!({"name": name, "revoked": id, "live": live}))?);
    } else {
        println!("Key {id} of {name} is good no longer, everywhere within 5 s; {live} live.");
    }
    Ok(Ended::Done)
}

pub(super) async fn import(
    store: &Store,
    config: &Config,
    file: &Path,
    changed: &Changed,
    actor: &str,
) -> anyhow::Result<Ended> {
    let name = &changed.name;
    let key = read(file)?;
    match store.import_key(&stored(config, name, &key)?, by(actor, changed)).await? {
        Added::Live | Added::AlreadyLive => {}
        Added::NoSource => return Ok(unknown(name)),
        Added::IdTaken => anyhow::bail!(
            "nothing was changed: another key has the id {}, or this one was revoked; make another one",
            key.id()
        ),
    }
    if changed.output.json {
        println!("{}", table::json(&json!({"name": name, "imported": key.id()}))?);
    } else {
        println!("{name} has the key {}. The newest older key stays live beside it.", key.id());
    }
    Ok(Ended::Done)
}

/// The key in a file. What is wrong with it is said without showing it.
fn read(file: &Path) -> anyhow::Result<ApiKey> {
    let shown = file.display();
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().take(FILE_BYTES_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(file)
            .with_context(|| format!("{shown} cannot be opened"))?
            .take(FILE_BYTES_MAX)
            .read_to_string(&mut text)
    };
    read.map_err(|error| anyhow::anyhow!("{shown} cannot be read: {}", error.kind()))?;
    let form = "letters and digits, as wb_ID_SECRET, and nothing else";
    let key = ApiKey::parse(text.trim()).with_context(|| format!("{shown} holds no key: a key is {form}"))?;
    let secret_characters = key.reveal().len() - key.id().len() - "wb__".len();
    anyhow::ensure!(
        secret_characters >= SECRET_CHARACTERS_MIN,
        "the key in {shown} has a secret of {secret_characters} characters: at least {SECRET_CHARACTERS_MIN} \
         random ones are needed"
    );
    Ok(key)
}

fn by<'a>(actor: &'a str, changed: &'a Changed) -> By<'a> {
    By::cli(actor).because_of(changed.reason.as_deref())
}
