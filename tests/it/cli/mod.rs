//! The command line as a person, a script and a shell meet it: what fits, what is machine readable, which
//! exit code, and the live view.

mod codes;
mod figures;
mod machines;
mod offline;
mod pages;
mod terminal;

use std::process::Output;

use crate::support::World;
use crate::support::programs::run;

/// Runs `waybill` in this world, in a pipe.
async fn waybill(world: &World, arguments: &[&str]) -> Output {
    with(world.settings(), arguments).await
}

/// Runs `waybill` with these settings, in a pipe.
async fn with(settings: Vec<(String, String)>, arguments: &[&str]) -> Output {
    let arguments: Vec<String> = arguments.iter().map(|one| (*one).to_owned()).collect();
    let ran = tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        run("waybill", &arguments, &settings)
    });
    ran.await.unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Every command that can be run, by its path.
fn commands() -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![(String::new(), waybill::cli::command())];
    while let Some((path, command)) = left.pop() {
        let below: Vec<clap::Command> = command.get_subcommands().cloned().collect();
        if below.is_empty() {
            found.push(path.trim_start().to_owned());
        }
        left.extend(below.into_iter().map(|below| (format!("{path} {}", below.get_name()), below)));
    }
    assert!(found.len() > 40, "the commands are found");
    found
}
