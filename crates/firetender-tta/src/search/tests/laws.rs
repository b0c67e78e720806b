//! Laws that every search keeps.

use approx::assert_abs_diff_eq;

use super::{candidates, noisy};
use crate::search::*;

#[test]
fn picking_a_member_twice_is_picking_it_once() {
    let candidates = candidates(9, 100, 5, 3);
    let first = GreedySearch::new(2).run(&candidates).unwrap();
    assert!(first.picks[1].score >= first.picks[0].score - 1e-12);
    let same = GreedySearch::new(1)
        .with_start(vec![first.picks[0].index])
        .run(&candidates)
        .unwrap();
    assert_eq!(same.picks[0].index, first.picks[1].index);
    assert_eq!(same.picks[0].score, first.picks[1].score);
}

#[test]
fn going_on_is_the_same_as_going_far() {
    let candidates = candidates(25, 200, 10, 4);
    for criterion in ["cll", "ll", "brier", "acc"] {
        let search = GreedySearch::new(20).with_criterion(Criterion::from_name(criterion).unwrap());
        let whole = search.run(&candidates).unwrap();
        let mut begin = search.clone();
        begin.steps = 8;
        let head = begin.run(&candidates).unwrap();
        assert_eq!(head.picks, whole.picks[..8]);
        let mut rest = search.clone().with_start(head.selected());
        rest.steps = 12;
        let tail = rest.run(&candidates).unwrap();
        for (a, b) in tail.picks.iter().zip(&whole.picks[8..]) {
            assert_eq!(
                (a.index, a.score.to_bits(), a.temperature.to_bits()),
                (b.index, b.score.to_bits(), b.temperature.to_bits()),
                "{criterion}"
            );
        }
        assert_eq!(tail.selected(), whole.selected());
    }
}

#[test]
fn threads_and_the_order_of_samples_do_not_matter() {
    let candidates = candidates(30, 203, 7, 8);
    let search = GreedySearch::new(12);
    let one = search.run(&candidates).unwrap();
    for threads in [1, 2, 7] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let found = pool.install(|| search.run(&candidates)).unwrap();
        assert_eq!(
            serde_json::to_string(&found).unwrap(),
            serde_json::to_string(&one).unwrap()
        );
    }
    let order: Vec<usize> = (0..203).map(|i| i * 57 % 203).collect();
    let moved = search.run(&candidates.subset(&order).unwrap()).unwrap();
    assert_eq!(moved.selected(), one.selected());
    for (a, b) in moved.picks.iter().zip(&one.picks) {
        assert_abs_diff_eq!(a.score, b.score, epsilon = 1e-12);
    }
    // Every sample twice.
    let twice: Vec<usize> = (0..406).map(|i| i / 2).collect();
    let doubled = search.run(&candidates.subset(&twice).unwrap()).unwrap();
    assert_eq!(doubled.selected(), one.selected());
    let weighted = self::candidates(30, 203, 7, 8)
        .with_weights(&[2.0; 203])
        .unwrap();
    assert_eq!(search.run(&weighted).unwrap().selected(), one.selected());
}

#[test]
fn weights_are_copies() {
    let (pool, labels) = noisy(8, 40, 4, 2);
    let shape = [8, 40, 4];
    let of = || Candidates::new(PredictionKind::LogProbs, &pool, shape, &labels).unwrap();
    let weights: Vec<f64> = (0..40).map(|i| f64::from(i % 3)).collect();
    let copies: Vec<usize> = (0..40).flat_map(|i| vec![i; i % 3]).collect();
    let search = GreedySearch::new(5);
    let a = search.run(&of().with_weights(&weights).unwrap()).unwrap();
    let b = search.run(&of().subset(&copies).unwrap()).unwrap();
    assert_eq!(a.selected(), b.selected());
    for (a, b) in a.picks.iter().zip(&b.picks) {
        assert_abs_diff_eq!(a.score, b.score, epsilon = 1e-12);
    }
}

#[test]
fn permuting_entries_and_classes_permutes_the_picks() {
    let (b, n, c) = (11, 80, 5);
    let (pool, labels) = noisy(b, n, c, 12);
    let base = GreedySearch::new(6)
        .run(&Candidates::new(PredictionKind::LogProbs, &pool, [b, n, c], &labels).unwrap())
        .unwrap();
    let order: Vec<usize> = (0..b).map(|i| i * 4 % b).collect();
    let moved: Vec<f32> = order
        .iter()
        .flat_map(|e| pool[e * n * c..(e + 1) * n * c].to_vec())
        .collect();
    let found = GreedySearch::new(6)
        .run(&Candidates::new(PredictionKind::LogProbs, &moved, [b, n, c], &labels).unwrap())
        .unwrap();
    let back: Vec<usize> = found.selected().iter().map(|at| order[*at]).collect();
    assert_eq!(back, base.selected());

    let relabel = |l: i64| (l * 2 + 1) % c as i64;
    let classes: Vec<f32> = pool
        .chunks(c)
        .flat_map(|row| {
            let mut new = vec![0.0; c];
            for (k, x) in row.iter().enumerate() {
                new[relabel(k as i64) as usize] = *x;
            }
            new
        })
        .collect();
    let named: Vec<i64> = labels.iter().map(|l| relabel(*l)).collect();
    // A constant per row as well: logits then.
    let shifted: Vec<f32> = classes
        .iter()
        .enumerate()
        .map(|(i, x)| x + (i / c % 3) as f32)
        .collect();
    for (kind, pool) in [
        (PredictionKind::LogProbs, classes),
        (PredictionKind::Logits, shifted),
    ] {
        let found = GreedySearch::new(6)
            .run(&Candidates::new(kind, &pool, [b, n, c], &named).unwrap())
            .unwrap();
        assert_eq!(found.selected(), base.selected());
        for (a, b) in found.picks.iter().zip(&base.picks) {
            assert_abs_diff_eq!(a.score, b.score, epsilon = 1e-6);
        }
    }
}

#[test]
fn without_replacement_ends_when_none_is_left() {
    let candidates = candidates(5, 60, 4, 1);
    let trace = GreedySearch::new(50)
        .without_replacement()
        .run(&candidates)
        .unwrap();
    let mut selected = trace.selected();
    selected.sort_unstable();
    assert_eq!(selected, [0, 1, 2, 3, 4]);
    assert_eq!(trace.picks[4].runner_up, None);
}

#[test]
fn the_gap_to_the_best_mixture_closes() {
    let candidates = candidates(60, 400, 10, 3);
    let optimum = mixture_optimum(&candidates, 3000, 1e-8).unwrap();
    assert_abs_diff_eq!(optimum.weights.iter().sum::<f64>(), 1.0, epsilon = 1e-9);
    assert!(optimum.upper_bound - optimum.log_likelihood < 1e-3);
    let path = GreedySearch::new(200)
        .with_criterion(Criterion::Ll)
        .run(&candidates)
        .unwrap()
        .scores();
    let gap = |t: usize| optimum.upper_bound - path[t - 1];
    for t in [1, 2, 5, 10, 20, 50, 100] {
        assert!(
            gap(2 * t) <= gap(t) + 1e-9,
            "{t}: {} {}",
            gap(t),
            gap(2 * t)
        );
    }
    assert!(gap(200) < 2e-3 && gap(200) > -1e-9, "{}", gap(200));
}

#[test]
fn held_out_scores_are_lower_than_seen_ones() {
    let candidates = candidates(60, 120, 10, 6);
    let found = cross_validate(&candidates, &GreedySearch::new(15), 4, 1).unwrap();
    assert_eq!(found.held_out.len(), 15);
    let gap: f64 = found
        .seen
        .iter()
        .zip(&found.held_out)
        .map(|(s, h)| s - h)
        .sum();
    assert!(gap > 0.0);
    assert_eq!(found.trace.picks.len(), found.best_length);
    assert!(found.short_length <= found.best_length);
    let again = cross_validate(&candidates, &GreedySearch::new(15), 4, 1).unwrap();
    assert_eq!(found, again);
    assert!(
        cross_validate(
            &candidates,
            &GreedySearch::new(2).with_criterion(Criterion::Accuracy),
            2,
            1
        )
        .is_err()
    );
}

#[test]
fn a_line_search_is_never_worse_and_its_weights_make_the_score() {
    let candidates = candidates(12, 80, 4, 9);
    for criterion in ["cll", "ll", "brier"] {
        let uniform = GreedySearch::new(8).with_criterion(Criterion::from_name(criterion).unwrap());
        let free = uniform.clone().with_line_search();
        let (uniform, free) = (
            uniform.run(&candidates).unwrap(),
            free.run(&candidates).unwrap(),
        );
        // The first two picks are the same; from there the mixtures differ.
        assert_eq!(uniform.selected()[..2], free.selected()[..2]);
        assert!(free.picks[1].score >= uniform.picks[1].score);
        assert!(uniform.weights().iter().all(|w| (w - 0.125).abs() < 1e-12));
        let weights = free.weights();
        assert_abs_diff_eq!(weights.iter().sum::<f64>(), 1.0, epsilon = 1e-12);
        if criterion != "ll" {
            continue;
        }
        // The path does not fall by more than the least share costs.
        assert!(
            free.picks
                .windows(2)
                .all(|p| p[1].score > p[0].score - 1e-3)
        );
        let entries: Vec<Vec<f32>> = free
            .selected()
            .iter()
            .map(|e| candidates.entry(*e).unwrap())
            .collect();
        let mean: f64 = candidates
            .labels()
            .iter()
            .enumerate()
            .map(|(row, label)| {
                let at = row * 4 + *label as usize;
                let p: f64 = entries
                    .iter()
                    .zip(&weights)
                    .map(|(e, w)| w * f64::from(e[at]))
                    .sum();
                (p + 1e-12).ln()
            })
            .sum::<f64>()
            / 80.0;
        assert_abs_diff_eq!(mean, free.picks[7].score, epsilon = 1e-9);
    }
}
