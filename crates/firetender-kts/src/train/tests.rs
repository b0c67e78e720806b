use std::{collections::BTreeMap, ops::ControlFlow};

use firetender_hooks::SiteKind;
use firetender_lm::Transformer;
use firetender_steer::SteeringVector;

use super::*;
use crate::{
    History, KlThenSteer, KtsOptions, PairCount, Source, Texts, VectorBank, VectorsFrom,
    adapter::tests::model, teacher,
};

fn texts() -> Texts {
    let row = |i: u32| (0..3 + i % 4).map(|j| (i * 7 + j * 3) % 30).collect();
    Texts::new((0..13).map(|i| (row(i), 2)).collect()).unwrap()
}

fn fixed() -> Source {
    let direction = (0..16).map(|i| (i % 5) as f32 * 0.3 - 0.6).collect();
    let directions = BTreeMap::from([(0, direction)]);
    let vector = SteeringVector::new("up", "down", SiteKind::ResidPost, 16, 2, directions).unwrap();
    Source::fixed("up", vector)
}

fn concept() -> Source {
    let rows = |start: u32| (0..12).map(|i| vec![start + i % 3, i, 2]).collect();
    let contrast = firetender_steer::Contrast::new("high", rows(20), "low", rows(5)).unwrap();
    Source::concept("height", contrast, firetender_hooks::ReadAt::LastToken)
}

fn options(steps: u64) -> KtsOptions {
    let mut options = KtsOptions::default();
    options.training.steps = steps;
    options.training.batch = 3;
    options.training.optimiser.rate = 1e-2;
    options.lora.rank = 2;
    options
}

fn run(
    base: &Transformer,
    options: &KtsOptions,
    sources: Vec<Source>,
    run: &Run<'_>,
    observer: &mut dyn TrainObserver,
) -> Result<Trained, KtsError> {
    let bank = VectorBank::read(base, &options.vectors, sources)?;
    let plain = teacher(base);
    let mut objective = KlThenSteer::new(&plain, &texts(), bank, options)?;
    let start = options.lora.start(base, options.training.seed)?;
    train(
        base,
        &start,
        &mut objective,
        &options.training,
        run,
        observer,
    )
}

/// Invariants 3, 4.
#[test]
fn the_same_seed_gives_the_same_run_and_the_base_stays() {
    let base = model();
    let hash = base_hash(&base);
    let options = options(6);
    let mut logs = [History::default(), History::default()];
    let [one, two] = &mut logs;
    let sources = || vec![fixed(), concept()];
    let first = run(&base, &options, sources(), &Run::new(), one).unwrap();
    let second = run(&base, &options, sources(), &Run::new(), two).unwrap();
    assert_eq!(first, second);
    assert_eq!(one, two);
    assert!(first.finished && one.steps.iter().any(|log| log.loss > 0.0));
    assert_eq!(base_hash(&base), hash);
}

/// Invariant 4: never steered, a fresh adapter stays where it is.
#[test]
fn unsteered_training_goes_nowhere() {
    let base = model();
    let mut options = options(8);
    options.dose.p_steer = 0.0;
    let mut history = History::default();
    let trained = run(&base, &options, vec![fixed()], &Run::new(), &mut history).unwrap();
    assert!(
        history
            .steps
            .iter()
            .all(|log| log.loss.abs() < 1e-6 && log.gradient_norm == 0.0)
    );
    assert_eq!(history.share_steered(), 0.0);
    assert_eq!(
        trained.adapter,
        options.lora.start(&base, options.training.seed).unwrap()
    );
}

/// Stops a run after so many steps, as a kill after the checkpoint would.
struct StopAfter(u64);

impl TrainObserver for StopAfter {
    fn stepped(&mut self, log: &StepLog) -> ControlFlow<()> {
        if log.step + 1 >= self.0 {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

#[test]
fn a_resumed_run_ends_where_an_unbroken_one_does() {
    let base = model();
    for from in [VectorsFrom::Base, VectorsFrom::Student { every: 2 }] {
        let mut options = options(7);
        options.training.accumulate = 2;
        options.vectors.from = from;
        options.vectors.pairs = PairCount::Between(2, 4);
        let sources = || vec![concept(), fixed()];
        let whole = run(
            &base,
            &options,
            sources(),
            &Run::new(),
            &mut crate::Unwatched,
        )
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Run::new().with_checkpoints(folder.path(), 100);
        let stopped = run(&base, &options, sources(), &checkpoints, &mut StopAfter(3)).unwrap();
        assert!(!stopped.finished);
        assert_eq!(stopped.steps, if from == VectorsFrom::Base { 3 } else { 4 });
        let resumed = run(
            &base,
            &options,
            sources(),
            &checkpoints,
            &mut crate::Unwatched,
        )
        .unwrap();
        assert_eq!(resumed, whole);
        assert_ne!(
            whole.adapter,
            options.lora.start(&base, options.training.seed).unwrap()
        );
        let mut other = options.clone();
        other.dose.p_steer = 0.5;
        let refused = run(
            &base,
            &other,
            sources(),
            &checkpoints,
            &mut crate::Unwatched,
        );
        let message = refused.unwrap_err().to_string();
        assert!(
            message.contains("0.875") && message.contains("0.5"),
            "{message}"
        );
        let refused = run(
            &base,
            &options,
            vec![concept()],
            &checkpoints,
            &mut crate::Unwatched,
        );
        assert!(matches!(refused, Err(KtsError::Checkpoint { .. })));
        let config = base.config().clone();
        let stranger = Transformer::init(&config, 99, &base.device()).unwrap();
        let refused = run(
            &stranger,
            &options,
            sources(),
            &checkpoints,
            &mut crate::Unwatched,
        );
        assert!(matches!(refused, Err(KtsError::Checkpoint { .. })));
    }
}

#[test]
fn damaged_checkpoints_are_typed_errors() {
    let base = model();
    let options = options(2);
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Run::new().with_checkpoints(folder.path(), 1);
    run(
        &base,
        &options,
        vec![fixed()],
        &checkpoints,
        &mut crate::Unwatched,
    )
    .unwrap();
    let path = checkpoint::newest(folder.path()).unwrap().unwrap();
    let good = std::fs::read(&path).unwrap();
    for cut in [0, 7, 100, good.len() - 1] {
        std::fs::write(&path, &good[..cut]).unwrap();
        let found = run(
            &base,
            &options,
            vec![fixed()],
            &checkpoints,
            &mut crate::Unwatched,
        );
        assert!(matches!(found, Err(KtsError::Format { .. })), "{cut}");
    }
    let mut nan = good.clone();
    let end = nan.len();
    nan[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&path, &nan).unwrap();
    let found = run(
        &base,
        &options,
        vec![fixed()],
        &checkpoints,
        &mut crate::Unwatched,
    );
    assert!(found.unwrap_err().to_string().contains("NaN"));
}

/// An objective whose loss breaks at some minibatch.
struct Breaks<'a>(KlThenSteer<'a>, u64);

impl Objective for Breaks<'_> {
    fn fingerprint(&self) -> String {
        "breaks".into()
    }

    fn loss(&mut self, student: &dyn CausalLm, number: u64) -> Result<Parts, KtsError> {
        let mut parts = self.0.loss(student, number)?;
        if number == self.1 {
            parts.total = parts.total * f32::NAN;
        }
        Ok(parts)
    }
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_before_the_optimiser_moves() {
    let base = model();
    let options = options(9);
    let bank = VectorBank::read(&base, &options.vectors, vec![fixed()]).unwrap();
    let plain = teacher(&base);
    let objective = KlThenSteer::new(&plain, &texts(), bank, &options).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Run::new().with_checkpoints(folder.path(), 2);
    let start = options.lora.start(&base, 1).unwrap();
    let mut objective = Breaks(objective, 5);
    let mut history = History::default();
    let error = train(
        &base,
        &start,
        &mut objective,
        &options.training,
        &checkpoints,
        &mut history,
    )
    .unwrap_err();
    let KtsError::NotFinite {
        step,
        batch,
        checkpoint,
        ..
    } = &error
    else {
        panic!("{error}");
    };
    assert_eq!((*step, batch.len(), history.steps.len()), (5, 3, 5));
    let name = checkpoint.as_ref().unwrap().file_name().unwrap();
    assert_eq!(name, "step-00000004.safetensors");
}

#[test]
fn impossible_options_are_refused_before_training() {
    let base = model();
    let refused = |change: &dyn Fn(&mut KtsOptions), sources: Vec<Source>, field: &str| {
        let mut options = options(2);
        change(&mut options);
        let found = run(&base, &options, sources, &Run::new(), &mut crate::Unwatched);
        let message = found.unwrap_err().to_string();
        assert!(message.contains(field), "{field}: {message}");
    };
    refused(&|o| o.dose.p_steer = 1.5, vec![fixed()], "p_steer");
    refused(
        &|o| o.dose.strength = crate::Strength::Fixed(0.0),
        vec![fixed()],
        "strength",
    );
    refused(&|o| o.training.steps = 0, vec![fixed()], "steps");
    refused(
        &|o| o.training.optimiser.rate = f64::NAN,
        vec![fixed()],
        "rate",
    );
    refused(&|o| o.loss.temperature = 0.0, vec![fixed()], "temperature");
    refused(
        &|o| o.vectors.pairs = PairCount::Between(5, 20),
        vec![concept()],
        "at most the 12",
    );
    refused(
        &|o| o.vectors.from = VectorsFrom::Student { every: 1 },
        vec![fixed()],
        "no source is a concept",
    );
    refused(&|_| {}, vec![], "no source of directions");
    refused(
        &|o| o.keep_effect = Some(crate::KeepEffect::default()),
        vec![fixed()],
        "target prompts",
    );
    refused(
        &|o| {
            o.loss.scope = crate::TokenScope::Answer;
            o.training.max_length = 2;
        },
        vec![fixed()],
        "answer",
    );
    refused(
        &|o| o.training.optimiser.schedule = crate::Schedule::Linear { warm_up: 2 },
        vec![fixed()],
        "warm_up",
    );
    let wide = BTreeMap::from([(0, vec![1.0; 8])]);
    let wide = SteeringVector::new("up", "down", SiteKind::ResidPost, 8, 2, wide).unwrap();
    refused(
        &|_| {},
        vec![Source::fixed("other model", wide)],
        "expected 16",
    );
}

#[test]
fn keeping_the_effect_is_logged_apart() {
    let base = model();
    let mut options = options(12);
    options.keep_effect = Some(crate::KeepEffect::default());
    let targets = vec![vec![1, 2, 3], vec![4, 5], vec![6], vec![7, 8], vec![9, 1]];
    let mut history = History::default();
    let sources = vec![fixed().with_targets(targets)];
    run(&base, &options, sources, &Run::new(), &mut history).unwrap();
    let names = |name| {
        history
            .steps
            .iter()
            .flat_map(|l| &l.parts)
            .filter(|p| p.0 == name)
            .count()
    };
    assert_eq!(names("kept"), names("kl_steered"));
    assert_eq!(names("kl_steered") + names("kl_unsteered"), 12);
    assert_eq!(
        history.strengths(1.5, 3).iter().sum::<usize>(),
        names("kl_steered")
    );
}

/// Unsteered, a fresh student is its teacher, so all of the loss is the task: what imitation of the same minibatch is, times the weight.
#[test]
fn a_task_beside_the_divergence_is_its_own_part() {
    let base = model();
    let mut options = options(2);
    options.dose.p_steer = 0.0;
    options.task = Some(crate::TaskLoss {
        weight: 0.25,
        ..crate::TaskLoss::default()
    });
    let plain = teacher(&base);
    let bank = |o: &KtsOptions| VectorBank::read(&base, &o.vectors, vec![fixed()]).unwrap();
    let start = options.lora.start(&base, 1).unwrap();
    let student = start.attach(base.clone()).unwrap();
    let mut own = KlThenSteer::new(&plain, &texts(), bank(&options), &options).unwrap();
    let parts = own.loss(&student, 3).unwrap();
    options.task = None;
    let mut other = crate::Imitate::new(&plain, &texts(), bank(&options), &options).unwrap();
    let imitated = other.loss(&student, 3).unwrap().total.into_scalar::<f64>();
    assert_eq!(parts.named[0], ("kl_unsteered", 0.0));
    assert_eq!(parts.named[1].0, "task");
    assert!((parts.named[1].1 - imitated).abs() < 1e-6 * imitated);
    let total = parts.total.into_scalar::<f64>();
    assert!(
        (total - 0.25 * imitated).abs() < 1e-6 * imitated,
        "{total} {imitated}"
    );
    // A text without a next token has no task.
    options.task = Some(crate::TaskLoss::default());
    let bare = Texts::new(vec![(vec![3, 4], 2)]).unwrap();
    let refused = KlThenSteer::new(&plain, &bare, bank(&options), &options).unwrap_err();
    assert!(refused.to_string().contains("task.scope"), "{refused}");
}
