//! Where the recipes of a pool come from.
//!
//! The reference draws N operations uniformly, with replacement, and N magnitudes uniform in (−M, M). Entry b of a pool is a function of the seed and b
//! alone, so that a pool can grow, or be built in pieces, without changing.

use serde::{Deserialize, Serialize};

use super::{Policy, Step, SubPolicy};
use crate::{Address, Draw, Op, TtaError};

/// So many recipes of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MixturePart {
    /// How many.
    pub count: usize,
    /// Operations in each.
    pub ops: usize,
    /// The largest magnitude, either way.
    pub magnitude: f64,
}

/// A mixture of uniform `RandAugment` priors, and the central crop at its end.
///
/// ```
/// use firetender_tta::{Mixture, Policy};
/// let pool = Mixture::cifar().draw(&Policy::cifar(), 7)?;
/// assert_eq!(pool.len(), 1101);
/// assert!(pool.entries[1100].is_central());
/// # Ok::<(), firetender_tta::TtaError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mixture {
    /// The parts, in the order of the pool.
    pub parts: Vec<MixturePart>,
    /// Whether the last entry is the central crop.
    pub central: bool,
    /// Whether magnitudes are drawn from (−M, M); else from (0, M), as some published policies were.
    pub signed: bool,
}

impl Mixture {
    /// These parts and the central crop.
    #[must_use]
    pub fn new(parts: &[(usize, usize, f64)]) -> Self {
        let part = |&(count, ops, magnitude)| MixturePart {
            count,
            ops,
            magnitude,
        };
        Self {
            parts: parts.iter().map(part).collect(),
            central: true,
            signed: true,
        }
    }

    /// The reference's on CIFAR, 1,101 entries: 500 with M = 45, 500 with M = 20, 100 with M = 0 (crop and mirror only), one central crop.
    #[must_use]
    pub fn cifar() -> Self {
        Self::new(&[(500, 3, 45.0), (500, 3, 20.0), (100, 3, 0.0)])
    }

    /// How many entries.
    #[must_use]
    pub fn len(&self) -> usize {
        let parts = self.parts.iter().map(|part| part.count);
        parts.fold(usize::from(self.central), usize::saturating_add)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The recipes, from the operations of `policy`; its own entries are replaced. Where the space has `RandomResizedCrop`, every recipe
    /// begins with it and the others are drawn from the rest, as in the reference's `ImageNet` prior.
    ///
    /// # Errors
    /// [`TtaError::Empty`] without entries or operations to draw from; [`TtaError::Options`] for a magnitude that is negative or not finite,
    /// or more than a million entries.
    pub fn draw(&self, policy: &Policy, seed: u64) -> Result<Policy, TtaError> {
        policy.space.check()?;
        if self.is_empty() {
            return Err(TtaError::Empty {
                what: "entries of a pool",
            });
        }
        let total = self
            .parts
            .iter()
            .try_fold(1_usize, |sum, part| sum.checked_add(part.count));
        if total.is_none_or(|total| total > 1_000_001) {
            return Err(TtaError::option(
                "parts",
                "more than a million",
                "at most a million entries",
            ));
        }
        let mut entries = vec![];
        for part in &self.parts {
            let MixturePart { ops, magnitude, .. } = *part;
            if !(magnitude >= 0.0 && magnitude.is_finite()) || ops > 64 {
                return Err(TtaError::option(
                    "parts",
                    format!("{part:?}"),
                    "a finite magnitude of at least 0 and at most 64 operations",
                ));
            }
            for _ in 0..part.count {
                let recipe = self.recipe(part, policy, seed, entries.len() as u64)?;
                entries.push(recipe);
            }
        }
        if self.central {
            entries.push(SubPolicy::central());
        }
        let mut drawn = policy.clone().with_entries(entries);
        drawn.provenance = super::Provenance {
            seed: Some(seed),
            ..super::Provenance::default()
        };
        Ok(drawn)
    }

    fn recipe(
        &self,
        part: &MixturePart,
        policy: &Policy,
        seed: u64,
        entry: u64,
    ) -> Result<SubPolicy, TtaError> {
        let mut draw = Draw::at(Address {
            seed,
            entry,
            // No image has this number.
            image: u64::MAX,
            repeat: 0,
        });
        let framed = policy.space.range(Op::RandomResizedCrop).is_ok();
        let others: Vec<Op> = policy
            .space
            .ops
            .iter()
            .map(|range| range.op)
            .filter(|op| *op != Op::RandomResizedCrop)
            .collect();
        if others.is_empty() && part.ops > 0 {
            return Err(TtaError::Empty {
                what: "operations to draw from",
            });
        }
        let first = framed.then_some(Op::RandomResizedCrop);
        let drawn = (0..part.ops).map(|_| others[draw.up_to(others.len() as u64 - 1) as usize]);
        let ops: Vec<Op> = first.into_iter().chain(drawn).collect();
        let low = if self.signed { -part.magnitude } else { 0.0 };
        let steps = ops
            .into_iter()
            .map(|op| Step(op, draw.between(low, part.magnitude)));
        Ok(SubPolicy::new(steps.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_do_not_depend_on_each_other() {
        let long = Mixture::new(&[(50, 3, 45.0)])
            .draw(&Policy::cifar(), 1)
            .unwrap();
        let short = Mixture::new(&[(10, 3, 45.0)])
            .draw(&Policy::cifar(), 1)
            .unwrap();
        assert_eq!(long.entries[..10], short.entries[..10]);
        let other = Mixture::new(&[(10, 3, 45.0)])
            .draw(&Policy::cifar(), 2)
            .unwrap();
        assert_ne!(short.entries, other.entries);
    }

    #[test]
    fn operations_and_magnitudes_are_uniform() {
        let pool = Mixture::new(&[(10_000, 3, 45.0)])
            .draw(&Policy::cifar(), 3)
            .unwrap();
        let steps: Vec<Step> = pool.entries.iter().flat_map(|e| e.ops.clone()).collect();
        assert_eq!(steps.len(), 30_000);
        // Chi-square with 14 degrees of freedom: above 36.1 once in a thousand.
        let chi: f64 = Op::ALL[..15]
            .iter()
            .map(|op| steps.iter().filter(|s| s.0 == *op).count() as f64)
            .map(|n| (n - 2000.0).powi(2) / 2000.0)
            .sum();
        assert!(chi < 36.1, "{chi}");
        // Nine degrees of freedom: 27.9.
        let mut bins = [0.0_f64; 10];
        for Step(_, m) in &steps {
            assert!((-45.0..45.0).contains(m));
            bins[((m + 45.0) / 9.0) as usize] += 1.0;
        }
        let chi: f64 = bins.iter().map(|n| (n - 3000.0).powi(2) / 3000.0).sum();
        assert!(chi < 27.9, "{bins:?}");
    }

    #[test]
    fn imagenet_recipes_begin_with_the_crop() {
        let policy = Policy::imagenet(224, 0.875);
        let pool = Mixture::new(&[(300, 2, 45.0)]).draw(&policy, 3).unwrap();
        for entry in &pool.entries[..300] {
            assert_eq!(entry.ops.len(), 3);
            assert_eq!(entry.ops[0].0, Op::RandomResizedCrop);
            assert!(entry.ops[1..].iter().all(|s| s.0 != Op::RandomResizedCrop));
        }
    }

    #[test]
    fn priors_that_are_none() {
        assert!(
            Mixture {
                parts: vec![],
                central: false,
                signed: true
            }
            .draw(&Policy::cifar(), 0)
            .is_err()
        );
        assert!(
            Mixture::new(&[(1, 3, f64::NAN)])
                .draw(&Policy::cifar(), 0)
                .is_err()
        );
        assert!(
            Mixture::new(&[(usize::MAX, 3, 1.0), (5, 3, 1.0)])
                .draw(&Policy::cifar(), 0)
                .is_err()
        );
    }
}
