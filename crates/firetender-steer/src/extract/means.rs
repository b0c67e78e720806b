//! Reading as a stream: running means in place of samples.

use std::collections::BTreeMap;

use firetender_hooks::Moments;
use firetender_lm::CausalLm;

use super::{About, Extractor};
use crate::{Contrast, Method, Observer, SteerError, SteeringVector};

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
        let shape = model.shape();
        let layers = self.resolve(&shape)?;
        let width = crate::vector::site_width(self.site, &shape);
        let pairs = contrast.pairs();
        let empty = || LayerMeans {
            sides: [Moments::new(width, false), Moments::new(width, false)],
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
    /// [`SteerError::Mismatch`] when classes, site, read position, layers or widths differ.
    pub fn merge(&mut self, other: &Self) -> Result<(), SteerError> {
        let key = |m: &Self| {
            let a = &m.about;
            let layers: Vec<(usize, usize)> = m
                .layers
                .iter()
                .map(|(l, means)| (*l, means.sides[0].mean().len()))
                .collect();
            format!(
                "{} − {} at {} {} {layers:?}",
                a.toward, a.away, a.site, a.read
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

    /// The mean difference.
    ///
    /// # Errors
    /// [`SteerError::Direction`] when the means of a layer are equal or not finite.
    pub fn vector(&self) -> Result<SteeringVector, SteerError> {
        let difference = |m: &LayerMeans| -> Vec<f64> {
            let [toward, away] = &m.sides;
            toward
                .mean()
                .iter()
                .zip(away.mean())
                .map(|(t, a)| t - a)
                .collect()
        };
        let directions = self
            .layers
            .iter()
            .map(|(l, m)| (*l, difference(m)))
            .collect();
        let mut provenance = self.about.provenance(Method::Mean);
        provenance.residual_norms = self
            .layers
            .iter()
            .map(|(layer, m)| (*layer, m.norms.mean()[0]))
            .collect();
        Ok(self.about.vector(directions)?.with_provenance(provenance))
    }
}
