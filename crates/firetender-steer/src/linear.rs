//! Symmetric positive definite systems in `f64` on the host, for the fits that need one.
//!
//! Matrices are row-major and small (hundreds to a few thousand rows): one factorisation of 2,000 rows takes about a second.

use crate::method::principal::dot;

/// The lower triangle `L` of `A = L Lᵀ`.
#[derive(Debug)]
pub(crate) struct Cholesky {
    lower: Vec<f64>,
    n: usize,
}

impl Cholesky {
    /// Factorises a symmetric matrix of which the lower triangle is read; `None` unless it is positive definite to rounding.
    pub(crate) fn new(mut a: Vec<f64>, n: usize) -> Option<Self> {
        for i in 0..n {
            let (done, rest) = a.split_at_mut(i * n);
            let row = &mut rest[..n];
            for j in 0..i {
                let other = &done[j * n..j * n + j + 1];
                row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
            }
            let left = row[i] - dot(&row[..i], &row[..i]);
            // What is left of the diagonal must stand out from the rounding of what was taken away.
            if !(left > f64::EPSILON * row[i].abs() && left.is_finite()) {
                return None;
            }
            row[i] = left.sqrt();
        }
        Some(Self { lower: a, n })
    }

    /// `x` with `A x = b`.
    pub(crate) fn solve(&self, b: &[f64]) -> Vec<f64> {
        let (l, n) = (&self.lower, self.n);
        let mut x = b.to_vec();
        for i in 0..n {
            x[i] = (x[i] - dot(&l[i * n..i * n + i], &x[..i])) / l[i * n + i];
        }
        for i in (0..n).rev() {
            x[i] /= l[i * n + i];
            let (known, of_row) = (x[i], &l[i * n..i * n + i]);
            x[..i]
                .iter_mut()
                .zip(of_row)
                .for_each(|(x, l)| *x -= l * known);
        }
        x
    }
}

/// `rows · rowsᵀ`, `[count, count]`, lower triangle and its mirror.
pub(crate) fn gram(rows: &[f64], width: usize) -> Vec<f64> {
    let count = rows.len() / width;
    let mut out = vec![0.0; count * count];
    for (i, a) in rows.chunks(width).enumerate() {
        for (j, b) in rows.chunks(width).take(i + 1).enumerate() {
            let product = dot(a, b);
            out[i * count + j] = product;
            out[j * count + i] = product;
        }
    }
    out
}

/// The rows' columns as rows.
pub(crate) fn transposed(rows: &[f64], width: usize) -> Vec<f64> {
    let count = rows.len() / width;
    let mut out = vec![0.0; rows.len()];
    for (i, row) in rows.chunks(width).enumerate() {
        for (j, x) in row.iter().enumerate() {
            out[j * count + i] = *x;
        }
    }
    out
}

/// `Σ weight · row`.
pub(crate) fn combined(rows: &[f64], width: usize, weights: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; width];
    for (row, weight) in rows.chunks(width).zip(weights) {
        sum.iter_mut().zip(row).for_each(|(s, x)| *s += weight * x);
    }
    sum
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

    #[test]
    fn solutions_solve_and_singular_matrices_are_seen() {
        let (n, width) = (9, 14);
        let rows: Vec<f64> = (0..n * width)
            .map(|i| (i * i * 37 % 101) as f64 / 101.0 - (i * 11 % 7) as f64)
            .collect();
        let a = gram(&rows, width);
        let b: Vec<f64> = (0..n).map(|i| i as f64 - 3.0).collect();
        let x = Cholesky::new(a.clone(), n).unwrap().solve(&b);
        for (row, b) in a.chunks(n).zip(&b) {
            assert_relative_eq!(dot(row, &x), *b, epsilon = 1e-9);
        }
        // More rows than columns: the Gram matrix has no inverse.
        let flipped = transposed(&rows, width);
        assert!(Cholesky::new(gram(&flipped, n), width).is_none());
        assert!(Cholesky::new(vec![f64::NAN], 1).is_none());
        assert_eq!(
            combined(&[1.0, 2.0, 3.0, 4.0], 2, &[1.0, -1.0]),
            [-2.0, -2.0]
        );
    }
}
