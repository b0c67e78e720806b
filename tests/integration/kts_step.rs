//! One KL-then-steer step against torch and peft.

use std::collections::BTreeMap;

use firetender_hooks::{Padding, Pass, SiteKind};
use firetender_kit::{Golden, assert_close, golden_json, rows, tiny, values};
use firetender_kts::{
    Adapter, Clip, Divergence, Factors, KtsError, LossOptions, Objective, OptimiserOptions, Parts,
    Push, Run, Schedule, StepLog, TrainObserver, TrainingOptions, step, step_loss, train,
};
use firetender_lm::{CausalLm, Transformer};
use firetender_steer::SteeringVector;

/// A tensor stored `[rows, columns]`, transposed.
fn transposed(golden: &Golden, name: &str) -> (Vec<f32>, [usize; 2]) {
    let [rows, columns] = [golden.shape(name)[0], golden.shape(name)[1]];
    let stored = golden.f32s(name);
    let values = (0..columns)
        .flat_map(|c| (0..rows).map(move |r| (r, c)))
        .map(|(r, c)| stored[r * columns + c])
        .collect();
    (values, [columns, rows])
}

fn places() -> Vec<(String, String)> {
    (0..4)
        .flat_map(|block| ["q_proj", "v_proj"].map(|target| (block, target)))
        .map(|(block, target)| {
            (
                format!("blocks.{block}.attn.{target}.weight"),
                format!("{block}.{target}"),
            )
        })
        .collect()
}

fn adapter(golden: &Golden, stage: &str) -> Adapter {
    let factors: BTreeMap<String, Factors> = places()
        .into_iter()
        .map(|(path, short)| {
            let (a, [inputs, rank]) = transposed(golden, &format!("{stage}.{short}.A"));
            let (b, [_, outputs]) = transposed(golden, &format!("{stage}.{short}.B"));
            let dims = [inputs, rank, outputs];
            (
                path,
                Factors {
                    dims,
                    a,
                    b,
                    scale: 2.0,
                },
            )
        })
        .collect();
    Adapter::new(factors).unwrap()
}

fn setting() -> (Transformer, Pass, Push) {
    let teacher = firetender_kts::teacher(&tiny("llama"));
    let forward = Golden::open("forward/llama.safetensors");
    let pass = Pass::whole(&rows(&forward.token_rows("tokens")), Padding::Right, 0).unwrap();
    let direction = Golden::open("steered/llama.safetensors").f32s("direction");
    let directions = BTreeMap::from([(1, direction)]);
    let vector = SteeringVector::new("up", "down", SiteKind::ResidPost, 32, 4, directions).unwrap();
    (teacher, pass, Push::one(&vector, 1.0))
}

/// The golden step as an objective.
struct Once<'a>(&'a Transformer, Pass, Push);

impl Objective for Once<'_> {
    fn fingerprint(&self) -> String {
        "golden".into()
    }

    fn loss(&mut self, student: &dyn CausalLm, _number: u64) -> Result<Parts, KtsError> {
        Ok(Parts {
            total: step_loss(student, self.0, &self.1, &self.2, &LossOptions::default())?,
            named: vec![],
            draws: vec![],
            texts: vec![],
        })
    }
}

#[derive(Default)]
struct Norm(f64);

impl TrainObserver for Norm {
    fn stepped(&mut self, log: &StepLog) -> std::ops::ControlFlow<()> {
        self.0 = log.gradient_norm;
        std::ops::ControlFlow::Continue(())
    }
}

#[test]
fn loss_gradients_and_factors_after_a_step_are_those_of_peft() {
    let golden = Golden::open("lora/step.safetensors");
    let (teacher, pass, push) = setting();
    for start in ["fresh", "moved"] {
        let before = adapter(&golden, &format!("{start}.before"));
        let student = before.attach(teacher.clone()).unwrap();
        let (loss, gradients) =
            step(&student, &teacher, &pass, &push, &LossOptions::default()).unwrap();
        let expected = golden.meta["loss"][start].as_f64().unwrap();
        assert!(
            (loss - expected).abs() < 1e-5 * expected.max(1.0),
            "{start}: {loss} {expected}"
        );
        for (path, short) in places() {
            for which in ['a', 'b'] {
                let name = format!("{start}.gradient.{short}.{}", which.to_ascii_uppercase());
                let found = gradients.get(&path, which).unwrap().clone();
                assert_close(&name, &values(found), &transposed(&golden, &name).0, 2e-5);
            }
        }
        let options = TrainingOptions {
            steps: 1,
            optimiser: OptimiserOptions {
                rate: 1e-3,
                schedule: Schedule::Constant,
                clip: None::<Clip>,
                ..OptimiserOptions::default()
            },
            ..TrainingOptions::default()
        };
        let mut objective = Once(&teacher, pass.clone(), push.clone());
        let mut norm = Norm::default();
        let trained = train(
            &teacher,
            &before,
            &mut objective,
            &options,
            &Run::new(),
            &mut norm,
        )
        .unwrap();
        let expected = golden.meta["gradient_norm"][start].as_f64().unwrap();
        assert!(
            (norm.0 - expected).abs() < 1e-5 * expected,
            "{start}: {} {expected}",
            norm.0
        );
        let after = adapter(&golden, &format!("{start}.after"));
        for (path, factors) in trained.adapter.factors() {
            let expected = &after.factors()[path];
            // Adam divides a gradient by its own size: where it is all rounding, so is the step, up to the rate.
            assert_close(path, &factors.a, &expected.a, 2e-5);
            assert_close(path, &factors.b, &expected.b, 2e-5);
        }
    }
}

/// Invariant 11, with the figures of the specification.
#[test]
fn the_loss_is_the_golden_divergence() {
    let golden = golden_json("kl.json");
    let (teacher, _, _) = setting();
    let forward = Golden::open("forward/llama.safetensors");
    let pass = Pass::whole(&forward.token_rows("tokens"), Padding::Right, 0).unwrap();
    let direction = Golden::open("steered/llama.safetensors").f32s("direction");
    let vector = SteeringVector::new(
        "up",
        "down",
        SiteKind::ResidPost,
        32,
        4,
        [(1, direction)].into(),
    )
    .unwrap();
    let points = golden["llama"]["f32"].as_array().unwrap();
    for point in points
        .iter()
        .filter(|point| point["k"].as_f64() >= Some(0.5))
    {
        let push = Push::one(&vector, point["k"].as_f64().unwrap());
        for (divergence, name) in [
            (Divergence::StudentFirst, "steered_plain"),
            (Divergence::TeacherFirst, "plain_steered"),
        ] {
            let options = LossOptions {
                divergence,
                ..LossOptions::default()
            };
            let loss = step_loss(&teacher, &teacher, &pass, &push, &options).unwrap();
            let (loss, expected) = (loss.into_scalar::<f64>(), point[name].as_f64().unwrap());
            assert!(
                (loss - expected).abs() < 1e-5 * expected,
                "{name}: {loss} {expected}"
            );
        }
    }
}
