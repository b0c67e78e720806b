//! The adapters to `burn-train`: values of an epoch are those of all its objects, and checkpoints come back as members.
#![allow(
    clippy::unwrap_used,
    reason = "a test may unwrap: its panic is the report"
)]

use burn::{
    data::dataloader::Progress,
    tensor::{Device, Int, Tensor, TensorData},
};
use burn_train::{
    ClassificationOutput,
    metric::{Adaptor, Metric, MetricAttributes, MetricMetadata, Numeric, NumericEntry},
};
use firetender_uncertainty::{
    MetricOptions, ScoreKind, Scores, Targets, evaluate,
    learner::{EpochMetric, Measure, Predicted},
};

mod run;

const CLASSES: usize = 3;
const ALL: [Measure; 9] = [
    Measure::Accuracy,
    Measure::LogLikelihood,
    Measure::Brier,
    Measure::Ece,
    Measure::Sce,
    Measure::Tace,
    Measure::SmoothEce,
    Measure::Aurc,
    Measure::MisclassificationAuroc,
];

fn metadata() -> MetricMetadata {
    MetricMetadata {
        progress: Progress {
            items_processed: 1,
            items_total: 1,
            unit: None,
        },
        iteration: None,
        lr: None,
    }
}

/// Logits and labels of `rows` objects.
fn set(rows: usize) -> (Vec<f32>, Vec<i64>) {
    let logits = (0..rows * CLASSES).map(|i| ((i * 37 % 101) as f32 - 50.0) / 20.0);
    let labels = (0..rows).map(|i| (i * 7 % CLASSES) as i64);
    (logits.collect(), labels.collect())
}

fn batch(logits: &[f32], labels: &[i64]) -> Predicted {
    let device = Device::flex();
    let logits = TensorData::new(logits.to_vec(), [labels.len(), CLASSES]);
    let labels = TensorData::new(labels.to_vec(), [labels.len()]);
    let output = ClassificationOutput {
        loss: Tensor::zeros([1], &device),
        output: Tensor::from_data(logits, &device),
        targets: Tensor::<1, Int>::from_data(labels, &device),
    };
    output.adapt()
}

/// The final value of an epoch in batches of these sizes.
fn epoch(metric: &mut EpochMetric, sizes: &[usize]) -> f64 {
    let (logits, labels) = set(sizes.iter().sum());
    let mut start = 0;
    for size in sizes {
        let rows = start..start + size;
        let cells = rows.start * CLASSES..rows.end * CLASSES;
        let item = batch(&logits[cells], &labels[rows]);
        metric.update(&item, &metadata()).unwrap();
        start += size;
    }
    metric.compute().unwrap();
    metric.final_value().current()
}

#[test]
fn an_epoch_is_all_of_its_objects_whatever_the_batches() {
    let (logits, labels) = set(100);
    let scores = Scores::logits(&logits, CLASSES).unwrap();
    let expected = evaluate(
        &scores,
        &Targets::classes(&labels),
        &MetricOptions::default(),
    );
    let expected = serde_json::to_value(expected.unwrap()).unwrap();
    for measure in ALL {
        let expected = expected[measure.name()].as_f64().unwrap();
        for sizes in [&[100][..], &[1, 9, 40, 50], &[50, 50]] {
            let mut metric = EpochMetric::new(measure);
            let found = epoch(&mut metric, sizes);
            assert_eq!(found, expected, "{} in {sizes:?}", measure.name());
            // The next epoch begins anew.
            metric.clear();
            assert_eq!(epoch(&mut metric, sizes), expected);
        }
    }
}

/// A mean over batches would say something else. Three of four objects are right at a confidence of 3/4, so all of them together, and four
/// at a time, are calibrated: the gap is 0. One at a time the gaps are 1/4 for what is right and 3/4 for what is wrong, 3/8 in the mean; two at a
/// time both pairs, with two right and with one, miss by 1/4.
#[test]
fn an_epoch_is_no_mean_over_batches() {
    // Of softmax, 6 / (6 + 1 + 1).
    let logits = [6.0f32.ln(), 0.0, 0.0].repeat(100);
    let labels = [0, 0, 0, 1].repeat(25);
    let rows = |metric: &mut EpochMetric, at: usize, size: usize| {
        let scores = &logits[at * CLASSES..(at + size) * CLASSES];
        let item = batch(scores, &labels[at..at + size]);
        metric.update(&item, &metadata()).unwrap();
    };
    let value = |mut metric: EpochMetric| {
        metric.compute().unwrap();
        metric.final_value().current()
    };
    for (size, gap) in [(1, 0.375), (2, 0.25), (4, 0.0), (100, 0.0)] {
        let starts = || (0..100).step_by(size);
        let single = starts().map(|at| {
            let mut metric = EpochMetric::new(Measure::Ece);
            rows(&mut metric, at, size);
            value(metric)
        });
        let mean = single.sum::<f64>() / (100 / size) as f64;
        assert!((mean - gap).abs() < 1e-6, "{size} at a time: {mean}");
        let mut epoch = EpochMetric::new(Measure::Ece);
        starts().for_each(|at| rows(&mut epoch, at, size));
        let whole = value(epoch);
        assert!(whole.abs() < 1e-6, "{size} at a time: {whole}");
    }
}

#[test]
fn batches_have_values_of_their_own_where_a_mean_makes_sense() {
    let (logits, labels) = set(10);
    let item = batch(&logits, &labels);
    for measure in ALL {
        let mut metric = EpochMetric::new(measure);
        let entry = metric.update(&item, &metadata()).unwrap();
        let mean = [Measure::Accuracy, Measure::LogLikelihood, Measure::Brier];
        assert_eq!(metric.value().is_some(), mean.contains(&measure));
        assert_eq!(metric.running_value().is_some(), mean.contains(&measure));
        assert_eq!(entry.is_not_available(), !mean.contains(&measure));
        if let Some(NumericEntry::Aggregated { count, .. }) = metric.value() {
            assert_eq!(count, 10);
        }
        let MetricAttributes::Numeric(found) = metric.attributes() else {
            panic!("{}: no number", measure.name());
        };
        let higher = [
            Measure::Accuracy,
            Measure::LogLikelihood,
            Measure::MisclassificationAuroc,
        ];
        assert_eq!(found.higher_is_better, higher.contains(&measure));
    }
}

#[test]
fn what_is_undefined_is_not_half() {
    // Nothing is wrong, so there is nothing to find.
    let mut metric = EpochMetric::new(Measure::MisclassificationAuroc);
    let item = batch(&[9.0, 0.0, 0.0], &[0]);
    metric.update(&item, &metadata()).unwrap();
    assert!(metric.compute().unwrap().is_not_available());
    assert!(metric.final_value().current().is_nan());
    let mut empty = EpochMetric::new(Measure::Ece);
    assert!(empty.compute().unwrap().is_not_available());
}

#[test]
fn scores_that_are_none_are_reported_and_left_out() {
    let mut metric = EpochMetric::new(Measure::LogLikelihood);
    let bad = batch(&[f32::NAN, 0.0, 0.0], &[0]);
    let message = metric.update(&bad, &metadata()).unwrap_err().to_string();
    assert!(message.contains("row 0, class 0: NaN"), "{message}");
    let out = batch(&[0.0, 0.0, 0.0], &[3]);
    let message = metric.update(&out, &metadata()).unwrap_err().to_string();
    assert!(message.contains("label of row 0: 3"), "{message}");
    let mut good = batch(&[0.5, 0.25, 0.25], &[0]);
    good.kind = ScoreKind::Probs;
    metric.update(&good, &metadata()).unwrap();
    metric.compute().unwrap();
    let found = metric.final_value().current();
    assert!((found - 0.5_f64.ln()).abs() < 1e-7, "{found}");
}
