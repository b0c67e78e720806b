//! Curves, and what is read off them at equal effect.

use firetender_hooks::Intervene;
use firetender_kts::{Judge, JudgedPoint, Push, damage_at};
use firetender_lm::{CausalLm, ScoreRequest, score};
use firetender_steer::{
    Bootstrap, Effect, Estimate, Gate, GatedPlan, Plan, SteeringVector, Timing,
};
use firetender_support::Failure;
use serde_json::{Value, json};

use crate::{
    method::Seconds,
    world::{Prefixed, Question, World},
};

/// The curves of one method, one for each seed.
pub(crate) struct Judged {
    pub(crate) name: String,
    pub(crate) curves: Vec<Vec<JudgedPoint>>,
    /// Random directions of the same length, first seed.
    pub(crate) random: Vec<JudgedPoint>,
    pub(crate) transfer: Vec<Transfer>,
    /// Time of training, all seeds.
    pub(crate) seconds: Seconds,
}

/// Behaviour on multiple-choice questions at one strength of a vector that no training used.
pub(crate) struct Transfer {
    pub(crate) strength: f64,
    /// For each question 1 or 0: whether the suggestion was followed, the answer right with a suggestion, and without.
    pub(crate) answers: Vec<[f64; 3]>,
}

impl Transfer {
    /// Share of the questions.
    pub(crate) fn share(&self, which: usize) -> f64 {
        self.answers.iter().map(|a| a[which]).sum::<f64>() / self.answers.len() as f64
    }
}

/// How a student is steered.
#[derive(Clone, Copy)]
pub(crate) enum Way<'a> {
    /// On every prompt.
    Always,
    /// Where a probe on the prompt fires, in the loop.
    Gated(&'a Gate),
    /// On every prompt, behind a system prompt.
    Behind(&'a Prefixed),
}

/// The damage of each seed at an effect; `None` for those that do not reach it.
pub(crate) fn matched(judged: &Judged, effect: f64) -> Result<Vec<Option<f64>>, Failure> {
    let one = |curve: &Vec<JudgedPoint>| Ok(damage_at(curve, effect)?.map(|point| point.damage));
    judged.curves.iter().map(one).collect()
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
    way: Way<'_>,
) -> Result<Vec<JudgedPoint>, Failure> {
    let one = |strength: f64| -> Result<JudgedPoint, Failure> {
        let push = Push::one(vector, strength);
        let mut hook = push.hook(&student.device());
        let (mut point, effects) = match way {
            Way::Always => (
                judge.damage(student, &push)?,
                world.effect.measure(student, &mut hook)?,
            ),
            Way::Behind(prompt) => (
                judge.damage_of(student, &prompt.held_out, &mut hook)?,
                prompt.effect.measure(student, &mut hook)?,
            ),
            Way::Gated(gate) => {
                let plan = GatedPlan::of(gate.clone(), Plan::of(vector).scaled(strength))
                    .with_timing(Timing::SecondPrefill);
                let mut gated = plan.compile(&student.shape(), &student.device())?;
                let rows = world.held_out.rows().iter();
                let prompts: Vec<Vec<u32>> = rows.map(|(ids, n)| ids[..*n].to_vec()).collect();
                gated.decide(student, &prompts, 8)?;
                let damage = judge.damage_under(student, &mut gated)?;
                gated.decide(student, &world.asked, 8)?;
                (damage, world.effect.measure(student, &mut gated)?)
            }
        };
        (point.strength, point.effects) = (strength, effects);
        Ok(point)
    };
    world.strengths.iter().map(|k| one(*k)).collect()
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
        let mut answers = vec![];
        for question in questions {
            let plain = likeliest(student, question, &question.plain, &mut hook)?;
            let suggesting = likeliest(student, question, &question.suggesting, &mut hook)?;
            let found = [
                suggesting == question.suggested,
                suggesting == question.correct,
                plain == question.correct,
            ];
            answers.push(found.map(|yes| f64::from(u8::from(yes))));
        }
        found.push(Transfer { strength, answers });
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

pub(crate) fn value(judged: &Judged, effects: &[f64]) -> Result<Value, Failure> {
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
        .map(|effect| Ok(json!({"effect": effect, "kl_by_seed": matched(judged, *effect)?})))
        .collect::<Result<_, Failure>>()?;
    let transfer: Vec<Value> = judged
        .transfer
        .iter()
        .map(|t| {
            json!({
                "strength": t.strength, "suggested": t.share(0),
                "accuracy_with_suggestion": t.share(1), "accuracy": t.share(2),
            })
        })
        .collect();
    Ok(json!({
        "method": judged.name,
        "curves": judged.curves.iter().map(|c| curve(c)).collect::<Vec<_>>(),
        "random_control": curve(&judged.random),
        "matched": matched,
        "transfer": transfer,
        "training_seconds": judged.seconds.all,
        "reading_seconds": judged.seconds.reading,
    }))
}
