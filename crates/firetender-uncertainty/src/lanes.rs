//! Eight rows at a time: the exponentials and logarithms that temperature fits, ensemble sweeps and policy searches spend their time on.
//!
//! Public for the other crates of the workspace, which lay their numbers out in the same way; most users need none of it.
//!
//! Rows are laid side by side, `[tile, class, lane]`, so that every sum over classes is one addition of eight lanes and the order of
//! additions within a row is that of the classes. Loops over lanes become whatever vector instructions the processor has
//! (`macerator` dispatches safely). A processor without fused multiply-add differs in the last digit.

use macerator::{AutoArch, Simd, WithSimd};

/// Rows in a tile.
pub const LANES: usize = 8;

/// One number a row of a tile.
pub type Lane = [f64; LANES];

/// Runs a closure compiled for the processor at hand. What it calls has to be `#[inline(always)]`.
///
/// ```
/// use firetender_uncertainty::lanes::vectorised;
/// assert_eq!(vectorised(#[inline(always)] || [1.0, 2.0].iter().sum::<f64>()), 3.0);
/// ```
pub fn vectorised<T>(work: impl FnOnce() -> T) -> T {
    struct Work<F>(F);
    impl<T, F: FnOnce() -> T> WithSimd for Work<F> {
        type Output = T;
        #[inline(always)]
        fn with_simd<S: Simd>(self) -> T {
            (self.0)()
        }
    }
    AutoArch::new().dispatch(Work(work))
}

/// Whether the processor has a fused multiply-add. Code that uses it is compiled twice: without it, `mul_add` would be a call.
#[must_use]
pub fn fused() -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    return std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma");
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
    cfg!(target_arch = "aarch64")
}

/// Below this, an exponential is zero: the smallest normal number is exp(−708.4).
const LOWEST: f64 = -708.0;
/// 1.5 · 2⁵²: adding it rounds to an integer, which then sits in the low bits.
const ROUND: f64 = 6_755_399_441_055_744.0;
/// ln 2 in two parts; the upper has 21 trailing zeros, so that a small integer times it is exact.
const LN2_HI: f64 = 6.931_471_803_691_238e-1;
const LN2_LO: f64 = 1.908_214_929_270_587_7e-10;

/// `a b + c`, rounded once if `FUSED`.
#[inline(always)]
fn madd<const FUSED: bool>(a: f64, b: f64, c: f64) -> f64 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// exp(x) for x ≤ 709, within two units in the last place; exactly 0 below −708 (and for −∞), exactly 1 at 0. NaN is not handled.
///
/// Cody and Waite's reduction to |r| ≤ ln 2 / 2 and the Taylor polynomial of degree 13, whose remainder there is 4e-18.
#[inline(always)]
#[must_use]
pub fn exp<const FUSED: bool>(x: f64) -> f64 {
    let clamped = if x > LOWEST { x } else { LOWEST };
    let shifted = madd::<FUSED>(clamped, std::f64::consts::LOG2_E, ROUND);
    let k = shifted - ROUND;
    let r = madd::<FUSED>(-k, LN2_LO, madd::<FUSED>(-k, LN2_HI, clamped));
    // 1 + r + r² (1/2 + r/6 + …), even and odd parts apart: two short chains instead of a long one.
    let s = r * r;
    let even = madd::<FUSED>(1.0 / 479_001_600.0, s, 1.0 / 3_628_800.0);
    let even = madd::<FUSED>(even, s, 1.0 / 40_320.0);
    let even = madd::<FUSED>(even, s, 1.0 / 720.0);
    let even = madd::<FUSED>(even, s, 1.0 / 24.0);
    let even = madd::<FUSED>(even, s, 0.5);
    let odd = madd::<FUSED>(1.0 / 6_227_020_800.0, s, 1.0 / 39_916_800.0);
    let odd = madd::<FUSED>(odd, s, 1.0 / 362_880.0);
    let odd = madd::<FUSED>(odd, s, 1.0 / 5_040.0);
    let odd = madd::<FUSED>(odd, s, 1.0 / 120.0);
    let odd = madd::<FUSED>(odd, s, 1.0 / 6.0);
    let p = 1.0 + madd::<FUSED>(s, madd::<FUSED>(r, odd, even), r);
    // The integer in the low bits becomes the exponent.
    let scale = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
    let value = p * scale;
    if x > LOWEST { value } else { 0.0 }
}

/// Below this, [`exp_single`] is zero.
pub const LOWEST_SINGLE: f32 = -87.0;

/// exp(x) in `f32`, for x ≤ 88: within 2e-7 relative, 0 below −87. For scores that have no more digits than that.
#[inline(always)]
#[must_use]
pub fn exp_single<const FUSED: bool>(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0;
    let madd = |a: f32, b: f32, c: f32| if FUSED { a.mul_add(b, c) } else { a * b + c };
    let clamped = if x > LOWEST_SINGLE { x } else { LOWEST_SINGLE };
    let shifted = madd(clamped, std::f32::consts::LOG2_E, ROUND);
    let k = shifted - ROUND;
    // ln 2 in two parts, the upper with nine trailing zeros.
    let r = madd(-k, -2.121_944_4e-4, madd(-k, 0.693_359_4, clamped));
    let p = madd(1.0 / 5040.0, r, 1.0 / 720.0);
    let p = madd(p, r, 1.0 / 120.0);
    let p = madd(p, r, 1.0 / 24.0);
    let p = madd(p, r, 1.0 / 6.0);
    let p = madd(p, r, 0.5);
    let p = madd(p, r * r, r) + 1.0;
    let scale = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    let value = p * scale;
    if x > LOWEST_SINGLE { value } else { 0.0 }
}

/// ln of a positive normal number to a few units in the last place; something finite for 0.
///
/// The series of 2 artanh s with s = (m − 1) / (m + 1), |s| ≤ 0.172, for a mantissa m between √½ and √2.
#[inline(always)]
#[must_use]
pub fn ln(x: f64) -> f64 {
    const ROOT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    const TWO_52: u64 = 0x4330_0000_0000_0000;
    let bits = x.to_bits();
    // x = m · 2^k with √½ ≤ m < √2; k + 1023 becomes a float by its bits.
    let raised = bits.wrapping_sub(ROOT_HALF).wrapping_add(1023 << 52) >> 52;
    let k = f64::from_bits(TWO_52 | raised) - (4_503_599_627_370_496.0 + 1023.0);
    let m = f64::from_bits(bits.wrapping_sub(raised << 52).wrapping_add(1023 << 52));
    // ln m = 2 artanh s = 2 s (1 + s²/3 + s⁴/5 + …), |s| ≤ 0.172.
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let mut series = 1.0 / 23.0;
    series = series * z + 1.0 / 21.0;
    series = series * z + 1.0 / 19.0;
    series = series * z + 1.0 / 17.0;
    series = series * z + 1.0 / 15.0;
    series = series * z + 1.0 / 13.0;
    series = series * z + 1.0 / 11.0;
    series = series * z + 1.0 / 9.0;
    series = series * z + 1.0 / 7.0;
    series = series * z + 1.0 / 5.0;
    series = series * z + 1.0 / 3.0;
    let twice = 2.0 * s;
    k * LN2_HI + (twice + (twice * z * series + k * LN2_LO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_right_to_two_units_in_the_last_place() {
        let (mut worst, mut single) = (0.0_f64, 0.0_f64);
        for i in 0..200_000 {
            let x = -707.9 * f64::from(i) / 200_000.0;
            for found in [exp::<false>(x), exp::<true>(x)] {
                worst = worst.max((found - x.exp()).abs() / (x.exp() * f64::EPSILON));
            }
            let x = (x * 0.12) as f32;
            for found in [exp_single::<false>(x), exp_single::<true>(x)] {
                single = single.max((f64::from(found) / f64::from(x).exp() - 1.0).abs());
            }
        }
        assert!(worst <= 2.0, "{worst}");
        assert!(single <= 2e-7, "{single}");
        for found in [exp::<true>, exp::<false>] {
            assert_eq!(found(0.0), 1.0);
            assert_eq!((found(f64::NEG_INFINITY), found(-800.0)), (0.0, 0.0));
            assert!((found(5.0) / 5_f64.exp() - 1.0).abs() < 1e-15);
        }
        assert_eq!(exp_single::<true>(0.0), 1.0);
        assert_eq!(exp_single::<true>(f32::NEG_INFINITY), 0.0);
    }

    #[test]
    fn vector_instructions_give_the_same_bits_as_single_ones() {
        let x: Vec<f64> = (0..1000).map(|i| -0.1 * f64::from(i)).collect();
        let plain: Vec<f64> = x.iter().map(|x| exp::<true>(*x)).collect();
        let fast = vectorised(
            #[inline(always)]
            || x.iter().map(|x| exp::<true>(*x)).collect::<Vec<f64>>(),
        );
        assert_eq!(plain, fast);
    }

    #[test]
    fn logarithms_are_right() {
        let mut x = 1e-300_f64;
        while x < 1e300 {
            let gap = (ln(x) - x.ln()).abs();
            assert!(
                gap <= 4.0 * f64::EPSILON * x.ln().abs().max(1e-3),
                "{x:e}: {gap:e}"
            );
            x *= 1.0173;
        }
        for x in [1.0, 1.0f64.next_up(), 1.0f64.next_down(), 0.999, 1.001] {
            assert!((ln(x) - x.ln()).abs() <= 1e-16 + 4e-16 * x.ln().abs());
        }
        assert_eq!(ln(1.0), 0.0);
        assert!((0.0 * ln(0.0)).abs() == 0.0 && ln(f64::from_bits(3)).is_finite());
    }
}
