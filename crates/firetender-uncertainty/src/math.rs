//! Log-sum-exp and log-softmax of one row, in `f64` on the host.
//!
//! Every probability of this crate goes through them, so that one that would underflow stays a finite logarithm.

/// `ln Σ exp(x)`, shifted by the largest value so that nothing overflows. −∞ for an empty row or one of −∞ alone; NaN if any
/// value is.
///
/// ```
/// use firetender_uncertainty::log_sum_exp;
/// assert!((log_sum_exp(&[1000.0, 1000.0]) - (1000.0 + 2f64.ln())).abs() < 1e-12);
/// ```
#[must_use]
pub fn log_sum_exp(row: &[f64]) -> f64 {
    let mut top = f64::NEG_INFINITY;
    for &x in row {
        if x.is_nan() {
            return f64::NAN;
        }
        top = top.max(x);
    }
    if top.is_infinite() {
        return top;
    }
    top + row.iter().map(|x| (x - top).exp()).sum::<f64>().ln()
}

/// Subtracts [`log_sum_exp`] from every value, which makes a row of logits (or of unnormalised log-probabilities) one of
/// log-probabilities. A row without any finite value becomes NaN.
///
/// ```
/// use firetender_uncertainty::log_softmax;
/// let mut row = [2.0, 2.0];
/// log_softmax(&mut row);
/// assert_eq!(row, [-(2f64.ln()); 2]);
/// ```
pub fn log_softmax(row: &mut [f64]) {
    // The shift comes first: `x − (top + ln s)` would lose digits where `top` is large.
    let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = row
        .iter_mut()
        .map(|x| {
            *x -= top;
            x.exp()
        })
        .sum();
    let log = sum.ln();
    row.iter_mut().for_each(|x| *x -= log);
}

/// −Σ p ln p of a row of log-probabilities, in nats; what cannot happen counts nothing.
pub(crate) fn entropy_of_logs(row: &[f64]) -> f64 {
    let possible = row.iter().filter(|l| **l > f64::NEG_INFINITY);
    possible.map(|l| -l.exp() * l).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_defined() {
        assert_eq!(log_sum_exp(&[]), f64::NEG_INFINITY);
        assert_eq!(log_sum_exp(&[f64::NEG_INFINITY; 2]), f64::NEG_INFINITY);
        assert_eq!(log_sum_exp(&[0.0, f64::INFINITY]), f64::INFINITY);
        assert!(log_sum_exp(&[0.0, f64::NAN]).is_nan());
        let mut row = [0.0, f64::NEG_INFINITY];
        log_softmax(&mut row);
        assert_eq!(row, [0.0, f64::NEG_INFINITY]);
    }

    #[test]
    fn a_constant_changes_nothing_however_large() {
        let row = [0.25, -1.5, 3.0];
        for shift in [1.0, 1e3, 1e6] {
            let mut moved = row.map(|x| x + shift);
            let mut plain = row;
            log_softmax(&mut moved);
            log_softmax(&mut plain);
            assert_eq!(moved, plain);
        }
    }
}
