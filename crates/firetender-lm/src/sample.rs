//! Picks the next token from logits: greedily, or by temperature with top-k and nucleus truncation.
//!
//! All of it runs on the host in `f64` from one row of logits, with a counter-based random stream per row and step, so that a
//! row's text does not depend on which other rows share its batch.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::LmError;

/// How to pick a token.
///
/// ```
/// use firetender_lm::Sampling;
/// let greedy = Sampling::greedy();
/// assert_eq!(greedy.pick(&[0.1, 3.0, -1.0], 0, 0), 1);
/// let warm = Sampling::new(0.8).unwrap().with_top_k(2).unwrap().with_top_p(0.95).unwrap();
/// assert!(warm.pick(&[0.1, 3.0, -1.0], 7, 0) < 2, "token 2 is not among the top two");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    temperature: f64,
    top_k: Option<usize>,
    top_p: f64,
}

impl Sampling {
    /// The most likely token; the first one of equals.
    #[must_use]
    pub fn greedy() -> Self {
        Self {
            temperature: 0.0,
            top_k: None,
            top_p: 1.0,
        }
    }

    /// Samples from `softmax(logits / temperature)`; 0 is greedy.
    ///
    /// # Errors
    /// [`LmError::Input`] when the temperature is negative or not finite.
    pub fn new(temperature: f64) -> Result<Self, LmError> {
        if !(temperature.is_finite() && temperature >= 0.0) {
            return Err(LmError::Input {
                what: format!("temperature {temperature}; expected a number from 0 on"),
            });
        }
        Ok(Self {
            temperature,
            ..Self::greedy()
        })
    }

    /// Keeps only the `k` most likely tokens (the first ones of equals).
    ///
    /// # Errors
    /// [`LmError::Input`] when `k` is 0.
    pub fn with_top_k(mut self, k: usize) -> Result<Self, LmError> {
        if k == 0 {
            return Err(LmError::Input {
                what: "top-k 0 keeps no token; expected 1 or more".into(),
            });
        }
        self.top_k = Some(k);
        Ok(self)
    }

    /// Keeps the smallest set of most likely tokens whose probabilities sum to at least `p`, after top-k (nucleus sampling,
    /// Holtzman et al. 2020).
    ///
    /// # Errors
    /// [`LmError::Input`] when `p` is not in (0, 1].
    pub fn with_top_p(mut self, p: f64) -> Result<Self, LmError> {
        if !(p > 0.0 && p <= 1.0) {
            return Err(LmError::Input {
                what: format!("top-p {p}; expected a number above 0 and up to 1"),
            });
        }
        self.top_p = p;
        Ok(self)
    }

    /// Picks a token id. `seed` names the row's random stream and `step` the place in it; greedy picking uses neither.
    ///
    /// # Panics
    /// When `logits` is empty.
    #[must_use]
    pub fn pick(&self, logits: &[f32], seed: u64, step: u64) -> u32 {
        assert!(!logits.is_empty(), "no logits to pick from");
        if self.temperature == 0.0 {
            return arg_max(logits) as u32;
        }
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]).then(a.cmp(b)));
        order.truncate(self.top_k.unwrap_or(usize::MAX));
        let top = f64::from(logits[order[0]]);
        let weights: Vec<f64> = order
            .iter()
            .map(|i| ((f64::from(logits[*i]) - top) / self.temperature).exp())
            .collect();
        let total: f64 = weights.iter().sum();
        let mut kept = 0.0;
        let mut count = 0;
        for weight in &weights {
            kept += weight;
            count += 1;
            if kept >= self.top_p * total {
                break;
            }
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(step);
        let mut left = rng.random::<f64>() * kept;
        for (index, weight) in order.iter().zip(&weights).take(count) {
            left -= weight;
            if left < 0.0 {
                return *index as u32;
            }
        }
        order[count - 1] as u32
    }
}

/// Index of the largest value, the first one of equals; NaN never wins.
pub(crate) fn arg_max(values: &[f32]) -> usize {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if *value > values[best] || values[best].is_nan() {
            best = index;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_follow_the_softmax() {
        let sampling = Sampling::new(0.5).unwrap();
        let logits = [0.0, 0.5, 1.0];
        let mut counts = [0.0; 3];
        for step in 0..20_000 {
            counts[sampling.pick(&logits, 1, step) as usize] += 1.0 / 20_000.0;
        }
        let weights = [1.0, 1.0f64.exp(), 2.0f64.exp()];
        let total: f64 = weights.iter().sum();
        for (count, weight) in counts.iter().zip(weights) {
            // Four standard errors of a share over 20,000 draws.
            assert!((count - weight / total).abs() < 4.0 * 0.0036, "{counts:?}");
        }
    }

    #[test]
    fn truncation_keeps_the_likely() {
        let logits = [1.0, 0.0, 1.0, -9.0];
        let one = Sampling::new(2.0).unwrap().with_top_k(1).unwrap();
        let nucleus = Sampling::new(1.0).unwrap().with_top_p(0.6).unwrap();
        for step in 0..200 {
            assert_eq!(one.pick(&logits, 0, step), 0, "the first of equals");
            assert!([0, 2].contains(&nucleus.pick(&logits, 0, step)));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(Sampling::new(-1.0).is_err() && Sampling::new(f64::NAN).is_err());
        assert!(Sampling::greedy().with_top_k(0).is_err());
        assert!(
            Sampling::greedy().with_top_p(0.0).is_err()
                && Sampling::greedy().with_top_p(1.1).is_err()
        );
    }
}
