//! Kullback–Leibler divergence between two next-token distributions, on the device.

use burn::tensor::{Bool, Tensor};

/// Below this difference of log-probabilities a series is more exact than the formula.
const SMALL: f32 = 0.1;

/// `KL(p ‖ q) = Σ p (log p − log q)` of each row, from log-probabilities `[n, vocabulary]` to `[n]`.
///
/// Computed in the shifted form `Σ [p (log p − log q) − p + q]`, which has the same value because both sum to one, but whose
/// terms are all zero or more: small divergences do not drown in rounding, equal rows give exactly 0, and so does the gradient
/// there. Each term is `q · φ(δ)` with `δ = log p − log q` and `φ(δ) = δ e^δ − e^δ + 1`; near 0, where the formula cancels, the
/// series `δ²/2 + δ³/3 + δ⁴/8 + δ⁵/30 + δ⁶/144` takes its place. Gradients pass to both arguments.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use firetender_steer::token_kl;
/// let log = |p: [f32; 2]| Tensor::<1>::from_floats(p, &Device::flex()).log().unsqueeze::<2>();
/// let kl = token_kl(log([0.5, 0.5]), log([0.9, 0.1])).into_data().try_to_vec::<f32>().unwrap();
/// assert!((kl[0] - 0.510826).abs() < 1e-5);
/// assert_eq!(token_kl(log([0.3, 0.7]), log([0.3, 0.7])).into_data().try_to_vec::<f32>().unwrap(), [0.0]);
/// ```
#[must_use]
pub fn token_kl(p: Tensor<2>, q: Tensor<2>) -> Tensor<1> {
    let delta = p.clone() - q.clone();
    kl_of(delta, p.exp(), q.exp())
}

/// As [`token_kl`], for those who have `δ = log p − log q` and both probabilities already.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use firetender_steer::{kl_of, token_kl};
/// let row = |p: [f32; 2]| Tensor::<1>::from_floats(p, &Device::flex()).unsqueeze::<2>();
/// let (p, q) = (row([0.5, 0.5]), row([0.9, 0.1]));
/// let delta = p.clone().log() - q.clone().log();
/// let kl = kl_of(delta, p, q).into_data().try_to_vec::<f32>().unwrap();
/// assert!((kl[0] - 0.510826).abs() < 1e-5);
/// ```
#[must_use]
pub fn kl_of(delta: Tensor<2>, p: Tensor<2>, q: Tensor<2>) -> Tensor<1> {
    let small = delta.clone().abs().lower_elem(SMALL);
    divergence(delta, p, q, small)
}

/// `[KL(p ‖ q), KL(q ‖ p)]`, as two calls of [`token_kl`] would give, at two thirds of their cost.
pub(crate) fn token_kl_both(p: Tensor<2>, q: Tensor<2>) -> [Tensor<1>; 2] {
    let delta = p.clone() - q.clone();
    let small = delta.clone().abs().lower_elem(SMALL);
    let (p, q) = (p.exp(), q.exp());
    [
        divergence(delta.clone(), p.clone(), q.clone(), small.clone()),
        divergence(-delta, q, p, small),
    ]
}

/// Jensen–Shannon divergence `½ KL(p ‖ m) + ½ KL(q ‖ m)` with `m = (p + q)/2` of each row, from log-probabilities
/// `[n, vocabulary]` to `[n]`, in nats: from exactly 0 for equal rows to log 2.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use firetender_steer::token_js;
/// let log = |p: [f32; 2]| Tensor::<1>::from_floats(p, &Device::flex()).log().unsqueeze::<2>();
/// let js = |p, q| token_js(log(p), log(q)).into_data().try_to_vec::<f32>().unwrap()[0];
/// assert_eq!(js([0.3, 0.7], [0.3, 0.7]), 0.0);
/// assert!((js([0.5, 0.5], [0.9, 0.1]) - 0.101749).abs() < 1e-6);
/// ```
#[must_use]
pub fn token_js(p: Tensor<2>, q: Tensor<2>) -> Tensor<1> {
    // Beyond this the rarer side adds less than f32 can hold.
    let delta = (p.clone() - q.clone()).clamp(-80.0, 80.0);
    let (p, q) = (p.exp(), q.exp());
    let middle = (p.clone() + q.clone()) / 2.0;
    // log p − log m = −log((1 + e^−δ)/2), and the same for q.
    let half = |delta: Tensor<2>| -((delta.exp() + 1.0) / 2.0).log();
    let side = |delta: Tensor<2>, p: Tensor<2>| {
        let small = delta.clone().abs().lower_elem(SMALL);
        divergence(delta, p, middle.clone(), small)
    };
    (side(half(-delta.clone()), p) + side(half(delta), q)) / 2.0
}

/// From `δ`, probabilities, and where `δ` is small.
fn divergence(delta: Tensor<2>, p: Tensor<2>, q: Tensor<2>, small: Tensor<2, Bool>) -> Tensor<1> {
    let plain = p.clone() * delta.clone() - p + q.clone();
    // Horner's rule; outside the small region the value is not used, and is kept finite for the gradient's sake.
    let d = delta.clamp(-SMALL, SMALL);
    let mut series = d.clone() / 144.0 + 1.0 / 30.0;
    for coefficient in [1.0 / 8.0, 1.0 / 3.0, 0.5] {
        series = series * d.clone() + coefficient;
    }
    let series = q * series * d.square();
    plain.mask_where(small, series).sum_dim(1).squeeze_dim(1)
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;
    use burn::tensor::{Device, TensorData, activation::log_softmax};

    use super::*;

    fn logits(n: usize, vocab: usize, seed: usize, scale: f32) -> Vec<f32> {
        (0..n * vocab)
            .map(|i| scale * (((i + seed) * 7919 % 1013) as f32 / 1013.0 - 0.5))
            .collect()
    }

    fn oracle(p: &[f32], q: &[f32]) -> f64 {
        let log_softmax = |row: &[f32]| -> Vec<f64> {
            let top = f64::from(row.iter().copied().fold(f32::MIN, f32::max));
            let sum: f64 = row.iter().map(|x| (f64::from(*x) - top).exp()).sum();
            row.iter().map(|x| f64::from(*x) - top - sum.ln()).collect()
        };
        let (p, q) = (log_softmax(p), log_softmax(q));
        p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum()
    }

    #[test]
    fn the_device_path_agrees_with_f64_on_the_host() {
        let device = Device::flex();
        // Differences from tiny to huge: a token may become practically impossible.
        for (n, vocab, shift) in [(3, 97, 1e-2), (2, 97, 1.0), (2, 5000, 0.3), (2, 11, 200.0)] {
            let base = logits(n, vocab, 1, 8.0);
            let noise = logits(n, vocab, 400, shift);
            let moved: Vec<f32> = base.iter().zip(&noise).map(|(a, b)| a + b).collect();
            let tensor = |values: &[f32]| {
                let data = TensorData::new(values.to_vec(), [n, vocab]);
                log_softmax(Tensor::<2>::from_data(data, &device), 1)
            };
            let ours = token_kl(tensor(&moved), tensor(&base));
            let ours: Vec<f32> = ours.into_data().try_to_vec().unwrap();
            for (row, found) in ours.iter().enumerate() {
                let cut = row * vocab..(row + 1) * vocab;
                let expected = oracle(&moved[cut.clone()], &base[cut]);
                assert_relative_eq!(f64::from(*found), expected, max_relative = 2e-4);
                assert!(*found >= 0.0);
            }
            let (p, q) = (tensor(&moved), tensor(&base));
            let [there, back] = token_kl_both(p.clone(), q.clone());
            assert_eq!(
                there.into_data(),
                token_kl(p.clone(), q.clone()).into_data()
            );
            assert_eq!(back.into_data(), token_kl(q, p).into_data());
        }
    }

    #[test]
    fn jensen_shannon_agrees_with_f64_and_stays_below_log_2() {
        let device = Device::flex();
        for (shift, scale) in [(1e-2, 8.0), (1.0, 8.0), (50.0, 8.0), (400.0, 300.0)] {
            let base = logits(3, 61, 1, scale);
            let noise = logits(3, 61, 400, shift);
            let moved: Vec<f32> = base.iter().zip(&noise).map(|(a, b)| a + b).collect();
            let tensor = |values: &[f32]| {
                let data = TensorData::new(values.to_vec(), [3, 61]);
                log_softmax(Tensor::<2>::from_data(data, &device), 1)
            };
            let ours = token_js(tensor(&moved), tensor(&base)).into_data();
            let other = token_js(tensor(&base), tensor(&moved)).into_data();
            let (ours, other): (Vec<f32>, Vec<f32>) =
                (ours.try_to_vec().unwrap(), other.try_to_vec().unwrap());
            for (row, found) in ours.iter().enumerate() {
                let cut = row * 61..(row + 1) * 61;
                let probabilities = |row: &[f32]| -> Vec<f64> {
                    let top = f64::from(row.iter().copied().fold(f32::MIN, f32::max));
                    let e: Vec<f64> = row.iter().map(|x| (f64::from(*x) - top).exp()).collect();
                    let sum: f64 = e.iter().sum();
                    e.iter().map(|x| x / sum).collect()
                };
                let (p, q) = (
                    probabilities(&moved[cut.clone()]),
                    probabilities(&base[cut]),
                );
                let term = |a: f64, m: f64| if a > 0.0 { a * (a / m).ln() } else { 0.0 };
                let pairs = p.iter().zip(&q).map(|(p, q)| {
                    let m = (p + q) / 2.0;
                    (term(*p, m) + term(*q, m)) / 2.0
                });
                let expected: f64 = pairs.sum();
                assert_relative_eq!(
                    f64::from(*found),
                    expected,
                    max_relative = 1e-3,
                    epsilon = 1e-9
                );
                assert!((0.0..=0.693_148).contains(found), "{found}");
                assert_relative_eq!(*found, other[row], max_relative = 1e-4);
            }
        }
    }

    #[test]
    fn gradients_are_exact_zeros_at_equality_and_softmax_differences_elsewhere() {
        let device = Device::flex().autodiff();
        let tensor = |values: Vec<f32>| {
            Tensor::<2>::from_data(TensorData::new(values, [2, 50]), &device).require_grad()
        };
        let base = logits(2, 50, 1, 6.0);
        let student = tensor(base.clone());
        let data = TensorData::new(base.clone(), [2, 50]);
        let teacher = log_softmax(Tensor::<2>::from_data(data, &Device::flex()), 1);
        let loss = token_kl(log_softmax(student.clone(), 1), teacher.clone()).sum();
        let gradient = student.grad(&loss.backward()).unwrap();
        assert_eq!(gradient.abs().max().into_scalar::<f32>(), 0.0);

        let moved: Vec<f32> = base
            .iter()
            .zip(logits(2, 50, 9, 3.0))
            .map(|(a, b)| a + b)
            .collect();
        let student = tensor(moved.clone());
        let loss = token_kl(log_softmax(student.clone(), 1), teacher).sum();
        let gradient = student.grad(&loss.backward()).unwrap();
        let gradient: Vec<f32> = gradient.into_data().try_to_vec().unwrap();
        for at in [0, 7, 49, 50, 99] {
            let row = at / 50 * 50..at / 50 * 50 + 50;
            let total = |x: f32| {
                let mut changed = moved.clone();
                changed[at] = x;
                oracle(&changed[row.clone()], &base[row.clone()])
            };
            let (up, down) = (moved[at] + 1e-2, moved[at] - 1e-2);
            let central = (total(up) - total(down)) / f64::from(up - down);
            assert_relative_eq!(f64::from(gradient[at]), central, epsilon = 2e-5);
        }
    }
}
