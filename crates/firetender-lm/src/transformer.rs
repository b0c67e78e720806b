//! The model: embeddings, blocks, final norm and output projection.

use burn::{
    module::Module,
    nn::{Embedding, Linear},
    tensor::{Device, Tensor},
};
use firetender_hooks::{Intervene, Pass, Site, visit};

use crate::{
    CausalLm, KvCache, LmError, LmShape, ModelConfig,
    blocks::{Block, Call, Norm},
    layout::Layout,
};

/// A decoder-only transformer with hook sites: Llama, Mistral, SmolLM2, Qwen2, GPT-2 or GPT-NeoX, as its [`ModelConfig`] says.
///
/// It is an ordinary Burn module, so it can be trained, given LoRA adapters, quantised and recorded. Made by
/// [`Transformer::load`] from a checkpoint or [`Transformer::init`] with random weights.
///
/// ```
/// use burn::tensor::Device;
/// use firetender_hooks::{Padding, Pass, Untouched};
/// use firetender_lm::{CausalLm, ModelConfig, Transformer};
/// let model = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex()).unwrap();
/// let pass = Pass::whole(&[vec![3, 1, 4], vec![1, 5]], Padding::Left, 0).unwrap();
/// assert_eq!(model.logits(&pass, None, &mut Untouched).unwrap().dims(), [2, 3, 20]);
/// ```
#[derive(Module, Debug)]
pub struct Transformer {
    /// Token embeddings, `[vocab_size, width]`.
    pub embed: Embedding,
    /// Position embeddings, `[max_positions, width]`, where positions are learned.
    pub embed_positions: Option<Embedding>,
    /// The blocks.
    pub blocks: Vec<Block>,
    /// The norm before the output projection.
    pub final_norm: Norm,
    /// Output projection, `[width, vocab_size]`; absent when tied to the embeddings.
    pub head: Option<Linear>,
    #[module(skip)]
    pub(crate) config: ModelConfig,
}

impl Transformer {
    /// The configuration it was built with.
    #[must_use]
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }
}

impl CausalLm for Transformer {
    fn shape(&self) -> LmShape {
        let c = &self.config;
        LmShape {
            vocab_size: c.vocab_size,
            layers: c.layers,
            width: c.width,
            head_width: c.heads * c.head_dim,
            max_positions: c.max_positions,
            parallel: c.residual == crate::Residual::Parallel,
        }
    }

    fn device(&self) -> Device {
        self.embed.weight.val().device()
    }

    fn hidden(
        &self,
        pass: &Pass,
        mut cache: Option<&mut KvCache>,
        hook: &mut dyn Intervene,
    ) -> Result<Tensor<3>, LmError> {
        self.check_pass(pass)?;
        let layout = match &mut cache {
            Some(cache) => {
                cache.extend(pass)?;
                let keys: Vec<&[i32]> = (0..pass.batch()).map(|row| cache.positions(row)).collect();
                Layout::new(&self.config, pass, &keys, &self.device())
            }
            None if pass.cache_offset() > 0 => {
                let what = format!(
                    "the pass continues after {} columns, but no cache was given",
                    pass.cache_offset()
                );
                return Err(LmError::Input { what });
            }
            None => {
                let keys: Vec<&[i32]> = pass.positions().chunks(pass.columns()).collect();
                Layout::new(&self.config, pass, &keys, &self.device())
            }
        };
        hook.begin(pass);
        let mut x = visit(
            hook,
            Site::Embed,
            self.embed.forward(layout.ids.clone()),
            pass,
        );
        if let (Some(embed), Some(positions)) = (&self.embed_positions, &layout.positions) {
            x = x + embed.forward(positions.clone());
        }
        for (layer, block) in self.blocks.iter().enumerate() {
            let call = Call {
                config: &self.config,
                layer,
                pass,
                layout: &layout,
            };
            x = block.forward(x, &call, cache.as_deref_mut(), hook);
        }
        let out = visit(
            hook,
            Site::FinalNorm,
            self.final_norm
                .forward(x, self.config.norm_eps, layout.host),
            pass,
        );
        hook.end(pass);
        Ok(out)
    }

    fn unembed(&self, hidden: Tensor<2>) -> Tensor<2> {
        match &self.head {
            Some(head) => hidden.matmul(head.weight.val()),
            None => hidden.matmul(self.embed.weight.val().transpose()),
        }
    }

    fn unembed_transposed(&self, gradient: Tensor<2>) -> Option<Tensor<2>> {
        Some(match &self.head {
            Some(head) => gradient.matmul(head.weight.val().transpose()),
            None => gradient.matmul(self.embed.weight.val()),
        })
    }

    fn new_cache(&self, batch: usize, capacity: usize) -> Option<KvCache> {
        let c = &self.config;
        let device = self.device().without_autodiff();
        Some(KvCache::new(
            c.layers, batch, c.kv_heads, capacity, c.head_dim, &device,
        ))
    }
}
