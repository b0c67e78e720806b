//! The exact distribution of Page's L: every order of every example's scores is as likely as any other.
//!
//! Examples with the same ties have the same distribution, so it is made once for each pattern of ties, raised to the number of its examples by repeated
//! squaring, and the patterns are folded together. Sums are whole numbers: ranks are doubled and columns centred.

use std::collections::BTreeMap;

/// Most columns: states are subsets of them.
const COLUMNS: usize = 10;
/// Most values that the sum over all examples may take; the work grows with its square.
const VALUES: usize = 6000;

/// Probabilities of a whole number, from `-half` to `half` in steps of `step`: all distributions here are symmetric.
#[derive(Clone)]
struct Spread {
    step: i64,
    /// At `-half + i · step`.
    share: Vec<f64>,
}

impl Spread {
    fn half(&self) -> i64 {
        self.step * (self.share.len() as i64 - 1) / 2
    }

    /// The same with smaller steps.
    fn finer(&self, step: i64) -> Vec<f64> {
        let factor = (self.step / step) as usize;
        let mut share = vec![0.0; (self.share.len() - 1) * factor + 1];
        for (at, value) in self.share.iter().enumerate() {
            share[at * factor] = *value;
        }
        share
    }

    /// Of the sum of two independent numbers.
    fn plus(&self, other: &Self) -> Self {
        let step = gcd(self.step, other.step);
        let (a, b) = (self.finer(step), other.finer(step));
        let mut share = vec![0.0; a.len() + b.len() - 1];
        for (i, a) in a.iter().enumerate().filter(|(_, a)| **a > 0.0) {
            for (sum, b) in share[i..].iter_mut().zip(&b) {
                *sum += a * b;
            }
        }
        Self { step, share }
    }

    /// Of the sum of `count` such numbers.
    fn times(&self, count: usize) -> Self {
        let mut all = Self {
            step: self.step,
            share: vec![1.0],
        };
        let (mut power, mut left) = (self.clone(), count);
        while left > 0 {
            if left % 2 == 1 {
                all = all.plus(&power);
            }
            left /= 2;
            if left > 0 {
                power = power.plus(&power);
            }
        }
        all
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Two-sided p of Page's L from the average ranks of each example: the share of all orders within examples whose L is at least as far from its mean. `None` where there would be
/// too many to count.
pub(super) fn two_sided(ranks: &[Vec<f64>]) -> Option<f64> {
    let k = ranks.first()?.len();
    if k > COLUMNS {
        return None;
    }
    let centred = |j: usize| 2 * j as i64 - (k as i64 - 1);
    let doubled =
        |row: &[f64]| -> Vec<i64> { row.iter().map(|r| (2.0 * r).round() as i64).collect() };
    let mut observed = 0;
    let mut patterns: BTreeMap<Vec<i64>, usize> = BTreeMap::new();
    for row in ranks {
        let mut row = doubled(row);
        observed += row
            .iter()
            .enumerate()
            .map(|(j, rank)| centred(j) * rank)
            .sum::<i64>();
        row.sort_unstable();
        *patterns.entry(row).or_default() += 1;
    }
    let spreads: Vec<(Spread, usize)> = patterns
        .into_iter()
        .map(|(row, count)| (of_pattern(&row), count))
        .collect();
    let step = spreads.iter().fold(0, |step, (spread, _)| {
        if spread.share.len() > 1 {
            gcd(spread.step, step)
        } else {
            step
        }
    });
    let reach: i64 = spreads
        .iter()
        .map(|(spread, count)| 2 * spread.half() * *count as i64)
        .sum();
    if step == 0 {
        return Some(1.0);
    }
    if reach / step > VALUES as i64 {
        return None;
    }
    let mut all = Spread {
        step,
        share: vec![1.0],
    };
    for (spread, count) in spreads.iter().filter(|(spread, _)| spread.share.len() > 1) {
        all = all.plus(&spread.times(*count));
    }
    let half = all.half();
    let tail: f64 = all
        .share
        .iter()
        .enumerate()
        .filter(|(at, _)| (*at as i64 * all.step - half).abs() >= observed.abs())
        .map(|(_, share)| share)
        .sum();
    Some(tail.min(1.0))
}

/// Of one example with these sorted doubled ranks: which of them the columns before have taken decides what is left.
fn of_pattern(row: &[i64]) -> Spread {
    let k = row.len();
    let mut groups: Vec<(i64, usize)> = vec![];
    for rank in row {
        match groups.last_mut() {
            Some((value, count)) if value == rank => *count += 1,
            _ => groups.push((*rank, 1)),
        }
    }
    let mut states: BTreeMap<Vec<usize>, BTreeMap<i64, f64>> = BTreeMap::new();
    let full: Vec<usize> = groups.iter().map(|(_, count)| *count).collect();
    states.insert(full, BTreeMap::from([(0, 1.0)]));
    for j in 0..k {
        let column = 2 * j as i64 - (k as i64 - 1);
        let left = (k - j) as f64;
        let mut next: BTreeMap<Vec<usize>, BTreeMap<i64, f64>> = BTreeMap::new();
        for (state, sums) in states {
            for (group, (rank, _)) in groups.iter().enumerate() {
                if state[group] == 0 {
                    continue;
                }
                let chance = state[group] as f64 / left;
                let mut taken = state.clone();
                taken[group] -= 1;
                let to = next.entry(taken).or_default();
                for (sum, share) in &sums {
                    *to.entry(sum + column * rank).or_default() += share * chance;
                }
            }
        }
        states = next;
    }
    let sums: Vec<(i64, f64)> = states.into_values().flatten().collect();
    let low = sums.first().map_or(0, |(sum, _)| *sum);
    let high = sums.last().map_or(0, |(sum, _)| *sum);
    let step = sums.iter().fold(0, |step, (sum, _)| gcd(sum - low, step));
    if step == 0 {
        return Spread {
            step: 1,
            share: vec![1.0],
        };
    }
    let mut share = vec![0.0; ((high - low) / step) as usize + 1];
    for (sum, value) in sums {
        share[((sum - low) / step) as usize] += value;
    }
    Spread { step, share }
}

#[cfg(test)]
mod tests {
    use crate::page;

    /// Every order of every example.
    fn slow(rows: &[Vec<f64>]) -> f64 {
        fn orders(row: &[f64]) -> Vec<Vec<f64>> {
            if row.len() == 1 {
                return vec![row.to_vec()];
            }
            (0..row.len())
                .flat_map(|at| {
                    let mut rest = row.to_vec();
                    let first = rest.remove(at);
                    orders(&rest)
                        .into_iter()
                        .map(move |tail| [vec![first], tail].concat())
                })
                .collect()
        }
        let found = page(rows).unwrap();
        let far = (found.statistic - found.expected).abs();
        let mut all = vec![vec![]];
        for row in rows {
            all = orders(row)
                .into_iter()
                .flat_map(|order| {
                    all.iter()
                        .map(|before: &Vec<Vec<f64>>| {
                            [before.clone(), vec![order.clone()]].concat()
                        })
                        .collect::<Vec<_>>()
                })
                .collect();
        }
        let extreme = all
            .iter()
            .filter(|rows| (page(rows).unwrap().statistic - found.expected).abs() >= far - 1e-9)
            .count();
        extreme as f64 / all.len() as f64
    }

    #[test]
    fn shares_are_those_of_all_orders() {
        for rows in [
            vec![
                vec![0.1, 0.2, 0.3],
                vec![0.3, 0.2, 0.9],
                vec![0.1, 0.5, 0.4],
            ],
            vec![
                vec![0.0, 1.0, 1.0],
                vec![0.0, 0.0, 1.0],
                vec![0.0, 0.0, 0.0],
            ],
            vec![vec![0.0, 1.0, 1.0, 0.5], vec![0.2, 0.1, 0.3, 0.4]],
            vec![
                vec![1.0, 0.0],
                vec![0.0, 1.0],
                vec![0.0, 1.0],
                vec![0.5, 0.5],
            ],
            vec![vec![0.0, 0.0, 1.0, 1.0], vec![0.0, 1.0, 0.0, 0.0]],
        ] {
            let found = page(&rows).unwrap().p_exact.unwrap();
            assert!((found - slow(&rows)).abs() < 1e-12, "{rows:?}: {found}");
        }
    }

    #[test]
    fn published_critical_values_come_out() {
        // Page 1963: the least L of k models and n examples whose one-sided p is below 0.05.
        for (k, n, critical) in [
            (3, 2, 28.0),
            (3, 3, 41.0),
            (3, 4, 54.0),
            (4, 2, 58.0),
            (4, 3, 84.0),
            (5, 2, 103.0),
        ] {
            let at = |l: f64| {
                // Any rows with this L: one example of the rest in order, the last one decides.
                let mut rows = vec![(0..k).map(f64::from).collect::<Vec<f64>>(); n];
                let most = page(&rows).unwrap().statistic;
                let mut missing = most - l;
                'rows: for row in &mut rows {
                    loop {
                        if missing < 0.5 {
                            break 'rows;
                        }
                        // Swapping neighbours that stand in order costs their difference.
                        let gain = |at: usize| row[at] - row[at - 1];
                        let fits = |at: &usize| gain(*at) > 0.5 && gain(*at) < missing + 0.5;
                        let Some(at) = (1..row.len()).find(fits) else {
                            break;
                        };
                        missing -= gain(at);
                        row.swap(at - 1, at);
                    }
                }
                let found = page(&rows).unwrap();
                assert_eq!(found.statistic, l);
                0.5 * found.p_exact.unwrap()
            };
            assert!(at(critical) <= 0.05 && at(critical - 1.0) > 0.05, "{k} {n}");
        }
    }

    #[test]
    fn many_examples_approach_the_normal_distribution_and_too_many_are_left_to_it() {
        let row = |i: u32| -> Vec<f64> {
            (0..6)
                .map(|j| f64::from(u8::from((i * 7 + j * 11) % 10 < 4 + j / 4)))
                .collect()
        };
        let rows: Vec<Vec<f64>> = (0..300).map(row).collect();
        let found = page(&rows).unwrap();
        assert!((found.p_exact.unwrap() - found.p).abs() < 5e-3, "{found:?}");
        let long: Vec<Vec<f64>> = (0..500_u32)
            .map(|i| {
                (0..8_u32)
                    .map(|j| f64::from((i * 31 + j * 17) % 97))
                    .collect()
            })
            .collect();
        assert!(page(&long).unwrap().p_exact.is_none());
        assert_eq!(page(&vec![vec![1.0; 4]; 5]).unwrap().p_exact, Some(1.0));
    }
}
