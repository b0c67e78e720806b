//! Pools: the predictions of every recipe on a validation set, built once and kept.
//!
//! A pool is a folder: `manifest.json` with the policy and everything that the predictions depend on, `labels.npy`, and one `.npy` file of
//! log-probabilities `[N, C]` an entry. A file appears when it is whole, so a build that was stopped goes on where it was; a build whose inputs differ from
//! the manifest is an error, never a mixture of two.

use std::path::{Path, PathBuf};

use firetender_uncertainty::{NpyArray, NpyValues, write_atomically, write_npy};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Candidates, Feed, Policy, Predictor, ReadOptions, RgbImage, TtaError, predict_entry};

const SCHEMA: &str = "firetender-pool/1";

/// How numbers are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolFloat {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits: log-probabilities to about three digits.
    F16,
}

/// What a pool's predictions depend on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    schema: String,
    /// The recipes, with ranges and versions.
    pub policy: Policy,
    /// Of the draws.
    pub seed: u64,
    /// How many images.
    pub samples: usize,
    /// How many classes.
    pub classes: usize,
    /// How numbers are kept.
    pub float: PoolFloat,
    /// The caller's name or hash for the network.
    pub model: String,
    /// Hash of the images.
    pub data: String,
    /// Hash of the labels.
    pub labels: String,
}

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

fn hash(parts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> String {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update(part);
    }
    sha.finalize()[..16]
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

fn entry_path(folder: &Path, entry: usize) -> PathBuf {
    folder.join("entries").join(format!("{entry:06}.npy"))
}

impl PoolBuilder<'_> {
    /// Predicts what is missing. `observer` is told the number of each finished entry and of all; it sees old ones, too.
    ///
    /// # Errors
    /// [`TtaError::Mismatch`] when the folder holds a pool of other inputs; [`TtaError::Io`]; as [`predict_entry`].
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
            labels: hash(labels.iter().map(|l| l.to_le_bytes())),
        };
        let made = |path: &Path| {
            std::fs::create_dir_all(path).map_err(|source| TtaError::Io {
                path: path.to_owned(),
                source,
            })
        };
        made(&self.folder.join("entries"))?;
        let place = self.folder.join("manifest.json");
        if place.exists() {
            let found = read_manifest(&place)?;
            same(&found, &manifest, &place)?;
        } else {
            let array = NpyArray {
                shape: vec![labels.len()],
                values: NpyValues::Int(labels.to_vec()),
            };
            write_npy(self.folder.join("labels.npy"), &array)?;
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

fn read_manifest(path: &Path) -> Result<Manifest, TtaError> {
    let bytes = crate::files::read(path)?;
    let manifest: Manifest = serde_json::from_slice(&bytes)
        .map_err(|error| TtaError::file(path, "json", error.to_string()))?;
    if manifest.schema != SCHEMA {
        let what = format!("{:?}, expected {SCHEMA:?}", manifest.schema);
        return Err(TtaError::file(path, "schema", what));
    }
    Ok(manifest)
}

/// Names the first thing in which two manifests differ.
fn same(found: &Manifest, expected: &Manifest, place: &Path) -> Result<(), TtaError> {
    let differs = |field: &'static str, found: String, expected: String| {
        Err(TtaError::Mismatch {
            place: place.display().to_string(),
            field,
            found,
            expected: format!("{expected}; build into another folder, or remove this one"),
        })
    };
    if found.model != expected.model {
        return differs("model", found.model.clone(), expected.model.clone());
    }
    if found.data != expected.data {
        return differs("data", found.data.clone(), expected.data.clone());
    }
    if found.labels != expected.labels {
        return differs("labels", found.labels.clone(), expected.labels.clone());
    }
    if found.seed != expected.seed {
        return differs("seed", found.seed.to_string(), expected.seed.to_string());
    }
    if found != expected {
        return differs("policy or shape", "another".into(), "the same".into());
    }
    Ok(())
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
    /// As [`Candidates::read`]; [`TtaError::Mismatch`] for predictions of another shape than the manifest's.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FromLogits, Mixture, Normalisation};
    use burn::tensor::{Device, Tensor};

    fn network() -> impl Predictor {
        FromLogits::new(3, |images: Tensor<4>| {
            images.mean_dim(3).mean_dim(2).reshape([-1, 3]) * 5.0
        })
    }

    fn images() -> (Vec<RgbImage>, Vec<i64>) {
        let image = |i: usize| {
            RgbImage::new(
                16,
                16,
                (0..768).map(|k| (k * (7 + i) % 256) as u8).collect(),
            )
        };
        (
            (0..9).map(|i| image(i).unwrap()).collect(),
            (0..9).map(|i| i % 3).collect(),
        )
    }

    fn build(
        folder: &Path,
        float: PoolFloat,
        seed: u64,
        stop: Option<usize>,
    ) -> Result<Pool, TtaError> {
        let policy = Mixture::new(&[(5, 2, 30.0)])
            .draw(&Policy::cifar(), 2)
            .unwrap();
        let (images, labels) = images();
        let (normalisation, device) = (Normalisation::none(), Device::flex());
        let feed = Feed {
            normalisation: &normalisation,
            device: &device,
            batch: 4,
        };
        let builder = PoolBuilder {
            folder: folder.to_owned(),
            policy: &policy,
            seed,
            float,
            model: "toy".into(),
        };
        if let Some(stop) = stop {
            // As if the process had ended after so many entries.
            let part = policy.select(&(0..stop).collect::<Vec<_>>()).unwrap();
            std::fs::create_dir_all(folder.join("entries")).unwrap();
            for entry in 0..stop {
                let values =
                    predict_entry(&network(), &part, entry, &images, &feed, [seed, 0]).unwrap();
                write_entry(&entry_path(folder, entry), values, [9, 3], float).unwrap();
            }
        }
        builder.build(&network(), &images, &labels, &feed, &mut |_, _| {})
    }

    #[test]
    fn a_stopped_build_ends_with_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let (whole, stopped) = (folder.path().join("a"), folder.path().join("b"));
        build(&whole, PoolFloat::F32, 1, None).unwrap();
        build(&stopped, PoolFloat::F32, 1, Some(3)).unwrap();
        for entry in 0..6 {
            let read = |f: &Path| std::fs::read(entry_path(f, entry)).unwrap();
            assert_eq!(read(&whole), read(&stopped));
        }
        // Again changes nothing; another seed is another pool.
        build(&whole, PoolFloat::F32, 1, None).unwrap();
        let error = build(&whole, PoolFloat::F32, 2, None)
            .unwrap_err()
            .to_string();
        assert!(error.contains("seed"), "{error}");
        assert_eq!(
            Pool::open(&whole).unwrap().fingerprint(),
            Pool::open(&stopped).unwrap().fingerprint()
        );
    }

    /// Fails in the middle of the third entry.
    struct Failing<P>(P, std::cell::Cell<usize>);

    impl<P: Predictor> Predictor for Failing<P> {
        fn classes(&self) -> usize {
            self.0.classes()
        }

        fn log_probs(&self, images: Tensor<4>) -> Result<Tensor<2>, TtaError> {
            self.1.set(self.1.get() + 1);
            if self.1.get() == 8 {
                return Err(TtaError::Predictor("the power went".into()));
            }
            self.0.log_probs(images)
        }
    }

    #[test]
    fn a_build_that_fails_halfway_goes_on_and_threads_do_not_show() {
        let folder = tempfile::tempdir().unwrap();
        let policy = Mixture::new(&[(5, 2, 30.0)])
            .draw(&Policy::cifar(), 2)
            .unwrap();
        let (images, labels) = images();
        let (normalisation, device) = (Normalisation::none(), Device::flex());
        let run = |name: &str, predictor: &(dyn Predictor + Sync), batch: usize, threads: usize| {
            let feed = Feed {
                normalisation: &normalisation,
                device: &device,
                batch,
            };
            let builder = PoolBuilder {
                folder: folder.path().join(name),
                policy: &policy,
                seed: 1,
                float: PoolFloat::F32,
                model: "toy".into(),
            };
            let mut seen = vec![];
            let threads = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let built = threads.install(|| {
                let observer = &mut |entry: usize, _: usize| seen.push(entry);
                builder.build(predictor, &images, &labels, &feed, observer)
            });
            (built, seen)
        };
        let bytes = |name: &str| -> Vec<Vec<u8>> {
            (0..6)
                .map(|entry| std::fs::read(entry_path(&folder.path().join(name), entry)).unwrap())
                .collect()
        };
        run("whole", &network(), 4, 1).0.unwrap();
        run("threads", &network(), 9, 7).0.unwrap();
        assert_eq!(bytes("whole"), bytes("threads"));
        // Two of six entries are made when it fails (three batches each); opening says so, and building goes on.
        let (built, seen) = run_failing(&folder.path().join("stopped"), &policy, &images, &labels);
        assert!(built.unwrap_err().to_string().contains("power"));
        assert_eq!(seen, [0, 1]);
        assert!(Pool::open(folder.path().join("stopped")).is_err());
        run("stopped", &network(), 4, 2).0.unwrap();
        assert_eq!(bytes("whole"), bytes("stopped"));
    }

    fn run_failing(
        folder: &Path,
        policy: &Policy,
        images: &[RgbImage],
        labels: &[i64],
    ) -> (Result<Pool, TtaError>, Vec<usize>) {
        let (normalisation, device) = (Normalisation::none(), Device::flex());
        let feed = Feed {
            normalisation: &normalisation,
            device: &device,
            batch: 4,
        };
        let builder = PoolBuilder {
            folder: folder.to_owned(),
            policy,
            seed: 1,
            float: PoolFloat::F32,
            model: "toy".into(),
        };
        let failing = Failing(network(), std::cell::Cell::new(0));
        let mut seen = vec![];
        let built = builder.build(&failing, images, labels, &feed, &mut |entry, _| {
            seen.push(entry)
        });
        (built, seen)
    }

    #[test]
    fn half_floats_are_nearly_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        let of = |f: &Path, float| build(f, float, 1, None).unwrap().candidates(None).unwrap();
        let (full, half) = (of(&a, PoolFloat::F32), of(&b, PoolFloat::F16));
        for entry in 0..6 {
            for (x, y) in full
                .entry(entry)
                .unwrap()
                .iter()
                .zip(half.entry(entry).unwrap())
            {
                assert!((x - y).abs() < 1e-3 * x + 1e-4);
            }
        }
    }

    #[test]
    fn damaged_pools_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let pool = folder.path().join("a");
        build(&pool, PoolFloat::F32, 1, None).unwrap();
        let path = entry_path(&pool, 3);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 4]).unwrap();
        let error = Pool::open(&pool)
            .unwrap()
            .candidates(None)
            .unwrap_err()
            .to_string();
        assert!(error.contains("000003"), "{error}");
        std::fs::remove_file(&path).unwrap();
        assert!(
            Pool::open(&pool)
                .unwrap_err()
                .to_string()
                .contains("missing")
        );
        std::fs::write(pool.join("manifest.json"), "{}").unwrap();
        assert!(Pool::open(&pool).is_err());
    }
}
