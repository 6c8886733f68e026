//! Public sample messages, where they are present: read in place, never copied.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// The files of the sample folder (`$WAYBILL_CORPUS`, else `shared/corpus` beside the project), in
/// the order of their names; none when it is absent.
pub(crate) fn files() -> io::Result<Vec<PathBuf>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let folder = std::env::var_os("WAYBILL_CORPUS").map_or(beside, PathBuf::from);
    let mut found = Vec::new();
    if folder.is_dir() {
        add_files_below(&folder, &mut found)?;
    }
    found.sort();
    Ok(found)
}

fn add_files_below(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            add_files_below(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

/// The messages of a file that may hold several: each begins with MSH at the begin of a line.
pub(crate) fn messages(file: &[u8]) -> Vec<&[u8]> {
    let begins_line =
        |at: usize| at == 0 || file.get(at - 1).is_some_and(|byte| matches!(byte, b'\r' | b'\n' | 0xBF));
    let starts = file.windows(4).enumerate().filter(|(at, window)| {
        begins_line(*at) && window.starts_with(b"MSH") && window.last().is_some_and(u8::is_ascii_punctuation)
    });
    let mut starts: Vec<usize> = starts.map(|(at, _)| at).collect();
    starts.push(file.len());
    starts.windows(2).filter_map(|pair| file.get(*pair.first()?..*pair.last()?)).collect()
}
