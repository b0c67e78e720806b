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

    /// The probabilities of one state, `L` policies side by side, and the slope of each parameter: `dp_a/dθ_a` before the others make room, which is
    /// `p` for a softmax, `σ(1 − σ)/Σσ` for normalised sigmoids and `p(1 − p)` for a single logit.
    pub(crate) fn probabilities<const L: usize>(
        self,
        theta: &[[f64; L]],
        out: &mut [[f64; L]],
        slopes: &mut [[f64; L]],
    ) {
        match self {
            Self::SingleLogit => {
                for l in 0..L {
                    let p = sigmoid(theta[0][l]);
                    out[0][l] = p;
                    out[1][l] = 1.0 - p;
                    slopes[0][l] = p * (1.0 - p);
                }
            }
            Self::Softmax => {
                let mut top = [f64::MIN; L];
                for t in theta {
                    for l in 0..L {
                        top[l] = top[l].max(t[l]);
                    }
                }
                let mut sum = [0.0; L];
                for (t, o) in theta.iter().zip(out.iter_mut()) {
                    for l in 0..L {
                        o[l] = (t[l] - top[l]).exp();
                        sum[l] += o[l];
                    }
                }
                for (o, s) in out.iter_mut().zip(slopes) {
                    for l in 0..L {
                        o[l] /= sum[l];
                    }
                    *s = *o;
                }
            }
            Self::SigmoidNormalised => {
                let mut sum = [0.0; L];
                for (t, o) in theta.iter().zip(out.iter_mut()) {
                    for l in 0..L {
                        o[l] = sigmoid(t[l]);
                        sum[l] += o[l];
                    }
                }
                // All hopeless at once: as if equally so.
                let even = 1.0 / theta.len() as f64;
                for (o, s) in out.iter_mut().zip(slopes) {
                    for l in 0..L {
                        s[l] = o[l] * (1.0 - o[l]) / sum[l].max(f64::MIN_POSITIVE);
                        o[l] = if sum[l] > 0.0 { o[l] / sum[l] } else { even };
                    }
                }
            }
        }
    }

    /// Derivatives by parameters from derivatives `g` by probabilities `p`, in one state.
    pub(crate) fn pull<const L: usize>(
        self,
        slopes: &[[f64; L]],
        p: &[[f64; L]],
        g: &[[f64; L]],
        out: &mut [[f64; L]],
    ) {
        if self == Self::SingleLogit {
            for l in 0..L {
                out[0][l] = slopes[0][l] * (g[0][l] - g[1][l]);
            }
            return;
        }
        let mut mean = [0.0; L];
        for (p, g) in p.iter().zip(g) {
            for l in 0..L {
                mean[l] += p[l] * g[l];
            }
        }
        for ((o, s), g) in out.iter_mut().zip(slopes).zip(g) {
            for l in 0..L {
                o[l] = s[l] * (g[l] - mean[l]);
            }
        }
    }

    /// The change of the probabilities of one state when its parameters change by `v`.
    pub(crate) fn push<const L: usize>(
        self,
        slopes: &[[f64; L]],
        p: &[[f64; L]],
        v: &[[f64; L]],
        out: &mut [[f64; L]],
    ) {
        if self == Self::SingleLogit {
            for l in 0..L {
                out[0][l] = slopes[0][l] * v[0][l];
                out[1][l] = -out[0][l];
            }
            return;
        }
        let mut sum = [0.0; L];
        for ((o, s), v) in out.iter_mut().zip(slopes).zip(v) {
            for l in 0..L {
                o[l] = s[l] * v[l];
                sum[l] += o[l];
            }
        }
        for (o, p) in out.iter_mut().zip(p) {
            for l in 0..L {
                o[l] -= p[l] * sum[l];
            }
        }
    }
}
