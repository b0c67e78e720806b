use super::*;
use proptest::prelude::*;

fn classes(k: usize) -> Vec<String> {
    (0..k).map(|i| format!(" {}", "x".repeat(i + 1))).collect()
}

fn scores(totals: &[f64], answer: usize) -> ExampleScores {
    ExampleScores::classification(
        totals,
        &classes(totals.len()),
        &vec![1; totals.len()],
        answer,
        None,
    )
}

#[test]
fn two_classes_by_hand() {
    let found = scores(&[0.5f64.ln(), 0.25f64.ln()], 0);
    assert!((found.loss.unwrap() - 1.5f64.ln()).abs() < 1e-12);
    assert_eq!((found.accuracy, found.chosen), (Some(1.0), Some(0)));
    assert!((found.margin.unwrap() - 2f64.ln()).abs() < 1e-12);
    assert!((found.p_gold.unwrap() - 2.0 / 3.0).abs() < 1e-12);
    assert!((found.brier.unwrap() - 2.0 / 9.0).abs() < 1e-12);
    assert!((found.partial_credit.unwrap() - 2.0 / 3.0).abs() < 1e-12);
}

#[test]
fn length_normalisation_can_change_the_choice() {
    let classes = [" a".to_owned(), " aaaaaaa".to_owned()];
    let found =
        ExampleScores::classification(&[-2.0, -3.0], &classes, &[1, 4], 0, Some(&[-1.0, -4.0]));
    assert_eq!(
        (found.accuracy, found.acc_norm, found.acc_tokens),
        (Some(1.0), Some(0.0), Some(0.0))
    );
    assert_eq!(found.acc_pmi, Some(0.0));
    // Characters and bytes differ outside ASCII.
    let classes = [" ππ".to_owned(), " abcd".to_owned()];
    let found = ExampleScores::classification(&[-3.5, -4.0], &classes, &[1, 1], 0, None);
    assert_eq!((found.acc_norm, found.acc_bytes), (Some(0.0), Some(1.0)));
}

#[test]
fn one_class_equal_classes_and_impossible_classes() {
    let one = scores(&[-3.0], 0);
    assert_eq!(
        (one.loss, one.margin, one.partial_credit),
        (Some(0.0), None, None)
    );
    let equal = scores(&[-3.0, -3.0], 1);
    assert!((equal.loss.unwrap() - 2f64.ln()).abs() < 1e-12);
    assert_eq!(equal.accuracy, Some(0.0), "the first index wins ties");
    let impossible = scores(&[-1.0, f64::NEG_INFINITY], 1);
    assert_eq!(
        (impossible.loss, impossible.p_gold),
        (Some(f64::INFINITY), Some(0.0))
    );
}

#[test]
fn log_odds_change_sign_with_prompts_and_classes() {
    let (first, other) = ([-1.0, -2.0], [-3.0, -1.5]);
    let d = |f, o, a| ExampleScores::log_odds(f, o, a).logodds.unwrap();
    assert_eq!(d(first, other, 0), 2.5);
    assert_eq!(d(other, first, 0), -2.5);
    assert_eq!(d(first, first, 0), 0.0);
    let swap = |[a, b]: [f64; 2]| [b, a];
    assert_eq!(d(swap(first), swap(other), 0), -2.5);
    assert_eq!(d(swap(first), swap(other), 1), 2.5);
    assert_eq!(
        ExampleScores::log_odds(first, other, 0).accuracy,
        Some(0.0),
        "of the other prompt"
    );
}

#[test]
fn intervals_and_errors() {
    // R: prop.test(5, 10, correct = FALSE)$conf.int.
    let (low, high) = wilson(5, 10);
    assert!((low - 0.236_593_090_51).abs() < 1e-9 && (high - 0.763_406_909_49).abs() < 1e-9);
    assert_eq!(wilson(0, 10).0, 0.0);
    assert!(wilson(0, 10).1 > 0.2);
    let accuracy = mean(&[1.0, 0.0, 1.0, 1.0, 0.0], 1).unwrap();
    assert!((accuracy.stderr - (0.6 * 0.4 / 4.0_f64).sqrt()).abs() < 1e-12);
    assert!((mean(&[1.0, 0.0], 0).unwrap().stderr - 0.125_f64.sqrt()).abs() < 1e-12);
    assert_eq!(mean(&[], 1), None);
    assert_eq!(mean(&[2.0], 1).unwrap().stderr, 0.0);
    assert!(invert(1.0, 1.0, 3).is_err() && invert(-1.0, 1.0, 2).is_err());
}

proptest! {
    #[test]
    fn losses_are_not_negative_and_permuting_classes_changes_nothing(
        totals in prop::collection::vec(-30.0_f64..0.0, 2..6), shift in -3.0_f64..3.0,
    ) {
        let found = scores(&totals, 0);
        prop_assert!(found.loss.unwrap() >= 0.0);
        let mut reversed = totals.clone();
        reversed.reverse();
        let other = scores(&reversed, totals.len() - 1);
        prop_assert!((found.loss.unwrap() - other.loss.unwrap()).abs() < 1e-12);
        prop_assert!((found.brier.unwrap() - other.brier.unwrap()).abs() < 1e-12);
        let moved: Vec<f64> = totals.iter().map(|t| t + shift).collect();
        prop_assert!((found.loss.unwrap() - scores(&moved, 0).loss.unwrap()).abs() < 1e-12);
    }

    #[test]
    fn inverting_twice_changes_nothing(loss in 1e-6_f64..20.0) {
        let (once, accuracy) = invert(loss, 1.0, 2).unwrap();
        let (twice, back) = invert(once, accuracy, 2).unwrap();
        prop_assert!((twice - loss).abs() < 1e-6 * loss.max(1.0), "{loss} {once} {twice}");
        prop_assert_eq!(back, 1.0);
    }
}
