//! What a fitted direction is worth, layer by layer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Aggregator, Length, Method, Pairs, Samples, Separation, SteerError, SteeringVector,
    method::principal::dot,
};

/// Parts into which pairs are divided for held-out separation; fewer pairs make fewer parts.
const FOLDS: usize = 5;

/// A vector and what is known about each of its directions.
#[derive(Clone, Debug, PartialEq)]
pub struct Extraction {
    /// The vector.
    pub vector: SteeringVector,
    /// One report for each layer, ascending.
    pub reports: Vec<LayerReport>,
}

impl Extraction {
    /// The layer whose direction separates held-out pairs best: largest area under the curve, then d′, then the earlier layer.
    /// `None` when nothing was held out.
    #[must_use]
    pub fn best_layer(&self) -> Option<usize> {
        let key = |s: Separation| (s.auc, s.d_prime.unwrap_or(f64::NEG_INFINITY));
        let mut best: Option<(usize, (f64, f64))> = None;
        for report in &self.reports {
            let Some(found) = report.separation.map(key) else {
                continue;
            };
            if best.is_none_or(|(_, known)| found > known) {
                best = Some((report.layer, found));
            }
        }
        best.map(|(layer, _)| layer)
    }
}

/// What is known about the direction of one layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerReport {
    /// The layer.
    pub layer: usize,
    /// Length of the direction.
    pub norm: f64,
    /// Mean length of the samples it was read from.
    pub residual_norm: f64,
    /// Separation of pairs that the direction was not fitted to: pair `i` is judged by a direction from the pairs of the other
    /// parts (`i` mod 5), with projections counted from the midpoint of those. `None` with too few pairs.
    pub separation: Option<Separation>,
    /// Share of the sum of squares of the method's rows along the direction.
    pub explained_variance: f64,
    /// Cosine to the directions of `mean`, `pca_difference`, `pca_pair_centred` and `whitened`, where these exist; see
    /// [`Samples::cosines`] for others.
    pub cosines: BTreeMap<String, f64>,
}

impl LayerReport {
    /// Length of the direction as a share of the stream's.
    #[must_use]
    pub fn relative_norm(&self) -> f64 {
        self.norm / self.residual_norm
    }
}

impl Samples {
    /// Makes a direction for each layer and judges it.
    ///
    /// # Errors
    /// As [`Method::fit`]; [`SteerError::Direction`] also when activations are not finite.
    pub fn fit(&self, method: Method) -> Result<Extraction, SteerError> {
        self.fit_with(&method)
    }

    /// [`fit`](Self::fit) with any aggregator, your own included.
    ///
    /// # Errors
    /// As [`Aggregator::fit`]; [`SteerError::Direction`] also when activations are not finite.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use firetender_hooks::SiteKind;
    /// use firetender_lm::{ModelConfig, Transformer};
    /// use firetender_steer::{Contrast, Custom, Extractor, Pairs, Silent};
    /// let model = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex()).unwrap();
    /// let contrast = Contrast::new("a", vec![vec![1], vec![2]], "b", vec![vec![3], vec![4]]).unwrap();
    /// let samples = Extractor::new(SiteKind::ResidPost).samples(&model, &contrast, &mut Silent).unwrap();
    /// let first = Custom::new("first pair", |p: &Pairs| p.differences()[..p.width()].to_vec());
    /// assert_eq!(samples.fit_with(&first).unwrap().vector.provenance().method, "first pair");
    /// ```
    pub fn fit_with(&self, method: &dyn Aggregator) -> Result<Extraction, SteerError> {
        let mut directions = BTreeMap::new();
        let mut reports = Vec::with_capacity(self.layers.len());
        for (&layer, pairs) in &self.layers {
            let values = pairs.toward().iter().chain(pairs.away());
            if values.into_iter().any(|x| !x.is_finite()) {
                let what = "an activation is not finite".into();
                return Err(SteerError::Direction { layer, what });
            }
            let fitted = method.fit(pairs, layer)?;
            let mut cosines = BTreeMap::new();
            for other in [
                Method::Mean,
                Method::PcaDifference,
                Method::PcaPairCentred,
                Method::Whitened { shrinkage: None },
            ] {
                if let Ok(theirs) = other.fit(pairs, layer) {
                    cosines.insert(
                        other.to_string(),
                        cosine(&fitted.direction, &theirs.direction),
                    );
                }
            }
            reports.push(LayerReport {
                layer,
                norm: dot(&fitted.direction, &fitted.direction).sqrt(),
                residual_norm: pairs.mean_norm(),
                separation: held_out(method, pairs, layer),
                explained_variance: fitted.explained_variance,
                cosines,
            });
            directions.insert(layer, fitted.direction);
        }
        let mut provenance = self.about.provenance(method.name());
        for report in &reports {
            let layer = report.layer;
            provenance
                .residual_norms
                .insert(layer, report.residual_norm);
            provenance
                .explained_variance
                .insert(layer, report.explained_variance);
            if let Some(separation) = report.separation {
                provenance.separation.insert(layer, separation);
            }
        }
        let vector = self.about.vector(directions)?.with_provenance(provenance);
        Ok(Extraction { vector, reports })
    }
}

impl Samples {
    /// Cosines between the directions of several methods, by layer: `[i][j]` between methods `i` and `j`. Two methods with a
    /// cosine near 1 need not both be tried.
    ///
    /// # Errors
    /// As [`Aggregator::fit`].
    pub fn cosines(
        &self,
        methods: &[&dyn Aggregator],
    ) -> Result<BTreeMap<usize, Vec<Vec<f64>>>, SteerError> {
        let layer = |(layer, pairs): (&usize, &Pairs)| {
            let directions = methods
                .iter()
                .map(|method| Ok(method.fit(pairs, *layer)?.direction))
                .collect::<Result<Vec<_>, SteerError>>()?;
            let row = |a: &Vec<f64>| directions.iter().map(|b| cosine(a, b)).collect();
            Ok((*layer, directions.iter().map(row).collect()))
        };
        self.layers.iter().map(layer).collect()
    }

    /// The control for a method: the members of each pair exchanged with probability ½, so that the labels mean nothing. The
    /// model does not run again.
    ///
    /// # Errors
    /// [`SteerError::Input`] when a layer holds no pairs.
    pub fn with_shuffled_labels(&self, seed: u64) -> Result<Self, SteerError> {
        let mut shuffled = self.clone();
        for pairs in shuffled.layers.values_mut() {
            *pairs = pairs.with_shuffled_labels(seed)?;
        }
        shuffled.about.toward = format!("{}, labels shuffled with seed {seed}", self.about.toward);
        shuffled.about.away = format!("{}, labels shuffled with seed {seed}", self.about.away);
        Ok(shuffled)
    }
}

impl Extraction {
    /// The same directions with other lengths; the reports follow.
    ///
    /// # Errors
    /// As [`Length::apply`].
    pub fn with_length(mut self, length: &Length) -> Result<Self, SteerError> {
        self.vector = length.apply(&self.vector)?;
        for report in &mut self.reports {
            report.norm = self.vector.norm(report.layer).unwrap_or(report.norm);
        }
        Ok(self)
    }
}

/// How well a given direction separates given pairs, for instance those of [`crate::Contrast::split_at`].
///
/// # Panics
/// When the direction has another length than the samples.
///
/// ```
/// use firetender_steer::{Pairs, separation_of};
/// let pairs = Pairs::new(2, vec![1.0, 5.0, 2.0, 5.0], vec![0.0, 5.0, -1.0, 5.0]).unwrap();
/// assert_eq!(separation_of(&[1.0, 0.0], &pairs).unwrap().auc, 1.0);
/// ```
#[must_use]
pub fn separation_of(direction: &[f32], pairs: &Pairs) -> Option<Separation> {
    assert_eq!(
        direction.len(),
        pairs.width(),
        "direction and samples differ in width"
    );
    let direction: Vec<f64> = direction.iter().map(|x| f64::from(*x)).collect();
    let origin = vec![0.0; direction.len()];
    let [toward, away] = projections(pairs, &direction, &origin);
    Separation::measure(&toward, &away)
}

/// Separation by cross-validation: projections on unit directions, counted from the midpoint of the pairs fitted to, so that
/// parts can be pooled.
fn held_out(method: &dyn Aggregator, pairs: &Pairs, layer: usize) -> Option<Separation> {
    let folds = FOLDS.min(pairs.len());
    let (mut toward, mut away) = (vec![], vec![]);
    for fold in 0..folds {
        let fitted_to = pairs.filtered(|pair| pair % folds != fold)?;
        let judged = pairs.filtered(|pair| pair % folds == fold)?;
        let mut direction = method.fit(&fitted_to, layer).ok()?.direction;
        let norm = dot(&direction, &direction).sqrt();
        direction.iter_mut().for_each(|x| *x /= norm);
        let [t, a] = projections(&judged, &direction, &midpoint(&fitted_to));
        toward.extend(t);
        away.extend(a);
    }
    Separation::measure(&toward, &away)
}

fn midpoint(pairs: &Pairs) -> Vec<f64> {
    let width = pairs.width();
    let mut sum = vec![0.0; width];
    for row in pairs
        .toward()
        .chunks(width)
        .chain(pairs.away().chunks(width))
    {
        sum.iter_mut()
            .zip(row)
            .for_each(|(s, x)| *s += f64::from(*x));
    }
    let count = (2 * pairs.len()) as f64;
    sum.iter_mut().for_each(|s| *s /= count);
    sum
}

fn projections(pairs: &Pairs, direction: &[f64], origin: &[f64]) -> [Vec<f64>; 2] {
    [pairs.toward(), pairs.away()].map(|side| {
        side.chunks(direction.len())
            .map(|row| {
                let centred: Vec<f64> = row
                    .iter()
                    .zip(origin)
                    .map(|(x, o)| f64::from(*x) - o)
                    .collect();
                dot(&centred, direction)
            })
            .collect()
    })
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
