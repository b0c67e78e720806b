//! The pool of the specification with four members that have to be found.

use crate::search::*;
use crate::{Address, Draw};
use approx::assert_abs_diff_eq;
use firetender_uncertainty::Bootstrap;

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
