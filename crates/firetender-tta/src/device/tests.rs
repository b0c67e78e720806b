//! The device path beside the exact one.

use super::*;
use crate::{Mixture, Padding, Transform, apply_all};

fn images(count: usize, width: usize, height: usize) -> Vec<RgbImage> {
    let mut state = 12_345_u32;
    (0..count)
        .map(|at| {
            let pixels = (0..3 * width * height).map(|i| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // Noise, and something smooth.
                if at % 2 == 0 {
                    (state >> 24) as u8
                } else {
                    (i / 3 % width * 200 / width + i / 3 / width * 50 / height) as u8
                }
            });
            RgbImage::new(width, height, pixels.collect()).unwrap()
        })
        .collect()
}

/// The largest difference in levels, and the share of bytes that differ at all.
fn gap(ops: &[Vec<ResolvedOp>], images: &[RgbImage], compat: &Compat) -> (u8, f64) {
    let levels = to_levels(images, &Device::flex()).unwrap();
    let found = from_levels(apply_batch(ops, levels, compat).unwrap()).unwrap();
    let (mut most, mut differ, mut all) = (0, 0, 0);
    for ((list, image), found) in ops.iter().zip(images).zip(&found) {
        let exact = apply_all(list, image, compat).unwrap();
        assert_eq!(
            (exact.width(), exact.height()),
            (found.width(), found.height())
        );
        for (a, b) in exact.pixels().iter().zip(found.pixels()) {
            most = most.max(a.abs_diff(*b));
            differ += usize::from(a != b);
            all += 1;
        }
    }
    (most, differ as f64 / all as f64)
}

const SIZES: [[usize; 2]; 6] = [[32, 32], [17, 40], [40, 17], [1, 1], [2, 5], [3, 3]];
const PADDINGS: [Padding; 3] = [Padding::Reflect { pad: 31 }, Padding::Black, Padding::Edge];

#[test]
fn most_operations_are_equal() {
    for [w, h] in SIZES {
        for padding in PADDINGS {
            for compat in [Compat::pillow_13(), Compat::pillow_6_1()] {
                let compat = compat.with_padding(padding);
                let half = |n: usize| n.div_ceil(2);
                let cases = [
                    ResolvedOp::Identity,
                    ResolvedOp::TranslateX { pixels: 3.5 },
                    ResolvedOp::TranslateX {
                        pixels: -0.6 * w as f64,
                    },
                    ResolvedOp::TranslateY { pixels: 7.2 },
                    ResolvedOp::AutoContrast { cutoff: 0.0 },
                    ResolvedOp::AutoContrast { cutoff: 7.3 },
                    ResolvedOp::Solarize { threshold: 99.5 },
                    ResolvedOp::SolarizeAdd { threshold: 40.0 },
                    ResolvedOp::Posterize { bits: 3 },
                    ResolvedOp::Contrast { factor: 1.7 },
                    ResolvedOp::Contrast { factor: -0.2 },
                    ResolvedOp::Brightness { factor: 1.7 },
                    ResolvedOp::Color { factor: 0.4 },
                    ResolvedOp::Color { factor: 2.3 },
                    ResolvedOp::Color { factor: -0.3 },
                    ResolvedOp::Sharpness { factor: 2.2 },
                    ResolvedOp::Sharpness { factor: 0.3 },
                    ResolvedOp::Invert,
                    ResolvedOp::Equalize,
                    ResolvedOp::Mirror,
                    ResolvedOp::Rotate { degrees: 180.0 },
                    ResolvedOp::Rotate { degrees: -360.0 },
                    ResolvedOp::Cutout {
                        centre_x: 0.4 * w as f64,
                        centre_y: h as f64,
                        side: 4.7,
                    },
                    ResolvedOp::Crop {
                        left: -2,
                        top: 1,
                        width: w,
                        height: h,
                        flip: true,
                    },
                ];
                let ops: Vec<Vec<ResolvedOp>> = cases.map(|op| vec![op]).to_vec();
                let images = images(ops.len(), w, h);
                assert_eq!(
                    gap(&ops, &images, &compat),
                    (0, 0.0),
                    "{w} × {h}, {compat:?}"
                );
                for index in 0..8 {
                    let ops = vec![vec![ResolvedOp::Dihedral { index }]; 2];
                    assert_eq!(gap(&ops, &images[..2], &compat), (0, 0.0), "{index}");
                }
                if w == h {
                    let ops = [90.0, 270.0].map(|degrees| vec![ResolvedOp::Rotate { degrees }]);
                    assert_eq!(gap(&ops, &images[..2], &compat), (0, 0.0));
                }
                for [width, height] in [[w, h], [2 * w + 1, h], [half(w), half(h)], [9, 31], [3, 1]]
                {
                    let ops = vec![vec![ResolvedOp::Resize { width, height }]; 2];
                    assert_eq!(
                        gap(&ops, &images[..2], &compat),
                        (0, 0.0),
                        "{width} × {height}"
                    );
                }
            }
        }
    }
}

#[test]
fn boxes_are_resized_as_the_host_resizes_them() {
    let images = images(6, 50, 40);
    let ops: Vec<Vec<ResolvedOp>> = (0..6)
        .map(|at| {
            let op = ResolvedOp::ResizedCrop {
                left: 3 * at,
                top: at,
                width: 20 + at,
                height: 35 - 4 * at,
                size: 24,
                flip: at % 2 == 1,
            };
            vec![op]
        })
        .collect();
    assert_eq!(gap(&ops, &images, &Compat::pillow_13()), (0, 0.0));
    assert_eq!(gap(&ops, &images, &Compat::pillow_7()), (0, 0.0));
}

#[test]
fn shears_and_rotations_are_within_a_level() {
    let mut shares = vec![];
    for [w, h] in SIZES.into_iter().chain([[224, 224]]) {
        for padding in PADDINGS {
            let compat = Compat::pillow_13().with_padding(padding);
            let mut ops = vec![];
            for factor in [0.3, -0.3, 0.713, -0.05] {
                for mirror in [true, false] {
                    ops.push(vec![ResolvedOp::ShearX { factor, mirror }]);
                    ops.push(vec![ResolvedOp::ShearY { factor, mirror }]);
                }
            }
            for degrees in [25.0, -25.0, 59.7, 137.25, 271.0, 90.1] {
                ops.push(vec![ResolvedOp::Rotate { degrees }]);
            }
            let images = images(ops.len(), w, h);
            let (most, share) = gap(&ops, &images, &compat);
            assert!(most <= 1, "{w} × {h}, {padding:?}: {most}");
            // Among few bytes one is a large share.
            if w * h > 500 {
                assert!(share < 1e-3, "{w} × {h}, {padding:?}: {share}");
                shares.push(share);
            }
        }
    }
    // Were it zero, the table of the module would have to say so.
    assert!(shares.iter().any(|share| *share > 0.0));
}

#[test]
fn whole_recipes_agree_in_mixed_batches() {
    let mut policy = Mixture::new(&[(24, 3, 30.0)])
        .draw(&Policy::cifar(), 5)
        .unwrap();
    policy.random = vec![Transform::CropFlip { pad: 4, flip: true }];
    let images = images(24, 32, 32);
    let address = |image: usize| Address {
        seed: 3,
        image: image as u64,
        ..Address::default()
    };
    let ops: Vec<Vec<ResolvedOp>> = (0..24)
        .map(|at| {
            policy
                .resolve(&policy.entries[at], [32, 32], address(at))
                .unwrap()
        })
        .collect();
    // A difference of one level may grow: Equalize, a factor of two, the two sides of a threshold.
    let (_, share) = gap(&ops, &images, &policy.compat);
    assert!(share < 2e-3, "{share}");
    let addresses: Vec<Address> = (0..24).map(address).collect();
    let levels = to_levels(&images, &Device::flex()).unwrap();
    let recipe = &policy.entries[0];
    let found = policy.augment_batch(recipe, levels, &addresses).unwrap();
    for (at, found) in from_levels(found).unwrap().iter().enumerate() {
        let exact = policy.augment(recipe, &images[at], address(at)).unwrap();
        let differ = exact
            .pixels()
            .iter()
            .zip(found.pixels())
            .filter(|(a, b)| a != b);
        assert!(differ.count() < 30, "image {at}");
    }
}

/// Rows in turn black.
#[derive(Debug)]
struct Blinds;

impl crate::ImageOp for Blinds {
    fn name(&self) -> &str {
        "Blinds"
    }

    fn resolve(
        &self,
        value: f64,
        _: &crate::Site,
        draw: &mut crate::Draw,
    ) -> Result<ResolvedOp, TtaError> {
        Ok(ResolvedOp::user(
            "Blinds",
            vec![draw.up_to(value as u64) as f64],
        ))
    }

    fn apply(
        &self,
        parameters: &[f64],
        image: &RgbImage,
        _: &Compat,
    ) -> Result<RgbImage, TtaError> {
        let mut image = image.clone();
        let stride = 3 * image.width();
        let rows = image.pixels_mut().chunks_mut(stride);
        for row in rows.skip(parameters[0] as usize).step_by(2) {
            row.fill(0);
        }
        Ok(image)
    }
}

#[test]
fn operations_of_one_s_own_go_through_the_host() {
    let mut policy = Policy::cifar();
    policy.space = policy.space.with_op(Blinds, 0.0, 9.0).unwrap();
    let recipe = crate::parse_sub_policy("[(Blinds,30.0),(7,25.0)]", &policy.space).unwrap();
    let images = images(5, 16, 16);
    let addresses: Vec<Address> = (0..5)
        .map(|image| Address {
            image,
            ..Address::default()
        })
        .collect();
    let levels = to_levels(&images, &Device::flex()).unwrap();
    let found = policy.augment_batch(&recipe, levels, &addresses).unwrap();
    let found = from_levels(found).unwrap();
    for ((image, address), found) in images.iter().zip(addresses).zip(found) {
        assert_eq!(policy.augment(&recipe, image, address).unwrap(), found);
    }
}

#[test]
fn predictions_are_those_of_the_host() {
    let network = crate::FromLogits::new(2, |images: Tensor<4>| {
        images
            .mean_dim(3)
            .mean_dim(2)
            .reshape([-1, 3])
            .narrow(1, 0, 2)
            * 9.0
    });
    let policy = Mixture::new(&[(3, 2, 25.0)])
        .draw(&Policy::cifar(), 8)
        .unwrap();
    let images = images(7, 32, 32);
    let (normalisation, device) = (Normalisation::cifar(), Device::flex());
    let feed = crate::Feed {
        normalisation: &normalisation,
        device: &device,
        batch: 3,
    };
    let levels = to_levels(&images, &device).unwrap();
    for entry in 0..4 {
        let host = crate::predict_entry(&network, &policy, entry, &images, &feed, [1, 2]).unwrap();
        let found =
            predict_entry_on_device(&network, &policy, entry, &levels, &normalisation, 4, [1, 2]);
        let found = read(found.unwrap(), "log-probabilities").unwrap();
        for (a, b) in host.iter().zip(&found) {
            assert!((a - b).abs() < 2e-3, "{a} {b}");
        }
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    let compat = Compat::pillow_13();
    let levels = to_levels(&images(2, 8, 8), &Device::flex()).unwrap();
    let fails = |ops: &[Vec<ResolvedOp>]| {
        apply_batch(ops, levels.clone(), &compat)
            .unwrap_err()
            .to_string()
    };
    assert!(fails(&[]).contains("expected 2"));
    let resize = |side| ResolvedOp::Resize {
        width: side,
        height: side,
    };
    assert!(fails(&[vec![resize(4)], vec![]]).contains("size after a step"));
    assert!(fails(&[vec![resize(4)], vec![resize(5)]]).contains("size after a step"));
    assert!(fails(&[vec![resize(0)], vec![]]).contains("0 × 0"));
    let far = ResolvedOp::TranslateX { pixels: f64::NAN };
    assert!(fails(&[vec![far], vec![]]).contains("pixels"));
    let one = Tensor::<4>::zeros([1, 1, 4, 4], &Device::flex());
    assert!(apply_batch(&[vec![]], one.clone(), &compat).is_err());
    assert!(from_levels(one).is_err());
}
