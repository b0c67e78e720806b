//! A family over strength instead of size: one model that is steered, adapted, or both.

use std::fs;

use burn::tensor::Device;
use clap::Args;
use firetender_ember::{Body, Split, chat, prompts};
use firetender_hooks::{ReadAt, SiteKind};
use firetender_kts::{Adapter, Factors};
use firetender_lm::{CausalLm, LmScorer, Transformer};
use firetender_scaling::sha256_hex;
use firetender_steer::{Contrast, Extractor, ImportOptions, Method, Plan, SteeringVector};
use firetender_support::{Bars, Failure, Model, fail};

/// Strengths of a steering vector, unless named.
const OF_STEERING: [f64; 5] = [-1.0, -0.5, 0.0, 0.5, 1.0];
/// Strengths of an adapter, unless named.
const OF_ADAPTER: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];
/// The blocks in which Ember's own directions are read and added, of its four.
const LAYERS: &str = "1..3";

/// What is made stronger.
#[derive(Args, Clone)]
pub(crate) struct StrengthArguments {
    /// A steering vector (a file that `steer` writes, .svec, …; or ember-refusal, ember-sycophancy: read off Ember itself); its strengths are the family.
    #[arg(long, value_name = "FILE")]
    pub(crate) steer: Option<String>,
    /// An adapter such as `kl_then_steer` writes (a PEFT folder). With --steer the adapted model is the one that is steered; without, the strengths multiply the adapter: 0 is the plain model.
    #[arg(long, value_name = "FOLDER", alias = "kts")]
    pub(crate) adapter: Option<String>,
    /// Strengths (default: -1,-0.5,0,0.5,1 of a vector; 0,0.25,0.5,0.75,1 of an adapter).
    #[arg(long, value_delimiter = ',', allow_hyphen_values = true)]
    pub(crate) strengths: Vec<f64>,
}

/// One strength of a model.
pub(crate) struct Variant {
    pub(crate) strength: f64,
    /// The network, where an adapter has changed it.
    network: Option<Transformer>,
    /// The steering and its name in logs.
    steering: Option<(firetender_steer::Steering, String)>,
    /// What the adapter adds to the fingerprint.
    adapted: String,
}

impl Variant {
    /// The model as an evaluation sees it.
    pub(crate) fn scorer<'a>(
        self,
        base: &'a Transformer,
        network: &'a mut Option<Transformer>,
        fingerprint: &str,
    ) -> LmScorer<'a> {
        *network = self.network;
        let network = network.as_ref().unwrap_or(base);
        let scorer = LmScorer::new(network, format!("{fingerprint}{}", self.adapted));
        match self.steering {
            None => scorer,
            Some((steering, name)) => scorer.with_intervention(steering, &name),
        }
    }
}

impl StrengthArguments {
    /// Whether strengths are the family.
    pub(crate) const fn given(&self) -> bool {
        self.steer.is_some() || self.adapter.is_some()
    }

    /// Checks what can be checked before a model is opened.
    pub(crate) fn check(&self, models: usize) -> Result<(), Failure> {
        if !self.given() {
            if !self.strengths.is_empty() {
                return fail("--strengths are those of --steer or --adapter; neither is given");
            }
            return Ok(());
        }
        if models != 1 {
            return fail(format!(
                "--steer and --adapter take one model, whose strengths are the family; {models} are given"
            ));
        }
        if let Some(bad) = self.strengths.iter().find(|s| !s.is_finite()) {
            return fail(format!("--strengths: {bad}; expected finite numbers"));
        }
        let mut sorted = self.strengths.clone();
        sorted.sort_by(f64::total_cmp);
        match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => fail(format!("--strengths: {} is named twice", pair[0])),
            None => Ok(()),
        }
    }

    /// The model at every strength.
    pub(crate) fn variants(&self, model: &Model, device: &Device) -> Result<Vec<Variant>, Failure> {
        let adapter = match &self.adapter {
            None => None,
            Some(folder) => {
                let named = |error: &dyn std::fmt::Display| format!("--adapter {folder}: {error}");
                let adapter = Adapter::load_peft(folder).or_else(|error| fail(named(&error)))?;
                let path = std::path::Path::new(folder).join("adapter_model.safetensors");
                let bytes = fs::read(&path).or_else(|error| fail(named(&error)))?;
                Some((adapter, sha256_hex(&bytes)[..12].to_owned()))
            }
        };
        let all = |usual: &[f64]| match self.strengths.as_slice() {
            [] => usual.to_vec(),
            named => named.to_vec(),
        };
        let Some(name) = &self.steer else {
            let Some((adapter, hash)) = adapter else {
                return Ok(vec![]);
            };
            return all(&OF_ADAPTER)
                .into_iter()
                .map(|strength| {
                    Ok(Variant {
                        strength,
                        network: Some(
                            scaled(&adapter, strength)?.merge_into(model.network.clone())?,
                        ),
                        steering: None,
                        adapted: format!("+adapter {hash}×{strength}"),
                    })
                })
                .collect();
        };
        let (vector, named) = direction(name, model)?;
        let shape = model.network.shape();
        vector.check_fits(&shape, None)?;
        let plan = Plan::of(vector);
        let adapted = adapter
            .as_ref()
            .map_or_else(String::new, |(_, hash)| format!("+adapter {hash}"));
        let network = match &adapter {
            None => None,
            Some((adapter, _)) => Some(adapter.merge_into(model.network.clone())?),
        };
        all(&OF_STEERING)
            .into_iter()
            .map(|strength| {
                let steering = plan.scaled(strength).compile(&shape, device)?;
                Ok(Variant {
                    strength,
                    network: network.clone(),
                    steering: Some((steering, format!("{named}×{strength}"))),
                    adapted: adapted.clone(),
                })
            })
            .collect()
    }
}

/// An adapter whose change of the weights is multiplied.
fn scaled(adapter: &Adapter, strength: f64) -> Result<Adapter, Failure> {
    let factors = adapter.factors().iter().map(|(path, factors)| {
        let scale = factors.scale * strength;
        (
            path.clone(),
            Factors {
                scale,
                ..factors.clone()
            },
        )
    });
    Ok(Adapter::new(factors.collect())?)
}

/// A vector by its name or file, with a name for logs that changes with its numbers.
fn direction(name: &str, model: &Model) -> Result<(SteeringVector, String), Failure> {
    let pairs = match name {
        "ember-refusal" => prompts::suspicion(Split::Train, 0, 60),
        "ember-sycophancy" => prompts::sycophancy(Split::Train, 0, 120),
        path => {
            let options = ImportOptions::new().with_site(SiteKind::ResidPost);
            let vector = SteeringVector::import(path, &options)?.vector;
            let bytes = fs::read(path).or_else(|error| fail(format!("{path}: {error}")))?;
            return Ok((vector, format!("vector {}", &sha256_hex(&bytes)[..12])));
        }
    };
    let tokens = |body: &Body| -> Result<Vec<u32>, Failure> {
        Ok(model.tokenizer()?.encode(&chat::prompt_text(body), false)?)
    };
    let side = |of: fn(&prompts::Contrast) -> &Body| -> Result<Vec<Vec<u32>>, Failure> {
        pairs.iter().map(|pair| tokens(of(pair))).collect()
    };
    let contrast = Contrast::new("toward", side(|p| &p.toward)?, "away", side(|p| &p.away)?)?;
    let vector = Extractor::new(SiteKind::ResidPost)
        .with_layers(LAYERS.parse()?)
        .with_read(ReadAt::LastToken)
        .extract(
            &model.network,
            &contrast,
            Method::Mean,
            &mut Bars::new(name),
        )?
        .vector;
    Ok((vector, name.to_owned()))
}
