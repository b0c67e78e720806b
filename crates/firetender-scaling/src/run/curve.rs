//! Evaluations of several models as one curve.

use super::{Evaluation, ExampleResult};
use crate::{Curve, Point, Scale, ScalingError, mean, table::lower_is_better};

/// Puts evaluations of several models together to a curve with scores of examples: `models` gives name and scale of each. `companion` names a continuous score that has to agree
/// before a trend is called inverse.
///
/// # Errors
/// [`ScalingError::Incomparable`] when the models have different tasks or policies, or an example has such a score under some of them only.
pub fn curve_of(
    models: &[(String, f64)],
    evaluations: &[Evaluation],
    axis: &Scale,
    metric: &str,
    companion: Option<&str>,
) -> Result<Curve, ScalingError> {
    let task = evaluations.first().map_or("", |e| e.task.as_str());
    let incomparable = |what: String| ScalingError::Incomparable {
        task: task.into(),
        what,
    };
    if models.len() != evaluations.len() {
        return Err(ScalingError::Length {
            what: "names of models".into(),
            found: models.len(),
            expected: evaluations.len(),
        });
    }
    let mut order: Vec<usize> = (0..models.len()).collect();
    order.sort_by(|a, b| models[*a].1.total_cmp(&models[*b].1));
    let mut columns = vec![];
    let mut points = vec![];
    for &index in &order {
        let (name, scale) = &models[index];
        let evaluation = &evaluations[index];
        let first = &evaluations[order[0]];
        if (&evaluation.sha256, &evaluation.origin, evaluation.policy)
            != (&first.sha256, &first.origin, first.policy)
        {
            return Err(incomparable(format!(
                "{name} was evaluated on other examples or by other policies than {}",
                models[order[0]].0
            )));
        }
        let all = |evaluation: &Evaluation| -> Vec<Option<f64>> {
            let of = |result: &ExampleResult| result.scores.as_ref().and_then(|s| s.get(metric));
            evaluation.results.iter().map(of).collect()
        };
        let (scores, firsts) = (all(evaluation), all(first));
        // Examples that no model could be asked (too long for all) are left out; any other gap makes means incomparable.
        if let Some(at) = (0..scores.len()).find(|i| scores[*i].is_some() != firsts[*i].is_some()) {
            return Err(incomparable(format!(
                "{name} and {} have {metric} of different examples (the first is {at}); means over different examples are not comparable",
                models[order[0]].0
            )));
        }
        let values: Vec<f64> = scores.into_iter().flatten().collect();
        let Some(mean) = mean(&values, 1) else {
            return Err(incomparable("no examples".into()));
        };
        points.push(Point {
            model: name.clone(),
            scale: *scale,
            n: Some(values.len() as u64),
            value: mean.mean,
            stderr: mean.stderr,
        });
        columns.push(values);
    }
    let n = columns.first().map_or(0, Vec::len);
    let examples = (0..n)
        .map(|i| columns.iter().map(|c| c[i]).collect())
        .collect();
    let companion = companion
        .map(|name| curve_of(models, evaluations, axis, name, None).map(Box::new))
        .transpose()?;
    Ok(Curve {
        task: task.into(),
        family: String::new(),
        metric: metric.into(),
        lower_is_better: lower_is_better(metric),
        axis: axis.clone(),
        points,
        examples: Some(examples),
        companion,
    })
}
