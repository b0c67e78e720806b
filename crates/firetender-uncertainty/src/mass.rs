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
pub(crate) fn grouped(objects: impl Iterator<Item = (f64, f64, f64)> + Clone) -> Vec<Group> {
    let mut keys = Vec::with_capacity(objects.size_hint().0);
    let mut plain = true;
    for (score, correct, weight) in objects.clone() {
        plain &= score.is_sign_positive() && weight == 1.0 && (correct == 0.0 || correct == 1.0);
        keys.push((score.to_bits() << 1) | u64::from(correct == 1.0));
    }
    if !plain {
        let mut sorted: Vec<(f64, f64, f64)> = objects.collect();
        sort(&mut sorted);
        return groups(&sorted).collect();
    }
    sort_keys(&mut keys);
    let mut found: Vec<Group> = Vec::with_capacity(keys.len());
    for key in keys {
        let score = f64::from_bits(key >> 1);
        let correct = (key & 1) as f64;
        match found.last_mut() {
            Some(group) if group.score == score => {
                group.weight += 1.0;
                group.correct += correct;
            }
            _ => found.push(Group {
                score,
                weight: 1.0,
                correct,
            }),
        }
    }
    found
}

/// Sorts by all bits but the lowest: digit by digit from the low end, over the bits in which keys differ.
fn sort_keys(keys: &mut Vec<u64>) {
    const FEW: usize = 512;
    const DIGIT: u32 = 11;
    if keys.len() < FEW {
        keys.sort_unstable();
        return;
    }
    let differing = keys.iter().fold(0, |bits, key| bits | (key ^ keys[0])) & !1;
    if differing == 0 {
        return;
    }
    let (low, high) = (differing.trailing_zeros(), 64 - differing.leading_zeros());
    let digits = (high - low).div_ceil(DIGIT);
    let width = (high - low).div_ceil(digits);
    let digit = |key: u64, at: u32| (key >> (low + at * width)) as usize & ((1 << width) - 1);
    let mut places = vec![0_usize; 1 << width];
    let mut sorted = vec![0; keys.len()];
    for at in 0..digits {
        places.fill(0);
        keys.iter().for_each(|key| places[digit(*key, at)] += 1);
        let mut before = 0;
        for place in &mut places {
            (*place, before) = (before, before + *place);
        }
        for key in &*keys {
            let place = &mut places[digit(*key, at)];
            sorted[*place] = *key;
            *place += 1;
        }
        std::mem::swap(keys, &mut sorted);
    }
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
    fn digits_sort_as_comparisons_do() {
        let mut state = 3_u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state >> 33
        };
        for (rows, kinds) in [(1, 1), (511, 9), (512, 1), (700, 3), (4000, 2_u64.pow(31))] {
            for single in [true, false] {
                let objects: Vec<(f64, f64, f64)> = (0..rows)
                    .map(|_| {
                        let score = ((next() % kinds) as f64 / kinds as f64).powi(2);
                        let score = if single {
                            f64::from(score as f32)
                        } else {
                            score
                        };
                        (score, (next() % 2) as f64, 1.0)
                    })
                    .collect();
                let mut sorted = objects.clone();
                sort(&mut sorted);
                let slow: Vec<Group> = groups(&sorted).collect();
                assert_eq!(grouped(objects.iter().copied()), slow);
            }
        }
    }

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
