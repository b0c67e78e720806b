//! Pools: the predictions of every recipe on a validation set, built once and kept.
//!
//! A pool is a folder: `manifest.json` with the policy and everything that the predictions depend on, `labels.npy`, and one `.npy` file of
//! log-probabilities `[N, C]` an entry. A file appears when it is whole, so a build that was stopped goes on where it was; a build whose inputs differ from
//! the manifest is an error, never a mixture of two.

mod build;
mod manifest;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use self::manifest::{hash, label_hash, read_manifest};
pub use self::{
    build::PoolBuilder,
    manifest::{Manifest, PoolFloat},
};
use crate::{Candidates, ReadOptions, TtaError};

/// A folder of predictions.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use firetender_tta::*;
/// let network = FromLogits::new(2, |images: Tensor<4>| images.mean_dim(3).mean_dim(2).reshape([-1, 3]).narrow(1, 0, 2));
/// let images = vec![RgbImage::filled(8, 8, [9, 200, 0])?, RgbImage::filled(8, 8, [200, 9, 0])?];
/// let policy = Mixture::new(&[(4, 2, 20.0)]).draw(&Policy::cifar(), 1)?;
/// let (normalisation, device) = (Normalisation::none(), Device::flex());
/// let feed = Feed { normalisation: &normalisation, device: &device, batch: 2 };
/// let folder = tempfile::tempdir().unwrap();
/// let builder = PoolBuilder { folder: folder.path().join("pool"), policy: &policy, seed: 1, float: PoolFloat::F32, model: "mean".into() };
/// let pool = builder.build(&network, &images, &[1, 0], &feed, &mut |_, _| {})?;
/// let trace = GreedySearch::new(3).run(&pool.candidates(None)?)?;
/// assert_eq!(trace.policy(&pool.manifest().policy)?.len(), 3);
/// # Ok::<(), TtaError>(())
/// ```
#[derive(Debug)]
pub struct Pool {
    folder: PathBuf,
    manifest: Manifest,
}

fn entry_path(folder: &Path, entry: usize) -> PathBuf {
    folder.join("entries").join(format!("{entry:06}.npy"))
}

impl Pool {
    /// Opens a pool whose build was finished.
    ///
    /// # Errors
    /// [`TtaError::Io`]; [`TtaError::File`] for a manifest that is none, and for an entry that is missing.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, TtaError> {
        let folder = folder.as_ref();
        let manifest = read_manifest(&folder.join("manifest.json"))?;
        for entry in 0..manifest.policy.len() {
            let path = entry_path(folder, entry);
            if !path.exists() {
                let what = format!("entry {entry} is missing; the build was not finished");
                return Err(TtaError::file(path, "pool", what));
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            manifest,
        })
    }

    /// What its predictions depend on.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its predictions, in memory up to this many bytes (8 GiB without a number), else read anew at every step.
    ///
    /// # Errors
    /// As [`Candidates::read`]; [`TtaError::Mismatch`] for predictions of another shape than the manifest's, and for other labels.
    pub fn candidates(&self, memory: Option<u64>) -> Result<Candidates, TtaError> {
        let options = ReadOptions {
            memory,
            ..ReadOptions::default()
        };
        let found = Candidates::read(
            self.folder.join("entries"),
            self.folder.join("labels.npy"),
            &options,
        )?;
        let labels: Vec<i64> = found.labels().iter().map(|l| i64::from(*l)).collect();
        if label_hash(&labels) != self.manifest.labels {
            return Err(TtaError::Mismatch {
                place: self.folder.join("labels.npy").display().to_string(),
                field: "labels",
                found: label_hash(&labels),
                expected: format!("{} as in the manifest", self.manifest.labels),
            });
        }
        let shape = [found.entries(), found.samples(), found.classes()];
        let expected = [
            self.manifest.policy.len(),
            self.manifest.samples,
            self.manifest.classes,
        ];
        if shape != expected {
            return Err(TtaError::Mismatch {
                place: self.folder.display().to_string(),
                field: "shape",
                found: format!("{shape:?}"),
                expected: format!("{expected:?}"),
            });
        }
        Ok(found)
    }

    /// Hash of the manifest, for a policy's provenance.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hash([serde_json::to_vec(&self.manifest).unwrap_or_default()])
    }
}
