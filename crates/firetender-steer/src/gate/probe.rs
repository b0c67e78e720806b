//! What scores a request at one layer.

use serde::{Deserialize, Serialize};

use super::number;

/// How a hidden state becomes a score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Scorer {
    /// `w · h + b`: a logistic probe's log-odds, or a whitened (LDA) discriminant.
    Linear {
        /// `w`.
        weights: Vec<f64>,
        /// `b`.
        bias: f64,
    },
    /// `⟨h, v⟩`.
    Dot {
        /// `v`.
        direction: Vec<f64>,
    },
    /// `cos(h, tanh(P h))` with `P = c cᵀ / (cᵀ c)`: the condition of conditional activation steering (Lee et al. 2024, arXiv
    /// 2409.05907).
    Condition {
        /// `c`.
        direction: Vec<f64>,
    },
}

/// On which side of its threshold a probe fires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fires {
    /// At the threshold and above it.
    #[default]
    Above,
    /// At the threshold and below it.
    Below,
}

/// A scorer at a layer with its threshold.
///
/// ```
/// use firetender_steer::{Fires, Probe, Scorer};
/// let probe = Probe::new(3, Scorer::Dot { direction: vec![0.0, 2.0] }).with_threshold(Fires::Above, 1.0);
/// assert_eq!(probe.score(&[5.0, 1.5]), 3.0);
/// assert!(probe.margin(&[5.0, 1.5]) >= 0.0 && probe.margin(&[5.0, 0.0]) < 0.0);
/// assert!(probe.with_threshold(Fires::Above, f64::INFINITY).margin(&[0.0, 9e9]) < 0.0, "never");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Layer, from 0.
    pub layer: usize,
    /// The score.
    pub scorer: Scorer,
    /// Which side fires.
    #[serde(default)]
    pub fires: Fires,
    /// The threshold; with `Above`, −∞ always fires and +∞ never does (with `Below` the other way round).
    #[serde(with = "number", default)]
    pub threshold: f64,
    /// Unit in which distances from the threshold are compared between layers, positive.
    #[serde(default = "one")]
    pub scale: f64,
}

fn one() -> f64 {
    1.0
}

impl Probe {
    /// Fires from score 0 on.
    #[must_use]
    pub fn new(layer: usize, scorer: Scorer) -> Self {
        Self {
            layer,
            scorer,
            fires: Fires::Above,
            threshold: 0.0,
            scale: 1.0,
        }
    }

    /// With a threshold.
    #[must_use]
    pub fn with_threshold(mut self, fires: Fires, threshold: f64) -> Self {
        (self.fires, self.threshold) = (fires, threshold);
        self
    }

    /// The score of a hidden state, in `f64` on the host.
    #[must_use]
    pub fn score(&self, hidden: &[f64]) -> f64 {
        let dot = |v: &[f64]| -> f64 { v.iter().zip(hidden).map(|(a, b)| a * b).sum() };
        match &self.scorer {
            Scorer::Linear { weights, bias } => dot(weights) + bias,
            Scorer::Dot { direction } => dot(direction),
            Scorer::Condition { direction } => {
                let along = dot(direction) / direction.iter().map(|x| x * x).sum::<f64>();
                let bent = direction.iter().map(|c| (c * along).tanh());
                let (mut product, mut length) = (0.0, 0.0);
                for (x, h) in bent.zip(hidden) {
                    product += x * h;
                    length += x * x;
                }
                let norm = hidden.iter().map(|x| x * x).sum::<f64>().sqrt() * length.sqrt();
                // Nothing along the condition: at right angles to it.
                if norm == 0.0 { 0.0 } else { product / norm }
            }
        }
    }

    /// How far a hidden state is on the firing side, in units of the scale: the probe fires at 0 and above. A score that is not
    /// a number does not fire, unless the threshold says always.
    #[must_use]
    pub fn margin(&self, hidden: &[f64]) -> f64 {
        self.margin_of(self.score(hidden))
    }

    pub(crate) fn margin_of(&self, score: f64) -> f64 {
        let sign = match self.fires {
            Fires::Above => 1.0,
            Fires::Below => -1.0,
        };
        if self.threshold.is_infinite() {
            return -sign * self.threshold;
        }
        let margin = sign * (score - self.threshold) / self.scale;
        if margin.is_nan() {
            f64::NEG_INFINITY
        } else {
            margin
        }
    }

    /// Moves the threshold so that margins become smaller by `offset`.
    pub(crate) fn shift(&mut self, offset: f64) {
        let by = if offset.is_infinite() {
            offset
        } else {
            offset * self.scale
        };
        match self.fires {
            Fires::Above => self.threshold += by,
            Fires::Below => self.threshold -= by,
        }
    }

    /// What is wrong with its numbers.
    pub(crate) fn problem(&self, width: usize) -> Option<(&'static str, String)> {
        let (name, numbers) = match &self.scorer {
            Scorer::Linear { weights, .. } => ("weights", weights),
            Scorer::Dot { direction } | Scorer::Condition { direction } => ("direction", direction),
        };
        let at = self.layer;
        if numbers.len() != width {
            let found = numbers.len();
            let what = format!("has {found} numbers at layer {at}; expected {width}");
            return Some((name, what));
        }
        let length: f64 = numbers.iter().map(|x| x * x).sum();
        if !(length > 0.0 && length.is_finite()) {
            let what = format!("has squared length {length} at layer {at}; expected a direction");
            return Some((name, what));
        }
        if let Scorer::Linear { bias, .. } = &self.scorer
            && !bias.is_finite()
        {
            return Some((
                "bias",
                format!("is {bias} at layer {at}; expected a finite number"),
            ));
        }
        if self.threshold.is_nan() {
            return Some(("threshold", format!("is no number at layer {at}")));
        }
        if !(self.scale > 0.0 && self.scale.is_finite()) {
            let what = format!(
                "is {} at layer {at}; expected a positive number",
                self.scale
            );
            return Some(("scale", what));
        }
        None
    }
}
