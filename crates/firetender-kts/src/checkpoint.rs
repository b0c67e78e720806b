//! Checkpoints of a training run: one safetensors file each, written whole or not at all.
//!
//! Tensors `PATH.a`, `PATH.b` are the factors, `PATH.a.first`, `PATH.a.second` (and of b) `AdamW`'s running means. The metadata
//! hold the step, the number of updates of each state, and the fingerprint of base, data, vectors and options.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use burn::{
    optim::{AdamWState, AdaptiveMomentumState},
    tensor::{Device, Tensor, TensorData},
};
use firetender_lm::write_atomically;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};

use crate::{Adapter, KtsError, optimiser::FactorAdamW};

const VERSION: u32 = 1;
const KEY: &str = "firetender_kts";
const KEPT: usize = 2;
/// Larger files are no adapters.
const LIMIT: u64 = 64 << 30;

/// Everything that goes on from step to step.
pub(crate) struct State {
    pub(crate) step: u64,
    pub(crate) adapter: Adapter,
    pub(crate) optimiser: FactorAdamW,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    version: u32,
    step: u64,
    fingerprint: String,
    /// Updates of each factor's state, which are not those of the run where a factor had no gradient.
    times: BTreeMap<String, usize>,
}

/// Places, sizes and scales of an adapter, for a fingerprint.
pub(crate) fn shape_of(adapter: &Adapter) -> String {
    let parts = adapter.factors().iter();
    let parts: Vec<String> = parts
        .map(|(path, f)| format!("{path} {:?} {}", f.dims, f.scale))
        .collect();
    parts.join("; ")
}

/// The checkpoint of the highest step in a folder, if there is one.
pub(crate) fn newest(folder: &Path) -> Result<Option<PathBuf>, KtsError> {
    Ok(all(folder)?.pop())
}

/// All checkpoints of a folder by step.
fn all(folder: &Path) -> Result<Vec<PathBuf>, KtsError> {
    if !folder.is_dir() {
        return Ok(vec![]);
    }
    let io = |source| KtsError::Io {
        path: folder.into(),
        source,
    };
    let mut found = vec![];
    for entry in fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let step = name
            .strip_prefix("step-")
            .and_then(|n| n.strip_suffix(".safetensors"));
        if let Some(step) = step.and_then(|step| step.parse::<u64>().ok()) {
            found.push((step, path));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

pub(crate) fn write(folder: &Path, fingerprint: &str, state: &State) -> Result<PathBuf, KtsError> {
    let path = folder.join(format!("step-{:08}.safetensors", state.step));
    let io = |source| KtsError::Io {
        path: path.clone(),
        source,
    };
    fs::create_dir_all(folder).map_err(io)?;
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = vec![];
    let mut add = |name: String, shape: [usize; 2], values: &[f32]| {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        tensors.push((name, shape.to_vec(), bytes));
    };
    let mut times = BTreeMap::new();
    for (place, factors) in state.adapter.factors() {
        let [inputs, rank, outputs] = factors.dims;
        add(format!("{place}.a"), [inputs, rank], &factors.a);
        add(format!("{place}.b"), [rank, outputs], &factors.b);
    }
    for ((place, which), moments) in &state.optimiser.states {
        let moments = &moments.momentum;
        let name = format!("{place}.{which}");
        for (part, tensor) in [("first", &moments.moment_1), ("second", &moments.moment_2)] {
            let values: Vec<f32> = tensor.clone().into_data().iter::<f32>().collect();
            add(format!("{name}.{part}"), tensor.dims(), &values);
        }
        times.insert(name, moments.time);
    }
    let header = Header {
        version: VERSION,
        step: state.step,
        fingerprint: fingerprint.into(),
        times,
    };
    let broken = |what: String| KtsError::Format {
        path: path.clone(),
        what,
    };
    let header = serde_json::to_string(&header).map_err(|e| broken(e.to_string()))?;
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|e| broken(e.to_string()))?;
    let bytes = safetensors::serialize(views, Some([(KEY.to_string(), header)].into()))
        .map_err(|e| broken(e.to_string()))?;
    write_atomically(&path, &bytes).map_err(io)?;
    let found = all(folder)?;
    for old in &found[..found.len().saturating_sub(KEPT)] {
        fs::remove_file(old).map_err(io)?;
    }
    Ok(path)
}

/// Reads a checkpoint of the run with this fingerprint; `fresh` is where that run started.
pub(crate) fn read(
    path: &Path,
    fingerprint: &str,
    fresh: State,
    device: &Device,
) -> Result<State, KtsError> {
    let broken = |what: String| KtsError::Format {
        path: path.into(),
        what,
    };
    let bytes = read_file(path)?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| broken(e.to_string()))?;
    let header = metadata.metadata().as_ref().and_then(|m| m.get(KEY));
    let header = header.ok_or_else(|| broken(format!("no metadata `{KEY}`: not a checkpoint")))?;
    let header: Header = serde_json::from_str(header).map_err(|e| broken(e.to_string()))?;
    let differs = |field, found: String, expected: String| KtsError::Checkpoint {
        path: path.into(),
        field,
        found,
        expected,
    };
    if header.version != VERSION {
        return Err(differs(
            "version",
            header.version.to_string(),
            VERSION.to_string(),
        ));
    }
    if header.fingerprint != fingerprint {
        let (found, expected) = difference(&header.fingerprint, fingerprint);
        return Err(differs("model, data or options", found, expected));
    }
    let file = SafeTensors::deserialize(&bytes).map_err(|e| broken(e.to_string()))?;
    let values = |name: &str, shape: [usize; 2]| -> Result<Vec<f32>, KtsError> {
        let view = file.tensor(name).map_err(|e| broken(e.to_string()))?;
        if view.dtype() != Dtype::F32 || view.shape() != shape {
            let (dtype, found) = (view.dtype(), view.shape());
            return Err(broken(format!(
                "`{name}` is {dtype:?} {found:?}; expected F32 {shape:?}"
            )));
        }
        let (numbers, _) = view.data().as_chunks::<4>();
        let numbers: Vec<f32> = numbers.iter().map(|b| f32::from_le_bytes(*b)).collect();
        match numbers.iter().find(|x| !x.is_finite()) {
            Some(x) => Err(broken(format!("`{name}` holds {x}"))),
            None => Ok(numbers),
        }
    };
    let device = device.clone().without_autodiff();
    let (mut factors, mut optimiser) = (fresh.adapter.factors().clone(), fresh.optimiser);
    for (place, factors) in &mut factors {
        let [inputs, rank, outputs] = factors.dims;
        factors.a = values(&format!("{place}.a"), [inputs, rank])?;
        factors.b = values(&format!("{place}.b"), [rank, outputs])?;
        for (which, shape) in [('a', [inputs, rank]), ('b', [rank, outputs])] {
            let name = format!("{place}.{which}");
            let Some(time) = header.times.get(&name) else {
                continue;
            };
            let tensor = |part: &str| -> Result<Tensor<2>, KtsError> {
                let values = values(&format!("{name}.{part}"), shape)?;
                Ok(Tensor::from_data(TensorData::new(values, shape), &device))
            };
            let momentum = AdaptiveMomentumState {
                time: *time,
                moment_1: tensor("first")?,
                moment_2: tensor("second")?,
                max_moment_2: None,
            };
            optimiser
                .states
                .insert((place.clone(), which), AdamWState { momentum });
        }
    }
    Ok(State {
        step: header.step,
        adapter: Adapter::new(factors)?,
        optimiser,
    })
}

/// Where two fingerprints begin to differ, for a person.
fn difference(found: &str, expected: &str) -> (String, String) {
    let (found, expected): (Vec<char>, Vec<char>) =
        (found.chars().collect(), expected.chars().collect());
    let same = found
        .iter()
        .zip(&expected)
        .take_while(|(a, b)| a == b)
        .count();
    let cut = |text: &[char]| -> String {
        let start = same.saturating_sub(40);
        let part: String = text.iter().skip(start).take(80).collect();
        format!("…{part}…")
    };
    (cut(&found), cut(&expected))
}

/// A whole file, if it is not absurdly large.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, KtsError> {
    let io = |source| KtsError::Io {
        path: path.into(),
        source,
    };
    let length = fs::metadata(path).map_err(io)?.len();
    if length > LIMIT {
        let what = format!("{length} bytes, above the limit of {LIMIT}");
        return Err(KtsError::Format {
            path: path.into(),
            what,
        });
    }
    fs::read(path).map_err(io)
}
