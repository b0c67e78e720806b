//! The formulas, in the coordinates in which they are searched: positive parameters by their logarithm.

use rayon::prelude::*;

use super::{
    Form,
    optimise::{Found, bfgs, levenberg},
};
use crate::ScalingError;

/// Largest number of breaks.
const MAX_BREAKS: usize = 8;
/// Huber's δ, of Hoffmann et al.
const DELTA: f64 = 1e-3;

/// A form with what its search needs to know about the data.
pub(super) struct Law {
    form: Form,
    /// Smallest and largest ln x of the first column.
    range: (f64, f64),
    /// Smallest and largest y.
    ends: (f64, f64),
}

/// ŷ from named parameters.
pub(super) fn formula(form: Form, p: &[f64], x: &[f64]) -> f64 {
    match form {
        Form::Power => p[0] + p[1] * x[0].powf(-p[2]),
        Form::Sigmoid { chance } => {
            chance + (1.0 - chance) / (1.0 + (-(p[0] + p[1] * x[0].log10())).exp())
        }
        Form::Bnsl { .. } => {
            let ln_x = x[0].ln();
            let mut log = -p[2] * ln_x;
            for part in p[3..].chunks_exact(3) {
                let (c, d, f) = (part[0], part[1], part[2]);
                log -= c * f * ln_1p_exp((ln_x - d.ln()) / f);
            }
            p[0] + p[1] * log.exp()
        }
        Form::Chinchilla => p[0] + p[1] * x[0].powf(-p[3]) + p[2] * x[1].powf(-p[4]),
    }
}

/// ln(1 + e^v) without overflow.
fn ln_1p_exp(v: f64) -> f64 {
    if v > 0.0 {
        v + (-v).exp().ln_1p()
    } else {
        v.exp().ln_1p()
    }
}

impl Law {
    pub(super) fn new(form: Form, x: &[Vec<f64>], y: &[f64]) -> Result<Self, ScalingError> {
        let columns = if form == Form::Chinchilla { 2 } else { 1 };
        let wrong = |what: String, found: String, expected| {
            Err(ScalingError::Value {
                what,
                found,
                expected,
            })
        };
        match form {
            Form::Bnsl { breaks } if breaks > MAX_BREAKS => {
                return wrong("breaks".into(), breaks.to_string(), "0 to 8");
            }
            Form::Sigmoid { chance } if !(0.0..1.0).contains(&chance) => {
                return wrong(
                    "chance".into(),
                    chance.to_string(),
                    "at least 0 and below 1",
                );
            }
            _ => {}
        }
        if x.len() != y.len() {
            return Err(ScalingError::Length {
                what: "y".into(),
                found: y.len(),
                expected: x.len(),
            });
        }
        for (at, (x, y)) in x.iter().zip(y).enumerate() {
            if x.len() != columns || !x.iter().all(|x| x.is_finite() && *x > 0.0) {
                return wrong(
                    format!("x of point {at}"),
                    format!("{x:?}"),
                    "positive numbers: one, or parameters and tokens for chinchilla",
                );
            }
            let fits = match form {
                Form::Power | Form::Chinchilla => *y > 0.0,
                Form::Bnsl { .. } => *y > -1.0,
                Form::Sigmoid { .. } => true,
            };
            if !(y.is_finite() && fits) {
                return wrong(
                    format!("y of point {at}"),
                    y.to_string(),
                    "a finite number whose logarithm the form can take (power, chinchilla: above 0; bnsl: above -1)",
                );
            }
        }
        let fold = |f: fn(f64, f64) -> f64, start: f64, values: &mut dyn Iterator<Item = f64>| {
            values.fold(start, f)
        };
        let logs = || x.iter().map(|x| x[0].ln());
        let law = Self {
            form,
            range: (
                fold(f64::min, f64::INFINITY, &mut logs()),
                fold(f64::max, f64::NEG_INFINITY, &mut logs()),
            ),
            ends: (
                fold(f64::min, f64::INFINITY, &mut y.iter().copied()),
                fold(f64::max, f64::NEG_INFINITY, &mut y.iter().copied()),
            ),
        };
        let needed = law.names().len();
        if y.len() < needed {
            return Err(ScalingError::TooFew {
                what: "points",
                found: y.len(),
                least: needed,
            });
        }
        Ok(law)
    }

    pub(super) fn names(&self) -> Vec<String> {
        let fixed = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        match self.form {
            Form::Power => fixed(&["E", "A", "alpha"]),
            Form::Sigmoid { .. } => fixed(&["a", "b"]),
            Form::Chinchilla => fixed(&["E", "A", "B", "alpha", "beta"]),
            Form::Bnsl { breaks } => {
                let mut names = fixed(&["a", "b", "c0"]);
                for i in 1..=breaks {
                    names.extend([format!("c{i}"), format!("d{i}"), format!("f{i}")]);
                }
                names
            }
        }
    }

    /// The parameters of the formula from the coordinates of the search.
    pub(super) fn named(&self, point: &[f64]) -> Vec<f64> {
        match self.form {
            Form::Power => vec![point[0].exp(), point[1].exp(), point[2]],
            Form::Sigmoid { .. } => point.to_vec(),
            Form::Chinchilla => vec![
                point[0].exp(),
                point[1].exp(),
                point[2].exp(),
                point[3],
                point[4],
            ],
            Form::Bnsl { .. } => {
                let mut named = vec![point[0], point[1].exp(), point[2]];
                for part in point[3..].chunks_exact(3) {
                    named.extend([part[0], part[1].exp(), part[2].exp()]);
                }
                named
            }
        }
    }

    pub(super) fn value(&self, point: &[f64], x: &[f64]) -> f64 {
        formula(self.form, &self.named(point), x)
    }

    /// Residuals in the space in which the form is fitted.
    fn residuals(&self, point: &[f64], x: &[Vec<f64>], y: &[f64]) -> Vec<f64> {
        let named = self.named(point);
        x.iter()
            .zip(y)
            .map(|(x, y)| {
                let fitted = formula(self.form, &named, x);
                match self.form {
                    Form::Power | Form::Chinchilla => fitted.ln() - y.ln(),
                    Form::Bnsl { .. } => fitted.ln_1p() - y.ln_1p(),
                    Form::Sigmoid { .. } => fitted - y,
                }
            })
            .collect()
    }

    /// From one start to its minimum.
    pub(super) fn refine(&self, x: &[Vec<f64>], y: &[f64], start: &[f64]) -> Found {
        if self.form == Form::Chinchilla {
            return bfgs(&|point| huber(point, x, y), start, 1000);
        }
        levenberg(&|point| self.residuals(point, x, y), start, 400)
    }

    /// The best minimum over the grid of starts: all are tried, the most promising are followed.
    pub(super) fn search(&self, x: &[Vec<f64>], y: &[f64]) -> Found {
        let mut starts: Vec<(f64, Vec<f64>)> = self
            .starts()
            .into_par_iter()
            .map(|start| {
                let cost = if self.form == Form::Chinchilla {
                    huber(&start, x, y).0
                } else {
                    self.residuals(&start, x, y).iter().map(|r| r * r).sum()
                };
                (or_infinite(cost), start)
            })
            .collect();
        starts.sort_by(|a, b| a.0.total_cmp(&b.0));
        starts.truncate(64);
        let mut found: Vec<Found> = starts
            .par_iter()
            .map(|(_, start)| self.refine(x, y, start))
            .collect();
        for end in &mut found {
            end.value = or_infinite(end.value);
        }
        found.sort_by(|a, b| a.value.total_cmp(&b.value));
        found.swap_remove(0)
    }

    fn starts(&self) -> Vec<Vec<f64>> {
        let (low, high) = self.range;
        let (least, most) = self.ends;
        let spread = (most - least).max(1e-9);
        let mut starts = vec![];
        match self.form {
            Form::Power => {
                for alpha in [-0.5, -0.1, 0.03, 0.1, 0.2, 0.4, 0.8, 1.5] {
                    for share in [0.01, 0.5, 0.9, 0.99] {
                        let floor: f64 = least * share;
                        // Through the first or last point.
                        let at = if alpha > 0.0 { low } else { high };
                        let a = (most - floor).max(1e-12).ln() + alpha * at;
                        starts.push(vec![floor.max(1e-300).ln(), a, alpha]);
                    }
                }
            }
            Form::Sigmoid { .. } => {
                let (low, high) = (
                    low / std::f64::consts::LN_10,
                    high / std::f64::consts::LN_10,
                );
                for step in 0..9 {
                    let middle = low + (high - low) * (f64::from(step) / 4.0 - 0.5);
                    for steep in [0.2, 1.0, 4.0, -0.2, -1.0, -4.0] {
                        starts.push(vec![-steep * middle, steep]);
                    }
                }
            }
            Form::Chinchilla => {
                for power in [0.1, 0.3, 0.5, 0.8, 1.2] {
                    for other in [0.1, 0.3, 0.5, 0.8, 1.2] {
                        for floor in [-1.0, -0.5, 0.0, 0.5, 1.0] {
                            for a in [0.0, 3.0, 6.0, 9.0, 12.0, 18.0] {
                                for b in [0.0, 3.0, 6.0, 9.0, 12.0, 18.0] {
                                    starts.push(vec![floor, a, b, power, other]);
                                }
                            }
                        }
                    }
                }
            }
            Form::Bnsl { breaks } => {
                let asymptotes = [
                    least - 0.02 * spread,
                    least - 0.5 * spread,
                    0.0_f64.min(least),
                    most,
                ];
                for a in asymptotes {
                    for c0 in [-0.3, 0.0, 0.1, 0.5, 1.0] {
                        for place in 0..6 {
                            for c in [-1.0, -0.3, 0.3, 1.0, 3.0] {
                                for f in [0.1_f64, 0.5, 1.5] {
                                    let b = (most - a).max(1e-6).ln() + c0 * low;
                                    let mut start = vec![a, b, c0];
                                    for i in 0..breaks {
                                        let share = (f64::from(place) + 1.0) / 7.0;
                                        let share = (share + i as f64 / breaks as f64).fract();
                                        start.extend([
                                            if i == 0 { c } else { -0.5 * c },
                                            low + share * (high - low),
                                            f.ln(),
                                        ]);
                                    }
                                    starts.push(start);
                                }
                            }
                        }
                    }
                }
            }
        }
        starts
    }
}

/// A cost in an order: one that is no number is the worst, whatever its sign bit.
fn or_infinite(cost: f64) -> f64 {
    if cost.is_nan() { f64::INFINITY } else { cost }
}

/// Mean of Huber's loss of ln L̂ − ln L, and its gradient. Coordinates: e, a, b (logarithms), α, β.
fn huber(point: &[f64], x: &[Vec<f64>], y: &[f64]) -> (f64, Vec<f64>) {
    let (mut total, mut gradient) = (0.0, vec![0.0; 5]);
    for (x, y) in x.iter().zip(y) {
        let (ln_n, ln_d) = (x[0].ln(), x[1].ln());
        let terms = [
            point[0],
            point[1] - point[3] * ln_n,
            point[2] - point[4] * ln_d,
        ];
        let most = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights = terms.map(|t| (t - most).exp());
        let sum: f64 = weights.iter().sum();
        let residual = most + sum.ln() - y.ln();
        let slope = if residual.abs() <= DELTA {
            total += 0.5 * residual * residual;
            residual
        } else {
            total += DELTA * (residual.abs() - 0.5 * DELTA);
            DELTA * residual.signum()
        };
        let [e, a, b] = weights.map(|w| slope * w / sum);
        for (at, part) in [e, a, b, -a * ln_n, -b * ln_d].into_iter().enumerate() {
            gradient[at] += part;
        }
    }
    // In units of δ², so that the minimiser's tolerances mean the same for every n.
    let scale = DELTA * DELTA * y.len() as f64;
    gradient.iter_mut().for_each(|g| *g /= scale);
    (total / scale, gradient)
}
