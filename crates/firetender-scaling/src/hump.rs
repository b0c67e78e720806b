//! Does a curve turn? The tests of Lind and Mehlum (2010) and of Simonsohn (2018).
//!
//! A significant quadratic term alone proves nothing: on y = log x it is significant every time and the curve never turns. Both tests ask for
//! opposite slopes at the two ends. Both want many scales; with fewer than eight use [`Shapes`](crate::Shapes) or rows of examples.

mod spline;

use serde::Serialize;

use crate::{
    linear::LeastSquares,
    special::{normal_upper, t_quantile, t_upper},
};
use spline::Smooth;

/// Lind and Mehlum's test ("With or without U?", 2010) in Sasabuchi's form, on an unweighted quadratic.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LindMehlum {
    /// For a U: the larger of the one-sided p of a falling start and of a rising end.
    pub p_u: f64,
    /// For an inverted U.
    pub p_inverted_u: f64,
    /// Where the quadratic turns.
    pub extremum: f64,
    /// Fieller's interval of that place at the same level; `None` when it is unbounded.
    pub interval: Option<(f64, f64)>,
    /// Whether the place lies within the data.
    pub inside: bool,
    /// Slope of the quadratic at the smallest x.
    pub slope_low: f64,
    /// Slope at the largest.
    pub slope_high: f64,
    /// Coefficient of x².
    pub curvature: f64,
}

/// The test on one number a model; `level` (0.95) is that of the interval. `None` with fewer than four scales, on a perfect fit, or when three
/// coefficients cannot be told apart.
///
/// ```
/// let x = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
/// let found = firetender_scaling::lind_mehlum(&x, &[4.1, 1.9, 0.9, 1.2, 2.1, 4.0], 0.95).unwrap();
/// assert!(found.p_u < 0.01 && found.inside);
/// ```
#[must_use]
pub fn lind_mehlum(x: &[f64], y: &[f64], level: f64) -> Option<LindMehlum> {
    let centre = x.iter().sum::<f64>() / x.len() as f64;
    let rows: Vec<Vec<f64>> = x
        .iter()
        .map(|x| vec![1.0, x - centre, (x - centre).powi(2)])
        .collect();
    let fit = LeastSquares::fit(&rows, y)?;
    let (df, variance) = (fit.df as f64, fit.variance()?);
    let (b1, b2) = (fit.coefficients[1], fit.coefficients[2]);
    let v = |i: usize, j: usize| variance * fit.inverse[i][j];
    let (v11, v12, v22) = (v(1, 1), v(1, 2), v(2, 2));
    if v22 <= 0.0 {
        return None;
    }
    let ends = [
        x.iter().copied().fold(f64::INFINITY, f64::min) - centre,
        x.iter().copied().fold(f64::NEG_INFINITY, f64::max) - centre,
    ];
    let [low, high] = ends.map(|u| {
        let slope = b1 + 2.0 * b2 * u;
        (
            slope,
            slope / (v11 + 4.0 * u * v12 + 4.0 * u * u * v22).sqrt(),
        )
    });
    let extremum = -b1 / (2.0 * b2);
    // (b1 + 2θ b2)² = t² (v11 + 4θ v12 + 4θ² v22): a quadratic in θ.
    let t2 = t_quantile((1.0 - level) / 2.0, df).powi(2);
    let (a, b, c) = (
        4.0 * (b2 * b2 - t2 * v22),
        4.0 * (b1 * b2 - t2 * v12),
        b1 * b1 - t2 * v11,
    );
    let root = b * b - 4.0 * a * c;
    let interval = (a > 0.0 && root >= 0.0).then(|| {
        let root = root.sqrt();
        let place = |sign: f64| centre + (-b + sign * root) / (2.0 * a);
        (place(-1.0), place(1.0))
    });
    Some(LindMehlum {
        p_u: t_upper(-low.1, df).max(t_upper(high.1, df)),
        p_inverted_u: t_upper(low.1, df).max(t_upper(-high.1, df)),
        extremum: extremum + centre,
        interval,
        inside: (ends[0]..=ends[1]).contains(&extremum),
        slope_low: low.0,
        slope_high: high.0,
        curvature: b2,
    })
}

/// The verdict of [`two_lines`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// Falls, then rises, both significantly.
    UShaped,
    /// Rises, then falls, both significantly.
    InvertedU,
    /// Not shown.
    None,
}

/// Simonsohn's two-lines test (2018).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TwoLines {
    /// Where the second line starts.
    pub break_at: f64,
    /// Slopes of the two lines.
    pub slopes: (f64, f64),
    /// z values with errors robust against unequal variance.
    pub z: (f64, f64),
    /// Two-sided p-values.
    pub p: (f64, f64),
    /// U or inverted U when the slopes differ in sign and both p are below 0.05.
    pub turn: Turn,
}

/// The test on single points, many x values or rows of examples: smooths with a cubic spline, finds the flat part around the most extreme fitted
/// value within the middle 80 %, breaks there at the place that gives the weaker line more data (the Robin Hood rule), and fits two lines with HC3 errors (HC1
/// where a point decides its own fit). `None` with fewer than five distinct x or when the lines cannot be fitted.
///
/// ```
/// use firetender_scaling::{Turn, two_lines};
///
/// let x: Vec<f64> = (1..=200).map(|i| f64::from(i) / 20.0).collect();
/// let wobble = |i: usize| ((i * 7919) % 13) as f64 / 13.0 - 0.5;
/// let logarithm: Vec<f64> = x.iter().enumerate().map(|(i, x)| x.ln() + 0.2 * wobble(i)).collect();
/// assert_eq!(two_lines(&x, &logarithm).unwrap().turn, Turn::None);
/// let valley: Vec<f64> = x.iter().enumerate().map(|(i, x)| (x - 5.0).powi(2) + wobble(i)).collect();
/// assert_eq!(two_lines(&x, &valley).unwrap().turn, Turn::UShaped);
/// ```
#[must_use]
pub fn two_lines(x: &[f64], y: &[f64]) -> Option<TwoLines> {
    if x.len() != y.len() || !x.iter().chain(y).all(|v| v.is_finite()) {
        return None;
    }
    let mut distinct = x.to_vec();
    distinct.sort_by(f64::total_cmp);
    let sorted = distinct.clone();
    distinct.dedup();
    if distinct.len() < 5 {
        return None;
    }
    let smooth = Smooth::fit(x, y, &distinct)?;
    // The sign of the quadratic's slope at the smallest x decides which extreme to look for.
    let centre = x.iter().sum::<f64>() / x.len() as f64;
    let rows: Vec<Vec<f64>> = x
        .iter()
        .map(|x| vec![1.0, x - centre, (x - centre).powi(2)])
        .collect();
    let quadratic = LeastSquares::fit(&rows, y)?;
    let start = quadratic.coefficients[1] + 2.0 * quadratic.coefficients[2] * (sorted[0] - centre);
    let sign = if start > 0.0 { 1.0 } else { -1.0 };
    let (low, high) = (quantile(&sorted, 0.1), quantile(&sorted, 0.9));
    let middle: Vec<(f64, f64, f64)> = x
        .iter()
        .filter(|x| (low..=high).contains(*x))
        .map(|x| {
            let (value, error) = smooth.at(*x);
            (*x, sign * value, error)
        })
        .collect();
    let most = middle
        .iter()
        .map(|(_, v, _)| *v)
        .fold(f64::NEG_INFINITY, f64::max);
    let mut flat: Vec<f64> = middle
        .iter()
        .filter(|(_, value, error)| value + error >= most)
        .map(|(x, _, _)| *x)
        .collect();
    flat.sort_by(f64::total_cmp);
    if flat.is_empty() {
        return None;
    }
    let first = interrupted(x, y, quantile(&flat, 0.5))?;
    let (z1, z2) = (first.z.0.abs(), first.z.1.abs());
    let share = if z1 + z2 > 0.0 { z2 / (z1 + z2) } else { 0.5 };
    interrupted(x, y, quantile(&flat, share)).or(Some(first))
}

/// Linear interpolation between order statistics (R's default).
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, rest) = (place.floor() as usize, place.fract());
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + rest * (sorted[above] - sorted[below])
}

/// Two lines broken at `at`. The break point belongs to the low part for the first slope and to the high part for the second, so the model is
/// fitted twice.
fn interrupted(x: &[f64], y: &[f64], at: f64) -> Option<TwoLines> {
    let fit = |in_high: &dyn Fn(f64) -> bool, which: usize| {
        let rows: Vec<Vec<f64>> = x
            .iter()
            .map(|x| {
                let high = in_high(*x);
                vec![
                    1.0,
                    if high { 0.0 } else { x - at },
                    if high { x - at } else { 0.0 },
                    f64::from(u8::from(high)),
                ]
            })
            .collect();
        let fit = LeastSquares::fit(&rows, y)?;
        let slope = fit.coefficients[which];
        let z = slope / robust_error(&rows, &fit, which)?;
        Some((slope, z, (2.0 * normal_upper(z.abs())).min(1.0)))
    };
    let first = fit(&|x| x > at, 1)?;
    let second = fit(&|x| x >= at, 2)?;
    let significant = first.2 < 0.05 && second.2 < 0.05;
    let turn = match (significant, first.0 < 0.0, second.0 < 0.0) {
        (true, true, false) => Turn::UShaped,
        (true, false, true) => Turn::InvertedU,
        _ => Turn::None,
    };
    Some(TwoLines {
        break_at: at,
        slopes: (first.0, second.0),
        z: (first.1, second.1),
        p: (first.2, second.2),
        turn,
    })
}

/// HC3, or HC1 where a leverage of one makes it infinite.
fn robust_error(rows: &[Vec<f64>], fit: &LeastSquares, which: usize) -> Option<f64> {
    let n = rows.len() as f64;
    // Row `which` of (XᵀX)⁻¹ Xᵀ gives the coefficient from y.
    let influence = |row: &[f64]| -> f64 {
        row.iter()
            .zip(&fit.inverse[which])
            .map(|(x, v)| x * v)
            .sum()
    };
    let leverage = |row: &[f64]| -> f64 {
        row.iter()
            .zip(&fit.inverse)
            .map(|(x, line)| x * line.iter().zip(row).map(|(v, x)| v * x).sum::<f64>())
            .sum()
    };
    let sum = |weigh: &dyn Fn(&[f64]) -> f64| -> f64 {
        rows.iter()
            .zip(&fit.residuals)
            .map(|(row, r)| influence(row).powi(2) * r * r * weigh(row))
            .sum()
    };
    let hc3 = sum(&|row| (1.0 - leverage(row)).powi(-2)).sqrt();
    let decides = rows.iter().any(|row| 1.0 - leverage(row) < 1e-9);
    let error = if hc3.is_finite() && !decides {
        hc3
    } else {
        (sum(&|_| 1.0) * n / (n - rows[0].len() as f64)).sqrt()
    };
    (error > 0.0).then_some(error)
}

#[cfg(test)]
mod tests;
