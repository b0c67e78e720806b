//! Which rows are in which fold: a function of seed, repeat and row index, never of the order in which anything arrives.

use serde::{Deserialize, Serialize};

use crate::{Targets, UncertaintyError};

/// Several divisions of the rows of a test set into folds of (nearly) equal size.
///
/// The same folds serve every method that is compared: other splits for each method only add variance.
///
/// ```
/// use firetender_uncertainty::Folds;
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let folds = Folds::random(1000, 2, 5, 7)?;
/// assert_eq!((folds.folds(), folds.repeats()), (2, 5));
/// assert_eq!(folds.of(0).iter().filter(|f| **f == 0).count(), 500);
/// assert_eq!(folds, Folds::random(1000, 2, 5, 7)?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folds {
    folds: usize,
    of: Vec<Vec<u32>>,
}

impl Folds {
    /// `repeats` random divisions of `rows` rows into `folds` folds.
    ///
    /// # Errors
    /// [`UncertaintyError::Options`] for fewer than two folds, more folds than rows, or no repeat.
    pub fn random(
        rows: usize,
        folds: usize,
        repeats: usize,
        seed: u64,
    ) -> Result<Self, UncertaintyError> {
        Self::dealt(rows, folds, repeats, seed, |_| 0)
    }

    /// As [`random`](Self::random), with every class spread evenly over the folds.
    ///
    /// # Errors
    /// As [`random`](Self::random), and [`UncertaintyError::Options`] for soft targets.
    pub fn stratified(
        targets: &Targets,
        folds: usize,
        repeats: usize,
        seed: u64,
    ) -> Result<Self, UncertaintyError> {
        let Some(classes) = targets.as_classes() else {
            return Err(UncertaintyError::Options {
                field: "stratified",
                found: "soft targets".into(),
                expected: "one class a row",
            });
        };
        Self::dealt(classes.len(), folds, repeats, seed, |row| classes[row])
    }

    /// Given folds: one list a repeat, one fold a row, from 0 on.
    ///
    /// # Errors
    /// [`UncertaintyError::Input`] without repeats or rows, for lists of different lengths, and when a fold below the largest is empty
    /// (so at least two folds in every repeat).
    pub fn given(of: Vec<Vec<u32>>) -> Result<Self, UncertaintyError> {
        let rows = of.first().map_or(0, Vec::len);
        if rows == 0 {
            return Err(UncertaintyError::Empty {
                what: "rows in folds",
            });
        }
        let folds = of.iter().flatten().max().map_or(0, |f| *f as usize + 1);
        if folds < 2 || folds > rows {
            return Err(UncertaintyError::input(format!(
                "{folds} folds of {rows} rows, expected at least two and no more than rows"
            )));
        }
        for (repeat, list) in of.iter().enumerate() {
            if list.len() != rows {
                return Err(UncertaintyError::input(format!(
                    "repeat {repeat} has {} rows, repeat 0 has {rows}",
                    list.len()
                )));
            }
            let mut seen = vec![false; folds];
            list.iter().for_each(|f| seen[*f as usize] = true);
            if let Some(empty) = seen.iter().position(|s| !s) {
                return Err(UncertaintyError::input(format!(
                    "fold {empty} of repeat {repeat} has no rows, expected at least one"
                )));
            }
        }
        Ok(Self { folds, of })
    }

    /// Rows with even indices and rows with odd ones, once.
    ///
    /// # Errors
    /// As [`given`](Self::given): for fewer than two rows.
    pub fn even_odd(rows: usize) -> Result<Self, UncertaintyError> {
        Self::given(vec![(0..rows).map(|row| (row % 2) as u32).collect()])
    }

    fn dealt(
        rows: usize,
        folds: usize,
        repeats: usize,
        seed: u64,
        class: impl Fn(usize) -> i64,
    ) -> Result<Self, UncertaintyError> {
        if folds < 2 || folds > rows {
            return Err(UncertaintyError::Options {
                field: "folds",
                found: format!("{folds} folds of {rows} rows"),
                expected: "at least two folds, and a row for each",
            });
        }
        if repeats == 0 {
            return Err(UncertaintyError::Options {
                field: "repeats",
                found: "0".into(),
                expected: "at least one",
            });
        }
        let of = (0..repeats as u64)
            .map(|repeat| {
                let mut order: Vec<(i64, u64, usize)> = (0..rows)
                    .map(|row| (class(row), hash(seed, repeat, row as u64), row))
                    .collect();
                order.sort_unstable();
                let mut of = vec![0; rows];
                for (place, (_, _, row)) in order.into_iter().enumerate() {
                    of[row] = (place % folds) as u32;
                }
                of
            })
            .collect();
        Ok(Self { folds, of })
    }

    /// How many folds a repeat has.
    #[must_use]
    pub fn folds(&self) -> usize {
        self.folds
    }

    /// How many divisions there are.
    #[must_use]
    pub fn repeats(&self) -> usize {
        self.of.len()
    }

    /// How many rows are divided.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.of[0].len()
    }

    /// The fold of each row in one repeat.
    ///
    /// # Panics
    /// When there is no such repeat.
    #[must_use]
    pub fn of(&self, repeat: usize) -> &[u32] {
        &self.of[repeat]
    }
}

/// Sixty-four well mixed bits (the finaliser of `SplitMix64`, Steele, Lea and Flood 2014), applied to each number in turn.
fn hash(seed: u64, repeat: u64, row: u64) -> u64 {
    let mix = |x: u64| {
        let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    };
    mix(mix(mix(seed) ^ repeat) ^ row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_are_balanced_and_differ_between_repeats_and_seeds() {
        let folds = Folds::random(1001, 3, 4, 9).unwrap();
        for repeat in 0..4 {
            let mut counts = [0; 3];
            folds
                .of(repeat)
                .iter()
                .for_each(|f| counts[*f as usize] += 1);
            assert_eq!(counts, [334, 334, 333]);
        }
        assert_ne!(folds.of(0), folds.of(1));
        assert_ne!(folds, Folds::random(1001, 3, 4, 10).unwrap());
        // Two repeats agree on half of the rows, give or take chance.
        let folds = Folds::random(10_000, 2, 2, 1).unwrap();
        let same = (0..10_000).filter(|r| folds.of(0)[*r] == folds.of(1)[*r]);
        assert!((same.count() as i64 - 5000).abs() < 250);
    }

    #[test]
    fn classes_are_spread_evenly() {
        let labels: Vec<i64> = (0..600).map(|i| i64::from(i % 7 == 0)).collect();
        let folds = Folds::stratified(&Targets::classes(&labels), 2, 3, 5).unwrap();
        for repeat in 0..3 {
            let of = folds.of(repeat);
            let rare = (0..600).filter(|r| labels[*r] == 1 && of[*r] == 0).count();
            assert!((43 - rare as i64).abs() <= 1, "{rare}");
        }
    }

    #[test]
    fn impossible_divisions_are_refused() {
        assert!(Folds::random(5, 1, 1, 0).is_err());
        assert!(Folds::random(5, 6, 1, 0).is_err());
        assert!(Folds::random(5, 2, 0, 0).is_err());
        assert!(Folds::given(vec![]).is_err());
        assert!(Folds::given(vec![vec![0, 0]]).is_err());
        assert!(Folds::given(vec![vec![0, 2, 2]]).is_err());
        assert!(Folds::given(vec![vec![0, 1], vec![0]]).is_err());
        assert_eq!(Folds::even_odd(3).unwrap().of(0), [0, 1, 0]);
    }
}
