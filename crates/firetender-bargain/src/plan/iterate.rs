//! Value iteration, as all planners with a discount do it.

use rayon::prelude::*;

use crate::markov::Model;

/// Sweeps over all states until none changes by more than `end`, or `most` times: `step` gives a state's next value from what each outcome is worth,
/// its rewards weighed and `gamma` times the value after it. The values of the states come back.
pub(super) fn iterate(
    model: &Model,
    weights: [f64; 2],
    gamma: f64,
    mut values: Vec<f64>,
    (end, most): (f64, usize),
    step: impl Fn(&[f64], usize) -> f64 + Sync,
) -> Vec<f64> {
    let mut worth = vec![];
    for _ in 0..most {
        model.worth(weights, gamma, &mut values, &mut worth);
        let next: Vec<f64> = (0..model.states())
            .into_par_iter()
            .with_min_len(512)
            .map(|state| step(&worth, state))
            .collect();
        let changes = next.iter().zip(&values).map(|(a, b)| (a - b).abs());
        let change = changes.fold(0.0, f64::max);
        values = next;
        if change <= end.max(rounding(values.iter().copied())) {
            break;
        }
    }
    values
}

/// Changes of values of this size are rounding: near a discount of 1 values are large, and no sweep brings them nearer than this.
pub(super) fn rounding(values: impl Iterator<Item = f64>) -> f64 {
    4.0 * f64::EPSILON * values.fold(0.0_f64, |most, v| most.max(v.abs()))
}
