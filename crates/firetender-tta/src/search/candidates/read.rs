//! Candidates out of files.

use std::{fs, path::Path, sync::Arc};

use super::{Candidates, PredictionKind};
use crate::{
    TtaError,
    reference::recipe_in_name,
    search::{
        pass::TILE,
        store::{NpyEntries, Rows, Source, Store, Table, each_row, read_archive, read_integers},
    },
};

/// How files become candidates.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// What the numbers are.
    pub kind: PredictionKind,
    /// Only these samples, in this order: the split that the search may see. Labels are of all samples or of these alone.
    pub rows: Option<Vec<usize>>,
    /// Bytes that may be kept in memory; where the candidates need more they are read anew at every step, and only as many at once as fit (at least one, and
    /// the sum of what was picked, which is as large as three). `.npz` archives are read whole all the same. None: 8 GiB.
    pub memory: Option<u64>,
}

impl Candidates {
    /// Candidates from a `.npy` file `[B, N, C]` of `f2`, `f4` or `f8` in either order, a `.npz` archive with one such array, a folder of the reference's
    /// prediction files (each `[N, C]`, in the order of their names; the recipe stands in the name), or a [`crate::Pool`]'s folder, with labels from a `.npy` file.
    ///
    /// # Errors
    /// [`TtaError::Io`]; [`TtaError::File`] for a file that is damaged or of another shape than the first, never skipped, and in a folder for one whose
    /// numbers are no predictions; as [`Candidates::new`].
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
            let [rows, classes] = Table::open(first)?.shape();
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
            let read = move |entry: usize, each: &mut Rows<'_>| {
                let table = Table::open(&paths[entry])?;
                let [found, width] = table.shape();
                if [found, width] != [rows, classes] {
                    return Err(TtaError::file(
                        &paths[entry],
                        "shape",
                        format!(
                            "[{found}, {width}], but {} has [{rows}, {classes}]",
                            place.display()
                        ),
                    ));
                }
                table.visit(each).map_err(|error| match error {
                    TtaError::Prediction { .. } | TtaError::RowSum { .. } => {
                        TtaError::file(&paths[entry], "predictions", error.to_string())
                    }
                    other => other,
                })
            };
            (Arc::new(read), shape, names)
        } else if pool.extension().is_some_and(|e| e == "npz") {
            let (values, shape) = read_archive(pool)?;
            let per = shape[1] * shape[2];
            let read = move |entry: usize, each: &mut Rows<'_>| {
                each_row(&values[entry * per..(entry + 1) * per], shape[2], each)
            };
            (Arc::new(read), shape, vec![])
        } else {
            let file = NpyEntries::open(pool)?;
            let shape = file.shape;
            let read = move |entry: usize, each: &mut Rows<'_>| file.visit(entry, each);
            (Arc::new(read), shape, vec![])
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
                let count = rows.len();
                // Where each row goes, in the order of rows.
                let mut order: Vec<(usize, usize)> = rows.iter().copied().zip(0..).collect();
                order.sort_unstable();
                let picked = move |entry: usize, each: &mut Rows<'_>| {
                    source(entry, &mut |row, values| {
                        let first = order.partition_point(|(from, _)| *from < row);
                        let here = order[first..].iter().take_while(|(from, _)| *from == row);
                        here.into_iter().try_for_each(|(_, to)| each(*to, values))
                    })
                };
                (Arc::new(picked), count, labels)
            }
        };
        let mut made = Self::empty(options.kind, [entries, samples, classes], &labels)?;
        made.names = names;
        let one = (made.weights.len() as u64) * (classes as u64) * (4 * TILE as u64);
        let memory = options.memory.unwrap_or(8 << 30);
        if one.saturating_mul(entries as u64) <= memory {
            made.fill(&*source)?;
        } else {
            // The sum of what is picked, in both widths, is as large as three entries.
            let most = (memory / one.max(1)).saturating_sub(3).max(1);
            made.together = Some(usize::try_from(most).unwrap_or(usize::MAX));
            made.store = Store::Stream(source);
        }
        Ok(made)
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
