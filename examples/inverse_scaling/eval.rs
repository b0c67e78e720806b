//! `eval`: models on a task file.

mod arguments;
mod output;

use std::path::Path;

use firetender_lm::{LmScorer, TextEncoder};
use firetender_scaling::{
    Curve, Evaluation, RunLog, RunOptions, Scale, ShapeOptions, Trend, curve_of, evaluate,
    parse_size, trends,
};
use firetender_support::{Failure, Marked, Model, device, fail};

use crate::{data, progress::Progress};

pub(crate) use arguments::{Arguments, PolicyArguments, TaskArguments, boundary};

/// One member of what is compared.
struct Member {
    name: String,
    size: f64,
    evaluation: Evaluation,
    seconds: f64,
}

/// What the members say together, about all examples and about groups of them.
struct Judged {
    /// Of all examples, where the models can be compared.
    whole: Option<Trend>,
    /// Of each part of the task, if it has several.
    parts: Vec<(u32, Option<Trend>)>,
    /// From easy to hard, where asked for.
    difficulty: Vec<Trend>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if !arguments.size.is_empty() && arguments.size.len() != arguments.model.len() {
        return fail(format!(
            "{} sizes for {} models; expected one for each, or none",
            arguments.size.len(),
            arguments.model.len()
        ));
    }
    arguments.strength.check(arguments.model.len())?;
    let sizes = arguments
        .size
        .iter()
        .map(|text| parse_size(text))
        .collect::<Result<Vec<_>, _>>()?;
    let (task, verified) = arguments.task.load()?;
    let options = RunOptions {
        policy: arguments.policy.with(arguments.boundary),
        pmi: arguments.pmi,
        ..RunOptions::default()
    };
    let mut log = arguments.log.as_ref().map(RunLog::open).transpose()?;
    let device = device(arguments.device.as_deref())?;
    let mut members: Vec<Member> = vec![];
    for (index, name) in arguments.model.iter().enumerate() {
        let model = Model::open(name, &device)?;
        let fingerprint = model.checkpoint.fingerprint()?;
        let mut scored = |name: String, size: f64, scorer: &mut LmScorer<'_>| {
            let start = std::time::Instant::now();
            let mut bar = Progress::new(&name);
            let marked = Marked(model.tokenizer()?);
            let encoder: &dyn TextEncoder = if data::is_chat(&task) {
                &marked
            } else {
                marked.0
            };
            let evaluation = evaluate(scorer, encoder, &task, &options, log.as_mut(), &mut bar)?;
            members.push(Member {
                name,
                size,
                evaluation,
                seconds: start.elapsed().as_secs_f64(),
            });
            Ok::<(), Failure>(())
        };
        if arguments.strength.given() {
            for variant in arguments.strength.variants(&model, &device)? {
                let (strength, mut network) = (variant.strength, None);
                let mut scorer = variant.scorer(&model.network, &mut network, &fingerprint);
                scored(format!("strength {strength}"), strength, &mut scorer)?;
            }
        } else {
            let size = sizes.get(index).copied();
            let size = size.unwrap_or(model.network_size() as f64);
            let mut scorer = LmScorer::new(&model.network, &fingerprint);
            scored(short(name), size, &mut scorer)?;
        }
    }
    if let Some(failed) = members.iter().find(|m| m.evaluation.summary(1).n == 0) {
        let why = failed
            .evaluation
            .results
            .iter()
            .find_map(|r| Some((r.index, r.error.as_ref()?)));
        let (index, why) = why.map_or((0, ""), |(index, why)| (index, why.as_str()));
        return fail(format!(
            "{}: no example of {} could be scored; example {index}: {why}",
            failed.name, arguments.task.task
        ));
    }
    // Models that cannot be compared are still worth their own numbers.
    let (judged, incomparable) = match judged(arguments, &members) {
        Ok(judged) => (judged, None),
        Err(failure) => {
            let nothing = Judged {
                whole: None,
                parts: vec![],
                difficulty: vec![],
            };
            (nothing, Some(failure.message().to_owned()))
        }
    };
    let printed = output::Printed {
        arguments,
        task: &task,
        verified,
        policy: options.policy,
        members: &members,
        judged: &judged,
        incomparable,
    };
    if arguments.json {
        printed.json()
    } else {
        printed.text()
    }
}

/// The name of a file or folder without its path.
fn short(name: &str) -> String {
    Path::new(name)
        .file_name()
        .map_or_else(|| name.into(), |name| name.to_string_lossy().into_owned())
}

fn judged(arguments: &Arguments, members: &[Member]) -> Result<Judged, Failure> {
    let mut found = Judged {
        whole: None,
        parts: vec![],
        difficulty: vec![],
    };
    let mut sizes: Vec<f64> = members.iter().map(|member| member.size).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    let comparable = members.len() > 1 && sizes.len() == members.len();
    let all: Vec<Evaluation> = members.iter().map(|m| m.evaluation.clone()).collect();
    let parts = all.first().map(Evaluation::parts).unwrap_or_default();
    let mut curves: Vec<Curve> = vec![];
    if comparable {
        curves.push(curve(arguments, members, &all)?);
        if arguments.difficulty > 0 {
            curves.extend(curves[0].by_difficulty(arguments.difficulty)?);
        }
        if parts.len() > 1 {
            for part in &parts {
                let of_part: Vec<Evaluation> = all.iter().map(|e| e.part(*part)).collect();
                curves.push(curve(arguments, members, &of_part)?);
            }
        }
    }
    let mut judged = trends(&curves, ShapeOptions::default())?.into_iter();
    found.whole = judged.next();
    if comparable {
        found.difficulty = judged.by_ref().take(arguments.difficulty).collect();
    }
    if parts.len() > 1 {
        found.parts = parts
            .into_iter()
            .map(|part| (part, judged.next()))
            .collect();
    }
    Ok(found)
}

fn curve(
    arguments: &Arguments,
    members: &[Member],
    evaluations: &[Evaluation],
) -> Result<Curve, Failure> {
    let names: Vec<(String, f64)> = members.iter().map(|m| (m.name.clone(), m.size)).collect();
    let axis = if arguments.strength.given() {
        Scale::Strength
    } else {
        Scale::Parameters
    };
    // Log-odds and completions have no accuracy to speak of.
    let scored = evaluations[0]
        .results
        .iter()
        .find_map(|r| r.scores.as_ref());
    let (metric, companion) = match scored {
        Some(scores) if scores.logodds.is_some() => ("logodds", None),
        Some(scores) if scores.chosen.is_some() => ("accuracy", Some("loss")),
        _ => ("loss", None),
    };
    Ok(curve_of(&names, evaluations, &axis, metric, companion)?)
}
