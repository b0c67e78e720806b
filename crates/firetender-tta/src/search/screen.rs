//! Bounds from one pass in `f32`: what a candidate surely reaches, and what it surely does not exceed.

use std::f64::consts::LN_2;

use super::pass::{NEAR, Rough};

/// How far a mean log-likelihood from `f32` may be off, in nats, relative to max(1, |value|): logarithms and powers err by 10⁻⁷, and so do sums
/// over classes; measured at most 6·10⁻⁷ (test `rough_passes_are_within_the_margin`).
pub(crate) const MARGIN: f64 = 4e-6;

/// What a candidate can reach over all β.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Reached for certain, at the β of the pass.
    pub(crate) low: f64,
    /// Not exceeded, for certain; infinite when the pass cannot tell.
    pub(crate) high: f64,
    /// What Newton's step promises.
    pub(crate) estimate: f64,
    /// Where to look next.
    pub(crate) next: f64,
}

impl Bounds {
    /// From a pass at `beta`. In units of β, `φ(β) = mean[β l_y − log2 Σ 2^(β l)]` has slope g and curvature −h with h = ln 2 · mean Var l, and
    /// |φ'''| ≤ R h with R = ln 2 · (range of l). Hence `−φ''(β + δ) ≥ h e^{−R|δ|}`, and `φ(β + δ) ≤ φ + g δ − h (e^{−R|δ|} + R|δ| − 1) / R²`, whose maximum
    /// lies at `|δ| = −ln(1 − R |g| / h) / R`. Terms with β l < −45 bits do not count for the range: they change no digit.
    pub(crate) fn of(rough: &Rough, beta: f64) -> Self {
        let (g, h) = (rough.slope, LN_2 * rough.variance);
        let margin = |value: f64| MARGIN * value.abs().max(1.0) * beta.max(1.0);
        let here = LN_2 * rough.value;
        let low = here + rough.floor[0];
        let range = LN_2 * (-rough.least).min(45.0 / beta).max(1e-6);
        let steep = range * g.abs() / h;
        let mut high = f64::INFINITY;
        if steep < 0.999 {
            let delta = -(1.0 - steep).ln() / range;
            // e^{−x} + x − 1 loses digits for small x.
            let x = range * delta;
            let fade = if x < 1e-3 {
                x * x * (0.5 - x / 6.0)
            } else {
                (-x).exp_m1() + x
            };
            // The variance from f32 may err by a thousandth where it is small beside the squared mean, the slope by 1e-4.
            let gain = LN_2 * 1.002 * (g.abs() * delta - h * fade / (range * range)) + 1e-4 * delta;
            let near = NEAR.iter().position(|near| delta <= near * beta);
            if let Some(near) = near {
                high = here + gain + rough.floor[1 + near];
            } else if rough.floor[2] == 0.0 && rough.floor[0] == 0.0 {
                // No sample is near the floor, and what it adds above 2^-20 is below the margin, unless β moves far.
                high = if delta <= beta {
                    here + gain
                } else {
                    f64::INFINITY
                };
            }
        }
        let newton = if h > 0.0 { g / h } else { 0.0 };
        let estimate = low + LN_2 * 0.5 * g * newton;
        Self {
            low: low - margin(low),
            high: high + margin(low),
            estimate,
            next: (beta + newton).clamp(beta / 4.0, beta * 4.0),
        }
    }

    /// Of a value that a pass in `f32` gives as it is, without a maximum over β.
    pub(crate) fn plain(rough: &Rough) -> Self {
        let value = LN_2 * rough.value + rough.floor[0];
        let margin = MARGIN * value.abs().max(1.0);
        Self {
            low: value - margin,
            high: value + margin,
            estimate: value,
            next: 1.0,
        }
    }

    /// Nothing is known.
    pub(crate) fn unknown(start: f64) -> Self {
        Self {
            low: f64::NEG_INFINITY,
            high: f64::INFINITY,
            estimate: f64::INFINITY,
            next: start,
        }
    }
}
