//! Reads a model from named tensors.

use std::collections::BTreeSet;

use burn::tensor::Device;

use crate::{
    LmError, ModelConfig, Naming, TensorSource, Transformer,
    build::build,
    slots::{Part, Slot},
};

/// How a file lays out its tensors; together with a [`ModelConfig`] it says what each tensor means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightLayout {
    /// The names.
    pub naming: Naming,
    /// Whether rows of Q and K are in the order of interleaved rotary pairs although the configuration says halves, as in
    /// Llama-architecture GGUF files. They are put back on loading.
    pub qk_permuted: bool,
}

struct Reader<'a> {
    config: &'a ModelConfig,
    source: &'a dyn TensorSource,
    layout: WeightLayout,
    prefix: &'static str,
    fused: bool,
    used: BTreeSet<String>,
    /// The last fused weight and the last fused bias: Q, K and V ask for them in turn.
    last: [Option<(String, Vec<f32>)>; 2],
}

impl Reader<'_> {
    fn read(&mut self, name: &str, expected: &[usize]) -> Result<Vec<f32>, LmError> {
        let place = self.source.place();
        let found = self
            .source
            .shape(name)
            .ok_or_else(|| LmError::MissingTensor {
                place: place.clone(),
                name: name.into(),
                expected: expected.to_vec(),
            })?;
        if found != expected {
            return Err(LmError::TensorShape {
                place,
                name: name.into(),
                found,
                expected: expected.to_vec(),
            });
        }
        self.used.insert(name.into());
        let values = self.source.read(name)?;
        let count: usize = expected.iter().product();
        if values.len() != count {
            let what = format!(
                "tensor `{name}` holds {} values; its shape {expected:?} needs {count}",
                values.len()
            );
            return Err(LmError::Format { place, what });
        }
        if let Some(index) = values.iter().position(|v| !v.is_finite()) {
            let what = format!(
                "tensor `{name}` holds {} at index {index}; weights must be finite",
                values[index]
            );
            return Err(LmError::Format { place, what });
        }
        Ok(values)
    }

    fn parameter(&mut self, slot: Slot, shape: &[usize]) -> Result<Vec<f32>, LmError> {
        let qkv = matches!(slot.part, Part::Q | Part::K | Part::V);
        let name = format!(
            "{}{}",
            self.prefix,
            slot.name(self.layout.naming, self.fused)
        );
        if qkv && self.fused {
            return self.fused_part(slot, &name);
        }
        let conv = self.layout.naming == Naming::HfGpt2 && is_gpt2_conv(slot);
        if conv {
            let values = self.read(&name, &[shape[1], shape[0]])?;
            return Ok(transposed(&values, shape[1], shape[0]));
        }
        let values = self.read(&name, shape)?;
        if self.layout.qk_permuted && matches!(slot.part, Part::Q | Part::K) {
            let row = shape.get(1).copied().unwrap_or(1);
            return Ok(interleaved_to_halves(&values, self.config.head_dim, row));
        }
        Ok(values)
    }

    fn fused_part(&mut self, slot: Slot, name: &str) -> Result<Vec<f32>, LmError> {
        let c = self.config;
        let (q, kv) = (c.heads * c.head_dim, c.kv_heads * c.head_dim);
        let rows = q + 2 * kv;
        let width = if slot.bias { 1 } else { c.width };
        let kind = usize::from(slot.bias);
        if self.last[kind]
            .as_ref()
            .is_none_or(|(last, _)| last != name)
        {
            let gpt2 = self.layout.naming == Naming::HfGpt2;
            let values = match (slot.bias, gpt2) {
                (true, _) => self.read(name, &[rows])?,
                (false, true) => transposed(&self.read(name, &[width, rows])?, width, rows),
                (false, false) => self.read(name, &[rows, width])?,
            };
            self.last[kind] = Some((name.into(), values));
        }
        let Some((_, values)) = &self.last[kind] else {
            return Ok(vec![]);
        };
        if self.layout.naming == Naming::HfGptNeoX {
            // Per head: its query, key and value rows one after the other.
            let part = match slot.part {
                Part::Q => 0,
                Part::K => 1,
                _ => 2,
            };
            let size = c.head_dim * width;
            return Ok(values
                .chunks(3 * size)
                .flat_map(|head| &head[part * size..(part + 1) * size])
                .copied()
                .collect());
        }
        let range = match slot.part {
            Part::Q => 0..q,
            Part::K => q..q + kv,
            _ => q + kv..rows,
        };
        Ok(values[range.start * width..range.end * width].to_vec())
    }

    /// Every tensor of the file must have been used, or be a known buffer that carries no learned values.
    fn refuse_unknown(&self) -> Result<(), LmError> {
        let buffer = |name: &str| {
            name.ends_with(".rotary_emb.inv_freq")
                || name.ends_with(".attn.bias")
                || name.ends_with(".attn.masked_bias")
                || name.ends_with(".attention.bias")
                || name.ends_with(".attention.masked_bias")
        };
        let head = Slot {
            part: Part::Head,
            layer: 0,
            bias: false,
        }
        .name(self.layout.naming, self.fused);
        for name in self.source.names() {
            let tied_copy = self.config.tied_embeddings && name == head;
            if !self.used.contains(&name) && !buffer(&name) && !tied_copy {
                return Err(LmError::UnknownTensor {
                    place: self.source.place(),
                    name,
                });
            }
        }
        Ok(())
    }
}

/// GPT-2's linear layers are stored `[in, out]`.
fn is_gpt2_conv(slot: Slot) -> bool {
    !slot.bias && matches!(slot.part, Part::O | Part::Up | Part::Down)
}

fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for column in 0..columns {
        out.extend((0..rows).map(|row| values[row * columns + column]));
    }
    out
}

/// Rows of each head from the order of interleaved rotary pairs (0, d/2, 1, d/2 + 1, …) to plain order.
fn interleaved_to_halves(values: &[f32], head_dim: usize, row: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for head in values.chunks(head_dim * row) {
        for part in 0..2 {
            for pair in 0..head_dim / 2 {
                let from = (2 * pair + part) * row;
                out.extend_from_slice(&head[from..from + row]);
            }
        }
    }
    out
}

impl Transformer {
    /// Reads a model's weights from `source` onto `device`, one tensor at a time.
    ///
    /// # Errors
    /// A tensor that is missing, has another shape, is not finite or is not part of the architecture; a configuration that
    /// contradicts itself; and whatever the source reports.
    pub fn load(
        config: &ModelConfig,
        source: &dyn TensorSource,
        layout: WeightLayout,
        device: &Device,
    ) -> Result<Self, LmError> {
        config.check()?;
        let has = |name: &str| source.shape(name).is_some();
        let prefix = match layout.naming {
            Naming::HfGpt2 if has("transformer.wte.weight") => "transformer.",
            _ => "",
        };
        let fused = match layout.naming {
            Naming::HfLlama => false,
            Naming::HfGpt2 | Naming::HfGptNeoX => true,
            Naming::Gguf => has("blk.0.attn_qkv.weight"),
        };
        let mut reader = Reader {
            config,
            source,
            layout,
            prefix,
            fused,
            used: BTreeSet::new(),
            last: [None, None],
        };
        let model = build(config, device, &mut |slot, shape| {
            reader.parameter(slot, shape)
        })?;
        reader.refuse_unknown()?;
        Ok(model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permuted_rows_return() {
        // Head of four rows of one value: files hold 0, 2, 1, 3 where the model wants 0, 1, 2, 3.
        assert_eq!(
            interleaved_to_halves(&[0.0, 2.0, 1.0, 3.0], 4, 1),
            [0.0, 1.0, 2.0, 3.0]
        );
    }

    #[test]
    fn transposition() {
        assert_eq!(
            transposed(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2, 3),
            [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]
        );
    }
}
