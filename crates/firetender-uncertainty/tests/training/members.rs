//! Snapshots and deep ensembles: what is collected stays as it was, what was stopped goes on.

use burn::{module::Module, nn::LinearConfig, tensor::Device};
use firetender_uncertainty::{
    UncertaintyError,
    training::{DeepEnsemble, Snapshots, WeightSpace},
};

use crate::support::{Net, random, sgd, step, training_device, values};

#[test]
fn a_snapshot_does_not_change_when_the_model_trains_on() {
    let folder = tempfile::tempdir().unwrap();
    let device = training_device();
    for mut snapshots in [
        Snapshots::in_memory(),
        Snapshots::in_folder(folder.path()).unwrap(),
    ] {
        let mut model = step(Net::init(&device), &mut sgd(), 1);
        let input = random(5, [8, 3], &Device::flex());
        let expected = values(model.valid().forward(input.clone()));
        snapshots.collect(&model).unwrap();
        for seed in 2..5 {
            model = step(model, &mut sgd(), seed);
        }
        let member = snapshots.member(&model, 0).unwrap();
        assert_eq!(values(member.forward(input.clone())), expected);
        assert_ne!(values(model.valid().forward(input)), expected);
    }
}

#[test]
fn snapshots_on_disk_go_on_and_can_be_cut_back() {
    let folder = tempfile::tempdir().unwrap();
    let model = Net::init(&training_device());
    let mut first = Snapshots::in_folder(folder.path()).unwrap();
    first.collect(&model).unwrap();
    first.collect(&model).unwrap();
    let mut second = Snapshots::in_folder(folder.path()).unwrap();
    assert_eq!(second.len(), 2);
    second.collect(&model).unwrap();
    assert_eq!(second.members(&model).count(), 3);
    second.truncate(1).unwrap();
    assert_eq!(Snapshots::in_folder(folder.path()).unwrap().len(), 1);
    assert!(second.member(&model, 1).is_err());
    assert!(!second.is_empty());
}

#[test]
fn a_damaged_or_foreign_snapshot_is_an_error_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let model = Net::init(&training_device());
    let mut snapshots = Snapshots::in_folder(folder.path()).unwrap();
    snapshots.collect(&model).unwrap();
    let other = LinearConfig::new(2, 2).init(&training_device());
    assert!(snapshots.member(&other, 0).is_err());
    let file = folder.path().join("snapshot-0000.bpk");
    let bytes = std::fs::read(&file).unwrap();
    for length in [0, 3, 20, bytes.len() / 2] {
        std::fs::write(&file, &bytes[..length]).unwrap();
        let error = snapshots.member(&model, 0).unwrap_err().to_string();
        assert!(error.contains("snapshot-0000.bpk"), "{error}");
    }
}

#[test]
fn an_ensemble_goes_on_after_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::flex();
    let ensemble = DeepEnsemble::in_folder(folder.path(), 4, 7).unwrap();
    let mut seen = vec![];
    let failed = ensemble.run(|member, seed| {
        seen.push((member, seed));
        if member == 2 {
            return Err(UncertaintyError::Empty {
                what: "electricity",
            });
        }
        Ok(LinearConfig::new(2, 2).init(&device))
    });
    assert!(failed.is_err());
    assert_eq!(ensemble.missing(), [2, 3]);
    let kept = std::fs::read(folder.path().join("member-0001.bpk")).unwrap();
    let done = ensemble.run(|member, seed| {
        seen.push((member, seed));
        Ok(LinearConfig::new(2, 2).init(&device))
    });
    assert_eq!(done.unwrap(), 2);
    assert_eq!(
        std::fs::read(folder.path().join("member-0001.bpk")).unwrap(),
        kept
    );
    // Member 2 was tried twice with the same seed; all seeds differ.
    assert_eq!(seen[2], seen[3]);
    let mut seeds: Vec<u64> = (0..4).map(|member| ensemble.member_seed(member)).collect();
    let neighbour = DeepEnsemble::in_folder(folder.path(), 4, 8).unwrap();
    seeds.extend((0..4).map(|member| neighbour.member_seed(member)));
    seeds.sort_unstable();
    seeds.dedup();
    assert_eq!(seeds.len(), 8);
    assert!(DeepEnsemble::in_folder(folder.path(), 0, 7).is_err());
}

#[test]
fn writing_weights_is_reading_them_back() {
    let model = Net::init(&training_device());
    let space = WeightSpace::of(&model).unwrap();
    let numbers: Vec<f64> = (0..space.weights())
        .map(|at| f64::from(at as f32 * 0.25))
        .collect();
    for target in [model.clone(), model.valid()] {
        let written = space.write(target, &numbers).unwrap();
        assert_eq!(space.read(&written).unwrap(), numbers);
    }
    // A part of the list changes that part.
    let head = space
        .select(|entry| entry.path.starts_with("head."))
        .unwrap();
    let written = head
        .write(model.valid(), &vec![9.0; head.weights()])
        .unwrap();
    let (all, before) = (space.read(&written).unwrap(), space.read(&model).unwrap());
    assert_eq!(all[..24], before[..24]);
    assert_eq!(all[24..], [9.0; 10]);
    assert!(space.write(model.clone(), &numbers[1..]).is_err());
    assert!(space.with_tensors(model.clone(), vec![]).is_err());
    assert!(space.select(|_| false).is_err());
    let other = LinearConfig::new(2, 2).init(&training_device());
    assert!(space.read(&other).is_err());
    assert!(space.write(other, &numbers).is_err());
}
