//! The input of a search: predictions of every recipe on every sample, and the labels.

use std::{fs, path::Path, sync::Arc};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    pass::{TILE, Tile32, Tile64},
    store::{NpyEntries, Source, Store, read_archive, read_integers, read_table},
};
use crate::{TtaError, reference::recipe_in_name};

/// What the numbers are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictionKind {
    /// Natural logarithms of probabilities.
    #[default]
    LogProbs,
    /// Probabilities.
    Probs,
    /// Anything whose softmax is the prediction.
    Logits,
}

/// How files become candidates.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// What the numbers are.
    pub kind: PredictionKind,
    /// Only these samples, in this order: the split that the search may see. Labels are of all samples or of these alone.
    pub rows: Option<Vec<usize>>,
    /// Bytes that may be kept in memory; where the candidates need more they are read anew at every step. None: 8 GiB.
    pub memory: Option<u64>,
}

/// How far a row's sum may be from one before it is normalised: 16-bit logarithms of probabilities sum to 1 ± 0.005.
const TOLERANCE: f64 = 0.01;

/// Predictions `[B, N, C]` and labels `[N]`.
///
/// Probabilities are kept in `f32`, so that one below 10⁻⁴⁵ counts as zero. Rows are normalised.
///
/// ```
/// use firetender_tta::{Candidates, PredictionKind};
/// let pool = [0.9_f32, 0.1, 0.2, 0.8, /* entry 1 */ 0.6, 0.4, 0.5, 0.5];
/// let candidates = Candidates::new(PredictionKind::Probs, &pool, [2, 2, 2], &[0, 1])?;
/// assert_eq!((candidates.entries(), candidates.samples(), candidates.classes()), (2, 2, 2));
/// # Ok::<(), firetender_tta::TtaError>(())
/// ```
#[derive(Debug)]
pub struct Candidates {
    entries: usize,
    samples: usize,
    classes: usize,
    kind: PredictionKind,
    labels: Vec<u32>,
    pub(crate) weights: Vec<Tile64>,
    store: Store,
    names: Vec<String>,
}

impl Candidates {
    /// Candidates from one array, entry after entry, sample after sample.
    ///
    /// # Errors
    /// [`TtaError::Empty`] without entries or samples; [`TtaError::Length`] when the array does not fit its shape; [`TtaError::Options`]
    /// below two classes; [`TtaError::Label`], [`TtaError::Prediction`] and [`TtaError::RowSum`] with their places.
    pub fn new(
        kind: PredictionKind,
        values: &[f32],
        [entries, samples, classes]: [usize; 3],
        labels: &[i64],
    ) -> Result<Self, TtaError> {
        let expected = entries
            .checked_mul(samples)
            .and_then(|n| n.checked_mul(classes));
        if expected != Some(values.len()) {
            return Err(TtaError::Length {
                what: "predictions",
                found: values.len(),
                expected: expected.unwrap_or(usize::MAX),
            });
        }
        let mut made = Self::empty(kind, [entries, samples, classes], labels)?;
        let per = samples * classes;
        made.fill(&|entry| {
            let part = &values[entry * per..(entry + 1) * per];
            Ok(part.iter().map(|x| f64::from(*x)).collect())
        })?;
        Ok(made)
    }

    /// Candidates from a `.npy` file `[B, N, C]` of `f2`, `f4` or `f8` in either order, a `.npz` archive with one such array, a folder of the reference's
    /// prediction files (each `[N, C]`, in the order of their names; the recipe stands in the name), or a [`crate::Pool`]'s folder, with labels from a `.npy` file.
    ///
    /// # Errors
    /// [`TtaError::Io`]; [`TtaError::File`] for a file that is damaged or of another shape than the first, never skipped; as [`Candidates::new`].
    pub fn read(
        pool: impl AsRef<Path>,
        labels: impl AsRef<Path>,
        options: &ReadOptions,
    ) -> Result<Self, TtaError> {
        let (pool, label_path) = (pool.as_ref(), labels.as_ref());
        let labels = read_integers(label_path)?;
        // A pool that was built here keeps its predictions one folder deeper.
        let deeper = pool.join("entries");
        let built = pool.join("manifest.json").exists() && deeper.is_dir();
        let pool = if built { deeper.as_path() } else { pool };
        let (source, shape, names): (Source, [usize; 3], Vec<String>) = if pool.is_dir() {
            let mut paths = prediction_files(pool)?;
            // Labels may lie beside the predictions.
            let same = |path: &Path| fs::canonicalize(path).ok();
            let own = same(label_path);
            paths.retain(|path| same(path) != own);
            let first = paths.first().ok_or_else(|| {
                TtaError::file(pool, "folder", "no .npz or .npy file of predictions in it")
            })?;
            let (_, rows, classes) = read_table(first)?;
            let names = paths.iter().map(|path| {
                let name = path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                recipe_in_name(&name).map_or(name.clone(), str::to_owned)
            });
            let (names, shape) = (names.collect(), [paths.len(), rows, classes]);
            let place = first.clone();
            let read = move |entry: usize| {
                let (values, found, width) = read_table(&paths[entry])?;
                if (found, width) != (rows, classes) {
                    return Err(TtaError::file(
                        &paths[entry],
                        "shape",
                        format!(
                            "[{found}, {width}], but {} has [{rows}, {classes}]",
                            place.display()
                        ),
                    ));
                }
                Ok(values)
            };
            (Arc::new(read), shape, names)
        } else if pool.extension().is_some_and(|e| e == "npz") {
            let (values, shape) = read_archive(pool)?;
            let per = shape[1] * shape[2];
            let read = move |entry: usize| Ok(values[entry * per..(entry + 1) * per].to_vec());
            (Arc::new(read), shape, vec![])
        } else {
            let file = NpyEntries::open(pool)?;
            let shape = file.shape;
            (Arc::new(move |entry| file.read(entry)), shape, vec![])
        };
        let [entries, all, classes] = shape;
        let (source, samples, labels): (Source, usize, Vec<i64>) = match &options.rows {
            None => (source, all, labels),
            Some(rows) => {
                if let Some(row) = rows.iter().find(|row| **row >= all) {
                    return Err(TtaError::option(
                        "rows",
                        row,
                        format!("below {all}, the number of samples"),
                    ));
                }
                let labels = if labels.len() == all {
                    rows.iter().map(|row| labels[*row]).collect()
                } else {
                    labels
                };
                let rows = rows.clone();
                let count = rows.len();
                let picked = move |entry: usize| {
                    let values = source(entry)?;
                    let picked = rows
                        .iter()
                        .flat_map(|row| &values[row * classes..(row + 1) * classes]);
                    Ok(picked.copied().collect())
                };
                (Arc::new(picked), count, labels)
            }
        };
        let mut made = Self::empty(options.kind, [entries, samples, classes], &labels)?;
        made.names = names;
        let bytes =
            (made.weights.len() as u64) * (classes as u64) * (4 * TILE as u64) * entries as u64;
        if bytes <= options.memory.unwrap_or(8 << 30) {
            made.fill(&*source)?;
        } else {
            made.store = Store::Stream(source);
        }
        Ok(made)
    }

    /// Sizes and labels are checked; there are no predictions yet.
    fn empty(
        kind: PredictionKind,
        [entries, samples, classes]: [usize; 3],
        labels: &[i64],
    ) -> Result<Self, TtaError> {
        for (what, count) in [("entries of a pool", entries), ("samples", samples)] {
            if count == 0 {
                return Err(TtaError::Empty { what });
            }
        }
        if classes < 2 {
            return Err(TtaError::option("classes", classes, "at least 2"));
        }
        if labels.len() != samples {
            return Err(TtaError::Length {
                what: "labels",
                found: labels.len(),
                expected: samples,
            });
        }
        let labels = labels.iter().enumerate().map(|(sample, &label)| {
            u32::try_from(label)
                .ok()
                .filter(|l| (*l as usize) < classes)
                .ok_or(TtaError::Label {
                    sample,
                    found: label,
                    classes,
                })
        });
        let mut weights = vec![[0.0; TILE]; samples.div_ceil(TILE)];
        weights.as_flattened_mut()[..samples].fill(1.0);
        Ok(Self {
            entries,
            samples,
            classes,
            kind,
            labels: labels.collect::<Result<_, _>>()?,
            weights,
            store: Store::Memory(vec![]),
            names: vec![],
        })
    }

    /// How much each sample counts; 1 for all without this.
    ///
    /// # Errors
    /// [`TtaError::Length`]; [`TtaError::Options`] for a weight that is negative or not finite, or when all are zero.
    pub fn with_weights(mut self, weights: &[f64]) -> Result<Self, TtaError> {
        if weights.len() != self.samples {
            return Err(TtaError::Length {
                what: "weights",
                found: weights.len(),
                expected: self.samples,
            });
        }
        let wrong = weights.iter().find(|w| !(**w >= 0.0 && w.is_finite()));
        if let Some(wrong) = wrong {
            return Err(TtaError::option(
                "weights",
                wrong,
                "finite numbers of at least 0",
            ));
        }
        if weights.iter().sum::<f64>() <= 0.0 {
            return Err(TtaError::option("weights", 0, "at least one above 0"));
        }
        self.weights.as_flattened_mut()[..self.samples].copy_from_slice(weights);
        Ok(self)
    }

    /// The same candidates on some of the samples; shares nothing.
    ///
    /// # Errors
    /// [`TtaError::Empty`] without samples; [`TtaError::Options`] for a sample beyond the last; reading errors.
    pub fn subset(&self, samples: &[usize]) -> Result<Self, TtaError> {
        if let Some(at) = samples.iter().find(|at| **at >= self.samples) {
            return Err(TtaError::option(
                "sample",
                at,
                format!("below {}", self.samples),
            ));
        }
        let labels: Vec<i64> = samples
            .iter()
            .map(|at| i64::from(self.labels[*at]))
            .collect();
        let shape = [self.entries, samples.len(), self.classes];
        let mut made = Self::empty(self.kind, shape, &labels)?;
        let weights = self.weights.as_flattened();
        for (to, from) in made.weights.as_flattened_mut().iter_mut().zip(samples) {
            *to = weights[*from];
        }
        let per = made.weights.len() * self.classes;
        let mut tiles = vec![[1.0_f32; TILE]; per * self.entries];
        let copied: Result<(), TtaError> =
            tiles
                .par_chunks_mut(per)
                .enumerate()
                .try_for_each(|(entry, out)| {
                    self.with_entry(entry, |tiles| {
                        for (to, &from) in samples.iter().enumerate() {
                            for class in 0..self.classes {
                                out[to / TILE * self.classes + class][to % TILE] =
                                    tiles[from / TILE * self.classes + class][from % TILE];
                            }
                        }
                    })
                });
        copied?;
        made.store = Store::Memory(tiles);
        made.names.clone_from(&self.names);
        Ok(made)
    }

    fn fill(
        &mut self,
        source: &(dyn Fn(usize) -> Result<Vec<f64>, TtaError> + Sync),
    ) -> Result<(), TtaError> {
        let per = self.weights.len() * self.classes;
        let mut tiles = vec![[1.0_f32; TILE]; per * self.entries];
        let this = &*self;
        tiles
            .par_chunks_mut(per)
            .enumerate()
            .try_for_each(|(entry, out)| this.pack(entry, &source(entry)?, out))?;
        self.store = Store::Memory(tiles);
        Ok(())
    }

    /// One entry's rows into tiles: checked, normalised, the true class first.
    fn pack(&self, entry: usize, values: &[f64], out: &mut [Tile32]) -> Result<(), TtaError> {
        let mut probs = vec![0.0; self.classes];
        let samples = values.chunks_exact(self.classes).zip(&self.labels);
        for (sample, (row, label)) in samples.enumerate() {
            self.normalise(entry, sample, row, &mut probs)?;
            probs.swap(0, *label as usize);
            let tile = &mut out[sample / TILE * self.classes..][..self.classes];
            for (to, p) in tile.iter_mut().zip(&probs) {
                to[sample % TILE] = *p as f32;
            }
        }
        Ok(())
    }

    fn normalise(
        &self,
        entry: usize,
        sample: usize,
        row: &[f64],
        probs: &mut [f64],
    ) -> Result<(), TtaError> {
        let expected = match self.kind {
            PredictionKind::LogProbs => "a number of at most 0 (a logarithm of a probability)",
            PredictionKind::Probs => "a probability",
            PredictionKind::Logits => "a finite number",
        };
        let wrong = row.iter().position(|&x| match self.kind {
            PredictionKind::LogProbs => x.is_nan() || x > TOLERANCE,
            PredictionKind::Probs => !(0.0..=1.0 + TOLERANCE).contains(&x),
            PredictionKind::Logits => !x.is_finite(),
        });
        if let Some(class) = wrong {
            return Err(TtaError::Prediction {
                entry,
                sample,
                class,
                found: row[class],
                expected,
            });
        }
        let top = match self.kind {
            PredictionKind::Logits => row.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            _ => 0.0,
        };
        let sum: f64 = if self.kind == PredictionKind::Probs {
            probs.copy_from_slice(row);
            row.iter().sum()
        } else {
            for (p, x) in probs.iter_mut().zip(row) {
                *p = (x - top).exp();
            }
            probs.iter().sum()
        };
        if self.kind != PredictionKind::Logits && (sum - 1.0).abs() > TOLERANCE {
            return Err(TtaError::RowSum {
                entry,
                sample,
                found: sum,
                tolerance: TOLERANCE,
            });
        }
        probs.iter_mut().for_each(|p| *p /= sum);
        Ok(())
    }

    /// How many entries, B.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// How many samples, N.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// How many classes, C.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The true classes.
    #[must_use]
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Recipes of the entries, where files said so; else empty.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether the entries are read anew at every step.
    #[must_use]
    pub fn is_streamed(&self) -> bool {
        matches!(self.store, Store::Stream(_))
    }

    /// Probabilities of one entry, `[N, C]`, in the order of samples and classes.
    ///
    /// # Errors
    /// [`TtaError::Options`] beyond the last entry; reading errors for streamed entries.
    pub fn entry(&self, entry: usize) -> Result<Vec<f32>, TtaError> {
        if entry >= self.entries {
            return Err(TtaError::option(
                "entry",
                entry,
                format!("below {}", self.entries),
            ));
        }
        self.with_entry(entry, |tiles| {
            let mut out = vec![0.0; self.samples * self.classes];
            let rows = out.chunks_exact_mut(self.classes).zip(&self.labels);
            for (sample, (row, label)) in rows.enumerate() {
                let tile = &tiles[sample / TILE * self.classes..][..self.classes];
                for (to, from) in row.iter_mut().zip(tile) {
                    *to = from[sample % TILE];
                }
                row.swap(0, *label as usize);
            }
            out
        })
    }

    /// Calls `work` with the tiles of an entry.
    pub(crate) fn with_entry<T>(
        &self,
        entry: usize,
        work: impl FnOnce(&[Tile32]) -> T,
    ) -> Result<T, TtaError> {
        let per = self.weights.len() * self.classes;
        match &self.store {
            Store::Memory(tiles) => Ok(work(&tiles[entry * per..(entry + 1) * per])),
            Store::Stream(source) => {
                let mut tiles = vec![[1.0_f32; TILE]; per];
                self.pack(entry, &source(entry)?, &mut tiles)?;
                Ok(work(&tiles))
            }
        }
    }
}

/// Files of predictions in a folder, in the order of their names.
fn prediction_files(folder: &Path) -> Result<Vec<std::path::PathBuf>, TtaError> {
    let failed = |source| TtaError::Io {
        path: folder.to_owned(),
        source,
    };
    let mut paths = vec![];
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let hidden = path
            .file_name()
            .is_some_and(|n| n.to_string_lossy().starts_with('.'));
        let known = path.extension().is_some_and(|e| e == "npz" || e == "npy");
        if known && !hidden {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}
