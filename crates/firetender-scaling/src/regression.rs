//! Straight lines and planes through curves: slope a decade, and the two-factor regression on parameters and tokens.

use serde::Serialize;

use crate::{linear::LeastSquares, special::t_two_sided};

/// A least-squares line on one number a model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Line {
    /// Change for each unit of x: a decade of scale.
    pub slope: f64,
    /// Value at x = 0.
    pub intercept: f64,
    /// Standard error of the slope.
    pub stderr: Option<f64>,
    /// Slope over its standard error, with k − 2 degrees of freedom.
    pub t: Option<f64>,
    /// Two-sided.
    pub p: Option<f64>,
}

/// Least squares of `y` on `x`. `None` without two different x.
///
/// ```
/// let line = firetender_scaling::line(&[7.0, 8.0, 9.0], &[0.9, 0.7, 0.5]).unwrap();
/// assert!((line.slope + 0.2).abs() < 1e-12);
/// ```
#[must_use]
pub fn line(x: &[f64], y: &[f64]) -> Option<Line> {
    let centre = x.iter().sum::<f64>() / x.len() as f64;
    let rows: Vec<Vec<f64>> = x.iter().map(|x| vec![1.0, x - centre]).collect();
    let fit = LeastSquares::fit(&rows, y)?;
    let slope = fit.coefficients[1];
    let stderr = fit.standard_error(1);
    let t = stderr.filter(|e| *e > 0.0).map(|e| slope / e);
    Some(Line {
        slope,
        intercept: fit.coefficients[0] - slope * centre,
        stderr,
        t,
        p: t.map(|t| t_two_sided(t, fit.df as f64)),
    })
}

/// One term of a regression.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Term {
    /// In units of standard deviations.
    pub coefficient: f64,
    /// Its standard error.
    pub stderr: f64,
    /// Coefficient over error.
    pub t: f64,
    /// Two-sided, not adjusted.
    pub p: f64,
}

/// The two-factor regression of Michaelov and Bergen's study of Pythia ("Emergent inabilities?", 2023).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TwoFactor {
    /// Of log10 parameters.
    pub parameters: Term,
    /// Of log10 training tokens.
    pub tokens: Term,
    /// Of their product.
    pub interaction: Term,
    /// Number of runs.
    pub runs: usize,
    /// Degrees of freedom of the t values: runs − 4.
    pub df: usize,
}

/// `y ~ 1 + p + t + p·t` with everything z-scored (deviations with n − 1), the product taken after z-scoring. `None` with fewer than five
/// runs or without variation in parameters, tokens or values.
///
/// ```
/// let parameters = [1e6, 1e6, 1e7, 1e7, 1e8, 1e8];
/// let tokens = [1e9, 1e10, 1e9, 1e10, 1e9, 1e10];
/// let found = firetender_scaling::two_factor(&parameters, &tokens, &[0.1, 0.3, 0.2, 0.4, 0.3, 0.7]).unwrap();
/// assert!(found.parameters.t > 0.0 && found.df == 2);
/// ```
#[must_use]
pub fn two_factor(parameters: &[f64], tokens: &[f64], y: &[f64]) -> Option<TwoFactor> {
    let n = y.len();
    if n < 5 || parameters.len() != n || tokens.len() != n {
        return None;
    }
    let logs = |values: &[f64]| z_scores(&values.iter().map(|v| v.log10()).collect::<Vec<_>>());
    let (p, t, y) = (logs(parameters)?, logs(tokens)?, z_scores(y)?);
    let rows: Vec<Vec<f64>> = p
        .iter()
        .zip(&t)
        .map(|(p, t)| vec![1.0, *p, *t, p * t])
        .collect();
    let fit = LeastSquares::fit(&rows, &y)?;
    let term = |index: usize| {
        let (coefficient, stderr) = (fit.coefficients[index], fit.standard_error(index)?);
        let t = coefficient / stderr;
        Some(Term {
            coefficient,
            stderr,
            t,
            p: t_two_sided(t, fit.df as f64),
        })
    };
    Some(TwoFactor {
        parameters: term(1)?,
        tokens: term(2)?,
        interaction: term(3)?,
        runs: n,
        df: fit.df,
    })
}

/// Deviations from the mean in standard deviations (n − 1 under the root).
fn z_scores(values: &[f64]) -> Option<Vec<f64>> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    (deviation > 0.0 && deviation.is_finite())
        .then(|| values.iter().map(|v| (v - mean) / deviation).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::{assert_abs_diff_eq, assert_relative_eq};

    #[test]
    fn pythias_slopes() {
        let x: Vec<f64> = [70e6_f64, 160e6, 410e6, 1e9, 1.4e9, 2.8e9, 6.9e9, 12e9]
            .iter()
            .map(|size| size.log10())
            .collect();
        let table: [(&[f64], f64, f64, f64); 3] = [
            (
                &[817.0, 794.0, 780.0, 730.0, 721.0, 732.0, 649.0, 614.0],
                936.0,
                -0.092_593,
                -8.3812,
            ),
            (
                &[158.0, 175.0, 138.0, 172.0, 134.0, 105.0, 143.0, 76.0],
                315.0,
                -0.098_596,
                -2.5157,
            ),
            (
                &[137.0, 137.0, 138.0, 137.0, 137.0, 137.0, 135.0, 142.0],
                300.0,
                0.002_573,
                0.76769,
            ),
        ];
        for (counts, n, slope, t) in table {
            let y: Vec<f64> = counts.iter().map(|c| c / n).collect();
            let found = line(&x, &y).unwrap();
            assert_abs_diff_eq!(found.slope, slope, epsilon = 5.1e-7);
            assert_abs_diff_eq!(found.t.unwrap(), t, epsilon = 5.1e-5);
        }
    }

    #[test]
    fn a_perfect_line_and_no_line() {
        let found = line(&[1.0, 2.0], &[1.0, 3.0]).unwrap();
        assert_relative_eq!(found.slope, 2.0);
        assert_eq!((found.t, found.p), (None, None));
        assert!(line(&[1.0, 1.0], &[1.0, 2.0]).is_none());
        assert!(line(&[], &[]).is_none());
        assert!(two_factor(&[1.0; 6], &[1.0; 6], &[1.0; 6]).is_none());
    }
}
