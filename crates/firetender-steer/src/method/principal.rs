//! The first principal component of some rows, in `f64` on the host.
//!
//! Lanczos' method with full reorthogonalisation in the smaller of the two spaces (rows or columns), from a fixed start, until
//! the residual is at the level of rounding. It costs a few dozen products with the rows where a full decomposition costs
//! their number cubed.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Steps between restarts; the memory is that many vectors of the smaller space.
const STEPS: usize = 64;
const RESTARTS: usize = 100;
/// Residual relative to the eigenvalue at which the search ends, and that it may end with at worst.
const GOAL: f64 = 1e-13;
const WORST: f64 = 1e-9;

/// The unit vector `v` that maximises `|rows · v|²`, and the share of the sum of squares that it takes. Rows are used as they
/// are: centre them before. The sign is arbitrary but fixed.
pub(crate) fn principal(rows: &[f64], width: usize) -> Result<(Vec<f64>, f64), &'static str> {
    let count = rows.len() / width;
    let total = dot(rows, rows);
    if total == 0.0 || !total.is_finite() {
        return Err(
            "the rows are all zero or not finite, so that they have no principal component",
        );
    }
    let small = count.min(width);
    // The matrix `rows · rowsᵀ` or `rowsᵀ · rows`, whichever is smaller, as a product.
    let apply = |x: &[f64]| {
        if count <= width {
            times(rows, width, &transposed_times(rows, width, x))
        } else {
            transposed_times(rows, width, &times(rows, width, x))
        }
    };
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut start: Vec<f64> = (0..small).map(|_| rng.random::<f64>() - 0.5).collect();
    let (mut value, mut residual) = (0.0, f64::INFINITY);
    for _ in 0..RESTARTS {
        (start, value, residual) = lanczos(&apply, start);
        if residual <= GOAL * value {
            break;
        }
    }
    if residual > WORST * value {
        return Err("no principal component stands out from the others");
    }
    let mut component = if count <= width {
        transposed_times(rows, width, &start)
    } else {
        start
    };
    normalise(&mut component);
    Ok((component, (value / total).clamp(0.0, 1.0)))
}

/// One run: the best eigenvector in the Krylov space of `start`, its eigenvalue and the residual's length.
fn lanczos(apply: &dyn Fn(&[f64]) -> Vec<f64>, start: Vec<f64>) -> (Vec<f64>, f64, f64) {
    let mut basis = vec![start];
    normalise(&mut basis[0]);
    let (mut diagonal, mut off) = (vec![], vec![]);
    loop {
        let k = diagonal.len();
        let mut next = apply(&basis[k]);
        diagonal.push(dot(&next, &basis[k]));
        // Twice is enough to be orthogonal to rounding.
        for _ in 0..2 {
            for known in &basis {
                let along = dot(&next, known);
                next.iter_mut()
                    .zip(known)
                    .for_each(|(x, b)| *x -= along * b);
            }
        }
        let beta = dot(&next, &next).sqrt();
        let ended = basis.len() == STEPS || basis.len() == basis[0].len();
        let scale = diagonal.iter().copied().fold(0.0, f64::max);
        if ended || beta <= GOAL * scale || diagonal.len().is_multiple_of(8) {
            let (value, weights) = top_of_tridiagonal(&diagonal, &off);
            let residual = beta * weights[k].abs();
            if ended || beta <= GOAL * scale || residual <= GOAL * value {
                let mut found = vec![0.0; basis[0].len()];
                for (vector, weight) in basis.iter().zip(&weights) {
                    found
                        .iter_mut()
                        .zip(vector)
                        .for_each(|(x, b)| *x += weight * b);
                }
                // In the whole space nothing is left over but rounding.
                let whole = basis.len() == basis[0].len();
                return (found, value, if whole { 0.0 } else { residual });
            }
        }
        next.iter_mut().for_each(|x| *x /= beta);
        off.push(beta);
        basis.push(next);
    }
}

/// Largest eigenvalue and its unit eigenvector of a symmetric tridiagonal matrix, by Jacobi rotations of the dense matrix.
fn top_of_tridiagonal(diagonal: &[f64], off: &[f64]) -> (f64, Vec<f64>) {
    let n = diagonal.len();
    let mut matrix = vec![0.0; n * n];
    for i in 0..n {
        matrix[i * n + i] = diagonal[i];
        if i + 1 < n {
            matrix[i * n + i + 1] = off[i];
            matrix[(i + 1) * n + i] = off[i];
        }
    }
    let (values, vectors) = jacobi(matrix, n);
    let best = (0..n).fold(0, |best, i| if values[i] > values[best] { i } else { best });
    (
        values[best],
        (0..n).map(|i| vectors[i * n + best]).collect(),
    )
}

/// All eigenvalues and eigenvectors (columns) of a symmetric matrix by cyclic Jacobi rotations (Golub and Van Loan, 8.5).
pub(crate) fn jacobi(mut a: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut vectors = vec![0.0; n * n];
    (0..n).for_each(|i| vectors[i * n + i] = 1.0);
    let total = dot(&a, &a);
    for _ in 0..60 {
        let off: f64 = (0..n)
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .map(|(i, j)| a[i * n + j].powi(2))
            .sum();
        if off <= 1e-32 * total {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut a, &mut vectors, n, p, q);
            }
        }
    }
    ((0..n).map(|i| a[i * n + i]).collect(), vectors)
}

fn rotate(a: &mut [f64], vectors: &mut [f64], n: usize, p: usize, q: usize) {
    let apq = a[p * n + q];
    if apq == 0.0 {
        return;
    }
    let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * apq);
    let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let t = if theta == 0.0 { 1.0 } else { t };
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    let turn = |x: &mut [f64], i: usize, j: usize| {
        let (xi, xj) = (x[i], x[j]);
        x[i] = c * xi - s * xj;
        x[j] = s * xi + c * xj;
    };
    for k in 0..n {
        turn(a, k * n + p, k * n + q);
    }
    for k in 0..n {
        turn(a, p * n + k, q * n + k);
        turn(vectors, k * n + p, k * n + q);
    }
}

/// `rows · x`.
fn times(rows: &[f64], width: usize, x: &[f64]) -> Vec<f64> {
    rows.chunks(width).map(|row| dot(row, x)).collect()
}

/// `rowsᵀ · x`.
fn transposed_times(rows: &[f64], width: usize, x: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; width];
    for (row, weight) in rows.chunks(width).zip(x) {
        sum.iter_mut().zip(row).for_each(|(s, r)| *s += weight * r);
    }
    sum
}

fn normalise(x: &mut [f64]) {
    let norm = dot(x, x).sqrt();
    x.iter_mut().for_each(|v| *v /= norm);
}

/// Inner product, in eight fixed partial sums so that it is both fast and the same everywhere.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut parts = [0.0; 8];
    let (whole_a, rest_a) = a.as_chunks::<8>();
    let (whole_b, rest_b) = b.as_chunks::<8>();
    for (x, y) in whole_a.iter().zip(whole_b) {
        for i in 0..8 {
            parts[i] += x[i] * y[i];
        }
    }
    let rest: f64 = rest_a.iter().zip(rest_b).map(|(x, y)| x * y).sum();
    parts.iter().sum::<f64>() + rest
}
