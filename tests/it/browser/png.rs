//! A picture made small: a screenshot of a page has few colours, so a palette of 256 holds it (PNG, W3C).
//! Reads what Chromium writes and nothing else: 8 bits, with or without alpha, not interlaced.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Colours of a palette.
const COLOURS: usize = 256;

type Colour = [u8; 3];

/// The same picture with at most 256 colours: those it has most of, and for the others the nearest.
pub(super) fn shrink(png: &[u8]) -> Vec<u8> {
    let (width, height, pixels) = read(png);
    let mut counted: HashMap<Colour, usize> = HashMap::new();
    for run in pixels.chunk_by(|a, b| a == b) {
        *counted.entry(run[0]).or_default() += run.len();
    }
    let mut palette: Vec<Colour> = counted.keys().copied().collect();
    palette.sort_by_key(|colour| (std::cmp::Reverse(counted[colour]), *colour));
    palette.truncate(COLOURS);
    let places: HashMap<Colour, u8> =
        counted.into_keys().map(|colour| (colour, nearest(&palette, colour))).collect();
    let mut raw = Vec::with_capacity(pixels.len() + height);
    for row in pixels.chunks_exact(width) {
        raw.push(0); // the row as it is: what suits a palette best
        for run in row.chunk_by(|a, b| a == b) {
            raw.extend(std::iter::repeat_n(places[&run[0]], run.len()));
        }
    }
    write(width, height, &palette, &raw)
}

/// The place of the colour that is nearest to this one.
fn nearest(palette: &[Colour], colour: Colour) -> u8 {
    let apart = |other: &Colour| -> u32 {
        other.iter().zip(colour).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
    };
    let (place, _) = palette.iter().enumerate().min_by_key(|(_, other)| apart(other)).expect("a colour");
    u8::try_from(place).expect("at most 256")
}

/// Width, height and pixels of a picture.
fn read(png: &[u8]) -> (usize, usize, Vec<Colour>) {
    let mut rest = png.strip_prefix(SIGNATURE).expect("a PNG");
    let (mut head, mut packed) = (&[][..], Vec::new());
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let (name, data) = (&after[..4], &after[4..4 + length]);
        match name {
            b"IHDR" => head = data,
            b"IDAT" => packed.extend_from_slice(data),
            _ => {}
        }
        rest = &after[8 + length..];
    }
    let number = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().expect("four bytes")) as usize;
    let (width, height) = (number(0), number(4));
    let depth = match (head[8], head[9], head[12]) {
        (8, 2, 0) => 3,
        (8, 6, 0) => 4,
        other => panic!("a screenshot of another form: {other:?}"),
    };
    let mut raw = Vec::new();
    ZlibDecoder::new(packed.as_slice()).read_to_end(&mut raw).expect("the pixels");
    let pixels = unfiltered(&raw, width * depth, depth);
    assert_eq!(pixels.len(), width * height * depth, "all of its pixels");
    (width, height, pixels.chunks_exact(depth).map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect())
}

/// Undoes the filter of each row (PNG, 9.2).
fn unfiltered(raw: &[u8], stride: usize, depth: usize) -> Vec<u8> {
    let mut above = vec![0; stride];
    let mut all = Vec::with_capacity(raw.len());
    for line in raw.chunks_exact(stride + 1) {
        let (filter, mut row) = (line[0], line[1..].to_vec());
        for at in 0..stride {
            let left = if at < depth { 0 } else { row[at - depth] };
            let corner = if at < depth { 0 } else { above[at - depth] };
            let guess = match filter {
                0 => 0,
                1 => left,
                2 => above[at],
                3 => u8::midpoint(left, above[at]),
                4 => paeth(left, above[at], corner),
                other => panic!("filter {other}"),
            };
            row[at] = row[at].wrapping_add(guess);
        }
        all.extend_from_slice(&row);
        above = row;
    }
    all
}

/// The neighbour that is nearest to where the three of them point (PNG, 9.4).
fn paeth(left: u8, above: u8, corner: u8) -> u8 {
    let point = i16::from(left) + i16::from(above) - i16::from(corner);
    [left, above, corner].into_iter().min_by_key(|one| (point - i16::from(*one)).abs()).unwrap_or_default()
}

fn write(width: usize, height: usize, palette: &[Colour], raw: &[u8]) -> Vec<u8> {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    packed.write_all(raw).expect("memory takes it");
    let size = |of: usize| u32::try_from(of).expect("a picture's size").to_be_bytes();
    let mut png = SIGNATURE.to_vec();
    chunk(&mut png, b"IHDR", &[&size(width)[..], &size(height), &[8, 3, 0, 0, 0]].concat());
    chunk(&mut png, b"PLTE", &palette.concat());
    chunk(&mut png, b"IDAT", &packed.finish().expect("memory takes it"));
    chunk(&mut png, b"IEND", &[]);
    png
}

fn chunk(png: &mut Vec<u8>, name: &[u8], data: &[u8]) {
    png.extend(u32::try_from(data.len()).expect("a chunk's size").to_be_bytes());
    let mut sum = flate2::Crc::new();
    sum.update(name);
    sum.update(data);
    png.extend_from_slice(name);
    png.extend_from_slice(data);
    png.extend(sum.sum().to_be_bytes());
}

/// A picture in full colour whose rows are filtered so, as Chromium may filter them.
fn filtered(filter: u8, width: usize, pixels: &[Colour]) -> Vec<u8> {
    let rows: Vec<Vec<u8>> = pixels.chunks_exact(width).map(<[Colour]>::concat).collect();
    let mut raw = Vec::new();
    for (n, row) in rows.iter().enumerate() {
        raw.push(filter);
        for at in 0..row.len() {
            let left = if at < 3 { 0 } else { row[at - 3] };
            let (above, corner) = match n.checked_sub(1).map(|n| &rows[n]) {
                None => (0, 0),
                Some(above) => (above[at], if at < 3 { 0 } else { above[at - 3] }),
            };
            let guess = [0, left, above, u8::midpoint(left, above), paeth(left, above, corner)];
            raw.push(row[at].wrapping_sub(guess[usize::from(filter)]));
        }
    }
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&raw).unwrap();
    let size = |of: usize| u32::try_from(of).unwrap().to_be_bytes();
    let mut png = SIGNATURE.to_vec();
    chunk(&mut png, b"IHDR", &[&size(width)[..], &size(pixels.len() / width), &[8, 2, 0, 0, 0]].concat());
    chunk(&mut png, b"IDAT", &packed.finish().unwrap());
    png
}

#[test]
fn a_picture_is_read_whatever_its_filters_and_keeps_its_colours() {
    let pixels: Vec<Colour> = (0..=255).map(|n: u8| [n, n.wrapping_mul(7), 255 - n / 3]).collect();
    let mut small = Vec::new();
    for filter in 0..=4 {
        let png = filtered(filter, 16, &pixels);
        assert_eq!(read(&png), (16, 16, pixels.clone()), "filter {filter}");
        small.push(shrink(&png));
    }
    assert!(small.iter().all(|other| *other == small[0]), "the same picture, whatever the filter was");
    let more: Vec<Colour> = [vec![[9, 9, 9]; 800], pixels[..224].to_vec(), vec![[9, 9, 10]; 1]].concat();
    let mut palette = pixels[..224].to_vec();
    palette.insert(0, [9, 9, 9]);
    assert_eq!(nearest(&palette, *more.last().unwrap()), 0, "the nearest takes another's place");
}
