//! The interventions whose cost is measured.

use std::{collections::BTreeMap, fmt};

use firetender_hooks::{Intervene, Keep, ReadAt, Recorder, SiteKind, Untouched};
use firetender_lm::{CausalLm, LmShape};
use firetender_steer::{Entry, Layers, Plan, SteeringVector};

use crate::Failure;

/// An intervention, by what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// None: a pass with [`Untouched`].
    Untouched,
    /// A compiled plan without entries.
    EmptyPlan,
    /// A vector added to the residual stream after the middle block, at every token.
    OneLayer,
    /// A vector added to the residual stream after every block, at every token.
    AllLayers,
    /// The residual stream of the last token after every block, kept on the host.
    Recorder,
    /// The mean of the residual stream over all tokens after every block, kept as a running mean.
    RecorderOfMeans,
}

impl Hook {
    /// All of them; the first is what the others are compared with.
    pub const ALL: [Self; 6] = [
        Self::Untouched,
        Self::EmptyPlan,
        Self::OneLayer,
        Self::AllLayers,
        Self::Recorder,
        Self::RecorderOfMeans,
    ];

    /// Whether a pass gives the same logits as without it.
    #[must_use]
    pub fn changes_nothing(self) -> bool {
        !matches!(self, Self::OneLayer | Self::AllLayers)
    }

    /// The intervention, for this model.
    ///
    /// # Errors
    /// A model that the vectors do not fit.
    pub fn make(self, model: &dyn CausalLm) -> Result<Box<dyn Intervene>, Failure> {
        let shape = model.shape();
        let steering = |plan: Plan| -> Result<Box<dyn Intervene>, Failure> {
            Ok(Box::new(plan.compile(&shape, &model.device())?))
        };
        let recorder = |read: ReadAt, keep: Keep| -> Box<dyn Intervene> {
            let sites = (0..shape.layers).map(|layer| SiteKind::ResidPost.at(layer));
            Box::new(Recorder::new(sites, read, keep))
        };
        match self {
            Self::Untouched => Ok(Box::new(Untouched)),
            Self::EmptyPlan => steering(Plan::new()),
            Self::OneLayer => {
                let entry = Entry::new(random_vector(&shape)?, 0.1);
                steering(Plan::new().with(entry.with_layers(Layers::one(shape.layers / 2))))
            }
            Self::AllLayers => steering(Plan::new().with(Entry::new(random_vector(&shape)?, 0.1))),
            Self::Recorder => Ok(recorder(ReadAt::LastToken, Keep::Host)),
            Self::RecorderOfMeans => Ok(recorder(ReadAt::mean(), Keep::Mean)),
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Untouched => "untouched",
            Self::EmptyPlan => "empty plan",
            Self::OneLayer => "one steered layer",
            Self::AllLayers => "all layers steered",
            Self::Recorder => "recorder, all layers, last token",
            Self::RecorderOfMeans => "recorder, all layers, means",
        })
    }
}

/// A vector with a direction of length 1 after every block; where it points does not matter here.
///
/// # Errors
/// A model of no width or depth.
pub fn random_vector(shape: &LmShape) -> Result<SteeringVector, Failure> {
    let ones = vec![1.0 / (shape.width as f32).sqrt(); shape.width];
    let directions: BTreeMap<usize, Vec<f32>> = (0..shape.layers)
        .map(|layer| (layer, ones.clone()))
        .collect();
    let kind = SiteKind::ResidPost;
    let vector = SteeringVector::new("one", "other", kind, shape.width, shape.layers, directions)?;
    Ok(vector.random_like(0))
}
