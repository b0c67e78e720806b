//! Populations in which what does well becomes more.

use serde::Serialize;

use crate::{BargainError, Dice};

/// What became of a population.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evolution {
    /// Share of each strategy over time, the start first.
    pub shares: Vec<Vec<f64>>,
}

impl Evolution {
    /// The shares at the end.
    #[must_use]
    pub fn end(&self) -> &[f64] {
        self.shares.last().map_or(&[], Vec::as_slice)
    }
}

fn check(fitness: &[Vec<f64>]) -> Result<usize, BargainError> {
    let n = fitness.len();
    let square = n > 0
        && fitness
            .iter()
            .all(|row| row.len() == n && row.iter().all(|f| f.is_finite()));
    if square {
        return Ok(n);
    }
    Err(BargainError::TooFew {
        what: format!("{n} rows of fitness; expected a square table of finite numbers"),
    })
}

/// Replicator dynamics `ẋᵢ = xᵢ (fᵢ − f̄)` of one population from equal shares, `fᵢ = Σⱼ fitness[i][j] xⱼ`, by Euler steps of `dt`; `kept` points in time
/// are recorded, evenly spaced, beside the start.
///
/// # Errors
/// [`BargainError::TooFew`] when the table is empty, not square or not finite.
///
/// ```
/// use firetender_bargain::population::replicator_mix;
/// // Cooperate or defect, once: only defection is left.
/// let found = replicator_mix(&[vec![-1.0, -3.0], vec![0.0, -2.0]], 2000, 0.01, 4).unwrap();
/// assert!(found.end()[1] > 0.999);
/// ```
pub fn replicator_mix(
    fitness: &[Vec<f64>],
    steps: usize,
    dt: f64,
    kept: usize,
) -> Result<Evolution, BargainError> {
    let n = check(fitness)?;
    let mut now = vec![1.0 / n as f64; n];
    let mut shares = vec![now.clone()];
    let every = (steps / kept.max(1)).max(1);
    for step in 1..=steps {
        let values: Vec<f64> = fitness
            .iter()
            .map(|row| row.iter().zip(&now).map(|(f, x)| f * x).sum())
            .collect();
        let mean: f64 = values.iter().zip(&now).map(|(f, x)| f * x).sum();
        for (x, f) in now.iter_mut().zip(&values) {
            *x = (*x + dt * *x * (f - mean)).max(0.0);
        }
        let total: f64 = now.iter().sum();
        now.iter_mut().for_each(|x| *x /= total);
        if step % every == 0 {
            shares.push(now.clone());
        }
    }
    Ok(Evolution { shares })
}

/// A Moran process (Moran 1958): again and again one of `size` players is chosen to copy itself, with probability proportional to `e^(intensity · payoff)`,
/// and another, at random, to give way; until all are alike or `most` steps are over. Starts with equal numbers (the first strategies have one more
/// where that does not divide).
///
/// # Errors
/// [`BargainError::TooFew`] when the table is empty, not square or not finite, or there are fewer than two players; [`BargainError::Option`] when the intensity is no
/// finite number.
pub fn moran(
    fitness: &[Vec<f64>],
    size: usize,
    intensity: f64,
    most: usize,
    seed: u64,
) -> Result<Evolution, BargainError> {
    let n = check(fitness)?;
    if size < 2 {
        return Err(BargainError::TooFew {
            what: format!("a population of {size}; expected at least two"),
        });
    }
    if !intensity.is_finite() {
        return Err(BargainError::Option {
            field: "intensity",
            found: intensity.to_string(),
            expected: "a finite number",
        });
    }
    let mut counts: Vec<usize> = (0..n)
        .map(|i| size / n + usize::from(i < size % n))
        .collect();
    let share = |counts: &[usize]| {
        counts
            .iter()
            .map(|c| *c as f64 / size as f64)
            .collect::<Vec<_>>()
    };
    let mut shares = vec![share(&counts)];
    for step in 0..most {
        if counts.contains(&size) {
            break;
        }
        // Nobody meets itself.
        let payoff = |i: usize| {
            let sum: f64 = (0..n)
                .map(|j| fitness[i][j] * counts[j].saturating_sub(usize::from(i == j)) as f64)
                .sum();
            sum / (size - 1) as f64
        };
        let alive = |i: &usize| counts[*i] > 0;
        let top = (0..n).filter(alive).map(payoff).fold(f64::MIN, f64::max);
        let weight = |i: usize| {
            if counts[i] == 0 {
                0.0
            } else {
                counts[i] as f64 * (intensity * (payoff(i) - top)).exp()
            }
        };
        let weights: Vec<f64> = (0..n).map(weight).collect();
        let total: f64 = weights.iter().sum();
        let mut dice = Dice::at(seed, 0, step as u64);
        let born = dice.pick(weights.iter().map(|w| w / total));
        let gone = dice.pick(counts.iter().map(|c| *c as f64 / size as f64));
        counts[born] += 1;
        counts[gone] -= 1;
        shares.push(share(&counts));
    }
    Ok(Evolution { shares })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A closed form: with fitness that does not depend on who is there, one mutant of relative fitness r takes over with probability (1 − 1/r) / (1 − r⁻ⁿ).
    #[test]
    fn fixation_is_as_moran_derived_it() {
        let r: f64 = 1.5;
        let fitness = [vec![r.ln(); 2], vec![0.0; 2]];
        let runs = 4000;
        let won = (0..runs)
            .filter(|seed| moran(&fitness, 4, 1.0, 100_000, *seed).unwrap().end()[0] == 1.0)
            .count();
        // Two of four: (1 − r⁻²) / (1 − r⁻⁴).
        let expected = (1.0 - r.powi(-2)) / (1.0 - r.powi(-4));
        let found = won as f64 / runs as f64;
        assert!(
            (found - expected).abs() < 4.0 * (expected * (1.0 - expected) / runs as f64).sqrt(),
            "{found} {expected}"
        );
    }

    #[test]
    fn wrong_tables_are_refused() {
        assert!(replicator_mix(&[], 1, 0.1, 1).is_err());
        assert!(replicator_mix(&[vec![1.0, 2.0]], 1, 0.1, 1).is_err());
        assert!(moran(&[vec![f64::NAN]], 4, 1.0, 1, 0).is_err());
        assert!(moran(&[vec![1.0]], 1, 1.0, 1, 0).is_err());
        assert!(moran(&[vec![1.0]], 4, f64::NAN, 1, 0).is_err());
        assert!(moran(&[vec![1.0]], 4, f64::INFINITY, 1, 0).is_err());
        assert_eq!(moran(&[vec![1.0]], 5, 1.0, 10, 0).unwrap().end(), [1.0]);
    }
}
