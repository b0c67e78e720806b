//! Medians, and ratios of two computations measured in turn.
//!
//! On a machine that does other things too, two long measurements one after the other differ by more than a hook costs. So
//! the two are run in turn, a b b a and then b a a b, and each four give one ratio: drift within them cancels, and the median of
//! many ratios does not hear the rare disturbance.

use serde::{Deserialize, Serialize};

/// A median, with the interval that holds the true one with 95 % (order statistics; no distribution is assumed).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Median {
    /// The median.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Median {
    /// Of these numbers. With fewer than six, the interval is their whole range and holds less.
    ///
    /// # Panics
    /// When there are none.
    ///
    /// ```
    /// let median = firetender_measure::Median::of(&[3.0, 1.0, 2.0, 10.0]);
    /// assert_eq!((median.value, median.low, median.high), (2.5, 1.0, 10.0));
    /// ```
    #[must_use]
    pub fn of(numbers: &[f64]) -> Self {
        assert!(!numbers.is_empty(), "the median of no numbers");
        let mut sorted = numbers.to_vec();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        let value = f64::midpoint(sorted[(n - 1) / 2], sorted[n / 2]);
        let reach = (n as f64).sqrt() * 0.98;
        let low = (n as f64 / 2.0 - reach).floor().max(0.0) as usize;
        Self {
            value,
            low: sorted[low],
            high: sorted[n - 1 - low],
        }
    }
}

/// Seconds of `b` divided by seconds of `a`, from `blocks` blocks of two runs each in turn.
///
/// # Errors
/// The first error of either.
pub fn paired_ratios<E>(
    blocks: usize,
    a: &mut dyn FnMut() -> Result<f64, E>,
    b: &mut dyn FnMut() -> Result<f64, E>,
) -> Result<Vec<f64>, E> {
    (0..blocks)
        .map(|block| {
            let outer_a = block % 2 == 0;
            let (mut of_a, mut of_b) = (0.0, 0.0);
            for turn in 0..4 {
                if (turn == 0 || turn == 3) == outer_a {
                    of_a += a()?;
                } else {
                    of_b += b()?;
                }
            }
            Ok(of_b / of_a)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_narrows() {
        let numbers: Vec<f64> = (0..=100).map(f64::from).collect();
        let median = Median::of(&numbers);
        assert_eq!((median.value, median.low, median.high), (50.0, 40.0, 60.0));
        assert_eq!(
            Median::of(&[7.0]),
            Median {
                value: 7.0,
                low: 7.0,
                high: 7.0
            }
        );
    }

    #[test]
    fn drift_cancels() {
        // A machine that gets slower with every run: `b` costs twice as much at any moment.
        let now = std::cell::Cell::new(0.0);
        let mut run = |cost: f64| {
            now.set(now.get() + 1.0);
            Ok::<_, ()>(cost * (100.0 + now.get()))
        };
        let run = std::cell::RefCell::new(&mut run);
        let ratios = paired_ratios(4, &mut || (run.borrow_mut())(1.0), &mut || {
            (run.borrow_mut())(2.0)
        })
        .unwrap();
        assert_eq!(ratios.len(), 4);
        assert!(
            ratios.iter().all(|ratio| (ratio - 2.0).abs() < 1e-12),
            "{ratios:?}"
        );
    }
}
