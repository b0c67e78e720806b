//! Order, split, threads, weights, classes: what must not change a result; and bounds that every result keeps.

use firetender_uncertainty::{
    MetricOptions, MetricState, Metrics, RankHistogram, Ranking, Scores, Targets, evaluate,
};
use proptest::prelude::*;
use rayon::ThreadPoolBuilder;

use crate::support::{Draw, Synthetic, close, synthetic};

fn metrics(set: &Synthetic) -> Metrics {
    let scores = Scores::logits(&set.logits, set.classes).unwrap();
    evaluate(&scores, &Targets::classes(&set.labels), &options()).unwrap()
}

fn options() -> MetricOptions {
    MetricOptions {
        ordinal: true,
        top_k: vec![1, 2, 3],
        ..MetricOptions::default()
    }
}

/// The rows of a set, in another order, some perhaps twice.
fn rows(set: &Synthetic, order: &[usize]) -> Synthetic {
    let row = |row: &usize| set.logits[row * set.classes..][..set.classes].to_vec();
    Synthetic {
        logits: order.iter().flat_map(row).collect(),
        labels: order.iter().map(|row| set.labels[*row]).collect(),
        classes: set.classes,
    }
}

/// Logits that are often equal, so that ties are met.
fn coarse(mut set: Synthetic) -> Synthetic {
    set.logits.iter_mut().for_each(|z| *z = z.round());
    set
}

fn shuffled(n: usize, seed: u64) -> Vec<usize> {
    let mut draw = Draw(seed);
    let mut order: Vec<(u64, usize)> = (0..n)
        .map(|row| ((draw.uniform() * 1e15) as u64, row))
        .collect();
    order.sort_unstable();
    order.into_iter().map(|(_, row)| row).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn order_and_split_change_no_bit(n in 1usize..120, c in 2usize..7, seed in 0u64..1000, cut in 0.0f64..1.0) {
        for set in [synthetic(n, c, seed, 2.0), coarse(synthetic(n, c, seed, 2.0))] {
            let whole = metrics(&set);
            let order = shuffled(n, seed);
            prop_assert_eq!(&metrics(&rows(&set, &order)), &whole);
            let (first, second) = order.split_at((cut * n as f64) as usize);
            let mut states = [first, second].map(|part| {
                let mut state = MetricState::new(c, options()).unwrap();
                if !part.is_empty() {
                    let part = rows(&set, part);
                    let scores = Scores::logits(&part.logits, c).unwrap();
                    state.update(&scores, &Targets::classes(&part.labels)).unwrap();
                }
                let text = serde_json::to_string(&state).unwrap();
                serde_json::from_str::<MetricState>(&text).unwrap()
            });
            let [a, b] = &mut states;
            b.merge(a).unwrap();
            prop_assert_eq!(&b.finalize().unwrap(), &whole);
        }
    }

    #[test]
    fn a_weight_is_a_repetition_and_zero_an_absence(n in 2usize..60, c in 2usize..6, seed in 0u64..1000) {
        let set = coarse(synthetic(n, c, seed, 2.0));
        let weights: Vec<f64> = (0..n).map(|i| if i == 0 { 1.0 } else { (i % 3) as f64 }).collect();
        let scores = Scores::logits(&set.logits, c).unwrap();
        let targets = Targets::classes(&set.labels).with_weights(weights.clone());
        let weighted = evaluate(&scores, &targets, &options()).unwrap();
        let repeated: Vec<usize> = (0..n).flat_map(|i| vec![i; weights[i] as usize]).collect();
        let repeated = metrics(&rows(&set, &repeated));
        let of = |m: &Metrics| [
            m.accuracy, m.ll, m.brier, m.spherical, m.rps.unwrap(), m.ece, m.rmsce, m.mce, m.l2_squared_debiased,
            m.sce.unwrap(), m.tace.unwrap(), m.ace.unwrap(), m.aurc, m.e_aurc, m.augrc, m.smooth_ece.unwrap(),
            m.ece_sweep.unwrap(), m.misclass_entropy_auroc.unwrap_or(-1.0), m.misclass_confidence_prauc.unwrap_or(-1.0),
        ];
        for (a, b) in of(&weighted).iter().zip(of(&repeated)) {
            prop_assert!((a - b).abs() < 1e-12, "{a} {b}");
        }
    }

    #[test]
    fn classes_permute(n in 1usize..50, c in 2usize..7, seed in 0u64..1000) {
        let set = synthetic(n, c, seed, 2.0);
        let order = shuffled(c, seed + 1);
        let moved = Synthetic {
            logits: set.logits.chunks(c).flat_map(|row| order.iter().map(|from| row[*from]).collect::<Vec<_>>()).collect(),
            labels: set.labels.iter().map(|y| order.iter().position(|from| *from == *y as usize).unwrap() as i64).collect(),
            classes: c,
        };
        let (a, b) = (metrics(&set), metrics(&moved));
        prop_assert_eq!(a.accuracy, b.accuracy);
        for (a, b) in [
            (a.ll, b.ll), (a.brier, b.brier), (a.ece, b.ece), (a.sce.unwrap(), b.sce.unwrap()),
            (a.tace.unwrap(), b.tace.unwrap()), (a.aurc, b.aurc), (a.entropy.unwrap(), b.entropy.unwrap()),
        ] {
            prop_assert!((a - b).abs() < 1e-12, "{a} {b}");
        }
    }

    #[test]
    fn bounds_hold_and_parts_sum(n in 1usize..80, c in 2usize..7, seed in 0u64..1000, scale in 0.0f64..30.0) {
        let m = metrics(&synthetic(n, c, seed, scale));
        prop_assert!(m.ll <= 0.0);
        prop_assert!((0.0..=2.0).contains(&m.brier));
        for x in [m.ece, m.rmsce, m.mce, m.sce.unwrap(), m.tace.unwrap(), m.ace.unwrap(), m.aurc, m.augrc, m.spherical] {
            prop_assert!((0.0..=1.0).contains(&x), "{x}");
        }
        prop_assert!(m.e_aurc >= 0.0 && m.smooth_ece.unwrap() >= 0.0);
        prop_assert!(m.mce >= m.rmsce - 1e-15 && m.rmsce >= m.ece - 1e-15);
        prop_assert!((m.brier_parts.unwrap().total() - m.brier).abs() < 1e-12);
        prop_assert!((0.0..=(c as f64).ln() + 1e-12).contains(&m.entropy.unwrap()));
        let json = serde_json::to_string(&m).unwrap();
        prop_assert!(!json.contains("NaN"));
        prop_assert_eq!(serde_json::from_str::<Metrics>(&json).unwrap(), m);
    }

    #[test]
    fn histograms_stay_within_their_error(n in 2usize..200, seed in 0u64..1000, bins in 1usize..40) {
        let mut draw = Draw(seed);
        let (mut exact, mut coarse) = (Ranking::default(), RankHistogram::new(0.0, 1.0, bins).unwrap());
        for i in 0..n {
            let positive = i % 2 == 0;
            let score = (draw.uniform() + f64::from(u8::from(positive)) * 0.3).min(1.0);
            exact.add(score, positive);
            coarse.add(score, positive);
        }
        let (exact, found) = (exact.auroc().unwrap(), coarse.auroc().unwrap());
        prop_assert!((exact - found.value).abs() <= found.error + 1e-12);
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let set = synthetic(3000, 40, 3, 3.0);
    let with = |threads| {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| metrics(&set))
    };
    let one = with(1);
    assert_eq!(one, with(2));
    assert_eq!(one, with(7));
}

#[test]
fn the_uniform_prediction_is_known() {
    for c in [2, 3, 10] {
        let p = vec![1.0 / c as f64; c * 6];
        let labels: Vec<i64> = (0..6).map(|i| i % c as i64).collect();
        let scores = Scores::probs(&p, c).unwrap();
        let m = evaluate(&scores, &Targets::classes(&labels), &options()).unwrap();
        close(m.ll, -(c as f64).ln(), 1e-15);
        close(m.brier, 1.0 - 1.0 / c as f64, 1e-15);
        close(m.entropy.unwrap(), (c as f64).ln(), 1e-15);
        // Equal scores cannot be ranked: chance, by expectation over their orders.
        close(m.misclass_entropy_auroc.unwrap(), 0.5, 1e-15);
        close(m.aurc, 1.0 - m.accuracy, 1e-15);
        assert_eq!(
            m.accuracy,
            labels.iter().filter(|y| **y == 0).count() as f64 / 6.0
        );
    }
}

/// Counters in `f32` stop at 2²⁴ (torchmetrics); these do not.
#[test]
fn counts_go_beyond_single_precision() {
    use firetender_uncertainty::{BinState, Binning};
    let mut state = BinState::new(Binning::equal_width(1)).unwrap();
    state.add(0.75, 1.0, 1.0);
    for _ in 0..24 {
        let same = state.clone();
        state.merge(&same).unwrap();
    }
    state.add(0.75, 1.0, 1.0);
    assert_eq!(state.table().weight(), 16_777_217.0);
    assert_eq!(state.table().rows()[0].accuracy(), Some(1.0));
}
