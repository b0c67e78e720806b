//! Merges by hand, spread, plans.

use super::*;
use burn::tensor::Device;

fn tables() -> Vec<Tensor<2>> {
    let device = Device::flex();
    let of = |p: [[f32; 2]; 2]| Tensor::<2>::from_data(p.map(|r| r.map(f32::ln)), &device);
    vec![of([[0.9, 0.1], [0.5, 0.5]]), of([[0.5, 0.5], [0.5, 0.5]])]
}

fn probs(how: &Merge, weights: &[f64], t: f64) -> Vec<f32> {
    merge(&tables(), weights, how, t)
        .unwrap()
        .probs
        .into_data()
        .try_to_vec()
        .unwrap()
}

#[test]
fn merges_by_hand() {
    let near = |found: Vec<f32>, first: f32| {
        assert!((found[0] - first).abs() < 1e-6, "{found:?} {first}");
        assert!((found[2] - 0.5).abs() < 1e-6);
    };
    let half = [0.5, 0.5];
    near(probs(&Merge::Mean, &half, 1.0), 0.7);
    near(probs(&Merge::Weighted(vec![]), &[1.0, 0.0], 1.0), 0.9);
    near(probs(&Merge::Max, &half, 1.0), 0.9 / 1.4);
    near(probs(&Merge::Min, &half, 1.0), 0.5 / 0.6);
    let g = (0.45_f32.sqrt(), 0.05_f32.sqrt());
    near(probs(&Merge::GeometricMean, &half, 1.0), g.0 / (g.0 + g.1));
    let s = (
        0.9_f32.sqrt() + 0.5_f32.sqrt(),
        0.1_f32.sqrt() + 0.5_f32.sqrt(),
    );
    near(probs(&Merge::Sharpen, &half, 1.0), s.0 / (s.0 + s.1));
    near(probs(&Merge::Mean, &half, 0.5), 0.49 / (0.49 + 0.09));
}

#[test]
fn spread_is_zero_where_samples_agree() {
    let found = merge(&tables(), &[0.5, 0.5], &Merge::Mean, 1.0).unwrap();
    let variance: Vec<f32> = found.variance.into_data().try_to_vec().unwrap();
    assert!((variance[0] - 0.08).abs() < 1e-6 && variance[1] < 1e-7);
    let information: Vec<f32> = found.mutual_information.into_data().try_to_vec().unwrap();
    let h = |p: f32| -p * p.ln() - (1.0 - p) * (1.0 - p).ln();
    assert!((information[0] - (h(0.7) - (h(0.9) + h(0.5)) / 2.0)).abs() < 1e-6);
    assert!(information[1] < 1e-6);
    assert!(merge(&[], &[], &Merge::Mean, 1.0).is_err());
    assert!(merge(&tables(), &[1.0], &Merge::Mean, 1.0).is_err());
    assert!(merge(&tables(), &[0.5, 0.5], &Merge::Mean, f64::NAN).is_err());
    let short = vec![tables()[0].clone(), tables()[1].clone().narrow(0, 0, 1)];
    assert!(merge(&short, &[0.5, 0.5], &Merge::Mean, 1.0).is_err());
}

#[test]
fn more_samples_than_entries_go_round() {
    let policy = crate::baselines::crop_flip(&Policy::cifar(), 3);
    let plan = Tta::new(&policy).plan(7).unwrap();
    assert_eq!(
        plan,
        [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (0, 2)]
    );
    assert!(Tta::new(&Policy::cifar()).plan(3).is_err());
    assert_eq!(Tta::new(&policy).whole(3).unwrap().len(), 3);
    let error = Tta::new(&policy).whole(2).unwrap_err().to_string();
    assert!(
        error.contains("3 recipes") && error.contains("at most 2"),
        "{error}"
    );
    assert!(Tta::new(&policy).with_temperature(0.0).is_err());
}
