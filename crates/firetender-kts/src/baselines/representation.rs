//! Training on representations, in the manner of circuit breakers (Zou et al. 2024, arXiv 2406.04313).

use burn::tensor::{Tensor, activation::relu};
use firetender_hooks::{Intervene, Pass, Site, SiteKind};
use firetender_lm::CausalLm;
use firetender_steer::Layers;
use serde::{Deserialize, Serialize};

use crate::{KtsError, Objective, Parts, Texts, TokenScope, step::at_cells};

/// How representations are trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RepresentationOptions {
    /// Blocks at whose output representations are compared.
    pub layers: Layers,
    /// Multiplies both terms.
    pub weight: f64,
    /// Steps over which the weight moves from the unwanted texts to the kept ones.
    pub steps: u64,
    /// Texts of each kind in a minibatch.
    pub batch: usize,
    /// Seed of their order.
    pub seed: u64,
}

impl Default for RepresentationOptions {
    /// All blocks, weight 1, 300 steps, four texts of each kind.
    fn default() -> Self {
        Self {
            layers: Layers::All,
            weight: 1.0,
            steps: 300,
            batch: 4,
            seed: 19,
        }
    }
}

/// On unwanted texts `ReLU(cos(h, h₀))`: the representation is to turn away from the base's; on kept texts `|h − h₀|`. At step
/// `t` of `T` the weights are `1 − t/2T` and `t/2T`; that schedule is from memory of the paper, not checked against its code.
pub struct Representation<'a> {
    base: &'a dyn CausalLm,
    unwanted: Texts,
    kept: Texts,
    layers: Vec<usize>,
    options: RepresentationOptions,
    step: u64,
}

impl std::fmt::Debug for Representation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Representation")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl<'a> Representation<'a> {
    /// Turns representations of the answers in `unwanted` away from the base's, and keeps those of `kept`.
    ///
    /// # Errors
    /// [`KtsError::Steer`] when a layer does not exist; [`KtsError::Options`] for a weight, a batch or a number of steps that
    /// is none.
    pub fn new(
        base: &'a dyn CausalLm,
        unwanted: &Texts,
        kept: &Texts,
        options: &RepresentationOptions,
    ) -> Result<Self, KtsError> {
        let fits = options.weight.is_finite() && options.weight > 0.0;
        if !fits || options.batch == 0 || options.steps == 0 {
            let found = format!("{options:?}");
            return Err(KtsError::options(
                "representation",
                found,
                "numbers above 0",
            ));
        }
        Ok(Self {
            base,
            unwanted: unwanted.clone(),
            kept: kept.clone(),
            layers: options.layers.resolve(base.shape().layers)?,
            options: options.clone(),
            step: 0,
        })
    }

    /// Cosines and distances of the counted tokens of both models, each the mean over layers and tokens.
    fn compare(
        &self,
        student: &dyn CausalLm,
        pass: &Pass,
        scope: TokenScope,
    ) -> Result<[Tensor<1>; 2], KtsError> {
        let sites: Vec<Site> = self
            .layers
            .iter()
            .map(|l| SiteKind::ResidPost.at(*l))
            .collect();
        let mut seen = [Capture::new(&sites), Capture::new(&sites)];
        let [own, base] = &mut seen;
        student.hidden(pass, None, own)?;
        self.base.hidden(pass, None, base)?;
        let (mut cosines, mut distances) = (vec![], vec![]);
        let [own, base] = seen;
        for (own, base) in own.values.into_iter().zip(base.values) {
            let own = at_cells(own, pass, scope)?;
            let base = at_cells(base.without_autodiff(), pass, scope)?;
            let length = |x: &Tensor<2>| x.clone().square().sum_dim(1).add_scalar(1e-12).sqrt();
            let lengths = length(&own) * length(&base);
            cosines.push(relu((own.clone() * base.clone()).sum_dim(1) / lengths));
            distances.push(length(&(own - base)));
        }
        Ok([
            Tensor::cat(cosines, 0).mean(),
            Tensor::cat(distances, 0).mean(),
        ])
    }
}

impl Objective for Representation<'_> {
    fn fingerprint(&self) -> String {
        let options = serde_json::to_string(&self.options).unwrap_or_default();
        let (unwanted, kept) = (self.unwanted.fingerprint(), self.kept.fingerprint());
        format!("representation {options} unwanted {unwanted} kept {kept}")
    }

    fn begin(&mut self, step: u64, _student: &dyn CausalLm) -> Result<(), KtsError> {
        self.step = step;
        Ok(())
    }

    fn loss(&mut self, student: &dyn CausalLm, number: u64) -> Result<Parts, KtsError> {
        let o = &self.options;
        let chosen = self.unwanted.minibatch(o.seed, number, o.batch);
        let [cosine, _] = self.compare(
            student,
            &self.unwanted.pass(&chosen)?,
            TokenScope::RealTokens,
        )?;
        let kept = self.kept.minibatch(o.seed, number, o.batch);
        let [_, distance] =
            self.compare(student, &self.kept.pass(&kept)?, TokenScope::RealTokens)?;
        let share = (self.step as f64 / (2.0 * o.steps as f64)).min(0.5);
        let named = vec![
            ("cosine", cosine.clone().into_scalar::<f64>()),
            ("distance", distance.clone().into_scalar::<f64>()),
        ];
        let total =
            cosine.mul_scalar(o.weight * (1.0 - share)) + distance.mul_scalar(o.weight * share);
        Ok(Parts {
            total,
            named,
            draws: vec![],
            texts: chosen,
        })
    }
}

/// Keeps what flows through some sites, with its graph.
struct Capture<'a> {
    sites: &'a [Site],
    values: Vec<Tensor<3>>,
}

impl<'a> Capture<'a> {
    fn new(sites: &'a [Site]) -> Self {
        Self {
            sites,
            values: vec![],
        }
    }
}

impl Intervene for Capture<'_> {
    fn wants(&self, site: Site) -> bool {
        self.sites.contains(&site)
    }

    fn at(&mut self, _site: Site, value: Tensor<3>, _pass: &Pass) -> Tensor<3> {
        self.values.push(value.clone());
        value
    }
}
