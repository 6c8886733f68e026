//! What the partners have to say: two feeds, made by seed, that any order but the right one spoils.
//!
//! Signed forms (JSON, ordered by membership), each newer than the one before: one that is
//! processed out of turn has no effect at all, or a later one has none. Visits (HL7, ordered by
//! patient) with merges that share the keys of two patients. Now and then a form of a version that
//! nobody knows, which is to end as a dead letter and hold its key. The source `letters` is silent until
//! a fault needs many dead letters (`letters.rs`). All persons are invented.

use uuid::Uuid;

use crate::random::Random;

/// What is to become of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Processed, with one effect, on this.
    Effect(String),
    /// Dead: nobody can process it.
    Dead,
    /// Held behind a dead letter.
    Held,
    /// Discarded: an operator's edit gave its place to this message, which has one effect, on this.
    Replaced(Uuid, String),
}

/// A message before it is sent.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Its source.
    pub source: &'static str,
    /// The idempotency key that the sender gives; HL7 carries its own.
    pub key: String,
    /// The body, byte for byte.
    pub body: String,
    /// Its ordering keys.
    pub ordering: Vec<String>,
    /// What is to become of it.
    pub expected: Expected,
}

/// The sources, as `waybill apply` reads them.
pub const SOURCES: &str = r#"
[[source]]
name = "forms"
format = "json"
kind = "conditions-of-joining"
order_by = "json:/programmeMembershipTisId"
on_dead = "hold"
rate_per_s = 0
backoff_s = [1]
deadline_s = 600

[[source]]
name = "visits"
format = "hl7v2"
kind = "visit"
order_by = "patient"
on_dead = "hold"
rate_per_s = 0
backoff_s = [1]
deadline_s = 600

[[source]]
name = "letters"
format = "hl7v2"
kind = "visit"
order_by = "patient"
on_dead = "hold"
rate_per_s = 0
backoff_s = [1]
deadline_s = 600
"#;

/// Memberships each sender has.
const MEMBERSHIPS: usize = 6;
/// Messages that tell of two patients before the next two come.
const SCENES: usize = 7;

/// One sender's messages, in the order in which it sends them.
#[derive(Debug)]
pub struct Script {
    sender: usize,
    random: Random,
    n: usize,
    forms: [usize; MEMBERSHIPS],
    scene: usize,
    spoilt: usize,
}

impl Script {
    /// The script of `sender`.
    pub const fn new(sender: usize, seed: u64) -> Self {
        let random = Random::new(seed.wrapping_mul(1_000_003).wrapping_add(sender as u64));
        Self { sender, random, n: 0, forms: [0; MEMBERSHIPS], scene: 0, spoilt: 0 }
    }

    /// Whether a repeat of a message that was answered already is to be sent.
    pub fn repeats(&mut self) -> bool {
        self.random.one_in(20)
    }

    /// The next message.
    pub fn say(&mut self) -> Draft {
        self.n += 1;
        match self.random.below(20) {
            0 if self.spoilt < 4 => self.spoilt_form(),
            0..=9 => self.form(),
            _ => self.visit(),
        }
    }

    fn form(&mut self) -> Draft {
        let which = self.random.below(MEMBERSHIPS);
        self.forms[which] += 1;
        let membership = format!("m{}-{which}", self.sender);
        let body = form(&membership, self.forms[which], "GG10");
        self.draft("forms", body, vec![membership.clone()], Expected::Effect(format!("form {membership}")))
    }

    /// A good form, then one of an unknown version, then two that must wait behind it.
    fn spoilt_form(&mut self) -> Draft {
        self.spoilt += 1;
        let membership = format!("spoilt{}", self.sender);
        let (version, expected) = match self.spoilt {
            1 => ("GG10", Expected::Effect(format!("form {membership}"))),
            2 => ("GG77", Expected::Dead),
            _ => ("GG10", Expected::Held),
        };
        let body = form(&membership, self.spoilt, version);
        self.draft("forms", body, vec![membership], expected)
    }

    /// Two patients, a visit each; then they turn out to be one.
    fn visit(&mut self) -> Draft {
        let (scene, pair) = (self.scene % SCENES, self.scene / SCENES);
        self.scene += 1;
        let (a, b) = (format!("A{}-{pair}", self.sender), format!("B{}-{pair}", self.sender));
        let (trigger, patient, of) = [
            ("A04", &a, &a),
            ("A04", &b, &b),
            ("A08", &a, &a),
            ("A08", &b, &b),
            ("A40", &b, &a),
            ("A08", &b, &a),
            ("A03", &b, &b),
        ][scene];
        let ordering = if trigger == "A40" { vec![b.clone(), a.clone()] } else { vec![patient.clone()] };
        let control_id = format!("C{}-{}", self.sender, self.n);
        let body = hl7(trigger, &control_id, patient, of);
        self.draft("visits", body, ordering, Expected::Effect(format!("visit V{of}")))
    }

    fn draft(&self, source: &'static str, body: String, ordering: Vec<String>, expected: Expected) -> Draft {
        Draft { source, key: format!("s{}-{}", self.sender, self.n), body, ordering, expected }
    }
}

fn form(membership: &str, n: usize, version: &str) -> String {
    let (hour, minute, second) = (n / 3600, n / 60 % 60, n % 60);
    format!(
        r#"{{"programmeMembershipTisId":"{membership}","conditionsOfJoining":{{"signedAt":"2026-02-03T{hour:02}:{minute:02}:{second:02}Z","version":"{version}","syncedAt":null}}}}"#
    )
}

/// An event of the visit that began as patient `of`'s; a merge names that patient as the prior one.
pub(crate) fn hl7(trigger: &str, control_id: &str, patient: &str, of: &str) -> String {
    let head = format!(
        "MSH|^~\\&|DRILL|EAST|WAYBILL|HUB|20260310091500-0500||ADT^{trigger}|{control_id}|P|2.5.1\r\
         EVN||20260310091500-0500\r\
         PID|||{patient}^^^EAST^MR||DRILL^PAT||19800101\r"
    );
    match trigger {
        "A40" => format!("{head}MRG|{of}^^^EAST^MR\r"),
        _ => format!("{head}PV1||O|ROOM1||||||||||||||||V{of}\r"),
    }
}
