//! How wide each column is, so that a table fits a terminal: ids, numbers and times keep their width, and
//! text shares what is left. Where not even that fits, the rows stand upright, one fact a line.

/// Characters that a single word may have and still never be broken: a SHA-256 in hex has 64.
const WORD_MAX: usize = 64;
/// Characters that text is given at least.
const TEXT_MIN: usize = 16;
/// A column's padding, and with it the line beside it.
const PADDING: usize = 2;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Column {
    /// The characters of its widest cell.
    natural: usize,
    /// The fewest it can do with.
    least: usize,
    /// Whether all it holds are numbers.
    pub(super) is_number: bool,
}

impl Column {
    /// A column with this header and these cells.
    pub(super) fn of<'a>(header: &str, cells: impl Iterator<Item = Option<&'a String>>) -> Self {
        let mut column = Self { natural: length(header), least: 1, is_number: false };
        let (mut numbers, mut others) = (0, 0);
        for cell in cells.flatten().filter(|cell| !cell.is_empty()) {
            column.note(cell);
            *(if is_number(cell) { &mut numbers } else { &mut others }) += 1;
        }
        // a header breaks between words only
        column.least = header.split(' ').map(length).fold(column.least, usize::max);
        column.is_number = numbers > 0 && others == 0;
        column
    }

    fn note(&mut self, cell: &str) {
        let all = length(cell);
        let word = cell.split_whitespace().map(length).max().unwrap_or_default();
        // what is longer is no id of ours: it may break
        let unbroken = if word > WORD_MAX { TEXT_MIN } else { word };
        let least = if word == all { unbroken } else { unbroken.max(TEXT_MIN.min(all)) };
        self.natural = self.natural.max(all);
        self.least = self.least.max(least);
    }
}

/// The width of each column with its padding, so that all fit into `width`; none: they cannot.
pub(super) fn share(columns: &[Column], width: usize) -> Option<Vec<u16>> {
    let frame = columns.len() * (PADDING + 1) + 1;
    let room = width.checked_sub(frame)?;
    let least: usize = columns.iter().map(|column| column.least).sum();
    let mut rest = room.checked_sub(least)?;
    let mut wanted: usize = columns.iter().map(Column::wants).sum();
    let mut widths = Vec::with_capacity(columns.len());
    for column in columns {
        let wants = column.wants();
        let more = if wanted <= rest { wants } else { rest * wants / wanted };
        (rest, wanted) = (rest - more, wanted - wants);
        widths.push(u16::try_from(column.least + more + PADDING).ok()?);
    }
    Some(widths)
}

impl Column {
    const fn wants(&self) -> usize {
        self.natural.saturating_sub(self.least)
    }
}

/// Each row as lines `name  value`, wrapped between words, with an empty line between rows. `paint` colours
/// what stands on one line.
pub(super) fn upright(
    header: &[&str],
    rows: &[Vec<String>],
    width: usize,
    paint: impl Fn(&str, &str) -> Option<String>,
) -> String {
    let is_list = header.iter().any(|name| !name.is_empty());
    let names = header.iter().map(|name| length(name)).max().unwrap_or_default();
    let mut lines = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        if at > 0 && is_list {
            lines.push(String::new());
        }
        let facts: Vec<(&str, &str)> = if is_list {
            header.iter().copied().zip(row.iter().map(String::as_str)).collect()
        } else {
            row.iter().zip(row.iter().skip(1)).map(|(name, value)| (name.as_str(), value.as_str())).collect()
        };
        for (name, value) in facts.into_iter().filter(|(_, value)| !value.is_empty()) {
            let mut fact = wrapped(&format!("{name:names$}  {value}"), width);
            if let ([only], Some(painted)) = (fact.as_mut_slice(), paint(name, value)) {
                *only = format!("{name:names$}  {painted}");
            }
            lines.append(&mut fact);
        }
    }
    lines.join("\n")
}

/// Text in lines of at most `width`, the later ones indented; a longer word has a line to itself.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_inclusive(' ') {
        match lines.last_mut() {
            Some(line) if length(line) + length(word.trim_end()) <= width => line.push_str(word),
            Some(_) => lines.push(format!("  {word}")),
            None => lines.push(word.to_owned()),
        }
    }
    lines.into_iter().map(|line| line.trim_end().to_owned()).collect()
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// A count, a rate, a share: digits and what belongs to them.
fn is_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let text = text.strip_suffix('+').unwrap_or(text);
    text.starts_with(|c: char| c.is_ascii_digit()) && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}
