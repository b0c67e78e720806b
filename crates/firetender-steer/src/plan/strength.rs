//! How strongly an entry acts: by layer, by decode step, by token, and by the value itself.
//!
//! An entry's strength is one number. A [`Profile`] multiplies it layer by layer and so becomes part of `k`. A [`Schedule`], token
//! weights and the strengths of rows multiply the *change* that the operator makes, token by token; where they are 0 nothing
//! changes. An [`Adapt`] multiplies the change by a function of the value that is there.

use std::collections::BTreeMap;

use firetender_hooks::Token;
use serde::{Deserialize, Serialize};

/// Strength by layer. Layers are counted from 0; negative ones from the end (−1 is the last block).
///
/// ```
/// use firetender_steer::Profile;
/// let decay = Profile::Triangle { from: -2, peak: -4, to: -7 };
/// let weights = decay.weights(&[5, 6, 7, 8, 9], 12).unwrap();
/// assert_eq!(weights, [0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0, 0.5]);
/// let edge = Profile::Triangle { from: -4, peak: -4, to: -7 };
/// assert_eq!(edge.weights(&[8], 12).unwrap(), [1.0], "no division by zero at the peak");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Profile {
    /// The same at every layer.
    #[default]
    Even,
    /// 0 at `from`, rising to 1 at `peak`, falling to 0 at `to`, and 0 beyond; `from` and `to` may be either end (the layer decay of
    /// the KL-then-steer code). An end that is the peak weighs 1.
    Triangle {
        /// One end.
        from: i64,
        /// Where the full strength acts.
        peak: i64,
        /// The other end.
        to: i64,
    },
    /// A weight for each layer that is steered.
    Each(BTreeMap<i64, f64>),
}

impl Profile {
    /// The weights of some layers in a model of `depth` layers.
    ///
    /// # Errors
    /// What is wrong: a layer that does not exist or has no weight, a number that is not finite, a peak that is not between the
    /// ends, or no weight that is not 0.
    pub fn weights(&self, layers: &[usize], depth: usize) -> Result<Vec<f64>, String> {
        let place = |number: i64| {
            let counted = if number < 0 {
                number.saturating_add(depth as i64)
            } else {
                number
            };
            if (0..depth as i64).contains(&counted) {
                Ok(counted)
            } else {
                Err(format!("names layer {number} of a model that has {depth}"))
            }
        };
        let weights: Vec<f64> = match self {
            Self::Even => vec![1.0; layers.len()],
            Self::Triangle { from, peak, to } => {
                let [from, peak, to] = [place(*from)?, place(*peak)?, place(*to)?];
                let (low, high) = (from.min(to), from.max(to));
                if !(low..=high).contains(&peak) {
                    return Err(format!(
                        "peaks at layer {peak}, which is not between {low} and {high}"
                    ));
                }
                let weight = |layer: i64| {
                    if layer == peak {
                        1.0
                    } else if layer < peak {
                        (layer - low).max(0) as f64 / (peak - low).max(1) as f64
                    } else {
                        (high - layer).max(0) as f64 / (high - peak).max(1) as f64
                    }
                };
                layers.iter().map(|layer| weight(*layer as i64)).collect()
            }
            Self::Each(weights) => {
                let mut by_layer = BTreeMap::new();
                for (layer, weight) in weights {
                    if !weight.is_finite() {
                        return Err(format!("weighs layer {layer} by {weight}"));
                    }
                    if by_layer.insert(place(*layer)?, *weight).is_some() {
                        return Err(format!("weighs layer {layer} twice"));
                    }
                }
                let weight = |layer: &usize| {
                    let found = by_layer.get(&(*layer as i64)).copied();
                    found.ok_or_else(|| format!("has no weight for layer {layer}"))
                };
                layers.iter().map(weight).collect::<Result<_, _>>()?
            }
        };
        if weights.iter().all(|weight| *weight == 0.0) {
            return Err("weighs every chosen layer by 0".into());
        }
        Ok(weights)
    }
}

/// Strength over decode steps. Step `s` of a token is the number of the choice that its logits make: the last prompt token makes
/// choice 0, the first generated token choice 1; earlier prompt tokens count as step 0.
///
/// As JSON: `"constant"`, `{"linear": {"from": 1, "to": 0, "steps": 8}}`, `{"exponential": {"rate": 0.9}}`, `{"first": 5}`.
///
/// ```
/// use firetender_steer::Schedule;
/// let fade = Schedule::Linear { from: 1.0, to: 0.0, steps: 4 };
/// assert_eq!([0, 1, 4, 9].map(|step| fade.at(step)), [1.0, 0.75, 0.0, 0.0]);
/// assert_eq!([0, 1, 2].map(|step| Schedule::First(2).at(step)), [1.0, 1.0, 0.0]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Schedule {
    /// The same at every step.
    #[default]
    Constant,
    /// From one factor at step 0 to another at step `steps`, which then stays.
    Linear {
        /// Factor at step 0.
        from: f64,
        /// Factor from step `steps` on.
        to: f64,
        /// Steps between, at least 1.
        steps: usize,
    },
    /// `rate^step`.
    Exponential {
        /// Factor from one step to the next, not negative.
        rate: f64,
    },
    /// Full strength for the first `n` choices, then none.
    First(usize),
}

impl Schedule {
    /// The factor at a step.
    #[must_use]
    pub fn at(&self, step: usize) -> f64 {
        match *self {
            Self::Constant => 1.0,
            Self::Linear { from, to, steps } => {
                let share = (step as f64 / steps.max(1) as f64).min(1.0);
                from + (to - from) * share
            }
            Self::Exponential { rate } => rate.powf(step as f64),
            Self::First(n) => f64::from(u8::from(step < n)),
        }
    }

    /// The step of a token.
    pub(crate) fn step(token: &Token) -> usize {
        usize::try_from(token.from_prompt_end() + 1).unwrap_or(0)
    }

    pub(crate) fn problem(&self) -> Option<String> {
        match *self {
            Self::Linear { from, to, steps }
                if steps == 0 || !from.is_finite() || !to.is_finite() =>
            {
                Some(format!(
                    "goes from {from} to {to} in {steps} steps; expected finite factors and at least one step"
                ))
            }
            Self::Exponential { rate } if !(0.0..=16.0).contains(&rate) => {
                Some(format!("has rate {rate}; expected a number from 0 to 16"))
            }
            Self::First(0) => Some("is for the first 0 choices; expected at least one".into()),
            _ => None,
        }
    }
}

/// Strength as a function of how far the value already points along the direction: full strength up to `from`, none from
/// `to` on, a line between. With `from` above `to` it is the other way round: only what points far along is changed.
///
/// ```
/// use firetender_steer::{Adapt, AdaptTo};
/// let gentle = Adapt { of: AdaptTo::Cosine, from: 0.0, to: 0.5 };
/// assert_eq!(serde_json::to_string(&gentle).unwrap(), r#"{"of":"cosine","from":0.0,"to":0.5}"#);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adapt {
    /// What is looked at.
    pub of: AdaptTo,
    /// Full strength on this side.
    pub from: f64,
    /// No strength on that side.
    pub to: f64,
}

/// What an [`Adapt`] looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AdaptTo {
    /// `⟨h, v̂⟩ / |h|`, from −1 to 1.
    Cosine,
    /// `⟨h, v̂⟩`, in units of the stream.
    Projection,
}

impl Adapt {
    pub(crate) fn problem(&self) -> Option<String> {
        let fits = self.from.is_finite() && self.to.is_finite() && self.from != self.to;
        let message = || {
            format!(
                "goes from {} to {}; expected two different finite numbers",
                self.from, self.to
            )
        };
        (!fits).then(message)
    }
}

/// The product of the weights of all positions that name a token (negative ones count from the prompt's end).
pub(crate) fn token_weight(weights: &BTreeMap<i64, f64>, token: &Token) -> f64 {
    if weights.is_empty() {
        return 1.0;
    }
    let after = token.from_prompt_end() as i64;
    let absolute = weights.get(&(token.position as i64));
    let relative = (after < 0).then(|| weights.get(&after)).flatten();
    absolute.unwrap_or(&1.0) * relative.unwrap_or(&1.0)
}
