//! Which values are findable, and that both sides of a search meet.

use chrono::DateTime;
use uuid::Uuid;

use super::{BlindIndex, Facet, Named, VALUES_MAX, values};
use crate::credential::Pepper;
use crate::kinds::Input;
use crate::source::{Source, read};

fn index(pepper: &str) -> BlindIndex {
    let pepper = Pepper::new(pepper).unwrap_or_else(|| unreachable!("long enough"));
    BlindIndex::new(&pepper).unwrap_or_else(|| unreachable!("a key"))
}

fn source(format: &str, rest: &str) -> Source {
    read(&format!("[[source]]\nname = \"a\"\nformat = \"{format}\"\n{rest}")).unwrap().remove(0)
}

/// The values of `body`, each as `facet value@authority`.
fn found(source: &Source, content_type: &str, body: &[u8]) -> Vec<String> {
    let reading = source.reading();
    let received_at = DateTime::UNIX_EPOCH;
    let input = Input { id: Uuid::nil(), received_at, content_type, body, reading: &reading };
    let named = values(source, source.kind_label(), &input);
    named
        .iter()
        .map(|n| {
            let authority = n.authority.as_deref().map(|a| format!("@{a}")).unwrap_or_default();
            format!("{} {}{authority}", n.facet.as_str(), n.value)
        })
        .collect()
}

fn check_hl7(segments: &str, expected: &[&str]) {
    let body = format!("MSH|^~\\&|A|B|C|D|20260310||ADT^A40|C-1|P|2.5\r{segments}");
    for rest in ["kind = \"visit\"\norder_by = \"patient\"", ""] {
        assert_eq!(found(&source("hl7v2", rest), "application/hl7-v2", body.as_bytes()), expected, "{rest}");
    }
}

#[test]
fn hl7_is_found_by_control_id_patients_and_visits() {
    check_hl7("", &["control-id C-1"]);
    check_hl7(
        "PID||2^^^B|1^^^A^MR~9^^^S^SS|4\rMRG|7^^^A\r",
        &["control-id C-1", "patient 1@A", "patient 9@S", "patient 2@B", "patient 4@", "patient 7@A"],
    );
    let pv1 = format!("PV1{}V-1^X", "|".repeat(19));
    check_hl7(&format!("SCH|P1|F1\r{pv1}\r"), &["control-id C-1", "visit V-1", "visit P1", "visit F1"]);
    check_hl7("PID|||1^^^A~1^^^A~  ~\"\"\r", &["control-id C-1", "patient 1@A"]);
}

#[test]
fn a_body_that_cannot_be_read_has_no_values_and_one_that_names_many_has_the_first() {
    let hl7 = source("hl7v2", "");
    for body in [&b""[..], b"{}", b"MSH", b"\xff\xfe"] {
        assert!(found(&hl7, "", body).is_empty(), "{body:?}");
    }
    let many: Vec<String> = (0..1_000).map(|n| format!("{n}^^^A")).collect();
    let body = format!("MSH|^~\\&|A|B|||1||ADT^A04|C|P|2.5\rPID|||{}\r", many.join("~"));
    assert_eq!(found(&hl7, "", body.as_bytes()).len(), VALUES_MAX);
}

#[test]
fn json_is_found_by_what_it_is_ordered_by_and_by_what_its_kind_goes_by() {
    let body = br#"{"programmeMembershipTisId": "m-1", "id": 12, "subject": ""}"#;
    let plain = source("json", "order_by = \"json:/id\"");
    assert_eq!(found(&plain, "application/json", body), ["key 12"]);
    let tis = "kind = \"conditions-of-joining\"\norder_by = \"json:/programmeMembershipTisId\"";
    assert_eq!(found(&source("json", tis), "application/json", body), ["key m-1"], "once");
    let tis = source("json", "kind = \"conditions-of-joining\"");
    assert_eq!(found(&tis, "application/json", body), ["key m-1"]);
    for body in [&b"{"[..], b"[]", br#"{"programmeMembershipTisId": null}"#] {
        assert!(found(&tis, "", body).is_empty());
    }
    assert!(found(&source("json", "order_by = \"json:/subject\""), "", body).is_empty());
    assert!(found(&source("opaque", ""), "", body).is_empty());
}

#[test]
fn text_in_another_charset_meets_what_a_person_types() {
    let body = b"MSH|^~\\&|A|B|||1||ADT^A04|C|P|2.5||||||8859/1\rPID|||\xC9-7 ^^^A\r";
    assert_eq!(found(&source("hl7v2", ""), "", body)[1], "patient \u{c9}-7@A");
}

fn entry(facet: Facet, value: &str, authority: Option<&str>) -> (i64, i32) {
    let named = Named { facet, value: value.to_owned(), authority: authority.map(str::to_owned) };
    let entry = index("0123456789abcdef0123456789abcdef").entry(&named);
    entry.map_or((0, 0), |entry| (entry.digest, entry.narrow))
}

#[test]
fn both_sides_are_normalised_alike() {
    let mrn = entry(Facet::Patient, "MRN-1", None);
    for same in [" MRN-1", "MRN-1\n", "\u{a0}MRN-1\t\r\n"] {
        assert_eq!(entry(Facet::Patient, same, None), mrn, "{same:?}");
    }
    for other in ["mrn-1", "MRN-01", "MRN 1", "MRN-1."] {
        assert_ne!(entry(Facet::Patient, other, None), mrn, "{other:?}");
    }
    assert_eq!(entry(Facet::Patient, "  ", None), (0, 0), "nothing is no value");
}

#[test]
fn facets_authorities_and_keys_are_told_apart() {
    let digest = |facet| entry(facet, "1", None).0;
    assert_ne!(digest(Facet::Patient), digest(Facet::Visit));
    assert_ne!(digest(Facet::ControlId), digest(Facet::Key));
    let narrow = |authority| entry(Facet::Patient, "1", Some(authority)).1;
    assert_eq!(narrow("UC&1.2.3&ISO"), narrow(" UC "));
    assert_eq!(narrow("&1.2.3&ISO"), narrow("1.2.3"));
    assert_ne!(narrow("UC"), narrow("EAST"));
    assert_eq!((narrow(""), narrow("&&")), (0, 0), "nobody");
    let (one, other) =
        (index("0123456789abcdef0123456789abcdef"), index("another secret of at least 32 letters"));
    assert_ne!(one.check(), other.check());
    let named = Named::new(Facet::Patient, "1".to_owned());
    assert_ne!(one.entry(&named), other.entry(&named));
    assert_eq!(one.entry(&named), one.clone().entry(&named));
}

#[test]
fn debug_shows_no_value_and_no_key() {
    let named = Named::new(Facet::Patient, "MRN-1".to_owned());
    assert_eq!(format!("{named:?}"), "Named(patient, …)");
    assert_eq!(format!("{:?}", index("0123456789abcdef0123456789abcdef")), "BlindIndex(…)");
}
