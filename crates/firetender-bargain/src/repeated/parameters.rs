//! From parameters to probabilities, and derivatives from one to the other.

use serde::{Deserialize, Serialize};

/// How a row of parameters stands for the probabilities of the actions in one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Parameters {
    /// One logit for two actions: `P(action 0) = σ(θ)`.
    SingleLogit,
    /// One number an action: `P(a) = e^θₐ / Σ e^θ`.
    Softmax,
    /// One number an action: `P(a) = σ(θₐ) / Σ σ(θ)`, as the released code has it. It learns differently from a softmax.
    SigmoidNormalised,
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

impl Parameters {
    /// Parameters a state, for a player with so many actions.
    #[must_use]
    pub fn columns(self, actions: usize) -> usize {
        match self {
            Self::SingleLogit => 1,
            Self::Softmax | Self::SigmoidNormalised => actions,
        }
    }

    /// The probabilities of one state, `L` policies side by side.
    pub(crate) fn probabilities<const L: usize>(self, theta: &[[f64; L]], out: &mut [[f64; L]]) {
        for l in 0..L {
            match self {
                Self::SingleLogit => {
                    let p = sigmoid(theta[0][l]);
                    out[0][l] = p;
                    out[1][l] = 1.0 - p;
                }
                Self::Softmax => {
                    let top = theta.iter().map(|t| t[l]).fold(f64::MIN, f64::max);
                    let mut sum = 0.0;
                    for (t, o) in theta.iter().zip(out.iter_mut()) {
                        o[l] = (t[l] - top).exp();
                        sum += o[l];
                    }
                    out.iter_mut().for_each(|o| o[l] /= sum);
                }
                Self::SigmoidNormalised => {
                    let mut sum = 0.0;
                    for (t, o) in theta.iter().zip(out.iter_mut()) {
                        o[l] = sigmoid(t[l]);
                        sum += o[l];
                    }
                    // All hopeless at once: as if equally so.
                    let even = 1.0 / theta.len() as f64;
                    out.iter_mut()
                        .for_each(|o| o[l] = if sum > 0.0 { o[l] / sum } else { even });
                }
            }
        }
    }

    /// Derivatives by parameters from derivatives `g` by probabilities `p`, in one state.
    pub(crate) fn pull<const L: usize>(
        self,
        theta: &[[f64; L]],
        p: &[[f64; L]],
        g: &[[f64; L]],
        out: &mut [[f64; L]],
    ) {
        for l in 0..L {
            if self == Self::SingleLogit {
                out[0][l] = p[0][l] * p[1][l] * (g[0][l] - g[1][l]);
                continue;
            }
            let mean: f64 = p.iter().zip(g).map(|(p, g)| p[l] * g[l]).sum();
            let slopes = Slopes::of(self, theta, l);
            for (i, o) in out.iter_mut().enumerate() {
                o[l] = slopes.at(i, theta, p, l) * (g[i][l] - mean);
            }
        }
    }

    /// The change of the probabilities of one state when its parameters change by `v`.
    pub(crate) fn push<const L: usize>(
        self,
        theta: &[[f64; L]],
        p: &[[f64; L]],
        v: &[[f64; L]],
        out: &mut [[f64; L]],
    ) {
        for l in 0..L {
            if self == Self::SingleLogit {
                out[0][l] = p[0][l] * p[1][l] * v[0][l];
                out[1][l] = -out[0][l];
                continue;
            }
            let slopes = Slopes::of(self, theta, l);
            let mut sum = 0.0;
            for (i, o) in out.iter_mut().enumerate() {
                o[l] = slopes.at(i, theta, p, l) * v[i][l];
                sum += o[l];
            }
            for (o, p) in out.iter_mut().zip(p) {
                o[l] -= p[l] * sum;
            }
        }
    }
}

/// `dp_a/dθ_a` before the others make room: `p_a` for a softmax, `σ(1 − σ)/Σσ` for normalised sigmoids.
enum Slopes {
    Softmax,
    Sigmoid { sum: f64 },
}

impl Slopes {
    fn of<const L: usize>(parameters: Parameters, theta: &[[f64; L]], l: usize) -> Self {
        match parameters {
            Parameters::SigmoidNormalised => Self::Sigmoid {
                sum: theta
                    .iter()
                    .map(|t| sigmoid(t[l]))
                    .sum::<f64>()
                    .max(f64::MIN_POSITIVE),
            },
            _ => Self::Softmax,
        }
    }

    fn at<const L: usize>(&self, i: usize, theta: &[[f64; L]], p: &[[f64; L]], l: usize) -> f64 {
        match self {
            Self::Softmax => p[i][l],
            Self::Sigmoid { sum } => {
                let s = sigmoid(theta[i][l]);
                s * (1.0 - s) / sum
            }
        }
    }
}
