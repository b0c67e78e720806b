//! A whole run of the learner: trap 14 of the list in `tests/training/traps.rs`. It calls nobody back with the model; checkpoints at the
//! ends of cycles are what there is, and they are members.

use std::{path::Path, sync::Arc};

use burn::{
    data::{
        dataloader::{DataLoader, DataLoaderBuilder, batcher::Batcher},
        dataset::InMemDataset,
    },
    module::Module,
    nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, loss::CrossEntropyLossConfig},
    optim::{ModuleOptimizer, SgdConfig},
    tensor::{Device, Int, Tensor, TensorData},
};
use burn_train::{
    ClassificationOutput, InferenceStep, Learner, SupervisedTraining, TrainOutput, TrainStep,
    metric::LossMetric,
};
use firetender_uncertainty::{
    Ensemble, ScoreKind, Scores,
    learner::{EpochMetric, KeepCycleEnds, Measure, checkpointed_member},
    training::CyclicCosine,
};

/// Rows of the set, and of a batch.
const ROWS: usize = 32;
const BATCH: usize = 8;

#[derive(Module, Debug)]
struct Net {
    body: Linear,
    norm: BatchNorm,
    head: Linear,
}

impl Net {
    fn init(device: &Device) -> Self {
        Self {
            body: LinearConfig::new(2, 6).init(device),
            norm: BatchNormConfig::new(6).init(device),
            head: LinearConfig::new(6, 3).init(device),
        }
    }

    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.head
            .forward(self.norm.forward(self.body.forward(input)).tanh())
    }

    fn output(&self, batch: Batch) -> ClassificationOutput {
        let output = self.forward(batch.inputs);
        let loss = CrossEntropyLossConfig::new()
            .init(&output.device())
            .forward(output.clone(), batch.labels.clone());
        ClassificationOutput::new(loss, output, batch.labels)
    }
}

#[derive(Clone, Debug)]
struct Batch {
    inputs: Tensor<2>,
    labels: Tensor<1, Int>,
}

struct Rows;

impl Batcher<usize, Batch> for Rows {
    fn batch(&self, rows: Vec<usize>, device: &Device) -> Batch {
        let count = rows.len();
        let inputs: Vec<f32> = rows.iter().flat_map(|row| point(*row)).collect();
        let labels: Vec<i64> = rows.iter().map(|row| (row % 3) as i64).collect();
        Batch {
            inputs: Tensor::from_data(TensorData::new(inputs, [count, 2]), device),
            labels: Tensor::from_data(TensorData::new(labels, [count]), device),
        }
    }
}

fn point(row: usize) -> [f32; 2] {
    let noise = (row * 29 % 17) as f32 / 17.0 - 0.5;
    [(row % 3) as f32 - 1.0 + noise, noise * noise]
}

impl TrainStep for Net {
    type Input = Batch;
    type Output = ClassificationOutput;

    fn step(&self, batch: Batch) -> TrainOutput<ClassificationOutput> {
        let output = self.output(batch);
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

impl InferenceStep for Net {
    type Input = Batch;
    type Output = ClassificationOutput;

    fn step(&self, batch: Batch) -> ClassificationOutput {
        self.output(batch)
    }
}

fn loader() -> Arc<dyn DataLoader<Batch>> {
    DataLoaderBuilder::new(Rows)
        .batch_size(BATCH)
        .build(InMemDataset::new((0..ROWS).collect()))
}

/// Trains for so many epochs in cycles of two, in a folder; the trained model.
fn train(folder: &Path, epochs: usize, resume: Option<usize>) -> Net {
    let device = Device::flex().autodiff();
    let optimizer: ModuleOptimizer = SgdConfig::new().init();
    let schedule = CyclicCosine::new(0.5, 2 * ROWS / BATCH).unwrap();
    let mut run = SupervisedTraining::new(folder, loader(), loader())
        .num_epochs(epochs)
        .metric_train_numeric(LossMetric::new())
        .metric_valid_numeric(EpochMetric::new(Measure::LogLikelihood))
        .metric_valid_numeric(EpochMetric::new(Measure::Ece))
        .with_default_checkpointers()
        .with_checkpointing_strategy(KeepCycleEnds::new(2).unwrap())
        .with_application_logger(None);
    if let Some(epoch) = resume {
        run = run.checkpoint(epoch);
    }
    let result = run.launch(Learner::new(Net::init(&device), optimizer, schedule));
    assert!(result.error.is_none(), "{:?}", result.error);
    result.model
}

fn weights(net: &Net) -> Vec<f32> {
    let tensors = [net.body.weight.val(), net.head.weight.val()];
    let values = tensors.map(|t| t.try_into_vec_as::<f32>().unwrap());
    values.concat()
}

#[test]
fn trap_14_checkpoints_at_the_ends_of_cycles_are_members() {
    let folder = tempfile::tempdir().unwrap();
    let trained = train(folder.path(), 5, None);
    let there = |epoch: usize| {
        let file = format!("checkpoint/model-{epoch}.bpk");
        folder.path().join(file).exists()
    };
    // Ends of cycles, and the newest to go on from.
    assert_eq!([1, 2, 3, 4, 5].map(there), [false, true, false, true, true]);
    let template = Net::init(&Device::flex().autodiff());
    let member = |epoch| checkpointed_member(&template, folder.path(), epoch).unwrap();
    let members = [member(2), member(4)];
    assert_ne!(weights(&members[0]), weights(&members[1]));
    assert_eq!(weights(&member(5)), weights(&trained));
    // In evaluation mode, with running statistics of their own that have seen the data.
    let inputs = Rows.batch((0..ROWS).collect(), &Device::flex()).inputs;
    let mut ensemble = Ensemble::new(ROWS, 3).unwrap();
    for member in &members {
        assert!(!member.norm.training.is_enabled());
        let mean = member.norm.running_mean.value();
        let mean = mean.try_into_vec_as::<f32>().unwrap();
        assert!(mean.iter().any(|m| *m != 0.0));
        let logits = member.forward(inputs.clone());
        let scores = Scores::from_tensor(
            ScoreKind::Logits,
            logits,
            firetender_uncertainty::Checks::default(),
        );
        ensemble.add(&scores.unwrap(), 1.0).unwrap();
    }
    assert_eq!(ensemble.members(), 2);
    assert!(checkpointed_member(&template, folder.path(), 3).is_err());
    // The log of an epoch is the value of the epoch.
    let log = folder.path().join("valid");
    assert!(log.exists(), "the learner writes what it measured");
}

#[test]
fn trap_14_a_resumed_run_keeps_the_members_it_had() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), 3, None);
    let template = Net::init(&Device::flex().autodiff());
    let first = weights(&checkpointed_member(&template, folder.path(), 2).unwrap());
    train(folder.path(), 4, Some(3));
    let again = weights(&checkpointed_member(&template, folder.path(), 2).unwrap());
    assert_eq!(first, again);
    assert!(checkpointed_member(&template, folder.path(), 4).is_ok());
}
