//! The running average on the caller's device.

use burn::tensor::{Tensor, activation::log_softmax};

use crate::{ScoreKind, UncertaintyError};

/// As [`Ensemble`](crate::Ensemble), on tensors: log-probabilities by running log-add-exp in the device's precision.
///
/// Use it where the predictions are made, and read the result once; the host path is exact to `f64`. For `f32` the two agree
/// to about 1e-6 a member.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use firetender_uncertainty::{EnsembleTensor, ScoreKind};
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let device = Device::flex();
/// let mut ensemble = EnsembleTensor::new();
/// ensemble.add(ScoreKind::Probs, Tensor::from_data([[0.9, 0.1]], &device), 1.0)?;
/// ensemble.add(ScoreKind::Probs, Tensor::from_data([[0.5, 0.5]], &device), 1.0)?;
/// let p: Vec<f32> = ensemble.log_probs()?.exp().try_into_vec_as().unwrap();
/// assert!((p[0] - 0.7).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct EnsembleTensor {
    /// ln Σ w p, `[N, C]`.
    sums: Option<Tensor<2>>,
    weight: f64,
    members: usize,
}

impl EnsembleTensor {
    /// No members yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many members are in.
    #[must_use]
    pub fn members(&self) -> usize {
        self.members
    }

    /// Adds a member `[N, C]` times a weight. Values are not checked: reading them would stall the device.
    ///
    /// # Errors
    /// [`UncertaintyError::Mismatch`] for another shape, [`UncertaintyError::Options`] for a weight that is not above zero and
    /// finite.
    pub fn add(
        &mut self,
        kind: ScoreKind,
        member: Tensor<2>,
        weight: f64,
    ) -> Result<(), UncertaintyError> {
        if !(weight > 0.0 && weight.is_finite()) {
            return Err(UncertaintyError::Options {
                field: "weight",
                found: weight.to_string(),
                expected: "a finite number above 0",
            });
        }
        if let Some(sums) = &self.sums
            && sums.dims() != member.dims()
        {
            return Err(UncertaintyError::Mismatch {
                place: format!("member {}", self.members),
                field: "shape",
                found: format!("{:?}", member.dims()),
                expected: format!("{:?}", sums.dims()),
            });
        }
        let log_probs = match kind {
            ScoreKind::Logits => log_softmax(member, 1),
            ScoreKind::LogProbs => member,
            ScoreKind::Probs => member.log(),
        };
        let own = log_probs + weight.ln();
        self.sums = Some(match self.sums.take() {
            None => own,
            Some(sums) => {
                // max + ln(1 + exp(−|a − b|)); −∞ twice would be NaN, so differences are bounded first.
                let top = sums.clone().max_pair(own.clone());
                let low = sums.min_pair(own);
                let floor = top.clone() - LARGEST_GAP;
                let gap = low.max_pair(floor) - top.clone();
                let both_never = top.clone().equal_elem(f32::NEG_INFINITY);
                let gap = gap.mask_fill(both_never, -LARGEST_GAP);
                top + gap.exp().log1p()
            }
        });
        self.weight += weight;
        self.members += 1;
        Ok(())
    }

    /// The prediction's log-probabilities `[N, C]`, on the device.
    ///
    /// # Errors
    /// [`UncertaintyError::Empty`] without members.
    pub fn log_probs(&self) -> Result<Tensor<2>, UncertaintyError> {
        match &self.sums {
            Some(sums) => Ok(sums.clone() - self.weight.ln()),
            None => Err(UncertaintyError::Empty { what: "members" }),
        }
    }
}

/// A summand this far below the other (in nats) changes nothing, in any precision.
const LARGEST_GAP: f64 = 80.0;
