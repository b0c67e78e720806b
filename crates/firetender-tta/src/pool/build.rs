//! Building a pool, or going on with one.

use std::path::{Path, PathBuf};

use firetender_uncertainty::{NpyArray, NpyValues, write_atomically, write_npy};

use super::{
    Manifest, Pool, PoolFloat, entry_path,
    manifest::{SCHEMA, hash, label_hash, read_manifest, same},
};
use crate::{Feed, Policy, Predictor, RgbImage, TtaError, predict_entry};

/// Builds a [`Pool`], or goes on with one.
#[derive(Debug)]
pub struct PoolBuilder<'a> {
    /// Where it is.
    pub folder: PathBuf,
    /// The recipes.
    pub policy: &'a Policy,
    /// Of the draws.
    pub seed: u64,
    /// How numbers are kept.
    pub float: PoolFloat,
    /// A name or hash for the network, so that another one is not taken for it.
    pub model: String,
}

impl PoolBuilder<'_> {
    /// Predicts what is missing. `observer` is told the number of each finished entry and of all; it sees old ones, too.
    ///
    /// # Errors
    /// [`TtaError::Mismatch`] when the folder holds a pool of other inputs; [`TtaError::File`] when it holds entries without a manifest;
    /// [`TtaError::Io`]; as [`predict_entry`].
    pub fn build(
        &self,
        predictor: &dyn Predictor,
        images: &[RgbImage],
        labels: &[i64],
        feed: &Feed<'_>,
        observer: &mut dyn FnMut(usize, usize),
    ) -> Result<Pool, TtaError> {
        if images.is_empty() || self.policy.is_empty() {
            return Err(TtaError::Empty {
                what: "images or recipes of a pool",
            });
        }
        if labels.len() != images.len() {
            return Err(TtaError::Length {
                what: "labels",
                found: labels.len(),
                expected: images.len(),
            });
        }
        let classes = predictor.classes();
        let wrong = labels.iter().position(|l| !(0..classes as i64).contains(l));
        if let Some(sample) = wrong {
            return Err(TtaError::Label {
                sample,
                found: labels[sample],
                classes,
            });
        }
        let manifest = Manifest {
            schema: SCHEMA.into(),
            policy: self.policy.clone(),
            seed: self.seed,
            samples: images.len(),
            classes,
            float: self.float,
            model: self.model.clone(),
            data: hash(images.iter().map(|i| {
                let size = [i.width() as u64, i.height() as u64];
                [
                    &size[0].to_le_bytes()[..],
                    &size[1].to_le_bytes(),
                    i.pixels(),
                ]
                .concat()
            })),
            labels: label_hash(labels),
        };
        let made = |path: &Path| {
            std::fs::create_dir_all(path).map_err(|source| TtaError::Io {
                path: path.to_owned(),
                source,
            })
        };
        made(&self.folder.join("entries"))?;
        let place = self.folder.join("manifest.json");
        let known = place.exists();
        if known {
            let found = read_manifest(&place)?;
            same(&found, &manifest, &place)?;
        } else if let Some(entry) =
            (0..self.policy.len()).find(|entry| entry_path(&self.folder, *entry).exists())
        {
            // The manifest is written before any entry.
            let what = format!(
                "it is missing, but entry {entry} is there, of which nobody knows what it was made from; \
                 build into another folder, or remove this one"
            );
            return Err(TtaError::file(place, "pool", what));
        }
        if !self.folder.join("labels.npy").exists() {
            let array = NpyArray {
                shape: vec![labels.len()],
                values: NpyValues::Int(labels.to_vec()),
            };
            write_npy(self.folder.join("labels.npy"), &array)?;
        }
        if !known {
            let text = serde_json::to_string_pretty(&manifest)
                .map_err(|error| TtaError::file(&place, "json", error.to_string()))?;
            write_atomically(&place, text.as_bytes())?;
        }
        let all = self.policy.len();
        for entry in 0..all {
            let path = entry_path(&self.folder, entry);
            if !path.exists() {
                let values =
                    predict_entry(predictor, self.policy, entry, images, feed, [self.seed, 0])?;
                write_entry(&path, values, [images.len(), classes], self.float)?;
            }
            observer(entry, all);
        }
        Ok(Pool {
            folder: self.folder.clone(),
            manifest,
        })
    }
}

fn write_entry(
    path: &Path,
    values: Vec<f32>,
    [rows, classes]: [usize; 2],
    float: PoolFloat,
) -> Result<(), TtaError> {
    match float {
        PoolFloat::F32 => {
            let array = NpyArray {
                shape: vec![rows, classes],
                values: NpyValues::F32(values),
            };
            write_npy(path, &array)?;
        }
        PoolFloat::F16 => {
            // The lowest number is −65,504; a logarithm of −∞ stays one.
            let numbers = values
                .iter()
                .flat_map(|x| half::f16::from_f32(*x).to_le_bytes());
            let bytes = crate::policy::npy_bytes("<f2", &[rows, classes], numbers);
            write_atomically(path, &bytes)?;
        }
    }
    Ok(())
}
