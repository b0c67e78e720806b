//! Finds a direction from two sets of texts, steers a model along it, and measures what that does and what it breaks:
//! `cargo run --release --example steer -- --model M [--positive FILE --negative FILE] …`.
//!
//! Without files it uses the happy and sad scenes of `examples/data`, and measures the mood of free text by word lists that had
//! no part in making the direction. With your own files, effect is the change of preference for held-out positive over negative
//! texts, unless `--positive-words` and `--negative-words` are given. Random directions of the same length are the control.

#![expect(clippy::print_stdout, reason = "results go to standard output")]
#![expect(clippy::doc_markdown, reason = "help texts are read in a terminal")]
#![expect(clippy::print_stderr, reason = "notes go to standard error")]

use std::{ops::ControlFlow, process::ExitCode};

use clap::Parser;
use firetender_hooks::{ReadAt, SiteKind};
use firetender_lm::{CausalLm, GenerateOptions, generate};
use firetender_steer::{
    Benign, Contrast, Curve, Effect, Entry, Extraction, Extractor, FreeText, Layers, Method,
    NextTokenOdds, Plan, Preference, Scope, SweepOptions, TokenRule, first_tokens, sweep,
};
use firetender_support::{Bars, Failure, Model, device, fail, finish, lines, read_texts, sets};
use serde_json::{Value, json};

/// Steers a model along the difference of two sets of texts.
#[derive(Parser)]
struct Arguments {
    /// A GGUF or llama2.c file, a Hugging Face folder, or `ember`.
    #[arg(long)]
    model: String,
    /// Texts that a positive strength steers toward: one a line, or a JSON list of strings.
    #[arg(long, requires = "negative")]
    positive: Option<String>,
    /// Texts to steer away from, paired with the positive ones.
    #[arg(long, requires = "positive")]
    negative: Option<String>,
    /// Layers to steer: `8..16`, `12`, `3,-1`, `40%` or `all`. By default the second quarter of the depth.
    #[arg(long, allow_hyphen_values = true)]
    layers: Option<String>,
    /// Where in a block: resid_post, resid_pre, attn_out, …
    #[arg(long, default_value = "resid_post")]
    site: String,
    /// mean, pca, pca_difference, pca_repe or random.
    #[arg(long, default_value = "mean")]
    method: String,
    /// Strengths, separated by commas.
    #[arg(long, default_value = "-1,-0.5,0,0.5,1", allow_hyphen_values = true)]
    strengths: String,
    /// Which tokens are steered: all, prompt, generated, from_last_prompt, last:N, positions:0,1,-1.
    #[arg(long, default_value = "all")]
    tokens: String,
    /// A prompt to continue at each strength; may be repeated.
    #[arg(long)]
    prompt: Vec<String>,
    /// Harmless prompts on which damage is measured.
    #[arg(long)]
    benign: Option<String>,
    /// Words that count as an effect in free text.
    #[arg(long, requires = "negative_words")]
    positive_words: Option<String>,
    /// Words that count against it.
    #[arg(long, requires = "positive_words")]
    negative_words: Option<String>,
    /// Put every text into the model's chat template as a user's message.
    #[arg(long)]
    chat: bool,
    /// New tokens for each continuation.
    #[arg(long, default_value_t = 40)]
    max_tokens: usize,
    /// Seed of the random control.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Write the vector to this safetensors file.
    #[arg(long)]
    save: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Where to run: cpu, wgpu, cuda, … as compiled in.
    #[arg(long)]
    device: Option<String>,
}

/// Texts to token rows.
type Encode<'a> = dyn Fn(&[String]) -> Result<Vec<Vec<u32>>, Failure> + 'a;

/// What the effect is, in words.
const WORD_ODDS: &str = "word log-odds at the next token";
const PREFERENCE: &str = "preference for held-out texts, nats";

/// Words for the free text, when there are any.
struct Words {
    positive: Vec<String>,
    negative: Vec<String>,
}

fn main() -> ExitCode {
    finish(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let strengths = parse_strengths(&arguments.strengths)?;
    let rule: TokenRule = arguments.tokens.parse()?;
    let method: Method = arguments.method.parse()?;
    let site: SiteKind = arguments.site.parse()?;
    let options = SweepOptions::new(&strengths)?;
    let words = words(arguments)?;
    let model = Model::open(&arguments.model, &device(arguments.device.as_deref())?)?;
    let encode = |texts: &[String]| -> Result<Vec<Vec<u32>>, Failure> {
        texts
            .iter()
            .map(|text| model.prompt(text, None, !arguments.chat))
            .collect()
    };

    let contrast = contrast(arguments, &encode)?;
    let layers: Layers = match &arguments.layers {
        Some(layers) => layers.parse()?,
        None => {
            let depth = model.network.shape().layers;
            format!("{}..{}", depth / 4, (depth / 2).max(depth / 4 + 1)).parse()?
        }
    };
    // A fifth of the pairs judges what the others found.
    let held_out = (contrast.pairs() / 5).max(1);
    let (fitted, judge) = contrast.split_at(contrast.pairs() - held_out)?;
    let extraction = Extractor::new(site)
        .with_layers(layers)
        .with_read(ReadAt::LastToken)
        .extract(&model.network, &fitted, method, &mut Bars::new("direction"))?;
    let vector = extraction
        .vector
        .clone()
        .with_fingerprint(model.checkpoint.fingerprint()?);
    if let Some(path) = &arguments.save {
        vector.save(path)?;
    }
    let plan = Plan::new().with(Entry::new(&vector, 1.0).with_tokens(rule));
    let control = plan.random_control(arguments.seed)?;

    let neutral = encode(&lines(sets::NEUTRAL))?;
    let (name, effect) = effect(&model, &words, &neutral, &judge)?;
    let benign = match &arguments.benign {
        Some(path) => read_texts(path)?,
        None => lines(sets::BENIGN).into_iter().take(50).collect(),
    };
    let benign = Benign::new(encode(&benign)?, Scope::AllTokens)?;
    let measure = |plan: &Plan, title: &str| {
        sweep(
            &model.network,
            plan,
            effect.as_ref(),
            &benign,
            &options,
            &mut Bars::new(title),
        )
    };
    let curve = measure(&plan, "vector")?;
    let random = measure(&control, "random control")?;

    let tokenizer = model.tokenizer()?;
    let writing = GenerateOptions::new(arguments.max_tokens).with_end_tokens(tokenizer.eos());
    let mut moods = vec![];
    if let Some(words) = &words {
        let text = FreeText::new(
            tokenizer,
            neutral,
            writing.clone(),
            words.positive.clone(),
            words.negative.clone(),
        )?;
        for strength in &strengths {
            let mut steering = plan
                .scaled(*strength)
                .compile(&model.network.shape(), &model.network.device())?;
            let mut counts = firetender_steer::WordCounts::default();
            for written in text.texts(&model.network, &mut steering)? {
                counts.merge(text.counts(&written));
            }
            moods.push(counts);
        }
    }
    let mut continuations = vec![];
    for prompt in &arguments.prompt {
        let ids = [model.prompt(prompt, None, !arguments.chat)?];
        for strength in &strengths {
            let mut steering = plan
                .scaled(*strength)
                .compile(&model.network.shape(), &model.network.device())?;
            let out = generate(
                &model.network,
                Some(tokenizer),
                &ids,
                &writing,
                &mut steering,
                &mut |_| ControlFlow::Continue(()),
            )?;
            continuations.push((prompt, *strength, out[0].text.clone()));
        }
    }

    if arguments.json {
        let moods: Vec<Value> = moods
            .iter()
            .zip(&strengths)
            .map(|(counts, strength)| {
                json!({ "strength": strength, "log_odds": counts.log_odds(), "positive": counts.positive,
                        "negative": counts.negative, "words": counts.words })
            })
            .collect();
        let texts: Vec<Value> = continuations
            .iter()
            .map(|(prompt, strength, text)| json!({ "prompt": prompt, "strength": strength, "text": text }))
            .collect();
        println!(
            "{}",
            json!({
                "model": model.checkpoint.name, "site": site.name(), "method": method.to_string(),
                "tokens": arguments.tokens, "pairs": fitted.pairs(), "effect": name,
                "layers": layer_values(&extraction), "curve": points(&curve), "random_control": points(&random),
                "free_text": moods, "generations": texts, "saved": arguments.save,
            })
        );
        return Ok(());
    }
    print_layers(&extraction);
    println!(
        "\neffect: {name}; damage: KL(steered || plain) on {} benign prompts; [95 % interval over prompts]",
        benign.prompts()
    );
    println!(
        "{:>8}  {:>26}  {:>14}  {:>9}  {:>9}  {:>6}  free text",
        "strength", "effect", "random effect", "KL", "random KL", "top-1"
    );
    for (index, (point, random)) in curve.points.iter().zip(&random.points).enumerate() {
        let free = moods.get(index).map_or(String::new(), |c| {
            format!(
                "log-odds {:+.2} ({} : {} of {} words)",
                c.log_odds(),
                c.positive,
                c.negative,
                c.words
            )
        });
        println!(
            "{:>8}  {:>+9.3} [{:+.3}, {:+.3}]  {:>+14.3}  {:>9.4}  {:>9.4}  {:>6.3}  {free}",
            point.strength,
            point.effect.value,
            point.effect.low,
            point.effect.high,
            random.effect.value,
            point.kl.value,
            random.kl.value,
            point.top1_agreement.value
        );
    }
    for (prompt, strength, text) in continuations {
        println!("\n[{strength:+}] {prompt} ⟶ {}", text.trim());
    }
    Ok(())
}

fn parse_strengths(text: &str) -> Result<Vec<f64>, Failure> {
    let parse = |part: &str| match part.trim().parse::<f64>() {
        Ok(strength) => Ok(strength),
        Err(_) => fail(format!(
            "strength `{part}`; expected numbers separated by commas, such as -1,0,1"
        )),
    };
    text.split(',').map(parse).collect()
}

fn words(arguments: &Arguments) -> Result<Option<Words>, Failure> {
    match (&arguments.positive_words, &arguments.negative_words) {
        (Some(positive), Some(negative)) => Ok(Some(Words {
            positive: read_texts(positive)?,
            negative: read_texts(negative)?,
        })),
        _ if arguments.positive.is_none() => Ok(Some(Words {
            positive: lines(sets::HAPPY_WORDS),
            negative: lines(sets::SAD_WORDS),
        })),
        _ => Ok(None),
    }
}

fn contrast(arguments: &Arguments, encode: &Encode<'_>) -> Result<Contrast, Failure> {
    let (mut positive, mut negative, names) = match (&arguments.positive, &arguments.negative) {
        (Some(positive), Some(negative)) => (
            read_texts(positive)?,
            read_texts(negative)?,
            ["positive", "negative"],
        ),
        _ => (
            lines(sets::MOOD_POSITIVE),
            lines(sets::MOOD_NEGATIVE),
            ["happy", "sad"],
        ),
    };
    let pairs = positive.len().min(negative.len());
    if positive.len() != negative.len() {
        eprintln!(
            "{} positive and {} negative texts: the first {pairs} of each are used",
            positive.len(),
            negative.len()
        );
        positive.truncate(pairs);
        negative.truncate(pairs);
    }
    Ok(Contrast::new(
        names[0],
        encode(&positive)?,
        names[1],
        encode(&negative)?,
    )?)
}

/// Word log-odds after neutral beginnings where there are words; else the preference for held-out texts.
fn effect(
    model: &Model,
    words: &Option<Words>,
    neutral: &[Vec<u32>],
    judge: &Contrast,
) -> Result<(&'static str, Box<dyn Effect>), Failure> {
    let tokenizer = model.tokenizer()?;
    if let Some(words) = words {
        let first = |words: &[String]| -> Result<Vec<u32>, Failure> {
            let ids: Vec<Vec<u32>> = words
                .iter()
                .map(|word| tokenizer.encode(&format!(" {word}"), false))
                .collect::<Result<_, _>>()?;
            Ok(first_tokens(&ids))
        };
        let (positive, negative) = (first(&words.positive)?, first(&words.negative)?);
        // A token that begins words of both lists says nothing.
        let only = |a: &[u32], b: &[u32]| -> Vec<u32> {
            a.iter().copied().filter(|id| !b.contains(id)).collect()
        };
        let (target, other) = (only(&positive, &negative), only(&negative, &positive));
        if !target.is_empty() && !other.is_empty() {
            let odds = NextTokenOdds::new(neutral.to_vec(), target, other)?;
            return Ok((WORD_ODDS, Box::new(odds)));
        }
        eprintln!(
            "this vocabulary spells the word lists with the same first tokens: measuring the preference for held-out texts"
        );
    }
    let split = |row: &[u32]| (row[..1].to_vec(), row[1..].to_vec());
    let items = judge
        .toward_rows()
        .iter()
        .zip(judge.away_rows())
        .filter(|(a, b)| a.len() > 1 && b.len() > 1 && a[0] == b[0])
        .map(|(a, b)| (split(a).0, split(a).1, split(b).1))
        .collect::<Vec<_>>();
    if !items.is_empty() {
        return Ok((PREFERENCE, Box::new(Preference::new(items)?)));
    }
    // Texts that do not begin alike are compared as continuations of a blank line.
    let context = tokenizer.encode("\n", true)?;
    let items = judge
        .toward_rows()
        .iter()
        .zip(judge.away_rows())
        .map(|(a, b)| (context.clone(), a.clone(), b.clone()))
        .collect();
    Ok((PREFERENCE, Box::new(Preference::new(items)?)))
}

fn layer_values(extraction: &Extraction) -> Vec<Value> {
    extraction
        .reports
        .iter()
        .map(|r| {
            json!({ "layer": r.layer, "norm": r.norm, "relative_norm": r.relative_norm(),
                    "auc": r.separation.map(|s| s.auc), "d_prime": r.separation.and_then(|s| s.d_prime),
                    "explained_variance": r.explained_variance })
        })
        .collect()
}

fn print_layers(extraction: &Extraction) {
    println!(
        "{:>5}  {:>8}  {:>13}  {:>12}  {:>12}",
        "layer", "length", "of the stream", "held-out AUC", "held-out d'"
    );
    for report in &extraction.reports {
        let shown =
            |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
        let auc = shown(report.separation.map(|s| s.auc));
        let d = shown(report.separation.and_then(|s| s.d_prime));
        println!(
            "{:>5}  {:>8.3}  {:>13.3}  {auc:>12}  {d:>12}",
            report.layer,
            report.norm,
            report.relative_norm()
        );
    }
}

fn points(curve: &Curve) -> Vec<Value> {
    curve
        .points
        .iter()
        .map(|p| {
            json!({ "strength": p.strength, "effect": p.effect.value, "effect_low": p.effect.low, "effect_high": p.effect.high,
                    "kl": p.kl.value, "kl_low": p.kl.low, "kl_high": p.kl.high, "reverse_kl": p.reverse_kl.value,
                    "top1_agreement": p.top1_agreement.value })
        })
        .collect()
}
