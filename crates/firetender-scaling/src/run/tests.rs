use firetender_lm::{Boundary, CutPolicy, LmError, LogitsModel};

use super::*;
use crate::{Example, Scale, Style, generate};

/// One token a byte.
struct Bytes;

impl TextEncoder for Bytes {
    fn encode_text(&self, text: &str) -> Result<Vec<u32>, LmError> {
        Ok(text.bytes().map(u32::from).collect())
    }

    fn start_tokens(&self) -> Vec<u32> {
        vec![0]
    }

    fn fingerprint(&self) -> String {
        "bytes".into()
    }
}

/// The next byte depends on the last one.
fn bigram() -> LogitsModel<'static> {
    LogitsModel::new("bigram", 4096, |tokens: &[u32]| {
        let row = |t: &u32| {
            (0..256)
                .map(|v| ((t * 31 + v * 17) % 23) as f32 / 5.0)
                .collect()
        };
        Ok(tokens.iter().map(row).collect())
    })
}

fn options(chunk: usize) -> RunOptions {
    RunOptions {
        chunk,
        ..RunOptions::default()
    }
}

fn run(task: &Task, chunk: usize, log: Option<&mut RunLog>) -> Result<Evaluation, ScalingError> {
    evaluate(
        &mut bigram(),
        &Bytes,
        task,
        &options(chunk),
        log,
        &mut Silent,
    )
}

#[test]
fn scores_do_not_depend_on_chunks_or_on_the_order_of_examples() {
    let task = generate(Style::Redefine, 30, 0);
    let whole = run(&task, 256, None).unwrap();
    assert_eq!(whole.results, run(&task, 7, None).unwrap().results);
    let mut reversed = task.clone();
    reversed.examples.reverse();
    let mut backwards = run(&reversed, 256, None).unwrap().results;
    backwards.reverse();
    for (a, b) in whole.results.iter().zip(&backwards) {
        assert_eq!(a.scores, b.scores);
    }
    let summary = whole.summary(1);
    assert_eq!(
        (summary.n, summary.failed, summary.suspicious),
        (30, 0, false)
    );
    assert!(summary.mean("loss").unwrap() > 0.0);
}

#[test]
fn a_log_cut_at_any_byte_is_completed_to_the_same_file() {
    let task = generate(Style::SigFigs, 12, 0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("whole.jsonl");
    let first = run(&task, 5, Some(&mut RunLog::open(&path).unwrap())).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let other = folder.path().join("cut.jsonl");
    for at in (0..whole.len())
        .step_by(97)
        .chain([whole.len() - 1, whole.len()])
    {
        std::fs::write(&other, &whole[..at]).unwrap();
        let again = run(&task, 5, Some(&mut RunLog::open(&other).unwrap())).unwrap();
        assert_eq!(again, first, "cut at {at}");
        assert!(std::fs::read(&other).unwrap() == whole, "cut at {at}");
    }
}

#[test]
fn what_the_log_knows_is_not_scored_again_and_a_foreign_log_is_refused() {
    let task = generate(Style::SigFigs, 8, 0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let first = run(&task, 4, Some(&mut RunLog::open(&path).unwrap())).unwrap();
    let mut dead = LogitsModel::new("bigram", 4096, |_: &[u32]| {
        Err(LmError::Input {
            what: "not to be called".into(),
        })
    });
    let log = &mut RunLog::open(&path).unwrap();
    let again = evaluate(
        &mut dead,
        &Bytes,
        &task,
        &options(4),
        Some(log),
        &mut Silent,
    )
    .unwrap();
    assert_eq!(again, first);
    // Another policy, another task, another model, a damaged line, a foreign file.
    let strict = RunOptions {
        policy: CutPolicy::with_boundary(Boundary::Strict),
        ..options(4)
    };
    let log = || RunLog::open(&path).unwrap();
    let error = evaluate(
        &mut bigram(),
        &Bytes,
        &task,
        &strict,
        Some(&mut log()),
        &mut Silent,
    )
    .unwrap_err();
    assert!(error.to_string().contains("its policy is"), "{error}");
    let error = run(&generate(Style::SigFigs, 9, 0), 4, Some(&mut log())).unwrap_err();
    assert!(error.to_string().contains("line 1"), "{error}");
    let mut named = LogitsModel::new("other", 4096, |t: &[u32]| Ok(vec![vec![0.0; 256]; t.len()]));
    let error = evaluate(
        &mut named,
        &Bytes,
        &task,
        &options(4),
        Some(&mut log()),
        &mut Silent,
    )
    .unwrap_err();
    assert!(
        error.to_string().contains("its model is \"bigram\""),
        "{error}"
    );
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"key\":\"", "\"key\":\"0", 1)).unwrap();
    let error = run(&task, 4, Some(&mut log())).unwrap_err();
    assert!(
        error.to_string().contains("line 2") && error.to_string().contains("other tokens"),
        "{error}"
    );
    // Values that no model can have given.
    for (from, to) in [
        ("\"log_probs\":[-", "\"log_probs\":["),
        ("\"log_probs\":[-", "\"log_probs\":[\"a\",-"),
        ("\"greedy\":[", "\"greedy\":[7,"),
    ] {
        assert!(text.contains(from));
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let error = run(&task, 4, Some(&mut log())).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
    }
    std::fs::write(&path, "something else\n").unwrap();
    assert!(RunLog::open(&path).is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "something else\n");
    std::fs::write(&path, "no line end").unwrap();
    assert!(RunLog::open(&path).is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "no line end");
}

#[test]
fn several_models_share_a_log() {
    let task = generate(Style::SigFigs, 6, 0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let both = |log: &mut RunLog| {
        let a = evaluate(
            &mut bigram(),
            &Bytes,
            &task,
            &options(4),
            Some(log),
            &mut Silent,
        )?;
        let mut other =
            LogitsModel::new("other", 4096, |t: &[u32]| Ok(vec![vec![0.0; 256]; t.len()]));
        let b = evaluate(
            &mut other,
            &Bytes,
            &task,
            &options(4),
            Some(log),
            &mut Silent,
        )?;
        Ok::<_, ScalingError>((a, b))
    };
    let first = both(&mut RunLog::open(&path).unwrap()).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for at in [whole.len() / 3, whole.len() / 2, whole.len() * 9 / 10] {
        std::fs::write(&path, &whole[..at]).unwrap();
        assert_eq!(both(&mut RunLog::open(&path).unwrap()).unwrap(), first);
        assert!(std::fs::read(&path).unwrap() == whole);
    }
}

#[test]
fn one_bad_example_does_not_take_the_others_with_it() {
    let mut task = generate(Style::SigFigs, 5, 0);
    task.examples[2] = task.examples[2].with_prompt("x".repeat(5000));
    task.examples.push(Example::Numeric {
        prompt: "p".into(),
        true_answer: 1.0,
        anchor: 2.0,
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.jsonl");
    let found = run(&task, 256, Some(&mut RunLog::open(&path).unwrap())).unwrap();
    let failed: Vec<usize> = found
        .results
        .iter()
        .filter(|r| r.error.is_some())
        .map(|r| r.index)
        .collect();
    assert_eq!(failed, [2, 5]);
    assert!(
        found.results[2]
            .error
            .as_ref()
            .unwrap()
            .contains("this model takes 4096")
    );
    let again = run(&task, 256, Some(&mut RunLog::open(&path).unwrap())).unwrap();
    assert_eq!(again, found);
    // Means over different examples are not put beside each other.
    let mut other = task.clone();
    other.examples[2] = other.examples[0].clone();
    let mut good = run(&other, 256, None).unwrap();
    good.sha256.clone_from(&found.sha256);
    let models = [("a".to_owned(), 1.0), ("b".to_owned(), 2.0)];
    let error = curve_of(
        &models,
        &[found.clone(), good],
        &Scale::Parameters,
        "accuracy",
        None,
    )
    .unwrap_err();
    assert!(error.to_string().contains("the first is 2"), "{error}");
    // What failed under all of them alike is left out.
    let both = [found.clone(), found];
    let curve = curve_of(&models, &both, &Scale::Parameters, "accuracy", None).unwrap();
    assert_eq!(curve.points[0].n, Some(4));
}

#[test]
fn a_model_that_fails_on_one_request_is_asked_for_each() {
    let mut fragile = LogitsModel::new("fragile", 4096, |tokens: &[u32]| {
        if tokens.contains(&u32::from(b'~')) {
            return Err(LmError::Input {
                what: "a tilde".into(),
            });
        }
        Ok(vec![vec![0.0; 256]; tokens.len()])
    });
    let mut task = generate(Style::SigFigs, 4, 0);
    task.examples[1] = task.examples[1].with_prompt("~ Answer:".into());
    let found = evaluate(
        &mut fragile,
        &Bytes,
        &task,
        &options(256),
        None,
        &mut Silent,
    )
    .unwrap();
    let errors: Vec<bool> = found.results.iter().map(|r| r.error.is_some()).collect();
    assert_eq!(errors, [false, true, false, false]);
}

#[test]
fn every_type_of_example_is_scored() {
    let text = concat!(
        "{\"prompt\":\"p\",\"completion\":\" c\"}\n",
        "{\"prompt\":\"p\",\"other_prompt\":\"q\",\"classes\":[\"A\",\"B\"],\"answer_index\":0}\n",
        "{\"prompt\":\"p\",\"other_prompt\":\"q\",\"classes\":[\" A\",\"B\"],\"answer_index\":0}\n",
    );
    let task = crate::read_task("mixed.jsonl", text).unwrap();
    let found = run(&task, 256, None).unwrap();
    let first = found.results[0].scores.as_ref().unwrap();
    assert!(
        first.loss.unwrap() > 0.0
            && first.loss_per_token.unwrap() * 2.0 - first.loss.unwrap() < 1e-12
    );
    assert!(found.results[1].scores.as_ref().unwrap().logodds.is_some());
    assert!(
        found.results[2]
            .error
            .as_ref()
            .unwrap()
            .contains("has 2 tokens")
    );
}

#[test]
fn mutual_information_scores_classes_alone() {
    let task = generate(Style::Redefine, 6, 0);
    let with = RunOptions {
        pmi: true,
        ..options(256)
    };
    let found = evaluate(&mut bigram(), &Bytes, &task, &with, None, &mut Silent).unwrap();
    assert!(found.summary(1).mean("acc_pmi").is_some());
    assert!(
        run(&task, 256, None)
            .unwrap()
            .summary(1)
            .mean("acc_pmi")
            .is_none()
    );
}

#[test]
fn a_uniform_model_has_the_loss_of_guessing_and_the_accuracy_of_the_tie_rule() {
    let task = generate(Style::HindsightNeglect, 20, 0);
    let mut uniform = LogitsModel::new("uniform", 8192, |t: &[u32]| {
        Ok(vec![vec![0.0; 256]; t.len()])
    });
    let found = evaluate(
        &mut uniform,
        &Bytes,
        &task,
        &options(256),
        None,
        &mut Silent,
    )
    .unwrap();
    let summary = found.summary(1);
    assert!(summary.suspicious, "every loss is ln 2");
    let first = task
        .examples
        .iter()
        .filter(|e| e.answer_text() == Some(" Y"))
        .count();
    assert_eq!(summary.mean("accuracy"), Some(first as f64 / 20.0));
    assert_eq!(found.baselines.unwrap().chance_accuracy, 0.5);
}

#[test]
fn curves_hold_models_in_order_of_scale_with_their_examples() {
    let task = generate(Style::SigFigs, 10, 0);
    let evaluations = vec![
        run(&task, 256, None).unwrap(),
        run(&task, 256, None).unwrap(),
    ];
    let models = [("big".to_owned(), 1e9), ("small".to_owned(), 1e6)];
    let curve = curve_of(
        &models,
        &evaluations,
        &Scale::Parameters,
        "accuracy",
        Some("loss"),
    )
    .unwrap();
    assert_eq!(curve.points[0].model, "small");
    assert_eq!(curve.examples.as_ref().unwrap().len(), 10);
    assert!(curve.companion.unwrap().lower_is_better);
    let mut other = evaluations.clone();
    other[1].policy = CutPolicy::with_boundary(Boundary::Pairwise);
    assert!(curve_of(&models, &other, &Scale::Parameters, "accuracy", None).is_err());
}

#[test]
fn boundaries_that_agree_have_no_differences() {
    let mut task = generate(Style::SigFigs, 5, 0);
    let policies = Boundary::ALL.map(CutPolicy::with_boundary);
    let found = compare_boundaries(&task, &Bytes, &policies, 4096, Some(&mut bigram())).unwrap();
    assert_eq!(found.len(), 4);
    assert!(
        found
            .iter()
            .all(|d| (d.pairs, d.errors, d.different, d.flips) == (10, 0, 0, Some(0)))
    );
    // White space at the end of a prompt moves under one rule only.
    task.examples[3] = task.examples[3].with_prompt("Answer: ".into());
    let found = compare_boundaries(&task, &Bytes, &policies, 4096, None).unwrap();
    assert_eq!(
        (found[1].different, found[1].first, found[1].flips),
        (2, Some(3), None)
    );
}
