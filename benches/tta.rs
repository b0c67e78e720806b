//! Test-time augmentation: image operations, recipes on bytes and on tensors, one search.
//!
//! `cargo bench -p firetender-benches --bench tta`. `RAYON_NUM_THREADS=1` for one thread.
#![expect(clippy::unwrap_used, reason = "a bench reports by panicking")]

use burn::tensor::Device;
use divan::{Bencher, counter::ItemsCount};
use firetender_measure::predictions;
use firetender_tta::{
    Address, Candidates, Compat, GreedySearch, Mixture, Mode, Policy, PredictionKind, ResolvedOp,
    RgbImage, to_levels,
};

fn main() {
    divan::main();
}

fn image(side: usize) -> RgbImage {
    let pixels = (0..3 * side * side).map(|i| (i * 7919 % 256) as u8);
    RgbImage::new(side, side, pixels.collect()).unwrap()
}

#[divan::bench(args = [32, 224])]
fn rotate(bencher: Bencher<'_, '_>, side: usize) {
    let (image, compat) = (image(side), Compat::pillow_13());
    bencher.counter(ItemsCount::new(1usize)).bench(|| {
        ResolvedOp::Rotate { degrees: 25.0 }
            .apply(&image, &compat)
            .unwrap()
    });
}

#[divan::bench(args = [32, 224])]
fn sharpness(bencher: Bencher<'_, '_>, side: usize) {
    let (image, compat) = (image(side), Compat::pillow_13());
    bencher.counter(ItemsCount::new(1usize)).bench(|| {
        ResolvedOp::Sharpness { factor: 1.7 }
            .apply(&image, &compat)
            .unwrap()
    });
}

#[divan::bench(args = [32, 224])]
fn colour(bencher: Bencher<'_, '_>, side: usize) {
    let (image, compat) = (image(side), Compat::pillow_13());
    bencher.counter(ItemsCount::new(1usize)).bench(|| {
        ResolvedOp::Color { factor: 1.7 }
            .apply(&image, &compat)
            .unwrap()
    });
}

#[divan::bench(args = [32, 224])]
fn shear(bencher: Bencher<'_, '_>, side: usize) {
    let (image, compat) = (image(side), Compat::pillow_13());
    let op = ResolvedOp::ShearX {
        factor: 0.3,
        mirror: false,
    };
    bencher
        .counter(ItemsCount::new(1usize))
        .bench(|| op.apply(&image, &compat).unwrap());
}

#[divan::bench(args = [32, 224])]
fn resize(bencher: Bencher<'_, '_>, side: usize) {
    let (image, compat) = (image(side), Compat::pillow_13());
    let small = side * 3 / 4;
    let op = ResolvedOp::Resize {
        width: small,
        height: small,
    };
    bencher
        .counter(ItemsCount::new(1usize))
        .bench(|| op.apply(&image, &compat).unwrap());
}

/// Recipes of three operations on 64 images of 32 × 32 as tensors on the CPU backend, each image with draws of its own.
#[divan::bench]
fn recipes_on_a_device(bencher: Bencher<'_, '_>) {
    let images = vec![image(32); 64];
    let levels = to_levels(&images, &Device::flex()).unwrap();
    let policy = Mixture::new(&[(4, 3, 30.0)])
        .draw(&Policy::cifar(), 1)
        .unwrap();
    let addresses: Vec<Address> = (0..64)
        .map(|image| Address {
            image,
            ..Address::default()
        })
        .collect();
    bencher.counter(ItemsCount::new(4 * 64usize)).bench(|| {
        for recipe in &policy.entries[..4] {
            let changed = policy.augment_batch(recipe, levels.clone(), &addresses);
            divan::black_box(changed.unwrap().into_data());
        }
    });
}

/// A hundred random recipes of three operations, with crop and mirror, on one image of 32 × 32.
#[divan::bench]
fn recipes_of_three(bencher: Bencher<'_, '_>) {
    let image = image(32);
    let policy = Mixture::new(&[(100, 3, 45.0)])
        .draw(&Policy::cifar(), 1)
        .unwrap();
    bencher.counter(ItemsCount::new(100usize)).bench(|| {
        for (entry, recipe) in policy.entries.iter().enumerate() {
            let address = Address {
                entry: entry as u64,
                ..Address::default()
            };
            divan::black_box(policy.augment(recipe, &image, address).unwrap());
        }
    });
}

fn pool() -> Candidates {
    let (logits, labels) = predictions(40 * 500, 10, 3);
    Candidates::new(
        PredictionKind::Logits,
        &logits,
        [40, 500, 10],
        &labels[..500],
    )
    .unwrap()
}

#[divan::bench(args = [true, false])]
fn search(bencher: Bencher<'_, '_>, screened: bool) {
    let candidates = pool();
    let mode = if screened {
        Mode::Certified
    } else {
        Mode::Full
    };
    let search = GreedySearch::new(10).with_mode(mode);
    bencher.bench(|| search.run(&candidates).unwrap());
}
