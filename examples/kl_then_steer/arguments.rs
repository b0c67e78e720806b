//! What the command line says.

use std::path::PathBuf;

use clap::Parser;
use firetender_support::{Failure, fail};

use crate::{
    method::{self, Method},
    world::Sizes,
};

/// Trains adapters so that steering stops hurting, and compares them at equal effect.
#[derive(Parser)]
pub(crate) struct Arguments {
    /// A GGUF file, a Hugging Face folder, or `ember`, the model that is built in.
    #[arg(long, default_value = "ember")]
    pub(crate) model: String,
    /// Methods, separated by commas; `all` for every one (some of which take long). docs/REPRODUCTION.md says what each is.
    #[arg(
        long,
        default_value = "kts,kts_keep,kts_rare,imitate,dpo_rank1,representation,gate,kts_gate,prompt_v1"
    )]
    pub(crate) methods: String,
    /// Runs with different seeds, of `kts` and `kts_keep`; the others run once.
    #[arg(long, default_value_t = 5)]
    pub(crate) seeds: u64,
    /// Steps of training.
    #[arg(long)]
    pub(crate) steps: Option<u64>,
    /// Highest learning rate.
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) rate: Option<f64>,
    /// Rank of the adapter.
    #[arg(long)]
    pub(crate) rank: Option<usize>,
    /// Texts in a minibatch.
    #[arg(long)]
    pub(crate) batch: Option<usize>,
    /// Largest strength that is trained with.
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) dose: Option<f64>,
    /// Weight of the term that keeps the effect.
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    pub(crate) keep: f64,
    /// Layers that are steered; by default Ember's middle two, and the second quarter of any other model.
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) layers: Option<String>,
    /// Folder for figures, tables, adapters and checkpoints; a run that was stopped goes on from these.
    #[arg(long, default_value = "target/kl_then_steer")]
    pub(crate) out: PathBuf,
    /// Writes the first seed's `kts_keep` adapter, merged, as a Hugging Face folder here.
    #[arg(long)]
    pub(crate) export: Option<PathBuf>,
    /// A smoke run: few steps, one seed, few prompts.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    /// Where to run: cpu, wgpu, cuda, … as compiled in.
    #[arg(long)]
    pub(crate) device: Option<String>,
}

impl Arguments {
    /// The methods, each once; refuses options that cannot be for one of them before anything is read or trained.
    pub(crate) fn methods(&self) -> Result<Vec<Method>, Failure> {
        let methods = self.named()?;
        for (at, method) in methods.iter().enumerate() {
            if methods[..at].contains(method) {
                return fail(format!("--methods: `{}` is there twice", method.name()));
            }
            if method.trained_as().is_some() {
                method::options(*method, &Sizes::default(), self, 0).check()?;
            }
        }
        if self.export.is_some() && !methods.contains(&Method::KtsKeep) {
            return fail(
                "--export: writes the adapter of `kts_keep`, which is not among --methods",
            );
        }
        for (flag, folder) in [
            ("--out", Some(&self.out)),
            ("--export", self.export.as_ref()),
        ] {
            if let Some(folder) = folder
                && let Err(error) = std::fs::create_dir_all(folder)
            {
                return fail(format!("{flag} {}: {error}", folder.display()));
            }
        }
        Ok(methods)
    }

    fn named(&self) -> Result<Vec<Method>, Failure> {
        if self.methods == "all" {
            return Ok(Method::ALL.to_vec());
        }
        if self.methods.trim().is_empty() {
            return Ok(vec![]);
        }
        self.methods
            .split(',')
            .map(|name| Method::named(name.trim()))
            .collect()
    }

    pub(crate) fn seeds(&self) -> Result<u64, Failure> {
        match (self.seeds, self.quick) {
            (0, _) => fail("--seeds 0: at least one run is needed"),
            (_, true) => Ok(1),
            (seeds, _) => Ok(seeds),
        }
    }
}
