//! Predictions to measure: logits that know something of the truth, and labels.

use firetender_uncertainty::log_softmax;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Logits `[rows, classes]` in `f32` and labels drawn from the softmax of the logits at half their scale, so that the model is too sure.
#[must_use]
pub fn predictions(rows: usize, classes: usize, seed: u64) -> (Vec<f32>, Vec<i64>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut logits = Vec::with_capacity(rows * classes);
    let mut labels = Vec::with_capacity(rows);
    for _ in 0..rows {
        let row: Vec<f64> = (0..classes)
            .map(|_| {
                let (a, b): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
                2.0 * (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
            })
            .collect();
        let mut truth = row.clone();
        log_softmax(&mut truth);
        let mut left: f64 = rng.random();
        let found = truth.iter().position(|l| {
            left -= l.exp();
            left < 0.0
        });
        labels.push(found.unwrap_or(classes - 1) as i64);
        logits.extend(row.iter().map(|z| (2.0 * z) as f32));
    }
    (logits, labels)
}

/// Probabilities of logits, in `f32`.
#[must_use]
pub fn softmax(logits: &[f32], classes: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(logits.len());
    for row in logits.chunks(classes) {
        let mut row: Vec<f64> = row.iter().map(|z| f64::from(*z)).collect();
        log_softmax(&mut row);
        out.extend(row.iter().map(|l| l.exp() as f32));
    }
    out
}
