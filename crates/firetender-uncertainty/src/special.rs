//! The few special functions that intervals need, in `f64`.

/// Φ, the distribution function of the standard normal, to 10⁻¹⁵.
pub(crate) fn normal_cdf(x: f64) -> f64 {
    if x < 0.0 {
        return 1.0 - normal_cdf(-x);
    }
    if x > 9.0 {
        return 1.0;
    }
    // Φ(x) = ½ + φ(x) (x + x³/3 + x⁵/15 + …), all terms positive.
    let (mut term, mut sum, mut n) = (x, x, 1.0);
    while term > sum * 1e-17 {
        n += 2.0;
        term *= x * x / n;
        sum += term;
    }
    0.5 + sum * (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

/// Its inverse, by bisection; ±9 at the ends.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    bisect(-9.0, 9.0, |x| normal_cdf(x) < p)
}

/// ln Γ(x) for x > 0: Stirling's series after a shift to 12 and above.
pub(crate) fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut shift) = (x, 0.0);
    while x < 12.0 {
        shift += x.ln();
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    let series = (1.0 / 12.0 - y * (1.0 / 360.0 - y * (1.0 / 1260.0 - y / 1680.0))) / x;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series - shift
}

/// Distribution function of Beta(a, b): the regularised incomplete beta function by its continued fraction (Lentz's method).
pub(crate) fn beta_cdf(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_cdf(b, a, 1.0 - x);
    }
    let front = a * x.ln() + b * (-x).ln_1p() + ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b);
    let floor = |v: f64| if v.abs() < 1e-300 { 1e-300 } else { v };
    let (mut c, mut d) = (1.0, 1.0 / floor(1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = d;
    for m in 1..10_000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / floor(1.0 + even * d);
        c = floor(1.0 + even / c);
        fraction *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / floor(1.0 + odd * d);
        c = floor(1.0 + odd / c);
        fraction *= d * c;
        if (d * c - 1.0).abs() < 1e-15 {
            break;
        }
    }
    front.exp() * fraction / a
}

/// Its inverse, by bisection.
pub(crate) fn beta_quantile(a: f64, b: f64, p: f64) -> f64 {
    bisect(0.0, 1.0, |x| beta_cdf(a, b, x) < p)
}

fn bisect(mut low: f64, mut high: f64, below: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..64 {
        let middle = (low + high) / 2.0;
        if below(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        close(normal_cdf(0.0), 0.5);
        close(normal_cdf(1.959963984540054), 0.975);
        close(normal_cdf(-3.090232306167813), 0.001);
        close(normal_quantile(0.975), 1.959963984540054);
        close(ln_gamma(5.0), 24f64.ln());
        close(ln_gamma(0.5), std::f64::consts::PI.sqrt().ln());
        close(beta_cdf(1.0, 1.0, 0.3), 0.3);
        // Beta(2, 3): 6x² − 8x³ + 3x⁴.
        close(
            beta_cdf(2.0, 3.0, 0.4),
            6.0 * 0.16 - 8.0 * 0.064 + 3.0 * 0.0256,
        );
        close(beta_quantile(2.0, 3.0, beta_cdf(2.0, 3.0, 0.7)), 0.7);
        // Symmetric: the median is a half, also for many objects.
        close(beta_quantile(5000.0, 5000.0, 0.5), 0.5);
    }
}
