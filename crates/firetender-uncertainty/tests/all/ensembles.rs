//! Averages of members against the specification's values, against a slow oracle, and their laws.

use burn::tensor::{Device, Tensor, TensorData};
use firetender_uncertainty::{
    Ensemble, EnsembleTensor, Floor, Objects, ScoreKind, Scores, Targets, TemperatureOptions,
    UncertaintyError, disjoint_groups, ensemble_curve, fit_temperature, log_likelihood_curve,
    running_log_likelihoods,
};
use proptest::prelude::*;

use crate::support::{Synthetic, close, probs, synthetic};

fn sets(count: u64) -> Vec<Synthetic> {
    (1..=count)
        .map(|seed| synthetic(200, 5, seed, 2.0))
        .collect()
}

fn logits(sets: &[Synthetic]) -> Vec<Scores<'_>> {
    sets.iter()
        .map(|s| Scores::logits(&s.logits, s.classes).unwrap())
        .collect()
}

/// The obvious way, from scratch: log-sum-exp over members of log-softmax, minus ln K.
fn oracle(sets: &[Synthetic], row: usize, class: usize) -> f64 {
    let lse = |values: &[f64]| {
        let top = values.iter().copied().fold(f64::MIN, f64::max);
        top + values.iter().map(|v| (v - top).exp()).sum::<f64>().ln()
    };
    let members: Vec<f64> = sets
        .iter()
        .map(|s| {
            let row = &s.logits[row * s.classes..][..s.classes];
            row[class] - lse(row)
        })
        .collect();
    lse(&members) - (members.len() as f64).ln()
}

#[test]
fn the_specified_ensemble() {
    let sets = sets(3);
    let members = logits(&sets);
    let targets = Targets::classes(&sets[0].labels);
    let curve = ensemble_curve(&members, &targets, Floor::None).unwrap();
    let expected = [
        (
            -1.5387742216495683,
            -2.1999131373672247,
            0.3327944956838462,
            0.855,
        ),
        (
            -1.5892658390928371,
            -2.449922340829828,
            0.4403129656988424,
            0.8183333333333334,
        ),
    ];
    for (point, (ll, member, information, disagreement)) in curve[1..].iter().zip(expected) {
        close(point.log_likelihood, ll, 1e-12);
        close(point.member_log_likelihood, member, 1e-12);
        close(point.mutual_information, information, 1e-12);
        close(point.disagreement, disagreement, 1e-12);
    }
    let fits = [
        (2, 1.925061296462085, -1.4543850328560313),
        (3, 2.059836021418993, -1.5204232202236978),
    ];
    for (size, temperature, ll) in fits {
        let scores = Ensemble::of(&members[..size]).unwrap().scores().unwrap();
        let found = fit_temperature(&scores, &targets, &TemperatureOptions::default()).unwrap();
        close(found.temperature / temperature, 1.0, 1e-10);
        close(found.log_likelihood, ll, 1e-12);
    }
}

#[test]
fn every_size_is_the_average_from_scratch() {
    let sets = sets(6);
    let members = logits(&sets);
    let targets = Targets::classes(&sets[0].labels);
    let sizes = running_log_likelihoods(&members, &targets).unwrap();
    let single: Vec<Vec<f32>> = sets
        .iter()
        .map(|s| s.logits.iter().map(|z| *z as f32).collect())
        .collect();
    let single: Vec<Scores<'_>> = single
        .iter()
        .map(|z| Scores::logits(z, 5).unwrap())
        .collect();
    let from_f32 = running_log_likelihoods(&single, &targets).unwrap();
    let mut ensemble = Ensemble::new(200, 5).unwrap();
    for k in 1..=6 {
        ensemble.add(&members[k - 1], 1.0).unwrap();
        let log_probs = ensemble.log_probs().unwrap();
        for row in 0..200 {
            let label = sets[0].labels[row] as usize;
            let expected = oracle(&sets[..k], row, label);
            close(sizes[k - 1][row], expected, 1e-12);
            close(log_probs[row * 5 + label], expected, 1e-12);
            close(from_f32[k - 1][row], expected, 2e-6);
        }
    }
    // A distribution with all its mass on the label takes the way over all classes.
    let one_hot = sets[0]
        .labels
        .iter()
        .flat_map(|label| (0..5).map(move |class| f64::from(u8::from(class == *label))));
    let soft = Targets::soft(one_hot.collect(), 5);
    let over_all = running_log_likelihoods(&members, &soft).unwrap();
    for (a, b) in sizes.iter().flatten().zip(over_all.iter().flatten()) {
        close(*a, *b, 1e-12);
    }
    // Whatever the scores are given as.
    let p: Vec<Vec<f64>> = sets.iter().map(probs).collect();
    let by_probs: Vec<Scores<'_>> = p.iter().map(|p| Scores::probs(p, 5).unwrap()).collect();
    let log_p: Vec<Vec<f64>> = members.iter().map(Scores::to_log_probs).collect();
    let by_logs: Vec<Scores<'_>> = log_p
        .iter()
        .map(|l| Scores::log_probs(l, 5).unwrap())
        .collect();
    for other in [by_probs, by_logs] {
        let other = running_log_likelihoods(&other, &targets).unwrap();
        for (a, b) in sizes.iter().flatten().zip(other.iter().flatten()) {
            close(*a, *b, 1e-12);
        }
    }
}

#[test]
fn nothing_underflows_and_impossible_stays_impossible() {
    // One member gives the target e^-900, the other e^-1000; then one that allows it.
    let far = Scores::logits(&[0.0, -900.0, 0.0, -1.0], 2).unwrap();
    let further = Scores::logits(&[0.0, -1000.0, 0.0, -1.0], 2).unwrap();
    let near = Scores::logits(&[0.0, -2.0, 0.0, -1.0], 2).unwrap();
    let targets = Targets::classes(&[1, 0]);
    let sizes = running_log_likelihoods(&[far.clone(), further, near.clone()], &targets).unwrap();
    close(sizes[0][0], -900.0, 1e-9);
    close(sizes[1][0], -900.0 - 2_f64.ln(), 1e-9);
    let own = (-2.0 - (1.0 + (-2_f64).exp()).ln()) - 3_f64.ln();
    close(sizes[2][0], own, 1e-12);
    // The other order: the sum is turned into a logarithm when the small one comes.
    let turned = running_log_likelihoods(&[near, far], &targets).unwrap();
    close(turned[1][0], own + 3_f64.ln() - 2_f64.ln(), 1e-12);

    let never = Scores::probs(&[1.0, 0.0, 0.5, 0.5], 2).unwrap();
    let sizes = running_log_likelihoods(&[never.clone(), never], &targets).unwrap();
    assert_eq!(sizes[1][0], f64::NEG_INFINITY);
}

#[test]
fn weights_peeks_and_removals() {
    let sets = sets(4);
    let members = logits(&sets);
    let targets = Targets::classes(&sets[0].labels);
    let mut ensemble = Ensemble::of(&members[..2]).unwrap();
    let before = ensemble.log_likelihood(&targets).unwrap();
    let peeked = ensemble.peek(&members[2], 2.5, &targets).unwrap();
    assert_eq!(ensemble.log_likelihood(&targets).unwrap(), before);
    ensemble.add(&members[2], 2.5).unwrap();
    close(ensemble.log_likelihood(&targets).unwrap(), peeked, 1e-14);
    let magnified = ensemble.remove(&members[2], 2.5).unwrap();
    assert!((1.0..1e6).contains(&magnified), "{magnified}");
    close(ensemble.log_likelihood(&targets).unwrap(), before, 1e-10);
    let information = ensemble.mutual_information().unwrap();
    let afresh = Ensemble::of(&members[..2]).unwrap();
    for (a, b) in information.iter().zip(afresh.mutual_information().unwrap()) {
        close(*a, b, 1e-10);
    }
    // Weight 2 is twice.
    let mut twice = Ensemble::of(&[members[0].clone(), members[0].clone()]).unwrap();
    twice.add(&members[1], 1.0).unwrap();
    let mut weighted = Ensemble::new(200, 5).unwrap();
    weighted.add(&members[0], 2.0).unwrap();
    weighted.add(&members[1], 1.0).unwrap();
    for (a, b) in twice
        .log_probs()
        .unwrap()
        .iter()
        .zip(weighted.log_probs().unwrap())
    {
        close(*a, b, 1e-13);
    }
    // The last one out leaves nothing.
    let mut one = Ensemble::of(&members[..1]).unwrap();
    one.remove(&members[0], 1.0).unwrap();
    assert!(matches!(
        one.log_probs(),
        Err(UncertaintyError::Empty { .. })
    ));
    assert!(one.remove(&members[0], 1.0).is_err());
}

#[test]
fn members_of_other_shapes_are_named() {
    let a = Scores::probs(&[0.5, 0.5], 2).unwrap();
    let b = Scores::probs(&[0.5, 0.5, 0.1, 0.9], 2).unwrap();
    let c = Scores::probs(&[0.5, 0.25, 0.25], 3).unwrap();
    let message = |members: &[Scores<'_>]| Ensemble::of(members).unwrap_err().to_string();
    assert_eq!(message(&[a.clone(), b]), "member 1: rows is 2; expected 1");
    assert_eq!(
        message(&[a.clone(), c]),
        "member 1: classes is 3; expected 2"
    );
    assert!(message(&[]).contains("members"));
    let mut ensemble = Ensemble::of(std::slice::from_ref(&a)).unwrap();
    for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(ensemble.add(&a, weight).is_err());
    }
    assert_eq!(ensemble.members(), 1);
    let targets = Targets::classes(&[0]);
    assert!(disjoint_groups(&[a], &targets, &[2]).is_err());
}

#[test]
fn groups_are_disjoint_and_complete() {
    let sets = sets(7);
    let members = logits(&sets);
    let targets = Targets::classes(&sets[0].labels);
    let groups = disjoint_groups(&members, &targets, &[1, 2, 3]).unwrap();
    assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [7, 3, 2]);
    let second = Ensemble::of(&members[2..4]).unwrap();
    close(
        groups[1][1],
        second.log_likelihood(&targets).unwrap(),
        1e-14,
    );
}

#[test]
fn the_device_path_is_the_exact_path_to_its_precision() {
    let sets = sets(5);
    let device = Device::flex();
    let mut on_device = EnsembleTensor::new();
    for (at, set) in sets.iter().enumerate() {
        let values: Vec<f32> = set.logits.iter().map(|z| *z as f32).collect();
        let tensor = Tensor::<2>::from_data(TensorData::new(values, [200, 5]), &device);
        on_device
            .add(ScoreKind::Logits, tensor, 1.0 + at as f64)
            .unwrap();
    }
    let mut exact = Ensemble::new(200, 5).unwrap();
    for (at, member) in logits(&sets).iter().enumerate() {
        exact.add(member, 1.0 + at as f64).unwrap();
    }
    let found: Vec<f32> = on_device.log_probs().unwrap().try_into_vec_as().unwrap();
    for (a, b) in found.iter().zip(exact.log_probs().unwrap()) {
        close(f64::from(*a), b, 1e-5);
    }
    // Impossible for all, for one, and far apart.
    let mut edges = EnsembleTensor::new();
    for row in [[1.0_f32, 0.0], [1.0, 0.0]] {
        edges
            .add(ScoreKind::Probs, Tensor::from_data([row], &device), 1.0)
            .unwrap();
    }
    let found: Vec<f32> = edges.log_probs().unwrap().try_into_vec_as().unwrap();
    assert_eq!(found, [0.0, f32::NEG_INFINITY]);
    edges
        .add(
            ScoreKind::Probs,
            Tensor::from_data([[0.0_f32, 1.0]], &device),
            1.0,
        )
        .unwrap();
    let found: Vec<f32> = edges.log_probs().unwrap().try_into_vec_as().unwrap();
    close(f64::from(found[1]), -(3_f64.ln()), 1e-6);
    let wrong = Tensor::<2>::from_data([[0.5_f32, 0.5], [0.5, 0.5]], &device);
    assert!(edges.add(ScoreKind::Probs, wrong, 1.0).is_err());
}

proptest! {
    #[test]
    fn laws_of_averaging(seeds in prop::collection::vec(0_u64..1000, 1..5), scale in 0.1_f64..20.0) {
        let sets: Vec<Synthetic> = seeds.iter().map(|s| synthetic(40, 3, *s, scale)).collect();
        let members = logits(&sets);
        let targets = Targets::classes(&sets[0].labels);
        let curve = ensemble_curve(&members, &targets, Floor::None).unwrap();
        for point in &curve {
            prop_assert!(point.log_likelihood >= point.member_log_likelihood - 1e-12);
            prop_assert!(point.mutual_information >= 0.0);
            prop_assert!((0.0..=1.0).contains(&point.disagreement));
            prop_assert!((0.0..=2.0).contains(&point.brier) && point.log_likelihood <= 0.0);
        }
        // Identical members are the member.
        let same = vec![members[0].clone(); 4];
        let same = ensemble_curve(&same, &targets, Floor::None).unwrap();
        for point in &same {
            prop_assert!((point.log_likelihood - curve[0].log_likelihood).abs() < 1e-12);
            prop_assert!(point.mutual_information < 1e-12 && point.disagreement == 0.0);
        }
        // The order of members does not matter, nor the number of threads.
        let mut turned = members.clone();
        turned.reverse();
        let last = members.len() - 1;
        let forward = running_log_likelihoods(&members, &targets).unwrap();
        let backward = running_log_likelihoods(&turned, &targets).unwrap();
        for (a, b) in forward[last].iter().zip(&backward[last]) {
            prop_assert!((a - b).abs() < 1e-12);
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let threaded = pool.install(|| ensemble_curve(&members, &targets, Floor::None).unwrap());
        prop_assert_eq!(&threaded, &curve);
        // One object scored alone is one of many.
        let objects = Objects::new(&Ensemble::of(&members).unwrap().scores().unwrap(), &targets, Floor::None).unwrap();
        for (object, running) in objects.rows().iter().zip(&forward[last]) {
            prop_assert!((object.log_likelihood - running).abs() < 1e-12);
        }
    }
}

/// The curve is the weighted mean of the rows, for every kind of scores, labels to ignore and impossible rows.
#[test]
fn the_curve_is_the_mean_of_the_rows() {
    let sets: Vec<Synthetic> = (1..4).map(|seed| synthetic(3000, 7, seed, 2.0)).collect();
    let plain = Targets::classes(&sets[0].labels);
    let weights = (0..3000).map(|row| f64::from(row % 4)).collect();
    let weighted = plain.clone().with_ignore(2).with_weights(weights);
    for kind in 0..3 {
        let tables: Vec<Vec<f64>> = sets
            .iter()
            .map(|set| {
                let logits = Scores::logits(&set.logits, 7).unwrap();
                match kind {
                    0 => set.logits.clone(),
                    1 => logits.to_log_probs(),
                    _ => logits.to_log_probs().iter().map(|l| l.exp()).collect(),
                }
            })
            .collect();
        let members: Vec<Scores<'_>> = tables
            .iter()
            .map(|table| match kind {
                0 => Scores::logits(table, 7).unwrap(),
                1 => Scores::log_probs(table, 7).unwrap(),
                _ => Scores::probs(table, 7).unwrap(),
            })
            .collect();
        for targets in [&plain, &weighted] {
            let curve = log_likelihood_curve(&members, targets).unwrap();
            for (size, found) in curve.iter().enumerate() {
                let expected = Ensemble::of(&members[..=size]).unwrap();
                close(*found, expected.log_likelihood(targets).unwrap(), 1e-12);
            }
        }
    }
    let never = Scores::probs(&[0.0, 1.0, 0.5, 0.5], 2).unwrap();
    let ever = Scores::probs(&[0.5; 4], 2).unwrap();
    let targets = Targets::classes(&[0, 1]);
    let curve = log_likelihood_curve(&[never, ever], &targets).unwrap();
    assert_eq!(curve[0], f64::NEG_INFINITY);
    close(curve[1], 0.25_f64.ln() / 2.0 + 0.5_f64.ln() / 2.0, 1e-15);
}
