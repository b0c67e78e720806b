//! Keys and values of tokens that a model has already seen.

use burn::tensor::{Device, Int, Tensor, TensorData};
use firetender_hooks::Pass;

use crate::LmError;

/// Preallocated keys and values, `[batch, kv_heads, capacity, head_dim]` for each block, and which columns are real tokens.
///
/// Made by [`crate::CausalLm::new_cache`], filled by forward passes. A column belongs to all rows; rows that have padding there
/// are masked.
///
/// ```
/// use burn::tensor::Device;
/// use firetender_lm::{CausalLm, ModelConfig, Transformer};
/// let model = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex()).unwrap();
/// let cache = model.new_cache(1, 64).unwrap();
/// assert_eq!((cache.columns(), cache.capacity()), (0, 64));
/// ```
#[derive(Clone, Debug)]
pub struct KvCache {
    layers: Vec<Option<(Tensor<4>, Tensor<4>)>>,
    /// Row by row over the filled columns; −1 is padding.
    positions: Vec<Vec<i32>>,
    capacity: usize,
}

impl KvCache {
    /// An empty cache.
    #[must_use]
    pub fn new(
        layers: usize,
        batch: usize,
        kv_heads: usize,
        capacity: usize,
        head_dim: usize,
        device: &Device,
    ) -> Self {
        let empty = || Tensor::zeros([batch, kv_heads, capacity, head_dim], device);
        Self {
            layers: (0..layers).map(|_| Some((empty(), empty()))).collect(),
            positions: vec![vec![]; batch],
            capacity,
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.positions.len()
    }

    /// Number of filled columns.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.positions.first().map_or(0, Vec::len)
    }

    /// Most columns it can hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Absolute positions of a row's filled columns; −1 is padding.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn positions(&self, row: usize) -> &[i32] {
        &self.positions[row]
    }

    /// Forgets all columns from `columns` on, for instance to score another continuation of the same prompt.
    pub fn truncate(&mut self, columns: usize) {
        for row in &mut self.positions {
            row.truncate(columns);
        }
    }

    /// A cache whose rows are the given rows of this one, in that order; rows may repeat.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn select_rows(&self, rows: &[usize]) -> Self {
        let indices: Vec<i64> = rows.iter().map(|row| *row as i64).collect();
        let layers = self
            .layers
            .iter()
            .map(|layer| {
                layer.as_ref().map(|(keys, values)| {
                    let device = keys.device();
                    let data = TensorData::new(indices.clone(), [indices.len()]);
                    let indices = Tensor::<1, Int>::from_data(data, &device);
                    (
                        keys.clone().select(0, indices.clone()),
                        values.clone().select(0, indices),
                    )
                })
            })
            .collect();
        let positions = rows
            .iter()
            .map(|row| self.positions[*row].clone())
            .collect();
        Self {
            layers,
            positions,
            capacity: self.capacity,
        }
    }

    /// The same with room for `capacity` columns instead of this cache's own, at least those that are filled.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn select_rows_within(&self, rows: &[usize], capacity: usize) -> Self {
        let filled = self.columns();
        let capacity = capacity.max(filled);
        let grown = |values: &Tensor<4>| {
            let [_, heads, _, dim] = values.dims();
            let device = values.device();
            let data: Vec<i64> = rows.iter().map(|row| *row as i64).collect();
            let data = TensorData::new(data, [rows.len()]);
            let indices = Tensor::<1, Int>::from_data(data, &device);
            let options = (&device, values.dtype());
            let room = Tensor::<4>::zeros([rows.len(), heads, capacity, dim], options);
            if filled == 0 || rows.is_empty() {
                return room;
            }
            let old = values.clone().slice_dim(2, 0..filled).select(0, indices);
            room.slice_assign([0..rows.len(), 0..heads, 0..filled, 0..dim], old)
        };
        let layers = self.layers.iter();
        Self {
            layers: layers
                .map(|layer| layer.as_ref().map(|(k, v)| (grown(k), grown(v))))
                .collect(),
            positions: rows
                .iter()
                .map(|row| self.positions[*row].clone())
                .collect(),
            capacity,
        }
    }

    /// Checks that a pass continues this cache, and notes its columns. Called by a model at the start of a pass.
    ///
    /// # Errors
    /// Another batch size, another offset, or too little room.
    pub fn extend(&mut self, pass: &Pass) -> Result<(), LmError> {
        let fail = |what: String| Err(LmError::Input { what });
        if pass.batch() != self.batch() {
            return fail(format!(
                "a pass of {} rows cannot continue a cache of {}",
                pass.batch(),
                self.batch()
            ));
        }
        if pass.cache_offset() != self.columns() {
            let (found, expected) = (pass.cache_offset(), self.columns());
            return fail(format!(
                "the pass continues after {found} columns, but the cache holds {expected}"
            ));
        }
        if self.columns() + pass.columns() > self.capacity {
            let (used, room) = (self.columns(), self.capacity);
            return fail(format!(
                "the cache holds {used} of {room} columns; {} more do not fit",
                pass.columns()
            ));
        }
        for (row, cells) in self
            .positions
            .iter_mut()
            .zip(pass.positions().chunks(pass.columns()))
        {
            row.extend_from_slice(cells);
        }
        Ok(())
    }

    /// Puts a block's new keys and values `[batch, kv_heads, columns, head_dim]` behind the old ones and returns all of them.
    /// Called after [`extend`](Self::extend), once per block.
    ///
    /// # Panics
    /// When the shapes do not fit or there is no such block.
    pub fn append(
        &mut self,
        layer: usize,
        keys: Tensor<4>,
        values: Tensor<4>,
    ) -> (Tensor<4>, Tensor<4>) {
        let [batch, heads, new, dim] = keys.dims();
        let end = self.columns();
        let place = [0..batch, 0..heads, end - new..end, 0..dim];
        // Taken out so that the buffers have one owner and are written in place.
        let (old_keys, old_values) = self.layers[layer]
            .take()
            .expect("a block's cache is always put back");
        let keys = old_keys.slice_assign(place.clone(), keys);
        let values = old_values.slice_assign(place, values);
        let filled = [0..batch, 0..heads, 0..end, 0..dim];
        let all = (
            keys.clone().slice(filled.clone()),
            values.clone().slice(filled),
        );
        self.layers[layer] = Some((keys, values));
        all
    }
}

#[cfg(test)]
mod tests {
    use firetender_hooks::Padding;

    use super::*;

    fn pass(columns: std::ops::Range<usize>) -> Pass {
        Pass::whole(&[vec![1, 2, 3, 4]], Padding::Left, 0)
            .unwrap()
            .chunk(columns)
    }

    #[test]
    fn only_the_next_columns_fit() {
        let mut cache = KvCache::new(1, 1, 1, 3, 2, &Device::flex());
        assert!(cache.extend(&pass(1..2)).is_err(), "a gap");
        cache.extend(&pass(0..2)).unwrap();
        assert!(cache.extend(&pass(0..2)).is_err(), "the same again");
        assert!(cache.extend(&pass(2..4)).is_err(), "no room");
        cache.extend(&pass(2..3)).unwrap();
        cache.truncate(1);
        cache.extend(&pass(1..3)).unwrap();
        assert_eq!(cache.positions(0), [0, 1, 2]);
    }

    #[test]
    fn what_goes_in_comes_out() {
        let device = Device::flex();
        let mut cache = KvCache::new(1, 1, 1, 4, 1, &device);
        cache.extend(&pass(0..2)).unwrap();
        cache.append(
            0,
            Tensor::from_floats([[[[1.0], [2.0]]]], &device),
            Tensor::ones([1, 1, 2, 1], &device),
        );
        cache.extend(&pass(2..3)).unwrap();
        let (keys, values) = cache.append(
            0,
            Tensor::from_floats([[[[3.0]]]], &device),
            Tensor::zeros([1, 1, 1, 1], &device),
        );
        assert_eq!(
            keys.into_data().try_to_vec::<f32>().unwrap(),
            [1.0, 2.0, 3.0]
        );
        assert_eq!(
            values.into_data().try_to_vec::<f32>().unwrap(),
            [1.0, 1.0, 0.0]
        );
        let twice = cache.select_rows(&[0, 0]);
        assert_eq!((twice.batch(), twice.columns()), (2, 3));
        let mut wider = cache.select_rows_within(&[0, 0, 0], 9);
        assert_eq!(
            (wider.batch(), wider.columns(), wider.capacity()),
            (3, 3, 9)
        );
        let next = Pass::from_parts(vec![0; 3], vec![3; 3], vec![4; 3], 3).unwrap();
        wider.extend(&next).unwrap();
        let new = || Tensor::full([3, 1, 1, 1], 7.0, &device);
        let (keys, _) = wider.append(0, new(), new());
        assert_eq!(
            keys.into_data().try_to_vec::<f32>().unwrap(),
            [1.0, 2.0, 3.0, 7.0].repeat(3)
        );
    }
}
