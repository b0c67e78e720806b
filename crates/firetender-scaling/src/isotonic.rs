//! Weighted monotone and umbrella regression: how far data are from rising, falling, falling then rising, and rising then falling.
//!
//! Pool adjacent violators (Ayer et al. 1955; Barlow et al. 1972) on one point a model. Each prefix's cost falls out of one pass, so the
//! best mode of an umbrella costs no more than two passes.

/// The best rising (or falling) fit to `values`: minimises Σ w (value − fit)².
///
/// ```
/// use firetender_scaling::isotonic;
///
/// assert_eq!(isotonic(&[1.0, 3.0, 2.0], &[1.0, 1.0, 1.0], true), [1.0, 2.5, 2.5]);
/// ```
///
/// # Panics
/// When the lengths differ.
#[must_use]
pub fn isotonic(values: &[f64], weights: &[f64], rising: bool) -> Vec<f64> {
    assert_eq!(values.len(), weights.len(), "a weight for each value");
    let mut blocks = Blocks::new(values.len());
    for (value, weight) in values.iter().zip(weights) {
        blocks.push(*value, *weight, rising);
    }
    blocks.spread()
}

/// Σ w (value − fit)² of the best rising or falling fit.
///
/// ```
/// let chi2 = firetender_scaling::monotone_chi2(&[1.0, 3.0, 2.0], &[1.0, 1.0, 1.0], true);
/// assert_eq!(chi2, 0.5);
/// ```
///
/// # Panics
/// When the lengths differ.
#[must_use]
pub fn monotone_chi2(values: &[f64], weights: &[f64], rising: bool) -> f64 {
    assert_eq!(values.len(), weights.len(), "a weight for each value");
    let mut blocks = Blocks::new(values.len());
    let mut cost = 0.0;
    for (value, weight) in values.iter().zip(weights) {
        cost += blocks.push(*value, *weight, rising);
    }
    cost
}

/// One block of equal fit.
#[derive(Clone, Copy)]
struct Block {
    mean: f64,
    weight: f64,
    count: usize,
}

struct Blocks(Vec<Block>);

impl Blocks {
    fn new(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// Adds a point at the end and returns what the cost grows by.
    fn push(&mut self, value: f64, weight: f64, rising: bool) -> f64 {
        let mut new = Block {
            mean: value,
            weight,
            count: 1,
        };
        let mut cost = 0.0;
        while let Some(last) = self.0.last() {
            let fits = if rising {
                last.mean <= new.mean
            } else {
                last.mean >= new.mean
            };
            if fits {
                break;
            }
            let all = last.weight + new.weight;
            let gap = last.mean - new.mean;
            cost += last.weight * new.weight / all * gap * gap;
            new = Block {
                mean: (last.mean * last.weight + new.mean * new.weight) / all,
                weight: all,
                count: last.count + new.count,
            };
            self.0.pop();
        }
        self.0.push(new);
        cost
    }

    fn spread(&self) -> Vec<f64> {
        self.0
            .iter()
            .flat_map(|block| std::iter::repeat_n(block.mean, block.count))
            .collect()
    }
}

/// Buffers for [`Costs::of`], so that a bootstrap does not allocate.
pub(crate) struct Workspace {
    blocks: Blocks,
    front: Vec<f64>,
}

impl Workspace {
    pub(crate) fn new(models: usize) -> Self {
        Self {
            blocks: Blocks::new(models),
            front: vec![0.0; models + 1],
        }
    }

    /// Cost of the best falling-then-rising fit (or the reverse), and where its second part begins.
    fn umbrella(&mut self, values: &[f64], weights: &[f64], first_rises: bool) -> (f64, usize) {
        let k = values.len();
        self.blocks.0.clear();
        let mut cost = 0.0;
        for at in 0..k {
            self.front[at] = cost;
            cost += self.blocks.push(values[at], weights[at], first_rises);
        }
        self.front[k] = cost;
        // The second part, read from the end, moves as the first does.
        self.blocks.0.clear();
        let (mut best, mut split, mut back) = (self.front[k], k, 0.0);
        for at in (0..k).rev() {
            back += self.blocks.push(values[at], weights[at], first_rises);
            if self.front[at] + back < best {
                (best, split) = (self.front[at] + back, at);
            }
        }
        (best, split)
    }

    fn monotone(&mut self, values: &[f64], weights: &[f64], rising: bool) -> f64 {
        self.blocks.0.clear();
        let mut cost = 0.0;
        for (value, weight) in values.iter().zip(weights) {
            cost += self.blocks.push(*value, *weight, rising);
        }
        cost
    }

    /// The cost of one shape.
    pub(crate) fn cost(&mut self, shape: usize, values: &[f64], weights: &[f64]) -> f64 {
        match shape {
            CONSTANT => constant(values, weights).1,
            RISING => self.monotone(values, weights, true),
            FALLING => self.monotone(values, weights, false),
            VALLEY => self.umbrella(values, weights, false).0,
            _ => self.umbrella(values, weights, true).0,
        }
    }

    /// The fit of one shape.
    pub(crate) fn fit(&mut self, shape: usize, values: &[f64], weights: &[f64]) -> Vec<f64> {
        match shape {
            CONSTANT => vec![constant(values, weights).0; values.len()],
            RISING => isotonic(values, weights, true),
            FALLING => isotonic(values, weights, false),
            _ => {
                let first_rises = shape != VALLEY;
                let (_, split) = self.umbrella(values, weights, first_rises);
                let mut fit = isotonic(&values[..split], &weights[..split], first_rises);
                fit.extend(isotonic(&values[split..], &weights[split..], !first_rises));
                fit
            }
        }
    }
}

/// The shapes, from simple to complex.
pub(crate) const CONSTANT: usize = 0;
pub(crate) const RISING: usize = 1;
pub(crate) const FALLING: usize = 2;
pub(crate) const VALLEY: usize = 3;
pub(crate) const HILL: usize = 4;
/// How many there are.
pub(crate) const SHAPES: usize = 5;

fn constant(values: &[f64], weights: &[f64]) -> (f64, f64) {
    let all: f64 = weights.iter().sum();
    let mean = values.iter().zip(weights).map(|(v, w)| v * w).sum::<f64>() / all;
    let cost = values
        .iter()
        .zip(weights)
        .map(|(v, w)| w * (v - mean) * (v - mean))
        .sum();
    (mean, cost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::{assert_abs_diff_eq, assert_relative_eq};
    use proptest::prelude::*;

    /// max over starts of min over ends of block means: the textbook formula.
    fn slow(values: &[f64], weights: &[f64]) -> Vec<f64> {
        let k = values.len();
        let mean = |from: usize, to: usize| {
            let w: f64 = weights[from..=to].iter().sum();
            (from..=to).map(|i| values[i] * weights[i]).sum::<f64>() / w
        };
        (0..k)
            .map(|i| {
                (0..=i)
                    .map(|from| {
                        (i..k)
                            .map(|to| mean(from, to))
                            .fold(f64::INFINITY, f64::min)
                    })
                    .fold(f64::NEG_INFINITY, f64::max)
            })
            .collect()
    }

    fn cost(values: &[f64], weights: &[f64], fit: &[f64]) -> f64 {
        (0..values.len())
            .map(|i| weights[i] * (values[i] - fit[i]).powi(2))
            .sum()
    }

    proptest! {
        #[test]
        fn pooling_is_the_textbook_formula(
            points in prop::collection::vec((-1.0_f64..1.0, 0.1_f64..5.0), 1..9),
        ) {
            let (values, weights): (Vec<f64>, Vec<f64>) = points.into_iter().unzip();
            let (fit, expected) = (isotonic(&values, &weights, true), slow(&values, &weights));
            for (found, expected) in fit.iter().zip(&expected) {
                prop_assert!((found - expected).abs() < 1e-12);
            }
            let chi2 = monotone_chi2(&values, &weights, true);
            prop_assert!((chi2 - cost(&values, &weights, &fit)).abs() < 1e-10);
            // Falling is rising with the sign changed.
            let negated: Vec<f64> = values.iter().map(|v| -v).collect();
            prop_assert!((monotone_chi2(&negated, &weights, false) - chi2).abs() < 1e-12);
        }

        #[test]
        fn umbrellas_are_the_best_of_all_splits(
            points in prop::collection::vec((-1.0_f64..1.0, 0.1_f64..5.0), 1..9),
        ) {
            let (values, weights): (Vec<f64>, Vec<f64>) = points.into_iter().unzip();
            let mut space = Workspace::new(values.len());
            for (shape, rises) in [(VALLEY, false), (HILL, true)] {
                let best = (0..=values.len())
                    .map(|at| {
                        monotone_chi2(&values[..at], &weights[..at], rises)
                            + monotone_chi2(&values[at..], &weights[at..], !rises)
                    })
                    .fold(f64::INFINITY, f64::min);
                prop_assert!((space.cost(shape, &values, &weights) - best).abs() < 1e-10);
                let fit = space.fit(shape, &values, &weights);
                prop_assert!((cost(&values, &weights, &fit) - best).abs() < 1e-10);
                // An umbrella fits at least as well as either monotone curve.
                let monotone = space.cost(RISING, &values, &weights)
                    .min(space.cost(FALLING, &values, &weights));
                prop_assert!(best <= monotone + 1e-12);
            }
        }
    }

    #[test]
    fn pythias_distances_from_monotone() {
        // The specification's table 8.4; σ floored at 0.001.
        let table: [(&[f64], f64, f64, f64); 3] = [
            (
                &[817.0, 794.0, 780.0, 730.0, 721.0, 732.0, 649.0, 614.0],
                936.0,
                212.478,
                0.37174,
            ),
            (
                &[158.0, 175.0, 138.0, 172.0, 134.0, 105.0, 143.0, 76.0],
                315.0,
                118.600,
                18.9653,
            ),
            (
                &[137.0, 137.0, 138.0, 137.0, 137.0, 137.0, 135.0, 142.0],
                300.0,
                0.06513,
                0.37384,
            ),
        ];
        for (counts, n, rising, falling) in table {
            let values: Vec<f64> = counts.iter().map(|c| c / n).collect();
            let weights: Vec<f64> = values
                .iter()
                .map(|p| ((p * (1.0 - p) / (n - 1.0)).sqrt().max(0.001)).powi(-2))
                .collect();
            assert_relative_eq!(
                monotone_chi2(&values, &weights, true),
                rising,
                max_relative = 1e-4
            );
            assert_relative_eq!(
                monotone_chi2(&values, &weights, false),
                falling,
                max_relative = 2e-5
            );
        }
    }

    #[test]
    fn monotone_data_cost_nothing() {
        assert_eq!(monotone_chi2(&[1.0, 1.0, 2.0], &[1.0; 3], true), 0.0);
        assert_abs_diff_eq!(Workspace::new(0).cost(VALLEY, &[], &[]), 0.0);
    }
}
