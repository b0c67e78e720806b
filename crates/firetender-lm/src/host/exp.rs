//! The exponential function, in a form that vectorises.
//!
//! The system's `expf` is called for one value at a time. This is the usual reduction to `2ⁿ eʳ` with `|r| ≤ ln 2 / 2` and a
//! polynomial of degree 7 for `eʳ` (the coefficients of the Cephes library's `expf`, Moshier 1992), without branches. The work between
//! the ends is done in `f64`, so that the result is within 7e-8 of the function, half a unit in the last place.

/// `eˣ`; below e⁻⁸⁷ and above e⁸⁸ it stays at that value. NaN stays NaN.
#[inline(always)]
pub(super) fn exp(x: f64) -> f32 {
    // Adding and taking away 1.5 · 2⁵² rounds to an integer, which then stands in the low bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    // Comparisons, since `max` and `min` would turn NaN into a number.
    let x = if x < -87.0 { -87.0 } else { x };
    let x = if x > 88.0 { 88.0 } else { x };
    let shifted = x * std::f64::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * std::f64::consts::LN_2;
    let p = 1.987_569_15e-4;
    let p = p * r + 1.398_199_950_7e-3;
    let p = p * r + 8.333_451_907_3e-3;
    let p = p * r + 4.166_579_589_4e-2;
    let p = p * r + 1.666_666_545_9e-1;
    let p = p * r + 5.000_000_120_1e-1;
    let p = p * r * r + r + 1.0;
    let power = shifted
        .to_bits()
        .wrapping_sub(ROUND.to_bits())
        .wrapping_add(1023)
        << 52;
    (p * f64::from_bits(power)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_exponential_function() {
        let mut worst = 0.0_f64;
        for step in -870_000..880_000 {
            let x = step as f32 * 1e-4;
            let expected = f64::from(x).exp();
            worst = worst.max((f64::from(exp(f64::from(x))) / expected - 1.0).abs());
        }
        assert!(worst < 7e-8, "{worst:e}");
    }

    #[test]
    fn ends_are_finite_and_nan_is_kept() {
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f64::NEG_INFINITY) < 2e-38 && exp(f64::NEG_INFINITY) > 0.0);
        assert!(exp(f64::INFINITY) > 1e38 && exp(f64::INFINITY).is_finite());
        assert!(exp(f64::NAN).is_nan());
    }
}
