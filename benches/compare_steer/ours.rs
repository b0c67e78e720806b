//! This workspace's side.

use std::{collections::BTreeMap, ops::ControlFlow, path::Path, time::Instant};

use burn::tensor::Device;
use firetender_hooks::{Intervene, SiteKind, Untouched};
use firetender_lm::{CausalLm, Checkpoint, GenerateOptions, Transformer, generate};
use firetender_measure::{Failure, Median};
use firetender_steer::{
    Contrast, Extractor, Logistic, LogisticOptions, Method, Pairs, Plan, Silent, SteeringVector,
};
use serde::{Deserialize, Serialize};

use crate::task::Task;

/// Method → layer → direction.
pub(crate) type Directions = BTreeMap<&'static str, BTreeMap<usize, Vec<f64>>>;

/// What one process found.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ours {
    /// Seconds from texts to a mean vector at every layer.
    pub(crate) texts_to_vector: f64,
    /// Seconds of generation.
    pub(crate) plain: f64,
    pub(crate) steered: f64,
    pub(crate) tokens: Vec<u32>,
    /// Token ids of the first text.
    pub(crate) ids: Vec<u32>,
}

/// Measures; with a place for directions, only finds them and generates once.
pub(crate) fn measure(
    model: &Path,
    task: &Task,
    directions: Option<&mut Directions>,
) -> Result<Ours, Failure> {
    let checkpoint = Checkpoint::open(model)?;
    let tokenizer = checkpoint.tokenizer()?;
    let source = checkpoint.source.as_ref();
    let model = Transformer::load(
        &checkpoint.config,
        source,
        checkpoint.layout(),
        &Device::flex(),
    )?;
    let extractor = Extractor::new(SiteKind::ResidPost).with_batch(task.batch);
    let contrast = || -> Result<Contrast, Failure> {
        let encode = |texts: &[String]| {
            let rows = texts.iter().map(|text| tokenizer.encode(text, true));
            rows.collect::<Result<Vec<_>, _>>()
        };
        let (toward, away) = (encode(&task.toward)?, encode(&task.away)?);
        Ok(Contrast::new("happy", toward, "sad", away)?)
    };
    let mean = || -> Result<SteeringVector, Failure> {
        Ok(extractor
            .means(&model, &contrast()?, &mut Silent)?
            .vector()?)
    };
    let runs = if directions.is_some() { 0 } else { task.runs };
    let texts_to_vector = median(runs, || mean().map(|_| ()))?;
    let vector = mean()?;
    if let Some(directions) = directions {
        let samples = extractor.samples(&model, &contrast()?, &mut Silent)?;
        for (&layer, pairs) in samples.layers() {
            let mut put = |name, direction| {
                directions.entry(name).or_default().insert(layer, direction);
            };
            put("mean", Method::Mean.fit(pairs, layer)?.direction);
            let component = Method::PcaPairCentred.fit(pairs, layer)?.direction;
            put("pca_pair_centred", component);
            put("logistic_pair_centred", logistic(pairs)?);
        }
    }
    let layers: Vec<String> = task.layers.iter().map(ToString::to_string).collect();
    let steered = vector.at_layers(&layers.join(",").parse()?)?;
    let plan = Plan::of(&steered).scaled(task.strength);
    let mut steering = plan.compile(&model.shape(), &model.device())?;
    let prompt = [tokenizer.encode(task.prompt, true)?];
    let options = GenerateOptions::new(task.new_tokens);
    let write = |hook: &mut dyn Intervene| -> Result<Vec<u32>, Failure> {
        let out = generate(&model, None, &prompt, &options, hook, &mut |_| {
            ControlFlow::Continue(())
        })?;
        Ok(out[0].ids.clone())
    };
    Ok(Ours {
        texts_to_vector,
        plain: median(runs, || write(&mut Untouched).map(|_| ()))?,
        steered: median(runs, || write(&mut steering).map(|_| ()))?,
        tokens: write(&mut steering)?,
        ids: tokenizer.encode(&task.toward[0], true)?,
    })
}

/// steering-vectors' logistic direction: no intercept, points minus their pair's midpoint.
fn logistic(pairs: &Pairs) -> Result<Vec<f64>, Failure> {
    let half: Vec<f32> = pairs
        .differences()
        .iter()
        .map(|d| (d / 2.0) as f32)
        .collect();
    let points: Vec<f32> = half
        .iter()
        .copied()
        .chain(half.iter().map(|d| -d))
        .collect();
    let labels: Vec<bool> = (0..2 * pairs.len()).map(|row| row < pairs.len()).collect();
    let options = LogisticOptions::default().with_intercept(false);
    Ok(Logistic::fit(&points, pairs.width(), &labels, &options)?.direction())
}

/// Seconds: the median of `runs` runs after one that is not counted; NaN for none.
fn median(runs: usize, mut run: impl FnMut() -> Result<(), Failure>) -> Result<f64, Failure> {
    if runs == 0 {
        return Ok(f64::NAN);
    }
    run()?;
    let seconds = (0..runs).map(|_| {
        let start = Instant::now();
        run()?;
        Ok(start.elapsed().as_secs_f64())
    });
    Ok(Median::of(&seconds.collect::<Result<Vec<_>, Failure>>()?).value)
}
