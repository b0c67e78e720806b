//! A smoothing spline: a natural cubic through at most ten knots, its roughness penalised as generalised cross-validation asks.
//!
//! The same family of curves as the cubic regression splines of R's `mgcv` (Wood 2017, section 5.3), in which the two-lines test was published: values at
//! the knots are the coefficients, the penalty is ∫ f″².

use crate::linear::solve_positive;

/// Row by row.
type Matrix = Vec<Vec<f64>>;

/// A fitted curve with pointwise standard errors.
pub(super) struct Smooth {
    knots: Vec<f64>,
    /// Second derivatives at the knots as linear functions of the values there.
    bends: Vec<Vec<f64>>,
    values: Vec<f64>,
    covariance: Vec<Vec<f64>>,
}

impl Smooth {
    /// Fits; `distinct` are the sorted different x, at least five.
    pub(super) fn fit(x: &[f64], y: &[f64], distinct: &[f64]) -> Option<Self> {
        let count = distinct.len().min(10);
        let knots: Vec<f64> = (0..count)
            .map(|i| {
                let place = i as f64 * (distinct.len() - 1) as f64 / (count - 1) as f64;
                let (below, rest) = (place.floor() as usize, place.fract());
                let above = (below + 1).min(distinct.len() - 1);
                distinct[below] + rest * (distinct[above] - distinct[below])
            })
            .collect();
        let (bends, penalty) = bends_and_penalty(&knots)?;
        let rows: Vec<Vec<f64>> = x.iter().map(|x| basis(&knots, &bends, *x)).collect();
        let mut gram = vec![vec![0.0; count]; count];
        let mut right = vec![0.0; count];
        for (row, y) in rows.iter().zip(y) {
            for i in 0..count {
                right[i] += row[i] * y;
                for j in 0..count {
                    gram[i][j] += row[i] * row[j];
                }
            }
        }
        let n = x.len() as f64;
        let trace = |m: &[Vec<f64>]| (0..count).map(|i| m[i][i]).sum::<f64>();
        let unit = trace(&gram) / trace(&penalty);
        let mut best: Option<(f64, Self)> = None;
        for step in -36..=36 {
            let lambda = unit * 10f64.powf(f64::from(step) / 4.0);
            let matrix: Vec<Vec<f64>> = gram
                .iter()
                .zip(&penalty)
                .map(|(g, s)| g.iter().zip(s).map(|(g, s)| g + lambda * s).collect())
                .collect();
            let Some(values) = solve_positive(&matrix, &right) else {
                continue;
            };
            let Some(inverse) = inverted(&matrix) else {
                continue;
            };
            let edf: f64 = (0..count)
                .map(|i| (0..count).map(|j| inverse[i][j] * gram[j][i]).sum::<f64>())
                .sum();
            let rss: f64 = rows
                .iter()
                .zip(y)
                .map(|(row, y)| (y - dot(row, &values)).powi(2))
                .sum();
            if n - edf < 0.5 {
                continue;
            }
            let score = n * rss / (n - edf).powi(2);
            if best.as_ref().is_none_or(|(least, _)| score < *least) {
                let variance = rss / (n - edf);
                let covariance = inverse
                    .into_iter()
                    .map(|row| row.into_iter().map(|v| v * variance).collect())
                    .collect();
                best = Some((
                    score,
                    Self {
                        knots: knots.clone(),
                        bends: bends.clone(),
                        values,
                        covariance,
                    },
                ));
            }
        }
        best.map(|(_, smooth)| smooth)
    }

    /// The curve and its standard error.
    pub(super) fn at(&self, x: f64) -> (f64, f64) {
        let row = basis(&self.knots, &self.bends, x);
        let variance: f64 = row
            .iter()
            .zip(&self.covariance)
            .map(|(b, line)| b * dot(line, &row))
            .sum();
        (dot(&row, &self.values), variance.max(0.0).sqrt())
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn inverted(matrix: &[Vec<f64>]) -> Option<Vec<Vec<f64>>> {
    (0..matrix.len())
        .map(|column| {
            let mut unit = vec![0.0; matrix.len()];
            unit[column] = 1.0;
            solve_positive(matrix, &unit)
        })
        .collect()
}

/// F with f″ = F·values at the knots (zero at both ends), and DᵀB⁻¹D with ∫ f″² = valuesᵀ DᵀB⁻¹D values.
fn bends_and_penalty(knots: &[f64]) -> Option<(Matrix, Matrix)> {
    let k = knots.len();
    let h: Vec<f64> = knots.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let inner = k - 2;
    let (mut d, mut b) = (vec![vec![0.0; k]; inner], vec![vec![0.0; inner]; inner]);
    for i in 0..inner {
        d[i][i] = 1.0 / h[i];
        d[i][i + 1] = -1.0 / h[i] - 1.0 / h[i + 1];
        d[i][i + 2] = 1.0 / h[i + 1];
        b[i][i] = (h[i] + h[i + 1]) / 3.0;
        if i + 1 < inner {
            b[i][i + 1] = h[i + 1] / 6.0;
            b[i + 1][i] = h[i + 1] / 6.0;
        }
    }
    let mut bends = vec![vec![0.0; k]; k];
    for column in 0..k {
        let right: Vec<f64> = d.iter().map(|row| row[column]).collect();
        for (i, value) in solve_positive(&b, &right)?.into_iter().enumerate() {
            bends[i + 1][column] = value;
        }
    }
    let penalty = (0..k)
        .map(|i| {
            (0..k)
                .map(|j| (0..inner).map(|m| d[m][i] * bends[m + 1][j]).sum())
                .collect()
        })
        .collect();
    Some((bends, penalty))
}

/// What each knot's value contributes at x; beyond the ends the curve is straight.
fn basis(knots: &[f64], bends: &[Vec<f64>], x: f64) -> Vec<f64> {
    let k = knots.len();
    let j = knots[1..k - 1].partition_point(|knot| *knot <= x);
    let (left, right) = (knots[j], knots[j + 1]);
    let h = right - left;
    let (am, ap) = ((right - x) / h, (x - left) / h);
    let cm = ((right - x).powi(3) / h - h * (right - x)) / 6.0;
    let cp = ((x - left).powi(3) / h - h * (x - left)) / 6.0;
    let mut row: Vec<f64> = (0..k)
        .map(|i| cm * bends[j][i] + cp * bends[j + 1][i])
        .collect();
    row[j] += am;
    row[j + 1] += ap;
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_line_is_not_bent() {
        let x: Vec<f64> = (0..30).map(f64::from).collect();
        let y: Vec<f64> = x.iter().map(|x| 2.0 * x - 1.0).collect();
        let smooth = Smooth::fit(&x, &y, &x).unwrap();
        for at in [0.0, 7.3, 29.0] {
            assert!((smooth.at(at).0 - (2.0 * at - 1.0)).abs() < 1e-6);
        }
    }

    #[test]
    fn a_curve_is_followed_and_noise_is_not() {
        let x: Vec<f64> = (0..200).map(|i| f64::from(i) / 20.0).collect();
        let y: Vec<f64> = x
            .iter()
            .enumerate()
            .map(|(i, x)| x.sin() + 0.4 * (((i * 7919) % 17) as f64 / 17.0 - 0.47))
            .collect();
        let smooth = Smooth::fit(&x, &y, &x).unwrap();
        for at in [1.0, 3.0, 5.0, 8.0] {
            assert!((smooth.at(at).0 - f64::sin(at)).abs() < 0.15, "{at}");
        }
    }
}
