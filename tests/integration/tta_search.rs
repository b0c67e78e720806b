//! The search against a slow one in `SciPy`, on an array that NumPy drew.

use firetender_kit::{golden_json, golden_path};
use firetender_tta::{Candidates, Criterion, GreedySearch, Mode, ReadOptions, Trace};
use firetender_uncertainty::{
    Calibration, Ensemble, Protocol, Scores, Targets, TemperatureOptions, fit_temperature,
};
use serde_json::Value;

fn synth() -> Candidates {
    Candidates::read(
        golden_path("tta/synth.npy"),
        golden_path("tta/synth_labels.npy"),
        &ReadOptions::default(),
    )
    .unwrap()
}

fn agrees(trace: &Trace, golden: &Value) {
    let golden = golden.as_array().unwrap();
    assert_eq!(trace.picks.len(), golden.len());
    for (step, (pick, golden)) in trace.picks.iter().zip(golden).enumerate() {
        let near = |ours: f64, key: &str, most: f64| {
            let theirs = golden[key].as_f64().unwrap();
            assert!(
                (ours - theirs).abs() <= most,
                "step {step}, {key}: {ours}, {theirs}"
            );
        };
        assert_eq!(
            pick.index as u64,
            golden["index"].as_u64().unwrap(),
            "step {step}"
        );
        // The predictions are f32: 6e-8 of each probability. T follows from a flat maximum, and SciPy stops at a square root of what f64 has.
        near(pick.score, "score", 1e-7);
        near(pick.temperature, "temperature", 1e-5);
        near(pick.gap.unwrap(), "gap", 1e-7);
    }
}

#[test]
fn every_criterion_finds_what_a_slow_search_finds() {
    let (candidates, golden) = (synth(), golden_json("tta/search.json"));
    let row = candidates.entry(0).unwrap();
    let print: Vec<f64> = golden["fingerprint"][1]
        .as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_f64().unwrap())
        .collect();
    for (p, log) in row.iter().zip(print) {
        assert!((f64::from(*p).ln() - log).abs() < 1e-5);
    }
    for mode in [Mode::Certified, Mode::Full, Mode::Margin(1e-3)] {
        agrees(
            &GreedySearch::new(30)
                .with_mode(mode)
                .run(&candidates)
                .unwrap(),
            &golden["cll"],
        );
    }
    let without = GreedySearch::new(12)
        .without_replacement()
        .run(&candidates)
        .unwrap();
    agrees(&without, &golden["cll_without_replacement"]);
    for (criterion, steps) in [("ll", 12), ("acc", 8), ("brier", 12)] {
        let search =
            GreedySearch::new(steps).with_criterion(Criterion::from_name(criterion).unwrap());
        agrees(&search.run(&candidates).unwrap(), &golden[criterion]);
    }
}

#[test]
fn scores_are_those_of_the_uncertainty_crate() {
    let candidates = synth();
    let trace = GreedySearch::new(6).run(&candidates).unwrap();
    let labels: Vec<i64> = candidates.labels().iter().map(|l| i64::from(*l)).collect();
    let targets = Targets::classes(&labels);
    let mut ensemble = Ensemble::new(1000, 10).unwrap();
    for pick in &trace.picks {
        let entry = candidates.entry(pick.index).unwrap();
        let entry: Vec<f64> = entry.iter().map(|p| f64::from(*p)).collect();
        let mut scores = entry.clone();
        // f32 rows sum to one within 1e-6.
        for row in scores.chunks_mut(10) {
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|p| *p /= sum);
        }
        ensemble
            .add(&Scores::probs(scores, 10).unwrap(), 1.0)
            .unwrap();
        let mean = ensemble.scores().unwrap();
        let fit = fit_temperature(&mean, &targets, &TemperatureOptions::default()).unwrap();
        // The floor of 1e-12 adds less than 1e-9 here.
        assert!(
            (fit.log_likelihood - pick.score).abs() < 2e-7,
            "{} {}",
            fit.log_likelihood,
            pick.score
        );
        assert!((fit.temperature / pick.temperature - 1.0).abs() < 1e-5);
        let in_sample = Calibration::new(Protocol::InSample)
            .run(&[mean], &targets)
            .unwrap();
        assert!((in_sample.log_likelihood - pick.score).abs() < 2e-7);
    }
}

#[test]
fn streaming_from_the_file_changes_nothing() {
    let options = ReadOptions {
        memory: Some(0),
        ..ReadOptions::default()
    };
    let streamed = Candidates::read(
        golden_path("tta/synth.npy"),
        golden_path("tta/synth_labels.npy"),
        &options,
    )
    .unwrap();
    assert!(streamed.is_streamed());
    let search = GreedySearch::new(8);
    assert_eq!(
        search.run(&streamed).unwrap(),
        search.run(&synth()).unwrap()
    );
}
