use std::collections::BTreeMap;

use burn::tensor::Device;
use burn_train::MultiDeviceOptim;
use firetender_hooks::SiteKind;
use firetender_steer::SteeringVector;

use super::*;
use crate::{KlThenSteer, Run, Source, Texts, Unwatched, VectorBank, adapter::tests::model, train};

fn batches(options: &KtsOptions) -> (firetender_lm::Transformer, Minibatches, Adapter) {
    let base = model();
    let row = |i: u32| (0..3 + i % 4).map(|j| (i * 7 + j * 3) % 30).collect();
    let texts = Texts::new((0..13).map(|i| (row(i), 2)).collect()).unwrap();
    let direction = (0..16).map(|i| (i % 5) as f32 * 0.3 - 0.6).collect();
    let directions = BTreeMap::from([(0, direction)]);
    let vector = SteeringVector::new("up", "down", SiteKind::ResidPost, 16, 2, directions).unwrap();
    let bank =
        VectorBank::read(&base, &options.vectors, vec![Source::fixed("up", vector)]).unwrap();
    let batches = Minibatches::new(&texts, bank, options).unwrap();
    let start = options.lora.start(&base, options.training.seed).unwrap();
    (base, batches, start)
}

fn options(accumulate: usize) -> KtsOptions {
    let mut options = KtsOptions::default();
    options.lora.rank = 2;
    options.training.steps = 6;
    options.training.batch = 3;
    options.training.accumulate = accumulate;
    options.training.optimiser.rate = 1e-2;
    options
}

fn learnt(
    options: &KtsOptions,
    epochs: usize,
    resume: Option<usize>,
    strategy: ExecutionStrategy,
    folder: &Path,
) -> Adapter {
    let (base, batches, start) = batches(options);
    let learning = LearnOptions {
        epochs,
        resume,
        ..LearnOptions::new(strategy)
    };
    learn(&base, &start, batches, options, learning, folder).unwrap()
}

fn trained(options: &KtsOptions) -> Adapter {
    let (base, batches, start) = batches(options);
    let plain = teacher(&base);
    let mut objective = KlThenSteer::with_minibatches(&plain, batches);
    train(
        &base,
        &start,
        &mut objective,
        &options.training,
        &Run::new(),
        &mut Unwatched,
    )
    .unwrap()
    .adapter
}

fn close(a: &Adapter, b: &Adapter) {
    for (place, x) in a.factors() {
        let y = &b.factors()[place];
        for (x, y) in x.a.iter().chain(&x.b).zip(y.a.iter().chain(&y.b)) {
            assert!((x - y).abs() < 1e-5, "{place}: {x} {y}");
        }
    }
}

#[test]
fn the_learner_takes_the_steps_of_the_loop_on_one_device_and_on_two() {
    let folder = tempfile::tempdir().unwrap();
    let expected = trained(&options(2));
    let one = ExecutionStrategy::single(Device::flex());
    close(
        &learnt(&options(2), 1, None, one, &folder.path().join("one")),
        &expected,
    );
    let devices = vec![Device::flex(), Device::flex()];
    let two = ExecutionStrategy::multi(devices, MultiDeviceOptim::OptimMainDevice);
    close(
        &learnt(&options(1), 1, None, two, &folder.path().join("two")),
        &expected,
    );
}

#[test]
fn a_resumed_learner_ends_where_an_unbroken_one_does() {
    let folder = tempfile::tempdir().unwrap();
    let one = || ExecutionStrategy::single(Device::flex());
    let whole = learnt(&options(1), 3, None, one(), &folder.path().join("whole"));
    close(&whole, &trained(&options(1)));
    // The first two epochs, whose checkpoints a killed run leaves behind.
    let path = folder.path().join("broken");
    learnt(&options(1), 3, None, one(), &path);
    std::fs::remove_file(path.join("checkpoint/model-3.bpk")).unwrap();
    close(&learnt(&options(1), 3, Some(2), one(), &path), &whole);
}

#[test]
fn a_folder_of_another_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let one = || ExecutionStrategy::single(Device::flex());
    learnt(&options(1), 3, None, one(), folder.path());
    let mut other = options(1);
    other.dose.p_steer = 0.5;
    let (base, batches, start) = batches(&other);
    let learning = LearnOptions {
        epochs: 3,
        resume: Some(2),
        ..LearnOptions::new(one())
    };
    let error = learn(&base, &start, batches, &other, learning, folder.path()).unwrap_err();
    assert!(matches!(error, KtsError::Checkpoint { .. }), "{error}");
}

#[test]
fn a_gradient_that_is_not_finite_stops_the_run_with_its_step_and_texts() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(1);
    // A rate that throws the factors out of range: the second step is the first that shows it.
    options.training.optimiser.rate = 1e30;
    let (base, batches, start) = batches(&options);
    let learning = LearnOptions::new(ExecutionStrategy::single(Device::flex()));
    let error = learn(&base, &start, batches, &options, learning, folder.path()).unwrap_err();
    let KtsError::NotFinite { step, batch, .. } = error else {
        panic!("{error}");
    };
    assert!(step > 0 && batch.len() == options.training.batch);
}

#[test]
fn what_the_learner_does_not_do_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |change: fn(&mut KtsOptions), epochs: usize| {
        let mut options = options(1);
        let (base, batches, start) = batches(&options);
        change(&mut options);
        let learning = LearnOptions {
            epochs,
            ..LearnOptions::new(ExecutionStrategy::single(Device::flex()))
        };
        learn(&base, &start, batches, &options, learning, folder.path()).unwrap_err()
    };
    let message = |error: KtsError| error.to_string();
    let keep: fn(&mut KtsOptions) = |o| o.keep_effect = Some(crate::KeepEffect::default());
    assert!(message(refused(keep, 1)).contains("keep_effect"));
    let student: fn(&mut KtsOptions) = |o| o.vectors.from = VectorsFrom::Student { every: 1 };
    assert!(message(refused(student, 1)).contains("vectors.from"));
    assert!(message(refused(|_| {}, 4)).contains("epochs"));
}
