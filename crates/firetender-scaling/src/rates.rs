//! How often the classifier errs, by simulation: scores of examples are drawn from a known curve, and the labels are counted.
//!
//! A verdict without its error rates is an opinion. The truth is a list of probabilities, one a model; the models share a part of their luck on each example, as models of one family do,
//! which is what pairing has to deal with.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use rayon::prelude::*;

use crate::{Label, Noise, ScalingError, ShapeOptions, Shapes};

/// What is simulated.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulation {
    /// Probability of a right answer under each model, in order of scale.
    pub truth: Vec<f64>,
    /// Number of examples.
    pub examples: usize,
    /// Chance that a model's luck on an example is the one that all models share there: 0 for independent models, 1 for models that find the same examples hard.
    pub shared: f64,
    /// Whether the classifier sees the examples or only their means and standard errors.
    pub noise: Noise,
}

impl Simulation {
    /// The scores of one simulated run, `[example][model]`, each 0 or 1.
    ///
    /// ```
    /// use firetender_scaling::{Noise, Simulation};
    ///
    /// let flat = Simulation { truth: vec![0.5; 3], examples: 4, shared: 1.0, noise: Noise::PairedExamples };
    /// assert!(flat.scores(0).iter().all(|row| row[0] == row[1] && row[1] == row[2]));
    /// ```
    #[must_use]
    pub fn scores(&self, seed: u64) -> Vec<Vec<f64>> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        // Apart from the streams of the bootstrap.
        random.set_stream(1 << 40);
        let mut unit = || (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        (0..self.examples)
            .map(|_| {
                let common = unit();
                let mut one = |p: &f64| {
                    let luck = if unit() < self.shared { common } else { unit() };
                    f64::from(u8::from(luck < *p))
                };
                self.truth.iter().map(&mut one).collect()
            })
            .collect()
    }

    /// How often each label is given in `runs` runs, in the order of [`Label::ALL`]. Run r draws its scores and its bootstrap from the seed of `options` plus r.
    ///
    /// ```
    /// use firetender_scaling::{Label, Noise, ShapeOptions, Simulation};
    ///
    /// let falling = Simulation { truth: vec![0.9, 0.6, 0.3], examples: 200, shared: 0.5, noise: Noise::PairedExamples };
    /// let options = ShapeOptions { draws: 200, ..ShapeOptions::default() };
    /// assert_eq!(falling.labels(10, options)?[Label::Inverse as usize], 10);
    /// # Ok::<(), firetender_scaling::ScalingError>(())
    /// ```
    ///
    /// # Errors
    /// Fewer than two models or examples, probabilities or a share outside 0 to 1, or options out of range.
    pub fn labels(&self, runs: u64, options: ShapeOptions) -> Result<[u64; 6], ScalingError> {
        for (what, value) in self
            .truth
            .iter()
            .map(|p| ("a probability of the truth", *p))
            .chain([("the shared luck", self.shared)])
        {
            if !(0.0..=1.0).contains(&value) {
                return Err(ScalingError::Value {
                    what: what.into(),
                    found: value.to_string(),
                    expected: "a number from 0 to 1",
                });
            }
        }
        let one = |run: u64| -> Result<Label, ScalingError> {
            let seed = options.seed.wrapping_add(run);
            let options = ShapeOptions { seed, ..options };
            let scores = self.scores(seed);
            Ok(match self.noise {
                Noise::PairedExamples => Shapes::from_examples(&scores, options)?.label,
                Noise::Parametric => {
                    let n = scores.len() as f64;
                    let mean = |j: usize| scores.iter().map(|row| row[j]).sum::<f64>() / n;
                    let means: Vec<f64> = (0..self.truth.len()).map(mean).collect();
                    let errors: Vec<f64> = means
                        .iter()
                        .map(|p| (p * (1.0 - p) / (n - 1.0).max(1.0)).sqrt())
                        .collect();
                    Shapes::from_means(&means, &errors, options)?.label
                }
            })
        };
        let labels = (0..runs)
            .into_par_iter()
            .map(one)
            .collect::<Result<Vec<_>, _>>()?;
        let mut counts = [0; 6];
        for label in labels {
            counts[label as usize] += 1;
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn simulation(truth: &[f64], shared: f64) -> Simulation {
        Simulation {
            truth: truth.to_vec(),
            examples: 100,
            shared,
            noise: Noise::PairedExamples,
        }
    }

    #[test]
    fn scores_have_the_means_of_the_truth_and_share_their_luck() {
        let many = Simulation {
            examples: 20_000,
            ..simulation(&[0.3, 0.7], 0.6)
        };
        let scores = many.scores(1);
        let n = scores.len() as f64;
        let mean = |j: usize| scores.iter().map(|row| row[j]).sum::<f64>() / n;
        assert!((mean(0) - 0.3).abs() < 0.015 && (mean(1) - 0.7).abs() < 0.015);
        // Both lucky together: with chance 0.36 both have the common luck.
        let both = scores.iter().map(|row| row[0] * row[1]).sum::<f64>() / n;
        assert!((both - (0.36 * 0.3 + 0.64 * 0.21)).abs() < 0.015, "{both}");
    }

    #[test]
    fn counts_do_not_depend_on_threads_and_means_know_less_than_examples() {
        let options = ShapeOptions {
            draws: 200,
            ..ShapeOptions::default()
        };
        let falling = simulation(&[0.62, 0.58, 0.54], 0.95);
        let run = || falling.labels(40, options).unwrap();
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap();
        assert_eq!(pool.install(run), run());
        let blind = Simulation {
            noise: Noise::Parametric,
            ..falling.clone()
        };
        let inverse = Label::Inverse as usize;
        let (seen, blind) = (run(), blind.labels(40, options).unwrap());
        assert!(seen[inverse] > blind[inverse], "{seen:?} {blind:?}");
        assert!(simulation(&[0.5, 1.5], 0.0).labels(1, options).is_err());
        assert!(
            simulation(&[0.5, 0.5], f64::NAN)
                .labels(1, options)
                .is_err()
        );
        assert!(simulation(&[0.5], 0.0).labels(1, options).is_err());
    }
}
