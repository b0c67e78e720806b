//! Learned weights and choices by image, with the passes that the policy makes.

use firetender_support::Failure;
use firetender_tta::{
    LossPredictor, Row, SubPolicy, Tta, WeightOptions, confidence_features, learn_weights,
    mixture_optimum, most_certain, predict_entry,
};

use super::study::{Found, Study};

impl Study<'_> {
    /// For each number of passes: one weight a recipe, weights by class, the surest half of the passes, and as many recipes out of the longest policy as a
    /// predictor of losses chooses for each image (with one pass more, for its features); last, the best weights for all recipes of the pool.
    pub(super) fn others(&self, found: &Found) -> Result<Vec<Row>, Failure> {
        let Some(candidates) = &found.candidates else {
            return Ok(vec![]);
        };
        let (classes, test) = (self.data.classes, &self.data.test);
        let network = self.data.predictor(0);
        let policy = &found.policy;
        let selected = &policy.provenance.selected;
        let tta = Tta::new(policy).with_seed(self.seed());
        let members = tta.members(&network, &test.images, selected.len(), &self.feed())?;
        let score = |name: &str, passes, table: &[f32]| {
            self.evaluation
                .merged(name, passes, table, &test.labels, classes)
        };
        let mut rows = vec![];
        let sizes: Vec<usize> = self
            .arguments
            .samples
            .iter()
            .copied()
            .filter(|n| *n > 1)
            .collect();
        for (name, by_class) in [
            ("learned weights", false),
            ("learned weights by class", true),
        ] {
            for &passes in &sizes {
                let options = WeightOptions {
                    by_class,
                    tolerance: 1e-5,
                    steps: 600,
                    ..WeightOptions::default()
                };
                let weights = learn_weights(candidates, &selected[..passes], &options)?;
                rows.push(score(name, passes, &weights.merge(&members[..passes])?)?);
            }
        }
        for &passes in &sizes {
            let kept = most_certain(&members[..passes], classes, passes.div_ceil(2))?;
            rows.push(score("surest half", passes, &kept)?);
        }
        let central = policy.clone().with_entries(vec![SubPolicy::central()]);
        let features = |images: &[_]| -> Result<Vec<f64>, Failure> {
            let table = predict_entry(&network, &central, 0, images, &self.feed(), [0, 0])?;
            Ok(confidence_features(&table, classes)?)
        };
        // Each recipe once: a repeated one would be chosen for itself.
        let mut distinct = vec![];
        for (place, entry) in selected.iter().enumerate() {
            if selected[..place].iter().all(|e| e != entry) {
                distinct.push(place);
            }
        }
        let pool: Vec<f32> = distinct
            .iter()
            .map(|place| candidates.entry(selected[*place]))
            .collect::<Result<Vec<_>, _>>()?
            .concat();
        let labels: Vec<i64> = candidates.labels().iter().map(|l| i64::from(*l)).collect();
        let few = firetender_tta::Candidates::new(
            firetender_tta::PredictionKind::Probs,
            &pool,
            [distinct.len(), candidates.samples(), classes],
            &labels,
        )?;
        let losses = LossPredictor::fit(&few, &features(&self.data.validation.images)?, 1.0)?;
        let own: Vec<Vec<f32>> = distinct
            .iter()
            .map(|place| members[*place].clone())
            .collect();
        let test_features = features(&test.images)?;
        for passes in sizes.iter().copied().filter(|n| *n < distinct.len()) {
            let merged = losses.merge(&own, classes, &test_features, passes)?;
            rows.push(score("chosen by predicted loss", passes + 1, &merged)?);
        }
        // All recipes of the pool that have any weight.
        let optimum = mixture_optimum(candidates, 300, 1e-6)?;
        let mut order: Vec<usize> = (0..optimum.weights.len()).collect();
        order.sort_by(|a, b| {
            optimum.weights[*b]
                .total_cmp(&optimum.weights[*a])
                .then(a.cmp(b))
        });
        order.truncate(self.most());
        let weights: Vec<f64> = order.iter().map(|entry| optimum.weights[*entry]).collect();
        let total: f64 = weights.iter().sum();
        let best = self.prior()?.select(&order)?;
        let tables = Tta::new(&best).with_seed(self.seed()).members(
            &network,
            &test.images,
            order.len(),
            &self.feed(),
        )?;
        let mut mixed = vec![0.0_f64; tables[0].len()];
        for (table, weight) in tables.iter().zip(&weights) {
            for (sum, log) in mixed.iter_mut().zip(table) {
                *sum += weight / total * f64::from(*log).exp();
            }
        }
        let mixed: Vec<f32> = mixed
            .into_iter()
            .map(|p| p.max(1e-38).ln() as f32)
            .collect();
        rows.push(score("best mixture of the pool", order.len(), &mixed)?);
        Ok(rows)
    }
}
