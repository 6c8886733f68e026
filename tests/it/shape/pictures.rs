//! docs/CONSOLE.md shows the pictures that are kept, all of them and no others.

use std::collections::BTreeSet;

use super::top;

/// What one picture may weigh: they are kept in the repository.
const BYTES_MAX: u64 = 150_000;

#[test]
fn the_consoles_pictures_are_those_that_are_shown() {
    let text = std::fs::read_to_string(top().join("docs/CONSOLE.md")).expect("the page is there");
    let names = text.split("\"screenshots/").skip(1).filter_map(|rest| rest.split('"').next());
    let shown: BTreeSet<String> = names.map(str::to_owned).collect();
    let mut kept = BTreeSet::new();
    for file in std::fs::read_dir(top().join("docs/screenshots")).expect("the folder is there").flatten() {
        let name = file.file_name().into_string().expect("a plain name");
        let bytes = file.metadata().expect("a file").len();
        assert!(bytes < BYTES_MAX, "{name} has {bytes} bytes");
        kept.insert(name);
    }
    assert!(kept.len() > 20, "the pictures are found");
    assert_eq!(shown, kept, "./dev screenshots takes them; docs/CONSOLE.md shows them");
}
