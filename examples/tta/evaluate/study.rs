//! What is searched and compared.

use burn::tensor::Device;
use firetender_support::{Bars, Failure};
use firetender_tta::{
    Candidates, Compared, Evaluation, Feed, GreedySearch, Members, Method, Mixture, Policy,
    PoolBuilder, PoolFloat, Predictor, Row, baselines, cross_validate,
};
use serde_json::{Value, json};

use super::Arguments;
use crate::data::{Data, Set};

/// What all measurements share.
pub(super) struct Study<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) data: &'a Data,
    pub(super) device: &'a Device,
    pub(super) evaluation: Evaluation,
}

/// A policy, and how it came about.
pub(super) struct Found {
    pub(super) policy: Policy,
    pub(super) shown: Value,
    pub(super) candidates: Option<Candidates>,
}

impl Found {
    /// From a file.
    pub(super) fn given(policy: Policy) -> Self {
        Self {
            policy,
            shown: Value::Null,
            candidates: None,
        }
    }
}

/// Draws of the measurements, other than the search's.
const FRESH: u64 = 1000;

impl Study<'_> {
    pub(super) fn feed(&self) -> Feed<'_> {
        Feed {
            normalisation: &self.data.normalisation,
            device: self.device,
            batch: 500,
        }
    }

    pub(super) fn seed(&self) -> u64 {
        self.arguments.seed.wrapping_add(FRESH)
    }

    pub(super) fn most(&self) -> usize {
        self.arguments.samples.last().copied().unwrap_or(1)
    }

    /// The recipes: two fifths strong, two fifths medium, the rest the frame alone.
    pub(super) fn prior(&self) -> Result<Policy, Failure> {
        let (all, ops) = (self.arguments.pool, self.arguments.ops);
        let part = all * 2 / 5;
        let mixture = Mixture::new(&[
            (part, ops, 45.0),
            (part, ops, 20.0),
            (all - 2 * part, ops, 0.0),
        ]);
        Ok(mixture.draw(&self.data.policy, self.arguments.seed)?)
    }

    /// Builds the pool of one network, or of the ensemble of all (or goes on with it), and searches.
    pub(super) fn search(&self, network: Option<usize>) -> Result<Found, Failure> {
        let prior = self.prior()?;
        let who = network.map_or("ensemble".to_owned(), |n| n.to_string());
        let name = format!(
            "pool-{}-{}-{}-{}-{}-{who}",
            self.data.name.replace(['/', '\\'], "-"),
            self.arguments.pool,
            self.arguments.ops,
            self.arguments.validation,
            self.arguments.seed
        );
        let builder = PoolBuilder {
            folder: self.arguments.out.join(name),
            policy: &prior,
            seed: self.arguments.seed,
            float: PoolFloat::F32,
            model: format!("{who} of {}", self.data.fingerprint),
        };
        let networks: Vec<_> = (0..self.data.networks.len())
            .map(|n| self.data.predictor(n))
            .collect();
        let members = Members::new(networks.iter().map(|n| n as &dyn Predictor).collect())?;
        let predictor: &dyn Predictor = match network {
            Some(network) => &networks[network],
            None => &members,
        };
        let bars = Bars::new("pool");
        let validation = &self.data.validation;
        let pool = builder.build(
            predictor,
            &validation.images,
            &validation.labels,
            &self.feed(),
            &mut |entry, all| bars.counted(entry + 1, all),
        )?;
        drop(bars);
        let candidates = pool.candidates(None)?;
        let search = GreedySearch::new(self.most());
        let crossed = cross_validate(&candidates, &search, 4, self.arguments.seed)?;
        let trace = search.run(&candidates)?;
        let mut policy = trace.policy(&prior)?;
        policy.provenance.seed = Some(self.arguments.seed);
        policy.provenance.pool = Some(pool.fingerprint());
        let path = self.arguments.out.join(format!("policy-{who}.json"));
        policy.write(&path)?;
        let mut distinct = trace.selected();
        distinct.sort_unstable();
        distinct.dedup();
        let shown = json!({
            "policy": path,
            "selected": trace.selected(),
            "distinct": distinct.len(),
            "scores": trace.scores(),
            "temperatures": trace.temperatures(),
            "held_out": crossed.held_out,
            "best_length": crossed.best_length,
            "short_length": crossed.short_length,
        });
        Ok(Found {
            policy,
            shown,
            candidates: Some(candidates),
        })
    }

    /// The usual baselines, recipes drawn from the pool, and the policies that were found.
    pub(super) fn methods(
        &self,
        policy: &Policy,
        of_ensemble: Option<&Policy>,
    ) -> Result<Vec<Method>, Failure> {
        let sizes = &self.arguments.samples;
        let image = &self.data.test.images[0];
        let side = image.width().min(image.height());
        let mut methods = baselines::standard(&self.data.policy, side, sizes)?;
        let random = baselines::random_picks(&self.prior()?, self.most(), self.arguments.seed)?;
        methods.push(Method::new("random from pool", random, sizes));
        methods.push(Method::new("GPS", policy.clone(), sizes));
        if let Some(policy) = of_ensemble {
            methods.push(Method::new("GPS of the ensemble", policy.clone(), sizes));
        }
        Ok(methods)
    }

    /// Every method with every network on one set.
    pub(super) fn compare(&self, methods: &[Method], set: &Set) -> Result<Compared, Failure> {
        let networks: Vec<_> = (0..self.data.networks.len())
            .map(|n| self.data.predictor(n))
            .collect();
        let predictors: Vec<&dyn Predictor> =
            networks.iter().map(|n| n as &dyn Predictor).collect();
        let bars = Bars::new("passes");
        Ok(self.evaluation.compare(
            &predictors,
            methods,
            &set.images,
            &set.labels,
            &self.feed(),
            self.seed(),
            &mut |done, all| bars.counted(done, all),
        )?)
    }

    /// GPS against the random frame and random recipes with as many samples, and against the central crop.
    pub(super) fn differences(&self, rows: &[Row]) -> Result<Value, Failure> {
        let mut found = vec![];
        for gps in rows.iter().filter(|row| row.method.starts_with("GPS")) {
            for than in ["central crop", "random frame", "random from pool", "GPS"] {
                let samples = if than == "central crop" {
                    1
                } else {
                    gps.samples
                };
                let same = |row: &&Row| row.method == than && row.samples == samples;
                let Some(other) = rows
                    .iter()
                    .find(same)
                    .filter(|row| row.method != gps.method)
                else {
                    continue;
                };
                let [cll, accuracy] = self.evaluation.difference(gps, other)?;
                found.push(json!({
                    "method": gps.method,
                    "than": other.method,
                    "samples": gps.samples,
                    "cll": [cll.value, cll.low, cll.high],
                    "accuracy": [accuracy.value, accuracy.low, accuracy.high],
                    "text": format!(
                        "{} against {} at {}: cLL {:+.4} [{:+.4}, {:+.4}], accuracy {:+.2} [{:+.2}, {:+.2}] points",
                        gps.method, other.method, gps.samples, cll.value, cll.low, cll.high,
                        100.0 * accuracy.value, 100.0 * accuracy.low, 100.0 * accuracy.high,
                    ),
                }));
            }
        }
        Ok(Value::Array(found))
    }
}
