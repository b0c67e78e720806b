//! Which weights are adapted, and where their factors start.
//!
//! Burn's own `apply_lora` draws from the device's global random source and adapts every matrix unless told otherwise. Here the
//! start is drawn on the host from a seed, so the same seed gives the same adapter on every device.

use burn::module::Module;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{
    Adapter, Factors, KtsError,
    adapter::{matrices, path::block_and_target},
};

/// How the first factor is drawn; the second starts at zero, so a fresh adapter changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LoraStart {
    /// Uniform in `±1/√d_in`, as PEFT does.
    #[default]
    Uniform,
    /// Normal with deviation 1/rank, as Burn does.
    Normal,
}

/// A LoRA of a model's blocks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoraOptions {
    /// Rank of the change.
    pub rank: usize,
    /// The change is multiplied by alpha / rank.
    pub alpha: f64,
    /// Names of the layers that are adapted, as the model's module calls them.
    pub targets: Vec<String>,
    /// Blocks that are adapted; all when absent.
    pub blocks: Option<Vec<usize>>,
    /// How the first factor is drawn.
    pub start: LoraStart,
}

/// No weight of a model that fits a machine has so many rows and columns.
const LARGEST_RANK: usize = 1 << 16;

/// All matrices of a [`firetender_lm::Transformer`]'s blocks.
pub(crate) const ALL_TARGETS: [&str; 7] = [
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "gate_proj",
    "up_proj",
    "down_proj",
];

impl Default for LoraOptions {
    /// Rank 16, alpha 32, all matrices of all blocks.
    fn default() -> Self {
        Self {
            rank: 16,
            alpha: 32.0,
            targets: ALL_TARGETS.map(String::from).to_vec(),
            blocks: None,
            start: LoraStart::Uniform,
        }
    }
}

impl LoraOptions {
    pub(crate) fn check(&self) -> Result<(), KtsError> {
        if !(1..=LARGEST_RANK).contains(&self.rank) {
            let what = format!("from 1 to {LARGEST_RANK}");
            return Err(KtsError::options("lora.rank", self.rank, what));
        }
        if !(self.alpha.is_finite() && self.alpha > 0.0) {
            return Err(KtsError::options(
                "lora.alpha",
                self.alpha,
                "a finite number above 0",
            ));
        }
        if self.targets.is_empty() {
            return Err(KtsError::options(
                "lora.targets",
                "empty",
                "the names of layers to adapt",
            ));
        }
        if self.blocks.as_ref().is_some_and(Vec::is_empty) {
            return Err(KtsError::options("lora.blocks", "empty", "blocks, or none"));
        }
        Ok(())
    }

    /// The adapter that training starts from.
    ///
    /// # Errors
    /// [`KtsError::Options`] for a rank or alpha that makes no sense, a target that is in no block of the model, or a block that
    /// the model does not have.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use firetender_kts::LoraOptions;
    /// use firetender_lm::{ModelConfig, Transformer};
    /// let model = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex()).unwrap();
    /// let options = LoraOptions { targets: vec!["q_proj".into()], blocks: Some(vec![1]), ..LoraOptions::default() };
    /// let start = options.start(&model, 3).unwrap();
    /// assert_eq!(start.factors().keys().collect::<Vec<_>>(), ["blocks.1.attn.q_proj.weight"]);
    /// assert_eq!(start, options.start(&model, 3).unwrap(), "the same seed");
    /// ```
    pub fn start<M: Module>(&self, model: &M, seed: u64) -> Result<Adapter, KtsError> {
        self.check()?;
        let all = matrices(model);
        let places: Vec<(usize, &str, &String, [usize; 2])> = all
            .iter()
            .filter_map(|(path, dims)| {
                let (block, target) = block_and_target(path)?;
                Some((block, target, path, *dims))
            })
            .collect();
        for target in &self.targets {
            if !places.iter().any(|(_, name, ..)| name == target) {
                let mut known: Vec<&str> = places.iter().map(|(_, name, ..)| *name).collect();
                known.sort_unstable();
                known.dedup();
                return Err(KtsError::options(
                    "lora.targets",
                    target,
                    format!("one of {}", known.join(", ")),
                ));
            }
        }
        for block in self.blocks.iter().flatten() {
            if !places.iter().any(|(number, ..)| number == block) {
                return Err(KtsError::options(
                    "lora.blocks",
                    block,
                    "blocks that the model has, counted from 0",
                ));
            }
        }
        let mut chosen: Vec<_> = places
            .into_iter()
            .filter(|(block, target, ..)| {
                self.targets.iter().any(|t| t == target)
                    && self.blocks.as_ref().is_none_or(|b| b.contains(block))
            })
            .collect();
        chosen.sort_by_key(|(block, _, path, _)| (*block, path.as_str()));
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let factors = chosen
            .into_iter()
            .map(|(_, _, path, [inputs, outputs])| {
                let a = (0..inputs * self.rank)
                    .map(|_| self.number(inputs, &mut rng))
                    .collect();
                let factors = Factors {
                    dims: [inputs, self.rank, outputs],
                    a,
                    b: vec![0.0; self.rank * outputs],
                    scale: self.alpha / self.rank as f64,
                };
                (path.clone(), factors)
            })
            .collect();
        Adapter::new(factors)
    }

    fn number(&self, inputs: usize, rng: &mut ChaCha8Rng) -> f32 {
        match self.start {
            LoraStart::Uniform => {
                ((2.0 * rng.random::<f64>() - 1.0) / (inputs as f64).sqrt()) as f32
            }
            LoraStart::Normal => (normal(rng) / self.rank as f64) as f32,
        }
    }
}

/// A standard normal number by the Box–Muller transform.
pub(crate) fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}
