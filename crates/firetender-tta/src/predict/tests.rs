//! Members, batches, broken predictors.

use super::*;
use crate::SubPolicy;

fn toy(scale: f64) -> FromLogits<impl Fn(Tensor<4>) -> Tensor<2>> {
    FromLogits::new(2, move |images: Tensor<4>| {
        let [n, ..] = images.dims();
        let mean = images.reshape([n as i32, -1]).mean_dim(1) - 0.5;
        Tensor::cat(vec![mean.clone(), -mean], 1) * scale
    })
}

#[test]
fn members_average_probabilities() {
    let (a, b) = (toy(2.0), toy(9.0));
    let both = Members::new(vec![&a, &b]).unwrap();
    conformance(&both, [3, 4, 4], &Device::flex()).unwrap();
    let image = Tensor::<4>::ones([1, 3, 2, 2], &Device::flex());
    let p = |x: &dyn Predictor| read(x.log_probs(image.clone()).unwrap()).unwrap()[0].exp();
    assert!((p(&both) - (p(&a) + p(&b)) / 2.0).abs() < 1e-6);
    assert!(Members::new(vec![]).is_err());
}

#[test]
fn batches_do_not_show() {
    let policy = Policy::cifar().with_entries(vec![SubPolicy::new(vec![]), SubPolicy::central()]);
    let images: Vec<RgbImage> = (0..7)
        .map(|i| {
            RgbImage::new(
                32,
                32,
                (0..3072).map(|k| (k * (i + 3) % 251) as u8).collect(),
            )
            .unwrap()
        })
        .collect();
    let (predictor, normalisation, device) = (toy(3.0), Normalisation::none(), Device::flex());
    let at = |batch| {
        let feed = Feed {
            normalisation: &normalisation,
            device: &device,
            batch,
        };
        predict_entry(&predictor, &policy, 0, &images, &feed, [5, 0]).unwrap()
    };
    assert_eq!(at(7), at(2));
    assert_eq!(at(7), at(1));
}

#[test]
fn broken_predictors_are_found() {
    let nan = FromLogits::new(2, |images: Tensor<4>| {
        let [n, ..] = images.dims();
        Tensor::<2>::full([n, 2], f32::NAN, &Device::flex())
    });
    assert!(
        conformance(&nan, [3, 2, 2], &Device::flex()).is_err() || {
            let policy = Policy::cifar().with_entries(vec![SubPolicy::central()]);
            let (normalisation, device) = (Normalisation::none(), Device::flex());
            let feed = Feed {
                normalisation: &normalisation,
                device: &device,
                batch: 2,
            };
            let image = RgbImage::filled(2, 2, [0; 3]).unwrap();
            predict_entry(&nan, &policy, 0, &[image], &feed, [0, 0]).is_err()
        }
    );
    let shape = FromLogits::new(3, |images: Tensor<4>| {
        let [n, ..] = images.dims();
        Tensor::<2>::zeros([n, 2], &Device::flex())
    });
    assert!(conformance(&shape, [3, 2, 2], &Device::flex()).is_err());
}
