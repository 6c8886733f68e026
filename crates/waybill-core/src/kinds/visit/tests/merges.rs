//! Tests of merges: which patients a message makes one, and in which direction.

use super::{check_invalid, done, event};
use crate::kinds::Effect;

/// The merges of a message, as `prior@authority>survivor@authority`.
fn check_merges(trigger: &str, groups: &str, expected: &[&str]) {
    let body = event(&format!("ADT^{trigger}"), &format!("EVN|{trigger}\r{groups}"));
    let done = done(&body);
    let merges = done.effects.iter().map(|effect| match effect {
        Effect::Merge(merge) => {
            let (prior, survivor) = (&merge.prior, &merge.survivor);
            format!("{}@{}>{}@{}", prior.id, prior.authority, survivor.id, survivor.authority)
        }
        other => unreachable!("{other:?}"),
    });
    assert_eq!(merges.collect::<Vec<_>>(), expected, "{body}");
}

#[test]
fn a_merge_needs_no_visit() {
    for trigger in ["A18", "A34", "A40"] {
        check_merges(trigger, "PID|1||1^^^A^MR\rPD1|x\rMRG|9^^^B^MR\r", &["9@B>1@A"]);
        check_merges(trigger, "PID|1||7^^^C^PI~1^^^A^MR\rMRG|8^^^C^PI~9^^^A^MR\rPV1|1\r", &["9@A>1@A"]);
    }
}

#[test]
fn every_record_number_of_the_prior_patient_counts() {
    let groups = "PID|1||7^^^C^PI~1^^^A^MR\rMRG|8^^^C^PI~9^^^A^MR~3^^^B^MR\r";
    check_merges("A40", groups, &["9@A>1@A", "3@B>1@A"]);
    check_merges("A40", "PID|1||1^^^A^MR\rMRG|8^^^C^PI~9^^^A^PI\r", &["8@C>1@A"]);
}

#[test]
fn a_patient_is_not_merged_into_itself() {
    check_merges("A40", "PID|1||1^^^A\rMRG|1^^^A\r", &[]);
    check_merges("A40", "PID|1||1^^^A^MR\rMRG|1^^^A^MR~1^^^B^MR\r", &["1@B>1@A"]);
    let body = event("ADT^A40", "PID|1||1^^^A\rMRG|1^^^A\r");
    assert_eq!(done(&body).warnings, ["PID-3 and MRG-1 name the same patient: nothing was merged for it"]);
}

#[test]
fn every_group_of_a_merge_is_one() {
    let groups = "PID|1||1^^^A\rPD1|\rMRG|9^^^A\rPV1|1\rPID|2||2^^^A\rMRG|8^^^A\r";
    check_merges("A40", groups, &["9@A>1@A", "8@A>2@A"]);
}

#[test]
fn a_merge_that_names_only_one_patient_is_refused() {
    let merge = |groups: &str| event("ADT^A40", groups);
    let no_mrg = "MRG is missing: a PID is followed by no prior patient";
    check_invalid(&merge("PID|1||1\r"), no_mrg);
    check_invalid(&merge("PID|1||1\rPID|2||2\rMRG|9\r"), no_mrg);
    check_invalid(&merge("PID|1||1\rMRG|9\rPID|2||2\r"), no_mrg);
    check_invalid(&merge("MRG|9\r"), "PID is missing: an MRG follows no surviving patient");
    check_invalid(&merge("PID|1||1\rMRG|9\rMRG|8\r"), "PID is missing: an MRG follows no surviving patient");
    check_invalid(&merge("EVN|A40\r"), "PID and MRG are missing: the merge names no patients");
    check_invalid(&merge("PID|1||1\rMRG|\"\"\r"), "MRG-1 is empty: the patient has no identifier");
    check_invalid(&merge("PID|1||\rMRG|9\r"), "PID-3 is empty: the patient has no identifier");
}
