//! Test-time augmentation: image operations, recipes, one search.
//!
//! `cargo bench -p firetender-benches --bench tta`. `RAYON_NUM_THREADS=1` for one thread.
#![expect(clippy::unwrap_used, reason = "a bench reports by panicking")]

use divan::{Bencher, counter::ItemsCount};
use firetender_measure::predictions;
use firetender_tta::{
    Address, Candidates, Compat, GreedySearch, Mixture, Mode, Policy, PredictionKind, ResolvedOp,
    RgbImage,
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
