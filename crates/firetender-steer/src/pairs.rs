//! Activations of both classes at one layer, on the host.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::SteerError;

/// One sample for each text of both classes at one layer; sample `i` of one class and sample `i` of the other are a pair.
///
/// ```
/// use firetender_steer::{Method, Pairs};
/// let pairs = Pairs::new(2, vec![1.0, 0.0, 3.0, 0.0], vec![0.0, 0.0, 0.0, 2.0]).unwrap();
/// assert_eq!(Method::Mean.fit(&pairs, 0).unwrap().direction, [2.0, -1.0]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Pairs {
    width: usize,
    toward: Vec<f32>,
    away: Vec<f32>,
}

impl Pairs {
    /// From two row-major matrices `[pairs, width]`.
    ///
    /// # Errors
    /// [`SteerError::Input`] when they are empty, of different size, or no multiple of the width.
    pub fn new(width: usize, toward: Vec<f32>, away: Vec<f32>) -> Result<Self, SteerError> {
        let fits = width > 0
            && !toward.is_empty()
            && toward.len() == away.len()
            && toward.len().is_multiple_of(width);
        if !fits {
            let (n, m) = (toward.len(), away.len());
            let what = format!(
                "pairs of {n} and {m} numbers for width {width}; expected as many of both, in whole rows"
            );
            return Err(SteerError::Input { what });
        }
        Ok(Self {
            width,
            toward,
            away,
        })
    }

    /// Number of pairs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.toward.len() / self.width
    }

    /// Never: pairs are not built empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.toward.is_empty()
    }

    /// Width of a sample.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Samples of the toward class, row-major.
    #[must_use]
    pub fn toward(&self) -> &[f32] {
        &self.toward
    }

    /// Samples of the away class, row-major.
    #[must_use]
    pub fn away(&self) -> &[f32] {
        &self.away
    }

    /// The classes exchanged.
    #[must_use]
    pub fn swapped(&self) -> Self {
        Self {
            width: self.width,
            toward: self.away.clone(),
            away: self.toward.clone(),
        }
    }

    /// toward − away of each pair, row-major `[pairs, width]`.
    #[must_use]
    pub fn differences(&self) -> Vec<f64> {
        let both = self.toward.iter().zip(&self.away);
        both.map(|(t, a)| f64::from(*t) - f64::from(*a)).collect()
    }

    /// The members of each pair exchanged with probability ½ (the same pairs at every layer for the same seed).
    ///
    /// # Errors
    /// Never for pairs that exist.
    pub fn with_shuffled_labels(&self, seed: u64) -> Result<Self, SteerError> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut shuffled = self.clone();
        for pair in 0..self.len() {
            let exchange = rng.next_u32() & 1 == 1;
            if exchange {
                let of = pair * self.width..(pair + 1) * self.width;
                shuffled.toward[of.clone()].copy_from_slice(&self.away[of.clone()]);
                shuffled.away[of.clone()].copy_from_slice(&self.toward[of]);
            }
        }
        Self::new(self.width, shuffled.toward, shuffled.away)
    }

    /// The pairs whose number the rule accepts; `None` when there are none.
    pub(crate) fn filtered(&self, keep: impl Fn(usize) -> bool) -> Option<Self> {
        let pick = |rows: &[f32]| -> Vec<f32> {
            let rows = rows.chunks(self.width).enumerate();
            rows.filter(|(pair, _)| keep(*pair))
                .flat_map(|(_, row)| row.iter().copied())
                .collect()
        };
        Self::new(self.width, pick(&self.toward), pick(&self.away)).ok()
    }

    /// Mean length of all samples.
    #[must_use]
    pub fn mean_norm(&self) -> f64 {
        let rows = self
            .toward
            .chunks(self.width)
            .chain(self.away.chunks(self.width));
        rows.map(crate::vector::length).sum::<f64>() / (2 * self.len()) as f64
    }
}
