//! `--gate`: steer only where a classifier fires; what that does in the loop, as the mixture, and against steering always.

use std::{collections::BTreeMap, ops::ControlFlow};

use firetender_lm::{CausalLm, GenerateOptions};
use firetender_steer::{
    Benign, Condition, Effect, Gate, GateMethod, GateRead, GateReport, GateTrainer, GatedPlan,
    GatedSteering, Join, Layers, LogisticOptions, Plan, Timing, gate_damage, gate_effect,
    generate_gated,
};
use firetender_support::{Bars, Failure, Model, fail, read_texts};
use serde_json::{Value, json};

use crate::{arguments::Arguments, texts::Encode};

/// A gate by name: what `--gate` says.
pub(crate) struct Spec {
    method: String,
    keys: BTreeMap<String, String>,
}

/// Keys that a fitted gate takes.
const KEYS: [&str; 11] = [
    "layer",
    "fpr",
    "positive",
    "negative",
    "read",
    "join",
    "timing",
    "c",
    "shrinkage",
    "save",
    "site",
];

/// A gate that stands, and how it was calibrated.
pub(crate) enum Found {
    Fitted(Box<Gate>, Option<GateReport>),
    /// No gate at all: always or never.
    Fixed(bool),
}

/// Reads the specification; anything that is no method is a file's name.
pub(crate) fn parse(arguments: &Arguments) -> Result<Option<Spec>, Failure> {
    let Some(text) = &arguments.gate else {
        return Ok(None);
    };
    let (method, rest) = text.split_once(':').unwrap_or((text, ""));
    let fitted = ["logistic", "whitened", "dot", "condition"].contains(&method);
    if !fitted && !["always", "never"].contains(&method) {
        let (file, rest) = text.split_once(',').unwrap_or((text, ""));
        let keys = pairs(rest, &["timing"])?;
        let method = format!("file:{file}");
        return Ok(Some(Spec { method, keys }));
    }
    let known: &[&str] = if fitted { &KEYS } else { &["timing"] };
    let keys = pairs(rest, known)?;
    let method = method.to_owned();
    let spec = Spec { method, keys };
    spec.timing()?;
    spec.read()?;
    spec.join()?;
    spec.number("fpr", 0.05)?;
    Ok(Some(spec))
}

fn pairs(text: &str, known: &[&str]) -> Result<BTreeMap<String, String>, Failure> {
    let mut keys = BTreeMap::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let Some((key, value)) = part.split_once('=') else {
            return fail(format!("--gate: `{part}`; expected KEY=VALUE"));
        };
        if !known.contains(&key) {
            return fail(format!(
                "--gate: unknown key `{key}`; known are {}",
                known.join(", ")
            ));
        }
        if keys.insert(key.to_owned(), value.to_owned()).is_some() {
            return fail(format!("--gate: `{key}` is given twice"));
        }
    }
    Ok(keys)
}

impl Spec {
    fn get(&self, key: &str) -> Option<&str> {
        self.keys.get(key).map(String::as_str)
    }

    fn number(&self, key: &str, otherwise: f64) -> Result<f64, Failure> {
        match self.get(key) {
            None => Ok(otherwise),
            Some(text) => match text.parse() {
                Ok(number) => Ok(number),
                Err(_) => fail(format!("--gate: `{key}` is `{text}`; expected a number")),
            },
        }
    }

    /// What a key's word stands for; without the key, the first.
    fn choice<T: Copy>(&self, key: &str, choices: [(&str, T); 2]) -> Result<T, Failure> {
        let [first, second] = choices;
        match self.get(key) {
            None => Ok(first.1),
            Some(word) if word == first.0 => Ok(first.1),
            Some(word) if word == second.0 => Ok(second.1),
            Some(other) => fail(format!(
                "--gate: `{key}` is `{other}`; expected {} or {}",
                first.0, second.0
            )),
        }
    }

    fn timing(&self) -> Result<Timing, Failure> {
        let (later, second) = (Timing::LaterLayersThenAll, Timing::SecondPrefill);
        self.choice("timing", [("later", later), ("second", second)])
    }

    fn read(&self) -> Result<GateRead, Failure> {
        self.choice(
            "read",
            [("last", GateRead::LastToken), ("mean", GateRead::Mean)],
        )
    }

    fn join(&self) -> Result<Join, Failure> {
        self.choice("join", [("any", Join::Any), ("all", Join::All)])
    }

    /// Fits and calibrates, or reads, the gate. Without a layer it reads before the first block that the plan steers.
    pub(crate) fn gate(
        &self,
        arguments: &Arguments,
        model: &Model,
        plan: &Plan,
        encode: &Encode<'_>,
    ) -> Result<Found, Failure> {
        let found = self.found(arguments, model, plan, encode)?;
        let steering = plan.compile(&model.network.shape(), &model.network.device())?;
        if let Found::Fitted(gate, _) = &found
            && self.timing()? == Timing::LaterLayersThenAll
        {
            let read = gate.probes().iter().map(|probe| probe.layer).max();
            let steered = steering.sites().filter_map(|site| site.layer()).max();
            if steered <= read {
                eprintln!(
                    "note: the gate reads at or behind every steered layer, so it cannot act on the prompt itself; use an earlier \
                     layer or timing=second"
                );
            }
        }
        Ok(found)
    }

    fn found(
        &self,
        arguments: &Arguments,
        model: &Model,
        plan: &Plan,
        encode: &Encode<'_>,
    ) -> Result<Found, Failure> {
        let fingerprint = model.checkpoint.fingerprint()?;
        if let Some(file) = self.method.strip_prefix("file:") {
            let gate = Gate::load(file)?;
            gate.check_fits(&model.network.shape(), Some(&fingerprint))?;
            let report = gate.report().cloned();
            return Ok(Found::Fitted(Box::new(gate), report));
        }
        let method = match self.method.as_str() {
            "always" => return Ok(Found::Fixed(true)),
            "never" => return Ok(Found::Fixed(false)),
            "logistic" => {
                GateMethod::Logistic(LogisticOptions::default().with_c(self.number("c", 1.0)?))
            }
            "whitened" => GateMethod::Whitened(self.number("shrinkage", 0.2)?),
            "dot" => GateMethod::Dot,
            _ => GateMethod::Condition(100),
        };
        let rows = |key: &str, otherwise: &Option<String>| -> Result<Vec<Vec<u32>>, Failure> {
            match self
                .get(key)
                .map(str::to_owned)
                .or_else(|| otherwise.clone())
            {
                Some(path) => encode(&read_texts(&path)?),
                None => fail(format!(
                    "--gate: `{key}` is missing; expected a file of prompts"
                )),
            }
        };
        let positive = rows("positive", &arguments.positive)?;
        let negative = rows("negative", &arguments.negative)?;
        let layer = match self.get("layer") {
            Some(layer) => layer.parse()?,
            None => {
                let steering = plan.compile(&model.network.shape(), &model.network.device())?;
                let first = steering.sites().filter_map(|site| site.layer()).min();
                Layers::one(first.unwrap_or(1).saturating_sub(1))
            }
        };
        let trainer = GateTrainer::new("positive", method)
            .with_site(self.get("site").unwrap_or("resid_post").parse()?)
            .with_layers(layer)
            .with_read(self.read()?)
            .with_join(self.join()?);
        // Every second prompt fits, the others calibrate.
        let every = |rows: &[Vec<u32>], first: usize| -> Vec<Vec<u32>> {
            rows.iter().skip(first).step_by(2).cloned().collect()
        };
        let network = &model.network;
        let gate = trainer.fit(
            network,
            &every(&positive, 0),
            &every(&negative, 0),
            &mut Bars::new("gate"),
        )?;
        let fpr = self.number("fpr", 0.05)?;
        let (gate, report) =
            gate.calibrated(network, &every(&positive, 1), &every(&negative, 1), fpr)?;
        let gate = gate.with_fingerprint(fingerprint);
        if let Some(path) = self.get("save") {
            gate.save(path)?;
        }
        Ok(Found::Fitted(Box::new(gate), Some(report)))
    }

    fn compile(&self, found: &Found, plan: &Plan, model: &Model) -> Result<GatedSteering, Failure> {
        let (shape, device) = (model.network.shape(), model.network.device());
        let gated = match found {
            Found::Fitted(gate, _) => GatedPlan::of((**gate).clone(), plan.clone()),
            Found::Fixed(_) => {
                let conditions = BTreeMap::from([("gate".to_owned(), Condition::External)]);
                GatedPlan::new(conditions).with_case("gate".parse()?, plan.clone())?
            }
        };
        let steering = gated.with_timing(self.timing()?).compile(&shape, &device)?;
        Ok(match found {
            Found::Fixed(answer) => {
                let answer = *answer;
                steering.with_external(move |_, _, _| answer)
            }
            Found::Fitted(..) => steering,
        })
    }
}

/// What is measured under a gate.
pub(crate) struct Targets<'a> {
    pub(crate) prompts: &'a [Vec<u32>],
    pub(crate) effect: &'a dyn Effect,
    pub(crate) benign: &'a Benign,
    pub(crate) continued: &'a [(String, Vec<u32>)],
    pub(crate) writing: &'a GenerateOptions,
}

/// Effect and damage at every strength: plain, always, gated in the loop, and the mixture after the fact.
pub(crate) fn measure(
    spec: &Spec,
    found: &Found,
    model: &Model,
    plan: &Plan,
    strengths: &[f64],
    targets: &Targets<'_>,
) -> Result<Value, Failure> {
    let (mut points, mut texts) = (vec![], vec![]);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    for strength in strengths {
        let mut gated = spec.compile(found, &plan.scaled(*strength), model)?;
        let network = &model.network;
        let effect = gate_effect(network, &mut gated, targets.prompts, targets.effect)?;
        let harm = gate_damage(
            network,
            &mut gated,
            targets.benign,
            &mut Bars::new("gated damage"),
        )?;
        points.push(json!({
            "strength": strength, "fired_target": effect.fired(), "fired_benign": harm.fired(),
            "effect": { "plain": mean(&effect.plain), "always": mean(&effect.always),
                        "in_loop": mean(&effect.in_loop), "mixture": mean(&effect.mixture) },
            "kl": { "always": harm.always.kl(), "in_loop": harm.in_loop.kl(), "mixture": harm.mixture.kl() },
        }));
        for (prompt, ids) in targets.continued {
            let (written, decisions) = generate_gated(
                network,
                Some(model.tokenizer()?),
                std::slice::from_ref(ids),
                targets.writing,
                &mut gated,
                &mut |_| ControlFlow::Continue(()),
            )?;
            texts.push(json!({ "prompt": prompt, "strength": strength, "fired": decisions[0].fired(),
                               "margin": decisions[0].margins.get("gate"), "text": written[0].text }));
        }
    }
    let (gate, report) = match found {
        Found::Fitted(gate, report) => (Some(gate), report.as_ref()),
        Found::Fixed(_) => (None, None),
    };
    Ok(json!({
        "gate": spec.method, "timing": spec.timing()?, "layers": gate.map(|g| g.probes().iter().map(|p| p.layer).collect::<Vec<_>>()),
        "calibration": report, "points": points, "generations": texts,
    }))
}

/// The gate's part of the tables.
pub(crate) fn print(value: &Value) {
    println!(
        "\ngate {}, {}",
        value["gate"].as_str().unwrap_or("-"),
        value["timing"].as_str().unwrap_or("-")
    );
    let report = &value["calibration"];
    if !report.is_null() {
        println!(
            "calibration: false positives {:.3} (asked for {}), true positives {:.3}, AUC {:.3}; {} and {} prompts",
            report["fpr"].as_f64().unwrap_or(f64::NAN),
            report["target_fpr"],
            report["tpr"].as_f64().unwrap_or(f64::NAN),
            report["auc"].as_f64().unwrap_or(f64::NAN),
            report["negatives"],
            report["positives"]
        );
    }
    println!(
        "{:>8}  {:>7} {:>7}  {:>9} {:>9} {:>9} {:>9}  {:>9} {:>9} {:>9}",
        "strength",
        "fired",
        "benign",
        "plain",
        "always",
        "in loop",
        "mixture",
        "KL always",
        "in loop",
        "mixture"
    );
    for point in value["points"].as_array().into_iter().flatten() {
        let number = |at: &Value| at.as_f64().unwrap_or(f64::NAN);
        let (e, k) = (&point["effect"], &point["kl"]);
        println!(
            "{:>8}  {:>7.3} {:>7.3}  {:>+9.3} {:>+9.3} {:>+9.3} {:>+9.3}  {:>9.4} {:>9.4} {:>9.4}",
            number(&point["strength"]),
            number(&point["fired_target"]),
            number(&point["fired_benign"]),
            number(&e["plain"]),
            number(&e["always"]),
            number(&e["in_loop"]),
            number(&e["mixture"]),
            number(&k["always"]),
            number(&k["in_loop"]),
            number(&k["mixture"])
        );
    }
    for text in value["generations"].as_array().into_iter().flatten() {
        let fired = if text["fired"] == json!(true) {
            "fired"
        } else {
            "did not fire"
        };
        println!(
            "\n[{}, gate {fired}] {} ⟶ {}",
            text["strength"],
            text["prompt"].as_str().unwrap_or_default(),
            text["text"].as_str().unwrap_or_default().trim()
        );
    }
}
