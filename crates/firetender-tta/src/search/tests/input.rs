//! Options, scores of the caller, files, and predictions that are none.

use std::sync::Arc;

use approx::assert_abs_diff_eq;

use super::{candidates, noisy};
use crate::TtaError;
use crate::search::{pass, *};

#[test]
fn separable_and_hopeless_data_say_so() {
    // Always right: β wants to be infinite, and every candidate is as good.
    let right = [
        0.6_f32, 0.4, 0.3, 0.7, /* entry 1 */ 0.8, 0.2, 0.1, 0.9,
    ];
    let candidates = Candidates::new(PredictionKind::Probs, &right, [2, 2, 2], &[0, 1]).unwrap();
    let trace = GreedySearch::new(1).run(&candidates).unwrap();
    assert!(trace.picks[0].at_bound && trace.picks[0].score > -1e-6);
    assert_eq!(trace.picks[0].index, 0);
    assert_eq!(trace.picks[0].temperature, 0.01);
    // Always wrong: β wants to be negative.
    let trace = {
        let candidates =
            Candidates::new(PredictionKind::Probs, &right, [2, 2, 2], &[1, 0]).unwrap();
        GreedySearch::new(1).run(&candidates).unwrap()
    };
    assert!(trace.picks[0].at_bound);
    assert_abs_diff_eq!(trace.picks[0].temperature, 100.0, epsilon = 1e-9);
    // Equal candidates: the first.
    let same = [0.6_f32, 0.4, 0.7, 0.3].repeat(3);
    let candidates = Candidates::new(PredictionKind::Probs, &same, [3, 2, 2], &[0, 1]).unwrap();
    let trace = GreedySearch::new(3).run(&candidates).unwrap();
    assert_eq!(trace.selected(), [0, 0, 0]);
    assert_eq!(trace.picks[0].gap, Some(0.0));
}

#[test]
fn impossible_truths_are_minus_infinity_or_the_floor() {
    let certain = [1.0_f32, 0.0, 1.0, 0.0];
    let of = || Candidates::new(PredictionKind::Probs, &certain, [1, 2, 2], &[0, 1]).unwrap();
    let mut search = GreedySearch::new(1).with_criterion(Criterion::Ll);
    assert_abs_diff_eq!(
        search.run(&of()).unwrap().picks[0].score,
        0.5 * 1e-12_f64.ln(),
        epsilon = 1e-5
    );
    search.floor = None;
    assert_eq!(search.run(&of()).unwrap().picks[0].score, f64::NEG_INFINITY);
    search.criterion = Criterion::CalibratedLl;
    assert_eq!(search.run(&of()).unwrap().picks[0].score, f64::NEG_INFINITY);
}

#[test]
fn a_caller_s_score_is_searched_like_any_other() {
    /// The plain log-likelihood, again.
    #[derive(Debug)]
    struct Plain;
    impl Score for Plain {
        fn name(&self) -> &str {
            "plain"
        }
        fn score(&self, mixture: MixtureView<'_>) -> Result<Scored, TtaError> {
            let rows = mixture.probs.chunks(mixture.classes).zip(mixture.labels);
            let sum: f64 = rows.map(|(row, l)| (row[*l as usize] + 1e-12).ln()).sum();
            Ok(Scored {
                score: sum / mixture.labels.len() as f64,
                temperature: 1.0,
            })
        }
    }
    conformance(&Plain).unwrap();
    let candidates = candidates(10, 70, 6, 2);
    let ours = GreedySearch::new(5)
        .with_criterion(Criterion::Ll)
        .run(&candidates)
        .unwrap();
    let theirs = GreedySearch::new(5)
        .with_criterion(Criterion::Custom(Arc::new(Plain)))
        .run(&candidates)
        .unwrap();
    assert_eq!(ours.selected(), theirs.selected());
    for (a, b) in ours.picks.iter().zip(&theirs.picks) {
        assert_abs_diff_eq!(a.score, b.score, epsilon = 1e-7);
    }
}

#[test]
fn costs_patience_and_options() {
    let candidates = candidates(12, 120, 5, 5);
    let mut search = GreedySearch::new(6);
    search.costs = Some(vec![1.0; 12]);
    let even = search.run(&candidates).unwrap();
    assert_eq!(
        even.selected(),
        GreedySearch::new(6).run(&candidates).unwrap().selected()
    );
    // What is dear is not picked once there is something to compare with.
    let dear = even.picks[1].index;
    let costs = (0..12).map(|e| if e == dear { 1e6 } else { 1.0 }).collect();
    search.costs = Some(costs);
    let found = search.run(&candidates).unwrap();
    assert!(found.selected()[1..].iter().all(|e| *e != dear));
    search.costs = Some(vec![0.0; 12]);
    assert!(search.run(&candidates).is_err());

    let mut patient = GreedySearch::new(200);
    patient.patience = Some(2);
    let ended = patient.run(&candidates).unwrap();
    assert!(ended.picks.len() < 200);
    assert!(
        GreedySearch::new(1)
            .with_start(vec![12])
            .run(&candidates)
            .is_err()
    );
    assert!(
        GreedySearch {
            bounds: [0.0, 1.0],
            ..GreedySearch::new(1)
        }
        .run(&candidates)
        .is_err()
    );
    assert!(
        GreedySearch {
            floor: Some(f64::NAN),
            ..GreedySearch::new(1)
        }
        .run(&candidates)
        .is_err()
    );
}

#[test]
fn bad_predictions_are_errors_with_a_place() {
    let made = |values: &[f32], shape, labels: &[i64]| {
        Candidates::new(PredictionKind::LogProbs, values, shape, labels)
            .unwrap_err()
            .to_string()
    };
    let ln = |p: f32| p.ln();
    let fine = [ln(0.5), ln(0.5), ln(0.9), ln(0.1)];
    assert!(made(&fine, [0, 2, 2], &[0, 1]).contains("predictions"));
    assert!(made(&[], [0, 2, 2], &[0, 1]).contains("entries"));
    assert!(made(&fine, [1, 2, 2], &[0]).contains("labels"));
    assert!(made(&fine, [1, 2, 2], &[0, 2]).contains("sample 1"));
    assert!(made(&fine, [1, 4, 1], &[0; 4]).contains("classes"));
    assert!(made(&[f32::NAN, -1.0, ln(0.9), ln(0.1)], [1, 2, 2], &[0, 1]).contains("class 0"));
    assert!(made(&[ln(0.5), ln(0.5), 2.0, 3.0], [1, 2, 2], &[0, 1]).contains("sample 1"));
    assert!(made(&[ln(0.5), ln(0.5), -5.0, -5.0], [1, 2, 2], &[0, 1]).contains("sum to"));
    assert!(
        made(
            &[ln(0.5), ln(0.5), f32::NEG_INFINITY, f32::NEG_INFINITY],
            [1, 2, 2],
            &[0, 1]
        )
        .contains("sum to")
    );
    assert!(made(&fine, [usize::MAX, 2, 2], &[0, 1]).contains("predictions"));
}

#[test]
fn streamed_files_are_those_in_memory_and_few_are_held_at_once() {
    let (values, labels) = noisy(7, 70, 5, 3);
    let folder = tempfile::tempdir().unwrap();
    let (pool, y) = (folder.path().join("pool.npy"), folder.path().join("y.npy"));
    let array = |shape, values| firetender_uncertainty::NpyArray { shape, values };
    let values = firetender_uncertainty::NpyValues::F32(values);
    firetender_uncertainty::write_npy(&pool, &array(vec![7, 70, 5], values)).unwrap();
    let values = firetender_uncertainty::NpyValues::Int(labels);
    firetender_uncertainty::write_npy(&y, &array(vec![70], values)).unwrap();
    // Rows in any order, some twice.
    let some: Vec<usize> = (0..50).map(|i| i * 37 % 70).chain([3, 3]).collect();
    for rows in [None, Some(some)] {
        let read = |memory| {
            let options = ReadOptions {
                rows: rows.clone(),
                memory,
                ..ReadOptions::default()
            };
            Candidates::read(&pool, &y, &options).unwrap()
        };
        let (whole, streamed) = (read(None), read(Some(0)));
        assert!(!whole.is_streamed() && streamed.is_streamed());
        assert_eq!((whole.in_turn(7), streamed.in_turn(7)), (1, 7));
        for entry in 0..7 {
            assert_eq!(whole.entry(entry).unwrap(), streamed.entry(entry).unwrap());
        }
        let search = GreedySearch::new(6);
        assert_eq!(search.run(&whole).unwrap(), search.run(&streamed).unwrap());
        // One entry is a quarter of this: one beside the sum of the picks, or two beside it.
        let one = (whole.samples().div_ceil(pass::TILE) * 5 * 4 * pass::TILE) as u64;
        assert_eq!(read(Some(4 * one)).in_turn(7), 7);
        assert_eq!(read(Some(5 * one)).in_turn(7), 4);
    }
}
