//! The whitened mean difference: linear discriminant analysis.

use super::principal::dot;
use crate::linear::{Cholesky, combined, gram, transposed};

/// How much of the covariance is replaced by its mean variance: a share from 0 to 1, or Ledoit and Wolf's choice.
pub(crate) type Shrinkage = Option<f64>;

/// `((1 − s) Σ + s tr(Σ)/d · I)⁻¹ mean`, with the covariance of `rows` (which are centred within their classes already,
/// divided by their number), and the share `s`.
pub(crate) fn whiten(
    rows: &[f64],
    width: usize,
    mean: &[f64],
    shrinkage: Shrinkage,
) -> Result<(Vec<f64>, f64), &'static str> {
    let count = rows.len() / width;
    let n = count as f64;
    let few = count <= width;
    // The smaller of X Xᵀ and Xᵀ X; both have the same trace and the same sum of squares.
    let matrix = if few {
        gram(rows, width)
    } else {
        gram(&transposed(rows, width), count)
    };
    let size = count.min(width);
    let trace: f64 = (0..size).map(|i| matrix[i * size + i]).sum::<f64>() / n;
    if trace == 0.0 {
        return Err("the samples of each class are all alike, so that there is no covariance");
    }
    let share = shrinkage.unwrap_or_else(|| ledoit_wolf(rows, width, &matrix, trace));
    let level = share * trace / width as f64;
    let scale = (1.0 - share) / n;
    let direction = if few {
        if level == 0.0 {
            return Err(
                "the covariance has no inverse; expected more pairs or a shrinkage above 0",
            );
        }
        // Woodbury: (a + c XᵀX)⁻¹ m = (m − c Xᵀ (a + c XXᵀ)⁻¹ X m) / a.
        let mut inner: Vec<f64> = matrix.iter().map(|x| x * scale).collect();
        (0..size).for_each(|i| inner[i * size + i] += level);
        let seen: Vec<f64> = rows.chunks(width).map(|row| dot(row, mean)).collect();
        let solved = Cholesky::new(inner, size)
            .ok_or("the covariance has no inverse; expected a larger shrinkage")?
            .solve(&seen);
        let taken = combined(rows, width, &solved);
        let parts = mean.iter().zip(taken);
        parts.map(|(m, t)| (m - scale * t) / level).collect()
    } else {
        let mut covariance: Vec<f64> = matrix.iter().map(|x| x * scale).collect();
        (0..size).for_each(|i| covariance[i * size + i] += level);
        Cholesky::new(covariance, size)
            .ok_or("the covariance has no inverse; expected a shrinkage above 0")?
            .solve(mean)
    };
    Ok((direction, share))
}

/// The share that minimises the expected squared error of the covariance (Ledoit and Wolf 2004, "A well-conditioned
/// estimator for large-dimensional covariance matrices", lemma 3.1 and their estimators of its terms).
fn ledoit_wolf(rows: &[f64], width: usize, matrix: &[f64], trace: f64) -> f64 {
    let n = (rows.len() / width) as f64;
    let d = width as f64;
    let squares = dot(matrix, matrix) / (n * n);
    let fourth: f64 = rows.chunks(width).map(|row| dot(row, row).powi(2)).sum();
    let spread = squares - trace * trace / d;
    if spread <= 0.0 {
        return 1.0;
    }
    (((fourth / n - squares) / n) / spread).clamp(0.0, 1.0)
}
