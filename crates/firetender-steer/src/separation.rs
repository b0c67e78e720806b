//! How well a direction tells two classes apart.

use serde::{Deserialize, Serialize};

/// Separation of two classes by their projections on a direction.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Separation {
    /// Probability that a toward text projects higher than an away text, ties counted half: ½ is chance, 1 is perfect.
    pub auc: f64,
    /// Distance of the class means in units of their pooled standard deviation (d′); `None` when a class has fewer than two
    /// samples or the deviation is zero.
    pub d_prime: Option<f64>,
}

impl Separation {
    /// Measures two lists of projections, in any order. `None` when one is empty or a number is not finite.
    ///
    /// ```
    /// use firetender_steer::Separation;
    /// let found = Separation::measure(&[2.0, 3.0], &[1.0, 2.0]).unwrap();
    /// assert_eq!(found.auc, 0.875);
    /// assert!((found.d_prime.unwrap() - 2.0f64.sqrt()).abs() < 1e-12);
    /// ```
    #[must_use]
    pub fn measure(toward: &[f64], away: &[f64]) -> Option<Self> {
        let finite = |list: &[f64]| !list.is_empty() && list.iter().all(|x| x.is_finite());
        if !finite(toward) || !finite(away) {
            return None;
        }
        let mut sorted = away.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let wins: f64 = toward
            .iter()
            .map(|x| {
                let below = sorted.partition_point(|y| y < x);
                let up_to = sorted.partition_point(|y| y <= x);
                below as f64 + (up_to - below) as f64 / 2.0
            })
            .sum();
        let auc = wins / (toward.len() * away.len()) as f64;
        let d_prime = match (moments(toward), moments(away)) {
            (Some((m1, v1)), Some((m2, v2))) if v1 + v2 > 0.0 => {
                Some((m1 - m2) / ((v1 + v2) / 2.0).sqrt())
            }
            _ => None,
        };
        Some(Self {
            auc,
            d_prime: d_prime.filter(|d| d.is_finite()),
        })
    }
}

/// Mean and sample variance.
fn moments(list: &[f64]) -> Option<(f64, f64)> {
    if list.len() < 2 {
        return None;
    }
    let n = list.len() as f64;
    let mean = list.iter().sum::<f64>() / n;
    let variance = list.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    Some((mean, variance))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_defined() {
        let auc = |t: &[f64], a: &[f64]| Separation::measure(t, a).map(|s| s.auc);
        assert_eq!(auc(&[1.0, 2.0], &[-1.0, 0.0]), Some(1.0));
        assert_eq!(auc(&[-1.0], &[0.0]), Some(0.0));
        assert_eq!(auc(&[0.0, 0.0], &[0.0]), Some(0.5));
        assert_eq!(auc(&[0.0, -0.0], &[-0.0]), Some(0.5), "zeros are equal");
        assert_eq!(auc(&[], &[1.0]), None);
        assert_eq!(auc(&[f64::NAN], &[1.0]), None);
        let constant = Separation::measure(&[1.0, 1.0], &[0.0, 0.0]).unwrap();
        assert_eq!(constant.d_prime, None, "no deviation to measure by");
    }

    #[test]
    fn auc_equals_counting_all_pairs() {
        let list = |seed: usize| -> Vec<f64> {
            (0..37)
                .map(|i| ((i * 31 + seed) * 7919 % 23) as f64)
                .collect()
        };
        let (t, a) = (list(1), list(5));
        let mut count = 0.0;
        for x in &t {
            for y in &a {
                count += if x > y {
                    1.0
                } else if x == y {
                    0.5
                } else {
                    0.0
                };
            }
        }
        assert_eq!(
            Separation::measure(&t, &a).unwrap().auc,
            count / (37.0 * 37.0)
        );
    }
}
