//! What a pass means for attention, computed once for all blocks: rotary angles and visible keys.

use std::cell::OnceCell;

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use firetender_hooks::Pass;

use crate::{
    ModelConfig, Positions, RopeScaling, host,
    visible::{Spans, Visible},
};

/// Rotary angles, visible keys and token indices of one pass.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Whether the device keeps its values in host memory.
    pub(crate) host: bool,
    pub(crate) ids: Tensor<2, Int>,
    /// Positions `[batch, columns]`, zero for padding; for learned positions only.
    pub(crate) positions: Option<Tensor<2, Int>>,
    pub(crate) rotary: Option<Angles>,
    visible: Visible,
    keys: usize,
    device: Device,
    mask: OnceCell<Option<Tensor<4, Bool>>>,
}

/// Cosines and sines, `[batch or 1, columns, 1, dims / 2]`, row-major.
#[derive(Debug)]
pub(crate) struct Angles {
    pub(crate) cos: Vec<f32>,
    pub(crate) sin: Vec<f32>,
    shape: [usize; 4],
    device: Device,
    tensors: OnceCell<[Tensor<4>; 2]>,
}

impl Angles {
    /// On the device, moved there when they are first asked for.
    pub(crate) fn tensors(&self) -> [Tensor<4>; 2] {
        let tensor = |values: &[f32]| {
            Tensor::from_data(TensorData::new(values.to_vec(), self.shape), &self.device)
        };
        self.tensors
            .get_or_init(|| [tensor(&self.cos), tensor(&self.sin)])
            .clone()
    }
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
            host: host::is_host(device),
            ids,
            positions,
            rotary,
            visible: Visible::new(config, pass, keys, device),
            keys: keys[0].len(),
            device: device.clone(),
            mask: OnceCell::new(),
        }
    }

    /// The run of keys that each token sees; `None` where some token sees keys that are not side by side.
    pub(crate) fn spans(&self) -> Option<&Spans> {
        match &self.visible {
            Visible::Spans(spans) => Some(spans),
            Visible::Mask(_) => None,
        }
    }

    /// `true` where a query must not see a key, `[batch, kv_heads, group · columns, keys]`; `None` when every query sees all.
    pub(crate) fn mask(&self, config: &ModelConfig, pass: &Pass) -> Option<Tensor<4, Bool>> {
        self.mask
            .get_or_init(|| self.visible.mask(config, pass, self.keys, &self.device))
            .clone()
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
    let (sin, cos) = angle.map(|a| (a.sin() as f32, a.cos() as f32)).unzip();
    Angles {
        cos,
        sin,
        shape: [rows, columns, 1, frequencies.len()],
        device: device.clone(),
        tensors: OnceCell::new(),
    }
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
