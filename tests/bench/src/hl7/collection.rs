//! The messages that are read: sample messages where there are some, else the demo's.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The messages that both read: of the sample folder (`$WAYBILL_CORPUS`, or beside the project), else of
/// the demo. Line ends are made CR, as the standard has them.
pub(super) fn collection() -> anyhow::Result<(&'static str, Vec<String>)> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = here.join("../../../shared/corpus");
    let samples = std::env::var_os("WAYBILL_CORPUS").map_or(beside, PathBuf::from);
    let (name, folder) =
        if samples.is_dir() { ("samples", samples) } else { ("demo", here.join("../fixtures/demo/docutap")) };
    let mut files = Vec::new();
    files_below(&folder, &mut files)?;
    files.sort_unstable();
    let mut messages = Vec::new();
    for file in files {
        let bytes = std::fs::read(&file).with_context(|| file.display().to_string())?;
        let Ok(text) = String::from_utf8(bytes) else { continue };
        messages.extend(split(&text).filter(|message| is_read_by_both(message)));
    }
    anyhow::ensure!(!messages.is_empty(), "{} holds no HL7 message", folder.display());
    Ok((name, messages))
}

fn is_read_by_both(message: &str) -> bool {
    waybill_core::hl7::Message::parse(message.as_bytes()).is_ok()
        && hl7_parser::Message::parse(message).is_ok()
}

/// The messages of a file that may hold several: each begins with MSH at the begin of a line.
fn split(text: &str) -> impl Iterator<Item = String> {
    let mut messages: Vec<String> = Vec::new();
    for line in text.split(['\r', '\n']).filter(|line| !line.is_empty()) {
        if line.starts_with("MSH|") {
            messages.push(String::new());
        }
        if let Some(message) = messages.last_mut() {
            message.push_str(line);
            message.push('\r');
        }
    }
    messages.into_iter()
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            files_below(&path, found)?;
        } else if path.extension().is_some_and(|ending| ending == "hl7" || ending == "out") {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_several_messages_is_split() {
        assert_eq!(split("MSH|a\nPID|1\r\nMSH|b\r").collect::<Vec<_>>(), ["MSH|a\rPID|1\r", "MSH|b\r"]);
    }
}
