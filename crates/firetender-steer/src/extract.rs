//! From two classes of texts to a direction: run the model, read, fit, judge.
//!
//! [`Extractor::samples`] keeps every activation on the host, so that any method can be fitted and judged on held-out pairs.
//! [`Extractor::means`] keeps running means only, reduced on the model's device: 100,000 texts need no more memory than ten,
//! but the mean difference is all that comes of it. Texts run in left-padded batches of similar length; the result does not
//! depend on the size of the batches, up to rounding of the last digit.

mod by_position;
mod means;

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use burn::tensor::Tensor;
use firetender_hooks::{HookError, Keep, Padding, Pass, ReadAt, Recorder, SiteKind};
use firetender_lm::{CausalLm, LmShape};

use crate::{
    Contrast, Extraction, Layers, Method, Observer, Pairs, Provenance, ReadPosition, SteerError,
    SteeringVector, contrast::Class, position::Rule,
};

pub use means::ClassMeans;

/// Where and how to read activations.
///
/// ```
/// use burn::tensor::Device;
/// use firetender_hooks::{ReadAt, SiteKind};
/// use firetender_lm::{ModelConfig, Transformer};
/// use firetender_steer::{Contrast, Extractor, Method, Silent};
/// let model = Transformer::init(&ModelConfig::llama(20, 16, 3, 2, 1, 32), 0, &Device::flex()).unwrap();
/// let contrast = Contrast::new("low", vec![vec![1, 2], vec![1, 3]], "high", vec![vec![1, 14], vec![1, 15, 16]]).unwrap();
/// let extractor = Extractor::new(SiteKind::ResidPost).with_layers((1..3).into()).with_read(ReadAt::LastToken);
/// let found = extractor.extract(&model, &contrast, Method::Mean, &mut Silent).unwrap();
/// assert_eq!(found.vector.directions().keys().copied().collect::<Vec<_>>(), [1, 2]);
/// assert_eq!((found.vector.toward(), found.reports.len()), ("low", 2));
/// ```
#[derive(Clone, Debug)]
pub struct Extractor {
    site: SiteKind,
    layers: Layers,
    read: Rule,
    read_name: String,
    batch: usize,
}

impl Extractor {
    /// Reads at sites of this kind: all layers, the last token of each text, eight texts at a time.
    #[must_use]
    pub fn new(site: SiteKind) -> Self {
        Self {
            site,
            layers: Layers::All,
            read: Rule::Tokens(ReadAt::LastToken),
            read_name: format!("{:?}", ReadAt::LastToken),
            batch: 8,
        }
    }

    /// Reads these layers only.
    #[must_use]
    pub fn with_layers(mut self, layers: Layers) -> Self {
        self.layers = layers;
        self
    }

    /// Reads here in each text. Methods other than the mean need a rule that gives one sample a text.
    #[must_use]
    pub fn with_read(mut self, read: ReadAt) -> Self {
        self.read_name = format!("{read:?}");
        self.read = Rule::Tokens(read);
        self
    }

    /// Reads at this place of each text.
    #[must_use]
    pub fn with_position(mut self, position: ReadPosition) -> Self {
        self.read = position.rule();
        self.read_name = position.to_string();
        self
    }

    /// Reads the mean over the positions that a rule on the row's ids and the length of its prompt gives; `name` says in files
    /// what that is.
    #[must_use]
    pub fn with_rule(
        mut self,
        name: impl Into<String>,
        rule: impl Fn(&[u32], usize) -> Range<usize> + Send + Sync + 'static,
    ) -> Self {
        self.read = Rule::Rows(Arc::new(rule));
        self.read_name = name.into();
        self
    }

    /// Runs this many texts at a time (at least one).
    #[must_use]
    pub fn with_batch(mut self, batch: usize) -> Self {
        self.batch = batch.max(1);
        self
    }

    /// Reads, fits and judges in one go; to try several methods, read [`samples`](Self::samples) once and fit each.
    ///
    /// # Errors
    /// As [`samples`](Self::samples) and [`Samples::fit`].
    pub fn extract(
        &self,
        model: &dyn CausalLm,
        contrast: &Contrast,
        method: Method,
        observer: &mut dyn Observer,
    ) -> Result<Extraction, SteerError> {
        method.check_pairs(contrast.pairs())?;
        self.samples(model, contrast, observer)?.fit(method)
    }

    /// Reads one sample for each text and layer, kept on the host: `2 · pairs · layers · width` numbers.
    ///
    /// # Errors
    /// [`SteerError::Layers`]; [`SteerError::Samples`] for a text without exactly one sample; and whatever the model reports.
    pub fn samples(
        &self,
        model: &dyn CausalLm,
        contrast: &Contrast,
        observer: &mut dyn Observer,
    ) -> Result<Samples, SteerError> {
        let shape = model.shape();
        let layers = self.resolve(&shape)?;
        let width = crate::vector::site_width(self.site, &shape);
        let pairs = contrast.pairs();
        let mut sides = Vec::with_capacity(2);
        for (number, class) in contrast.classes().into_iter().enumerate() {
            let mut values: BTreeMap<usize, Vec<f32>> = layers
                .iter()
                .map(|l| (*l, vec![0.0; pairs * width]))
                .collect();
            let mut progress = |done: usize| observer.read(number * pairs + done, 2 * pairs);
            self.stream(
                model,
                class,
                &layers,
                true,
                &mut progress,
                &mut |layer, rows, samples| {
                    let Some(kept) = values.get_mut(&layer) else {
                        return;
                    };
                    let read: Vec<f32> = samples.into_data().iter::<f32>().collect();
                    for (row, sample) in rows.iter().zip(read.chunks(width)) {
                        kept[row * width..(row + 1) * width].copy_from_slice(sample);
                    }
                },
            )?;
            sides.push(values);
        }
        let (Some(mut away), Some(toward)) = (sides.pop(), sides.pop()) else {
            return Err(SteerError::Input {
                what: "a contrast of other than two classes".into(),
            });
        };
        let layers = toward
            .into_iter()
            .map(|(layer, toward)| {
                let away = away.remove(&layer).unwrap_or_default();
                Ok((layer, Pairs::new(width, toward, away)?))
            })
            .collect::<Result<_, SteerError>>()?;
        Ok(Samples {
            about: self.about(contrast, &shape),
            layers,
        })
    }

    fn resolve(&self, shape: &LmShape) -> Result<Vec<usize>, SteerError> {
        if shape.parallel && self.site == SiteKind::ResidMid {
            return Err(SteerError::Mismatch {
                place: "extraction".into(),
                field: "site",
                found: "resid_mid".into(),
                expected: "another one: blocks of this model are parallel and have none".into(),
            });
        }
        let places = if self.site.per_layer() {
            shape.layers
        } else {
            1
        };
        self.layers.resolve(places)
    }

    fn about(&self, contrast: &Contrast, shape: &LmShape) -> About {
        About {
            toward: contrast.toward().into(),
            away: contrast.away().into(),
            site: self.site,
            n_layers: shape.layers,
            read: self.read_name.clone(),
            pairs: contrast.pairs(),
        }
    }

    /// Runs a class in batches and hands over each layer's samples `[n, width]` with the rows that they belong to.
    fn stream(
        &self,
        model: &dyn CausalLm,
        class: &Class,
        layers: &[usize],
        single: bool,
        progress: &mut dyn FnMut(usize),
        sink: &mut dyn FnMut(usize, &[usize], Tensor<2>),
    ) -> Result<(), SteerError> {
        // Texts of similar length run together, so that little padding is computed.
        let mut order: Vec<usize> = (0..class.rows.len()).collect();
        order.sort_by_key(|row| class.rows[*row].len());
        let mut done = 0;
        for batch in order.chunks(self.batch) {
            let rows: Vec<Vec<u32>> = batch.iter().map(|row| class.rows[*row].clone()).collect();
            let lens: Vec<usize> = batch.iter().map(|row| class.prompt_lens[*row]).collect();
            let read = self.read.at(&rows, &lens);
            let pass = Pass::whole(&rows, Padding::Left, 0)?.with_prompt_lens(lens)?;
            let sites = layers.iter().map(|layer| self.site.at(*layer));
            let mut recorder = Recorder::new(sites, read, Keep::Device);
            model.hidden(&pass, None, &mut recorder)?;
            let wrong = |row: usize, found: usize| SteerError::Samples {
                class: class.name.clone(),
                row,
                rule: self.read_name.clone(),
                found,
                expected: if single {
                    "exactly one"
                } else {
                    "at least one"
                },
            };
            let recordings = match recorder.finish() {
                Ok(recordings) => recordings,
                Err(HookError::NotRecorded { .. } | HookError::ReadPosition { .. }) => {
                    return Err(wrong(batch[0], 0));
                }
                Err(error) => return Err(error.into()),
            };
            for (site, recording) in recordings {
                let mut found = vec![0; batch.len()];
                recording.origins().iter().for_each(|o| found[o.row] += 1);
                let misfit = |n: &usize| *n == 0 || (single && *n > 1);
                if let Some(at) = found.iter().position(misfit) {
                    return Err(wrong(batch[at], found[at]));
                }
                let rows: Vec<usize> = recording.origins().iter().map(|o| batch[o.row]).collect();
                if let Some(samples) = recording.device() {
                    sink(site.layer().unwrap_or(0), &rows, samples);
                }
            }
            done += batch.len();
            progress(done);
        }
        Ok(())
    }
}

/// What both kinds of result know about where they come from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct About {
    pub(crate) toward: String,
    pub(crate) away: String,
    pub(crate) site: SiteKind,
    pub(crate) n_layers: usize,
    pub(crate) read: String,
    pub(crate) pairs: usize,
}

impl About {
    pub(crate) fn provenance(&self, method: String) -> Provenance {
        Provenance {
            method,
            read: self.read.clone(),
            pairs: self.pairs,
            crate_version: env!("CARGO_PKG_VERSION").into(),
            ..Provenance::default()
        }
    }

    pub(crate) fn vector(
        &self,
        directions: BTreeMap<usize, Vec<f64>>,
    ) -> Result<SteeringVector, SteerError> {
        let width = directions.values().next().map_or(0, Vec::len);
        let to_f32 = |d: Vec<f64>| d.into_iter().map(|x| x as f32).collect();
        let directions = directions
            .into_iter()
            .map(|(l, d)| (l, to_f32(d)))
            .collect();
        SteeringVector::new(
            &self.toward,
            &self.away,
            self.site,
            width,
            self.n_layers,
            directions,
        )
    }
}

/// One sample for each text of both classes, by layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    pub(crate) about: About,
    pub(crate) layers: BTreeMap<usize, Pairs>,
}

impl Samples {
    /// The samples by layer.
    #[must_use]
    pub fn layers(&self) -> &BTreeMap<usize, Pairs> {
        &self.layers
    }
}
