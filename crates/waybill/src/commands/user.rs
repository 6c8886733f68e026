//! `waybill user add|list|password|role|disable|sessions|logout`: the console's users. Each change is
//! on the audit trail in the transaction that makes it.

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use serde_json::json;
use waybill_console::{Role, secret};
use waybill_store::audit::By;
use waybill_store::{Store, StoreError};

use super::{Ended, nobody};
use crate::cli::{Output, User, Who};
use crate::table;

/// Sessions that are listed.
const LISTED_MAX: u32 = 1000;
/// Bytes of a password's line.
const LINE_MAX: u64 = 4096;

pub(super) async fn run(store: &Store, command: User, who: &Who) -> anyhow::Result<Ended> {
    match command {
        User::List { output } => return list(store, output).await,
        User::Sessions { output } => return sessions(store, output).await,
        _ => {}
    }
    let Some(actor) = who.acting() else { return Ok(nobody()) };
    change(store, command, By::cli(&actor)).await
}

async fn change(store: &Store, command: User, by: By<'_>) -> anyhow::Result<Ended> {
    match command {
        User::Add { name, role, output } => add(store, &name, role, by, output).await,
        User::Password { name, output } => {
            let done = store.set_console_password(&name, &hash()?, by).await?;
            changed(&name, done, "has another password", output)
        }
        User::Role { name, role, output } => {
            let said = format!("is {} now", role.as_str());
            changed(&name, store.set_console_role(&name, role.as_str(), by).await?, &said, output)
        }
        User::Disable { name, undo: false, output } => {
            let done = store.disable_console_user(&name, by).await?;
            changed(&name, done, "may not log in any more", output)
        }
        User::Disable { name, undo: true, output } => {
            changed(&name, store.enable_console_user(&name, by).await?, "may log in again", output)
        }
        User::Logout { name, output } => {
            let ended = store.close_console_sessions(&name, by).await?;
            if output.json {
                println!("{}", table::json(&json!({"name": name, "sessions_ended": ended}))?);
            } else {
                println!("{ended} session(s) of {} ended.", table::plain(&name));
            }
            Ok(if ended == 0 { Ended::Nothing } else { Ended::Done })
        }
        User::List { output } => list(store, output).await,
        User::Sessions { output } => sessions(store, output).await,
    }
}

async fn add(store: &Store, name: &str, role: Role, by: By<'_>, output: Output) -> anyhow::Result<Ended> {
    match store.add_console_user(name, &hash()?, role.as_str(), by).await {
        Ok(true) if output.json => {
            println!("{}", table::json(&json!({"name": name, "role": role.as_str()}))?);
        }
        Ok(true) => println!("{name} may log in to the console, as {}.", role.as_str()),
        Ok(false) => {
            eprintln!("there is a user {name}: waybill user password|role changes them");
            return Ok(Ended::Usage);
        }
        Err(StoreError::Refused(_)) => {
            eprintln!("{name} is no user's name: small letters, digits, and . _ @ -, at most 63");
            return Ok(Ended::Usage);
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Ended::Done)
}

fn changed(name: &str, was: bool, said: &str, output: Output) -> anyhow::Result<Ended> {
    if !was {
        eprintln!("there is no user {}: waybill user list shows them", table::plain(name));
        return Ok(Ended::Nothing);
    }
    if output.json {
        println!("{}", table::json(&json!({"name": name, "changed": true}))?);
    } else {
        println!("{name} {said}; their sessions have ended.");
    }
    Ok(Ended::Done)
}

/// The hash of a password: typed twice without showing it, or the first line of standard input.
fn hash() -> anyhow::Result<String> {
    let password = if std::io::stdin().is_terminal() {
        let (one, other) = (ask("Password: ")?, ask("The same again: ")?);
        if one != other {
            bail!("the two passwords differ; nothing was changed");
        }
        one
    } else {
        let mut text = String::new();
        std::io::stdin().take(LINE_MAX).read_to_string(&mut text).context("standard input")?;
        text.lines().next().unwrap_or_default().to_owned()
    };
    secret::hash(&password).map_err(|why| anyhow::anyhow!("{why}; nothing was changed"))
}

/// Asks on the terminal, with its echo off.
fn ask(prompt: &str) -> anyhow::Result<String> {
    eprint!("{prompt}");
    std::io::stderr().flush()?;
    echo("-echo").context("the terminal's echo cannot be turned off: give the password on standard input")?;
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    let restored = echo("echo");
    eprintln!();
    read?;
    restored?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn echo(how: &str) -> anyhow::Result<()> {
    let set = Command::new("stty").arg(how).stdin(Stdio::inherit()).stdout(Stdio::null()).status()?;
    if set.success() { Ok(()) } else { bail!("stty {how} failed") }
}

async fn list(store: &Store, output: Output) -> anyhow::Result<Ended> {
    let users = store.console_users().await?;
    if output.json {
        println!("{}", table::json(&users)?);
    } else {
        let rows = users.iter().map(|user| {
            let seen = user.seen_at.map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
            vec![
                user.name.clone(),
                user.role.clone(),
                if user.disabled { "no" } else { "yes" }.to_owned(),
                user.sessions.to_string(),
                seen.unwrap_or_default(),
            ]
        });
        println!("{}", table::table(&["user", "role", "may log in", "sessions", "last seen"], rows));
    }
    Ok(if users.is_empty() { Ended::Nothing } else { Ended::Done })
}

async fn sessions(store: &Store, output: Output) -> anyhow::Result<Ended> {
    let sessions = store.console_sessions(LISTED_MAX).await?;
    if output.json {
        println!("{}", table::json(&sessions)?);
    } else {
        let rows = sessions.iter().map(|session| {
            let times = [session.created_at, session.seen_at, session.expires_at];
            let times = times.map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
            [session.name.clone(), session.session.clone(), session.address.clone()]
                .into_iter()
                .chain(times)
                .collect()
        });
        println!("{}", table::table(&["user", "session", "from", "opened", "last used", "ends"], rows));
    }
    Ok(if sessions.is_empty() { Ended::Nothing } else { Ended::Done })
}
