//! The search against a slow oracle, the planted pool, and the laws of the specification.

use std::sync::Arc;

use approx::assert_abs_diff_eq;
use burn::tensor::{Device, Int, Tensor, TensorData};
use firetender_uncertainty::Bootstrap;
use proptest::prelude::*;

use super::{criterion::*, fit::maximise, pass, *};
use crate::{Address, Draw, TtaError};

/// Log-probabilities `[B, N, C]` and labels of members that see the truth through noise, in the manner of the specification's synth.
fn noisy(entries: usize, samples: usize, classes: usize, seed: u64) -> (Vec<f32>, Vec<i64>) {
    let mut draw = Draw::at(Address {
        seed,
        ..Address::default()
    });
    let labels: Vec<i64> = (0..samples)
        .map(|_| draw.up_to(classes as u64 - 1) as i64)
        .collect();
    let mut base: Vec<f64> = (0..samples * classes)
        .map(|_| 1.2 * draw.normal())
        .collect();
    for (row, label) in base.chunks_mut(classes).zip(&labels) {
        row[*label as usize] += 2.0;
    }
    let mut pool = vec![];
    for _ in 0..entries {
        let (q, s) = (draw.between(0.3, 2.0), draw.between(0.0, 0.8));
        let shift: Vec<f64> = (0..classes).map(|_| draw.normal()).collect();
        let f = draw.between(1.0, 2.5);
        for row in base.chunks(classes) {
            let mut logits: Vec<f64> = row
                .iter()
                .zip(&shift)
                .map(|(b, n)| (b + q * draw.normal() + s * n) * f)
                .collect();
            firetender_uncertainty::log_softmax(&mut logits);
            pool.extend(logits.iter().map(|l| *l as f32));
        }
    }
    (pool, labels)
}

fn candidates(entries: usize, samples: usize, classes: usize, seed: u64) -> Candidates {
    let (pool, labels) = noisy(entries, samples, classes, seed);
    Candidates::new(
        PredictionKind::LogProbs,
        &pool,
        [entries, samples, classes],
        &labels,
    )
    .unwrap()
}

/// Golden section on ln β over naive sums, in f64.
fn slow_cll(probs: &[f64], classes: usize, labels: &[u32], floor: f64) -> (f64, f64) {
    let ll = |beta: f64| -> f64 {
        let rows = probs.chunks(classes).zip(labels);
        let sum: f64 = rows
            .map(|(row, label)| {
                let powers: Vec<f64> = row.iter().map(|q| (beta * q.ln()).exp()).collect();
                (powers[*label as usize] / powers.iter().sum::<f64>() + floor).ln()
            })
            .sum();
        sum / labels.len() as f64
    };
    let (mut a, mut b) = (1e-2_f64.ln(), 1e2_f64.ln());
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    while b - a > 1e-9 {
        let (c, d) = (b - golden * (b - a), a + golden * (b - a));
        if ll(c.exp()) > ll(d.exp()) {
            b = d
        } else {
            a = c
        }
    }
    let beta = ((a + b) / 2.0).exp();
    (ll(beta), 1.0 / beta)
}

/// The search as the paper writes it.
fn slow_search(candidates: &Candidates, steps: usize) -> Vec<(usize, f64)> {
    let entries: Vec<Vec<f32>> = (0..candidates.entries())
        .map(|e| candidates.entry(e).unwrap())
        .collect();
    let mut sum = vec![0.0_f64; entries[0].len()];
    let mut picks = vec![];
    for t in 1..=steps {
        let mut best: Option<(usize, f64)> = None;
        for (at, entry) in entries.iter().enumerate() {
            let mixed: Vec<f64> = sum
                .iter()
                .zip(entry)
                .map(|(s, p)| (s + f64::from(*p)) / t as f64)
                .collect();
            let (score, _) = slow_cll(&mixed, candidates.classes(), candidates.labels(), 1e-12);
            if best.is_none_or(|(_, top)| score > top) {
                best = Some((at, score));
            }
        }
        let (index, score) = best.unwrap();
        sum.iter_mut()
            .zip(&entries[index])
            .for_each(|(s, p)| *s += f64::from(*p));
        picks.push((index, score));
    }
    picks
}

#[test]
fn the_fast_search_is_the_slow_one() {
    for (shape, seed) in [([7, 61, 3], 1), ([12, 90, 10], 2), ([5, 33, 2], 3)] {
        let [b, n, c] = shape;
        let candidates = candidates(b, n, c, seed);
        let trace = GreedySearch::new(6).run(&candidates).unwrap();
        for (pick, (index, score)) in trace.picks.iter().zip(slow_search(&candidates, 6)) {
            assert_eq!(pick.index, index, "{shape:?}");
            assert_abs_diff_eq!(pick.score, score, epsilon = 1e-9);
        }
    }
}

#[test]
fn screening_changes_nothing() {
    for (shape, seed) in [([60, 400, 10], 5), ([40, 300, 100], 6), ([80, 150, 3], 7)] {
        let [b, n, c] = shape;
        let candidates = candidates(b, n, c, seed);
        let screened = GreedySearch::new(25).run(&candidates).unwrap();
        let full = GreedySearch::new(25)
            .with_mode(Mode::Full)
            .run(&candidates)
            .unwrap();
        for (a, b) in screened.picks.iter().zip(&full.picks) {
            assert_eq!(
                (a.index, a.score, a.temperature, a.runner_up, a.gap),
                (b.index, b.score, b.temperature, b.runner_up, b.gap)
            );
        }
        let refined: usize = screened.picks[5..].iter().map(|p| p.refined).sum();
        assert!(refined < 20 * b / 3, "{refined} of {}", 20 * b);
    }
}

#[test]
fn rough_passes_are_within_the_margin() {
    for (shape, seed) in [([6, 500, 10], 5), ([4, 200, 100], 6), ([3, 60, 1000], 7)] {
        let [b, n, c] = shape;
        let candidates = candidates(b, n, c, seed);
        let zero32 = vec![[0.0_f32; pass::TILE]; candidates.weights.len() * c];
        let zero64 = vec![[0.0_f64; pass::TILE]; candidates.weights.len() * c];
        for entry in 0..b {
            for beta in [0.3_f32, 0.7, 1.0, 1.6] {
                let (rough, exact, plain) = candidates
                    .with_entry(entry, |tiles| {
                        let weights = &candidates.weights;
                        let exact = |floor| {
                            pass::exact(tiles, &zero64, weights, 1.0, f64::from(beta), floor)
                        };
                        (
                            pass::rough(tiles, &zero32, weights, 1.0, beta, 1e-12),
                            exact(1e-12),
                            exact(0.0),
                        )
                    })
                    .unwrap();
                let ln2 = std::f64::consts::LN_2;
                let value = ln2 * rough.value + rough.floor[0];
                let most = 1.5e-6 * exact.value.abs().max(1.0);
                assert!(
                    (value - exact.value).abs() < most,
                    "{shape:?} {beta}: {value} {}",
                    exact.value
                );
                assert!(
                    (ln2 * rough.slope - plain.slope).abs() < 1e-4 * plain.slope.abs().max(1.0)
                );
                assert!(
                    (ln2 * ln2 * rough.variance - plain.curvature).abs() < 1e-3 * plain.curvature
                );
            }
        }
    }
}

#[test]
fn no_candidate_rises_above_its_bound() {
    let candidates = candidates(30, 300, 10, 9);
    let zero32 = vec![[0.0_f32; pass::TILE]; candidates.weights.len() * 10];
    let zero64 = vec![[0.0_f64; pass::TILE]; candidates.weights.len() * 10];
    let mut useful = 0;
    for entry in 0..30 {
        for beta in [0.3_f32, 0.45, 0.6, 0.8, 1.0] {
            let (rough, fit) = candidates
                .with_entry(entry, |tiles| {
                    (
                        pass::rough(tiles, &zero32, &candidates.weights, 1.0, beta, 1e-12),
                        maximise(1.0, [1e-2, 1e2], |b| {
                            pass::exact(tiles, &zero64, &candidates.weights, 1.0, b, 1e-12)
                        }),
                    )
                })
                .unwrap();
            let bounds = screen::Bounds::of(&rough, f64::from(beta));
            assert!(
                bounds.low <= fit.value && fit.value <= bounds.high,
                "{bounds:?} {fit:?}"
            );
            useful += usize::from(bounds.high < fit.value + 1e-3);
        }
    }
    assert!(useful > 10, "{useful}");
}

/// The specification's planted pool: four members that are wrong on blocks of their own, sixty that are wrong together.
fn planted(seed: u64) -> (Candidates, Vec<usize>) {
    let (n, c) = (600_usize, 10_usize);
    let mut draw = Draw::at(Address {
        seed,
        entry: 77,
        ..Address::default()
    });
    let labels: Vec<i64> = (0..n).map(|_| draw.up_to(9) as i64).collect();
    let shuffle = |draw: &mut Draw, n: usize| {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, draw.up_to(i as u64) as usize);
        }
        order
    };
    let order = shuffle(&mut draw, n);
    let everybody = &order[..30];
    let rest: Vec<usize> = order[30..].to_vec();
    let blocks: Vec<&[usize]> = rest.chunks(72).take(4).collect();
    let common: Vec<usize> = shuffle(&mut draw, 570)
        .into_iter()
        .take(120)
        .map(|i| rest[i])
        .collect();
    let shared: Vec<usize> = labels
        .iter()
        .map(|l| (*l as usize + 1 + draw.up_to(8) as usize) % 10)
        .collect();
    let mut members: Vec<Vec<f32>> = vec![];
    for member in 0..64_usize {
        let mut answer: Vec<usize> = labels.iter().map(|l| *l as usize).collect();
        let jitter = if member < 4 { 0.02 } else { 0.05 };
        if member < 4 {
            for &i in blocks.get(member).copied().unwrap_or_default() {
                answer[i] = (answer[i] + 1 + draw.up_to(8) as usize) % 10;
            }
        } else {
            common.iter().for_each(|&i| answer[i] = shared[i]);
        }
        everybody.iter().for_each(|&i| answer[i] = shared[i]);
        let mut probs = vec![];
        for answer in answer {
            let mut row: Vec<f64> = (0..c)
                .map(|k| if k == answer { 0.9 } else { 0.1 / 9.0 } * (jitter * draw.normal()).exp())
                .collect();
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|p| *p /= sum);
            probs.extend(row.iter().map(|p| *p as f32));
        }
        members.push(probs);
    }
    let places = shuffle(&mut draw, 64);
    let pool: Vec<f32> = places.iter().flat_map(|at| members[*at].clone()).collect();
    let candidates = Candidates::new(PredictionKind::Probs, &pool, [64, n, c], &labels).unwrap();
    let hidden = (0..64).filter(|at| places[*at] < 4).collect();
    (candidates, hidden)
}

#[test]
fn planted_members_are_found_first_and_then_again() {
    for seed in 0..5 {
        let (candidates, hidden) = planted(seed);
        let trace = GreedySearch::new(8).run(&candidates).unwrap();
        let sorted = |picks: &[usize]| {
            let mut picks = picks.to_vec();
            picks.sort_unstable();
            picks
        };
        let selected = trace.selected();
        assert_eq!(sorted(&selected[..4]), hidden, "seed {seed}");
        assert_eq!(sorted(&selected[4..]), hidden, "seed {seed}");
        let path = [
            -0.8291, -0.4742, -0.4399, -0.4223, -0.4293, -0.4284, -0.4256, -0.4223,
        ];
        for (score, expected) in trace.scores().iter().zip(path) {
            // Another generator by the same recipe.
            assert_abs_diff_eq!(*score, expected, epsilon = 4e-3);
        }
        assert_abs_diff_eq!(trace.picks[3].temperature, 0.765, epsilon = 0.01);
        // A whole prefix twice is the prefix.
        assert_abs_diff_eq!(trace.picks[3].score, trace.picks[7].score, epsilon = 1e-9);
        assert!(trace.best_prefix() == 4 || trace.best_prefix() == 8);
    }
}

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
fn planted_picks_are_sure_and_ties_are_not() {
    let (candidates, _) = planted(0);
    let search = GreedySearch::new(3);
    let trace = search.run(&candidates).unwrap();
    let bootstrap = Bootstrap::new(200, 0.95, 1).unwrap();
    let sure = pick_confidence(&candidates, &search, &trace, 3, 8, &bootstrap).unwrap();
    // Once one of the four is there, the others are far better than any distractor, but about equal among themselves.
    assert_eq!(sure.len(), 3);
    let same = [0.6_f32, 0.4, 0.7, 0.3].repeat(3);
    let equal = Candidates::new(PredictionKind::Probs, &same, [3, 2, 2], &[0, 1]).unwrap();
    let trace = search.run(&equal).unwrap();
    let found = pick_confidence(&equal, &search, &trace, 1, 3, &bootstrap).unwrap();
    // Of equals the first wins every draw.
    assert_eq!((found[0].share, found[0].winners), (1.0, 1));
}

#[test]
fn a_device_finds_the_same() {
    let (b, n, c) = (14, 300, 6);
    let candidates = candidates(b, n, c, 21);
    let values: Vec<f32> = (0..b).flat_map(|e| candidates.entry(e).unwrap()).collect();
    let device = Device::flex();
    let pool = Tensor::<3>::from_data(TensorData::new(values, [b, n, c]), &device);
    let labels: Vec<i64> = candidates.labels().iter().map(|l| i64::from(*l)).collect();
    let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [n]), &device);
    for (criterion, replacement) in [("cll", true), ("ll", true), ("cll", false)] {
        let mut search =
            GreedySearch::new(8).with_criterion(Criterion::from_name(criterion).unwrap());
        search.replacement = replacement;
        let host = search.run(&candidates).unwrap();
        for chunk in [3, 14] {
            let found = search_tensor(&search, pool.clone(), labels.clone(), chunk).unwrap();
            for (a, b) in found.picks.iter().zip(&host.picks) {
                assert_abs_diff_eq!(a.score, b.score, epsilon = 1e-6);
                if b.gap.unwrap() < 1e-5 {
                    break;
                }
                assert_eq!(a.index, b.index);
                assert_abs_diff_eq!(a.temperature, b.temperature, epsilon = 1e-3);
            }
        }
    }
    assert!(
        search_tensor(
            &GreedySearch::new(1),
            pool,
            Tensor::from_data([9], &device),
            2
        )
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn newton_beats_every_point_of_a_grid(
        rows in prop::collection::vec(prop::collection::vec(-8.0..8.0_f64, 4), 3..12),
        labels in prop::collection::vec(0_i64..4, 12),
    ) {
        let n = rows.len();
        let values: Vec<f32> = rows.iter().flatten().map(|x| *x as f32).collect();
        let candidates = Candidates::new(PredictionKind::Logits, &values, [1, n, 4], &labels[..n]).unwrap();
        let pick = GreedySearch::new(1).run(&candidates).unwrap().picks[0].clone();
        let zero = vec![[0.0; pass::TILE]; candidates.weights.len() * 4];
        let best = candidates.with_entry(0, |tiles| {
            (0..=1000)
                .map(|i| 10f64.powf(-2.0 + 4.0 * f64::from(i) / 1000.0))
                .map(|b| pass::exact(tiles, &zero, &candidates.weights, 1.0, b, 1e-12).value)
                .fold(f64::NEG_INFINITY, f64::max)
        }).unwrap();
        // Above the floor the function is concave; far below it, it may rise again.
        prop_assert!(pick.score >= best - 1e-9 || best < -2.0, "{} {best}", pick.score);
    }

    #[test]
    fn screened_is_full_on_random_pools(b in 2_usize..14, n in 1_usize..40, c in 2_usize..6, seed in any::<u64>()) {
        let candidates = candidates(b, n, c, seed);
        let screened = GreedySearch::new(5).run(&candidates).unwrap();
        let full = GreedySearch::new(5).with_mode(Mode::Full).run(&candidates).unwrap();
        for (a, b) in screened.picks.iter().zip(&full.picks) {
            prop_assert_eq!(a.index, b.index);
            prop_assert_eq!(a.score, b.score);
        }
    }
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

#[test]
fn a_floor_does_not_hide_the_maximum() {
    // One confident error far below the floor: from β = 1 the slope leads to ever sharper predictions, away from the best.
    let log = |p: [f64; 2]| p.map(|x| x as f32);
    let row = |right: f64| {
        let z = (-right.abs()).exp();
        let (big, small) = (-(1.0 + z).ln(), -right.abs() - (1.0 + z).ln());
        if right > 0.0 {
            log([big, small])
        } else {
            log([small, big])
        }
    };
    let rows: Vec<f32> = [9.0, 6.0, 12.0, -80.0]
        .iter()
        .flat_map(|m| row(*m))
        .collect();
    let candidates = Candidates::new(PredictionKind::LogProbs, &rows, [1, 4, 2], &[0; 4]).unwrap();
    let trace = GreedySearch::new(1).run(&candidates).unwrap();
    let probs: Vec<f64> = candidates
        .entry(0)
        .unwrap()
        .iter()
        .map(|p| f64::from(*p))
        .collect();
    let mut best = f64::NEG_INFINITY;
    for k in 0..=4000 {
        let beta = 10_f64.powf(-2.0 + f64::from(k) / 1000.0);
        let mean: f64 = probs
            .chunks(2)
            .map(|q| {
                let (a, b) = (beta * q[0].ln(), beta * q[1].ln());
                let top = a.max(b);
                (1e-12 + (a - top).exp() / ((a - top).exp() + (b - top).exp())).ln()
            })
            .sum::<f64>()
            / 4.0;
        best = best.max(mean);
    }
    assert!(
        trace.picks[0].score >= best - 1e-9,
        "{} {best}",
        trace.picks[0].score
    );
    assert!(trace.picks[0].score < best + 1e-4);
}
