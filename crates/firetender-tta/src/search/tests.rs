//! The search against a slow oracle, the planted pool, and the laws of the specification.

mod input;
mod laws;
mod oracle;
mod planted;

use super::*;
use crate::{Address, Draw};

/// Log-probabilities `[B, N, C]` and labels of members that see the truth through noise, in the manner of the specification's synth.
fn noisy(entries: usize, samples: usize, classes: usize, seed: u64) -> (Vec<f32>, Vec<i64>) {
    let mut draw = Draw::at(Address {
        seed,
        ..Address::default()
    });
    let labels: Vec<i64> = (0..samples)
        .map(|_| draw.up_to(classes as u64 - 1) as i64)
        .collect();
    let mut base: Vec<f64> = (0..samples * classes)
        .map(|_| 1.2 * draw.normal())
        .collect();
    for (row, label) in base.chunks_mut(classes).zip(&labels) {
        row[*label as usize] += 2.0;
    }
    let mut pool = vec![];
    for _ in 0..entries {
        let (q, s) = (draw.between(0.3, 2.0), draw.between(0.0, 0.8));
        let shift: Vec<f64> = (0..classes).map(|_| draw.normal()).collect();
        let f = draw.between(1.0, 2.5);
        for row in base.chunks(classes) {
            let mut logits: Vec<f64> = row
                .iter()
                .zip(&shift)
                .map(|(b, n)| (b + q * draw.normal() + s * n) * f)
                .collect();
            firetender_uncertainty::log_softmax(&mut logits);
            pool.extend(logits.iter().map(|l| *l as f32));
        }
    }
    (pool, labels)
}

fn candidates(entries: usize, samples: usize, classes: usize, seed: u64) -> Candidates {
    let (pool, labels) = noisy(entries, samples, classes, seed);
    Candidates::new(
        PredictionKind::LogProbs,
        &pool,
        [entries, samples, classes],
        &labels,
    )
    .unwrap()
}

/// Golden section on ln β over naive sums, in f64.
fn slow_cll(probs: &[f64], classes: usize, labels: &[u32], floor: f64) -> (f64, f64) {
    let ll = |beta: f64| -> f64 {
        let rows = probs.chunks(classes).zip(labels);
        let sum: f64 = rows
            .map(|(row, label)| {
                let powers: Vec<f64> = row.iter().map(|q| (beta * q.ln()).exp()).collect();
                (powers[*label as usize] / powers.iter().sum::<f64>() + floor).ln()
            })
            .sum();
        sum / labels.len() as f64
    };
    let (mut a, mut b) = (1e-2_f64.ln(), 1e2_f64.ln());
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    while b - a > 1e-9 {
        let (c, d) = (b - golden * (b - a), a + golden * (b - a));
        if ll(c.exp()) > ll(d.exp()) {
            b = d
        } else {
            a = c
        }
    }
    let beta = ((a + b) / 2.0).exp();
    (ll(beta), 1.0 / beta)
}

/// The search as the paper writes it.
fn slow_search(candidates: &Candidates, steps: usize) -> Vec<(usize, f64)> {
    let entries: Vec<Vec<f32>> = (0..candidates.entries())
        .map(|e| candidates.entry(e).unwrap())
        .collect();
    let mut sum = vec![0.0_f64; entries[0].len()];
    let mut picks = vec![];
    for t in 1..=steps {
        let mut best: Option<(usize, f64)> = None;
        for (at, entry) in entries.iter().enumerate() {
            let mixed: Vec<f64> = sum
                .iter()
                .zip(entry)
                .map(|(s, p)| (s + f64::from(*p)) / t as f64)
                .collect();
            let (score, _) = slow_cll(&mixed, candidates.classes(), candidates.labels(), 1e-12);
            if best.is_none_or(|(_, top)| score > top) {
                best = Some((at, score));
            }
        }
        let (index, score) = best.unwrap();
        sum.iter_mut()
            .zip(&entries[index])
            .for_each(|(s, p)| *s += f64::from(*p));
        picks.push((index, score));
    }
    picks
}
