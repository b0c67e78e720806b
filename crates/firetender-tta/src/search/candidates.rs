//! The input of a search: predictions of every recipe on every sample, and the labels.

mod read;
mod row;

use rayon::prelude::*;

pub use self::{read::ReadOptions, row::PredictionKind};
use super::{
    pass::{TILE, Tile32, Tile64},
    store::{Rows, Store},
};
use crate::TtaError;

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
    /// How many entries may be in memory together where they are read anew; none: any number.
    together: Option<usize>,
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
        made.fill(&|entry, each: &mut Rows<'_>| {
            let part = &values[entry * per..(entry + 1) * per];
            let mut wide = vec![0.0; classes];
            for (sample, row) in part.chunks_exact(classes).enumerate() {
                for (to, from) in wide.iter_mut().zip(row) {
                    *to = f64::from(*from);
                }
                each(sample, &wide)?;
            }
            Ok(())
        })?;
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
            together: None,
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
        let copied: Result<(), TtaError> = tiles
            .par_chunks_mut(per)
            .with_min_len(self.in_turn(self.entries))
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
        source: &(dyn Fn(usize, &mut Rows<'_>) -> Result<(), TtaError> + Sync),
    ) -> Result<(), TtaError> {
        let per = self.weights.len() * self.classes;
        let mut tiles = vec![[1.0_f32; TILE]; per * self.entries];
        let this = &*self;
        tiles
            .par_chunks_mut(per)
            .enumerate()
            .try_for_each(|(entry, out)| this.pack(entry, source, out))?;
        self.store = Store::Memory(tiles);
        Ok(())
    }

    /// One entry's rows into tiles: checked, normalised, the true class first.
    fn pack(
        &self,
        entry: usize,
        source: &dyn Fn(usize, &mut Rows<'_>) -> Result<(), TtaError>,
        out: &mut [Tile32],
    ) -> Result<(), TtaError> {
        let mut probs = vec![0.0; self.classes];
        source(entry, &mut |sample, row| {
            row::normalise(self.kind, [entry, sample], row, &mut probs)?;
            probs.swap(0, self.labels[sample] as usize);
            let tile = &mut out[sample / TILE * self.classes..][..self.classes];
            for (to, p) in tile.iter_mut().zip(&probs) {
                to[sample % TILE] = *p as f32;
            }
            Ok(())
        })
    }

    /// How many of `count` entries one task has to take, one after the other, so that tasks together hold no more entries than memory was given for.
    pub(crate) fn in_turn(&self, count: usize) -> usize {
        self.together.map_or(1, |most| count.div_ceil(most).max(1))
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
                self.pack(entry, &**source, &mut tiles)?;
                Ok(work(&tiles))
            }
        }
    }
}
