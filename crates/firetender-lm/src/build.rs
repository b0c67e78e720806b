//! Puts a model together from parameters that a function hands out one at a time.
//!
//! Reading a file, drawing random numbers and (in reverse) writing a file are the same walk over [`Slot`]s.

use burn::{
    module::Param,
    nn::{Embedding, LayerNormConfig, Linear, RmsNorm},
    tensor::{Device, Tensor, TensorData},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{
    Attention, LmError, ModelConfig, NormKind, Positions, Transformer,
    blocks::{Block, Mlp, Norm},
    host,
    slots::{Part, Slot},
};

/// Hands out the values of a parameter, row-major in the shape of [`Slot::shape`].
type Supply<'a> = dyn FnMut(Slot, &[usize]) -> Result<Vec<f32>, LmError> + 'a;

struct Builder<'a, 'b> {
    config: &'a ModelConfig,
    device: &'a Device,
    supply: &'a mut Supply<'b>,
}

impl Builder<'_, '_> {
    fn values(&mut self, part: Part, layer: usize, bias: bool) -> Result<TensorData, LmError> {
        let slot = Slot { part, layer, bias };
        let shape = slot.shape(self.config);
        let values = (self.supply)(slot, &shape)?;
        Ok(TensorData::new(values, shape))
    }

    fn vector(
        &mut self,
        part: Part,
        layer: usize,
        bias: bool,
    ) -> Result<Param<Tensor<1>>, LmError> {
        Ok(Param::from_data(
            self.values(part, layer, bias)?,
            self.device,
        ))
    }

    fn embedding(&mut self, part: Part) -> Result<Embedding, LmError> {
        Ok(Embedding {
            weight: Param::from_data(self.values(part, 0, false)?, self.device),
        })
    }

    fn linear(&mut self, part: Part, layer: usize, bias: bool) -> Result<Linear, LmError> {
        let slot = Slot {
            part,
            layer,
            bias: false,
        };
        let shape = slot.shape(self.config);
        let values = (self.supply)(slot, &shape)?;
        let weight = if part == Part::Head {
            // As large as the embeddings and met by few tokens: a view of what the file holds.
            Tensor::<2>::from_data(TensorData::new(values, shape), self.device).transpose()
        } else {
            // Files store `[out, in]`; products with many tokens are faster if the rows run along `out`.
            let (out, input) = (shape[0], shape[1]);
            let values = host::transposed(&values, out, input);
            Tensor::<2>::from_data(TensorData::new(values, [input, out]), self.device)
        };
        let bias = if bias {
            Some(self.vector(part, layer, true)?)
        } else {
            None
        };
        Ok(Linear {
            weight: Param::from_tensor(weight),
            bias,
        })
    }

    fn norm(&mut self, part: Part, layer: usize) -> Result<Norm, LmError> {
        let gamma = self.vector(part, layer, false)?;
        let epsilon = self.config.norm_eps;
        Ok(match self.config.norm {
            NormKind::Rms => Norm::Rms(RmsNorm { gamma, epsilon }),
            NormKind::Layer => {
                let mut norm = LayerNormConfig::new(self.config.width)
                    .with_epsilon(epsilon)
                    .init(self.device);
                norm.gamma = gamma;
                norm.beta = Some(self.vector(part, layer, true)?);
                Norm::Layer(norm)
            }
        })
    }

    fn block(&mut self, layer: usize) -> Result<Block, LmError> {
        let c = self.config;
        let gated = c.mlp == crate::MlpKind::Gated;
        Ok(Block {
            attn_norm: self.norm(Part::AttnNorm, layer)?,
            attn: Attention {
                q_proj: self.linear(Part::Q, layer, c.qkv_bias)?,
                k_proj: self.linear(Part::K, layer, c.qkv_bias)?,
                v_proj: self.linear(Part::V, layer, c.qkv_bias)?,
                o_proj: self.linear(Part::O, layer, c.attn_out_bias)?,
            },
            mlp_norm: self.norm(Part::MlpNorm, layer)?,
            mlp: Mlp {
                gate_proj: if gated {
                    Some(self.linear(Part::Gate, layer, c.mlp_bias)?)
                } else {
                    None
                },
                up_proj: self.linear(Part::Up, layer, c.mlp_bias)?,
                down_proj: self.linear(Part::Down, layer, c.mlp_bias)?,
            },
        })
    }
}

/// Builds a model; `supply` is asked for each parameter once.
pub(crate) fn build(
    config: &ModelConfig,
    device: &Device,
    supply: &mut Supply<'_>,
) -> Result<Transformer, LmError> {
    config.check()?;
    if host::is_host(device) {
        host::keep_freed_memory();
    }
    let mut builder = Builder {
        config,
        device,
        supply,
    };
    Ok(Transformer {
        embed: builder.embedding(Part::Embed)?,
        embed_positions: match config.positions {
            Positions::Learned => Some(builder.embedding(Part::EmbedPositions)?),
            Positions::Rotary { .. } => None,
        },
        blocks: (0..config.layers)
            .map(|layer| builder.block(layer))
            .collect::<Result<_, _>>()?,
        final_norm: builder.norm(Part::FinalNorm, 0)?,
        head: if config.tied_embeddings {
            None
        } else {
            Some(builder.linear(Part::Head, 0, false)?)
        },
        config: config.clone(),
    })
}

impl Transformer {
    /// A model with random weights, as for training from scratch: normal with deviation 0.02, the projections that write to
    /// the residual stream scaled by `1/√(2·layers)` (GPT-2's rule), norms one, biases zero. Drawn on the host, so the same
    /// seed gives the same model on every device.
    ///
    /// # Errors
    /// [`LmError::Config`] when the configuration contradicts itself.
    pub fn init(config: &ModelConfig, seed: u64, device: &Device) -> Result<Self, LmError> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let residual = 1.0 / (2.0 * config.layers as f32).sqrt();
        build(config, device, &mut |slot, shape| {
            let count = shape.iter().product();
            let norm = matches!(slot.part, Part::AttnNorm | Part::MlpNorm | Part::FinalNorm);
            if slot.bias {
                return Ok(vec![0.0; count]);
            }
            if norm {
                return Ok(vec![1.0; count]);
            }
            let scale = 0.02
                * if matches!(slot.part, Part::O | Part::Down) {
                    residual
                } else {
                    1.0
                };
            Ok((0..count).map(|_| scale * normal(&mut rng)).collect())
        })
    }
}

/// A standard normal number by the Box–Muller transform.
fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    (radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()) as f32
}
