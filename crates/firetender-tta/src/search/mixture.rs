//! The best mixture of all entries, as an upper bound and as learned weights.
//!
//! Greedy search puts equal weight on each pick. Any weights at all can be compared with it, as long as the log-likelihood is not calibrated: it is
//! concave in the weights then, and expectation-maximisation finds the maximum. As a predictor it is "better aggregation" (Shanmugam et
//! al., ICCV 2021) with one weight a recipe.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Candidates, pass::TILE};
use crate::TtaError;

/// Weights of the best mixture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MixtureOptimum {
    /// One weight an entry; they sum to one.
    pub weights: Vec<f64>,
    /// Mean log-likelihood of the mixture, not calibrated, without a floor.
    pub log_likelihood: f64,
    /// No mixture has more: the optimum lies between the two.
    pub upper_bound: f64,
    /// Steps that were made.
    pub steps: usize,
}

impl MixtureOptimum {
    /// How many entries would be equally many in effect: exp of the weights' entropy.
    #[must_use]
    pub fn effective_entries(&self) -> f64 {
        let entropy: f64 = self
            .weights
            .iter()
            .filter(|w| **w > 0.0)
            .map(|w| -w * w.ln())
            .sum();
        entropy.exp()
    }
}

/// Expectation-maximisation from equal weights, until the bound is within `tolerance` or `steps` are made. Host, `f64`.
///
/// The bound: at weights w with gradient `d_b = mean P_b,y / Q_y`, concavity gives `LL* ≤ LL(w) + max_b d_b − 1`.
///
/// ```
/// use firetender_tta::{Candidates, PredictionKind, mixture_optimum};
/// let pool = [0.9_f32, 0.1, 0.9, 0.1, /* entry 1 */ 0.1, 0.9, 0.1, 0.9];
/// let candidates = Candidates::new(PredictionKind::Probs, &pool, [2, 2, 2], &[0, 1])?;
/// let found = mixture_optimum(&candidates, 100, 1e-9)?;
/// assert!((found.weights[0] - 0.5).abs() < 1e-6);
/// # Ok::<(), firetender_tta::TtaError>(())
/// ```
///
/// # Errors
/// Reading errors of streamed candidates; [`TtaError::Options`] when some sample's truth is impossible under every entry.
pub fn mixture_optimum(
    candidates: &Candidates,
    steps: usize,
    tolerance: f64,
) -> Result<MixtureOptimum, TtaError> {
    let (entries, samples, classes) = (
        candidates.entries(),
        candidates.samples(),
        candidates.classes(),
    );
    let own: Vec<Vec<f32>> = (0..entries)
        .into_par_iter()
        .with_min_len(candidates.in_turn(entries))
        .map(|entry| {
            candidates.with_entry(entry, |tiles| {
                (0..samples)
                    .map(|sample| tiles[sample / TILE * classes][sample % TILE])
                    .collect()
            })
        })
        .collect::<Result<_, TtaError>>()?;
    let sample_weights = &candidates.weights.as_flattened()[..samples];
    let total: f64 = sample_weights.iter().sum();
    let hopeless =
        (0..samples).find(|&i| sample_weights[i] > 0.0 && own.iter().all(|p| p[i] == 0.0));
    if let Some(sample) = hopeless {
        return Err(TtaError::option(
            "candidates",
            format!("sample {sample} is impossible under every entry"),
            "a truth that some entry gives a chance",
        ));
    }
    let mut weights = vec![1.0 / entries as f64; entries];
    let mut made = 0;
    loop {
        let mut mixed = vec![0.0_f64; samples];
        for (w, p) in weights.iter().zip(&own) {
            if *w > 0.0 {
                for (q, p) in mixed.iter_mut().zip(p) {
                    *q += w * f64::from(*p);
                }
            }
        }
        let log_likelihood = mixed
            .iter()
            .zip(sample_weights)
            .map(|(q, w)| if *w > 0.0 { w * q.ln() } else { 0.0 })
            .sum::<f64>()
            / total;
        let share: Vec<f64> = mixed
            .iter()
            .zip(sample_weights)
            .map(|(q, w)| if *w > 0.0 { w / (q * total) } else { 0.0 })
            .collect();
        let gradient: Vec<f64> = own
            .par_iter()
            .map(|p| p.iter().zip(&share).map(|(p, s)| f64::from(*p) * s).sum())
            .collect();
        let most = gradient.iter().copied().fold(0.0_f64, f64::max);
        if made == steps || most - 1.0 <= tolerance {
            return Ok(MixtureOptimum {
                weights,
                log_likelihood,
                upper_bound: log_likelihood + (most - 1.0).max(0.0),
                steps: made,
            });
        }
        for (w, d) in weights.iter_mut().zip(&gradient) {
            *w *= d;
        }
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|w| *w /= sum);
        made += 1;
    }
}
