//! The largest calibrated log-likelihood of one candidate, by Newton's method inside a bracket.

use std::cell::Cell;

use super::pass::Exact;

/// A maximum over β.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fit {
    pub(crate) beta: f64,
    pub(crate) value: f64,
    pub(crate) passes: usize,
    pub(crate) at_bound: bool,
    /// Whether some sample was below the floor on the way.
    pub(crate) deep: bool,
}

/// A step that promises less than this has nothing to find.
const ENOUGH: f64 = 1e-12;
/// A mean log-likelihood so close to zero is that of samples that are separated.
const PERFECT: f64 = 1e-8;
const MOST: usize = 100;

/// Maximises over β between the bounds, beginning at `start`. Without a floor the function is concave and this is its maximum; with
/// one it is concave where it matters, and the bracket on the slope's sign leads to a maximum near the start.
pub(crate) fn maximise(start: f64, [least, most]: [f64; 2], eval: impl Fn(f64) -> Exact) -> Fit {
    let (mut low, mut high) = (least, most);
    // Bounds that have been tried.
    let mut tried = [false; 2];
    let mut beta = start.clamp(least, most);
    let mut best = Fit {
        beta,
        value: f64::NEG_INFINITY,
        passes: 0,
        at_bound: false,
        deep: false,
    };
    for passes in 1..=MOST {
        let Exact {
            value,
            slope,
            curvature,
            ..
        } = eval(beta);
        if value > best.value {
            best = Fit {
                beta,
                value,
                ..best
            };
        }
        best.passes = passes;
        if slope == 0.0 {
            break;
        }
        let out = if slope > 0.0 {
            beta >= most
        } else {
            beta <= least
        };
        if out {
            best.at_bound = true;
            break;
        }
        tried[0] |= beta == least;
        tried[1] |= beta == most;
        if slope > 0.0 {
            low = beta;
        } else {
            high = beta;
        }
        let step = slope / curvature;
        let newton = beta + step;
        if curvature > 0.0 && (slope * step).abs() < 2.0 * ENOUGH {
            if slope > 0.0 && value > -PERFECT {
                // Every sample is right: the larger β, the better, and only the bound ends it.
                let Exact { value, .. } = eval(most);
                return Fit {
                    beta: most,
                    value,
                    passes: passes + 1,
                    at_bound: true,
                    deep: false,
                };
            }
            // Nothing is left to gain, but the last digits of β are free.
            best.beta = newton.clamp(least, most);
            break;
        }
        let inside = curvature > 0.0 && newton > low && newton < high;
        beta = if inside {
            newton.clamp(beta / 4.0, beta * 4.0)
        } else {
            (low * high).sqrt()
        };
        // A bound is tried itself before it is reported.
        if !tried[1] && high == most && beta > 0.9 * most {
            beta = most;
        } else if !tried[0] && low == least && beta < 1.1 * least {
            beta = least;
        }
        if high / low - 1.0 < 1e-14 {
            break;
        }
    }
    best
}

/// A floor so low that it hides nothing, but keeps an impossible truth from making the sum infinite.
const DEEPEST: f64 = 1e-300;

/// As [`maximise`], where a floor may have made a second hill: samples that are wrong beyond the floor pull at nothing, and from there the way up may lead
/// to a β at which the rest is sharpest. If any sample was so deep on the way, the maximum without the floor, which is the only one there, is found too and
/// climbed from; the higher of the two counts. `eval` takes β and the floor.
pub(crate) fn highest(
    start: f64,
    bounds: [f64; 2],
    floor: f64,
    eval: impl Fn(f64, f64) -> Exact,
) -> Fit {
    let deep = Cell::new(false);
    let first = maximise(start, bounds, |beta| {
        let found = eval(beta, floor);
        deep.set(deep.get() || found.deep);
        found
    });
    if floor <= DEEPEST || !deep.get() {
        return first;
    }
    let plain = maximise(start.min(1.0), bounds, |beta| eval(beta, DEEPEST));
    let second = maximise(plain.beta, bounds, |beta| eval(beta, floor));
    let passes = first.passes + plain.passes + second.passes;
    let best = if second.value > first.value {
        second
    } else {
        first
    };
    Fit {
        passes,
        deep: true,
        ..best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parabola_in_the_logarithm() {
        // φ = −1 − (ln β − ln 3)².
        let eval = |b: f64| {
            let d = b.ln() - 3.0_f64.ln();
            Exact {
                value: -1.0 - d * d,
                slope: -2.0 * d / b,
                curvature: (2.0 - 2.0 * d) / (b * b),
                deep: false,
            }
        };
        for start in [0.02, 0.5, 1.0, 2.9, 50.0] {
            let fit = maximise(start, [1e-2, 1e2], eval);
            assert!(
                (fit.beta - 3.0).abs() < 1e-6 && !fit.at_bound,
                "{start}: {fit:?}"
            );
        }
    }

    #[test]
    fn a_maximum_beside_a_bound_is_found() {
        for best in [0.0105, 97.0] {
            let eval = |b: f64| Exact {
                value: -1.0 - (b - best) * (b - best),
                slope: -2.0 * (b - best),
                curvature: 2.0,
                deep: false,
            };
            let fit = maximise(1.0, [1e-2, 1e2], eval);
            assert!((fit.beta - best).abs() < 1e-6, "{fit:?}");
        }
    }

    #[test]
    fn bounds_are_reached_and_said() {
        let up = maximise(1.0, [1e-2, 1e2], |b| Exact {
            value: b,
            slope: 1.0,
            curvature: 0.0,
            deep: false,
        });
        assert_eq!((up.beta, up.value, up.at_bound), (1e2, 1e2, true));
        let down = maximise(1.0, [1e-2, 1e2], |b| Exact {
            value: -b,
            slope: -1.0,
            curvature: 0.0,
            deep: false,
        });
        assert_eq!((down.beta, down.at_bound), (1e-2, true));
    }
}
