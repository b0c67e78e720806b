//! The tensor path against the host path.

use burn::tensor::{Device, Tensor, TensorData};
use firetender_uncertainty::{
    Checks, Floor, MetricOptions, Objects, ScoreKind, Scores, Targets, evaluate, evaluate_tensor,
};

use crate::support::{close, probs, set_2};

fn tensor(values: &[f32], classes: usize) -> Tensor<2> {
    let shape = [values.len() / classes, classes];
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex())
}

#[test]
fn columns_agree_with_the_host() {
    let set = set_2();
    let p = probs(&set);
    let mut labels = set.labels.clone();
    labels[17] = -100;
    let targets = Targets::classes(&labels).with_ignore(-100);
    let narrow = |values: Vec<f64>| values.into_iter().map(|x| x as f32).collect::<Vec<f32>>();
    for (kind, values) in [
        (ScoreKind::Logits, narrow(set.logits.clone())),
        (
            ScoreKind::LogProbs,
            narrow(p.iter().map(|p| p.ln()).collect()),
        ),
        (ScoreKind::Probs, narrow(p.clone())),
    ] {
        let scores = Scores::new(kind, &values, 10, Checks::default()).unwrap();
        let host = Objects::new(&scores, &targets, Floor::None).unwrap();
        let found = Objects::on_device(kind, tensor(&values, 10), &targets, Floor::None).unwrap();
        assert_eq!(found.len(), 999);
        for (a, b) in found.rows().iter().zip(host.rows()) {
            assert_eq!(
                (a.prediction, a.rank, a.target, a.correct),
                (b.prediction, b.rank, b.target, b.correct)
            );
            for (a, b) in [
                (a.log_likelihood, b.log_likelihood),
                (a.confidence, b.confidence),
                (a.entropy, b.entropy),
                (a.sum_squares, b.sum_squares),
                (a.brier, b.brier),
                (a.spherical, b.spherical),
            ] {
                close(a, b, 1e-5);
            }
        }
        let options = MetricOptions {
            class_wise: false,
            adaptive: false,
            ..MetricOptions::default()
        };
        let by_tensor = evaluate_tensor(kind, tensor(&values, 10), &targets, &options).unwrap();
        let by_host = evaluate(&scores, &targets, &options).unwrap();
        close(by_tensor.ll, by_host.ll, 1e-6);
        close(by_tensor.aurc, by_host.aurc, 1e-5);
        let all = MetricOptions::default();
        assert_eq!(
            evaluate_tensor(kind, tensor(&values, 10), &targets, &all).unwrap(),
            evaluate(&scores, &targets, &all).unwrap()
        );
    }
}

#[test]
fn ties_zeros_and_errors_are_the_hosts() {
    let targets = Targets::classes(&[1, 1, 0]);
    let values = [0.5f32, 0.5, 1.0, 0.0, 0.25, 0.75];
    let scores = Scores::probs(&values[..], 2).unwrap();
    let host = Objects::new(&scores, &targets, Floor::Eps(1e-12)).unwrap();
    let device = Objects::on_device(
        ScoreKind::Probs,
        tensor(&values, 2),
        &targets,
        Floor::Eps(1e-12),
    );
    for (a, b) in device.unwrap().rows().iter().zip(host.rows()) {
        assert_eq!((a.prediction, a.rank), (b.prediction, b.rank));
        close(a.log_likelihood, b.log_likelihood, 1e-6);
        close(a.entropy, b.entropy, 1e-6);
    }
    for (kind, values) in [
        (ScoreKind::Probs, [0.5f32, 0.6]),
        (ScoreKind::Probs, [1.5, -0.5]),
        (ScoreKind::Logits, [f32::NAN, 0.0]),
        (ScoreKind::Logits, [f32::INFINITY, 0.0]),
        (ScoreKind::LogProbs, [0.0, 0.0]),
    ] {
        let targets = Targets::classes(&[0]);
        let found = Objects::on_device(kind, tensor(&values, 2), &targets, Floor::None);
        let host = Scores::new(kind, &values[..], 2, Checks::default());
        assert_eq!(
            found.unwrap_err().to_string(),
            host.unwrap_err().to_string()
        );
    }
    let soft = Targets::soft(vec![0.5, 0.5], 2);
    assert!(
        Objects::on_device(ScoreKind::Probs, tensor(&[0.5, 0.5], 2), &soft, Floor::None).is_err()
    );
}
