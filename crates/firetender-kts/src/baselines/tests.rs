use super::*;
use crate::{
    History, KtsOptions, Objective, Run, Source, Texts, TrainingOptions, VectorBank,
    adapter::tests::{model, moved},
    train,
};
use firetender_hooks::{Padding, Untouched};

fn preferred() -> Vec<Preferred> {
    (0..6)
        .map(|i| Preferred {
            prompt: vec![i, 1, 2],
            wanted: vec![7, i],
            other: vec![8, 9, i + 3],
        })
        .collect()
}

fn training(steps: u64) -> TrainingOptions {
    let mut options = TrainingOptions {
        steps,
        batch: 3,
        ..TrainingOptions::default()
    };
    options.optimiser.rate = 1e-2;
    options
}

#[test]
fn preference_starts_at_the_logarithm_of_two_and_is_learnt() {
    let base = model();
    let start = crate::LoraOptions::default().start(&base, 1).unwrap();
    let mut dpo = Dpo::new(&base, preferred(), &DpoOptions::default()).unwrap();
    let mut history = History::default();
    train(
        &base,
        &start,
        &mut dpo,
        &training(60),
        &Run::new(),
        &mut history,
    )
    .unwrap();
    assert!((history.steps[0].loss - 2f64.ln()).abs() < 1e-6);
    let margin = history.recent("margin", 3).unwrap();
    assert!(margin > 1.0, "{margin}");
}

/// The loss from log-probabilities that are scored one answer at a time, on the host.
#[test]
fn preference_is_the_formula() {
    let base = model();
    let student = moved(&base, 2).attach(base.clone()).unwrap();
    let options = DpoOptions {
        beta: 0.7,
        batch: 6,
        seed: 1,
    };
    let mut dpo = Dpo::new(&base, preferred(), &options).unwrap();
    let found = dpo.loss(&student, 0).unwrap().total.into_scalar::<f64>();
    let score = |model: &dyn CausalLm, item: &Preferred| {
        let request = firetender_lm::ScoreRequest {
            context: item.prompt.clone(),
            continuations: vec![item.wanted.clone(), item.other.clone()],
        };
        let scored = firetender_lm::score_rows(model, &request, &mut Untouched).unwrap();
        scored[0].total() - scored[1].total()
    };
    let losses = preferred().into_iter().map(|item| {
        let margin: f64 = score(&student, &item) - score(&base, &item);
        (1.0 + (-0.7 * margin).exp()).ln()
    });
    let expected = losses.sum::<f64>() / 6.0;
    assert!((found - expected).abs() < 1e-5, "{found} {expected}");
}

#[test]
fn imitation_is_the_mean_log_loss_of_the_answers() {
    let base = model();
    let rows = (0..5).map(|i| (vec![i, 2, 3, i + 4, 5], 2)).collect();
    let texts = Texts::new(rows).unwrap();
    let mut options = KtsOptions::default();
    options.dose.p_steer = 0.0;
    options.training.batch = 2;
    let bank = VectorBank::read(&base, &options.vectors, Vec::<Source>::new()).unwrap();
    let mut imitate = Imitate::new(&base, &texts, bank, &options).unwrap();
    let parts = imitate.loss(&base, 0).unwrap();
    let mut sum = 0.0;
    for at in parts.texts {
        let (ids, prompt) = &texts.rows()[at];
        let request = firetender_lm::ScoreRequest {
            context: ids[..*prompt].to_vec(),
            continuations: vec![ids[*prompt..].to_vec()],
        };
        sum -= firetender_lm::score_rows(&base, &request, &mut Untouched).unwrap()[0].total();
    }
    let found = parts.total.into_scalar::<f64>();
    assert!((found - sum / 6.0).abs() < 1e-5, "{found} {}", sum / 6.0);
}

#[test]
fn representations_turn_away_where_unwanted() {
    let base = model();
    let texts =
        |start: u32| Texts::new((0..6).map(|i| (vec![start, i, start + 1], 1)).collect()).unwrap();
    let options = RepresentationOptions {
        steps: 20,
        batch: 3,
        ..RepresentationOptions::default()
    };
    let mut objective = Representation::new(&base, &texts(3), &texts(20), &options).unwrap();
    let fresh = crate::LoraOptions::default().start(&base, 1).unwrap();
    let mut history = History::default();
    train(
        &base,
        &fresh,
        &mut objective,
        &training(20),
        &Run::new(),
        &mut history,
    )
    .unwrap();
    let first = &history.steps[0].parts;
    assert!(
        (first[0].1 - 1.0).abs() < 1e-4 && first[1].1 < 1e-4,
        "{first:?}"
    );
    assert!(history.recent("cosine", 2).unwrap() < 0.9);
}

#[test]
fn what_cannot_be_trained_on_is_refused() {
    let base = model();
    assert!(Dpo::new(&base, vec![], &DpoOptions::default()).is_err());
    let mut items = preferred();
    items[2].other.clear();
    let error = Dpo::new(&base, items, &DpoOptions::default()).unwrap_err();
    assert!(error.to_string().contains("preference 2"));
    let options = DpoOptions {
        beta: 0.0,
        ..DpoOptions::default()
    };
    assert!(Dpo::new(&base, preferred(), &options).is_err());
    let pass = Pass::whole(&[vec![1, 2]], Padding::Right, 0).unwrap();
    assert!(
        answer_log_probs(&base, &pass, &mut Untouched).is_err(),
        "no answer"
    );
}
