//! Comparisons that say where two arrays differ most.

use burn::tensor::Tensor;

/// A tensor's values on the host.
#[must_use]
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_to_vec().unwrap()
}

/// Asserts that two arrays agree to an absolute tolerance; NaN never agrees.
pub fn assert_close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}: number of values");
    let mut worst = (0, 0.0);
    for (index, (a, b)) in found.iter().zip(expected).enumerate() {
        let difference = (a - b).abs();
        assert!(!difference.is_nan(), "{what}: {a} against {b} at {index}");
        if difference > worst.1 {
            worst = (index, difference);
        }
    }
    let (index, difference) = worst;
    assert!(
        difference <= tolerance,
        "{what}: {} against {} at {index}; difference {difference:e}, allowed {tolerance:e}",
        found[index],
        expected[index]
    );
}
