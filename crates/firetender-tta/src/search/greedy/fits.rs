//! The score of one candidate, in full.

use super::state::State;
use crate::{
    TtaError,
    search::{
        Criterion,
        criterion::{MixtureView, Scored},
        fit::{Fit, highest},
        pass::{self, TILE, Tile32, Tile64},
    },
};

impl State<'_> {
    pub(super) fn fit(&self, entry: usize, start: f64) -> Result<Fit, TtaError> {
        self.fit_to(entry, &self.sum, 1.0 / (self.count + 1) as f64, start)
    }

    /// Of the mixture `(sum + entry) · inverse`.
    pub(super) fn fit_to(
        &self,
        entry: usize,
        sum: &[Tile64],
        inverse: f64,
        start: f64,
    ) -> Result<Fit, TtaError> {
        let floor = self.search.floor.unwrap_or(0.0);
        let weights = &self.candidates.weights;
        let plain = |value: f64| Fit {
            beta: 1.0,
            value,
            passes: 1,
            at_bound: false,
            deep: false,
        };
        let found = self.candidates.with_entry(entry, |tiles| {
            Ok(match &self.search.criterion {
                Criterion::CalibratedLl => {
                    highest(start, self.search.bounds, floor, |beta, floor| {
                        pass::exact(tiles, sum, weights, inverse, beta, floor)
                    })
                }
                Criterion::Ll => plain(pass::exact(tiles, sum, weights, inverse, 1.0, floor).value),
                Criterion::Accuracy => plain(pass::accuracy(
                    tiles,
                    sum,
                    weights,
                    self.candidates.labels(),
                )),
                Criterion::Brier => plain(pass::brier(tiles, sum, weights, inverse)),
                Criterion::Custom(score) => {
                    let probs = self.mixture(tiles, sum, inverse);
                    let view = MixtureView {
                        probs: &probs,
                        classes: self.candidates.classes(),
                        labels: self.candidates.labels(),
                    };
                    let Scored {
                        score: value,
                        temperature,
                    } = score.score(view)?;
                    if value.is_nan() {
                        return Err(TtaError::option("criterion", score.name(), "no NaN"));
                    }
                    Fit {
                        beta: 1.0 / temperature,
                        ..plain(value)
                    }
                }
            })
        })??;
        // An impossible truth without a floor, said as such and never as NaN.
        let impossible = found.value.is_nan() || found.value < -1e4;
        let log = matches!(
            self.search.criterion,
            Criterion::CalibratedLl | Criterion::Ll
        );
        Ok(if impossible && log {
            Fit {
                value: f64::NEG_INFINITY,
                ..found
            }
        } else {
            found
        })
    }

    /// Mean probabilities, sample after sample, classes in their order.
    fn mixture(&self, tiles: &[Tile32], sum: &[Tile64], inverse: f64) -> Vec<f64> {
        let classes = self.candidates.classes();
        let mut probs = vec![0.0; self.candidates.samples() * classes];
        let rows = probs
            .chunks_exact_mut(classes)
            .zip(self.candidates.labels());
        for (sample, (row, label)) in rows.enumerate() {
            let (tile, lane) = (sample / TILE * classes, sample % TILE);
            for (class, p) in row.iter_mut().enumerate() {
                *p = (sum[tile + class][lane] + f64::from(tiles[tile + class][lane])) * inverse;
            }
            row.swap(0, *label as usize);
        }
        probs
    }
}
