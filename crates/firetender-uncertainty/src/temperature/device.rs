//! The temperature fit on the caller's device.

use burn::tensor::{Int, Tensor};

use super::{TemperatureFit, TemperatureOptions, TemperatureStatus};
use crate::UncertaintyError;

/// Steps of this relative size are below what `f32` sums resolve.
const ENOUGH: f64 = 1e-6;
const MOST: usize = 60;

/// As [`fit_temperature`](super::fit_temperature), with the exponentials on the device of `logits` (`[N, C]`, finite) and in its
/// precision; derivatives of single rows come back in one transfer a round and are summed in `f64`. For `f32` the temperature
/// agrees with the exact path to about 1e-5 relative.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use firetender_uncertainty::{TemperatureOptions, fit_temperature_tensor};
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let z = 2.0 * 3_f32.ln();
/// let device = Device::flex();
/// let logits = Tensor::<2>::from_data([[z, 0.0], [z, 0.0], [z, 0.0], [z, 0.0]], &device);
/// let labels = Tensor::<1, Int>::from_data([0, 0, 0, 1], &device);
/// let fit = fit_temperature_tensor(logits, labels, &TemperatureOptions::default())?;
/// assert!((fit.temperature - 2.0).abs() < 1e-5);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`UncertaintyError::Length`] when there are not as many labels as rows, [`UncertaintyError::Empty`] without rows,
/// [`UncertaintyError::Label`] for a label that names no class, [`UncertaintyError::Tensor`] when the device fails or a logit is
/// not finite, [`UncertaintyError::Options`] for bounds that are none.
pub fn fit_temperature_tensor(
    logits: Tensor<2>,
    labels: Tensor<1, Int>,
    options: &TemperatureOptions,
) -> Result<TemperatureFit, UncertaintyError> {
    options.check()?;
    let [rows, classes] = logits.dims();
    super::check_length("labels", labels.dims()[0], rows)?;
    if rows == 0 {
        return Err(UncertaintyError::Empty {
            what: "rows of scores",
        });
    }
    let given = labels
        .clone()
        .try_into_vec_as::<i64>()
        .map_err(|e| failed("labels", &e.to_string()))?;
    if let Some(row) = given.iter().position(|l| !(0..classes as i64).contains(l)) {
        return Err(UncertaintyError::Label {
            row,
            found: given[row],
            classes,
        });
    }
    let centred = logits.clone() - logits.max_dim(1);
    let target = read(centred.clone().gather(1, labels.reshape([rows as i32, 1])))?;
    let mean = read(centred.clone().mean_dim(1))?;
    let spread = read(
        (centred.clone() - centred.clone().mean_dim(1))
            .square()
            .mean_dim(1)
            .sqrt(),
    )?;
    let count = rows as f64;
    let scale = spread.iter().sum::<f64>() / count;
    if !scale.is_finite() {
        return Err(failed("logits", "a value is not finite"));
    }
    let unit = if scale > 0.0 { scale } else { 1.0 };
    let (least, most) = (options.min_sharpness / unit, options.max_sharpness / unit);
    let start_slope: f64 = mean.iter().zip(&target).map(|(m, t)| m - t).sum();
    let done = |beta: f64, iterations: usize, status| {
        let norm = read((centred.clone() * beta).exp().sum_dim(1))?;
        let sum: f64 = norm
            .iter()
            .zip(&target)
            .map(|(n, t)| beta * t - n.ln())
            .sum();
        Ok(TemperatureFit {
            temperature: 1.0 / beta,
            beta,
            log_likelihood: sum / count,
            iterations,
            status,
            impossible: 0,
        })
    };
    if start_slope >= 0.0 {
        return done(least, 0, TemperatureStatus::NoSignal);
    }
    if target.iter().all(|t| *t >= 0.0) {
        return done(options.at_separable(most), 0, TemperatureStatus::Separable);
    }
    let (mut low, mut high) = (0.0_f64, f64::INFINITY);
    let mut beta = 1.0_f64.clamp(0.25 / unit, 8.0 / unit);
    for iteration in 1..=MOST {
        let e = (centred.clone() * beta).exp();
        let ed = e.clone() * centred.clone();
        let columns = Tensor::cat(
            vec![
                e.sum_dim(1),
                ed.clone().sum_dim(1),
                (ed * centred.clone()).sum_dim(1),
            ],
            1,
        );
        let columns = read(columns)?;
        let (mut slope, mut curvature) = (0.0, 0.0);
        for (row, target) in columns.as_chunks::<3>().0.iter().zip(&target) {
            let mean = row[1] / row[0];
            slope += mean - target;
            curvature += row[2] / row[0] - mean * mean;
        }
        if slope < 0.0 {
            low = beta;
        } else {
            high = beta;
        }
        let newton = beta - slope / curvature;
        let closed = high.is_finite() && high - low <= ENOUGH * high;
        if (newton - beta).abs() <= ENOUGH * beta || closed {
            let status = if (least..=most).contains(&newton) {
                TemperatureStatus::Converged
            } else {
                TemperatureStatus::AtBound
            };
            return done(newton.clamp(least, most), iteration, status);
        }
        beta = if newton > low && newton < high && newton <= 8.0 * beta {
            newton
        } else if high.is_infinite() {
            8.0 * beta
        } else if low == 0.0 {
            beta / 8.0
        } else {
            (low * high).sqrt()
        };
    }
    done(beta.clamp(least, most), MOST, TemperatureStatus::AtBound)
}

/// One transfer, as `f64`.
fn read(tensor: Tensor<2>) -> Result<Vec<f64>, UncertaintyError> {
    tensor
        .try_into_vec_as::<f64>()
        .map_err(|e| failed("logits", &e.to_string()))
}

fn failed(what: &'static str, reason: &str) -> UncertaintyError {
    UncertaintyError::Tensor {
        what,
        reason: reason.to_owned(),
    }
}
