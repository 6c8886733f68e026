//! `waybill dead edit`: a corrected body takes the place of a dead letter's. Judges as `ingest-api`
//! does, says what changes (places, never values), and calls one verb.

use std::path::Path;

use anyhow::Context as _;
use serde_json::json;
use uuid::Uuid;
use waybill_core::accept::Acceptable;
use waybill_core::source::Source;
use waybill_core::{correction, difference};
use waybill_store::Store;
use waybill_store::audit::Via;
use waybill_store::edit::{Correction, Editable, Edited};

use super::{Ended, body, nobody};
use crate::cli::{Edit, Who};
use crate::table;

/// What is to be done, judged.
struct Plan {
    source: Source,
    acceptable: Acceptable,
    body: Vec<u8>,
    difference: Vec<u8>,
    places: Vec<String>,
    holds: i64,
    /// Keys that the original did not have.
    other_keys: usize,
}

pub(super) async fn run(store: &Store, arguments: &Edit, who: &Who) -> anyhow::Result<Ended> {
    let Some(actor) = who.acting() else { return Ok(nobody()) };
    let id = arguments.id;
    let Some(letter) = store.editable(id).await? else {
        eprintln!("{id} is no message of this ledger");
        return Ok(Ended::Nothing);
    };
    if letter.state != "dead" {
        eprintln!("{id} is no dead letter: it is {}; nothing was changed", letter.state);
        return Ok(Ended::Nothing);
    }
    let source = body::source(store, &letter.source).await?;
    let corrected = read(&arguments.file, &source)?;
    let plan = match plan(source, &letter, corrected) {
        Ok(plan) => plan,
        Err(why) => {
            eprintln!("nothing was changed: {why}");
            return Ok(Ended::Wrong);
        }
    };
    if !arguments.output.json {
        announce(id, &plan);
    }
    if arguments.dry_run {
        if arguments.output.json {
            let said = json!({"would_replace": id, "changed": plan.places, "other_keys": plan.other_keys});
            println!("{}", table::json(&said)?);
        }
        return Ok(Ended::Done);
    }
    carry_out(store, arguments, &actor, &plan).await
}

/// The file, no further than the source's messages may be long; a byte more shows that it is longer.
fn read(file: &Path, source: &Source) -> anyhow::Result<Vec<u8>> {
    use std::io::Read as _;
    let name = || format!("{} cannot be read", file.display());
    let mut corrected = Vec::new();
    let limit = u64::from(source.body_bytes_max) + 1;
    std::fs::File::open(file)
        .with_context(name)?
        .take(limit)
        .read_to_end(&mut corrected)
        .with_context(name)?;
    Ok(corrected)
}

/// Judges the corrected body; else why it may not be.
fn plan(source: Source, letter: &Editable, corrected: Vec<u8>) -> Result<Plan, String> {
    let Some(old) = &letter.body else {
        return Err("the original's body is no longer kept".to_owned());
    };
    if *old == corrected {
        return Err("the file is the body as it was: waybill dead replay tries it again".to_owned());
    }
    let acceptable = correction::judge(&source, &letter.content_type, &corrected)
        .map_err(|fault| format!("ingest-api would not take the corrected body: {fault}"))?;
    Ok(Plan {
        difference: difference::unified(old, &corrected),
        places: difference::places(source.format, old, &corrected),
        other_keys: acceptable.ordering.iter().filter(|key| !letter.keys.contains(key)).count(),
        holds: letter.holds,
        source,
        acceptable,
        body: corrected,
    })
}

fn announce(id: Uuid, plan: &Plan) {
    println!("Changed in {id} (no values are shown):");
    for place in &plan.places {
        println!("  {}", table::plain(place));
    }
    if plan.holds > 0 {
        println!("{} later messages wait for it, and go on when the corrected one is processed.", plan.holds);
    }
    if plan.other_keys > 0 {
        println!(
            "The corrected body has {} ordering key(s) that the original did not have. It takes the \
             original's place in them too; later messages of those keys may have had effects already.",
            plan.other_keys
        );
    }
}

async fn carry_out(store: &Store, arguments: &Edit, actor: &str, plan: &Plan) -> anyhow::Result<Ended> {
    let (original, id) = (arguments.id, Uuid::now_v7());
    let correction = Correction {
        original,
        id,
        kind: plan.source.kind_label(),
        lane: &plan.source.lane,
        sha256: plan.acceptable.sha256,
        ordering: &plan.acceptable.ordering,
        body: &plan.body,
        difference: &plan.difference,
        actor,
        via: Via::Cli,
        reason: &arguments.reason,
        out_of_order: arguments.out_of_order,
    };
    match store.edit(&correction).await? {
        Edited::Done { released } => {
            if arguments.output.json {
                let said = json!({
                    "id": id, "replaces": original, "changed": plan.places, "released": released,
                });
                println!("{}", table::json(&said)?);
            } else {
                println!("Message {id} replaces {original}, which is discarded; it is due.");
                if !released.is_empty() {
                    println!("{} that waited for keys it no longer has are due.", released.len());
                }
            }
            Ok(Ended::Done)
        }
        Edited::NotDead => {
            eprintln!(
                "{original} is no dead letter any more: somebody decided meanwhile; nothing was changed"
            );
            Ok(Ended::Nothing)
        }
        Edited::OtherKeys => {
            eprintln!(
                "nothing was changed: the corrected body has ordering keys that the original did not \
                 have; --out-of-order says that its effects may come after those of later messages of them"
            );
            Ok(Ended::Wrong)
        }
    }
}
