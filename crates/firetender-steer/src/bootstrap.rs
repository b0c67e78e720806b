//! Intervals by drawing prompts again, in `f64` on the host.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::SteerError;

/// A number and the interval in which it would fall with other prompts of the same kind.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The percentile bootstrap (Efron 1979): prompts are drawn with replacement, and the interval holds the middle `level` of the
/// values so found. The same seed gives the same interval.
///
/// ```
/// use firetender_steer::Bootstrap;
/// let bootstrap = Bootstrap::new(2000, 0.95, 7).unwrap();
/// let found = bootstrap.mean(&[1.0, 2.0, 3.0, 4.0]);
/// assert_eq!(found.value, 2.5);
/// assert!(found.low < 2.0 && found.high > 3.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bootstrap {
    resamples: usize,
    level: f64,
    seed: u64,
}

impl Default for Bootstrap {
    /// 1,000 resamples, a level of 0.95, seed 0.
    fn default() -> Self {
        Self {
            resamples: 1000,
            level: 0.95,
            seed: 0,
        }
    }
}

impl Bootstrap {
    /// Draws `resamples` times.
    ///
    /// # Errors
    /// [`SteerError::Input`] unless there is at least one resample and the level lies between 0 and 1.
    pub fn new(resamples: usize, level: f64, seed: u64) -> Result<Self, SteerError> {
        if resamples == 0 || !(level > 0.0 && level < 1.0) {
            let what = format!(
                "a bootstrap of {resamples} resamples at level {level}; expected 1 or more, and a level between 0 and 1"
            );
            return Err(SteerError::Input { what });
        }
        Ok(Self {
            resamples,
            level,
            seed,
        })
    }

    /// One drawing after the other: for each, `groups` numbers below `groups`, with replacement.
    pub(crate) fn drawings(&self, groups: usize) -> impl Iterator<Item = Vec<usize>> + use<> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        (0..self.resamples).map(move |_| {
            let draw = |_| rng.random_range(0..groups as u64) as usize;
            (0..groups).map(draw).collect()
        })
    }

    /// The middle of some drawn values; `None` when there are none.
    pub(crate) fn middle(&self, mut drawn: Vec<f64>) -> Option<(f64, f64)> {
        if drawn.is_empty() {
            return None;
        }
        drawn.sort_unstable_by(f64::total_cmp);
        let tail = (1.0 - self.level) / 2.0;
        Some((quantile(&drawn, tail), quantile(&drawn, 1.0 - tail)))
    }

    /// [`ratio`](Self::ratio) where whole groups are drawn: `clusters[i]` is the group of prompt `i`. Prompts made from one
    /// template, or several answers to one prompt, are not independent, and single draws would give intervals that are too
    /// narrow.
    ///
    /// # Panics
    /// When there are no numbers, or not as many of all three.
    ///
    /// ```
    /// use firetender_steer::Bootstrap;
    /// let values = [1.0, 1.0, 1.0, 3.0, 3.0, 3.0];
    /// let width = |e: firetender_steer::Estimate| e.high - e.low;
    /// let bootstrap = Bootstrap::default();
    /// let grouped = bootstrap.clustered_ratio(&values, &[1.0; 6], &[0, 0, 0, 1, 1, 1]);
    /// assert!(grouped.value == 2.0 && width(grouped) > width(bootstrap.mean(&values)));
    /// ```
    #[must_use]
    pub fn clustered_ratio(&self, above: &[f64], below: &[f64], clusters: &[usize]) -> Estimate {
        assert!(
            above.len() == clusters.len() && below.len() == clusters.len(),
            "{} and {} numbers for {} clusters",
            above.len(),
            below.len(),
            clusters.len()
        );
        let mut names = clusters.to_vec();
        names.sort_unstable();
        names.dedup();
        let sums = |values: &[f64]| -> Vec<f64> {
            let mut sums = vec![0.0; names.len()];
            for (value, cluster) in values.iter().zip(clusters) {
                sums[names.partition_point(|name| name < cluster)] += value;
            }
            sums
        };
        self.ratio(&sums(above), &sums(below))
    }

    /// The mean of one number a prompt.
    ///
    /// # Panics
    /// When there are no numbers.
    #[must_use]
    pub fn mean(&self, values: &[f64]) -> Estimate {
        self.ratio(values, &vec![1.0; values.len()])
    }

    /// The ratio of two sums over prompts, for instance of divergences and of tokens: a prompt's two numbers are drawn together.
    ///
    /// # Panics
    /// When there are no numbers, or not as many of both.
    #[must_use]
    pub fn ratio(&self, above: &[f64], below: &[f64]) -> Estimate {
        let n = above.len();
        assert!(n > 0 && n == below.len(), "{n} and {} numbers", below.len());
        let value = above.iter().sum::<f64>() / below.iter().sum::<f64>();
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut drawn: Vec<f64> = (0..self.resamples)
            .map(|_| {
                let (mut a, mut b) = (0.0, 0.0);
                for _ in 0..n {
                    let at = rng.random_range(0..n as u64) as usize;
                    a += above[at];
                    b += below[at];
                }
                a / b
            })
            .collect();
        drawn.sort_unstable_by(f64::total_cmp);
        let tail = (1.0 - self.level) / 2.0;
        Estimate {
            value,
            low: quantile(&drawn, tail),
            high: quantile(&drawn, 1.0 - tail),
        }
    }
}

/// Linear interpolation between the sorted values.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_match_the_normal_theory() {
        let values: Vec<f64> = (0..400)
            .map(|i| f64::from(i * 7919 % 401) / 401.0)
            .collect();
        let found = Bootstrap::new(4000, 0.9, 1).unwrap().mean(&values);
        let mean = values.iter().sum::<f64>() / 400.0;
        let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 399.0).sqrt();
        let half = 1.645 * deviation / 20.0;
        assert!(
            ((found.high - found.low) / (2.0 * half) - 1.0).abs() < 0.06,
            "{found:?}"
        );
    }

    #[test]
    fn seeds_decide_and_one_prompt_has_no_width() {
        let values: Vec<f64> = (0..30).map(|i| f64::from(i).sin()).collect();
        let with = |seed| Bootstrap::new(200, 0.95, seed).unwrap().mean(&values);
        assert_eq!(with(1), with(1));
        assert_ne!(with(1), with(2));
        let one = Bootstrap::default().mean(&[3.0]);
        assert_eq!((one.low, one.value, one.high), (3.0, 3.0, 3.0));
        let ratio = Bootstrap::default().ratio(&[2.0, 4.0], &[1.0, 2.0]);
        assert_eq!((ratio.low, ratio.value, ratio.high), (2.0, 2.0, 2.0));
        assert!(Bootstrap::new(0, 0.9, 0).is_err() && Bootstrap::new(9, 1.0, 0).is_err());
    }
}
