//! The models that are timed.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use burn::{module::Module, tensor::Device};
use firetender_lm::{Checkpoint, ModelConfig, Transformer};

use crate::Failure;

/// A model on the CPU device, made once a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// 22 million random weights, so that the benches run anywhere: 12 blocks, width 384, 6 heads that share 2 KV heads.
    Random,
    /// SmolLM2-135M-Instruct, from the file or folder that the environment variable `FIRETENDER_SMOLLM2` names.
    SmolLm2,
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Random => "random 22M",
            Self::SmolLm2 => "SmolLM2-135M",
        })
    }
}

impl Which {
    /// Those that are here; says once on standard error when SmolLM2 is not.
    #[must_use]
    pub fn present() -> Vec<Self> {
        if smollm2_path().is_some() {
            vec![Self::Random, Self::SmolLm2]
        } else {
            vec![Self::Random]
        }
    }

    /// The model.
    ///
    /// # Panics
    /// When it cannot be read: a bench has nobody to report to.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a bench reports by panicking")]
    pub fn model(self) -> &'static Transformer {
        static RANDOM: OnceLock<Transformer> = OnceLock::new();
        static SMOLLM2: OnceLock<Transformer> = OnceLock::new();
        match self {
            Self::Random => RANDOM.get_or_init(|| {
                let config = ModelConfig::llama(8192, 384, 12, 6, 2, 1024);
                Transformer::init(&config, 0, &Device::flex()).expect("a valid configuration")
            }),
            Self::SmolLm2 => SMOLLM2.get_or_init(|| {
                let path = smollm2_path().expect("FIRETENDER_SMOLLM2 names a model");
                load(path).expect("FIRETENDER_SMOLLM2 names a model that can be read")
            }),
        }
    }

    /// Where its files are, if it has any.
    #[must_use]
    pub fn path(self) -> Option<&'static Path> {
        match self {
            Self::Random => None,
            Self::SmolLm2 => smollm2_path(),
        }
    }
}

#[expect(clippy::print_stderr, reason = "a skipped bench says why")]
fn smollm2_path() -> Option<&'static Path> {
    static PATH: OnceLock<Option<PathBuf>> = OnceLock::new();
    let path = PATH.get_or_init(|| {
        let path = std::env::var_os("FIRETENDER_SMOLLM2")
            .map(PathBuf::from)
            .filter(|path| path.exists());
        if path.is_none() {
            eprintln!(
                "without SmolLM2: FIRETENDER_SMOLLM2 does not name SmolLM2-135M-Instruct.Q4_1.gguf"
            );
        }
        path
    });
    path.as_deref()
}

/// Opens a model file or folder on the CPU device.
///
/// # Errors
/// Whatever is wrong with the files.
pub fn load(path: impl AsRef<Path>) -> Result<Transformer, Failure> {
    let checkpoint = Checkpoint::open(path)?;
    let source = checkpoint.source.as_ref();
    Ok(Transformer::load(
        &checkpoint.config,
        source,
        checkpoint.layout(),
        &Device::flex(),
    )?)
}

/// Bytes of a model's weights as 32-bit floats.
#[must_use]
pub fn weight_bytes(model: &Transformer) -> usize {
    4 * model.num_params()
}

/// `count` token ids that are the same on every machine and differ from each other as ids of a text do.
#[must_use]
pub fn ids(count: usize, vocab_size: usize) -> Vec<u32> {
    let spread = |index: usize| (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    (0..count)
        .map(|index| (spread(index) % vocab_size as u64) as u32)
        .collect()
}
