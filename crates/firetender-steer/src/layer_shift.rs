//! How far steering moves the stream itself, layer by layer.
//!
//! Two numbers for each layer on benign prompts: `|h′ − h| / |h|`, and the divergence of what the logit lens reads there (the
//! layer's stream through the model's own final norm and output projection, as if the remaining blocks did nothing). A lens
//! shift that fades with depth is repaired by later layers; one that grows is the damage on its way.

use std::collections::BTreeMap;

use burn::tensor::{DType, Int, Tensor, TensorData, activation::log_softmax};
use firetender_hooks::{Chain, Intervene, Padding, Pass, Site, Token};
use firetender_lm::CausalLm;
use serde::{Deserialize, Serialize};

use crate::{Benign, Layers, SteerError, token_kl};

/// Sums over the counted tokens at one layer; they merge by adding up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerShift {
    /// Number of counted tokens.
    pub tokens: usize,
    /// Sum of `|h′ − h| / |h|`.
    pub displacement: f64,
    /// Sum of the lens's KL(steered ‖ plain), in nats.
    pub lens_kl: f64,
}

impl LayerShift {
    /// Mean of `|h′ − h| / |h|`.
    #[must_use]
    pub fn mean_displacement(&self) -> f64 {
        self.displacement / self.tokens as f64
    }

    /// Mean divergence of the lens, nats a token.
    #[must_use]
    pub fn mean_lens_kl(&self) -> f64 {
        self.lens_kl / self.tokens as f64
    }

    /// Takes in other prompts' sums.
    pub fn merge(&mut self, other: &Self) {
        self.tokens += other.tokens;
        self.displacement += other.displacement;
        self.lens_kl += other.lens_kl;
    }
}

/// Keeps whole values.
struct Tap {
    sites: Vec<Site>,
    kept: BTreeMap<Site, Tensor<3>>,
}

impl Intervene for Tap {
    fn wants(&self, site: Site) -> bool {
        self.sites.contains(&site)
    }

    fn at(&mut self, site: Site, value: Tensor<3>, _pass: &Pass) -> Tensor<3> {
        self.kept.insert(site, value.clone().without_autodiff());
        value
    }
}

/// Puts a value in the place of a site's.
struct Replace(Site, Tensor<3>);

impl Intervene for Replace {
    fn wants(&self, site: Site) -> bool {
        site == self.0
    }

    fn at(&mut self, _site: Site, _value: Tensor<3>, _pass: &Pass) -> Tensor<3> {
        self.1.clone()
    }
}

/// Measures both shifts on the tokens that the benign prompts' scope counts, `batch` prompts at a time. The model runs twice
/// for the streams, and twice more for the lens of every layer.
///
/// # Errors
/// [`SteerError::Layers`]; [`SteerError::NotFinite`]; and whatever the model reports.
///
/// ```
/// use burn::tensor::Device;
/// use firetender_hooks::Untouched;
/// use firetender_lm::{ModelConfig, Transformer};
/// use firetender_steer::{Benign, Layers, Scope, layer_shifts};
/// let model = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex()).unwrap();
/// let benign = Benign::new(vec![vec![1, 2, 3]], Scope::AllTokens).unwrap();
/// let none = layer_shifts(&model, &mut Untouched, &benign, &Layers::All, 8).unwrap();
/// assert_eq!((none.len(), none[&1].mean_displacement(), none[&1].mean_lens_kl()), (2, 0.0, 0.0));
/// ```
pub fn layer_shifts(
    model: &dyn CausalLm,
    hook: &mut dyn Intervene,
    benign: &Benign,
    layers: &Layers,
    batch: usize,
) -> Result<BTreeMap<usize, LayerShift>, SteerError> {
    let depth = model.shape().layers;
    let layers = layers.resolve(depth)?;
    let last = Site::ResidPost(depth - 1);
    let mut found: BTreeMap<usize, LayerShift> = BTreeMap::new();
    for (rows, lens) in benign.batches(batch.max(1)) {
        let pass = Pass::whole(&rows, Padding::Left, 0)?.with_prompt_lens(lens)?;
        let counted = |t: &Token| benign.counts(t, rows[t.row].len());
        let cells: Vec<i64> = pass
            .tokens()
            .filter(counted)
            .map(|t| (t.row * pass.columns() + t.column) as i64)
            .collect();
        let count = cells.len();
        if count == 0 {
            continue;
        }
        let cells = TensorData::new(cells, [count]);
        let cells = Tensor::<1, Int>::from_data(cells, &model.device().inner());
        let flat = |value: Tensor<3>| {
            let [n, columns, width] = value.dims();
            let value = value.without_autodiff().reshape([n * columns, width]);
            value.select(0, cells.clone())
        };
        let sites: Vec<Site> = layers.iter().map(|l| Site::ResidPost(*l)).collect();
        let mut taps = [sites.clone(), sites].map(|sites| Tap {
            sites,
            kept: BTreeMap::new(),
        });
        let [plain, steered] = &mut taps;
        model.hidden(&pass, None, plain)?;
        model.hidden(&pass, None, &mut Chain::new().then(hook).then(steered))?;
        let [plain, steered] = taps;
        for layer in &layers {
            let site = Site::ResidPost(*layer);
            let (Some(h), Some(moved)) = (plain.kept.get(&site), steered.kept.get(&site)) else {
                let what = format!("the model never reached {site}");
                return Err(SteerError::Input { what });
            };
            let norm = |x: Tensor<2>| x.cast(DType::F32).square().sum_dim(1).sqrt();
            let distance = norm(flat(moved.clone()) - flat(h.clone()));
            let ratio = distance / norm(flat(h.clone()));
            let lens = |value: &Tensor<3>| {
                let mut early = Replace(last, value.clone());
                let hidden = model.hidden(&pass, None, &mut early)?;
                let logits = model.unembed(flat(hidden)).without_autodiff();
                Ok::<_, SteerError>(log_softmax(logits.cast(DType::F32), 1))
            };
            let kl = token_kl(lens(moved)?, lens(h)?);
            let sum = |values: Vec<f64>, what: &str| {
                let sum: f64 = values.iter().sum();
                if sum.is_finite() {
                    return Ok(sum);
                }
                Err(SteerError::NotFinite {
                    what: format!("{what} at layer {layer}"),
                    found: sum,
                    prompt: 0,
                })
            };
            let ratio: Vec<f64> = ratio.into_data().iter::<f64>().collect();
            let kl: Vec<f64> = kl.into_data().iter::<f64>().collect();
            found.entry(*layer).or_default().merge(&LayerShift {
                tokens: count,
                displacement: sum(ratio, "the displacement")?,
                lens_kl: sum(kl, "the lens's divergence")?,
            });
        }
    }
    Ok(found)
}
