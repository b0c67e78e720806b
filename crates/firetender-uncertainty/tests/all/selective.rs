//! Risk-coverage areas against brute force, and ties against every order.

use firetender_uncertainty::{RiskCoverage, sweep_ece};

use crate::support::{Draw, close};

/// Mean of selective risks, one by one, in the order given.
fn slow(errors: &[f64]) -> (f64, f64) {
    let n = errors.len() as f64;
    let (mut sum, mut aurc, mut augrc) = (0.0, 0.0, 0.0);
    for (i, error) in errors.iter().enumerate() {
        sum += error;
        aurc += sum / (i + 1) as f64;
        augrc += sum / n;
    }
    (aurc / n, augrc / n)
}

#[test]
fn areas_equal_brute_force() {
    let mut draw = Draw(5);
    for n in [1, 2, 10, 999, 1500] {
        let mut objects: Vec<(f64, f64, f64)> = (0..n)
            .map(|_| {
                let confidence = draw.uniform();
                (
                    confidence,
                    f64::from(u8::from(draw.uniform() < confidence)),
                    1.0,
                )
            })
            .collect();
        let ranked = RiskCoverage::new(objects.clone()).unwrap();
        objects.sort_by(|a, b| b.0.total_cmp(&a.0));
        let errors: Vec<f64> = objects.iter().map(|o| 1.0 - o.1).collect();
        let (aurc, augrc) = slow(&errors);
        close(ranked.aurc(), aurc, 1e-13);
        close(ranked.augrc(), augrc, 1e-13);
        let mut best = errors;
        best.sort_by(f64::total_cmp);
        close(ranked.e_aurc(), aurc - slow(&best).0, 1e-13);
        assert!(ranked.e_aurc() >= 0.0);
    }
}

fn orders(items: &[f64]) -> Vec<Vec<f64>> {
    if items.len() <= 1 {
        return vec![items.to_vec()];
    }
    let mut all = vec![];
    for at in 0..items.len() {
        let mut rest = items.to_vec();
        let first = rest.remove(at);
        for mut order in orders(&rest) {
            order.insert(0, first);
            all.push(order);
        }
    }
    all
}

#[test]
fn ties_are_the_expectation_over_their_orders() {
    // One error on top, five equals of which two are wrong, one right at the bottom.
    let tied = [1.0, 0.0, 0.0, 1.0, 0.0];
    let objects = std::iter::once((0.9, 0.0, 1.0))
        .chain(tied.map(|error| (0.5, 1.0 - error, 1.0)))
        .chain([(0.1, 1.0, 1.0)]);
    let ranked = RiskCoverage::new(objects).unwrap();
    let all: Vec<(f64, f64)> = orders(&tied)
        .into_iter()
        .map(|order| {
            let mut errors = vec![1.0];
            errors.extend(order);
            errors.push(0.0);
            slow(&errors)
        })
        .collect();
    let n = all.len() as f64;
    close(
        ranked.aurc(),
        all.iter().map(|a| a.0).sum::<f64>() / n,
        1e-14,
    );
    close(
        ranked.augrc(),
        all.iter().map(|a| a.1).sum::<f64>() / n,
        1e-14,
    );
}

#[test]
fn curves_and_their_inverses_agree() {
    let objects = [
        (0.9, 1.0, 1.0),
        (0.8, 1.0, 1.0),
        (0.7, 0.0, 1.0),
        (0.6, 1.0, 1.0),
    ];
    let ranked = RiskCoverage::new(objects).unwrap();
    assert_eq!(ranked.risk(), 0.25);
    assert_eq!(ranked.coverage_at_risk(0.0), 0.5);
    assert_eq!(ranked.coverage_at_risk(0.25), 1.0);
    assert_eq!(ranked.coverage_at_risk(0.3), 1.0);
    assert_eq!(ranked.risk_at_coverage(0.5), Some(0.0));
    close(ranked.risk_at_coverage(0.75).unwrap(), 1.0 / 3.0, 1e-15);
    assert_eq!(ranked.risk_at_coverage(0.0), None);
    assert_eq!(ranked.risk_at_coverage(1.1), None);
    let rejection = ranked.accuracy_rejection();
    assert_eq!(rejection[0], (0.0, 0.75));
    assert_eq!(rejection[3], (0.75, 1.0));
    assert_eq!(
        RiskCoverage::new([(0.5, 0.0, 1.0)])
            .unwrap()
            .coverage_at_risk(0.1),
        0.0
    );
}

/// Roelofs et al.'s sweep, the slow way.
fn slow_sweep(objects: &[(f64, f64)]) -> (f64, usize) {
    let n = objects.len();
    let mut sorted = objects.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let table = |bins: usize| -> Vec<(f64, f64, f64)> {
        let mut table = vec![(0.0, 0.0, 0.0); bins];
        for (i, (confidence, correct)) in sorted.iter().enumerate() {
            let cell = &mut table[(i * bins / n).min(bins - 1)];
            *cell = (cell.0 + 1.0, cell.1 + confidence, cell.2 + correct);
        }
        table
    };
    let rising = |bins| {
        table(bins)
            .windows(2)
            .all(|p| p[0].2 / p[0].0 <= p[1].2 / p[1].0)
    };
    let mut best = 1;
    for bins in 2..n {
        if !rising(bins) {
            break;
        }
        best = bins;
    }
    let error: f64 = table(best).iter().map(|(_, p, y)| (p - y).abs()).sum();
    (error / n as f64, best)
}

#[test]
fn the_sweep_equals_the_slow_one() {
    let mut draw = Draw(11);
    for n in [1, 2, 3, 30, 500, 2000] {
        let objects: Vec<(f64, f64)> = (0..n)
            .map(|_| {
                let p = draw.uniform();
                (p, f64::from(u8::from(draw.uniform() < p * p)))
            })
            .collect();
        let (error, bins) = slow_sweep(&objects);
        let found = sweep_ece(
            &objects
                .iter()
                .map(|(p, y)| (*p, *y, 1.0))
                .collect::<Vec<_>>(),
        );
        assert_eq!(found.1, bins, "n = {n}");
        close(found.0, error, 1e-12);
    }
}
