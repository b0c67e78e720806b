//! Comparing methods: intervals, flips, notes.

use firetender_uncertainty::{CompareOptions, Floor, Scores, Targets, compare};

use crate::support::synthetic;

#[test]
fn a_flip_is_found_and_said() {
    // The same network twice, once too sure of itself, and a worse one of the right temperature.
    let set = synthetic(2000, 5, 4, 1.0);
    let targets = Targets::classes(&set.labels);
    let noise = synthetic(2000, 5, 99, 1.0);
    let sure: Vec<f64> = set.logits.iter().map(|z| 6.0 * z).collect();
    let blurred: Vec<f64> = set
        .logits
        .iter()
        .zip(&noise.logits)
        .map(|(z, n)| 0.6 * (z + 0.5 * n))
        .collect();
    let methods = [
        ("sure", vec![Scores::logits(&sure, 5).unwrap()]),
        ("blurred", vec![Scores::logits(&blurred, 5).unwrap()]),
    ];
    let found = compare(&methods, &targets, &CompareOptions::default()).unwrap();
    assert_eq!(
        (found.methods[0].rank_ll, found.methods[0].rank_cll),
        (2, 1)
    );
    assert!(found.pairs[0].flips && found.pairs[0].clear);
    assert_eq!(found.rank_stability, -1.0);
    assert!(
        found.notes[0].contains("sure and blurred"),
        "{:?}",
        found.notes
    );
    for method in &found.methods {
        assert!(method.cll.low <= method.cll.value && method.cll.value <= method.cll.high);
    }
    let [a, b] = [&found.methods[0].cll, &found.methods[1].cll];
    let apart = (a.high - a.low) + (b.high - b.low);
    let paired = found.pairs[0].difference.high - found.pairs[0].difference.low;
    assert!(paired < apart, "paired intervals are narrower");
}

#[test]
fn comparisons_depend_on_the_seed_and_not_on_threads() {
    let sets = [synthetic(300, 4, 1, 2.0), synthetic(300, 4, 2, 2.0)];
    let targets = Targets::classes(&sets[0].labels);
    let methods: Vec<(&str, Vec<Scores<'_>>)> = ["a", "b"]
        .into_iter()
        .zip(&sets)
        .map(|(name, set)| (name, vec![Scores::logits(&set.logits, 4).unwrap()]))
        .collect();
    let with = |threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let options = CompareOptions {
            seed,
            resamples: 50,
            ..CompareOptions::default()
        };
        pool.build()
            .unwrap()
            .install(|| compare(&methods, &targets, &options).unwrap())
    };
    assert_eq!(with(1, 1), with(3, 1));
    assert_ne!(with(1, 1), with(1, 2));
    assert!(compare(&[], &targets, &CompareOptions::default()).is_err());
    let twice = [methods[0].clone(), methods[0].clone()];
    assert!(compare(&twice, &targets, &CompareOptions::default()).is_err());
    let bad = CompareOptions {
        level: 1.0,
        ..CompareOptions::default()
    };
    assert!(compare(&methods, &targets, &bad).is_err());
}

#[test]
fn a_heavy_row_is_drawn_with_its_weight_and_not_instead_of_a_mean() {
    let set = synthetic(60, 3, 5, 1.0);
    let scores = Scores::logits(&set.logits, 3).unwrap();
    let mut weights = vec![1.0; 60];
    weights[7] = 500.0;
    let targets = Targets::classes(&set.labels).with_weights(weights);
    let rows = firetender_uncertainty::Objects::new(&scores, &targets, Floor::None).unwrap();
    let all = rows.rows().iter().map(|o| o.log_likelihood);
    let (worst, best) = all.fold((0.0, f64::NEG_INFINITY), |(low, high): (f64, f64), v| {
        (low.min(v), high.max(v))
    });
    let found = compare(&[("a", vec![scores])], &targets, &CompareOptions::default()).unwrap();
    let ll = found.methods[0].ll;
    assert!((ll.value - rows.log_likelihood()).abs() < 1e-12);
    assert!(worst <= ll.low && ll.high <= best, "{ll:?}");
}

#[test]
fn methods_with_other_classes_are_refused() {
    let targets = Targets::classes(&[0, 1]);
    let two = Scores::probs(vec![0.5; 4], 2).unwrap();
    let four = Scores::probs(vec![0.25; 8], 4).unwrap();
    let error = compare(
        &[("a", vec![two]), ("b", vec![four])],
        &targets,
        &CompareOptions::default(),
    )
    .unwrap_err();
    assert!(error.to_string().contains("method \"b\""), "{error}");
}
