//! Adapters in the files of Hugging Face's PEFT, so that Python loads what was trained here and the other way round.
//!
//! A folder with `adapter_model.safetensors` (`base_model.model.model.layers.N.self_attn.q_proj.lora_A.weight`, `[rank, d_in]`, and
//! `lora_B`, `[d_out, rank]`) and `adapter_config.json`. The names are those of Llama, Mistral and Qwen2. A configuration that
//! asks for anything that this crate does not compute is refused.

use std::{collections::BTreeMap, fs, path::Path};

use firetender_lm::write_atomically;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::{Value, json};

use crate::{Adapter, Factors, KtsError, checkpoint::read_file};

const WEIGHTS: &str = "adapter_model.safetensors";
const CONFIG: &str = "adapter_config.json";
/// Keys that do not change what an adapter computes, whatever they hold.
const HARMLESS: [&str; 12] = [
    "alora_invocation_tokens",
    "auto_mapping",
    "base_model_name_or_path",
    "inference_mode",
    "init_lora_weights",
    "layers_pattern",
    "lora_dropout",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "revision",
    "task_type",
];
/// Keys that are understood.
const READ: [&str; 7] = [
    "bias",
    "layers_to_transform",
    "lora_alpha",
    "peft_type",
    "r",
    "target_modules",
    "use_rslora",
];

impl Adapter {
    /// Writes the adapter into a folder, which is made if needed. `base` is what the configuration names as the base model.
    ///
    /// # Errors
    /// [`KtsError::Adapter`] when a path is not of a Llama-like block, or rank or scale differ from weight to weight;
    /// [`KtsError::Io`].
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use firetender_kts::{Adapter, LoraOptions};
    /// use firetender_lm::{ModelConfig, Transformer};
    /// let base = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex()).unwrap();
    /// let adapter = LoraOptions::default().start(&base, 1).unwrap();
    /// let folder = tempfile::tempdir().unwrap();
    /// adapter.save_peft(folder.path(), "base").unwrap();
    /// assert_eq!(Adapter::load_peft(folder.path()).unwrap(), adapter);
    /// ```
    pub fn save_peft(&self, folder: impl AsRef<Path>, base: &str) -> Result<(), KtsError> {
        let folder = folder.as_ref();
        let Some((first, like)) = self.factors().iter().next() else {
            let (place, what) = ("whole".into(), "is empty".into());
            return Err(KtsError::Adapter { place, what });
        };
        let (rank, scale) = (like.dims[1], like.scale);
        let mut targets: Vec<&str> = vec![];
        let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = vec![];
        for (place, factors) in self.factors() {
            let fail = |what: String| KtsError::Adapter {
                place: place.clone(),
                what,
            };
            let (name, target) = peft_name(place)
                .ok_or_else(|| fail("has no name in PEFT's files for Llama-like models".into()))?;
            let [inputs, own, outputs] = factors.dims;
            if (own, factors.scale) != (rank, scale) {
                return Err(fail(format!(
                    "rank {own} and scale {}, where `{first}` has {rank} and {scale}; the files hold one for all",
                    factors.scale
                )));
            }
            targets.push(target);
            let mut add = |half: &str, values: &[f32], [rows, columns]: [usize; 2]| {
                let bytes = transposed(values, rows, columns);
                let bytes = bytes.iter().flat_map(|x| x.to_le_bytes()).collect();
                tensors.push((
                    format!("{name}.lora_{half}.weight"),
                    vec![columns, rows],
                    bytes,
                ));
            };
            add("A", &factors.a, [inputs, rank]);
            add("B", &factors.b, [rank, outputs]);
        }
        targets.sort_unstable();
        targets.dedup();
        let blocks = self.blocks();
        let all = blocks.iter().enumerate().all(|(i, block)| i == *block);
        let config = json!({
            "base_model_name_or_path": base,
            "bias": "none",
            "fan_in_fan_out": false,
            "inference_mode": true,
            "init_lora_weights": true,
            "layers_to_transform": if all { Value::Null } else { json!(blocks) },
            "lora_alpha": scale * rank as f64,
            "lora_dropout": 0.0,
            "modules_to_save": null,
            "peft_type": "LORA",
            "r": rank,
            "target_modules": targets,
            "task_type": "CAUSAL_LM",
            "use_rslora": false,
        });
        let path = folder.join(WEIGHTS);
        let broken = |error: safetensors::SafeTensorError| KtsError::Format {
            path: path.clone(),
            what: error.to_string(),
        };
        let views = tensors
            .iter()
            .map(|(name, shape, bytes)| {
                Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?))
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(broken)?;
        let metadata = [("format".to_string(), "pt".to_string())].into();
        let bytes = safetensors::serialize(views, Some(metadata)).map_err(broken)?;
        let io = |path: &Path| {
            let path = path.to_path_buf();
            move |source| KtsError::Io { path, source }
        };
        fs::create_dir_all(folder).map_err(io(folder))?;
        write_atomically(&path, &bytes).map_err(io(&path))?;
        let path = folder.join(CONFIG);
        write_atomically(&path, format!("{config:#}\n").as_bytes()).map_err(io(&path))
    }

    /// Reads an adapter that this crate or PEFT wrote.
    ///
    /// # Errors
    /// [`KtsError::Io`]; [`KtsError::Format`] for files that are damaged, or a configuration that asks for something else than
    /// plain LoRA.
    pub fn load_peft(folder: impl AsRef<Path>) -> Result<Self, KtsError> {
        let folder = folder.as_ref();
        let scale_of = config(&folder.join(CONFIG))?;
        let path = folder.join(WEIGHTS);
        let broken = |what: String| KtsError::Format {
            path: path.clone(),
            what,
        };
        let bytes = read_file(&path)?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| broken(e.to_string()))?;
        let mut halves: BTreeMap<String, [Option<Half>; 2]> = BTreeMap::new();
        for (name, view) in file.tensors() {
            let (place, half) = own_path(&name).ok_or_else(|| {
                broken(format!(
                    "tensor `{name}` is no factor of a Llama-like block"
                ))
            })?;
            let &[rows, columns] = view.shape() else {
                return Err(broken(format!(
                    "tensor `{name}` has shape {:?}",
                    view.shape()
                )));
            };
            let values = numbers(view.dtype(), view.data()).ok_or_else(|| {
                broken(format!(
                    "tensor `{name}` is {:?}; expected F32, F16 or BF16",
                    view.dtype()
                ))
            })?;
            let entry = halves.entry(place).or_default();
            entry[half] = Some((transposed(&values, rows, columns), [columns, rows]));
        }
        let mut factors = BTreeMap::new();
        for (place, halves) in halves {
            let [Some((a, [inputs, rank])), Some((b, [other, outputs]))] = halves else {
                return Err(broken(format!(
                    "`{place}` has one factor without the other"
                )));
            };
            let scale = scale_of(rank).filter(|_| rank == other);
            let scale = scale.ok_or_else(|| {
                broken(format!("`{place}` has factors of rank {rank} and {other}, which is not the configuration's"))
            })?;
            let dims = [inputs, rank, outputs];
            factors.insert(place, Factors { dims, a, b, scale });
        }
        Self::new(factors)
    }

    /// Blocks that have factors, ascending.
    fn blocks(&self) -> Vec<usize> {
        let mut blocks: Vec<usize> = self
            .factors()
            .keys()
            .filter_map(|path| Some(crate::adapter::path::block_and_target(path)?.0))
            .collect();
        blocks.sort_unstable();
        blocks.dedup();
        blocks
    }
}

/// One factor: its values and shape, in our layout.
type Half = (Vec<f32>, [usize; 2]);

/// What a configuration says: the scale of factors of its rank, and of no other.
fn config(path: &Path) -> Result<impl Fn(usize) -> Option<f64> + use<>, KtsError> {
    let broken = |what: String| KtsError::Format {
        path: path.into(),
        what,
    };
    let json: Value =
        serde_json::from_slice(&read_file(path)?).map_err(|e| broken(e.to_string()))?;
    let map = json
        .as_object()
        .ok_or_else(|| broken("no JSON object".into()))?;
    for (key, value) in map {
        let empty = match value {
            Value::Null | Value::Bool(false) => true,
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => false,
        };
        let known = HARMLESS.contains(&key.as_str()) || READ.contains(&key.as_str());
        if !empty && !known {
            return Err(broken(format!(
                "`{key}` is {value}, which this crate does not compute"
            )));
        }
    }
    let expect = |key: &str, expected: &str| match map.get(key).and_then(Value::as_str) {
        Some(found) if found == expected => Ok(()),
        found => Err(broken(format!("`{key}` is {found:?}; expected {expected}"))),
    };
    expect("peft_type", "LORA")?;
    expect("bias", "none")?;
    let rank = map.get("r").and_then(Value::as_u64).filter(|r| *r > 0);
    let rank = rank.ok_or_else(|| broken("`r` is no rank".into()))? as usize;
    let alpha = map.get("lora_alpha").and_then(Value::as_f64);
    let alpha = alpha.ok_or_else(|| broken("`lora_alpha` is no number".into()))?;
    let rooted = map.get("use_rslora") == Some(&Value::Bool(true));
    let below = if rooted {
        (rank as f64).sqrt()
    } else {
        rank as f64
    };
    Ok(move |found: usize| (found == rank).then_some(alpha / below))
}

/// `blocks.3.attn.q_proj.weight` as PEFT calls it, and its last part.
fn peft_name(path: &str) -> Option<(String, &str)> {
    let rest = path.strip_prefix("blocks.")?.strip_suffix(".weight")?;
    let (block, layer) = rest.split_once('.')?;
    block.parse::<usize>().ok()?;
    let (part, target) = layer.split_once('.')?;
    let part = match part {
        "attn" => "self_attn",
        "mlp" => "mlp",
        _ => return None,
    };
    let name = format!("base_model.model.model.layers.{block}.{part}.{target}");
    Some((name, target))
}

/// The reverse: our path, and 0 for A or 1 for B.
fn own_path(name: &str) -> Option<(String, usize)> {
    let rest = name.strip_prefix("base_model.model.model.layers.")?;
    let (rest, half) = match rest.strip_suffix(".lora_A.weight") {
        Some(rest) => (rest, 0),
        None => (rest.strip_suffix(".lora_B.weight")?, 1),
    };
    let (block, layer) = rest.split_once('.')?;
    block.parse::<usize>().ok()?;
    let (part, target) = layer.split_once('.')?;
    let part = match part {
        "self_attn" => "attn",
        "mlp" => "mlp",
        _ => return None,
    };
    Some((format!("blocks.{block}.{part}.{target}.weight"), half))
}

fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let cells = (0..columns).flat_map(|c| (0..rows).map(move |r| r * columns + c));
    cells.map(|at| values[at]).collect()
}

fn numbers(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    let halves = || {
        bytes
            .as_chunks::<2>()
            .0
            .iter()
            .map(|b| u16::from_le_bytes(*b))
    };
    match dtype {
        Dtype::F32 => Some(
            bytes
                .as_chunks::<4>()
                .0
                .iter()
                .map(|b| f32::from_le_bytes(*b))
                .collect(),
        ),
        Dtype::BF16 => Some(
            halves()
                .map(|h| f32::from_bits(u32::from(h) << 16))
                .collect(),
        ),
        Dtype::F16 => Some(halves().map(half_to_f32).collect()),
        _ => None,
    }
}

/// A 16-bit IEEE float.
fn half_to_f32(half: u16) -> f32 {
    let sign = if half >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(half >> 10 & 0x1f), f32::from(half & 0x3ff));
    sign * match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2f32.powi(exponent - 25),
    }
}

#[cfg(test)]
mod tests;
