//! How fast HL7 is read: the envelope scan and the full message, beside the crate `hl7-parser`,
//! over the public samples (else over messages made here); and how the time grows with the body.
//!
//!     cargo run --release -p waybill-core --example hl7_rate
//!
//! Absolute figures are this machine's; what can be carried over are the ratios of one run. It
//! decides nothing: no test depends on it.

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use waybill_core::hl7::{Header, Message, NotHl7};

#[path = "../src/hl7/proof/hostile.rs"]
mod hostile;
#[path = "../src/hl7/proof/samples.rs"]
mod samples;

/// How often each message is read in each way; the best time counts, so that what else the machine
/// does meanwhile counts little.
const ROUNDS: usize = 15;

/// A way to read a message, by name; the number keeps the work from being left out.
type Reader = (&'static str, fn(&str) -> usize);

fn main() -> Result<(), Box<dyn Error>> {
    let bodies = bodies()?;
    let bytes: usize = bodies.iter().map(String::len).sum();
    println!("{} messages, {} bytes on average\n", bodies.len(), bytes / bodies.len().max(1));
    let readers: [Reader; 5] = [
        ("envelope scan", |body| envelope(body.as_bytes()).unwrap_or_default()),
        ("envelope scan, identifiers as text", |body| identifiers(body.as_bytes()).unwrap_or_default()),
        ("full message, every subcomponent", |body| full(body.as_bytes()).unwrap_or_default()),
        ("hl7-parser, parse", |body| theirs(body).map_or(0, |message| message.segments.len())),
        ("hl7-parser, parse and walk", |body| theirs(body).map_or(0, |message| walk_theirs(&message))),
    ];
    let rates = rates(&bodies, readers);
    for ((name, _), rate) in readers.iter().zip(rates) {
        println!("{name:36} {rate:>10.0} /s {:>8.2} us", 1e6 / rate);
    }
    let [scan, identifiers, full, parse, walk] = rates;
    println!("\nenvelope scan against their parse      {:>6.1} times", scan / parse);
    println!("the same with identifiers as text      {:>6.1} times", identifiers / parse);
    println!("full against their parse and walk      {:>6.1} times\n", full / walk);
    growth();
    Ok(())
}

/// What acceptance looks at: MSH-3 to 7, 9 to 13, 15, 16, 18; PID-3, MRG-1, PV1-19, SCH-1 and 2.
fn envelope(body: &[u8]) -> Result<usize, NotHl7> {
    let message = Message::parse(body)?;
    let header = Header::read(message, "application/hl7-v2", "utf-8");
    let of_msh: usize =
        [3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 15, 16, 18].map(|n| header.field(n).raw().len()).iter().sum();
    let others = [("PID", 3), ("MRG", 1), ("PV1", 19), ("SCH", 1), ("SCH", 2)];
    Ok(of_msh + others.map(|(segment, n)| message.field(segment, n).raw().len()).iter().sum::<usize>())
}

/// The envelope with what the key and the order are made of decoded.
fn identifiers(body: &[u8]) -> Result<usize, NotHl7> {
    let header = Header::read(Message::parse(body)?, "application/hl7-v2", "utf-8");
    let patient = header.patient_key().map_or(0, |patient| patient.id.len() + patient.authority.len());
    let merged = header.merged_patients().len();
    let visit = header.visit_key().map_or(0, |visit| visit.len());
    let key = [header.sending_application(), header.sending_facility(), header.control_id()];
    Ok(patient + merged + visit + key.iter().map(|part| part.len()).sum::<usize>())
}

/// Every subcomponent of every field, as sent.
fn full(body: &[u8]) -> Result<usize, NotHl7> {
    let mut read = 0;
    for segment in Message::parse(body)?.segments() {
        for field in segment.fields() {
            for repetition in field.repetitions() {
                for component in repetition.components() {
                    for subcomponent in component.subcomponents() {
                        read += 1 + subcomponent.raw().len();
                    }
                }
            }
        }
    }
    Ok(read)
}

fn theirs(body: &str) -> Option<hl7_parser::Message<'_>> {
    hl7_parser::Message::parse_with_lenient_newlines(body, true).ok()
}

fn walk_theirs(message: &hl7_parser::Message<'_>) -> usize {
    let mut read = 0;
    for segment in message.segments() {
        for field in segment.fields() {
            for repetition in field.repeats() {
                for component in repetition.components() {
                    for subcomponent in component.subcomponents() {
                        read += 1 + subcomponent.value.len();
                    }
                }
            }
        }
    }
    read
}

/// Messages in a second, for each way of reading: one after the other, in turns.
fn rates<const N: usize>(bodies: &[String], readers: [Reader; N]) -> [f64; N] {
    let mut best = vec![[Duration::MAX; N]; bodies.len()];
    for _ in 0..ROUNDS {
        for (n, (_, read)) in readers.iter().enumerate() {
            for (body, best) in bodies.iter().zip(&mut best) {
                let begin = Instant::now();
                black_box(read(black_box(body)));
                best[n] = best[n].min(begin.elapsed());
            }
        }
    }
    std::array::from_fn(|n| {
        let all: Duration = best.iter().map(|best| best[n]).sum();
        f64::from(u32::try_from(bodies.len()).unwrap_or(u32::MAX)) / all.as_secs_f64()
    })
}

/// Messages that both read: UTF-8, without what stands before MSH.
fn bodies() -> Result<Vec<String>, Box<dyn Error>> {
    let mut bodies = Vec::new();
    for file in samples::files()? {
        let bytes = std::fs::read(file)?;
        let messages = samples::messages(&bytes).into_iter().filter_map(|one| std::str::from_utf8(one).ok());
        bodies.extend(messages.filter(|one| theirs(one).is_some()).map(str::to_owned));
    }
    if bodies.is_empty() {
        println!("no samples: ../shared/corpus is absent and WAYBILL_CORPUS is not set; made here");
        bodies = (1..=200).map(made).collect();
    }
    Ok(bodies)
}

/// A message of a visit with `n` / 10 observations.
fn made(n: usize) -> String {
    let observation = format!("OBX|1|NM|{n}^Pulse^LN^^^X&1.2.3&ISO||7{n}|/min^per minute|60~100|N|||F\r");
    let visit = format!("PV1|1|O|W^{n}^1|||||||||||||||||V-{n}^^^UC\r");
    let patient =
        format!("PID|1||{n}^^^UC&1.2.3&ISO^MR~9{n}^^^SS||ROE^ANNA^Q||19840912|F|||1 ELM ST^^X^Y^1\r");
    let header = format!("MSH|^~\\&|APP|FAC|R|S|20260310091502-0500||ADT^A04^ADT_A01|{n}|P|2.5.1\r");
    format!("{header}EVN|A04|20260310\r{patient}{visit}{}", observation.repeat(n / 10))
}

/// Times of the envelope scan and of the full walk for a body, twice and four times of it.
fn growth() {
    println!("{:30} {:>26} {:>30}", "", "envelope scan", "full message");
    println!("{:30} {:>26} {:>30}", "ms for 2.5, 5 and 10 MiB of", "", "");
    for shape in hostile::SHAPES {
        let mut times = [Vec::new(), Vec::new()];
        for quarter in [1, 2, 4] {
            let body = hostile::body(shape, quarter * 10 * 1024 * 1024 / 4);
            for (times, read) in times.iter_mut().zip([envelope, full]) {
                times.push(format!("{:8.1}", best_of_three(&body, read).as_secs_f64() * 1e3));
            }
        }
        println!("{:30} {} {}", shape.0, times[0].join(" "), times[1].join(" "));
    }
}

fn best_of_three(body: &[u8], read: fn(&[u8]) -> Result<usize, NotHl7>) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let begin = Instant::now();
        let _ = black_box(read(black_box(body)));
        best = best.min(begin.elapsed());
    }
    best
}
