//! Reading as a stream: running means in place of samples.

use std::collections::BTreeMap;

use firetender_hooks::Moments;
use firetender_lm::CausalLm;

use super::{About, Extractor};
use crate::{
    Contrast, Method, Observer, SteerError, SteeringVector, linear::Cholesky,
    method::principal::dot,
};

impl Extractor {
    /// Reads running means of both classes, reduced on the model's device. Rules with several samples a text are allowed: each
    /// token then counts once.
    ///
    /// # Errors
    /// [`SteerError::Layers`]; [`SteerError::Samples`] for a text without any sample; and whatever the model reports.
    pub fn means(
        &self,
        model: &dyn CausalLm,
        contrast: &Contrast,
        observer: &mut dyn Observer,
    ) -> Result<ClassMeans, SteerError> {
        self.moments(model, contrast, false, observer)
    }

    /// [`means`](Self::means) with the covariance of both classes as well, for [`ClassMeans::whitened`]: `width²` numbers more
    /// a class and layer, however many texts stream by.
    ///
    /// # Errors
    /// As [`means`](Self::means).
    pub fn means_and_covariances(
        &self,
        model: &dyn CausalLm,
        contrast: &Contrast,
        observer: &mut dyn Observer,
    ) -> Result<ClassMeans, SteerError> {
        self.moments(model, contrast, true, observer)
    }

    fn moments(
        &self,
        model: &dyn CausalLm,
        contrast: &Contrast,
        covariance: bool,
        observer: &mut dyn Observer,
    ) -> Result<ClassMeans, SteerError> {
        let shape = model.shape();
        let layers = self.resolve(&shape)?;
        let width = crate::vector::site_width(self.site, &shape);
        let pairs = contrast.pairs();
        let empty = || LayerMeans {
            sides: [
                Moments::new(width, covariance),
                Moments::new(width, covariance),
            ],
            norms: Moments::new(1, false),
        };
        let mut means: BTreeMap<usize, LayerMeans> =
            layers.iter().map(|layer| (*layer, empty())).collect();
        for (side, class) in contrast.classes().into_iter().enumerate() {
            let mut progress = |done: usize| observer.read(side * pairs + done, 2 * pairs);
            self.stream(
                model,
                class,
                &layers,
                false,
                &mut progress,
                &mut |layer, _, samples| {
                    if let Some(found) = means.get_mut(&layer) {
                        found.norms.add(samples.clone().square().sum_dim(1).sqrt());
                        found.sides[side].add(samples);
                    }
                },
            )?;
        }
        Ok(ClassMeans {
            about: self.about(contrast, &shape),
            layers: means,
        })
    }
}

/// Running means of both classes by layer: what streaming leaves.
#[derive(Clone, Debug)]
pub struct ClassMeans {
    about: About,
    layers: BTreeMap<usize, LayerMeans>,
}

#[derive(Clone, Debug)]
struct LayerMeans {
    /// Toward, away.
    sides: [Moments; 2],
    norms: Moments,
}

impl ClassMeans {
    /// Takes in the means of another part of the same data, read in the same way.
    ///
    /// # Errors
    /// [`SteerError::Mismatch`] when classes, site, read position, layers or widths differ, or one side has no covariances.
    pub fn merge(&mut self, other: &Self) -> Result<(), SteerError> {
        let key = |m: &Self| {
            let a = &m.about;
            let layers: Vec<(usize, usize)> = m
                .layers
                .iter()
                .map(|(l, means)| (*l, means.sides[0].mean().len()))
                .collect();
            format!(
                "{} − {} at {} {} {layers:?}, covariances: {}",
                a.toward,
                a.away,
                a.site,
                a.read,
                m.has_covariances()
            )
        };
        if key(self) != key(other) {
            return Err(SteerError::Mismatch {
                place: "means to be merged".into(),
                field: "origin",
                found: key(other),
                expected: key(self),
            });
        }
        for (mine, theirs) in self.layers.values_mut().zip(other.layers.values()) {
            mine.sides[0].merge(&theirs.sides[0]);
            mine.sides[1].merge(&theirs.sides[1]);
            mine.norms.merge(&theirs.norms);
        }
        self.about.pairs += other.about.pairs;
        Ok(())
    }

    fn has_covariances(&self) -> bool {
        let mut sides = self.layers.values().flat_map(|layer| &layer.sides);
        sides.all(|side| side.covariance().is_some())
    }

    /// The whitened mean difference, [`Method::Whitened`], from streamed covariances. The share of shrinkage has to be given:
    /// Ledoit and Wolf's needs the samples.
    ///
    /// # Errors
    /// [`SteerError::Input`] when covariances were not asked for or a class has fewer than two samples;
    /// [`SteerError::Direction`] when the means are equal or the covariance has no inverse.
    pub fn whitened(&self, shrinkage: f64) -> Result<SteeringVector, SteerError> {
        let input = |what: &str| SteerError::Input { what: what.into() };
        if !(0.0..=1.0).contains(&shrinkage) {
            return Err(input("shrinkage; expected a share from 0 to 1"));
        }
        let mut directions = BTreeMap::new();
        for (&layer, means) in &self.layers {
            let of = |side: usize| {
                let moments = &means.sides[side];
                let covariance = moments.covariance().ok_or_else(|| input("no covariances: use Extractor::means_and_covariances, with two samples a class or more"))?;
                Ok::<_, SteerError>((moments.count() as f64, covariance))
            };
            let ((n, toward), (m, away)) = (of(0)?, of(1)?);
            let width = means.sides[0].mean().len();
            let pooled = toward.iter().zip(&away);
            let mut matrix: Vec<f64> = pooled
                .map(|(t, a)| ((n - 1.0) * t + (m - 1.0) * a) / (n + m))
                .collect();
            let trace: f64 = (0..width).map(|i| matrix[i * width + i]).sum();
            matrix.iter_mut().for_each(|x| *x *= 1.0 - shrinkage);
            for i in 0..width {
                matrix[i * width + i] += shrinkage * trace / width as f64;
            }
            let fail = |what: &str| SteerError::Direction {
                layer,
                what: what.into(),
            };
            let direction = Cholesky::new(matrix, width)
                .ok_or_else(|| {
                    fail("the covariance has no inverse; expected more texts or a larger shrinkage")
                })?
                .solve(&means.difference());
            let norm = dot(&direction, &direction).sqrt();
            if norm == 0.0 {
                return Err(fail("the means of both classes are equal"));
            }
            directions.insert(layer, direction.into_iter().map(|x| x / norm).collect());
        }
        let method = Method::Whitened {
            shrinkage: Some(shrinkage),
        };
        self.named(directions, method)
    }

    /// The mean difference.
    ///
    /// # Errors
    /// [`SteerError::Direction`] when the means of a layer are equal or not finite.
    pub fn vector(&self) -> Result<SteeringVector, SteerError> {
        let directions = self
            .layers
            .iter()
            .map(|(l, m)| (*l, m.difference()))
            .collect();
        self.named(directions, Method::Mean)
    }

    fn named(
        &self,
        directions: BTreeMap<usize, Vec<f64>>,
        method: Method,
    ) -> Result<SteeringVector, SteerError> {
        let mut provenance = self.about.provenance(method.to_string());
        provenance.residual_norms = self
            .layers
            .iter()
            .map(|(layer, m)| (*layer, m.norms.mean()[0]))
            .collect();
        Ok(self.about.vector(directions)?.with_provenance(provenance))
    }
}

impl LayerMeans {
    fn difference(&self) -> Vec<f64> {
        let [toward, away] = &self.sides;
        let both = toward.mean().iter().zip(away.mean());
        both.map(|(t, a)| t - a).collect()
    }
}
