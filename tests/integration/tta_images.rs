//! Image operations against Pillow: a hash for each of 3,269 cases, for four versions of Pillow.
//!
//! A hash is of seven images (noise, gradients, constants, one pixel, black, white), so each case is seven.

use firetender_kit::golden_json;
use firetender_tta::{Compat, Padding, ResolvedOp, RgbImage};
use rayon::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// As the script draws them.
fn images(w: usize, h: usize) -> Vec<RgbImage> {
    let mut state = 12_345_u32;
    let noise = (0..3 * w * h).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    let noise = RgbImage::new(w, h, noise.collect()).unwrap();
    let ramp = |at: usize, length: usize| (at * 255 / length.saturating_sub(1).max(1)) as u8;
    let gradient = (0..h)
        .flat_map(|y| (0..w).flat_map(move |x| [ramp(x, w), ramp(y, h), ramp(x + y, w + h - 1)]));
    let gradient = RgbImage::new(w, h, gradient.collect()).unwrap();
    let flat = |colour| RgbImage::filled(w, h, colour).unwrap();
    let mut one = flat([0; 3]);
    let at = 3 * (h / 2 * w + w / 2);
    one.pixels_mut()[at..at + 3].fill(255);
    vec![
        noise,
        gradient,
        flat([118; 3]),
        flat([200, 30, 90]),
        one,
        flat([0; 3]),
        flat([255; 3]),
    ]
}

fn hash(op: &ResolvedOp, compat: &Compat, images: &[RgbImage]) -> String {
    let mut sha = Sha256::new();
    for image in images {
        match op.apply(image, compat) {
            Ok(found) => sha.update(found.pixels()),
            Err(_) => return "error".into(),
        }
    }
    sha.finalize()[..8]
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

#[test]
fn every_operation_is_pillow_s_to_the_byte() {
    let golden = golden_json("tta/images.json");
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() > 3000);
    let versions = ["13.0.0", "12.3.0", "7.0.0", "6.1.0"];
    let wrong: Vec<String> = cases
        .par_iter()
        .enumerate()
        .flat_map_iter(|(at, case)| {
            let op: ResolvedOp = serde_json::from_value(case["op"].clone()).unwrap();
            let side = |k: usize| case["size"][k].as_u64().unwrap() as usize;
            let images = images(side(0), side(1));
            let padding = match case["pad"].as_u64() {
                Some(pad) => Padding::Reflect { pad: pad as u32 },
                None => Padding::Black,
            };
            let golden = &golden;
            let mut last: Option<(Compat, String)> = None;
            versions.into_iter().filter_map(move |version| {
                let expected = match &golden["differs"][version][at.to_string()] {
                    Value::String(other) => other.as_str(),
                    _ => case["sha"].as_str().unwrap(),
                };
                let compat = Compat::pillow(version).unwrap().with_padding(padding);
                let found = match &last {
                    Some((same, found)) if *same == compat => found.clone(),
                    _ => hash(&op, &compat, &images),
                };
                last = Some((compat, found.clone()));
                (found != expected).then(|| format!("{version}: {} {}", case["op"], case["size"]))
            })
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} differ: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(20)]
    );
}

#[test]
fn sequences_are_the_operations_one_after_the_other() {
    let image = &images(32, 32)[0];
    let compat = Compat::pillow_13();
    let ops = [
        ResolvedOp::Rotate { degrees: 25.0 },
        ResolvedOp::Color { factor: 1.8 },
        ResolvedOp::ShearX {
            factor: -0.4,
            mirror: true,
        },
    ];
    let by_hand = ops
        .iter()
        .fold(image.clone(), |i, op| op.apply(&i, &compat).unwrap());
    assert_eq!(
        firetender_tta::apply_all(&ops, image, &compat).unwrap(),
        by_hand
    );
}
