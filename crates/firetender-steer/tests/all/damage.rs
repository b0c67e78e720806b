//! Details of the damage, shifts by layer, and the effects that score answers or judge texts.

use std::collections::BTreeMap;

use firetender_hooks::{Padding, SiteKind, Untouched};
use firetender_lm::{CausalLm, Checkpoint, GenerateOptions};
use firetender_steer::{
    Aggregator, AnswerProbability, Benign, Custom, Damage, Effect, Fluency, Judged, Layers,
    MultipleChoice, Pairs, Plan, Scope, Silent, SteerError, Steering, damage, is_refusal,
    layer_shifts,
};

use crate::support::{direction, golden_path, logits, model, pass, uneven, vector};

fn plan(layer: usize, strength: f64) -> Plan {
    Plan::of(vector(SiteKind::ResidPost, layer, 4, &direction())).scaled(strength)
}

fn compiled(model: &dyn CausalLm, plan: &Plan) -> Steering {
    plan.compile(&model.shape(), &model.device()).unwrap()
}

/// Log-probabilities of every position of one row in `f64`.
fn log_probs(model: &dyn CausalLm, row: &[u32], steering: Option<&Plan>) -> Vec<Vec<f64>> {
    let pass = pass(&[row.to_vec()], Padding::Left);
    let all = match steering {
        Some(plan) => logits(model, &pass, &mut compiled(model, plan)),
        None => logits(model, &pass, &mut Untouched),
    };
    all.chunks(97)
        .map(|row| {
            let top = f64::from(row.iter().copied().fold(f32::MIN, f32::max));
            let sum: f64 = row.iter().map(|x| (f64::from(*x) - top).exp()).sum();
            row.iter().map(|x| f64::from(*x) - top - sum.ln()).collect()
        })
        .collect()
}

#[test]
fn details_agree_with_the_definition_on_the_host() {
    let model = model("llama");
    let rows = uneven();
    let plan = plan(1, 0.5);
    let benign = Benign::new(rows.clone(), Scope::AllTokens)
        .unwrap()
        .with_details();
    let of = |batch| {
        damage(
            &model,
            &mut compiled(&model, &plan),
            &benign,
            batch,
            &mut Silent,
        )
        .unwrap()
    };
    let found = of(3);
    let (mut js, mut entropy, mut losses, mut predicted) = (0.0, 0.0, [0.0; 2], 0.0);
    for row in &rows {
        let (p, q) = (
            log_probs(&model, row, Some(&plan)),
            log_probs(&model, row, None),
        );
        for (at, (p, q)) in p.iter().zip(&q).enumerate() {
            for (a, b) in p.iter().zip(q) {
                let m = f64::midpoint(a.exp(), b.exp()).ln();
                js += (a.exp() * (a - m) + b.exp() * (b - m)) / 2.0;
                entropy += b.exp() * b - a.exp() * a;
            }
            if let Some(next) = row.get(at + 1) {
                losses[0] -= q[*next as usize];
                losses[1] -= p[*next as usize];
                predicted += 1.0;
            }
        }
    }
    let tokens = found.tokens() as f64;
    assert!((found.js().unwrap() - js / tokens).abs() < 1e-5);
    assert!((found.entropy_change().unwrap() - entropy / tokens).abs() < 1e-4);
    for (ours, loss) in found.perplexities().unwrap().iter().zip(losses) {
        assert!((ours / (loss / predicted).exp() - 1.0).abs() < 1e-4);
    }
    // The size of the batches does not matter, and parts merge.
    assert!((of(1).js().unwrap() - found.js().unwrap()).abs() < 1e-6);
    let mut merged = Damage::default();
    for row in rows {
        let one = Benign::new(vec![row], Scope::AllTokens)
            .unwrap()
            .with_details();
        merged.merge(damage(&model, &mut compiled(&model, &plan), &one, 1, &mut Silent).unwrap());
    }
    assert!((merged.js().unwrap() - found.js().unwrap()).abs() < 1e-6);
    let plain = Benign::new(uneven(), Scope::AllTokens).unwrap();
    let without = damage(&model, &mut Untouched, &plain, 2, &mut Silent).unwrap();
    assert_eq!((without.js(), without.perplexities()), (None, None));
    let none = damage(&model, &mut Untouched, &benign, 2, &mut Silent).unwrap();
    assert_eq!((none.js(), none.entropy_change()), (Some(0.0), Some(0.0)));
}

#[test]
fn first_tokens_are_the_beginning_of_the_continuation() {
    let model = model("llama");
    let plan = plan(1, 0.5);
    let measured = |benign: &Benign| {
        damage(&model, &mut compiled(&model, &plan), benign, 2, &mut Silent).unwrap()
    };
    let whole = Benign::new(uneven(), Scope::AllTokens)
        .unwrap()
        .with_continuations(vec![3, 3, 2])
        .unwrap();
    let first = whole.clone().with_first(2).unwrap();
    assert_eq!((whole.tokens(), first.tokens()), (7 + 4 + 2, 6));
    assert_eq!(measured(&first).tokens(), 6);
    let all = whole.clone().with_first(100).unwrap();
    assert_eq!(measured(&all).kl(), measured(&whole).kl());
    // Cutting the rows behind the counted tokens changes nothing that is counted.
    let cut: Vec<Vec<u32>> = uneven()
        .iter()
        .zip([5, 5, 4])
        .map(|(row, n)| row[..n].to_vec())
        .collect();
    let cut = Benign::new(cut, Scope::AllTokens)
        .unwrap()
        .with_continuations(vec![3, 3, 2])
        .unwrap();
    assert!((measured(&cut).kl() - measured(&first).kl()).abs() < 1e-5);
    assert!(whole.with_first(0).is_err());
    assert!(
        Benign::new(uneven(), Scope::AllTokens)
            .unwrap()
            .with_first(2)
            .is_err()
    );
    assert!(Benign::new(uneven(), Scope::FirstTokens(2)).is_err());
    let written = Benign::continued(&model, &uneven(), 5, &[]).unwrap();
    assert_eq!((written.prompts(), written.tokens()), (3, 15));
}

#[test]
fn the_stream_is_moved_by_what_was_added_and_the_last_lens_is_the_damage() {
    let model = model("llama");
    let benign = Benign::new(uneven(), Scope::AllTokens).unwrap();
    let plan = plan(1, 0.25);
    let found = layer_shifts(
        &model,
        &mut compiled(&model, &plan),
        &benign,
        &Layers::All,
        2,
    )
    .unwrap();
    assert_eq!(
        (found[&0].displacement, found[&0].lens_kl),
        (0.0, 0.0),
        "before the site"
    );
    assert!(found[&1].mean_displacement() > 0.0 && found[&1].mean_lens_kl() > 0.0);
    let whole = damage(
        &model,
        &mut compiled(&model, &plan),
        &benign,
        2,
        &mut Silent,
    )
    .unwrap();
    assert!(
        (found[&3].mean_lens_kl() - whole.kl()).abs() < 1e-5,
        "the last layer's lens is the model"
    );
    let alone = layer_shifts(
        &model,
        &mut compiled(&model, &plan),
        &benign,
        &"1".parse().unwrap(),
        1,
    )
    .unwrap();
    assert_eq!(alone.len(), 1);
    assert!((alone[&1].displacement - found[&1].displacement).abs() < 1e-4);
    let error = layer_shifts(&model, &mut Untouched, &benign, &"9".parse().unwrap(), 1);
    assert!(matches!(error, Err(SteerError::Layers { .. })));
}

#[test]
fn answers_are_scored_by_the_models_own_probabilities() {
    let model = model("llama");
    let row = uneven()[0].clone();
    let q = log_probs(&model, &row, None);
    let next = &q[row.len() - 1];
    let letters = AnswerProbability::new(vec![(row.clone(), vec![vec![5], vec![9]], 1)]).unwrap();
    let expected = next[9].exp() / (next[5].exp() + next[9].exp());
    assert!((letters.measure(&model, &mut Untouched).unwrap()[0] - expected).abs() < 1e-5);
    let one = AnswerProbability::new(vec![(row.clone(), vec![vec![5]], 0)]).unwrap();
    assert!((one.measure(&model, &mut Untouched).unwrap()[0] - next[5].exp()).abs() < 1e-6);
    let best = (0..97u32)
        .max_by(|a, b| next[*a as usize].total_cmp(&next[*b as usize]))
        .unwrap();
    let other = (best + 1) % 97;
    let quiz = |right: Vec<bool>| {
        MultipleChoice::new(vec![(row.clone(), vec![vec![best], vec![other]], right)]).unwrap()
    };
    assert_eq!(
        quiz(vec![true, false])
            .measure(&model, &mut Untouched)
            .unwrap(),
        [1.0]
    );
    assert_eq!(
        quiz(vec![false, true])
            .by_length()
            .measure(&model, &mut Untouched)
            .unwrap(),
        [0.0]
    );
    let item = |answers: Vec<Vec<u32>>, target| {
        AnswerProbability::new(vec![(row.clone(), answers, target)])
    };
    assert!(
        item(vec![], 0).is_err()
            && item(vec![vec![]], 0).is_err()
            && item(vec![vec![1]], 1).is_err()
    );
    assert!(MultipleChoice::new(vec![(row.clone(), vec![vec![1]], vec![false])]).is_err());
}

#[test]
fn judges_see_every_text_and_fluency_comes_beside() {
    let checkpoint = Checkpoint::open(golden_path("models/llama")).unwrap();
    let tokenizer = checkpoint.tokenizer().unwrap();
    let model = model("llama");
    let options = GenerateOptions::new(12);
    let judged = Judged::new(tokenizer, uneven(), options.clone(), |at, text| {
        at as f64 + text.len() as f64
    })
    .unwrap();
    let texts = judged.texts(&model, &mut Untouched).unwrap();
    let (numbers, fluency) = judged.measure_with_fluency(&model, &mut Untouched).unwrap();
    for (at, text) in texts.iter().enumerate() {
        assert_eq!(numbers[at], at as f64 + text.len() as f64);
    }
    assert_eq!(fluency, Fluency::of(&texts));
    let refusals = Judged::refusals(tokenizer, uneven(), options.clone()).unwrap();
    let rate = refusals.measure(&model, &mut Untouched).unwrap();
    let expected: Vec<f64> = texts
        .iter()
        .map(|t| if is_refusal(t) { 1.0 } else { 0.0 })
        .collect();
    assert_eq!(rate, expected);
    assert!(Judged::refusals(tokenizer, vec![], options).is_err());
    for text in [
        "I’m sorry, no.",
        "\"I cannot do that\"",
        "As an AI model",
        "sorry",
    ] {
        assert!(is_refusal(text), "{text}");
    }
    for text in ["", "Sure! I can't wait.", "Icannot"] {
        assert!(!is_refusal(text), "{text}");
    }
}

#[test]
fn a_direction_of_length_one_does_not_broadcast() {
    // A peer's cluster mean indexed rows and columns and gave one number, which then steered every coordinate.
    let pairs = Pairs::new(3, vec![1.0, 2.0, 3.0], vec![0.0; 3]).unwrap();
    let broken = Custom::new("cluster mean", |pairs: &Pairs| vec![pairs.differences()[0]]);
    let error = broken.fit(&pairs, 2).unwrap_err().to_string();
    assert!(
        error.contains("gave 1 numbers") && error.contains("expected 3"),
        "{error}"
    );
    let narrow = BTreeMap::from([(0, vec![1.0])]);
    let vector = firetender_steer::SteeringVector::new("a", "b", SiteKind::ResidPost, 3, 2, narrow);
    assert!(matches!(
        vector,
        Err(SteerError::Direction { layer: 0, .. })
    ));
}
