//! What chance decides in a step, as a function of the seed, the step and the row alone.
//!
//! A draw travels as plain data. It does not depend on threads, devices, or on what was drawn before, so a run that is resumed,
//! or spread over devices, draws the same.

use rand::{Rng, RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{DoseOptions, PairCount, Per};

/// Words of the random stream that belong to one row.
const ROW: u128 = 1 << 24;

/// What a source offers to a draw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SourceSize {
    /// How likely it is chosen, relative to the others.
    pub weight: f64,
    /// Number of pairs to draw from; 0 where directions are not made of pairs.
    pub pairs: usize,
    /// Number of target prompts.
    pub targets: usize,
}

/// The decisions of one minibatch, or of one of its rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draw {
    /// Whether it is steered; the rest is drawn all the same.
    pub steered: bool,
    /// Number of the source of directions.
    pub source: usize,
    /// Numbers of the pairs that the direction is made of, ascending.
    pub pairs: Vec<usize>,
    /// Strength.
    pub strength: f64,
    /// Seed of a random direction.
    pub noise: u64,
    /// Numbers of the target prompts on which the effect is kept.
    pub targets: Vec<usize>,
}

/// How draws are made.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawer {
    seed: u64,
    dose: DoseOptions,
    pairs: PairCount,
    targets: usize,
    sources: Vec<SourceSize>,
}

impl Drawer {
    /// Draws from these sources; `targets` prompts of the source at a time.
    ///
    /// # Panics
    /// When there are no sources.
    #[must_use]
    pub fn new(
        seed: u64,
        dose: &DoseOptions,
        pairs: PairCount,
        targets: usize,
        sources: &[SourceSize],
    ) -> Self {
        assert!(!sources.is_empty(), "no source to draw directions from");
        Self {
            seed,
            dose: dose.clone(),
            pairs,
            targets,
            sources: sources.to_vec(),
        }
    }

    /// The decisions for a minibatch of `rows`: one draw for all, or one for each.
    ///
    /// ```
    /// use firetender_kts::{DoseOptions, Drawer, PairCount, SourceSize};
    /// let sources = [SourceSize { weight: 1.0, pairs: 20, targets: 0 }];
    /// let drawer = Drawer::new(7, &DoseOptions::default(), PairCount::Between(5, 10), 0, &sources);
    /// let draw = &drawer.minibatch(3, 8)[0];
    /// assert_eq!(drawer.minibatch(3, 8)[0], *draw, "whatever was drawn in between");
    /// assert!((5..=10).contains(&draw.pairs.len()) && draw.strength.abs() <= 1.5);
    /// ```
    #[must_use]
    pub fn minibatch(&self, number: u64, rows: usize) -> Vec<Draw> {
        let draws = match self.dose.per {
            Per::Minibatch => 1,
            Per::Row => rows,
        };
        (0..draws).map(|row| self.one(number, row)).collect()
    }

    fn one(&self, number: u64, row: usize) -> Draw {
        let mut rng = stream(self.seed, number, row);
        let steered = rng.random::<f64>() < self.dose.p_steer;
        let strength = self.dose.strength.draw(&mut rng);
        let total: f64 = self.sources.iter().map(|s| s.weight).sum();
        let mut point = rng.random::<f64>() * total;
        let last = self.sources.len() - 1;
        let source = (0..last)
            .find(|at| {
                point -= self.sources[*at].weight;
                point < 0.0
            })
            .unwrap_or(last);
        let noise = rng.random();
        let size = self.sources[source];
        let wanted = match self.pairs {
            PairCount::All => size.pairs,
            PairCount::Between(low, high) => rng.random_range(low as u64..=high as u64) as usize,
        };
        let mut pairs = some(size.pairs, wanted, &mut rng);
        pairs.sort_unstable();
        let targets = some(size.targets, self.targets, &mut rng);
        Draw {
            steered,
            source,
            pairs,
            strength,
            noise,
            targets,
        }
    }
}

/// `wanted` different numbers below `of` (all when there are fewer), in drawn order.
fn some(of: usize, wanted: usize, rng: &mut impl Rng) -> Vec<usize> {
    let mut all: Vec<usize> = (0..of).collect();
    if wanted < of {
        let (chosen, _) = all.partial_shuffle(rng, wanted);
        return chosen.to_vec();
    }
    all
}

/// The random stream of one row of one minibatch.
pub(crate) fn stream(seed: u64, number: u64, row: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number);
    rng.set_word_pos(row as u128 * ROW);
    rng
}

#[cfg(test)]
mod tests;
