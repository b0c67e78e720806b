//! Bootstrap intervals: against theory, paired, and the same whatever the threads.

use firetender_uncertainty::{
    BinTable, Binning, Bootstrap, BrierScale, Floor, IntervalKind, Objects, Scores, Targets,
};
use rayon::ThreadPoolBuilder;

use crate::support::{Draw, Synthetic, close, synthetic};

fn objects(set: &Synthetic) -> Objects {
    let scores = Scores::logits(&set.logits, set.classes).unwrap();
    Objects::new(&scores, &Targets::classes(&set.labels), Floor::None).unwrap()
}

#[test]
fn means_match_the_normal_theory() {
    let mut draw = Draw(3);
    let values: Vec<f64> = (0..500).map(|_| draw.normal()).collect();
    let mean = values.iter().sum::<f64>() / 500.0;
    let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 500.0).sqrt();
    let error = deviation / 500f64.sqrt();
    for kind in [IntervalKind::Percentile, IntervalKind::Bca] {
        let found = Bootstrap::new(4000, 0.9, 1)
            .unwrap()
            .with_kind(kind)
            .mean(&values)
            .unwrap();
        close(found.value, mean, 1e-14);
        close(found.standard_error, error, 0.03 * error);
        close(
            found.high - found.low,
            2.0 * 1.6449 * error,
            0.06 * 2.0 * 1.6449 * error,
        );
    }
}

/// The mean of skewed numbers: the corrected interval moves up, and both cover about as often as they say.
#[test]
fn skewed_data_is_corrected_for() {
    let (mut percentile, mut bca, mut higher) = (0, 0, 0);
    for seed in 0..200 {
        let mut draw = Draw(seed);
        let values: Vec<f64> = (0..30).map(|_| -draw.uniform().ln()).collect();
        let bootstrap = Bootstrap::new(600, 0.9, seed).unwrap();
        let p = bootstrap.mean(&values).unwrap();
        let b = bootstrap
            .with_kind(IntervalKind::Bca)
            .mean(&values)
            .unwrap();
        percentile += usize::from(p.low <= 1.0 && 1.0 <= p.high);
        bca += usize::from(b.low <= 1.0 && 1.0 <= b.high);
        higher += usize::from(b.high > p.high);
    }
    assert!(higher > 160, "{higher}");
    assert!((160..=195).contains(&percentile), "{percentile}");
    assert!(
        (160..=195).contains(&bca) && bca >= percentile - 2,
        "{bca} {percentile}"
    );
}

#[test]
fn all_metrics_come_from_the_same_draws() {
    let found = objects(&synthetic(400, 5, 2, 2.0));
    let bootstrap = Bootstrap::new(300, 0.9, 8).unwrap();
    let binning = Binning::default();
    let all = bootstrap
        .metrics(&found, &binning, BrierScale::Sum)
        .unwrap();
    close(all.accuracy.value, found.accuracy(), 1e-13);
    close(all.ll.unwrap().value, found.log_likelihood(), 1e-13);
    close(all.brier.value, found.brier(), 1e-13);
    close(
        all.ece.value,
        BinTable::top_label(&found, &binning).ece(),
        1e-13,
    );
    let column: Vec<f64> = found.rows().iter().map(|o| o.brier).collect();
    let alone = bootstrap.mean(&column).unwrap();
    close(alone.low, all.brier.low, 1e-13);
    close(alone.high, all.brier.high, 1e-13);
    // Resampled ECE, recomputed from scratch.
    let slow = bootstrap.resample(400, |counts| {
        let rows = found.rows().iter().zip(counts);
        BinTable::new(
            rows.map(|(o, n)| (o.confidence, o.correct, f64::from(*n))),
            &binning,
        )
        .ece()
    });
    let mean = slow.iter().sum::<f64>() / 300.0;
    let spread = slow.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 299.0;
    close(all.ece.standard_error, spread.sqrt(), 1e-12);
}

#[test]
fn pairing_removes_what_is_hard_for_both() {
    let set = synthetic(600, 5, 2, 2.0);
    let mut draw = Draw(1);
    let near = Synthetic {
        logits: set
            .logits
            .iter()
            .map(|z| z + 0.05 * draw.normal())
            .collect(),
        labels: set.labels.clone(),
        classes: 5,
    };
    let (a, b) = (objects(&set), objects(&near));
    let bootstrap = Bootstrap::new(500, 0.95, 3).unwrap();
    let binning = Binning::default();
    let paired = bootstrap.paired(&a, &b, &binning, BrierScale::Sum).unwrap();
    let single = bootstrap.metrics(&a, &binning, BrierScale::Sum).unwrap();
    close(paired.brier.value, a.brier() - b.brier(), 1e-13);
    assert!(paired.brier.standard_error < single.brier.standard_error / 5.0);
    let same = bootstrap.paired(&a, &a, &binning, BrierScale::Sum).unwrap();
    assert_eq!((same.ece.low, same.ece.high), (0.0, 0.0));
    let other = objects(&synthetic(600, 5, 9, 2.0));
    assert!(
        bootstrap
            .paired(&a, &other, &binning, BrierScale::Sum)
            .is_err()
    );
    let short = objects(&synthetic(599, 5, 2, 2.0));
    assert!(
        bootstrap
            .paired(&a, &short, &binning, BrierScale::Sum)
            .is_err()
    );
}

#[test]
fn seeds_decide_and_threads_do_not() {
    let found = objects(&synthetic(100, 4, 2, 2.0));
    let with = |seed, threads| {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let bootstrap = Bootstrap::new(64, 0.9, seed)
            .unwrap()
            .with_kind(IntervalKind::Bca);
        pool.install(|| {
            bootstrap
                .metrics(&found, &Binning::default(), BrierScale::Sum)
                .unwrap()
        })
    };
    assert_eq!(with(1, 1), with(1, 3));
    assert_ne!(with(1, 1), with(2, 1));
    let one = Bootstrap::new(50, 0.9, 0)
        .unwrap()
        .with_kind(IntervalKind::Bca)
        .mean(&[3.0])
        .unwrap();
    assert_eq!((one.low, one.value, one.high), (3.0, 3.0, 3.0));
    assert!(Bootstrap::new(0, 0.9, 0).is_err() && Bootstrap::new(9, 1.0, 0).is_err());
    let bootstrap = Bootstrap::new(9, 0.9, 0).unwrap();
    assert!(bootstrap.mean(&[]).is_err());
    assert!(bootstrap.mean(&[f64::NAN]).is_err());
    assert!(bootstrap.paired_mean(&[1.0], &[1.0, 2.0]).is_err());
}

#[test]
fn impossible_objects_have_no_interval_of_likelihood() {
    let scores = Scores::probs(&[1.0, 0.0, 0.5, 0.5], 2).unwrap();
    let found = Objects::new(&scores, &Targets::classes(&[1, 0]), Floor::None).unwrap();
    let bootstrap = Bootstrap::new(20, 0.9, 0).unwrap();
    let all = bootstrap
        .metrics(&found, &Binning::default(), BrierScale::Sum)
        .unwrap();
    assert_eq!(all.ll, None);
    assert!(all.brier.high.is_finite());
}
