//! Finding a direction: reading the activations of 16 pairs of texts, and fitting.
//!
//! `cargo bench -p firetender-benches --bench steer`. Counts are texts read.
#![expect(clippy::unwrap_used, reason = "a bench reports by panicking")]

use divan::{Bencher, counter::ItemsCount};
use firetender_hooks::SiteKind;
use firetender_lm::CausalLm;
use firetender_measure::{Which, ids};
use firetender_steer::{Contrast, Extractor, Method, Samples, Silent};

const PAIRS: usize = 16;
const METHODS: [&str; 4] = ["mean", "pca", "pca_difference", "pca_repe"];

fn main() {
    check();
    divan::main();
}

/// Texts of 16 to 31 tokens; those of a pair have the same length.
fn contrast(which: Which) -> Contrast {
    let vocab = which.model().shape().vocab_size;
    let texts = |seed: usize| -> Vec<Vec<u32>> {
        let from = |pair: usize| seed + 40 * pair;
        (0..PAIRS)
            .map(|pair| ids(from(pair) + 16 + pair, vocab)[from(pair)..].to_vec())
            .collect()
    };
    Contrast::new("one", texts(0), "other", texts(7)).unwrap()
}

fn samples(which: Which) -> Samples {
    let extractor = Extractor::new(SiteKind::ResidPost);
    extractor
        .samples(which.model(), &contrast(which), &mut Silent)
        .unwrap()
}

/// The two ways of reading give the same mean difference, up to rounding.
fn check() {
    let which = Which::Random;
    let kept = samples(which).fit(Method::Mean).unwrap().vector;
    let means =
        Extractor::new(SiteKind::ResidPost).means(which.model(), &contrast(which), &mut Silent);
    let streamed = means.unwrap().vector().unwrap();
    for (layer, direction) in kept.directions() {
        let other = streamed.direction(*layer).unwrap();
        let tolerance = 1e-4 * kept.norm(*layer).unwrap() as f32;
        let near = direction
            .iter()
            .zip(other)
            .all(|(a, b)| (a - b).abs() <= tolerance);
        assert!(
            near,
            "layer {layer}: kept and streamed means differ by more than {tolerance:e}"
        );
    }
}

#[divan::bench(args = Which::present(), sample_count = 5, sample_size = 1)]
fn read_samples(bencher: Bencher, which: Which) {
    let contrast = contrast(which);
    let extractor = Extractor::new(SiteKind::ResidPost);
    bencher.counter(ItemsCount::new(2 * PAIRS)).bench_local(|| {
        extractor
            .samples(which.model(), &contrast, &mut Silent)
            .unwrap()
    });
}

#[divan::bench(args = Which::present(), sample_count = 5, sample_size = 1)]
fn read_means(bencher: Bencher, which: Which) {
    let contrast = contrast(which);
    let extractor = Extractor::new(SiteKind::ResidPost);
    bencher.counter(ItemsCount::new(2 * PAIRS)).bench_local(|| {
        extractor
            .means(which.model(), &contrast, &mut Silent)
            .unwrap()
    });
}

#[divan::bench(args = METHODS, sample_count = 10, sample_size = 1)]
fn fit(bencher: Bencher, method: &str) {
    let samples = samples(Which::Random);
    let method: Method = method.parse().unwrap();
    bencher.bench_local(|| samples.fit(method).unwrap());
}
