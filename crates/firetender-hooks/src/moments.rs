//! Mean and covariance of vectors that stream by, in memory that does not grow with their number.

use burn::tensor::Tensor;

/// Count, mean and (if asked for) the sum of centred outer products of a stream of vectors, in `f64` on the host.
///
/// Batches are reduced on their device, then merged by the pairwise update of Chan, Golub and LeVeque (1983), so that two
/// halves merged equal one pass up to rounding, and 100,000 samples need no more memory than ten.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use firetender_hooks::Moments;
/// let mut moments = Moments::new(2, true);
/// moments.add(Tensor::from_floats([[1.0, 0.0], [3.0, 0.0]], &Device::flex()));
/// assert_eq!(moments.mean(), [2.0, 0.0]);
/// assert_eq!(moments.covariance().unwrap(), [2.0, 0.0, 0.0, 0.0]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    count: usize,
    mean: Vec<f64>,
    /// Row-major `[width, width]`, or empty when only the mean is kept.
    outer: Vec<f64>,
}

impl Moments {
    /// No samples yet. With `covariance`, `width²` numbers are kept beside the mean.
    #[must_use]
    pub fn new(width: usize, covariance: bool) -> Self {
        Self {
            count: 0,
            mean: vec![0.0; width],
            outer: vec![0.0; if covariance { width * width } else { 0 }],
        }
    }

    /// Adds the rows of `samples`, shape `[n, width]`. The batch is reduced on its device in `f32`.
    ///
    /// # Panics
    /// When the width differs, or the device cannot be read.
    pub fn add(&mut self, samples: Tensor<2>) {
        let [count, width] = samples.dims();
        assert_eq!(
            width,
            self.mean.len(),
            "samples of width {width} for moments of width {}",
            self.mean.len()
        );
        if count == 0 {
            return;
        }
        let mean = samples.clone().mean_dim(0);
        let outer = if self.outer.is_empty() {
            vec![]
        } else {
            let centred = samples - mean.clone();
            to_f64(centred.clone().transpose().matmul(centred))
        };
        self.merge(&Self {
            count,
            mean: to_f64(mean),
            outer,
        });
    }

    /// Takes in another stream's samples.
    ///
    /// # Panics
    /// When the widths differ, or only one side keeps a covariance.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(
            self.mean.len(),
            other.mean.len(),
            "moments of different width"
        );
        assert_eq!(
            self.outer.len(),
            other.outer.len(),
            "one of two moments keeps no covariance"
        );
        if other.count == 0 {
            return;
        }
        let (n, m) = (self.count as f64, other.count as f64);
        let total = n + m;
        let delta: Vec<f64> = other
            .mean
            .iter()
            .zip(&self.mean)
            .map(|(b, a)| b - a)
            .collect();
        let width = delta.len();
        for (index, value) in self.outer.iter_mut().enumerate() {
            let (i, j) = (index / width, index % width);
            *value += other.outer[index] + delta[i] * delta[j] * n * m / total;
        }
        for (mean, d) in self.mean.iter_mut().zip(&delta) {
            *mean += d * m / total;
        }
        self.count += other.count;
    }

    /// Number of samples.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Mean of the samples, zeros when there are none.
    #[must_use]
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Sample covariance (divided by n − 1), row-major `[width, width]`; `None` when it is not kept or n < 2.
    #[must_use]
    pub fn covariance(&self) -> Option<Vec<f64>> {
        if self.outer.is_empty() || self.count < 2 {
            return None;
        }
        let divisor = (self.count - 1) as f64;
        Some(self.outer.iter().map(|v| v / divisor).collect())
    }
}

fn to_f64(tensor: Tensor<2>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;
    use burn::tensor::{Device, TensorData};

    use super::*;

    fn samples(n: usize, width: usize) -> Vec<f32> {
        // A fixed, irregular sequence far from zero mean, so that naive sums of squares would lose digits.
        (0..n * width)
            .map(|i| 50.0 + ((i * 7919 % 1013) as f32) / 97.0)
            .collect()
    }

    #[test]
    fn streaming_equals_two_pass_in_f64() {
        let (n, width) = (257, 5);
        let values = samples(n, width);
        let mut streamed = Moments::new(width, true);
        let mut halves = [Moments::new(width, true), Moments::new(width, true)];
        for (chunk, rows) in values.chunks(32 * width).enumerate() {
            let tensor = || {
                Tensor::from_data(
                    TensorData::new(rows.to_vec(), [rows.len() / width, width]),
                    &Device::flex(),
                )
            };
            streamed.add(tensor());
            halves[chunk % 2].add(tensor());
        }
        let [mut merged, other] = halves;
        merged.merge(&other);

        let mean: Vec<f64> = (0..width)
            .map(|j| {
                (0..n)
                    .map(|i| f64::from(values[i * width + j]))
                    .sum::<f64>()
                    / n as f64
            })
            .collect();
        for (j, mean) in mean.iter().enumerate() {
            assert_relative_eq!(streamed.mean()[j], *mean, max_relative = 1e-6);
            assert_relative_eq!(merged.mean()[j], *mean, max_relative = 1e-6);
        }
        let covariance = streamed.covariance().unwrap();
        for j in 0..width {
            for k in 0..width {
                let direct: f64 = (0..n)
                    .map(|i| {
                        (f64::from(values[i * width + j]) - mean[j])
                            * (f64::from(values[i * width + k]) - mean[k])
                    })
                    .sum::<f64>()
                    / (n - 1) as f64;
                assert_relative_eq!(
                    covariance[j * width + k],
                    direct,
                    epsilon = 1e-4,
                    max_relative = 1e-4
                );
            }
        }
        assert_eq!(merged.count(), n);
    }

    #[test]
    fn empty_batches_change_nothing() {
        let mut moments = Moments::new(3, false);
        moments.add(Tensor::zeros([0, 3], &Device::flex()));
        assert_eq!(moments, Moments::new(3, false));
        assert!(moments.covariance().is_none());
    }
}
