//! Constants in the biases of a model: what a block adds to the residual stream, moved by a fixed vector.
//!
//! A steering that adds the same vector to every token needs no hooks: it is a bias of the projection that writes to the stream. A
//! model changed this way runs in any program that reads its files (Hugging Face's Llama with `mlp_bias` or `attention_bias`, and
//! llama.cpp, which takes these biases where a file has them).

use std::collections::BTreeMap;

use burn::{
    module::Param,
    nn::Linear,
    tensor::{Tensor, TensorData},
};
use serde::{Deserialize, Serialize};

use crate::{CausalLm, LmError, Transformer};

/// Vectors of the stream's width by block, from 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockBiases {
    /// Added to what attention adds to the stream.
    pub attn_out: BTreeMap<usize, Vec<f32>>,
    /// Added to what the feed-forward part adds to the stream.
    pub mlp_out: BTreeMap<usize, Vec<f32>>,
}

impl Transformer {
    /// The same model with constants added to the biases of its output projections, which are made where there are none.
    /// File formats know biases of all projections of a part or of none, so the others of that part become zeros.
    ///
    /// # Errors
    /// [`LmError::Input`] for a block that does not exist, or a vector that is not finite or of another width.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use burn::tensor::Device;
    /// use firetender_lm::{BlockBiases, ModelConfig, Transformer};
    /// let model = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex()).unwrap();
    /// let biases = BlockBiases { mlp_out: BTreeMap::from([(1, vec![0.5; 16])]), ..BlockBiases::default() };
    /// let moved = model.with_block_biases(&biases).unwrap();
    /// assert!(moved.config().mlp_bias && !moved.config().attn_out_bias);
    /// ```
    pub fn with_block_biases(&self, biases: &BlockBiases) -> Result<Self, LmError> {
        let shape = self.shape();
        let parts = [("attn_out", &biases.attn_out), ("mlp_out", &biases.mlp_out)];
        for (part, vectors) in parts {
            for (layer, vector) in vectors {
                let what = if *layer >= shape.layers {
                    format!("the model has {} blocks", shape.layers)
                } else if vector.len() != shape.width {
                    format!("{} numbers; expected {}", vector.len(), shape.width)
                } else if vector.iter().any(|x| !x.is_finite()) {
                    "a number is not finite".into()
                } else {
                    continue;
                };
                return Err(LmError::Input {
                    what: format!("bias `{part}` of block {layer}: {what}"),
                });
            }
        }
        let mut model = self.clone();
        let mlp = !biases.mlp_out.is_empty() || self.config.mlp_bias;
        // Qwen2's mix (queries, keys and values only) has no feed-forward biases; with one more of zeros it is Llama's.
        let qwen2 = mlp && self.config.qkv_bias;
        let attn = !biases.attn_out.is_empty() || self.config.attn_out_bias || qwen2;
        for (layer, block) in model.blocks.iter_mut().enumerate() {
            if attn {
                for linear in [
                    &mut block.attn.q_proj,
                    &mut block.attn.k_proj,
                    &mut block.attn.v_proj,
                ] {
                    add_bias(linear, None);
                }
                add_bias(&mut block.attn.o_proj, biases.attn_out.get(&layer));
            }
            if mlp {
                if let Some(gate) = &mut block.mlp.gate_proj {
                    add_bias(gate, None);
                }
                add_bias(&mut block.mlp.up_proj, None);
                add_bias(&mut block.mlp.down_proj, biases.mlp_out.get(&layer));
            }
        }
        model.config.mlp_bias = mlp;
        model.config.attn_out_bias = attn;
        model.config.qkv_bias |= attn;
        Ok(model)
    }
}

/// Adds a vector to a bias, which is made of zeros if there is none.
fn add_bias(linear: &mut Linear, vector: Option<&Vec<f32>>) {
    let weight = linear.weight.val();
    let width = weight.dims()[1];
    let old = linear.bias.take().map(|bias| bias.val());
    let mut bias =
        old.unwrap_or_else(|| Tensor::zeros([width], (&weight.device(), weight.dtype())));
    if let Some(vector) = vector {
        let data = TensorData::new(vector.clone(), [width]);
        bias = bias + Tensor::from_data(data, (&weight.device(), weight.dtype()));
    }
    linear.bias = Some(Param::from_tensor(bias));
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use firetender_hooks::{Intervene, Padding, Pass, Site, Untouched};

    use super::*;
    use crate::{Checkpoint, ModelConfig, StoreAs};

    /// Adds a vector wherever it is told.
    struct Add(BTreeMap<Site, Vec<f32>>);

    impl Intervene for Add {
        fn wants(&self, site: Site) -> bool {
            self.0.contains_key(&site)
        }

        fn at(&mut self, site: Site, value: Tensor<3>, _pass: &Pass) -> Tensor<3> {
            let vector = Tensor::<1>::from_floats(self.0[&site].as_slice(), &value.device());
            value + vector.unsqueeze::<3>()
        }
    }

    fn logits(model: &Transformer, hook: &mut dyn Intervene) -> Vec<f32> {
        let pass = Pass::whole(&[vec![1, 2, 3], vec![4]], Padding::Left, 0).unwrap();
        let logits = model.logits(&pass, None, hook).unwrap();
        logits.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn a_bias_is_a_constant_added_to_every_token_also_after_saving() {
        let device = Device::flex();
        let vector = |k: f32| (0..16).map(|i| k * (i as f32 - 7.0)).collect::<Vec<f32>>();
        for qkv_bias in [false, true] {
            let config = ModelConfig {
                qkv_bias,
                ..ModelConfig::llama(30, 16, 3, 4, 2, 24)
            };
            let model = Transformer::init(&config, 3, &device).unwrap();
            for (attn, mlp) in [
                (vec![], vec![1]),
                (vec![0, 2], vec![]),
                (vec![1], vec![0, 2]),
            ] {
                let at = |layers: &[usize], k| layers.iter().map(|l| (*l, vector(k))).collect();
                let biases = BlockBiases {
                    attn_out: at(&attn, 0.05),
                    mlp_out: at(&mlp, -0.1),
                };
                let baked = model.with_block_biases(&biases).unwrap();
                let sites = attn.iter().map(|l| (Site::AttnOut(*l), vector(0.05)));
                let sites = sites.chain(mlp.iter().map(|l| (Site::MlpOut(*l), vector(-0.1))));
                let expected = logits(&model, &mut Add(sites.collect()));
                let found = logits(&baked, &mut Untouched);
                assert_ne!(found, logits(&model, &mut Untouched));
                for (a, b) in found.iter().zip(&expected) {
                    assert!((a - b).abs() < 1e-5, "{a} and {b}");
                }
                let folder = tempfile::tempdir().unwrap();
                baked.save(folder.path(), StoreAs::F32).unwrap();
                let files = Checkpoint::open(folder.path()).unwrap();
                assert_eq!(files.config, baked.config);
                let again = Transformer::load(
                    &files.config,
                    files.source.as_ref(),
                    files.layout(),
                    &device,
                );
                assert_eq!(logits(&again.unwrap(), &mut Untouched), found);
            }
        }
    }

    #[test]
    fn biases_that_do_not_fit_are_named() {
        let config = ModelConfig::llama(30, 16, 3, 4, 2, 24);
        let model = Transformer::init(&config, 3, &Device::flex()).unwrap();
        let wrong = |layer, vector| {
            let biases = BlockBiases {
                mlp_out: BTreeMap::from([(layer, vector)]),
                ..BlockBiases::default()
            };
            model.with_block_biases(&biases).unwrap_err().to_string()
        };
        assert!(wrong(3, vec![0.0; 16]).contains("`mlp_out` of block 3"));
        assert!(wrong(0, vec![0.0; 15]).contains("15 numbers; expected 16"));
        assert!(wrong(0, vec![f32::NAN; 16]).contains("not finite"));
    }
}
