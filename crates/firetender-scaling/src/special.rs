//! Distribution functions that p-values need: normal, Student's t, binomial.

use std::f64::consts::PI;

/// ln Γ(x) for x > 0 by Stirling's series after moving the argument above 10; absolute error below 1e-13 for the sizes met here.
pub(crate) fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut shift) = (x, 0.0);
    while x < 10.0 {
        shift -= x.ln();
        x += 1.0;
    }
    let inverse = 1.0 / x;
    let square = inverse * inverse;
    // Bernoulli numbers B_2n / (2n (2n − 1)).
    let series = inverse
        * (1.0 / 12.0
            - square
                * (1.0 / 360.0
                    - square
                        * (1.0 / 1260.0
                            - square
                                * (1.0 / 1680.0
                                    - square
                                        * (1.0 / 1188.0
                                            - square * (691.0 / 360_360.0 - square / 156.0))))));
    shift + (x - 0.5) * x.ln() - x + 0.5 * (2.0 * PI).ln() + series
}

/// The regularised incomplete beta function `I_x(a, b)`, by Lentz's continued fraction.
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(b, a, 1.0 - x);
    }
    let front =
        (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp() / a;
    let tiny = 1e-300;
    let guard = |value: f64| if value.abs() < tiny { tiny } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / guard(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for m in 1..500 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / guard(1.0 + even * d);
        c = guard(1.0 + even / c);
        fraction *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / guard(1.0 + odd * d);
        c = guard(1.0 + odd / c);
        let delta = d * c;
        fraction *= delta;
        if (delta - 1.0).abs() < 1e-16 {
            break;
        }
    }
    front * fraction
}

/// P(T > t) of Student's t with `df` degrees of freedom.
pub(crate) fn t_upper(t: f64, df: f64) -> f64 {
    if t.is_nan() {
        return f64::NAN;
    }
    if t.is_infinite() {
        return if t > 0.0 { 0.0 } else { 1.0 };
    }
    let tail = 0.5 * incomplete_beta(df / 2.0, 0.5, df / (df + t * t));
    if t >= 0.0 { tail } else { 1.0 - tail }
}

/// P(|T| ≥ |t|).
pub(crate) fn t_two_sided(t: f64, df: f64) -> f64 {
    (2.0 * t_upper(t.abs(), df)).min(1.0)
}

/// The t with P(T > t) = `upper`, for `upper` below one half, by bisection.
pub(crate) fn t_quantile(upper: f64, df: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while t_upper(high, df) > upper && high < 1e12 {
        high *= 2.0;
    }
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if t_upper(middle, df) > upper {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// P(Z > z) of the standard normal distribution.
pub(crate) fn normal_upper(z: f64) -> f64 {
    if z < 0.0 {
        return 1.0 - normal_upper(-z);
    }
    if z < 3.0 {
        // erf by its series: Σ (−1)^n x^(2n+1) / (n! (2n+1)) has cancellation; the form with 2^n / (2n+1)!! has none.
        let (mut term, mut sum, mut n) = (z, z, 0.0);
        while term > 1e-18 * sum {
            n += 1.0;
            term *= z * z / (2.0 * n + 1.0);
            sum += term;
        }
        return 0.5 - sum * (-0.5 * z * z).exp() / (2.0 * PI).sqrt();
    }
    if z > 38.0 {
        return 0.0;
    }
    // Laplace's continued fraction z + 1/(z + 2/(z + 3/…)), from the inside out.
    let mut fraction = z;
    for n in (1..120).rev() {
        fraction = z + f64::from(n) / fraction;
    }
    (-0.5 * z * z).exp() / ((2.0 * PI).sqrt() * fraction)
}

/// P(|Z| ≥ |z|).
pub(crate) fn normal_two_sided(z: f64) -> f64 {
    (2.0 * normal_upper(z.abs())).min(1.0)
}

/// The two-sided exact binomial test of `successes` in `trials` at one half.
pub(crate) fn binomial_half(successes: u64, trials: u64) -> f64 {
    if trials == 0 {
        return 1.0;
    }
    let fewer = successes.min(trials - successes);
    let n = trials as f64;
    let log = |k: u64| {
        let k = k as f64;
        ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0) - n * 2f64.ln()
    };
    let tail: f64 = (0..=fewer).rev().map(|k| log(k).exp()).sum();
    (2.0 * tail).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn known_values() {
        // scipy 1.17.1: gammaln, t.sf, norm.sf, binomtest.
        assert_relative_eq!(ln_gamma(0.5), 0.572_364_942_924_700_1, max_relative = 1e-13);
        assert_relative_eq!(ln_gamma(100.0), 359.134_205_369_575_4, max_relative = 1e-14);
        assert_relative_eq!(
            t_upper(2.0, 6.0),
            0.046_213_155_765_837_56,
            max_relative = 1e-12
        );
        assert_relative_eq!(
            t_upper(10.0, 60.0),
            1.068_842_957_337_042_3e-14,
            max_relative = 1e-10
        );
        assert_relative_eq!(
            normal_upper(1.0),
            0.158_655_253_931_457_05,
            max_relative = 1e-13
        );
        assert_relative_eq!(
            normal_upper(5.0),
            2.866_515_718_791_939e-7,
            max_relative = 1e-12
        );
        assert_relative_eq!(binomial_half(3, 10), 0.34375, max_relative = 1e-11);
        assert_relative_eq!(
            t_quantile(0.025, 5.0),
            2.570_581_835_636_314,
            max_relative = 1e-10
        );
    }

    #[test]
    fn tails_meet() {
        for z in [-3.5, -1.0, 0.0, 0.5, 2.999_999_99, 3.000_000_01] {
            assert_relative_eq!(
                normal_upper(z) + normal_upper(-z),
                1.0,
                max_relative = 1e-14
            );
        }
        assert_relative_eq!(
            normal_upper(2.999_999_999),
            normal_upper(3.0),
            max_relative = 1e-7
        );
        assert_relative_eq!(t_upper(0.0, 4.0), 0.5);
        assert_eq!(binomial_half(5, 10), 1.0);
    }
}
