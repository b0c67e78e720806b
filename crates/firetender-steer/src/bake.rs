//! Plans that need no hooks: a constant added to every token is a bias.

use std::collections::BTreeMap;

use firetender_hooks::{Site, SiteKind};
use firetender_lm::{BlockBiases, LmShape};

use crate::{Conflict, Operator, Plan, Schedule, SteerError, TokenRule};

impl Plan {
    /// The plan as biases of the blocks' output projections; give them to [`firetender_lm::Transformer::with_block_biases`], whose
    /// model then computes, without hooks and in every program that reads its files, what this one computes under the plan.
    ///
    /// Only entries that add a constant to every token can be baked, at `attn_out`, `resid_mid`, `mlp_out`, `resid_post`, and
    /// `resid_pre` from block 1 on.
    ///
    /// # Errors
    /// [`SteerError::Plan`] naming the entry and the field that keeps it from being a constant; and as [`Plan::compile`].
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use burn::tensor::Device;
    /// use firetender_hooks::SiteKind;
    /// use firetender_lm::{CausalLm, ModelConfig, Transformer};
    /// use firetender_steer::{Plan, SteeringVector};
    /// let model = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex()).unwrap();
    /// let directions = BTreeMap::from([(1, vec![1.0; 16])]);
    /// let plan = Plan::of(SteeringVector::new("up", "down", SiteKind::ResidPost, 16, 2, directions).unwrap()).scaled(0.5);
    /// let biases = plan.baked(&model.shape()).unwrap();
    /// assert_eq!(biases.mlp_out[&1], [0.5; 16]);
    /// let _baked = model.with_block_biases(&biases).unwrap();
    /// ```
    pub fn baked(&self, shape: &LmShape) -> Result<BlockBiases, SteerError> {
        let mut sums: BTreeMap<Site, Vec<f64>> = BTreeMap::new();
        let mut taken: Vec<Site> = vec![];
        for (number, entry) in self.entries().iter().enumerate() {
            let fail = |field, what: &str| SteerError::Plan {
                entry: number,
                field,
                what: format!("{what}; only what adds a constant to every token can be baked"),
            };
            if let Some((field, what)) = entry.problem() {
                return Err(fail(field, &what));
            }
            let vector = entry.vector.given(number)?;
            vector.check_fits_at(&format!("plan, entry {number}"), shape, None)?;
            let constant = [
                ("operator", entry.operator == Operator::Add),
                ("keep_norm", !entry.keep_norm),
                ("tokens", entry.tokens == TokenRule::all()),
                ("schedule", entry.schedule == Schedule::Constant),
                ("token_weights", entry.token_weights.is_empty()),
                ("adapt", entry.adapt.is_none()),
            ];
            if let Some((field, _)) = constant.into_iter().find(|(_, holds)| !holds) {
                return Err(fail(field, "makes it depend on the token or the value"));
            }
            let chosen = vector.pick(&entry.layers)?;
            let layers: Vec<usize> = chosen.iter().map(|(layer, _)| *layer).collect();
            let weights = entry.profile.weights(&layers, shape.layers);
            let weights = weights.map_err(|what| fail("profile", &what))?;
            for ((layer, direction), weight) in chosen.into_iter().zip(weights) {
                let site = vector.site().at(layer);
                if taken.contains(&site)
                    && matches!(self.conflict(), Conflict::FirstWins | Conflict::Error)
                {
                    let what = format!("meets an earlier entry at {site}");
                    return Err(fail("tokens", &what));
                }
                let bias = bias_site(site)
                    .ok_or_else(|| fail("vector", &format!("is at {site}, which no bias moves")))?;
                taken.push(site);
                let sum = sums
                    .entry(bias)
                    .or_insert_with(|| vec![0.0; direction.len()]);
                let k = weight * entry.strength;
                for (a, x) in sum.iter_mut().zip(direction) {
                    *a += k * f64::from(*x);
                }
                if sum.iter().any(|x| !(*x as f32).is_finite()) {
                    return Err(fail("strength", "is not finite in 32 bits"));
                }
            }
        }
        let of = |kind: SiteKind| {
            let sums = sums
                .iter()
                .filter(|(site, sum)| site.kind() == kind && sum.iter().any(|x| *x != 0.0));
            sums.map(|(site, sum)| {
                let numbers = sum.iter().map(|x| *x as f32).collect();
                (site.layer().unwrap_or(0), numbers)
            })
            .collect()
        };
        Ok(BlockBiases {
            attn_out: of(SiteKind::AttnOut),
            mlp_out: of(SiteKind::MlpOut),
        })
    }
}

/// The output projection whose bias moves a site for every token alike.
fn bias_site(site: Site) -> Option<Site> {
    match site {
        Site::AttnOut(layer) | Site::ResidMid(layer) => Some(Site::AttnOut(layer)),
        Site::MlpOut(layer) | Site::ResidPost(layer) => Some(Site::MlpOut(layer)),
        Site::ResidPre(layer) if layer > 0 => Some(Site::MlpOut(layer - 1)),
        _ => None,
    }
}
