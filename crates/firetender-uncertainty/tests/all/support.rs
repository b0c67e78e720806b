//! What the tests share: the synthetic sets that every language can make, and comparisons.

/// A seeded set of logits and labels, the same in any language: a 64-bit linear congruential generator, Box and Muller's
/// normals, and labels drawn from the softmax before scaling.
pub(crate) struct Synthetic {
    pub(crate) logits: Vec<f64>,
    pub(crate) labels: Vec<i64>,
    pub(crate) classes: usize,
}

pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    /// Uniform in (0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 11) as f64 + 0.5) / 2f64.powi(53)
    }

    pub(crate) fn normal(&mut self) -> f64 {
        let (a, b) = (self.uniform(), self.uniform());
        (-2.0 * a.ln()).sqrt() * (2.0 * std::f64::consts::PI * b).cos()
    }
}

pub(crate) fn synthetic(rows: usize, classes: usize, seed: u64, scale: f64) -> Synthetic {
    let mut draw = Draw(seed);
    let (mut logits, mut labels) = (Vec::with_capacity(rows * classes), Vec::new());
    for _ in 0..rows {
        let row: Vec<f64> = (0..classes).map(|_| draw.normal()).collect();
        let u = draw.uniform();
        let top = row.iter().copied().fold(f64::MIN, f64::max);
        let exps: Vec<f64> = row.iter().map(|z| (z - top).exp()).collect();
        let sum: f64 = exps.iter().sum();
        let mut below = 0.0;
        let found = exps.iter().position(|e| {
            below += e / sum;
            below >= u
        });
        labels.push(found.unwrap_or(classes - 1) as i64);
        logits.extend(row.iter().map(|z| z * scale));
    }
    Synthetic {
        logits,
        labels,
        classes,
    }
}

/// 200 objects, 5 classes.
pub(crate) fn set_1() -> Synthetic {
    synthetic(200, 5, 1, 2.0)
}

/// 1,000 objects, 10 classes.
pub(crate) fn set_2() -> Synthetic {
    synthetic(1000, 10, 7, 1.5)
}

/// Probabilities of a set, made the slow way.
pub(crate) fn probs(set: &Synthetic) -> Vec<f64> {
    let mut all = set.logits.clone();
    for row in all.chunks_mut(set.classes) {
        let top = row.iter().copied().fold(f64::MIN, f64::max);
        let sum: f64 = row.iter().map(|z| (z - top).exp()).sum();
        row.iter_mut().for_each(|z| *z = (*z - top).exp() / sum);
    }
    all
}

#[track_caller]
pub(crate) fn close(found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() <= tolerance,
        "{found} is {:e} away from {expected}",
        (found - expected).abs()
    );
}

/// A file of the data folder, or `None` (which is said) where there is none: `FIRETENDER_DATA`, else `../shared/data` beside the
/// repository.
#[expect(clippy::print_stderr, reason = "a test says why it was skipped")]
pub(crate) fn data(path: &str) -> Option<std::path::PathBuf> {
    let folder = std::env::var_os("FIRETENDER_DATA").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        Into::into,
    );
    let file = folder.join(path);
    if file.exists() {
        return Some(file);
    }
    eprintln!("skipped: no {}", file.display());
    None
}
