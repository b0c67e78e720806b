//! Weights in eight bits, as the largest size is kept: a matrix as whole numbers from −127 to 127 and, for each 32 of a row, the 16-bit float that they are multiples of.
//!
//! The file is an ordinary safetensors file with two tensors for each matrix, its name and its name with `.scales`; vectors stay as they are. It is expanded to 32-bit floats before a model is
//! loaded, so nothing else has to know of it. What rounding costs is in the model card.

use std::collections::BTreeMap;

use firetender_lm::LmError;
use half::f16;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

/// Numbers that share a scale.
const BLOCK: usize = 32;
/// Ending of the name of a matrix's scales.
const SCALES: &str = ".scales";

/// A tensor that is to be written.
type Made = (String, Dtype, Vec<usize>, Vec<u8>);

fn wrong(what: impl Into<String>) -> LmError {
    LmError::Format {
        place: "weights in eight bits".into(),
        what: what.into(),
    }
}

fn read(bytes: &[u8]) -> Result<SafeTensors<'_>, LmError> {
    SafeTensors::deserialize(bytes).map_err(|error| wrong(error.to_string()))
}

fn write(tensors: &[Made]) -> Result<Vec<u8>, LmError> {
    let mut views = BTreeMap::new();
    for (name, dtype, shape, data) in tensors {
        let view = TensorView::new(*dtype, shape.clone(), data)
            .map_err(|error| wrong(error.to_string()))?;
        views.insert(name.clone(), view);
    }
    safetensors::serialize(views, None).map_err(|error| wrong(error.to_string()))
}

fn halves(view: &TensorView<'_>, name: &str) -> Result<Vec<f32>, LmError> {
    if view.dtype() != Dtype::F16 {
        return Err(wrong(format!(
            "`{name}` is {:?}; expected 16-bit floats",
            view.dtype()
        )));
    }
    let halves = view.data().as_chunks::<2>().0.iter();
    Ok(halves.map(|b| f16::from_le_bytes(*b).to_f32()).collect())
}

/// Packs a safetensors file of 16-bit floats.
///
/// # Errors
/// [`LmError::Format`] for anything else, a matrix whose rows are no multiple of 32 numbers, or a number that is not finite.
///
/// ```
/// use burn::tensor::Device;
/// use firetender_ember::family::{pack_weights, unpack_weights};
/// use firetender_lm::{ModelConfig, StoreAs, Transformer};
///
/// let folder = std::env::temp_dir().join("ember-eight-bits");
/// Transformer::init(&ModelConfig::llama(64, 32, 1, 2, 2, 64), 0, &Device::flex())?.save(&folder, StoreAs::F16)?;
/// let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
/// let packed = pack_weights(&bytes)?;
/// assert!(3 * packed.len() < 2 * bytes.len() && unpack_weights(&packed)?.len() > bytes.len());
/// # Ok::<(), firetender_lm::LmError>(())
/// ```
pub fn pack_weights(bytes: &[u8]) -> Result<Vec<u8>, LmError> {
    let mut made: Vec<Made> = vec![];
    for (name, view) in read(bytes)?.iter() {
        let values = halves(&view, name)?;
        if values.iter().any(|value| !value.is_finite()) {
            return Err(wrong(format!("`{name}` holds a number that is not finite")));
        }
        let [rows, columns] = view.shape()[..] else {
            made.push((
                name.into(),
                Dtype::F16,
                view.shape().into(),
                view.data().into(),
            ));
            continue;
        };
        if !columns.is_multiple_of(BLOCK) {
            return Err(wrong(format!(
                "`{name}` has rows of {columns} numbers; expected a multiple of {BLOCK}"
            )));
        }
        let (mut numbers, mut scales) = (Vec::with_capacity(values.len()), vec![]);
        for block in values.as_chunks::<BLOCK>().0 {
            let most = block
                .iter()
                .fold(0.0_f32, |most, value| most.max(value.abs()));
            let scale = f16::from_f32(most / 127.0);
            scales.extend(scale.to_le_bytes());
            let scale = scale.to_f32();
            numbers.extend(block.map(|value| {
                let times = if scale > 0.0 { value / scale } else { 0.0 };
                (times.round().clamp(-127.0, 127.0) as i8).to_le_bytes()[0]
            }));
        }
        made.push((name.into(), Dtype::I8, vec![rows, columns], numbers));
        let shape = vec![rows, columns / BLOCK];
        made.push((format!("{name}{SCALES}"), Dtype::F16, shape, scales));
    }
    write(&made)
}

/// Expands what [`pack_weights`] made to a safetensors file of 32-bit floats.
///
/// # Errors
/// [`LmError::Format`] for anything that it does not make.
pub fn unpack_weights(bytes: &[u8]) -> Result<Vec<u8>, LmError> {
    let packed = read(bytes)?;
    let mut made: Vec<Made> = vec![];
    for (name, view) in packed.iter() {
        if name.ends_with(SCALES) {
            continue;
        }
        let values: Vec<f32> = if view.dtype() == Dtype::I8 {
            let of = format!("{name}{SCALES}");
            let scales = packed
                .tensor(&of)
                .map_err(|_| wrong(format!("no `{of}`")))?;
            let scales = halves(&scales, &of)?;
            let numbers = view.data();
            if scales.len() * BLOCK != numbers.len() {
                return Err(wrong(format!(
                    "`{of}` has {} numbers; expected one for each {BLOCK} of {}",
                    scales.len(),
                    numbers.len()
                )));
            }
            let blocks = numbers.as_chunks::<BLOCK>().0.iter().zip(scales);
            let times = |(block, scale): (&[u8; BLOCK], f32)| {
                block.map(|byte| f32::from(i8::from_le_bytes([byte])) * scale)
            };
            blocks.flat_map(times).collect()
        } else {
            halves(&view, name)?
        };
        let data = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        made.push((name.into(), Dtype::F32, view.shape().into(), data));
    }
    write(&made)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(tensors: &[(&str, Vec<usize>, Vec<f32>)]) -> Vec<u8> {
        let made: Vec<Made> = tensors
            .iter()
            .map(|(name, shape, values)| {
                let data = values
                    .iter()
                    .flat_map(|v| f16::from_f32(*v).to_le_bytes())
                    .collect();
                ((*name).into(), Dtype::F16, shape.clone(), data)
            })
            .collect();
        write(&made).unwrap()
    }

    #[test]
    fn numbers_come_back_within_half_a_step() {
        let matrix: Vec<f32> = (0..192)
            .map(|i| ((i * 37) % 101) as f32 / 50.0 - 1.0)
            .collect();
        let zeros = vec![0.0; 32];
        let vector = vec![1.5, -2.0, 0.25];
        let bytes = file(&[
            ("m", vec![3, 64], matrix.clone()),
            ("z", vec![1, 32], zeros.clone()),
            ("v", vec![3], vector.clone()),
        ]);
        let unpacked = unpack_weights(&pack_weights(&bytes).unwrap()).unwrap();
        let read = read(&unpacked).unwrap();
        let values = |name: &str| -> Vec<f32> {
            let view = read.tensor(name).unwrap();
            assert_eq!(view.dtype(), Dtype::F32);
            view.data()
                .as_chunks::<4>()
                .0
                .iter()
                .map(|b| f32::from_le_bytes(*b))
                .collect()
        };
        assert_eq!((values("v"), values("z")), (vector, zeros));
        assert_eq!(read.len(), 3);
        for (block, found) in matrix.chunks(32).zip(values("m").chunks(32)) {
            let step = block.iter().fold(0.0_f32, |most, v| most.max(v.abs())) / 127.0;
            for (a, b) in block.iter().zip(found) {
                assert!((a - b).abs() <= 0.56 * step + 5e-4, "{a} {b} {step}");
            }
        }
    }

    #[test]
    fn other_files_are_refused() {
        assert!(pack_weights(b"no file").is_err() && unpack_weights(b"").is_err());
        assert!(pack_weights(&file(&[("m", vec![2, 16], vec![0.0; 32])])).is_err());
        assert!(pack_weights(&file(&[("m", vec![1, 32], vec![f32::NAN; 32])])).is_err());
        let lonely = write(&[("m".into(), Dtype::I8, vec![1, 32], vec![1; 32])]).unwrap();
        assert!(
            unpack_weights(&lonely)
                .unwrap_err()
                .to_string()
                .contains("m.scales")
        );
        let short = write(&[
            ("m".into(), Dtype::I8, vec![2, 32], vec![1; 64]),
            ("m.scales".into(), Dtype::F16, vec![1], vec![0, 60]),
        ]);
        assert!(unpack_weights(&short.unwrap()).is_err());
    }
}
