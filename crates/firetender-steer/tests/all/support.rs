//! The tiny models and golden files of the repository.

use std::{collections::BTreeMap, path::PathBuf};

use burn::tensor::{Device, Tensor};
use firetender_hooks::{Intervene, Padding, Pass, SiteKind};
use firetender_lm::{CausalLm, Checkpoint, Transformer};
use firetender_steer::SteeringVector;
use safetensors::{Dtype, SafeTensors};

pub(crate) fn golden_path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/golden")
        .join(name)
}

pub(crate) fn model(name: &str) -> Transformer {
    model_on(name, &Device::flex())
}

pub(crate) fn model_on(name: &str, device: &Device) -> Transformer {
    let checkpoint = Checkpoint::open(golden_path(&format!("models/{name}"))).unwrap();
    let layout = checkpoint.layout();
    Transformer::load(
        &checkpoint.config,
        checkpoint.source.as_ref(),
        layout,
        device,
    )
    .unwrap()
}

/// A golden safetensors file as plain numbers.
pub(crate) struct Golden {
    tensors: BTreeMap<String, (Vec<usize>, Vec<f64>)>,
    pub(crate) about: serde_json::Value,
}

impl Golden {
    pub(crate) fn open(name: &str) -> Self {
        let bytes = std::fs::read(golden_path(name)).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let about = &header.metadata().as_ref().unwrap()["golden"];
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file
            .iter()
            .map(|(name, view)| {
                let data = view.data();
                let values = match view.dtype() {
                    Dtype::F32 => numbers(data, |b| f64::from(f32::from_le_bytes(b))),
                    Dtype::F64 => numbers(data, f64::from_le_bytes),
                    Dtype::I64 => numbers(data, |b| i64::from_le_bytes(b) as f64),
                    other => panic!("{other:?}"),
                };
                (name.to_string(), (view.shape().to_vec(), values))
            })
            .collect();
        Self {
            tensors,
            about: serde_json::from_str(about).unwrap(),
        }
    }

    pub(crate) fn values(&self, name: &str) -> &[f64] {
        &self.tensors[name].1
    }

    pub(crate) fn f32(&self, name: &str) -> Vec<f32> {
        self.values(name).iter().map(|x| *x as f32).collect()
    }

    /// Row `index` of the first axis.
    pub(crate) fn part(&self, name: &str, index: usize) -> &[f64] {
        let (shape, values) = &self.tensors[name];
        let size = values.len() / shape[0];
        &values[index * size..(index + 1) * size]
    }

    pub(crate) fn tokens(&self, name: &str) -> Vec<Vec<u32>> {
        let (shape, values) = &self.tensors[name];
        let rows = values.chunks(shape[1]);
        rows.map(|row| row.iter().map(|x| *x as u32).collect())
            .collect()
    }
}

fn numbers<const N: usize>(data: &[u8], read: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    data.chunks_exact(N)
        .map(|b| read(b.try_into().unwrap()))
        .collect()
}

/// One direction at one layer, for the tiny models of width 32.
pub(crate) fn vector(
    site: SiteKind,
    layer: usize,
    layers: usize,
    direction: &[f32],
) -> SteeringVector {
    let directions = BTreeMap::from([(layer, direction.to_vec())]);
    SteeringVector::new("plus", "minus", site, direction.len(), layers, directions).unwrap()
}

/// The direction that the golden files use (seed 7).
pub(crate) fn direction() -> Vec<f32> {
    Golden::open("steered/llama.safetensors").f32("direction")
}

pub(crate) fn rows() -> Vec<Vec<u32>> {
    Golden::open("steered/llama.safetensors").tokens("tokens")
}

/// The same rows cut to 10, 7 and 4 tokens.
pub(crate) fn uneven() -> Vec<Vec<u32>> {
    rows()
        .iter()
        .zip([10, 7, 4])
        .map(|(row, n)| row[..n].to_vec())
        .collect()
}

pub(crate) fn pass(rows: &[Vec<u32>], padding: Padding) -> Pass {
    Pass::whole(rows, padding, 0).unwrap()
}

pub(crate) fn logits(model: &dyn CausalLm, pass: &Pass, hook: &mut dyn Intervene) -> Vec<f32> {
    host(model.logits(pass, None, hook).unwrap())
}

pub(crate) fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

#[track_caller]
pub(crate) fn assert_near(found: &[f32], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!(
            (f64::from(*a) - b).abs() <= tolerance,
            "{what}, number {i}: {a}, expected {b}"
        );
    }
}
