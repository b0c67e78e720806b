//! Trend statistics and scoring of continuations.
//!
//! `cargo bench -p firetender-benches --bench scaling`.
#![expect(clippy::unwrap_used, reason = "a bench reports by panicking")]

use burn::tensor::Device;
use divan::{Bencher, counter::ItemsCount};
use firetender_hooks::Untouched;
use firetender_lm::{ModelConfig, ScoreRequest, Sharing, Transformer, score_batch, score_rows};
use firetender_scaling::{
    Curve, Point, Scale, ShapeOptions, Shapes, mean, spearman, trends, two_factor,
};

fn main() {
    divan::main();
}

/// Scores of 1,000 examples under eight models.
fn examples() -> Vec<Vec<f64>> {
    let right = |i: usize, j: usize| (i * 7919 + j * 104_729) % 100 < 40 + 5 * j;
    (0..1000)
        .map(|i| (0..8).map(|j| f64::from(u8::from(right(i, j)))).collect())
        .collect()
}

#[divan::bench(sample_count = 10)]
fn shapes_10_000_draws(bencher: Bencher<'_, '_>) {
    let examples = examples();
    bencher.bench_local(|| Shapes::from_examples(&examples, ShapeOptions::default()).unwrap());
}

/// The target of the issue: 100 tasks, 8 models, 1,000 examples, 10,000 draws.
#[divan::bench(sample_count = 3)]
fn trends_of_100_tasks(bencher: Bencher<'_, '_>) {
    let curves: Vec<Curve> = (0..100).map(curve).collect();
    bencher.bench_local(|| trends(&curves, ShapeOptions::default()).unwrap());
}

fn curve(task: usize) -> Curve {
    let right = |i: usize, j: usize| {
        let luck = (i * 7919 + j * 104_729 + task * 15_485_863) % 100;
        luck < 40 + (5 * j + task) % 30
    };
    let examples: Vec<Vec<f64>> = (0..1000)
        .map(|i| (0..8).map(|j| f64::from(u8::from(right(i, j)))).collect())
        .collect();
    let points = (0..8)
        .map(|j| {
            let values: Vec<f64> = examples.iter().map(|row| row[j]).collect();
            let found = mean(&values, 1).unwrap();
            Point {
                model: format!("m{j}"),
                scale: 4f64.powi(j as i32) * 1e6,
                n: Some(1000),
                value: found.mean,
                stderr: found.stderr,
            }
        })
        .collect();
    Curve {
        task: format!("task {task}"),
        family: String::new(),
        metric: "accuracy".into(),
        lower_is_better: false,
        axis: Scale::Parameters,
        points,
        examples: Some(examples),
        companion: None,
    }
}

#[divan::bench]
fn exact_spearman_of_nine(bencher: Bencher<'_, '_>) {
    let x: Vec<f64> = (0..9).map(f64::from).collect();
    let y = [0.3, 0.5, 0.2, 0.9, 0.8, 0.1, 0.7, 0.4, 0.6];
    bencher.bench_local(|| spearman(&x, &y));
}

#[divan::bench]
fn two_factors_64_runs(bencher: Bencher<'_, '_>) {
    let p: Vec<f64> = (0..64).map(|i| 10f64.powi(i % 8 + 6)).collect();
    let t: Vec<f64> = (0..64).map(|i| 10f64.powi(i / 8 + 8)).collect();
    let y: Vec<f64> = (0..64).map(|i| f64::from(i * 37 % 64)).collect();
    bencher.bench_local(|| two_factor(&p, &t, &y).unwrap());
}

/// Prompts of 16 to 23 tokens that begin alike, two continuations of two tokens each.
fn requests() -> Vec<ScoreRequest> {
    (0..64_u32)
        .map(|i| ScoreRequest {
            context: (0..16 + i % 8)
                .map(|at| if at < 8 { at } else { (i * 31 + at * 7) % 500 })
                .collect(),
            continuations: vec![vec![i % 500, 3], vec![(i + 9) % 500, 4]],
        })
        .collect()
}

fn model() -> Transformer {
    let config = ModelConfig::llama(1000, 64, 2, 4, 4, 128);
    Transformer::init(&config, 0, &Device::flex()).unwrap()
}

#[divan::bench(sample_count = 20)]
fn scoring_shared(bencher: Bencher<'_, '_>) {
    let (model, requests) = (model(), requests());
    bencher
        .counter(ItemsCount::new(2 * requests.len()))
        .bench_local(|| {
            score_batch(&model, &requests, Sharing::default(), &mut Untouched).unwrap()
        });
}

#[divan::bench(sample_count = 20)]
fn scoring_naive(bencher: Bencher<'_, '_>) {
    let (model, requests) = (model(), requests());
    bencher
        .counter(ItemsCount::new(2 * requests.len()))
        .bench_local(|| {
            requests
                .iter()
                .map(|request| score_rows(&model, request, &mut Untouched).unwrap())
                .collect::<Vec<_>>()
        });
}
