//! Every metric on the two synthetic sets of the specification.

use firetender_uncertainty::{MetricOptions, Metrics, RiskCoverage, Scores, Targets, evaluate};

use crate::support::{Synthetic, close, set_1, set_2, synthetic};

fn metrics(set: &Synthetic, options: &MetricOptions) -> Metrics {
    let scores = Scores::logits(&set.logits, set.classes).unwrap();
    evaluate(&scores, &Targets::classes(&set.labels), options).unwrap()
}

#[track_caller]
fn all(found: &[f64], expected: &[f64]) {
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() < 1e-12, "{at}: {found} {expected}");
    }
}

#[test]
fn defaults_are_the_specifications() {
    let of = |m: &Metrics| {
        vec![
            m.accuracy,
            m.ll,
            m.brier,
            m.ece,
            m.mce,
            m.sce.unwrap(),
            m.tace.unwrap(),
            m.ace.unwrap(),
            m.aurc,
            m.e_aurc,
            m.augrc,
            m.misclass_confidence_auroc.unwrap(),
            m.misclass_confidence_prauc.unwrap(),
            m.misclass_entropy_auroc.unwrap(),
            m.misclass_entropy_prauc.unwrap(),
        ]
    };
    let one = metrics(&set_1(), &MetricOptions::default());
    let two = metrics(&set_2(), &MetricOptions::default());
    all(
        &of(&one),
        &[
            0.47,
            -1.4383982541129916,
            0.7070839118344381,
            0.1985369288932188,
            0.6920837777307165,
            0.1021567514031865,
            0.1023922166325141,
            0.0994176611790377,
            0.3883833622504634,
            0.2119224302708707,
            0.2309,
            0.6422119630670413,
            0.6158597954118904,
            0.6555600160578081,
            0.6478816181737267,
        ],
    );
    all(
        &of(&two),
        &[
            0.347,
            -1.9524403520851457,
            0.805547814224981,
            0.0988999271061194,
            0.2312073074601386,
            0.0334775726223357,
            0.036306012390397,
            0.0365901979775757,
            0.5330419071148934,
            0.24699100151697,
            0.296516,
            0.6337674488395391,
            0.7396715174874982,
            0.6345574184323296,
            0.7394295343389553,
        ],
    );
    assert_eq!(one.acc_aac, Some(one.aurc));
}

#[test]
fn compatible_mode_is_the_reference() {
    let one = metrics(&set_1(), &MetricOptions::ashukha2020());
    let two = metrics(&set_2(), &MetricOptions::ashukha2020());
    close(one.ll, -1.4383982540980902, 1e-12);
    close(two.ll, -1.9524403520681595, 1e-12);
    assert_eq!(one.acc_aac, None, "fewer than 1,000 objects");
    close(two.acc_aac.unwrap(), 0.534062580788567, 1e-12);
    // No zeros and no short classes here: the rest is the same.
    for (compatible, set) in [(&one, set_1()), (&two, set_2())] {
        let ours = metrics(&set, &MetricOptions::default());
        assert_eq!(
            (
                compatible.brier,
                compatible.ece,
                compatible.sce,
                compatible.tace,
                compatible.ace
            ),
            (ours.brier, ours.ece, ours.sce, ours.tace, ours.ace)
        );
    }
}

#[test]
fn the_references_thinning_errs_as_it_does() {
    for (rows, thinned, exact) in [
        (1500, 0.3219654600486357, 0.5473095657606871),
        (1999, 0.0874663922322852, 0.5430002766272252),
    ] {
        let set = synthetic(rows, 10, 7, 1.5);
        let scores = Scores::logits(&set.logits, 10).unwrap();
        let targets = Targets::classes(&set.labels);
        let floor = firetender_uncertainty::Floor::None;
        let objects = firetender_uncertainty::Objects::new(&scores, &targets, floor).unwrap();
        close(
            RiskCoverage::reference_thinned(&objects).unwrap(),
            thinned,
            1e-12,
        );
        close(RiskCoverage::of(&objects).unwrap().aurc(), exact, 1e-12);
    }
}
