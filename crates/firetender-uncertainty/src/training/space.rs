//! The list of a module's weights that every weight-space method works on.
//!
//! Burn shows batch normalisation's running statistics to visitors and mappers as if they were weights; an average or a noise
//! over "all floats" would change them. What tells them apart is `require_grad`, and only on the live training module: `valid()`
//! clears it everywhere. So the list is made once, from that module, and used by path from then on, for the live module, for its
//! `valid()` copies and for other members of the same architecture.

use std::collections::HashMap;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    tensor::{DType, Tensor, TensorData},
};

use crate::UncertaintyError;

/// One weight tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightEntry {
    /// Where it is in the module, such as `blocks.0.conv.weight`.
    pub path: String,
    /// Its id in the module the list was made from; other members have others.
    pub id: ParamId,
    /// Its sizes.
    pub shape: Vec<usize>,
}

/// The trained weights of a module, in the order in which it visits them.
///
/// ```
/// use burn::{nn::BatchNormConfig, tensor::Device};
/// use firetender_uncertainty::training::WeightSpace;
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let model = BatchNormConfig::new(3).init(&Device::flex().autodiff());
/// let space = WeightSpace::of(&model)?;
/// // Scale and shift, but neither `running_mean` nor `running_var`.
/// assert_eq!(space.entries().len(), 2);
/// assert_eq!(space.read(&model.clone())?, [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightSpace {
    entries: Vec<WeightEntry>,
    weights: usize,
}

impl WeightSpace {
    /// Every floating-point parameter of a live training module that requires a gradient.
    ///
    /// # Errors
    /// A module without any: frozen, a `valid()` copy, or on a device without autodiff. A path `running_…` that requires a gradient.
    pub fn of<M: Module>(module: &M) -> Result<Self, UncertaintyError> {
        let mut lister = Lister::default();
        module.visit(&mut lister);
        if let Some(entry) = lister.entries.iter().find(|entry| is_running(&entry.path)) {
            return Err(UncertaintyError::Mismatch {
                place: format!("weight {}", entry.path),
                field: "require_grad",
                found: "true for what its name says is a running statistic".to_owned(),
                expected: "a parameter that is trained".to_owned(),
            });
        }
        Self::from_entries(lister.entries)
    }

    /// The part of the list for which `keep` holds, such as the last layer.
    ///
    /// # Errors
    /// If nothing is left.
    pub fn select(&self, keep: impl Fn(&WeightEntry) -> bool) -> Result<Self, UncertaintyError> {
        Self::from_entries(
            self.entries
                .iter()
                .filter(|entry| keep(entry))
                .cloned()
                .collect(),
        )
    }

    fn from_entries(entries: Vec<WeightEntry>) -> Result<Self, UncertaintyError> {
        if entries.is_empty() {
            return Err(UncertaintyError::Empty {
                what: "parameters that require a gradient (make the list from the live training module on an autodiff device, \
                       not from a `valid()` or frozen one)",
            });
        }
        let weights = entries
            .iter()
            .map(|entry| entry.shape.iter().product::<usize>())
            .sum();
        Ok(Self { entries, weights })
    }

    /// The tensors, in order.
    #[must_use]
    pub fn entries(&self) -> &[WeightEntry] {
        &self.entries
    }

    /// How many numbers they hold together.
    #[must_use]
    pub fn weights(&self) -> usize {
        self.weights
    }

    /// The values as flat tensors on the module's device, one an entry, off the autodiff graph.
    ///
    /// # Errors
    /// A weight that the module has not, or has in another shape.
    pub fn tensors<M: Module>(&self, module: &M) -> Result<Vec<Tensor<1>>, UncertaintyError> {
        let mut reader = Reader {
            path: vec![],
            places: self.places(),
            space: self,
            found: vec![None; self.entries.len()],
            error: None,
        };
        module.visit(&mut reader);
        if let Some(error) = reader.error {
            return Err(error);
        }
        reader
            .found
            .into_iter()
            .zip(&self.entries)
            .map(|(tensor, entry)| tensor.ok_or_else(|| missing(entry)))
            .collect()
    }

    /// Replaces the values by flat tensors, one an entry; device, type, gradient setting and ids stay the module's.
    ///
    /// # Errors
    /// A weight that the module has not, or has in another shape; another number of tensors or of values.
    pub fn with_tensors<M: Module>(
        &self,
        module: M,
        tensors: Vec<Tensor<1>>,
    ) -> Result<M, UncertaintyError> {
        if tensors.len() != self.entries.len() {
            return Err(UncertaintyError::Length {
                what: "tensors for the weights",
                found: tensors.len(),
                expected: self.entries.len(),
            });
        }
        let mut writer = Writer {
            path: vec![],
            places: self.places(),
            space: self,
            values: tensors.into_iter().map(Some).collect(),
            error: None,
        };
        let module = module.map(&mut writer);
        if let Some(error) = writer.error {
            return Err(error);
        }
        match writer.values.iter().position(Option::is_some) {
            Some(left) => Err(missing(&self.entries[left])),
            None => Ok(module),
        }
    }

    /// All values in one list on the host, entry by entry.
    ///
    /// # Errors
    /// As [`tensors`](Self::tensors), or a device that cannot be read.
    pub fn read<M: Module>(&self, module: &M) -> Result<Vec<f64>, UncertaintyError> {
        let mut values = Vec::with_capacity(self.weights);
        for tensor in self.tensors(module)? {
            values.extend(host(tensor)?);
        }
        Ok(values)
    }

    /// Replaces all values by a list from the host, entry by entry; device, type, gradient setting and ids stay the module's.
    ///
    /// # Errors
    /// As [`with_tensors`](Self::with_tensors).
    pub fn write<M: Module>(&self, module: M, values: &[f64]) -> Result<M, UncertaintyError> {
        if values.len() != self.weights {
            return Err(UncertaintyError::Length {
                what: "values for the weights",
                found: values.len(),
                expected: self.weights,
            });
        }
        let Some(device) = module.devices().into_iter().next() else {
            return Err(UncertaintyError::Empty {
                what: "devices of the module",
            });
        };
        // A plain tensor, whatever the module's device: `with_tensors` settles the rest.
        let mut rest = values;
        let tensors = self
            .entries
            .iter()
            .map(|entry| {
                let (own, others) = rest.split_at(entry.shape.iter().product());
                rest = others;
                let own: Vec<f32> = own.iter().map(|&value| value as f32).collect();
                let count = own.len();
                Tensor::<1>::from_data(TensorData::new(own, [count]), (&device, DType::F32))
                    .without_autodiff()
            })
            .collect();
        self.with_tensors(module, tensors)
    }

    fn places(&self) -> HashMap<&str, usize> {
        self.entries
            .iter()
            .enumerate()
            .map(|(place, entry)| (entry.path.as_str(), place))
            .collect()
    }

    /// One line a weight, for records: another architecture does not load.
    pub(crate) fn signature(&self) -> String {
        let lines: Vec<String> = self
            .entries
            .iter()
            .map(|entry| format!("{} {:?}", entry.path, entry.shape))
            .collect();
        lines.join("\n")
    }
}

/// A tensor's values on the host.
pub(crate) fn host<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f64>, UncertaintyError> {
    tensor
        .try_into_vec_as::<f64>()
        .map_err(|error| UncertaintyError::Tensor {
            what: "weights",
            reason: error.to_string(),
        })
}

fn is_running(path: &str) -> bool {
    path.rsplit('.')
        .next()
        .is_some_and(|name| name.starts_with("running_"))
}

fn missing(entry: &WeightEntry) -> UncertaintyError {
    UncertaintyError::Mismatch {
        place: format!("weight {}", entry.path),
        field: "module",
        found: "no such parameter".to_owned(),
        expected: format!("one of shape {:?}", entry.shape),
    }
}

fn another_shape(entry: &WeightEntry, found: &[usize]) -> UncertaintyError {
    UncertaintyError::Mismatch {
        place: format!("weight {}", entry.path),
        field: "shape",
        found: format!("{found:?}"),
        expected: format!("{:?}", entry.shape),
    }
}

#[derive(Default)]
struct Lister {
    path: Vec<String>,
    entries: Vec<WeightEntry>,
}

impl ModuleVisitor for Lister {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.base();
        if tensor.is_require_grad() {
            self.entries.push(WeightEntry {
                path: self.path.join("."),
                id: param.id,
                shape: tensor.dims().to_vec(),
            });
        }
    }
}

struct Reader<'a> {
    path: Vec<String>,
    places: HashMap<&'a str, usize>,
    space: &'a WeightSpace,
    found: Vec<Option<Tensor<1>>>,
    error: Option<UncertaintyError>,
}

impl ModuleVisitor for Reader<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(&place) = self.places.get(self.path.join(".").as_str()) else {
            return;
        };
        let entry = &self.space.entries[place];
        let tensor = param.base().without_autodiff();
        if tensor.dims()[..] != entry.shape[..] {
            self.error = Some(another_shape(entry, &tensor.dims()));
            return;
        }
        let count = tensor.shape().num_elements();
        self.found[place] = Some(tensor.reshape([count]));
    }
}

struct Writer<'a> {
    path: Vec<String>,
    places: HashMap<&'a str, usize>,
    space: &'a WeightSpace,
    values: Vec<Option<Tensor<1>>>,
    error: Option<UncertaintyError>,
}

impl ModuleMapper for Writer<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(&place) = self.places.get(self.path.join(".").as_str()) else {
            return param;
        };
        let entry = &self.space.entries[place];
        let shape = param.lazy_shape();
        let found: Vec<usize> = shape.iter().copied().collect();
        let Some(values) = self.values[place].take() else {
            return param;
        };
        if found != entry.shape || values.shape().num_elements() != shape.num_elements() {
            self.error = Some(another_shape(entry, &found));
            return param;
        }
        param.map(|old| {
            let (grad, strategy) = (old.is_require_grad(), old.gradient_checkpointing_strategy());
            let plain = old.clone().without_autodiff();
            let new: Tensor<D> = values
                .without_autodiff()
                .to_device(&plain.device())
                .cast(plain.dtype())
                .reshape(shape);
            if !old.is_autodiff() {
                return new;
            }
            // A bare `from_inner` would lose the gradient setting, and the next backward pass with it; and two strategies of
            // gradient checkpointing do not mix.
            let new = Tensor::from_inner(new);
            match strategy {
                Some(strategy) => new.with_gradient_checkpointing_strategy(strategy),
                None => new,
            }
            .set_require_grad(grad)
        })
    }
}

impl WeightSpace {
    /// Networks without end, in evaluation mode, with the weights of each number.
    pub(super) fn members<'a, M: Module>(
        &'a self,
        template: &'a M,
        weights: impl Fn(u64) -> Result<Vec<f64>, UncertaintyError> + 'a,
    ) -> impl Iterator<Item = Result<M, UncertaintyError>> + 'a {
        (0..).map(move |index| self.write(template.valid(), &weights(index)?))
    }
}

/// A factor that widens or narrows a distribution.
pub(super) fn factor(field: &'static str, value: f64) -> Result<f64, UncertaintyError> {
    if value >= 0.0 && value.is_finite() {
        return Ok(value);
    }
    Err(UncertaintyError::Options {
        field,
        found: value.to_string(),
        expected: "a finite number of at least 0",
    })
}

/// Refuses the first number that is not finite, with its place.
pub(super) fn finite(
    values: &[f64],
    place: impl Fn(usize) -> String,
) -> Result<(), UncertaintyError> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(UncertaintyError::Mismatch {
            place: place(at),
            field: "value",
            found: values[at].to_string(),
            expected: "a finite number".to_owned(),
        }),
    }
}
