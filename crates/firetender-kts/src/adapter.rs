//! Low-rank changes of a model's weights, as plain numbers on the host.
//!
//! An [`Adapter`] holds, for each adapted weight `W [d_in, d_out]`, two factors `A [d_in, r]` and `B [r, d_out]` and a scale:
//! the model then works with `W + scale · A·B` (LoRA, Hu et al. 2021, arXiv 2106.09685). It can be attached to a model to be
//! trained, read back, added to another adapter, merged for good, and kept in files ([`Adapter::save_peft`]). The model it is
//! attached to keeps its base weights: a clone made before attaching shares their memory and is the model without adapter.

pub(crate) mod path;

use std::collections::BTreeMap;

use burn::{
    module::{LoraAdapter, Module, ModuleMapper, ModuleVisitor, Param, Reparameterizer},
    tensor::{Device, Gradients, Tensor},
};

use sha2::{Digest, Sha256};

use crate::{KtsError, dense::parameters};

pub(crate) use path::Path;

/// The factors of one weight.
#[derive(Clone, Debug, PartialEq)]
pub struct Factors {
    /// Inputs, rank, outputs.
    pub dims: [usize; 3],
    /// `A`, row-major `[d_in, rank]`.
    pub a: Vec<f32>,
    /// `B`, row-major `[rank, d_out]`.
    pub b: Vec<f32>,
    /// What the product is multiplied by: alpha / rank.
    pub scale: f64,
}

impl Factors {
    /// The change of the weight, row-major `[d_in, d_out]`, in `f64`.
    #[must_use]
    pub fn delta(&self) -> Vec<f64> {
        let [inputs, rank, outputs] = self.dims;
        let mut delta = vec![0.0; inputs * outputs];
        for (row, out) in delta.chunks_mut(outputs.max(1)).enumerate() {
            for r in 0..rank {
                let a = self.scale * f64::from(self.a[row * rank + r]);
                for (x, b) in out.iter_mut().zip(&self.b[r * outputs..]) {
                    *x += a * f64::from(*b);
                }
            }
        }
        delta
    }

    fn check(&self, place: &str) -> Result<(), KtsError> {
        let [inputs, rank, outputs] = self.dims;
        let fail = |what: String| {
            Err(KtsError::Adapter {
                place: place.into(),
                what,
            })
        };
        if rank == 0 || self.a.len() != inputs * rank || self.b.len() != rank * outputs {
            return fail(format!(
                "factors of {} and {} numbers for {inputs} inputs, rank {rank}, {outputs} outputs",
                self.a.len(),
                self.b.len()
            ));
        }
        match self.a.iter().chain(&self.b).find(|x| !x.is_finite()) {
            Some(x) => fail(format!("holds {x}; expected finite numbers")),
            None if !self.scale.is_finite() => fail(format!("scale {}", self.scale)),
            None => Ok(()),
        }
    }
}

/// Low-rank factors by the path of the weight they change, such as `blocks.3.attn.q_proj.weight`.
///
/// ```
/// use burn::tensor::Device;
/// use firetender_kts::LoraOptions;
/// use firetender_lm::{ModelConfig, Transformer};
/// let base = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex()).unwrap();
/// let start = LoraOptions { rank: 4, ..LoraOptions::default() }.start(&base, 7).unwrap();
/// let student = start.attach(base.clone()).unwrap();
/// assert_eq!(start.read_from(&student).unwrap(), start);
/// assert_eq!(start.factors().len(), 14, "seven weights in each of two blocks");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Adapter {
    factors: BTreeMap<String, Factors>,
}

impl Adapter {
    /// From factors by path.
    ///
    /// # Errors
    /// [`KtsError::Adapter`] when numbers are missing or not finite.
    pub fn new(factors: BTreeMap<String, Factors>) -> Result<Self, KtsError> {
        for (place, factors) in &factors {
            factors.check(place)?;
        }
        Ok(Self { factors })
    }

    /// The factors by path, in the order of paths.
    #[must_use]
    pub fn factors(&self) -> &BTreeMap<String, Factors> {
        &self.factors
    }

    /// Number of trainable numbers.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.factors.values().map(|f| f.a.len() + f.b.len()).sum()
    }

    /// The factors as they are now in a model that this adapter was attached to and that was trained since.
    ///
    /// # Errors
    /// [`KtsError::Adapter`] when the model's factors are at other places or of other sizes.
    pub fn read_from<M: Module>(&self, model: &M) -> Result<Self, KtsError> {
        let mut found = self.clone();
        let mut misfit = None;
        let mut seen = 0;
        visit_factors(model, None, |at| {
            let dims = at.value.dims();
            let fits = found.factors.get_mut(&at.place).is_some_and(|factors| {
                let [inputs, rank, outputs] = factors.dims;
                let (values, expected) = match at.which {
                    'a' => (&mut factors.a, [inputs, rank]),
                    _ => (&mut factors.b, [rank, outputs]),
                };
                if dims == expected {
                    *values = at.value.into_data().iter::<f32>().collect();
                }
                dims == expected
            });
            seen += 1;
            if !fits {
                let what = format!("factor {} of the model is {dims:?}", at.which);
                misfit = Some((at.place, what));
            }
        });
        if let Some((place, what)) = misfit {
            return Err(KtsError::Adapter { place, what });
        }
        if seen != 2 * self.factors.len() {
            let what = format!(
                "the model has {seen} factors; expected {}",
                2 * self.factors.len()
            );
            let place = "whole".into();
            return Err(KtsError::Adapter { place, what });
        }
        Self::new(found.factors)
    }

    /// The model with this adapter attached, to be trained: only the factors require gradients. The weights' memory is shared
    /// with other clones of `base`, and never written to.
    ///
    /// # Errors
    /// [`KtsError::Adapter`] when a path is not among the model's matrices or their sizes differ, or the model has an adapter
    /// already: merge it first.
    pub fn attach<M: Module>(&self, base: M) -> Result<M, KtsError> {
        let device = self.fits(&base)?;
        Ok(base.valid().apply_reparameterization(Attach {
            adapter: self,
            device,
        }))
    }

    /// The device of a model that has every matrix this adapter is for, and no adapter yet.
    pub(crate) fn fits<M: Module>(&self, base: &M) -> Result<Device, KtsError> {
        let mut attached = None;
        visit_factors(base, None, |seen| attached = Some(seen.place));
        if let Some(place) = attached {
            let what = "has an adapter already; merge it first, or attach both at once with `Adapter::plus`".into();
            return Err(KtsError::Adapter { place, what });
        }
        let shapes = matrices(base);
        for (place, factors) in &self.factors {
            let [inputs, _, outputs] = factors.dims;
            let fits = shapes.get(place).is_some_and(|s| *s == [inputs, outputs]);
            if !fits {
                let what = match shapes.get(place) {
                    Some(found) => format!(
                        "the model's weight is {found:?}; the factors are for {inputs} inputs and {outputs} outputs"
                    ),
                    None => "the model has no such matrix".into(),
                };
                let place = place.clone();
                return Err(KtsError::Adapter { place, what });
            }
        }
        let device = base.devices().first().cloned().unwrap_or_default();
        Ok(device.without_autodiff())
    }

    /// The model with this adapter merged into its weights for good.
    ///
    /// # Errors
    /// As [`attach`](Self::attach).
    pub fn merge_into<M: Module>(&self, base: M) -> Result<M, KtsError> {
        Ok(self.attach(base)?.valid().materialize())
    }

    /// Both changes at once: `W + Δ₁ + Δ₂`, exactly, as one adapter whose ranks add up.
    ///
    /// # Errors
    /// [`KtsError::Adapter`] when the two disagree on the size of a weight.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use firetender_kts::{Adapter, Factors};
    /// let one = |b: f32, scale| {
    ///     let factors = Factors { dims: [1, 1, 1], a: vec![1.0], b: vec![b], scale };
    ///     Adapter::new(BTreeMap::from([("w".to_string(), factors)])).unwrap()
    /// };
    /// let both = one(2.0, 0.5).plus(&one(5.0, 2.0)).unwrap();
    /// assert_eq!(both.factors()["w"].delta(), [11.0]);
    /// ```
    pub fn plus(&self, other: &Self) -> Result<Self, KtsError> {
        let mut sum = self.clone();
        for (place, theirs) in &other.factors {
            let Some(mine) = sum.factors.get(place) else {
                sum.factors.insert(place.clone(), theirs.clone());
                continue;
            };
            let ([inputs, r1, outputs], [i2, r2, o2]) = (mine.dims, theirs.dims);
            if (inputs, outputs) != (i2, o2) {
                let what = format!("{inputs} × {outputs} against {i2} × {o2}");
                let place = place.clone();
                return Err(KtsError::Adapter { place, what });
            }
            let a = (0..inputs)
                .flat_map(|row| {
                    let mine = &mine.a[row * r1..(row + 1) * r1];
                    mine.iter().chain(&theirs.a[row * r2..(row + 1) * r2])
                })
                .copied()
                .collect();
            let scaled = |f: &Factors| -> Vec<f32> {
                f.b.iter()
                    .map(|b| (f64::from(*b) * f.scale) as f32)
                    .collect()
            };
            let factors = Factors {
                dims: [inputs, r1 + r2, outputs],
                a,
                b: [scaled(mine), scaled(theirs)].concat(),
                scale: 1.0,
            };
            sum.factors.insert(place.clone(), factors);
        }
        Ok(sum)
    }
}

/// Shapes of all matrices by path.
pub(crate) fn matrices<M: Module>(model: &M) -> BTreeMap<String, [usize; 2]> {
    #[derive(Default)]
    struct Shapes {
        path: Path,
        found: BTreeMap<String, [usize; 2]>,
    }
    impl ModuleVisitor for Shapes {
        fn enter_module(&mut self, name: &str, _kind: &str) {
            self.path.enter(name);
        }
        fn exit_module(&mut self, _name: &str, _kind: &str) {
            self.path.exit();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let (Ok(dims), None) = (
                <[usize; 2]>::try_from(param.lazy_shape().to_vec()),
                self.path.factor(),
            ) {
                self.found.insert(self.path.text(), dims);
            }
        }
    }
    let mut shapes = Shapes::default();
    model.visit(&mut shapes);
    shapes.found
}

/// A frozen parameter on the device that records gradients.
pub(crate) fn tracked<const D: usize>(param: Param<Tensor<D>>) -> Param<Tensor<D>> {
    let (id, tensor, mapper) = param.set_require_grad(false).consume();
    Param::from_mapped_value(id, tensor.autodiff(), mapper)
}

/// A model as a teacher: frozen, sharing its memory, and computed by the same routes as a student.
///
/// The CPU device takes a fused kernel for attention where no gradient is recorded, whose last digits differ. A fresh student
/// would then differ from its teacher by rounding, and `AdamW` makes whole steps of gradients that are all rounding. Nothing is
/// recorded for a teacher all the same: none of its parameters asks for a gradient.
///
/// ```
/// use burn::tensor::Device;
/// use firetender_kts::teacher;
/// use firetender_lm::{CausalLm, ModelConfig, Transformer};
/// let base = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex()).unwrap();
/// assert!(teacher(&base).device().is_autodiff());
/// ```
#[must_use]
pub fn teacher<M: Module>(base: &M) -> M {
    struct Track;
    impl ModuleMapper for Track {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            tracked(param)
        }
    }
    base.valid().map(&mut Track)
}

/// SHA-256 over every parameter that is no factor, in hexadecimal.
pub(crate) fn base_hash<M: Module>(model: &M) -> String {
    struct Hash {
        path: Path,
        hash: Sha256,
    }
    impl ModuleVisitor for Hash {
        fn enter_module(&mut self, name: &str, _kind: &str) {
            self.path.enter(name);
        }
        fn exit_module(&mut self, _name: &str, _kind: &str) {
            self.path.exit();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if self.path.factor().is_none() {
                self.hash.update(self.path.text().as_bytes());
                let data = param.val().without_autodiff().into_data();
                data.shape()
                    .iter()
                    .for_each(|n| self.hash.update((*n as u64).to_le_bytes()));
                self.hash.update(data.as_bytes());
            }
        }
    }
    let mut hash = Hash {
        path: Path::default(),
        hash: Sha256::new(),
    };
    model.visit(&mut hash);
    crate::vectors::hex(&hash.hash.finalize())
}

/// A factor as a visitor sees it.
pub(crate) struct Seen {
    /// Path of the adapted weight.
    pub(crate) place: String,
    /// `a` or `b`.
    pub(crate) which: char,
    pub(crate) value: Tensor<2>,
    /// Its gradient, where gradients are at hand and it has one.
    pub(crate) gradient: Option<Tensor<2>>,
}

/// Calls `see` for every factor attached to a model.
pub(crate) fn visit_factors<M: Module>(
    model: &M,
    gradients: Option<&Gradients>,
    see: impl FnMut(Seen),
) {
    struct Visitor<'a, F> {
        path: Path,
        gradients: Option<&'a Gradients>,
        see: F,
    }
    impl<F: FnMut(Seen)> ModuleVisitor for Visitor<'_, F> {
        fn enter_module(&mut self, name: &str, _kind: &str) {
            self.path.enter(name);
        }
        fn exit_module(&mut self, _name: &str, _kind: &str) {
            self.path.exit();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some((place, which)) = self.path.factor() {
                let value = param.val();
                // The gradient belongs to the leaf itself: a reshaped tensor is another node of the graph.
                let gradient = self.gradients.and_then(|all| value.grad(all));
                (self.see)(Seen {
                    place,
                    which,
                    value: same_rank(value.without_autodiff()),
                    gradient: gradient.map(same_rank),
                });
            }
        }
    }
    let path = Path::default();
    model.visit(&mut Visitor {
        path,
        gradients,
        see,
    });
}

/// Replaces every factor attached to a model by what `change` makes of it; gradients are required of the result.
pub(crate) fn map_factors<M: Module>(
    model: M,
    change: impl FnMut(&str, char, Tensor<2>) -> Tensor<2>,
) -> M {
    struct Mapper<F> {
        path: Path,
        change: F,
    }
    impl<F: FnMut(&str, char, Tensor<2>) -> Tensor<2>> ModuleMapper for Mapper<F> {
        fn enter_module(&mut self, name: &str, _kind: &str) {
            self.path.enter(name);
        }
        fn exit_module(&mut self, _name: &str, _kind: &str) {
            self.path.exit();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let Some((place, which)) = self.path.factor() else {
                return param;
            };
            let (id, tensor, mapper) = param.consume();
            let tracked = tensor.is_autodiff();
            let changed = (self.change)(&place, which, same_rank(tensor.without_autodiff()));
            let changed = same_rank(changed);
            let changed = if tracked {
                changed.autodiff().require_grad()
            } else {
                changed
            };
            Param::from_mapped_value(id, changed, mapper)
        }
    }
    let path = Path::default();
    model.map(&mut Mapper { path, change })
}

/// The same tensor under another name of its rank, which is two wherever there are factors; costs nothing.
fn same_rank<const D: usize, const E: usize>(tensor: Tensor<D>) -> Tensor<E> {
    let shape = tensor.shape();
    tensor.reshape(shape)
}

/// Attaches factors to the weights they are for, and freezes everything else.
struct Attach<'a> {
    adapter: &'a Adapter,
    device: Device,
}

impl Reparameterizer for Attach<'_> {
    type Reparam = LoraAdapter;

    fn reparameterize<const D: usize>(
        &mut self,
        path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<LoraAdapter>) {
        let base = tracked(param);
        let factors = self.adapter.factors.get(path);
        let lora = factors.map(|factors| parameters(factors, &self.device));
        (base, lora)
    }
}

#[cfg(test)]
pub(crate) mod tests;
