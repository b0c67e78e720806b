//! Effects and sweeps.

use std::ops::ControlFlow;

use firetender_hooks::{Intervene, Padding, SiteKind, Untouched};
use firetender_lm::{CausalLm, Checkpoint, GenerateOptions, generate};
use firetender_steer::{
    Benign, Bootstrap, Contrast, Curve, CurvePoint, Effect, Extractor, FreeText, Method,
    NextTokenOdds, Observer, Plan, Preference, Scope, Silent, SteerError, SweepOptions, sweep,
};

use crate::support::{direction, golden_path, logits, model, pass, rows, uneven, vector};

fn plan() -> Plan {
    Plan::of(vector(SiteKind::ResidPost, 1, 4, &direction()))
}

fn benign() -> Benign {
    Benign::new(rows(), Scope::AllTokens).unwrap()
}

fn probabilities(row: &[f32]) -> Vec<f64> {
    let total: f64 = row.iter().map(|x| f64::from(*x).exp()).sum();
    row.iter().map(|x| f64::from(*x).exp() / total).collect()
}

#[test]
fn odds_are_those_of_the_next_token() {
    let model = model("gpt2");
    let (target, other) = (vec![3, 50, 9], vec![7, 8]);
    let prompts = uneven();
    let odds = NextTokenOdds::new(prompts.clone(), target.clone(), other.clone()).unwrap();
    let found = odds.measure(&model, &mut Untouched).unwrap();
    for (prompt, found) in prompts.iter().zip(found) {
        let one = pass(std::slice::from_ref(prompt), Padding::Left);
        let all = logits(&model, &one, &mut Untouched);
        let p = probabilities(&all[all.len() - 97..]);
        let sum = |set: &[u32]| set.iter().map(|id| p[*id as usize]).sum::<f64>();
        let expected = (sum(&target) / sum(&other)).ln();
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    }
    let refuse = |t: Vec<u32>, o: Vec<u32>| NextTokenOdds::new(rows(), t, o).is_err();
    assert!(refuse(vec![], vec![1]) && refuse(vec![1], vec![]));
    assert!(refuse(vec![1, 1], vec![2]) && refuse(vec![1, 2], vec![2]));
    assert!(NextTokenOdds::new(vec![], vec![1], vec![2]).is_err());
    let outside = NextTokenOdds::new(rows(), vec![97], vec![2]).unwrap();
    assert!(outside.measure(&model, &mut Untouched).is_err());
}

#[test]
fn preferences_are_sums_of_log_probabilities() {
    let model = model("llama");
    let item = (vec![5, 6], vec![7, 8, 9], vec![10]);
    let preference = Preference::new(vec![item]).unwrap();
    let found = preference.measure(&model, &mut Untouched).unwrap()[0];
    let log_p = |context: &[u32], next: u32| {
        let one = pass(&[context.to_vec()], Padding::Left);
        let all = logits(&model, &one, &mut Untouched);
        probabilities(&all[all.len() - 97..])[next as usize].ln()
    };
    let a = log_p(&[5, 6], 7) + log_p(&[5, 6, 7], 8) + log_p(&[5, 6, 7, 8], 9);
    assert!((found - (a - log_p(&[5, 6], 10))).abs() < 1e-5);
    assert!(Preference::new(vec![]).is_err());
    assert!(Preference::new(vec![(vec![1], vec![], vec![2])]).is_err());
}

#[test]
fn a_vector_moves_what_it_was_made_from_and_a_random_one_does_not() {
    // Toward texts end in token 11, away texts in token 12; the direction of the last block speaks for what comes next.
    let model = model("llama");
    let text = |i: u32, last: u32| vec![i * 7 % 97, i * 13 % 97, last];
    let class = |last: u32| (0..24).map(|i| text(i, last)).collect();
    let contrast = Contrast::new("eleven", class(11), "twelve", class(12)).unwrap();
    let found = Extractor::new(SiteKind::ResidPost)
        .with_layers("-2".parse().unwrap())
        .extract(&model, &contrast, Method::Mean, &mut Silent)
        .unwrap();
    assert!(found.reports[0].separation.unwrap().auc > 0.7);
    // What the model prefers after 11 rather than after 12, over other texts.
    let mean_p = |last: u32| {
        let rows: Vec<Vec<u32>> = (30..60).map(|i| text(i, last)).collect();
        let all = logits(&model, &pass(&rows, Padding::Left), &mut Untouched);
        let mut sum = vec![0.0; 97];
        for row in all.chunks(97).skip(2).step_by(3) {
            sum.iter_mut()
                .zip(probabilities(row))
                .for_each(|(s, p)| *s += p);
        }
        sum
    };
    let (after_11, after_12) = (mean_p(11), mean_p(12));
    let mut order: Vec<u32> = (0..97).collect();
    order.sort_by(|a, b| {
        let ratio = |id: &u32| after_11[*id as usize] / after_12[*id as usize];
        ratio(b).total_cmp(&ratio(a))
    });
    let prompts: Vec<Vec<u32>> = (60..90).map(|i| text(i, i * 3 % 97)).collect();
    let odds = NextTokenOdds::new(prompts, order[..5].to_vec(), order[92..].to_vec()).unwrap();
    let options = SweepOptions::new(&[-1.0, 0.0, 1.0]).unwrap();
    let plan = Plan::of(&found.vector);
    let run = |plan: &Plan| sweep(&model, plan, &odds, &benign(), &options, &mut Silent).unwrap();
    let effect = |curve: &Curve, k: f64| curve.at(k).unwrap().effect;
    let curve = run(&plan);
    assert!(
        effect(&curve, 1.0).low > effect(&curve, 0.0).high,
        "{curve:?}"
    );
    assert!(effect(&curve, -1.0).high < effect(&curve, 0.0).low);
    let slope = effect(&curve, 1.0).value - effect(&curve, -1.0).value;
    let random: Vec<f64> = (0..5)
        .map(|seed| {
            let control = run(&plan.random_control(seed).unwrap());
            (effect(&control, 1.0).value - effect(&control, -1.0).value).abs()
        })
        .collect();
    // In 32 dimensions a random direction still has some part of the real one.
    let mean = random.iter().sum::<f64>() / 5.0;
    let largest = random.iter().copied().fold(0.0, f64::max);
    assert!(
        mean < slope / 2.0 && largest < slope,
        "{slope} against {random:?}"
    );
}

#[test]
fn curves_are_deterministic_independent_of_batches_and_go_through_text() {
    let model = model("llama");
    let odds = NextTokenOdds::new(uneven(), vec![1], vec![2]).unwrap();
    let run = |batch: usize, seed: u64| {
        let options = SweepOptions::new(&[0.0, 0.5])
            .unwrap()
            .with_batch(batch)
            .with_bootstrap(Bootstrap::new(200, 0.9, seed).unwrap());
        sweep(&model, &plan(), &odds, &benign(), &options, &mut Silent).unwrap()
    };
    let curve = run(2, 1);
    assert_eq!(curve, run(2, 1));
    let other = run(1, 1);
    for (a, b) in curve.points.iter().zip(&other.points) {
        assert_eq!(a.effects, b.effects);
        assert!((a.kl.value - b.kl.value).abs() < 1e-6 && (a.kl.low - b.kl.low).abs() < 1e-6);
    }
    let plain = &curve.points[0];
    assert_eq!((plain.kl.value, plain.top1_agreement.value), (0.0, 1.0));
    let steered = &curve.points[1];
    assert!(steered.kl.low <= steered.kl.value && steered.kl.value <= steered.kl.high);
    assert!((steered.kl.value - steered.damage.kl()).abs() < 1e-12);
    assert!((steered.reverse_kl.value - steered.damage.reverse_kl()).abs() < 1e-12);
    assert_eq!(steered.effects.len(), 3);
    let text = serde_json::to_string(&curve).unwrap();
    let again: Curve = serde_json::from_str(&text).unwrap();
    assert_eq!(again.points.len(), 2);
    assert!((again.points[1].kl.value / steered.kl.value - 1.0).abs() < 1e-12);
}

#[test]
fn observers_see_points_and_wrong_sweeps_are_errors() {
    #[derive(Default)]
    struct Heard(Vec<(usize, usize, f64)>, Vec<(usize, usize)>);
    impl Observer for Heard {
        fn swept(&mut self, done: usize, total: usize, point: &CurvePoint) {
            self.0.push((done, total, point.strength));
        }
        fn damaged(&mut self, done: usize, total: usize) {
            self.1.push((done, total));
        }
    }
    let model = model("gpt2");
    let constant = |value: f64| {
        move |_: &dyn CausalLm, _: &mut dyn Intervene| Ok::<_, SteerError>(vec![value; 2])
    };
    let options = SweepOptions::new(&[1.0, -1.0]).unwrap().with_batch(2);
    let mut heard = Heard::default();
    let fine = constant(3.0);
    let curve = sweep(&model, &plan(), &fine, &benign(), &options, &mut heard).unwrap();
    assert_eq!(curve.points[0].effect.value, 3.0);
    assert_eq!(heard.0, [(1, 2, 1.0), (2, 2, -1.0)]);
    assert_eq!(heard.1, [(2, 3), (3, 3)]);
    let broken = constant(f64::NAN);
    let error = sweep(&model, &plan(), &broken, &benign(), &options, &mut Silent).unwrap_err();
    assert!(matches!(error, SteerError::NotFinite { prompt: 0, .. }));
    let nothing = |_: &dyn CausalLm, _: &mut dyn Intervene| Ok::<_, SteerError>(vec![]);
    assert!(sweep(&model, &plan(), &nothing, &benign(), &options, &mut Silent).is_err());
    assert!(SweepOptions::new(&[]).is_err() && SweepOptions::new(&[f64::INFINITY]).is_err());
}

#[test]
fn free_text_counts_words_of_what_is_generated() {
    let checkpoint = Checkpoint::open(golden_path("models/llama")).unwrap();
    let tokenizer = checkpoint.tokenizer().unwrap();
    let model = model("llama");
    let options = GenerateOptions::new(20);
    let words = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let make = |prompts, positive, negative| {
        FreeText::new(tokenizer, prompts, options.clone(), positive, negative)
    };
    let written = generate(
        &model,
        Some(tokenizer),
        &uneven(),
        &options,
        &mut Untouched,
        &mut |_| ControlFlow::Continue(()),
    )
    .unwrap();
    let effect = make(uneven(), words(&["a", "b"]), words(&["zzz"])).unwrap();
    let texts = effect.texts(&model, &mut Untouched).unwrap();
    assert_eq!(
        texts,
        written.iter().map(|w| w.text.clone()).collect::<Vec<_>>()
    );
    let odds = effect.measure(&model, &mut Untouched).unwrap();
    for (text, odds) in texts.iter().zip(odds) {
        assert_eq!(effect.counts(text).log_odds(), odds);
    }
    assert!(make(vec![], words(&["a"]), words(&["b"])).is_err());
    assert!(make(uneven(), words(&[]), words(&["b"])).is_err());
    assert!(make(uneven(), words(&["a"]), words(&["b", "a"])).is_err());
}
