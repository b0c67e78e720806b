use super::*;
use crate::Strength;

fn drawer(p_steer: f64, seed: u64) -> Drawer {
    let dose = DoseOptions {
        p_steer,
        ..DoseOptions::default()
    };
    let size = |weight, pairs| SourceSize {
        weight,
        pairs,
        targets: 9,
    };
    let sources = [size(1.0, 20), size(3.0, 0), size(0.0, 30)];
    Drawer::new(seed, &dose, PairCount::Between(5, 10), 4, &sources)
}

/// Invariants 4 and 25: the number of steered batches is binomial; strengths have mean 0 and variance c²/3.
#[test]
fn draws_have_the_distribution_that_was_asked_for() {
    let n = 4000;
    for p in [0.0, 0.125, 0.875, 1.0] {
        let drawer = drawer(p, 3);
        let draws: Vec<Draw> = (0..n).map(|i| drawer.minibatch(i, 8).remove(0)).collect();
        let steered = draws.iter().filter(|d| d.steered).count() as f64;
        let deviation = (n as f64 * p * (1.0 - p)).sqrt();
        assert!(
            (steered - n as f64 * p).abs() <= 4.0 * deviation,
            "{p}: {steered}"
        );
        let dose = |d: &Draw| if d.steered { d.strength } else { 0.0 };
        let mean = draws.iter().map(dose).sum::<f64>() / n as f64;
        let square = draws.iter().map(|d| dose(d).powi(2)).sum::<f64>() / n as f64;
        let expected = p * 1.5 * 1.5 / 3.0;
        assert!(mean.abs() < 4.0 * (expected / n as f64).sqrt() + 1e-12);
        // The fourth moment of a uniform number is c⁴/5.
        let spread = (p * 1.5f64.powi(4) / 5.0 - expected * expected) / n as f64;
        assert!(
            (square - expected).abs() <= 4.0 * spread.sqrt() + 1e-12,
            "{square}"
        );
    }
    let drawer = drawer(1.0, 3);
    let draws: Vec<Draw> = (0..n).map(|i| drawer.minibatch(i, 8).remove(0)).collect();
    let second = draws.iter().filter(|d| d.source == 1).count() as f64 / n as f64;
    assert!((second - 0.75).abs() < 0.03, "{second}");
    assert!(draws.iter().all(|d| d.source != 2), "weight 0");
    for draw in &draws {
        assert!(draw.source == 1 || (5..=10).contains(&draw.pairs.len()));
        assert!(draw.pairs.windows(2).all(|w| w[0] < w[1]));
        assert_eq!(draw.targets.len(), 4);
    }
    assert!(drawer.minibatch(0, 8)[0] != drawer.minibatch(1, 8)[0]);
}

/// Whether a batch is steered changes nothing else, so runs with another probability can be compared step by step.
#[test]
fn the_probability_changes_only_whether() {
    for number in 0..50 {
        let (often, never) = (drawer(1.0, 5), drawer(0.0, 5));
        let (a, b) = (
            &often.minibatch(number, 1)[0],
            &never.minibatch(number, 1)[0],
        );
        assert!(a.steered && !b.steered);
        assert_eq!(
            (a.strength, &a.pairs, a.noise),
            (b.strength, &b.pairs, b.noise)
        );
    }
}

#[test]
fn rows_draw_by_themselves() {
    let dose = DoseOptions {
        per: Per::Row,
        ..DoseOptions::default()
    };
    let sources = [SourceSize {
        weight: 1.0,
        pairs: 50,
        targets: 0,
    }];
    let drawer = Drawer::new(1, &dose, PairCount::Between(5, 10), 0, &sources);
    let rows = drawer.minibatch(2, 4);
    assert_eq!(rows.len(), 4);
    assert_ne!(rows[0], rows[1]);
    assert_eq!(
        rows[..2],
        drawer.minibatch(2, 2),
        "a row's draw does not depend on how many there are"
    );
}

#[test]
fn every_distribution_stays_within_its_bounds() {
    let mut rng = stream(1, 0, 0);
    for (strength, low, high) in [
        (Strength::Positive(2.0), 0.0, 2.0),
        (Strength::Fixed(-0.5), -0.5, -0.5),
        (Strength::Symmetric(1.0), -1.0, 1.0),
    ] {
        for _ in 0..200 {
            assert!((low..=high).contains(&strength.draw(&mut rng)));
        }
    }
    let both = Strength::LogUniform {
        low: 0.1,
        high: 10.0,
        both_signs: true,
    };
    let drawn: Vec<f64> = (0..2000).map(|_| both.draw(&mut rng)).collect();
    assert!(drawn.iter().all(|k| (0.1..=10.0).contains(&k.abs())));
    let small = drawn.iter().filter(|k| k.abs() < 1.0).count();
    let negative = drawn.iter().filter(|k| **k < 0.0).count();
    assert!((900..1100).contains(&small) && (900..1100).contains(&negative));
}
