//! Does a list of means rise or fall with scale? Rank tests on one number a model.
//!
//! With k models the smallest two-sided exact p of these tests is 2/k!: a family of four can never reach 0.05 here. Use the tests on
//! examples ([`page`](crate::page), [`Shapes`](crate::Shapes)) for small families.

use serde::Serialize;

use crate::special::{normal_two_sided, t_two_sided};

/// Largest number of models for which all orders are tried.
const EXACT: usize = 9;
/// Two correlations closer than this count as equal when orders are counted.
const SLACK: f64 = 1e-12;

/// Average ranks from 1, ties sharing the mean of their places.
///
/// ```
/// assert_eq!(firetender_scaling::average_ranks(&[3.0, 1.0, 3.0]), [2.5, 1.0, 2.5]);
/// ```
#[must_use]
pub fn average_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut from = 0;
    while from < order.len() {
        let mut to = from + 1;
        while to < order.len() && values[order[to]] == values[order[from]] {
            to += 1;
        }
        let rank = (from + to + 1) as f64 / 2.0;
        for &index in &order[from..to] {
            ranks[index] = rank;
        }
        from = to;
    }
    ranks
}

/// Spearman's rank correlation with scale.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spearman {
    /// The correlation of average ranks; `None` when all values are equal.
    pub rho: Option<f64>,
    /// The p-value to use: the exact one where there is one.
    pub p: Option<f64>,
    /// Share of all orders of the values with a correlation at least as large; for at most nine models.
    pub p_exact: Option<f64>,
    /// By Student's t with k − 2 degrees of freedom, as most programs report it. On few models it is too small.
    pub p_t: Option<f64>,
}

/// Spearman's ρ of `y` with `x`, two-sided.
///
/// ```
/// let found = firetender_scaling::spearman(&[1.0, 2.0, 3.0, 4.0], &[0.9, 0.7, 0.5, 0.1]);
/// assert_eq!(found.rho, Some(-1.0));
/// assert_eq!(found.p_exact, Some(2.0 / 24.0));
/// ```
#[must_use]
pub fn spearman(x: &[f64], y: &[f64]) -> Spearman {
    let (x, y) = (average_ranks(x), average_ranks(y));
    let Some(rho) = correlation(&x, &y) else {
        return Spearman {
            rho: None,
            p: None,
            p_exact: None,
            p_t: None,
        };
    };
    let k = x.len();
    let p_t = (k > 2).then(|| {
        let df = k as f64 - 2.0;
        let t = rho * (df / ((1.0 - rho) * (1.0 + rho)).max(0.0)).sqrt();
        t_two_sided(t, df)
    });
    let p_exact = (k <= EXACT).then(|| exact_spearman(&x, &y));
    Spearman {
        rho: Some(rho),
        p: p_exact.or(p_t),
        p_exact,
        p_t,
    }
}

/// Pearson's correlation; `None` without variation.
fn correlation(x: &[f64], y: &[f64]) -> Option<f64> {
    let n = x.len() as f64;
    if x.len() < 2 || x.len() != y.len() {
        return None;
    }
    let (mx, my) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        xy += (x - mx) * (y - my);
        xx += (x - mx) * (x - mx);
        yy += (y - my) * (y - my);
    }
    (xx > 0.0 && yy > 0.0).then(|| (xy / (xx * yy).sqrt()).clamp(-1.0, 1.0))
}

/// All orders of `y`; ranks are multiples of a half, so sums of products are exact.
fn exact_spearman(x: &[f64], y: &[f64]) -> f64 {
    let n = x.len() as f64;
    let (mx, my) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let x: Vec<f64> = x.iter().map(|x| x - mx).collect();
    let mut y: Vec<f64> = y.iter().map(|y| y - my).collect();
    let dot = |y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let found = dot(&y).abs();
    let scale =
        (x.iter().map(|x| x * x).sum::<f64>() * y.iter().map(|y| y * y).sum::<f64>()).sqrt();
    let least = found - SLACK * scale;
    let (mut all, mut extreme) = (0_u64, 0_u64);
    // Heap's algorithm: each order by one swap from the last; the sum follows the swap.
    let k = y.len();
    let mut sum = dot(&y);
    let mut count = |sum: f64| {
        all += 1;
        extreme += u64::from(sum.abs() >= least);
    };
    count(sum);
    let mut state = vec![0; k];
    let mut i = 1;
    while i < k {
        if state[i] < i {
            let j = if i.is_multiple_of(2) { 0 } else { state[i] };
            sum += (x[i] - x[j]) * (y[j] - y[i]);
            y.swap(i, j);
            count(sum);
            state[i] += 1;
            i = 1;
        } else {
            state[i] = 0;
            i += 1;
        }
    }
    extreme as f64 / all as f64
}

/// Kendall's rank correlation with scale.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Kendall {
    /// `τ_b`; `None` when all values are equal.
    pub tau: Option<f64>,
    /// Two-sided: exact without ties (up to 50 models), else by the tie-corrected normal approximation.
    pub p: Option<f64>,
    /// Whether `p` is exact.
    pub exact: bool,
}

/// Kendall's `τ_b` of `y` with `x`, two-sided.
///
/// ```
/// let found = firetender_scaling::kendall(&[1.0, 2.0, 3.0], &[1.0, 3.0, 2.0]);
/// assert!((found.tau.unwrap() - 1.0 / 3.0).abs() < 1e-15 && found.exact);
/// ```
#[must_use]
pub fn kendall(x: &[f64], y: &[f64]) -> Kendall {
    let k = x.len().min(y.len());
    let (mut net, mut x_ties, mut y_ties) = (0_i64, 0_i64, 0_i64);
    for i in 0..k {
        for j in i + 1..k {
            let (dx, dy) = (sign(x[j] - x[i]), sign(y[j] - y[i]));
            net += dx * dy;
            x_ties += i64::from(dx == 0);
            y_ties += i64::from(dy == 0);
        }
    }
    let pairs = (k * k.saturating_sub(1) / 2) as i64;
    if pairs == x_ties || pairs == y_ties {
        return Kendall {
            tau: None,
            p: None,
            exact: false,
        };
    }
    let tau = net as f64 / (((pairs - x_ties) as f64) * ((pairs - y_ties) as f64)).sqrt();
    let exact = x_ties == 0 && y_ties == 0 && k <= 50;
    let p = if exact {
        exact_kendall(k, ((pairs - net.abs()) / 2) as usize)
    } else {
        let (x_groups, y_groups) = (tie_groups(x), tie_groups(y));
        let sum = |groups: &[f64], f: fn(f64) -> f64| groups.iter().map(|t| f(*t)).sum::<f64>();
        let n = k as f64;
        let m = n * (n - 1.0);
        let full: fn(f64) -> f64 = |t| t * (t - 1.0) * (2.0 * t + 5.0);
        let two: fn(f64) -> f64 = |t| t * (t - 1.0);
        let three: fn(f64) -> f64 = |t| t * (t - 1.0) * (t - 2.0);
        let mut variance = (m * (2.0 * n + 5.0) - sum(&x_groups, full) - sum(&y_groups, full))
            / 18.0
            + sum(&x_groups, two) * sum(&y_groups, two) / (2.0 * m);
        if k > 2 {
            variance += sum(&x_groups, three) * sum(&y_groups, three) / (9.0 * m * (n - 2.0));
        }
        normal_two_sided(net as f64 / variance.sqrt())
    };
    Kendall {
        tau: Some(tau),
        p: Some(p),
        exact,
    }
}

/// Share of orders of k with at most `inversions`, doubled.
fn exact_kendall(k: usize, inversions: usize) -> f64 {
    // Probabilities of each number of inversions, one place more at a time.
    let mut share = vec![1.0];
    for places in 2..=k {
        let mut next = vec![0.0; share.len() + places - 1];
        for (at, value) in share.iter().enumerate() {
            for extra in 0..places {
                next[at + extra] += value / places as f64;
            }
        }
        share = next;
    }
    (2.0 * share[..=inversions].iter().sum::<f64>()).min(1.0)
}

/// The Mann–Kendall test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MannKendall {
    /// S: pairs that rise less pairs that fall.
    pub s: f64,
    /// Its variance under no trend, corrected for ties.
    pub var: f64,
    /// With continuity correction; 0 when S is 0.
    pub z: f64,
    /// Two-sided, by the normal approximation.
    pub p: f64,
}

/// Mann–Kendall of values in the order of scale.
///
/// ```
/// let found = firetender_scaling::mann_kendall(&[5.0, 4.0, 4.0, 1.0]);
/// assert_eq!(found.s, -5.0);
/// ```
#[must_use]
pub fn mann_kendall(y: &[f64]) -> MannKendall {
    let k = y.len();
    let mut s = 0;
    for i in 0..k {
        for j in i + 1..k {
            s += sign(y[j] - y[i]);
        }
    }
    let n = k as f64;
    let full = |t: f64| t * (t - 1.0) * (2.0 * t + 5.0);
    let var = (full(n) - tie_groups(y).into_iter().map(full).sum::<f64>()) / 18.0;
    let s = s as f64;
    let z = if s == 0.0 || var <= 0.0 {
        0.0
    } else {
        (s - s.signum()) / var.sqrt()
    };
    MannKendall {
        s,
        var,
        z,
        p: normal_two_sided(z),
    }
}

/// The Theil–Sen slope: the median slope of all pairs of different scale. `None` without such a pair.
///
/// ```
/// assert_eq!(firetender_scaling::theil_sen(&[0.0, 1.0, 2.0], &[0.0, 1.0, 7.0]), Some(3.5));
/// ```
#[must_use]
pub fn theil_sen(x: &[f64], y: &[f64]) -> Option<f64> {
    let k = x.len().min(y.len());
    let mut slopes = vec![];
    for i in 0..k {
        for j in i + 1..k {
            if x[j] != x[i] {
                slopes.push((y[j] - y[i]) / (x[j] - x[i]));
            }
        }
    }
    median(&mut slopes)
}

/// The median; `None` of nothing.
pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    match n {
        0 => None,
        _ if n.is_multiple_of(2) => Some(0.5 * (values[n / 2 - 1] + values[n / 2])),
        _ => Some(values[n / 2]),
    }
}

fn sign(value: f64) -> i64 {
    i64::from(value > 0.0) - i64::from(value < 0.0)
}

/// Sizes of the groups of equal values, those of one included.
fn tie_groups(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
        .chunk_by(|a, b| a == b)
        .map(|group| group.len() as f64)
        .collect()
}

/// BIG-bench's two descriptions of a curve (Srivastava et al. 2022, appendix B). Heuristics without a noise model: on flat noise they
/// look like trends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BigBench {
    /// Signed range over the root mean square of the steps.
    pub linearity: f64,
    /// Signed range over the root median square of the steps; `None` when most steps are zero.
    pub breakthroughness: Option<f64>,
}

/// Linearity and breakthroughness of values in the order of scale; `None` on a flat curve.
///
/// ```
/// let curve = firetender_scaling::big_bench(&[0.0, 0.5, 1.0]).unwrap();
/// assert_eq!(curve.linearity, 2.0);
/// assert!(firetender_scaling::big_bench(&[0.3; 4]).is_none());
/// ```
#[must_use]
pub fn big_bench(y: &[f64]) -> Option<BigBench> {
    let (mut high, mut low) = (0, 0);
    for (index, value) in y.iter().enumerate() {
        if *value > y[high] {
            high = index;
        }
        if *value < y[low] {
            low = index;
        }
    }
    if high == low {
        return None;
    }
    let range = (y[high] - y[low]) * if high > low { 1.0 } else { -1.0 };
    let mut steps: Vec<f64> = y
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).powi(2))
        .collect();
    let mean = steps.iter().sum::<f64>() / steps.len() as f64;
    let middle = median(&mut steps)?;
    Some(BigBench {
        linearity: range / mean.sqrt(),
        breakthroughness: (middle > 0.0).then(|| range / middle.sqrt()),
    })
}

/// Benjamini–Hochberg: p-values adjusted for their number, in the same order.
///
/// ```
/// let adjusted = firetender_scaling::benjamini_hochberg(&[0.01, 0.04, 0.03]);
/// assert!((adjusted[0] - 0.03).abs() < 1e-15 && (adjusted[2] - 0.04).abs() < 1e-15);
/// ```
#[must_use]
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut adjusted = vec![f64::NAN; p.len()];
    let mut least = 1.0_f64;
    for (place, &index) in order.iter().enumerate().rev() {
        least = least.min(p.len() as f64 * p[index] / (place + 1) as f64);
        adjusted[index] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests;
