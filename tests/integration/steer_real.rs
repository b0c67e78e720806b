//! Steering real weights along a direction from published texts, where both are present.

use firetender_hooks::SiteKind;
use firetender_kit::{data, load};
use firetender_lm::{CausalLm, Tokenizer};
use firetender_steer::{
    Contrast, Effect, Extractor, ImportOptions, Method, NextTokenOdds, Plan, Silent,
    SteeringVector, VectorFormat, first_tokens,
};

use crate::lm_real::smollm2;

fn texts(tokenizer: &Tokenizer, name: &str, count: usize) -> Option<Vec<Vec<u32>>> {
    let bytes = std::fs::read(data(name)?).unwrap();
    let texts: Vec<String> = serde_json::from_slice(&bytes).unwrap();
    let long = texts.iter().filter(|text| text.split(' ').count() > 2);
    let rows = long
        .take(count)
        .map(|text| tokenizer.encode(text, true).unwrap());
    Some(rows.collect())
}

#[test]
fn a_mood_found_in_scenes_moves_words_after_neutral_beginnings() {
    let Some(path) = smollm2() else { return };
    let (checkpoint, model) = load(path);
    let tokenizer = checkpoint.tokenizer().unwrap();
    let Some(happy) = texts(tokenizer, "text/repe_happiness.json", 24) else {
        return;
    };
    let Some(sad) = texts(tokenizer, "text/repe_sadness.json", 24) else {
        return;
    };
    let Some(neutral) = texts(tokenizer, "text/repeng_truncated_outputs.json", 8) else {
        return;
    };
    let contrast = Contrast::new("happy", happy, "sad", sad).unwrap();
    let found = Extractor::new(SiteKind::ResidPost)
        .with_layers("18,21".parse().unwrap())
        .extract(&model, &contrast, Method::Mean, &mut Silent)
        .unwrap();
    for report in &found.reports {
        assert!(report.separation.unwrap().auc > 0.8, "{report:?}");
    }
    let first = |words: [&str; 4]| {
        let ids = words.map(|word| tokenizer.encode(&format!(" {word}"), false).unwrap());
        first_tokens(&ids)
    };
    let (up, down) = (
        first(["happy", "joy", "wonderful", "delighted"]),
        first(["sad", "lonely", "terrible", "grief"]),
    );
    let odds = NextTokenOdds::new(neutral, up, down).unwrap();
    let measure = |plan: &Plan| -> f64 {
        let mut steering = plan.compile(&model.shape(), &model.device()).unwrap();
        let found = odds.measure(&model, &mut steering).unwrap();
        found.iter().sum::<f64>() / found.len() as f64
    };
    let vector = found.vector.relative(0.1).unwrap();
    let plan = Plan::of(&vector);
    let [away, plain, toward] = [-1.0, 0.0, 1.0].map(|k| measure(&plan.scaled(k)));
    assert!(away < plain && plain < toward, "{away} {plain} {toward}");
    let push = |plan: &Plan| (measure(plan) - measure(&plan.scaled(-1.0))) / 2.0;
    for seed in 0..3 {
        let random = push(&plan.random_control(seed).unwrap());
        assert!(random.abs() < push(&plan) / 2.0, "{seed}: {random}");
    }
    // llama.cpp's file holds all of it.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mood.gguf");
    vector.export(&path, VectorFormat::Gguf, "llama").unwrap();
    let options = ImportOptions::new().with_layers(model.shape().layers);
    let back = SteeringVector::import(&path, &options).unwrap().vector;
    assert_eq!(measure(&Plan::of(&back)), toward);
}
