//! What a pass means for attention, computed once for all blocks: rotary angles and the mask.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use firetender_hooks::Pass;

use crate::{ModelConfig, Positions, RopeScaling};

/// Rotary angles, mask and token indices of one pass, on the device.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) ids: Tensor<2, Int>,
    /// Positions `[batch, columns]`, zero for padding; for learned positions only.
    pub(crate) positions: Option<Tensor<2, Int>>,
    pub(crate) rotary: Option<Angles>,
    /// `true` where a query must not see a key, `[batch or 1, 1, group · columns, keys]`; `None` when every query sees all.
    pub(crate) mask: Option<Tensor<4, Bool>>,
}

/// Cosines and sines `[batch or 1, columns, 1, dims / 2]`.
#[derive(Debug)]
pub(crate) struct Angles {
    pub(crate) cos: Tensor<4>,
    pub(crate) sin: Tensor<4>,
}

impl Layout {
    /// `keys` holds, row by row, the positions of all columns that can be attended to, this pass's own at the end.
    pub(crate) fn new(config: &ModelConfig, pass: &Pass, keys: &[&[i32]], device: &Device) -> Self {
        let device = &device.clone().without_autodiff();
        let shape = [pass.batch(), pass.columns()];
        let int = |values: Vec<i64>| Tensor::from_data(TensorData::new(values, shape), device);
        let ids = int(pass.ids().iter().map(|id| i64::from(*id)).collect());
        let (positions, rotary) = match config.positions {
            Positions::Learned => (
                Some(int(pass
                    .positions()
                    .iter()
                    .map(|p| i64::from((*p).max(0)))
                    .collect())),
                None,
            ),
            Positions::Rotary {
                base,
                dims,
                scaling,
                ..
            } => (
                None,
                Some(angles(pass, &frequencies(base, dims, scaling), device)),
            ),
        };
        Self {
            ids,
            positions,
            rotary,
            mask: mask(config, pass, keys, device),
        }
    }
}

/// The angular frequency of each pair of coordinates.
fn frequencies(base: f64, dims: usize, scaling: RopeScaling) -> Vec<f64> {
    let plain = (0..dims / 2).map(|i| base.powf(-2.0 * i as f64 / dims as f64));
    plain
        .map(|frequency| match scaling {
            RopeScaling::None => frequency,
            RopeScaling::Linear { factor } => frequency / factor,
            RopeScaling::Llama3 {
                factor,
                low,
                high,
                original_positions,
            } => {
                let turns = original_positions as f64 * frequency / std::f64::consts::TAU;
                let keep = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                keep * frequency + (1.0 - keep) * frequency / factor
            }
        })
        .collect()
}

fn angles(pass: &Pass, frequencies: &[f64], device: &Device) -> Angles {
    let columns = pass.columns();
    let first = &pass.positions()[..columns];
    // Without padding every row has the same positions: one row of angles serves all.
    let same = pass.positions().chunks(columns).all(|row| row == first);
    let rows = if same { 1 } else { pass.batch() };
    let angle = pass.positions()[..rows * columns]
        .iter()
        .flat_map(|p| frequencies.iter().map(move |f| f64::from((*p).max(0)) * f));
    let (sin, cos): (Vec<f32>, Vec<f32>) = angle.map(|a| (a.sin() as f32, a.cos() as f32)).unzip();
    let tensor = |values: Vec<f32>| {
        Tensor::from_data(
            TensorData::new(values, [rows, columns, 1, frequencies.len()]),
            device,
        )
    };
    Angles {
        cos: tensor(cos),
        sin: tensor(sin),
    }
}

fn mask(
    config: &ModelConfig,
    pass: &Pass,
    keys: &[&[i32]],
    device: &Device,
) -> Option<Tensor<4, Bool>> {
    let columns = pass.columns();
    let total = keys[0].len();
    let own = total - columns;
    let window = config
        .sliding_window
        .map_or(i32::MAX, |w| i32::try_from(w).unwrap_or(i32::MAX));
    let hidden = |row: usize, column: usize, key: usize| {
        let (query, key_position) = (pass.positions()[row * columns + column], keys[row][key]);
        if query < 0 {
            // A padding query sees itself alone, so that its softmax stays finite.
            return key != own + column;
        }
        key_position < 0 || key_position > query || query - key_position >= window
    };
    let first = &pass.positions()[..columns];
    let same = pass.positions().chunks(columns).all(|row| row == first)
        && keys.iter().all(|k| *k == keys[0]);
    let rows = if same { 1 } else { pass.batch() };
    let mut cells = Vec::with_capacity(rows * config.group() * columns * total);
    for row in 0..rows {
        let start = cells.len();
        for column in 0..columns {
            cells.extend((0..total).map(|key| hidden(row, column, key)));
        }
        let block = start..cells.len();
        for _ in 1..config.group() {
            cells.extend_from_within(block.clone());
        }
    }
    if !cells.contains(&true) {
        return None;
    }
    let shape = [rows, 1, config.group() * columns, total];
    let mask = Tensor::<4, Bool>::from_data(TensorData::new(cells, shape), device);
    Some(mask.expand([
        pass.batch(),
        config.kv_heads,
        config.group() * columns,
        total,
    ]))
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

    #[test]
    fn llama3_scaling_keeps_short_and_stretches_long_wavelengths() {
        let scaling = RopeScaling::Llama3 {
            factor: 8.0,
            low: 1.0,
            high: 4.0,
            original_positions: 8192,
        };
        let plain = frequencies(500_000.0, 128, RopeScaling::None);
        let scaled = frequencies(500_000.0, 128, scaling);
        assert_eq!(plain[0], scaled[0]);
        assert_relative_eq!(plain[63] / 8.0, scaled[63], max_relative = 1e-12);
        assert!(scaled.windows(2).all(|w| w[0] > w[1]));
    }
}
