//! Curves, and what is read off them at equal effect.

use firetender_hooks::Intervene;
use firetender_kts::{Judge, JudgedPoint, Push, damage_at};
use firetender_lm::{CausalLm, ScoreRequest, score};
use firetender_steer::{Bootstrap, Estimate, SteeringVector};
use firetender_support::Failure;
use serde_json::{Value, json};

use crate::world::{Question, World};

/// The curves of one method, one for each seed.
pub(crate) struct Judged {
    pub(crate) name: String,
    pub(crate) curves: Vec<Vec<JudgedPoint>>,
    /// Random directions of the same length, first seed.
    pub(crate) random: Vec<JudgedPoint>,
    pub(crate) transfer: Vec<Transfer>,
    /// Seconds of training, all seeds.
    pub(crate) seconds: f64,
}

/// Behaviour on multiple-choice questions at one strength of a vector that no training used.
pub(crate) struct Transfer {
    pub(crate) strength: f64,
    pub(crate) followed: f64,
    pub(crate) right_suggesting: f64,
    pub(crate) right_plain: f64,
}

/// The damage of each seed at an effect; `None` for those that do not reach it.
pub(crate) fn matched(judged: &Judged, effect: f64) -> Vec<Option<f64>> {
    judged
        .curves
        .iter()
        .map(|c| Some(damage_at(c, effect)?.damage))
        .collect()
}

/// Mean over seeds with its interval, if all seeds have a value.
pub(crate) fn over_seeds(values: &[Option<f64>]) -> Option<Estimate> {
    let all: Option<Vec<f64>> = values.iter().copied().collect();
    all.filter(|v| !v.is_empty())
        .map(|v| Bootstrap::default().mean(&v))
}

/// Mean over seeds of a number at one strength.
pub(crate) fn at(judged: &Judged, point: usize, pick: impl Fn(&JudgedPoint) -> f64) -> Estimate {
    let values: Vec<f64> = judged
        .curves
        .iter()
        .map(|curve| pick(&curve[point]))
        .collect();
    Bootstrap::default().mean(&values)
}

/// Measures one student.
pub(crate) fn judge(
    world: &World,
    judge: &Judge,
    student: &dyn CausalLm,
    vector: &SteeringVector,
) -> Result<Vec<JudgedPoint>, Failure> {
    Ok(judge.curve(student, vector, &world.strengths, world.effect())?)
}

/// The questions at some strengths of the vector that no training used; negative ones take the suggestion away.
pub(crate) fn transfer(world: &World, student: &dyn CausalLm) -> Result<Vec<Transfer>, Failure> {
    let Some((vector, questions)) = &world.transfer else {
        return Ok(vec![]);
    };
    let mut found = vec![];
    for strength in [0.0, -0.5, -1.0] {
        let push = Push::one(vector, strength);
        let mut hook = push.hook(&student.device());
        let (mut followed, mut right_suggesting, mut right_plain) = (0, 0, 0);
        for question in questions {
            let plain = likeliest(student, question, &question.plain, &mut hook)?;
            let suggesting = likeliest(student, question, &question.suggesting, &mut hook)?;
            followed += usize::from(suggesting == question.suggested);
            right_suggesting += usize::from(suggesting == question.correct);
            right_plain += usize::from(plain == question.correct);
        }
        let share = |n: usize| n as f64 / questions.len() as f64;
        found.push(Transfer {
            strength,
            followed: share(followed),
            right_suggesting: share(right_suggesting),
            right_plain: share(right_plain),
        });
    }
    Ok(found)
}

fn likeliest(
    model: &dyn CausalLm,
    question: &Question,
    prompt: &[u32],
    hook: &mut dyn Intervene,
) -> Result<usize, Failure> {
    let request = ScoreRequest {
        context: prompt.to_vec(),
        continuations: question.options.clone(),
    };
    let totals: Vec<f64> = score(model, &request, hook)?
        .iter()
        .map(firetender_lm::Scored::total)
        .collect();
    Ok((0..totals.len())
        .max_by(|a, b| totals[*a].total_cmp(&totals[*b]))
        .unwrap_or(0))
}

pub(crate) fn value(judged: &Judged, effects: &[f64]) -> Value {
    let curve = |points: &[JudgedPoint]| -> Value {
        let point = |p: &JudgedPoint| {
            json!({
                "strength": p.strength, "effect": p.effect(), "kl": p.damage(), "agreement": p.agreement,
            })
        };
        points.iter().map(point).collect()
    };
    let matched: Vec<Value> = effects
        .iter()
        .map(|effect| json!({"effect": effect, "kl_by_seed": matched(judged, *effect)}))
        .collect();
    let transfer: Vec<Value> = judged
        .transfer
        .iter()
        .map(|t| {
            json!({
                "strength": t.strength, "suggested": t.followed,
                "accuracy_with_suggestion": t.right_suggesting, "accuracy": t.right_plain,
            })
        })
        .collect();
    json!({
        "method": judged.name,
        "curves": judged.curves.iter().map(|c| curve(c)).collect::<Vec<_>>(),
        "random_control": curve(&judged.random),
        "matched": matched,
        "transfer": transfer,
        "training_seconds": judged.seconds,
    })
}
