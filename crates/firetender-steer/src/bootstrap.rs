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
