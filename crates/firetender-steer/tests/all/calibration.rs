//! Controls, calibration and the entanglement matrix on a tiny model.

use firetender_hooks::{Intervene, SiteKind};
use firetender_lm::CausalLm;
use firetender_steer::{
    Benign, Bootstrap, Calibration, Calibrator, Contrast, Controlled, Effect, Extraction,
    Extractor, Goal, Length, Measure, Method, NextTokenOdds, Plan, Prompts, Samples, Scope, Silent,
    SteerError, SweepOptions, calibrate, controlled_sweep, entanglement,
};

use crate::support::model;

fn rows(from: u32, n: u32) -> Vec<Vec<u32>> {
    (0..n)
        .map(|i| (0..5).map(|t| from + (i * 31 + t * 17) % 40).collect())
        .collect()
}

fn samples() -> Samples {
    let contrast = Contrast::new("low", rows(0, 16), "high", rows(50, 16)).unwrap();
    Extractor::new(SiteKind::ResidPost)
        .samples(&model("llama"), &contrast, &mut Silent)
        .unwrap()
}

fn found() -> Extraction {
    samples().fit(Method::Mean).unwrap()
}

fn odds(from: u32) -> NextTokenOdds {
    NextTokenOdds::new(rows(from, 6), vec![1, 2, 3], vec![60, 61, 62]).unwrap()
}

fn benign(from: u32) -> Benign {
    Benign::new(rows(from, 4), Scope::AllTokens).unwrap()
}

fn search(budget: f64, goal: Goal) -> Calibration {
    let (effect, judge) = (odds(20), odds(30));
    let (harmless, others) = (benign(11), benign(23));
    calibrate(
        &model("llama"),
        &found().vector,
        Prompts {
            effect: &effect,
            benign: &harmless,
        },
        Prompts {
            effect: &judge,
            benign: &others,
        },
        &Calibrator::new(budget, &[-0.2, -0.05, 0.05, 0.2])
            .unwrap()
            .with_goal(goal),
        &mut Silent,
    )
    .unwrap()
}

#[test]
fn a_budget_gives_the_best_cell_within_it_and_more_budget_no_worse() {
    let mut known = 0.0;
    for budget in [1e-4, 1e-2, 1.0] {
        let found = search(budget, Goal::Raise);
        assert_eq!(
            found.table.len(),
            4 * 5,
            "four layers, five strengths with 0"
        );
        let choice = found.choice.unwrap();
        assert!(choice.damage <= budget * (1.0 + 1e-9), "{choice:?}");
        let gain = choice.effect - found.plain_effect;
        assert!(gain > 0.0 && gain >= known, "{gain} after {known}");
        known = gain;
        // No measured cell that is within the budget, from 0 on without a gap, beats it.
        for layer in 0..4 {
            let cells: Vec<_> = found.table.iter().filter(|c| c.layer == layer).collect();
            for side in [-1.0, 1.0] {
                let mut outward: Vec<_> =
                    cells.iter().filter(|c| c.strength * side >= 0.0).collect();
                outward.sort_by(|a, b| (a.strength * side).total_cmp(&(b.strength * side)));
                for cell in outward.iter().take_while(|c| c.within) {
                    assert!(cell.effect <= choice.effect + 1e-12);
                }
            }
        }
        let held_out = found.held_out.unwrap();
        assert_eq!(held_out.point.strength, choice.strength);
        assert_eq!(held_out.within, held_out.damage <= budget);
        let shift = held_out.point.effect.value - held_out.plain_effect;
        assert!((held_out.shift.value - shift).abs() < 1e-9);
        let text = serde_json::to_string(&search(budget, Goal::Raise)).unwrap();
        assert!(text.contains("\"choice\"") && text.contains("\"table\""));
    }
    let lower = search(1e-2, Goal::Lower);
    assert!(lower.choice.unwrap().effect < lower.plain_effect);
    assert_eq!(search(1e-2, Goal::Raise), search(1e-2, Goal::Raise));
}

#[test]
fn nothing_gained_is_a_result() {
    let flat = |_: &dyn CausalLm, _: &mut dyn Intervene| Ok::<_, SteerError>(vec![1.0; 3]);
    let harmless = benign(11);
    let prompts = Prompts {
        effect: &flat,
        benign: &harmless,
    };
    let calibrator = Calibrator::new(0.1, &[0.1]).unwrap();
    let calibrated = calibrate(
        &model("llama"),
        &found().vector,
        prompts,
        prompts,
        &calibrator.clone().with_measure(Measure::Disagreement),
        &mut Silent,
    );
    let calibrated = calibrated.unwrap();
    assert_eq!((calibrated.choice, calibrated.held_out), (None, None));
    let wrong = calibrator.with_layers("9".parse().unwrap());
    let error = calibrate(
        &model("llama"),
        &found().vector,
        prompts,
        prompts,
        &wrong,
        &mut Silent,
    );
    assert!(matches!(error, Err(SteerError::Layers { .. })));
}

#[test]
fn controls_come_with_every_curve() {
    let model = model("llama");
    let samples = samples();
    let found = samples.fit(Method::Mean).unwrap();
    let shuffled: Vec<Plan> = (0..2)
        .map(|seed| samples.shuffled_control(&Method::Mean, &found.vector, seed))
        .map(|vector| Plan::of(vector.unwrap()))
        .collect();
    let control = samples
        .shuffled_control(&Method::Mean, &found.vector, 0)
        .unwrap();
    for (layer, norm) in found.vector.norms() {
        assert!((control.norm(layer).unwrap() / norm - 1.0).abs() < 1e-5);
    }
    assert!(control.toward().contains("shuffled"));
    let options = SweepOptions::new(&[0.0, 0.1]).unwrap();
    let run = controlled_sweep(
        &model,
        &Plan::of(&found.vector),
        &[1, 2, 3],
        &shuffled,
        &odds(20),
        &benign(11),
        &options,
        &mut Silent,
    )
    .unwrap();
    assert_eq!((run.random.len(), run.shuffled.len()), (3, 2));
    let names: Vec<String> = run.series().into_iter().map(|s| s.name).collect();
    assert_eq!(
        names,
        [
            "vector",
            "random 0",
            "random 1",
            "random 2",
            "shuffled 0",
            "shuffled 1"
        ]
    );
    let spread = Controlled::spread(&run.random);
    assert_eq!(spread.len(), 2);
    assert_eq!(
        (spread[0].damage, spread[0].effect),
        (0.0, run.curve.points[0].effect.value)
    );
    assert!(
        spread[1].lowest_effect <= spread[1].effect && spread[1].effect <= spread[1].highest_effect
    );
    assert!(Controlled::spread(&[]).is_empty());
    // Equal lengths, another direction: every control costs something and is another curve.
    for control in run.random.iter().chain(&run.shuffled) {
        assert_eq!(control.points[0].effects, run.curve.points[0].effects);
        assert!(
            control.points[1].kl.value > 0.0
                && control.points[1].effects != run.curve.points[1].effects
        );
    }
}

#[test]
fn the_matrix_holds_every_shift_and_its_interval() {
    let model = model("llama");
    let vector = found().vector;
    let (one, two) = (odds(20), odds(30));
    let behaviours: [(&str, &dyn Effect); 2] = [("one", &one), ("two", &two)];
    let plans = [
        ("low", Plan::of(&vector).scaled(0.1)),
        ("none", Plan::of(&vector).scaled(0.0)),
    ];
    let matrix = entanglement(
        &model,
        &plans,
        &behaviours,
        &Bootstrap::default(),
        &mut Silent,
    )
    .unwrap();
    let mut steering = plans[0].1.compile(&model.shape(), &model.device()).unwrap();
    let steered = two.measure(&model, &mut steering).unwrap();
    let mean = steered.iter().sum::<f64>() / steered.len() as f64;
    let shift = matrix.shifts[0][1];
    assert!((shift.value - (mean - matrix.plain[1].value)).abs() < 1e-9);
    assert!(shift.low <= shift.value && shift.value <= shift.high);
    assert_eq!(
        matrix.shifts[1][0].value, 0.0,
        "a strength of 0 moves nothing"
    );
    assert!(matrix.leakage(0, 0).unwrap() > 0.0 && matrix.leakage(1, 0).is_none());
    assert!(entanglement(&model, &[], &behaviours, &Bootstrap::default(), &mut Silent).is_err());
    let broken = |_: &dyn CausalLm, _: &mut dyn Intervene| Ok::<_, SteerError>(vec![f64::NAN]);
    let error = entanglement(
        &model,
        &plans,
        &[("x", &broken)],
        &Bootstrap::default(),
        &mut Silent,
    );
    assert!(matches!(error, Err(SteerError::NotFinite { .. })));
}

#[test]
fn lengths_are_of_four_kinds() {
    let raw = found();
    let unit = raw.clone().with_length(&Length::Unit).unwrap();
    let dose = raw.clone().with_length(&"0.1".parse().unwrap()).unwrap();
    let like = unit
        .clone()
        .with_length(&Length::Like(raw.vector.norms()))
        .unwrap();
    for (i, report) in raw.reports.iter().enumerate() {
        assert!((unit.reports[i].norm - 1.0).abs() < 1e-6);
        assert!((dose.reports[i].relative_norm() - 0.1).abs() < 1e-6);
        assert!((like.reports[i].norm / report.norm - 1.0).abs() < 1e-6);
    }
    let same = raw.clone().with_length(&Length::Raw).unwrap();
    assert_eq!(same.vector, raw.vector);
}

#[test]
fn cosines_between_methods_are_a_symmetric_table() {
    let methods: [&dyn firetender_steer::Aggregator; 3] = [
        &Method::Mean,
        &Method::Logistic { c: 1.0 },
        &Method::PcaPairCentred,
    ];
    let table = samples().cosines(&methods).unwrap();
    for rows in table.values() {
        for (i, row) in rows.iter().enumerate() {
            assert!((row[i] - 1.0).abs() < 1e-12);
            let column: Vec<f64> = rows.iter().map(|other| other[i]).collect();
            assert_eq!(*row, column);
        }
    }
}
