//! Where the directions come from that a student is steered with.
//!
//! A [`Source`] is a concept (pairs of texts, of which each draw takes some: their mean difference is the direction), a fixed
//! vector, or fresh random directions as long as those of a vector. For directions of the base model every text is read **once**,
//! before training; a step's direction is then a small mean on the host. The reference reads up to 320 texts again on each step,
//! with the student, whose training then also changes the directions it is trained on.

use std::collections::BTreeMap;

use firetender_hooks::{ReadAt, SiteKind};
use firetender_lm::CausalLm;
use firetender_steer::{Contrast, Extractor, Layers, Pairs, Silent, SteeringVector};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Draw, KtsError, SourceSize};

/// How many pairs a direction is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PairCount {
    /// All that the concept has.
    All,
    /// A number from the first to the second, each as likely.
    Between(usize, usize),
}

/// Whose activations make the directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum VectorsFrom {
    /// The model as it was before training.
    #[default]
    Base,
    /// The student, read again after so many steps. It may learn to shrink the directions instead of bearing them.
    Student {
        /// Steps between readings.
        every: u64,
    },
}

/// How directions are made and where they are added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VectorOptions {
    /// Whose activations.
    pub from: VectorsFrom,
    /// How many pairs.
    pub pairs: PairCount,
    /// Blocks at whose output concepts are read and added.
    pub layers: Layers,
}

impl Default for VectorOptions {
    /// Five to ten pairs, read with the base at the output of every block.
    fn default() -> Self {
        Self {
            from: VectorsFrom::Base,
            pairs: PairCount::Between(5, 10),
            layers: Layers::All,
        }
    }
}

impl VectorOptions {
    pub(crate) fn check(&self) -> Result<(), KtsError> {
        match self.pairs {
            PairCount::Between(low, high) if low == 0 || low > high => {
                let found = format!("{low} to {high}");
                return Err(KtsError::options(
                    "vectors.pairs",
                    found,
                    "1 or more, the smaller number first",
                ));
            }
            _ => {}
        }
        if self.from == (VectorsFrom::Student { every: 0 }) {
            return Err(KtsError::options(
                "vectors.from.every",
                0,
                "a reading every 1 or more steps",
            ));
        }
        Ok(())
    }
}

/// One source of directions.
#[derive(Clone, Debug)]
pub struct Source {
    name: String,
    kind: Kind,
    weight: f64,
    targets: Vec<Vec<u32>>,
}

#[derive(Clone, Debug)]
enum Kind {
    Concept(Contrast, ReadAt),
    Fixed(SteeringVector),
    Random(SteeringVector),
}

impl Source {
    fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self {
            name: name.into(),
            kind,
            weight: 1.0,
            targets: vec![],
        }
    }

    /// Mean differences of some pairs of a contrast, read here in each text.
    #[must_use]
    pub fn concept(name: impl Into<String>, contrast: Contrast, read: ReadAt) -> Self {
        Self::new(name, Kind::Concept(contrast, read))
    }

    /// Always this vector.
    #[must_use]
    pub fn fixed(name: impl Into<String>, vector: SteeringVector) -> Self {
        Self::new(name, Kind::Fixed(vector))
    }

    /// A new random direction each time, at the places and of the lengths of this vector.
    #[must_use]
    pub fn random(name: impl Into<String>, like: SteeringVector) -> Self {
        Self::new(name, Kind::Random(like))
    }

    /// Chosen so many times as often as a source of weight 1.
    #[must_use]
    pub fn with_weight(mut self, weight: f64) -> Self {
        self.weight = weight;
        self
    }

    /// Prompts on which its effect is to be kept, see [`crate::KeepEffect`].
    #[must_use]
    pub fn with_targets(mut self, targets: Vec<Vec<u32>>) -> Self {
        self.targets = targets;
        self
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// All sources, read and ready to be drawn from.
#[derive(Clone, Debug)]
pub struct VectorBank {
    options: VectorOptions,
    sources: Vec<Source>,
    read: Vec<Option<BTreeMap<usize, Pairs>>>,
    layers: usize,
}

impl VectorBank {
    /// Reads the texts of all concepts with a model: the base.
    ///
    /// # Errors
    /// [`KtsError::Options`] for a concept with fewer pairs than a draw may take, a weight that is none, or directions to be
    /// read from the student where no source is a concept; [`KtsError::Steer`] when a vector belongs to another model.
    pub fn read(
        model: &dyn CausalLm,
        options: &VectorOptions,
        sources: Vec<Source>,
    ) -> Result<Self, KtsError> {
        options.check()?;
        let needed = match options.pairs {
            PairCount::Between(_, high) => high,
            PairCount::All => 1,
        };
        let total: f64 = sources.iter().map(|s| s.weight).sum();
        for source in &sources {
            if !(source.weight.is_finite() && source.weight >= 0.0 && total > 0.0) {
                let found = format!("{} of `{}`", source.weight, source.name);
                return Err(KtsError::options(
                    "source weight",
                    found,
                    "numbers from 0, one of them above",
                ));
            }
            match &source.kind {
                Kind::Concept(contrast, _) if contrast.pairs() < needed => {
                    let found = format!("up to {needed}");
                    let what = format!(
                        "at most the {} of concept `{}`",
                        contrast.pairs(),
                        source.name
                    );
                    return Err(KtsError::options("vectors.pairs", found, what));
                }
                Kind::Fixed(vector) | Kind::Random(vector) => {
                    // Compiling checks the vector against the model.
                    firetender_steer::Plan::of(vector).compile(&model.shape(), &model.device())?;
                }
                Kind::Concept(..) => {}
            }
        }
        let concepts = sources.iter().any(|s| matches!(s.kind, Kind::Concept(..)));
        if !concepts && !sources.is_empty() && matches!(options.from, VectorsFrom::Student { .. }) {
            let what =
                "`base`: no source is a concept, so there is nothing to read with the student";
            return Err(KtsError::options("vectors.from", "student", what));
        }
        let mut bank = Self {
            options: options.clone(),
            read: vec![None; sources.len()],
            sources,
            layers: model.shape().layers,
        };
        bank.read_with(model)?;
        Ok(bank)
    }

    fn read_with(&mut self, model: &dyn CausalLm) -> Result<(), KtsError> {
        for (source, read) in self.sources.iter().zip(&mut self.read) {
            if let Kind::Concept(contrast, at) = &source.kind {
                let extractor = Extractor::new(SiteKind::ResidPost)
                    .with_layers(self.options.layers.clone())
                    .with_read(at.clone());
                let samples = extractor.samples(model, contrast, &mut Silent)?;
                *read = Some(samples.layers().clone());
            }
        }
        Ok(())
    }

    /// Reads again with the student if its time has come.
    ///
    /// # Errors
    /// Whatever the model reports.
    pub fn refresh(&mut self, step: u64, student: &dyn CausalLm) -> Result<(), KtsError> {
        if matches!(self.options.from, VectorsFrom::Student { .. }) && self.is_read_at(step) {
            self.read_with(student)?;
        }
        Ok(())
    }

    /// Whether nothing that was read earlier is used from this step on.
    pub(crate) fn is_read_at(&self, step: u64) -> bool {
        match self.options.from {
            VectorsFrom::Base => true,
            VectorsFrom::Student { every } => step.is_multiple_of(every),
        }
    }

    /// The sources' sizes, for a [`crate::Drawer`].
    #[must_use]
    pub fn sizes(&self) -> Vec<SourceSize> {
        let size = |source: &Source| SourceSize {
            weight: source.weight,
            pairs: match &source.kind {
                Kind::Concept(contrast, _) => contrast.pairs(),
                _ => 0,
            },
            targets: source.targets.len(),
        };
        self.sources.iter().map(size).collect()
    }

    /// Whether there is nothing to draw from.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// The sources.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The target prompts of a draw.
    ///
    /// # Panics
    /// When the draw is not of these sources.
    #[must_use]
    pub fn targets(&self, draw: &Draw) -> Vec<Vec<u32>> {
        let all = &self.sources[draw.source].targets;
        draw.targets.iter().map(|at| all[*at].clone()).collect()
    }

    /// The direction of a draw.
    ///
    /// # Errors
    /// [`KtsError::Steer`] when the pairs do not differ.
    ///
    /// # Panics
    /// When the draw is not of these sources.
    pub fn direction(&self, draw: &Draw) -> Result<SteeringVector, KtsError> {
        let source = &self.sources[draw.source];
        let (contrast, read) = match (&source.kind, &self.read[draw.source]) {
            (Kind::Fixed(vector), _) => return Ok(vector.clone()),
            (Kind::Random(like), _) => return Ok(like.random_like(draw.noise)),
            (Kind::Concept(contrast, _), Some(read)) => (contrast, read),
            (Kind::Concept(..), None) => {
                let what = format!("concept `{}` was not read", source.name);
                return Err(KtsError::Input { what });
            }
        };
        let mut width = 0;
        let directions = read
            .iter()
            .map(|(layer, pairs)| {
                width = pairs.width();
                (*layer, mean_difference(pairs, &draw.pairs))
            })
            .collect();
        let (toward, away) = (contrast.toward(), contrast.away());
        let site = SiteKind::ResidPost;
        Ok(SteeringVector::new(
            toward,
            away,
            site,
            width,
            self.layers,
            directions,
        )?)
    }

    /// A name for exactly these sources: SHA-256 over their texts and vectors, in hexadecimal.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        let numbers = |hash: &mut Sha256, values: &[f32]| {
            values.iter().for_each(|x| hash.update(x.to_le_bytes()));
        };
        for source in &self.sources {
            hash.update(source.name.as_bytes());
            hash.update(source.weight.to_le_bytes());
            for target in &source.targets {
                hash.update((target.len() as u64).to_le_bytes());
                target.iter().for_each(|id| hash.update(id.to_le_bytes()));
            }
            match &source.kind {
                Kind::Fixed(vector) | Kind::Random(vector) => {
                    hash.update([u8::from(matches!(source.kind, Kind::Fixed(_)))]);
                    for (layer, direction) in vector.directions() {
                        hash.update((*layer as u64).to_le_bytes());
                        numbers(&mut hash, direction);
                    }
                }
                Kind::Concept(contrast, _) => {
                    hash.update(contrast.toward().as_bytes());
                    for row in contrast.toward_rows().iter().chain(contrast.away_rows()) {
                        hash.update((row.len() as u64).to_le_bytes());
                        row.iter().for_each(|id| hash.update(id.to_le_bytes()));
                    }
                }
            }
        }
        hex(&hash.finalize())
    }
}

/// Mean of toward − away over some pairs, summed in `f64`.
fn mean_difference(pairs: &Pairs, chosen: &[usize]) -> Vec<f32> {
    let width = pairs.width();
    let mut sum = vec![0.0f64; width];
    for pair in chosen {
        let cut = pair * width..(pair + 1) * width;
        let both = pairs.toward()[cut.clone()].iter().zip(&pairs.away()[cut]);
        for (sum, (t, a)) in sum.iter_mut().zip(both) {
            *sum += f64::from(*t) - f64::from(*a);
        }
    }
    let n = chosen.len().max(1) as f64;
    sum.into_iter().map(|x| (x / n) as f32).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
