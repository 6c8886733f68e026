//! The shortest way from one list to another: what stays, what goes, what comes.
//!
//! By the longest common subsequence of what remains between a common beginning and a common end.
//! Where even that is too much to compare, all between them goes and comes: longer than need be,
//! and still right.

/// Pairs compared at most; what is stored for each is four bytes.
const PAIRS_MAX: usize = 4_000_000;

/// One step of the way, in the order of both lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// An item that both lists have here.
    Same,
    /// An item of the old list alone.
    Removed,
    /// An item of the new list alone.
    Added,
}

/// The steps from `old` to `new`; what goes stands before what comes in its place.
pub(crate) fn script<T: PartialEq>(old: &[T], new: &[T]) -> Vec<Step> {
    let start = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[start..], &new[start..]);
    let end = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[..old.len() - end], &new[..new.len() - end]);
    let mut steps = vec![Step::Same; start];
    if old.len().saturating_mul(new.len()) > PAIRS_MAX {
        steps.extend(vec![Step::Removed; old.len()]);
        steps.extend(vec![Step::Added; new.len()]);
    } else {
        steps.extend(shortest(old, new));
    }
    steps.extend(vec![Step::Same; end]);
    steps
}

/// `common[i][j]`: how many items the rests of both lists from there have in common.
fn shortest<T: PartialEq>(old: &[T], new: &[T]) -> Vec<Step> {
    let width = new.len() + 1;
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = if old[i] == new[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut steps = Vec::with_capacity(old.len() + new.len());
    while i < old.len() || j < new.len() {
        let both = i < old.len() && j < new.len();
        if both && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
            steps.push(Step::Same);
        } else if j == new.len() || both && common[(i + 1) * width + j] >= common[i * width + j + 1] {
            i += 1;
            steps.push(Step::Removed);
        } else {
            j += 1;
            steps.push(Step::Added);
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Step, script};

    fn check(old: &str, new: &str, wanted: &str) {
        let steps = script(old.as_bytes(), new.as_bytes());
        let sign = |step: &Step| match step {
            Step::Same => '=',
            Step::Removed => '-',
            Step::Added => '+',
        };
        assert_eq!(steps.iter().map(sign).collect::<String>(), wanted, "{old} to {new}");
    }

    #[test]
    fn what_is_common_stays() {
        check("abc", "abc", "===");
        check("abc", "axc", "=-+=");
        check("abc", "ac", "=-=");
        check("ac", "abc", "=+=");
        check("", "ab", "++");
        check("ab", "", "--");
        check("xaybz", "ab", "-=-=-");
    }

    #[test]
    fn a_comparison_that_is_too_large_is_still_right() {
        let (old, new) = (vec![1; 3000], vec![2; 3000]);
        let steps = script(&old, &new);
        assert_eq!(steps.len(), 6000);
        assert!(steps[..3000].iter().all(|step| *step == Step::Removed));
    }

    proptest! {
        #[test]
        fn the_way_leads_from_one_to_the_other(
            old in proptest::collection::vec(0_u8..4, 0..20),
            new in proptest::collection::vec(0_u8..4, 0..20),
        ) {
            let (mut i, mut j) = (0, 0);
            for step in script(&old, &new) {
                match step {
                    Step::Same => {
                        prop_assert_eq!(old[i], new[j]);
                        (i, j) = (i + 1, j + 1);
                    }
                    Step::Removed => i += 1,
                    Step::Added => j += 1,
                }
            }
            prop_assert_eq!((i, j), (old.len(), new.len()));
        }
    }
}
