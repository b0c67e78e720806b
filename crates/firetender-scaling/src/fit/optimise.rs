//! Two small minimisers: Levenberg–Marquardt for sums of squares, BFGS for anything smooth. Gradients by central differences, since the forms have
//! at most a few dozen parameters and points.

use crate::linear::solve_positive;

/// Where a search ended.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) point: Vec<f64>,
    pub(super) value: f64,
    pub(super) converged: bool,
}

/// Minimises Σ r².
pub(super) fn levenberg(
    residuals: &dyn Fn(&[f64]) -> Vec<f64>,
    start: &[f64],
    steps: usize,
) -> Found {
    let cost = |r: &[f64]| {
        let sum = r.iter().map(|r| r * r).sum::<f64>();
        if sum.is_finite() { sum } else { f64::INFINITY }
    };
    let mut point = start.to_vec();
    let mut r = residuals(&point);
    let mut value = cost(&r);
    let (mut damping, mut converged) = (1e-3, false);
    if !value.is_finite() {
        return Found {
            point,
            value,
            converged,
        };
    }
    for _ in 0..steps {
        let p = point.len();
        let columns: Vec<Vec<f64>> = (0..p)
            .map(|j| {
                let h = 1e-6 * point[j].abs().max(1e-2);
                let mut moved = point.clone();
                moved[j] += h;
                let up = residuals(&moved);
                moved[j] -= 2.0 * h;
                let down = residuals(&moved);
                up.iter()
                    .zip(&down)
                    .map(|(u, d)| (u - d) / (2.0 * h))
                    .collect()
            })
            .collect();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let gradient: Vec<f64> = columns.iter().map(|c| -dot(c, &r)).collect();
        let gram: Vec<Vec<f64>> = columns
            .iter()
            .map(|a| columns.iter().map(|b| dot(a, b)).collect())
            .collect();
        let mut improved = false;
        while damping < 1e15 {
            let mut matrix = gram.clone();
            for (j, row) in matrix.iter_mut().enumerate() {
                row[j] += damping * row[j].max(1e-12);
            }
            if let Some(step) = solve_positive(&matrix, &gradient) {
                let next: Vec<f64> = point.iter().zip(&step).map(|(p, s)| p + s).collect();
                let moved = residuals(&next);
                let new = cost(&moved);
                if new < value {
                    let small = step
                        .iter()
                        .zip(&next)
                        .all(|(s, p)| s.abs() <= 1e-10 * (p.abs() + 1e-10));
                    converged = small || value - new <= 1e-14 * value;
                    (point, r, value) = (next, moved, new);
                    damping = (damping * 0.2).max(1e-15);
                    improved = true;
                    break;
                }
            }
            damping *= 4.0;
        }
        if !improved {
            // No direction leads down: a minimum as far as f64 can tell.
            converged = true;
        }
        if converged || value < 1e-28 {
            converged = true;
            break;
        }
    }
    Found {
        point,
        value,
        converged,
    }
}

/// A function with its gradient.
type Gradient<'a> = dyn Fn(&[f64]) -> (f64, Vec<f64>) + 'a;

/// Minimises a smooth function of a few variables.
pub(super) fn bfgs(function: &Gradient<'_>, start: &[f64], steps: usize) -> Found {
    let p = start.len();
    let mut point = start.to_vec();
    let (mut value, mut gradient) = function(&point);
    let identity = || -> Vec<Vec<f64>> {
        (0..p)
            .map(|i| (0..p).map(|j| f64::from(u8::from(i == j))).collect())
            .collect()
    };
    let mut inverse = identity();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (mut converged, mut fresh) = (false, true);
    for _ in 0..steps {
        if !value.is_finite() {
            break;
        }
        let mut direction: Vec<f64> = inverse.iter().map(|row| -dot(row, &gradient)).collect();
        if dot(&direction, &gradient) >= 0.0 {
            inverse = identity();
            direction = gradient.iter().map(|g| -g).collect();
            fresh = true;
        }
        let slope = dot(&direction, &gradient);
        let mut length = 1.0;
        let mut moved = None;
        for _ in 0..60 {
            let next: Vec<f64> = point
                .iter()
                .zip(&direction)
                .map(|(p, d)| p + length * d)
                .collect();
            let (new, new_gradient) = function(&next);
            if new <= value + 1e-4 * length * slope && new.is_finite() {
                moved = Some((next, new, new_gradient));
                break;
            }
            length *= 0.5;
        }
        let Some((next, new, new_gradient)) = moved else {
            if fresh {
                converged = true;
                break;
            }
            inverse = identity();
            fresh = true;
            continue;
        };
        let s: Vec<f64> = next.iter().zip(&point).map(|(a, b)| a - b).collect();
        let y: Vec<f64> = new_gradient
            .iter()
            .zip(&gradient)
            .map(|(a, b)| a - b)
            .collect();
        let done = value - new <= 1e-15 * value.abs() && gradient.iter().all(|g| g.abs() < 1e-5);
        (point, value, gradient) = (next, new, new_gradient);
        fresh = false;
        if done || gradient.iter().all(|g| g.abs() < 1e-12) {
            converged = true;
            break;
        }
        let sy = dot(&s, &y);
        if sy > 1e-18 {
            let hy: Vec<f64> = inverse.iter().map(|row| dot(row, &y)).collect();
            let factor = (1.0 + dot(&y, &hy) / sy) / sy;
            for i in 0..p {
                for j in 0..p {
                    inverse[i][j] += factor * s[i] * s[j] - (hy[i] * s[j] + s[i] * hy[j]) / sy;
                }
            }
        }
    }
    Found {
        point,
        value,
        converged,
    }
}
