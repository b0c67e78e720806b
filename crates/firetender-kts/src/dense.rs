//! An adapter in the form that Burn has built in: every pass makes the whole weight, `base + scale · a b`.
//!
//! For any layer that knows nothing of adapters. The layers of `firetender-lm` apply [`Adapter::attach`]'s factors as two thin products
//! instead, which costs less time and memory (`docs/PERFORMANCE.md`); this form is what they are compared with.

use burn::{
    module::{LoraAdapter, Module, Param, Reparameterization, Reparameterizer},
    tensor::{Device, Tensor, TensorData},
};

use crate::{Adapter, Factors, KtsError, adapter::tracked};

/// The factors of one weight, applied as the whole weight.
#[derive(Module, Debug)]
pub struct DenseFactors {
    /// The factors.
    pub inner: LoraAdapter,
}

impl Reparameterization for DenseFactors {
    const NAME: &'static str = "dense";

    fn apply<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
        self.inner.apply(base)
    }
}

/// Factors as trainable parameters.
pub(crate) fn parameters(factors: &Factors, device: &Device) -> LoraAdapter {
    let [inputs, rank, outputs] = factors.dims;
    let device = device.clone().autodiff();
    let tensor = |values: &[f32], shape: [usize; 2]| {
        let data = TensorData::new(values.to_vec(), shape);
        Param::from_data(data, &device)
    };
    LoraAdapter {
        a: tensor(&factors.a, [inputs, rank]),
        b: tensor(&factors.b, [rank, outputs]),
        scale: factors.scale,
    }
}

struct Attach<'a> {
    adapter: &'a Adapter,
    device: Device,
}

impl Reparameterizer for Attach<'_> {
    type Reparam = DenseFactors;

    fn reparameterize<const D: usize>(
        &mut self,
        path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<DenseFactors>) {
        let factors = self.adapter.factors().get(path);
        let inner = factors.map(|factors| parameters(factors, &self.device));
        (tracked(param), inner.map(|inner| DenseFactors { inner }))
    }
}

impl Adapter {
    /// As [`attach`](Self::attach), in the dense form.
    ///
    /// # Errors
    /// As [`attach`](Self::attach).
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use firetender_kts::LoraOptions;
    /// use firetender_lm::{ModelConfig, Transformer};
    /// let base = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex()).unwrap();
    /// let adapter = LoraOptions::default().start(&base, 1).unwrap();
    /// let student = adapter.attach_dense(base).unwrap();
    /// assert!(student.blocks[0].mlp.up_proj.weight.adapter().is_none(), "no thin products");
    /// ```
    pub fn attach_dense<M: Module>(&self, base: M) -> Result<M, KtsError> {
        let device = self.fits(&base)?;
        let adapter = self;
        Ok(base
            .valid()
            .apply_reparameterization(Attach { adapter, device }))
    }
}
