//! The last layer's posterior in closed form.
//!
//! For features φ (with a 1 for the bias) and probabilities p = softmax(φ W), the generalised Gauss-Newton matrix of the summed
//! negative log-likelihood is `Σ φ φᵀ ⊗ (diag p − p pᵀ)`, which for a linear layer is the Hessian itself. With the prior's precision
//! on the diagonal it is the precision of the Gaussian (Kristiadi, Hein and Hennig 2020; "last-layer Laplace"). It takes
//! (features + 1)² classes² numbers: fine for 64 × 10, not for 2048 × 1000.
//!
//! Sums run as matrix products on the features' device, the factorisation in `f64` on the host.

use burn::tensor::{DType, Tensor, TensorData, activation::softmax};

use crate::{
    UncertaintyError,
    training::{
        noise::{Purpose, normals, stream},
        space::{factor, host},
    },
};

/// A Gaussian over the weights `[features, classes]` and biases `[classes]` of a classifier's last linear layer.
///
/// ```
/// use burn::{nn::LinearConfig, tensor::{Device, Tensor}};
/// use firetender_uncertainty::training::LastLayerLaplace;
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let device = Device::flex();
/// let head = LinearConfig::new(2, 3).init(&device);
/// let features = Tensor::<2>::from_floats([[1.0, 0.5], [-0.3, 2.0], [0.1, 0.1]], &device);
/// let mut posterior = LastLayerLaplace::new(head.weight.val(), head.bias.as_ref().map(|bias| bias.val()))?;
/// posterior.add(features.clone())?;
/// let fitted = posterior.with_prior(1.0)?;
/// let sample = fitted.sample(7, 0)?;
/// assert_eq!(sample.logits(features).dims(), [3, 3]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct LastLayerLaplace {
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    inputs: usize,
    classes: usize,
    /// Lower triangle of the curvature, row by row; index `class · inputs + input`.
    curvature: Vec<f64>,
    objects: u64,
    prior: f64,
    /// Lower Cholesky factor of curvature plus prior, once there is a prior.
    factor: Option<Vec<f64>>,
    scale: f64,
}

/// One draw of a last layer.
#[derive(Debug, Clone)]
pub struct LastLayerSample {
    /// Weights, `[features, classes]`.
    pub weight: Tensor<2>,
    /// Biases, `[classes]`, where the layer has them.
    pub bias: Option<Tensor<1>>,
}

impl LastLayerSample {
    /// Logits `[rows, classes]` of features `[rows, features]`.
    #[must_use]
    pub fn logits(&self, features: Tensor<2>) -> Tensor<2> {
        let logits = features.matmul(self.weight.clone());
        match &self.bias {
            Some(bias) => logits + bias.clone().unsqueeze(),
            None => logits,
        }
    }
}

impl LastLayerLaplace {
    /// Around these trained weights `[features, classes]` (as Burn stores them) and biases; no data yet.
    ///
    /// # Errors
    /// Fewer than two classes; a bias of another length.
    pub fn new(weight: Tensor<2>, bias: Option<Tensor<1>>) -> Result<Self, UncertaintyError> {
        let [features, classes] = weight.dims();
        if classes < 2 {
            return Err(UncertaintyError::Classes { found: classes });
        }
        if let Some(bias) = &bias
            && bias.dims() != [classes]
        {
            return Err(UncertaintyError::Length {
                what: "bias",
                found: bias.dims()[0],
                expected: classes,
            });
        }
        let inputs = features + usize::from(bias.is_some());
        let size = inputs * classes;
        Ok(Self {
            weight: weight.without_autodiff(),
            bias: bias.map(Tensor::without_autodiff),
            inputs,
            classes,
            curvature: vec![0.0; size * (size + 1) / 2],
            objects: 0,
            prior: 0.0,
            factor: None,
            scale: 1.0,
        })
    }

    /// Adds the curvature of these training objects, `[rows, features]`: what the layer's input was in evaluation mode.
    ///
    /// # Errors
    /// Features of another width; a device that cannot be read; a value that is not finite.
    pub fn add(&mut self, features: Tensor<2>) -> Result<(), UncertaintyError> {
        let features = features.without_autodiff();
        let [rows, width] = features.dims();
        let expected = self.weight.dims()[0];
        if width != expected {
            return Err(UncertaintyError::Mismatch {
                place: "features".to_owned(),
                field: "width",
                found: width.to_string(),
                expected: expected.to_string(),
            });
        }
        let sample = LastLayerSample {
            weight: self.weight.clone(),
            bias: self.bias.clone(),
        };
        let probabilities = softmax(sample.logits(features.clone()), 1);
        let features = if self.bias.is_some() {
            let ones = features.ones_like().narrow(1, 0, 1);
            Tensor::cat(vec![features, ones], 1)
        } else {
            features
        };
        let transposed = features.clone().transpose();
        for left in 0..self.classes {
            let p = probabilities.clone().narrow(1, left, 1);
            for right in 0..=left {
                let q = probabilities.clone().narrow(1, right, 1);
                let factor = if left == right {
                    p.clone() * (p.ones_like() - q)
                } else {
                    (p.clone() * q).neg()
                };
                let block = host(transposed.clone().matmul(features.clone() * factor))?;
                self.place(left, right, &block)?;
            }
        }
        self.objects += rows as u64;
        self.factor = None;
        Ok(())
    }

    /// Adds one block of the curvature to the lower triangle.
    fn place(&mut self, left: usize, right: usize, block: &[f64]) -> Result<(), UncertaintyError> {
        for a in 0..self.inputs {
            let row = left * self.inputs + a;
            for b in 0..self.inputs {
                let column = right * self.inputs + b;
                if column > row {
                    continue;
                }
                let value = block[a * self.inputs + b];
                if !value.is_finite() {
                    return Err(UncertaintyError::Mismatch {
                        place: format!("curvature between classes {left} and {right}"),
                        field: "value",
                        found: value.to_string(),
                        expected: "a finite number (are the features finite?)".to_owned(),
                    });
                }
                self.curvature[row * (row + 1) / 2 + column] += value;
            }
        }
        Ok(())
    }

    /// Objects whose curvature was added.
    #[must_use]
    pub fn objects(&self) -> u64 {
        self.objects
    }

    /// With a prior `N(0, 1/precision)` on each weight and bias: factors the matrix.
    ///
    /// # Errors
    /// A precision that is not positive and finite.
    pub fn with_prior(mut self, precision: f64) -> Result<Self, UncertaintyError> {
        if !(precision > 0.0 && precision.is_finite()) {
            return Err(UncertaintyError::Options {
                field: "precision",
                found: precision.to_string(),
                expected: "positive and finite",
            });
        }
        let mut matrix = self.curvature.clone();
        let size = self.inputs * self.classes;
        for row in 0..size {
            matrix[row * (row + 1) / 2 + row] += precision;
        }
        cholesky(&mut matrix, size)?;
        self.factor = Some(matrix);
        self.prior = precision;
        Ok(self)
    }

    /// Deviations from the trained weights times this factor; 1 is the posterior.
    ///
    /// # Errors
    /// A negative factor, or one that is not finite.
    pub fn with_scale(self, scale: f64) -> Result<Self, UncertaintyError> {
        let scale = factor("scale", scale)?;
        Ok(Self { scale, ..self })
    }

    /// Layer number `index` of this seed: `trained + scale · L⁻ᵀ z` for the precision `L Lᵀ`.
    ///
    /// # Errors
    /// Before [`with_prior`](Self::with_prior); a device that cannot be read.
    pub fn sample(&self, seed: u64, index: u64) -> Result<LastLayerSample, UncertaintyError> {
        let factor = self.factor.as_ref().ok_or(UncertaintyError::Empty {
            what: "prior precisions (call `with_prior` after the last `add`)",
        })?;
        let size = self.inputs * self.classes;
        let mut random = stream(seed, Purpose::Laplace, [index, 0], 0);
        let mut noise = normals(&mut random, size);
        solve_transposed(factor, &mut noise);
        let features = self.weight.dims()[0];
        let mut weight = vec![0.0_f32; features * self.classes];
        let mut bias = vec![0.0_f32; self.classes];
        for class in 0..self.classes {
            let of_class = &noise[class * self.inputs..(class + 1) * self.inputs];
            for (feature, &value) in of_class.iter().enumerate() {
                let value = (self.scale * value) as f32;
                if feature < features {
                    weight[feature * self.classes + class] = value;
                } else {
                    bias[class] = value;
                }
            }
        }
        let device = self.weight.device();
        let weight = Tensor::<2>::from_data(
            TensorData::new(weight, [features, self.classes]),
            (&device, DType::F32),
        );
        let bias = self.bias.clone().map(|trained| {
            let bias = Tensor::<1>::from_data(
                TensorData::new(bias, [self.classes]),
                (&device, DType::F32),
            );
            bias.cast(trained.dtype()) + trained
        });
        Ok(LastLayerSample {
            weight: weight.cast(self.weight.dtype()) + self.weight.clone(),
            bias,
        })
    }

    /// Layers without end, as [`sample`](Self::sample) makes them.
    pub fn samples(
        &self,
        seed: u64,
    ) -> impl Iterator<Item = Result<LastLayerSample, UncertaintyError>> + '_ {
        (0..).map(move |index| self.sample(seed, index))
    }

    /// The Laplace approximation of the log marginal likelihood, with the summed log-likelihood of the same objects: the larger, the
    /// better the prior; it needs no held-out data. Constants that no prior changes are left in:
    /// `ln p(D) ≈ log_likelihood − ½ (precision |w|² − d ln precision + ln det P)`.
    ///
    /// # Errors
    /// Before [`with_prior`](Self::with_prior); a device that cannot be read.
    pub fn log_evidence(&self, log_likelihood: f64) -> Result<f64, UncertaintyError> {
        let factor = self.factor.as_ref().ok_or(UncertaintyError::Empty {
            what: "prior precisions (call `with_prior` after the last `add`)",
        })?;
        let size = self.inputs * self.classes;
        let log_determinant: f64 = (0..size)
            .map(|row| 2.0 * factor[row * (row + 1) / 2 + row].ln())
            .sum();
        let mut squares: f64 = host(self.weight.clone())?.iter().map(|w| w * w).sum();
        if let Some(bias) = &self.bias {
            squares += host(bias.clone())?.iter().map(|w| w * w).sum::<f64>();
        }
        let prior = self.prior * squares - size as f64 * self.prior.ln();
        Ok(log_likelihood - 0.5 * (prior + log_determinant))
    }
}

/// Factors a symmetric matrix, given as its lower triangle row by row, in place.
fn cholesky(matrix: &mut [f64], size: usize) -> Result<(), UncertaintyError> {
    for row in 0..size {
        let (above, own) = matrix.split_at_mut(row * (row + 1) / 2);
        for column in 0..=row {
            let start = column * (column + 1) / 2;
            let other = if column < row {
                &above[start..start + column]
            } else {
                &[][..]
            };
            if column < row {
                let sum: f64 = other.iter().zip(&own[..column]).map(|(a, b)| a * b).sum();
                own[column] = (own[column] - sum) / above[start + column];
            } else {
                let sum: f64 = own[..row].iter().map(|a| a * a).sum();
                let pivot = own[row] - sum;
                if !(pivot > 0.0 && pivot.is_finite()) {
                    return Err(UncertaintyError::Mismatch {
                        place: format!("precision matrix, pivot {row}"),
                        field: "value",
                        found: pivot.to_string(),
                        expected: "positive (a larger prior precision makes it so)".to_owned(),
                    });
                }
                own[row] = pivot.sqrt();
            }
        }
    }
    Ok(())
}

/// Solves `Lᵀ x = z` in place, L as [`cholesky`] leaves it.
fn solve_transposed(factor: &[f64], values: &mut [f64]) {
    for row in (0..values.len()).rev() {
        let start = row * (row + 1) / 2;
        values[row] /= factor[start + row];
        let solved = values[row];
        for (value, coefficient) in values[..row].iter_mut().zip(&factor[start..start + row]) {
            *value -= coefficient * solved;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_times_its_transpose_is_the_matrix() {
        // [[4, 2, 1], [2, 5, 3], [1, 3, 6]]
        let matrix = [4.0, 2.0, 5.0, 1.0, 3.0, 6.0];
        let mut factor = matrix;
        cholesky(&mut factor, 3).unwrap();
        for row in 0..3 {
            for column in 0..=row {
                let sum: f64 = (0..=column)
                    .map(|k| {
                        factor[row * (row + 1) / 2 + k] * factor[column * (column + 1) / 2 + k]
                    })
                    .sum();
                assert!((sum - matrix[row * (row + 1) / 2 + column]).abs() < 1e-12);
            }
        }
        let mut x = [1.0, 2.0, 3.0];
        solve_transposed(&factor, &mut x);
        let back = factor[5] * x[2];
        assert!((back - 3.0).abs() < 1e-12);
        let back = factor[2] * x[1] + factor[4] * x[2];
        assert!((back - 2.0).abs() < 1e-12);
        let back = factor[0] * x[0] + factor[1] * x[1] + factor[3] * x[2];
        assert!((back - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_matrix_that_is_not_positive_is_an_error() {
        assert!(cholesky(&mut [1.0, 2.0, 1.0], 2).is_err());
    }
}
