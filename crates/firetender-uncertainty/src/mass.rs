//! Bins of equally many objects.
//!
//! Objects of equal score are one group. A border that cuts a group shares it out in proportion, which is the expectation over
//! every order of the equals; sorting with an arbitrary order would make the error of a constant prediction depend on
//! the order of the rows. A weight is treated likewise: an object of weight 2 is a group of two.

use crate::ExactSum;
use crate::bins::Bin;

/// Equal scores: the score, how many there are, how many of them are right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Group {
    pub(crate) score: f64,
    pub(crate) weight: f64,
    pub(crate) correct: f64,
}

/// Bins (score, right or wrong, weight): `n` bins of ⌊W/n⌋ objects each, the last one taking the rest; as many bins as objects
/// where there are fewer than `n`.
pub(crate) fn mass_bins(mut objects: Vec<(f64, f64, f64)>, n: usize) -> Vec<Bin> {
    sort(&mut objects);
    let total = objects.iter().map(|o| o.2).sum();
    let mut bins = vec![];
    fill(groups(&objects), total, n, |bin| bins.push(bin));
    bins
}

/// Sorts by rising score, and equals by the rest, so that sums do not depend on the order in which objects came.
pub(crate) fn sort(objects: &mut [(f64, f64, f64)]) {
    objects.sort_unstable_by(|a, b| {
        let by_score = a.0.total_cmp(&b.0);
        by_score.then_with(|| a.1.total_cmp(&b.1).then_with(|| a.2.total_cmp(&b.2)))
    });
}

/// Groups of equal score in a sorted list.
pub(crate) fn groups(sorted: &[(f64, f64, f64)]) -> impl Iterator<Item = Group> + '_ {
    sorted.chunk_by(|a, b| a.0 == b.0).map(|equal| match equal {
        [(score, correct, weight)] => Group {
            score: *score,
            weight: *weight,
            correct: correct * weight,
        },
        _ => Group {
            score: equal[0].0,
            weight: ExactSum::of(equal.iter().map(|o| o.2)).value(),
            correct: ExactSum::of(equal.iter().map(|o| o.1 * o.2)).value(),
        },
    })
}

/// Groups of equal score of objects in any order, rising: one sort of whole numbers where there are neither weights nor soft
/// targets and no score is negative.
pub(crate) fn grouped(objects: &[(f64, f64, f64)]) -> Vec<Group> {
    let plain =
        |o: &(f64, f64, f64)| o.0.is_sign_positive() && o.2 == 1.0 && (o.1 == 0.0 || o.1 == 1.0);
    if !objects.iter().all(plain) {
        let mut sorted = objects.to_vec();
        sort(&mut sorted);
        return groups(&sorted).collect();
    }
    let mut keys: Vec<u64> = objects
        .iter()
        .map(|o| (o.0.to_bits() << 1) | u64::from(o.1 == 1.0))
        .collect();
    keys.sort_unstable();
    let equal = keys.chunk_by(|a, b| a >> 1 == b >> 1);
    equal
        .map(|equal| Group {
            score: f64::from_bits(equal[0] >> 1),
            weight: equal.len() as f64,
            correct: equal.iter().map(|key| key & 1).sum::<u64>() as f64,
        })
        .collect()
}

/// Fills bins with groups in rising order and hands on each bin that is full. `total` is the weight of all groups.
/// Returns the number of bins.
pub(crate) fn fill(
    groups: impl Iterator<Item = Group>,
    total: f64,
    n: usize,
    mut full: impl FnMut(Bin),
) -> usize {
    let bins = (n as f64).min(total.floor()).max(1.0) as usize;
    let size = if bins < n {
        1.0
    } else {
        (total / bins as f64).floor()
    };
    let empty = Bin {
        low: f64::NAN,
        high: f64::NAN,
        weight: 0.0,
        confidence_sum: 0.0,
        correct_sum: 0.0,
    };
    let (mut bin, mut done) = (empty, 0);
    for group in groups {
        let mut left = group.weight;
        while left > 0.0 {
            if done + 1 < bins && bin.weight >= size {
                full(bin);
                (bin, done) = (empty, done + 1);
            }
            let room = if done + 1 < bins {
                size - bin.weight
            } else {
                left
            };
            let take = left.min(room);
            if bin.weight == 0.0 {
                bin.low = group.score;
            }
            bin.high = group.score;
            bin.weight += take;
            bin.confidence_sum += take * group.score;
            bin.correct_sum += if take == group.weight {
                group.correct
            } else {
                group.correct * (take / group.weight)
            };
            left -= take;
        }
    }
    if bin.weight > 0.0 {
        full(bin);
        done += 1;
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_the_references() {
        // floor(17/5) = 3 a bin, the last takes five.
        let objects = (0..17).map(|i| (f64::from(i) / 20.0, 0.0, 1.0)).collect();
        let sizes: Vec<f64> = mass_bins(objects, 5).iter().map(|b| b.weight).collect();
        assert_eq!(sizes, [3.0, 3.0, 3.0, 3.0, 5.0]);
        let few = mass_bins(vec![(0.5, 1.0, 1.0), (0.25, 0.0, 1.0)], 15);
        assert_eq!(few.len(), 2);
        assert_eq!((few[0].low, few[1].high), (0.25, 0.5));
    }

    #[test]
    fn equals_are_shared_out() {
        // A calibrated constant: every bin sees the base rate, whatever the order.
        let objects = (0..100)
            .map(|i| (0.25, f64::from(u8::from(i < 25)), 1.0))
            .collect();
        let bins = mass_bins(objects, 10);
        assert!(
            bins.iter()
                .all(|b| b.gap().abs() < 1e-15 && b.weight == 10.0)
        );
    }

    #[test]
    fn a_weight_is_a_repetition() {
        let weighted = mass_bins(vec![(0.1, 0.0, 3.0), (0.2, 1.0, 2.0), (0.9, 1.0, 1.0)], 3);
        let mut single = vec![(0.1, 0.0, 1.0); 3];
        single.extend([(0.2, 1.0, 1.0); 2]);
        single.push((0.9, 1.0, 1.0));
        assert_eq!(weighted, mass_bins(single, 3));
    }
}
