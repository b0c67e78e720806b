//! Trends on single examples: every example is a block that all models have answered, or a group of its own.

mod exact;

use serde::Serialize;

use crate::{
    average_ranks,
    special::{binomial_half, normal_two_sided, t_two_sided},
};

/// A trend test with a normal approximation. `z > 0`: the score rises with scale.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TrendTest {
    /// The statistic of the test's author.
    pub statistic: f64,
    /// Its mean under no trend.
    pub expected: f64,
    /// Its variance under no trend.
    pub variance: f64,
    /// Standardised; 0 when the variance is 0.
    pub z: f64,
    /// Two-sided, by the normal approximation.
    pub p: f64,
    /// Two-sided and exact, where there are few enough orders to count ([`page`] only).
    pub p_exact: Option<f64>,
}

impl TrendTest {
    fn new(statistic: f64, expected: f64, variance: f64) -> Self {
        let z = if variance > 0.0 {
            (statistic - expected) / variance.sqrt()
        } else {
            0.0
        };
        Self {
            statistic,
            expected,
            variance,
            z,
            p: normal_two_sided(z),
            p_exact: None,
        }
    }
}

/// Page's L (1963) for ordered alternatives: `examples[i][j]` is the score of example i under model j, models in order of scale.
///
/// Scores are ranked within each example with average ranks, and the variance is that of all orders within examples, which is right with
/// any ties (0/1 scores are nearly all ties) and equals nk²(k+1)²(k−1)/144 without. [`TrendTest::p_exact`] counts all orders within examples, for at most ten models
/// and as many examples as give a few thousand values of L. `None` without examples or with fewer than two models.
///
/// ```
/// let found = firetender_scaling::page(&[vec![0.1, 0.2, 0.3], vec![0.0, 0.5, 0.9]]).unwrap();
/// assert_eq!(found.statistic, 28.0);
/// assert!(found.z > 0.0);
/// ```
#[must_use]
pub fn page(examples: &[Vec<f64>]) -> Option<TrendTest> {
    let k = examples.first()?.len();
    if k < 2 || examples.iter().any(|row| row.len() != k) {
        return None;
    }
    let middle = (k as f64 + 1.0) / 2.0;
    let columns: f64 = (1..=k).map(|j| (j as f64 - middle).powi(2)).sum();
    let (mut l, mut variance) = (0.0, 0.0);
    let all: Vec<Vec<f64>> = examples.iter().map(|row| average_ranks(row)).collect();
    for ranks in &all {
        l += ranks
            .iter()
            .enumerate()
            .map(|(j, rank)| (j + 1) as f64 * rank)
            .sum::<f64>();
        let spread: f64 = ranks.iter().map(|rank| (rank - middle).powi(2)).sum();
        variance += columns * spread / (k as f64 - 1.0);
    }
    let expected = examples.len() as f64 * k as f64 * (k as f64 + 1.0).powi(2) / 4.0;
    Some(TrendTest {
        p_exact: exact::two_sided(&all),
        ..TrendTest::new(l, expected, variance)
    })
}

/// Jonckheere–Terpstra: groups of unpaired scores in order of scale; ties count one half, the variance is the one without ties.
///
/// ```
/// let found = firetender_scaling::jonckheere_terpstra(&[vec![1.0, 2.0], vec![3.0, 4.0]]).unwrap();
/// assert_eq!((found.statistic, found.expected), (4.0, 2.0));
/// ```
#[must_use]
pub fn jonckheere_terpstra(groups: &[Vec<f64>]) -> Option<TrendTest> {
    if groups.len() < 2 || groups.iter().any(Vec::is_empty) {
        return None;
    }
    let mut j = 0.0;
    let sorted: Vec<Vec<f64>> = groups
        .iter()
        .map(|group| {
            let mut group = group.clone();
            group.sort_by(f64::total_cmp);
            group
        })
        .collect();
    for (low, small) in sorted.iter().enumerate() {
        for large in &sorted[low + 1..] {
            for value in large {
                let below = small.partition_point(|other| other < value);
                let equal = small.partition_point(|other| other <= value) - below;
                j += below as f64 + 0.5 * equal as f64;
            }
        }
    }
    let sizes: Vec<f64> = groups.iter().map(|group| group.len() as f64).collect();
    let n: f64 = sizes.iter().sum();
    let expected = (n * n - sizes.iter().map(|s| s * s).sum::<f64>()) / 4.0;
    let part = |s: f64| s * s * (2.0 * s + 3.0);
    let variance = (part(n) - sizes.iter().map(|s| part(*s)).sum::<f64>()) / 72.0;
    Some(TrendTest::new(j, expected, variance))
}

/// Cochran–Armitage: `correct[j]` of `n[j]` at scale `x[j]`, as independent samples.
///
/// ```
/// let found = firetender_scaling::cochran_armitage(&[1.0, 2.0], &[10, 30], &[50, 50]).unwrap();
/// assert!(found.z > 0.0 && found.p < 0.001);
/// ```
#[must_use]
pub fn cochran_armitage(x: &[f64], correct: &[u64], n: &[u64]) -> Option<TrendTest> {
    if x.len() < 2 || correct.len() != x.len() || n.len() != x.len() {
        return None;
    }
    let all = n.iter().sum::<u64>() as f64;
    if all == 0.0 {
        return None;
    }
    let mean = correct.iter().sum::<u64>() as f64 / all;
    let (mut t, mut nx, mut nxx) = (0.0, 0.0, 0.0);
    for ((x, correct), n) in x.iter().zip(correct).zip(n) {
        let n = *n as f64;
        t += x * (*correct as f64 - n * mean);
        nx += n * x;
        nxx += n * x * x;
    }
    let variance = mean * (1.0 - mean) * (nxx - nx * nx / all);
    Some(TrendTest::new(t, 0.0, variance))
}

/// Two models on the same examples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PairTest {
    /// Mean of second less first.
    pub difference: f64,
    /// Standard error of that mean, with n − 1 under the root.
    pub stderr: f64,
    /// The exact test of McNemar (binomial on the examples where they differ); only for scores that are 0 or 1.
    pub mcnemar: Option<f64>,
    /// The paired t-test; `None` when all differences are equal.
    pub t_test: Option<f64>,
}

/// Compares the scores of two models on the same examples; `None` for fewer than two.
///
/// ```
/// let found = firetender_scaling::paired(&[0.0, 0.0, 1.0, 0.0], &[1.0, 1.0, 1.0, 0.0]).unwrap();
/// assert_eq!(found.difference, 0.5);
/// assert!((found.mcnemar.unwrap() - 0.5).abs() < 1e-9);
/// ```
#[must_use]
pub fn paired(first: &[f64], second: &[f64]) -> Option<PairTest> {
    let n = first.len();
    if n < 2 || second.len() != n {
        return None;
    }
    let differences: Vec<f64> = first.iter().zip(second).map(|(a, b)| b - a).collect();
    let mean = differences.iter().sum::<f64>() / n as f64;
    let spread: f64 = differences.iter().map(|d| (d - mean).powi(2)).sum();
    let stderr = (spread / (n as f64 - 1.0) / n as f64).sqrt();
    let binary = first.iter().chain(second).all(|v| *v == 0.0 || *v == 1.0);
    let mcnemar = binary.then(|| {
        let up = differences.iter().filter(|d| **d > 0.0).count() as u64;
        let down = differences.iter().filter(|d| **d < 0.0).count() as u64;
        binomial_half(up, up + down)
    });
    Some(PairTest {
        difference: mean,
        stderr,
        mcnemar,
        t_test: (stderr > 0.0).then(|| t_two_sided(mean / stderr, n as f64 - 1.0)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn pages_two_variances_agree_without_ties() {
        let rows: Vec<Vec<f64>> = (0..7)
            .map(|i| (0..5).map(|j| f64::from((i * 3 + j * 7) % 11)).collect())
            .collect();
        let found = page(&rows).unwrap();
        let (n, k) = (7.0_f64, 5.0_f64);
        let closed = n * k * k * (k + 1.0).powi(2) * (k - 1.0) / 144.0;
        assert_relative_eq!(found.variance, closed, max_relative = 1e-12);
    }

    #[test]
    fn pages_variance_with_ties_is_that_of_all_orders() {
        // One example: the variance over all 24 orders of its scores.
        let row = [0.0, 1.0, 1.0, 0.5];
        let mut values = vec![];
        for a in 0..4 {
            for b in 0..4 {
                for c in 0..4 {
                    let d = 6_i32 - a - b - c;
                    let order = [a, b, c, d];
                    let mut seen = order.to_vec();
                    seen.sort_unstable();
                    if seen == [0, 1, 2, 3] {
                        let shuffled = order.iter().map(|i| row[*i as usize]).collect();
                        values.push(page(&[shuffled]).unwrap().statistic);
                    }
                }
            }
        }
        let mean = values.iter().sum::<f64>() / 24.0;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 24.0;
        let found = page(&[row.to_vec()]).unwrap();
        assert_relative_eq!(found.expected, mean, max_relative = 1e-12);
        assert_relative_eq!(found.variance, variance, max_relative = 1e-12);
    }

    #[test]
    fn armitage_by_hand() {
        // T = 1·(10 − 20) + 2·(30 − 20) = 10; Var = 0.4·0.6·(250 − 150²/100) = 6.
        let found = cochran_armitage(&[1.0, 2.0], &[10, 30], &[50, 50]).unwrap();
        assert_relative_eq!(found.statistic, 10.0, max_relative = 1e-12);
        assert_relative_eq!(found.variance, 6.0, max_relative = 1e-12);
    }

    #[test]
    fn nothing_to_test() {
        assert!(page(&[]).is_none() && page(&[vec![1.0]]).is_none());
        assert_eq!(page(&[vec![1.0, 1.0]]).unwrap().p, 1.0);
        assert!(jonckheere_terpstra(&[vec![1.0], vec![]]).is_none());
        assert!(cochran_armitage(&[1.0, 2.0], &[0, 0], &[0, 0]).is_none());
        assert!(paired(&[1.0], &[1.0]).is_none());
        assert_eq!(paired(&[1.0, 0.0], &[1.0, 0.0]).unwrap().t_test, None);
    }
}
