//! What Burn 0.22.1 makes easy to get wrong, one test each. Where Burn's own behaviour is what surprises, the test holds that behaviour,
//! too, so that a Burn that changes it turns the test red and the workaround can go.

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    nn::{BatchNormConfig, Linear, LinearConfig},
    optim::{GradientsParams, momentum::MomentumConfig},
    store::ModuleRecord,
    tensor::{Device, Tensor},
};
use firetender_uncertainty::training::{
    DeepEnsemble, Snapshots, Swa, WeightSpace, refresh_batch_norm, switch_dropout_on,
    switch_training_off,
};

use crate::support::{Net, random, sgd, step, training_device, values};

/// Adds one to every float there is, as a weight-space method that trusts visitors would.
struct AddOne;

impl ModuleMapper for AddOne {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| tensor.detach() + 1.0)
    }
}

#[test]
fn trap_1_running_statistics_are_shared_by_clones_and_not_by_snapshots() {
    let model = Net::init(&training_device());
    let mut snapshots = Snapshots::in_memory();
    snapshots.collect(&model).unwrap();
    let copy = model.valid();
    // Burn: changing a clone changes the live model.
    let _ = model.clone().map(&mut AddOne);
    assert_eq!(values(model.norm.running_mean.value()), [1.0; 4]);
    assert_eq!(values(copy.norm.running_mean.value()), [0.0; 4]);
    let member = snapshots.member(&model, 0).unwrap();
    assert_eq!(values(member.norm.running_mean.value()), [0.0; 4]);
    // Two members do not share theirs either, nor the live model its with them.
    let other = snapshots.member(&model, 0).unwrap();
    let _ = other.map(&mut AddOne);
    assert_eq!(values(member.norm.running_mean.value()), [0.0; 4]);
    assert_eq!(values(model.norm.running_mean.value()), [1.0; 4]);
}

#[test]
fn trap_2_a_snapshot_has_the_last_batch() {
    let device = training_device();
    let model = Net::init(&device);
    let _ = model.forward(random(1, [8, 3], &device));
    // Burn: the record of the live model still has the initial statistics.
    assert_eq!(values(model.norm.running_mean.value()), [0.0; 4]);
    let mut snapshots = Snapshots::in_memory();
    snapshots.collect(&model).unwrap();
    let member = snapshots.member(&model, 0).unwrap();
    let found = values(member.norm.running_mean.value());
    assert_eq!(found, values(model.norm.running_mean.value_sync()));
    assert!(found.iter().any(|&mean| mean != 0.0));
}

#[test]
fn trap_2_loading_into_a_live_model_is_undone_by_a_pending_batch() {
    let device = training_device();
    let model = Net::init(&device);
    let record = model.valid().into_record();
    let _ = model.forward(random(1, [8, 3], &device));
    // Burn: the batch that was still pending wins over the record at the next synchronisation.
    let live = model.load_record(record.clone());
    assert_ne!(values(live.valid().norm.running_mean.value()), [0.0; 4]);
    // Members are loaded into a copy without pending batches.
    let copy = live.valid().load_record(record);
    assert_eq!(values(copy.norm.running_mean.value()), [0.0; 4]);
}

#[derive(Default)]
struct Paths {
    path: Vec<String>,
    floats: Vec<String>,
}

impl ModuleVisitor for Paths {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, _param: &Param<Tensor<D>>) {
        self.floats.push(self.path.join("."));
    }
}

#[test]
fn trap_3_the_list_of_weights_has_no_running_statistics() {
    let model = Net::init(&training_device());
    // Burn: visitors see them among the weights.
    let mut paths = Paths::default();
    model.visit(&mut paths);
    assert!(paths.floats.iter().any(|path| path == "norm.running_mean"));
    let space = WeightSpace::of(&model).unwrap();
    let found: Vec<&str> = space
        .entries()
        .iter()
        .map(|entry| entry.path.as_str())
        .collect();
    assert_eq!(
        found,
        [
            "body.weight",
            "body.bias",
            "norm.gamma",
            "norm.beta",
            "head.weight",
            "head.bias"
        ]
    );
    assert_eq!(space.weights(), 12 + 4 + 4 + 4 + 8 + 2);
}

#[test]
fn trap_3_a_list_from_an_evaluation_copy_is_an_error_and_not_empty() {
    let model = Net::init(&training_device());
    assert!(WeightSpace::of(&model.valid()).is_err());
    assert!(WeightSpace::of(&model.freeze()).is_err());
    assert!(WeightSpace::of(&Net::init(&Device::flex())).is_err());
}

#[test]
fn trap_4_written_weights_still_train() {
    let device = training_device();
    let model = Net::init(&device);
    let space = WeightSpace::of(&model).unwrap();
    let numbers: Vec<f64> = (0..space.weights()).map(|at| at as f64 / 50.0).collect();
    let ids: Vec<_> = space.entries().iter().map(|entry| entry.id).collect();
    let written = space.write(model, &numbers).unwrap();
    let again = WeightSpace::of(&written).unwrap();
    assert_eq!(again.entries().len(), space.entries().len());
    assert_eq!(
        again
            .entries()
            .iter()
            .map(|entry| entry.id)
            .collect::<Vec<_>>(),
        ids
    );
    let loss = written
        .forward(random(1, [8, 3], &device))
        .powi_scalar(2)
        .mean();
    let gradients = GradientsParams::from_grads(loss.backward(), &written);
    assert_eq!(gradients.len(), 6);
    let found = space.read(&written).unwrap();
    for (found, expected) in found.iter().zip(&numbers) {
        assert!((found - expected).abs() < 1e-7);
    }
}

#[test]
fn trap_4_written_weights_keep_the_strategy_of_gradient_checkpointing() {
    let device = Device::flex().autodiff().gradient_checkpointing();
    let model = LinearConfig::new(3, 2).init(&device);
    let space = WeightSpace::of(&model).unwrap();
    let before = model.weight.val().gradient_checkpointing_strategy();
    let model = space.write(model, &[0.5; 8]).unwrap();
    assert_eq!(model.weight.val().gradient_checkpointing_strategy(), before);
    let loss = model
        .forward(random(1, [4, 3], &device))
        .powi_scalar(2)
        .mean();
    assert_eq!(
        GradientsParams::from_grads(loss.backward(), &model).len(),
        2
    );
}

#[test]
fn trap_5_dropout_can_be_switched_on_alone() {
    let device = training_device();
    let model = step(Net::init(&device), &mut sgd(), 1);
    let input = random(2, [8, 3], &device);
    let still = values(model.valid().forward(input.clone().without_autodiff()));
    let dropping = switch_dropout_on(&model);
    assert!(dropping.dropout.training.is_enabled());
    assert!(!dropping.norm.training.is_enabled());
    let before = values(dropping.norm.running_mean.value_sync());
    let output = dropping.forward(input.clone());
    assert!(!output.is_require_grad());
    assert_ne!(values(output), still);
    assert_eq!(values(dropping.norm.running_mean.value_sync()), before);
    // On a plain device Burn's layer does nothing, whatever its flag.
    assert_eq!(values(dropping.forward(input.without_autodiff())), still);
}

#[test]
fn trap_5_flags_off_with_gradients_on() {
    let device = training_device();
    let model = step(Net::init(&device), &mut sgd(), 1);
    let input = random(2, [8, 3], &device);
    let still = switch_training_off(model.valid().train());
    let output = still.forward(input.clone());
    let expected = values(model.valid().forward(input.without_autodiff()));
    for (found, expected) in values(output.clone()).iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6);
    }
    let gradients = GradientsParams::from_grads(output.powi_scalar(2).mean().backward(), &still);
    assert_eq!(gradients.len(), 6);
    // The model it was made from still trains.
    assert!(model.norm.training.is_enabled());
}

#[test]
fn trap_7_refreshing_reaches_the_momentum_and_puts_it_back() {
    let device = training_device();
    let mut model = Net::init(&device);
    model.norm.momentum = 0.25;
    let _ = model.forward(random(9, [8, 3], &device));
    let live = values(model.norm.running_mean.value_sync());
    let batches = [
        random(1, [8, 3], &device),
        random(2, [4, 3], &device),
        random(3, [2, 3], &device),
    ];
    let fresh = refresh_batch_norm(&model, batches.clone(), |model, batch| {
        let rows = batch.dims()[0];
        let _ = model.forward(batch);
        rows
    })
    .unwrap();
    assert_eq!(fresh.norm.momentum, 0.25);
    // The plain mean of each batch's statistics, weighted by its objects; Burn's variance is the biased one.
    let mut mean = vec![0.0; 4];
    let mut variance = vec![0.0; 4];
    for batch in batches {
        let rows = batch.dims()[0];
        let hidden = model.body.forward(batch).without_autodiff();
        for channel in 0..4 {
            let (m, v) = crate::support::moments(&values(hidden.clone().narrow(1, channel, 1)));
            mean[channel] += m * rows as f64 / 14.0;
            variance[channel] += v * rows as f64 / 14.0;
        }
    }
    for (found, expected) in values(fresh.norm.running_mean.value()).iter().zip(mean) {
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    }
    for (found, expected) in values(fresh.norm.running_var.value()).iter().zip(variance) {
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    }
    // The model that was refreshed from is as it was.
    assert_eq!(values(model.norm.running_mean.value_sync()), live);
    assert_eq!(model.norm.momentum, 0.25);
}

#[test]
fn trap_7_refreshing_on_a_plain_device_is_an_error_and_not_a_silence() {
    let model = Net::init(&training_device());
    let plain = Device::flex();
    let error = refresh_batch_norm(&model, [random(1, [8, 3], &plain)], |model, batch| {
        let _ = model
            .norm
            .forward(batch.matmul(Tensor::<2>::ones([3, 4], &plain)));
        8
    });
    assert!(error.is_err());
    let none: [Tensor<2>; 0] = [];
    assert!(refresh_batch_norm(&model, none, |_, _| 1).is_err());
    let device = training_device();
    assert!(
        refresh_batch_norm(&model, [random(1, [8, 3], &device)], |model, batch| {
            let _ = model.forward(batch);
            0
        })
        .is_err()
    );
}

#[test]
fn trap_7_a_diverged_running_mean_does_not_survive_a_refresh() {
    let device = training_device();
    let model = Net::init(&device);
    model
        .norm
        .running_mean
        .update(Tensor::full([4], f32::NAN, &device));
    let fresh = refresh_batch_norm(&model, [random(1, [8, 3], &device)], |model, batch| {
        let _ = model.forward(batch);
        8
    })
    .unwrap();
    assert!(
        values(fresh.norm.running_mean.value())
            .iter()
            .all(|mean| mean.is_finite())
    );
}

#[test]
fn trap_8_burns_momentum_dampens_unless_told() {
    // What every recipe has to override; when this changes, the examples may drop it.
    assert_eq!(MomentumConfig::new().dampening, 0.1);
}

#[test]
fn trap_9_burns_cosine_does_not_restart() {
    use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
    let mut schedule = CosineAnnealingLrSchedulerConfig::new(0.2, 4)
        .init()
        .unwrap();
    let rates: Vec<f64> = (0..8).map(|_| schedule.step().base()).collect();
    // It climbs again after its end instead of jumping back.
    assert!(rates[5] > rates[4] && rates[5] < 0.1);
    assert!(
        CosineAnnealingLrSchedulerConfig::new(1.5, 4)
            .init()
            .is_err()
    );
}

#[test]
fn trap_11_clones_of_a_fresh_module_are_one_network_and_members_are_not() {
    let device = Device::flex();
    let fresh: Linear = LinearConfig::new(3, 2).init(&device);
    let (left, right) = (fresh.clone(), fresh);
    assert_eq!(values(left.weight.val()), values(right.weight.val()));
    let folder = tempfile::tempdir().unwrap();
    let ensemble = DeepEnsemble::in_folder(folder.path(), 3, 7).unwrap();
    ensemble
        .run(|_, _| Ok(LinearConfig::new(3, 2).init(&device)))
        .unwrap();
    let template = LinearConfig::new(3, 2).init(&device);
    let members: Vec<Vec<f64>> = ensemble
        .members(&template)
        .map(|member| values(member.unwrap().weight.val()))
        .collect();
    assert_ne!(members[0], members[1]);
    assert_ne!(members[1], members[2]);
    assert_ne!(members[0], members[2]);
}

#[test]
fn trap_12_records_carry_no_flags_so_members_are_set_to_evaluate() {
    let device = training_device();
    let model = Net::init(&device);
    let mut snapshots = Snapshots::in_memory();
    snapshots.collect(&model).unwrap();
    let member = snapshots.member(&model, 0).unwrap();
    assert!(!member.dropout.training.is_enabled() && !member.norm.training.is_enabled());
    assert!(!member.body.weight.val().device().is_autodiff());
    // Loaded into a training module instead, a record leaves its flags on.
    let record =
        ModuleRecord::from_bytes(model.valid().into_record().into_bytes().unwrap()).unwrap();
    assert!(
        Net::init(&device)
            .load_record(record)
            .dropout
            .training
            .is_enabled()
    );
}

#[test]
fn trap_13_linear_weights_are_inputs_by_outputs() {
    let layer = LinearConfig::new(3, 2).init(&Device::flex());
    assert_eq!(layer.weight.val().dims(), [3, 2]);
}

#[test]
fn an_average_leaves_the_live_model_alone() {
    let device = training_device();
    let mut model = Net::init(&device);
    let space = WeightSpace::of(&model).unwrap();
    let mut average = Swa::new(&space);
    let mut optimizer = sgd();
    for seed in 0..3 {
        model = step(model, &mut optimizer, seed);
        average.update(&model).unwrap();
    }
    let before = (
        space.read(&model).unwrap(),
        values(model.norm.running_mean.value_sync()),
    );
    let averaged = average.module(&model).unwrap();
    let _ = averaged.map(&mut AddOne);
    assert_eq!(before.0, space.read(&model).unwrap());
    assert_eq!(before.1, values(model.norm.running_mean.value_sync()));
    // And the model trains on.
    let after = step(model, &mut optimizer, 9);
    assert_ne!(before.0, space.read(&after).unwrap());
}

#[test]
fn a_fresh_batch_norm_has_its_weights_in_the_list_only() {
    let norm = BatchNormConfig::new(2).init(&training_device());
    let space = WeightSpace::of(&norm).unwrap();
    let shifted = space.write(norm, &[5.0; 4]).unwrap();
    assert_eq!(values(shifted.running_mean.value_sync()), [0.0; 2]);
    assert_eq!(values(shifted.running_var.value_sync()), [1.0; 2]);
}
