//! Least squares for a handful of columns, by Householder reflections.

/// A fitted linear model `y = X b`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LeastSquares {
    /// Coefficients.
    pub(crate) coefficients: Vec<f64>,
    /// (XᵀX)⁻¹, row by row.
    pub(crate) inverse: Vec<Vec<f64>>,
    /// Residuals, in the order of the rows.
    pub(crate) residuals: Vec<f64>,
    /// Rows less columns.
    pub(crate) df: usize,
}

impl LeastSquares {
    /// Fits rows of `X` to `y`. `None` when there are fewer rows than columns or the columns depend on each other.
    #[expect(
        clippy::needless_range_loop,
        reason = "the textbook's indices are easier to check"
    )]
    pub(crate) fn fit(rows: &[Vec<f64>], y: &[f64]) -> Option<Self> {
        let (n, p) = (rows.len(), rows.first()?.len());
        if n < p || y.len() != n {
            return None;
        }
        let mut a: Vec<Vec<f64>> = rows.to_vec();
        let mut b = y.to_vec();
        let norms: Vec<f64> = (0..p)
            .map(|j| a.iter().map(|row| row[j] * row[j]).sum::<f64>().sqrt())
            .collect();
        for j in 0..p {
            let norm = (j..n).map(|i| a[i][j] * a[i][j]).sum::<f64>().sqrt();
            // What a column adds to those before it, relative to its length.
            if norm.is_nan() || norm <= 1e-11 * norms[j] || norms[j] == 0.0 {
                return None;
            }
            let alpha = if a[j][j] > 0.0 { -norm } else { norm };
            let mut v: Vec<f64> = (j..n).map(|i| a[i][j]).collect();
            v[0] -= alpha;
            let length: f64 = v.iter().map(|x| x * x).sum();
            for k in j..p {
                let dot: f64 = v.iter().zip(j..n).map(|(v, i)| v * a[i][k]).sum();
                for (v, i) in v.iter().zip(j..n) {
                    a[i][k] -= 2.0 * dot / length * v;
                }
            }
            let dot: f64 = v.iter().zip(&b[j..]).map(|(v, b)| v * b).sum();
            for (v, b) in v.iter().zip(&mut b[j..]) {
                *b -= 2.0 * dot / length * v;
            }
        }
        // R⁻¹ column by column.
        let mut r_inverse = vec![vec![0.0; p]; p];
        for column in 0..p {
            for i in (0..=column).rev() {
                let known: f64 = (i + 1..=column)
                    .map(|k| a[i][k] * r_inverse[k][column])
                    .sum();
                let unit = if i == column { 1.0 } else { 0.0 };
                r_inverse[i][column] = (unit - known) / a[i][i];
            }
        }
        let coefficients: Vec<f64> = (0..p)
            .map(|i| (i..p).map(|k| r_inverse[i][k] * b[k]).sum())
            .collect();
        let inverse = (0..p)
            .map(|i| {
                (0..p)
                    .map(|j| {
                        (i.max(j)..p)
                            .map(|k| r_inverse[i][k] * r_inverse[j][k])
                            .sum()
                    })
                    .collect()
            })
            .collect();
        let residuals = rows
            .iter()
            .zip(y)
            .map(|(row, y)| {
                y - row
                    .iter()
                    .zip(&coefficients)
                    .map(|(x, b)| x * b)
                    .sum::<f64>()
            })
            .collect();
        Some(Self {
            coefficients,
            inverse,
            residuals,
            df: n - p,
        })
    }

    /// Residual variance; `None` without degrees of freedom.
    pub(crate) fn variance(&self) -> Option<f64> {
        let rss: f64 = self.residuals.iter().map(|r| r * r).sum();
        (self.df > 0).then(|| rss / self.df as f64)
    }

    /// Standard error of a coefficient.
    pub(crate) fn standard_error(&self, index: usize) -> Option<f64> {
        Some((self.variance()? * self.inverse[index][index]).sqrt())
    }
}

/// Solves a small symmetric positive definite system; `None` when it is not.
pub(crate) fn solve_positive(matrix: &[Vec<f64>], right: &[f64]) -> Option<Vec<f64>> {
    let n = right.len();
    let mut l = vec![vec![0.0; n]; n];
    for i in 0..n {
        for j in 0..=i {
            let sum: f64 = (0..j).map(|k| l[i][k] * l[j][k]).sum();
            let value = matrix[i][j] - sum;
            if i == j {
                if value.is_nan() || value <= 0.0 {
                    return None;
                }
                l[i][i] = value.sqrt();
            } else {
                l[i][j] = value / l[j][j];
            }
        }
    }
    let mut x = right.to_vec();
    for i in 0..n {
        let sum: f64 = (0..i).map(|k| l[i][k] * x[k]).sum();
        x[i] = (x[i] - sum) / l[i][i];
    }
    for i in (0..n).rev() {
        let sum: f64 = (i + 1..n).map(|k| l[k][i] * x[k]).sum();
        x[i] = (x[i] - sum) / l[i][i];
    }
    Some(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn a_line_is_found_with_its_errors() {
        // R: summary(lm(c(1, 3, 2, 5) ~ c(0, 1, 2, 3))).
        let rows: Vec<Vec<f64>> = (0..4).map(|x| vec![1.0, f64::from(x)]).collect();
        let fit = LeastSquares::fit(&rows, &[1.0, 3.0, 2.0, 5.0]).unwrap();
        assert_relative_eq!(fit.coefficients[0], 1.1, max_relative = 1e-12);
        assert_relative_eq!(fit.coefficients[1], 1.1, max_relative = 1e-12);
        assert_relative_eq!(
            fit.standard_error(1).unwrap(),
            0.519_615_242_270_663,
            max_relative = 1e-12
        );
    }

    #[test]
    fn dependent_columns_are_no_fit() {
        let rows = vec![vec![1.0, 2.0], vec![2.0, 4.0], vec![3.0, 6.0]];
        assert!(LeastSquares::fit(&rows, &[1.0, 2.0, 3.0]).is_none());
        assert!(LeastSquares::fit(&rows[..1], &[1.0]).is_none());
    }

    #[test]
    fn positive_systems() {
        let solved = solve_positive(&[vec![4.0, 2.0], vec![2.0, 3.0]], &[2.0, 5.0]).unwrap();
        assert_relative_eq!(solved[0], -0.5, max_relative = 1e-12);
        assert_relative_eq!(solved[1], 2.0, max_relative = 1e-12);
        assert!(solve_positive(&[vec![0.0]], &[1.0]).is_none());
    }
}
