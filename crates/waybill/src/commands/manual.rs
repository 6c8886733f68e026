//! `waybill completions` and `waybill man`: the command line described to shells and readers. Needs no
//! configuration and no service.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Context as _;
use clap::Command;
use clap_complete::generate;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use super::Ended;
use crate::cli::{Manual, Shell, command};
use crate::table;

pub(super) fn completions(shell: Shell) -> anyhow::Result<Ended> {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    // made in memory: its writer ends the program when a pipe is closed early
    let mut script = Vec::new();
    generate(shell, &mut visible(&command()), "waybill", &mut script);
    let mut out = io::stdout().lock();
    out.write_all(&script)?;
    out.flush()?;
    Ok(Ended::Done)
}

/// The command line without what its help does not show: arguments that only carry the environment.
fn visible(command: &Command) -> Command {
    // kept until the process ends, which is next: the name of a command must last as long
    let name: &'static str = Box::leak(command.get_name().to_owned().into_boxed_str());
    let shown = Command::new(name)
        .args(command.get_arguments().filter(|argument| !argument.is_hide_set()).cloned())
        .subcommands(command.get_subcommands().map(visible));
    match command.get_about() {
        Some(about) => shown.about(about.clone()),
        None => shown,
    }
}

pub(super) fn manual(manual: &Manual) -> anyhow::Result<Ended> {
    let mut all = command();
    all.build();
    if let Some(folder) = &manual.out {
        std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let pages = write_all(&all, folder)?;
        println!("{pages} pages are in {}.", table::plain(&folder.display().to_string()));
        return Ok(Ended::Done);
    }
    let mut one = &all;
    for word in &manual.command {
        let Some(below) = one.find_subcommand(word) else {
            let asked = table::plain(&manual.command.join(" "));
            eprintln!("there is no command {asked}: waybill --help lists them");
            return Ok(Ended::Usage);
        };
        one = below;
    }
    let mut out = io::stdout().lock();
    page(one, &mut out)?;
    out.flush()?;
    Ok(Ended::Done)
}

/// The page of `command` and of each below it; how many.
fn write_all(command: &Command, folder: &Path) -> anyhow::Result<usize> {
    let name = format!("{}.1", command.get_display_name().unwrap_or_else(|| command.get_name()));
    let path = folder.join(&name);
    let file = File::create(&path).with_context(|| format!("{} cannot be written", path.display()))?;
    let mut out = BufWriter::new(file);
    page(command, &mut out)?;
    out.flush().with_context(|| format!("{} cannot be written", path.display()))?;
    let mut pages = 1;
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        pages += write_all(below, folder)?;
    }
    Ok(pages)
}

/// One page, its examples line by line.
fn page(command: &Command, out: &mut dyn Write) -> io::Result<()> {
    let page = Man::new(command.clone());
    page.render_title(out)?;
    page.render_name_section(out)?;
    page.render_synopsis_section(out)?;
    page.render_description_section(out)?;
    page.render_options_section(out)?;
    if command.get_subcommands().any(|below| below.get_name() != "help") {
        page.render_subcommands_section(out)?;
    }
    if let Some(help) = command.get_after_help() {
        let mut examples = Roff::new();
        examples.control("SH", ["EXAMPLES"]).control("nf", []);
        for line in help.to_string().lines().skip(1) {
            examples.text([roman(line.trim_start())]);
        }
        examples.control("fi", []);
        examples.to_writer(out)?;
    }
    Ok(())
}
