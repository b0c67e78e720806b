//! One pass over a candidate: value, slope and curvature of the calibrated log-likelihood at one β.
//!
//! Probabilities lie in tiles of sixteen samples, `[tile, class, lane]`, with the true class in the first place, so that the loops over
//! lanes become vector instructions and no sample has to look for its label. With `l = ln Q` and `Q = (S + P) / t`,
//! `LL(β) = mean[β l_y − ln Σ exp(β l)]`, its slope is `mean[l_y − E l]` and its negative curvature `mean[Var l]`, expectations under softmax(β l).
//! All of it from one logarithm and one exponential an element.

use firetender_uncertainty::lanes;

/// Samples in a tile.
pub(crate) const TILE: usize = 16;
const HALF: usize = 8;

pub(crate) type Tile32 = [f32; TILE];
pub(crate) type Tile64 = [f64; TILE];

/// What stands at q = 0 for its logarithm: exp(β l) is zero for every β that is tried, 0 · l is not NaN, and its square is finite.
const NOTHING: f64 = -1e150;

/// What a pass in `f32` found; logarithms to base 2.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rough {
    /// Mean log2-likelihood, without floor.
    pub(crate) value: f64,
    /// Slope by β.
    pub(crate) slope: f64,
    /// Negative second derivative by β, divided by ln 2: the mean variance of l.
    pub(crate) variance: f64,
    /// The least logarithm of all.
    pub(crate) least: f64,
    /// What the floor adds, in nats: at this β, and at most within two distances of it ([`NEAR`]).
    pub(crate) floor: [f64; 3],
}

/// Distances from β, relative, within which [`Rough::floor`]'s second and third number hold.
pub(crate) const NEAR: [f64; 2] = [0.003, 0.03];

/// log2 of a positive normal number, to 3e-8 and what `f32` rounds.
#[inline(always)]
fn log2<const FUSED: bool>(x: f32) -> f32 {
    const ROOT_HALF: u32 = 0x3f35_04f3;
    let madd = |a: f32, b: f32, c: f32| if FUSED { a.mul_add(b, c) } else { a * b + c };
    let bits = x.to_bits();
    let k = (bits.wrapping_sub(ROOT_HALF) as i32) >> 23;
    let z = f32::from_bits(bits.wrapping_sub((k as u32) << 23)) - 1.0;
    // log2(1 + z) / z, near-minimax of degree 8 between √½ and √2.
    let p = madd(0.129_264_2, z, -0.208_933_77);
    let p = madd(p, z, 0.215_212_27);
    let p = madd(p, z, -0.238_675_68);
    let p = madd(p, z, 0.287_939_1);
    let p = madd(p, z, -0.360_716_25);
    let p = madd(p, z, 0.480_910_27);
    let p = madd(p, z, -0.721_347_2);
    let p = madd(p, z, std::f32::consts::LOG2_E);
    madd(p, z, k as f32)
}

/// 2^x for x ≤ 100, to 5e-8 relative and what `f32` rounds; below −126 as at −126.
#[inline(always)]
fn exp2<const FUSED: bool>(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0;
    let madd = |a: f32, b: f32, c: f32| if FUSED { a.mul_add(b, c) } else { a * b + c };
    let x = if x > -126.0 { x } else { -126.0 };
    let shifted = x + ROUND;
    let r = x - (shifted - ROUND);
    let p = madd(1.547_802_2e-4, r, 1.340_043_1e-3);
    let p = madd(p, r, 9.617_995e-3);
    let p = madd(p, r, 5.550_327e-2);
    let p = madd(p, r, 0.240_226_52);
    let p = madd(p, r, std::f32::consts::LN_2);
    let p = madd(p, r, 1.0);
    p * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

/// One pass in `f32`: `entry` and `sum` are tiles, `weights` one number a sample that sum to `total`.
pub(crate) fn rough(
    entry: &[Tile32],
    sum: &[Tile32],
    weights: &[Tile64],
    inverse: f32,
    beta: f32,
    floor: f64,
) -> Rough {
    let classes = entry.len() / weights.len();
    if lanes::fused() {
        lanes::vectorised(
            #[inline(always)]
            || rough_of::<true>(entry, sum, weights, classes, inverse, beta, floor),
        )
    } else {
        lanes::vectorised(
            #[inline(always)]
            || rough_of::<false>(entry, sum, weights, classes, inverse, beta, floor),
        )
    }
}

#[inline(always)]
fn rough_of<const FUSED: bool>(
    entry: &[Tile32],
    sum: &[Tile32],
    weights: &[Tile64],
    classes: usize,
    inverse: f32,
    beta: f32,
    floor: f64,
) -> Rough {
    let mut value = [0.0_f64; TILE];
    let mut slope = [0.0_f64; TILE];
    let mut variance = [0.0_f64; TILE];
    let mut least = [0.0_f32; TILE];
    let mut extra = [0.0_f64; 3];
    let tiles = entry.chunks_exact(classes).zip(sum.chunks_exact(classes));
    for ((entry, sum), weight) in tiles.zip(weights) {
        let mut first = [0.0_f32; TILE];
        let (mut z, mut zl, mut zll) = ([0.0_f32; TILE], [0.0_f32; TILE], [0.0_f32; TILE]);
        for (class, (p, s)) in entry.iter().zip(sum).enumerate() {
            let mut l = [0.0_f32; TILE];
            for i in 0..TILE {
                let q = (s[i] + p[i]) * inverse;
                let q = if q > f32::MIN_POSITIVE {
                    q
                } else {
                    f32::MIN_POSITIVE
                };
                l[i] = log2::<FUSED>(q);
                let e = exp2::<FUSED>(beta * l[i]);
                let el = e * l[i];
                z[i] += e;
                zl[i] += el;
                zll[i] += el * l[i];
                least[i] = if l[i] < least[i] { l[i] } else { least[i] };
            }
            if class == 0 {
                first = l;
            }
        }
        // Separate loops, without anything that runs across lanes: all of them become vector instructions.
        let mut own = [0.0_f32; TILE];
        for i in 0..TILE {
            own[i] = beta * first[i] - log2::<FUSED>(z[i]);
        }
        for i in 0..TILE {
            value[i] += weight[i] * f64::from(own[i]);
        }
        for i in 0..TILE {
            let inverse = 1.0 / z[i];
            let mean = zl[i] * inverse;
            slope[i] += weight[i] * f64::from(first[i] - mean);
            variance[i] += weight[i] * f64::from(zll[i] * inverse - mean * mean);
        }
        let mut deep = 0_u32;
        for x in &own {
            deep |= u32::from(*x < -20.0);
        }
        // The floor matters only where the true class has nearly nothing: 2^-20 and 1e-12 differ by 1e-6.
        if floor > 0.0 && deep != 0 {
            for i in 0..TILE {
                if own[i] < -20.0 && weight[i] > 0.0 {
                    let deep = f64::from(own[i]);
                    extra[0] += weight[i] * (floor * (-deep).exp2()).ln_1p();
                    for (extra, near) in extra[1..].iter_mut().zip(NEAR) {
                        // Within the distance the logarithm changes by at most the range of l times it.
                        let lower = deep + f64::from(beta) * near * f64::from(least[i]);
                        *extra += weight[i] * (floor * (-lower).exp2()).ln_1p();
                    }
                }
            }
        }
    }
    let total: f64 = weights.iter().flatten().sum();
    let mean = |lanes: &Tile64| lanes.iter().sum::<f64>() / total;
    Rough {
        value: mean(&value),
        slope: mean(&slope),
        variance: mean(&variance).max(0.0),
        least: f64::from(least.iter().copied().fold(0.0_f32, f32::min)),
        floor: extra.map(|e| e / total),
    }
}

/// What a pass in `f64` found; natural logarithms, with the floor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Exact {
    pub(crate) value: f64,
    pub(crate) slope: f64,
    /// Negative second derivative.
    pub(crate) curvature: f64,
    /// Whether some sample's likelihood is below the floor, so that the function need not be concave.
    pub(crate) deep: bool,
}

/// One pass in `f64` over `Q = (sum + entry) / t`.
pub(crate) fn exact(
    entry: &[Tile32],
    sum: &[Tile64],
    weights: &[Tile64],
    inverse: f64,
    beta: f64,
    floor: f64,
) -> Exact {
    let classes = entry.len() / weights.len();
    if lanes::fused() {
        lanes::vectorised(
            #[inline(always)]
            || exact_of::<true>(entry, sum, weights, classes, inverse, beta, floor, None),
        )
    } else {
        lanes::vectorised(
            #[inline(always)]
            || exact_of::<false>(entry, sum, weights, classes, inverse, beta, floor, None),
        )
    }
}

/// Log-likelihood of every sample, `[tile][lane]`, in order.
pub(crate) fn exact_samples(
    entry: &[Tile32],
    sum: &[Tile64],
    weights: &[Tile64],
    inverse: f64,
    beta: f64,
    floor: f64,
) -> Vec<f64> {
    let classes = entry.len() / weights.len();
    let mut out = Vec::with_capacity(weights.len() * TILE);
    lanes::vectorised(
        #[inline(always)]
        || {
            exact_of::<false>(
                entry,
                sum,
                weights,
                classes,
                inverse,
                beta,
                floor,
                Some(&mut out),
            )
        },
    );
    out
}

#[inline(always)]
#[expect(
    clippy::too_many_arguments,
    reason = "one loop, called from three places"
)]
fn exact_of<const FUSED: bool>(
    entry: &[Tile32],
    sum: &[Tile64],
    weights: &[Tile64],
    classes: usize,
    inverse: f64,
    beta: f64,
    floor: f64,
    mut samples: Option<&mut Vec<f64>>,
) -> Exact {
    let mut value = [0.0_f64; HALF];
    let mut slope = [0.0_f64; HALF];
    let mut curvature = [0.0_f64; HALF];
    let mut least = [1.0_f64; HALF];
    let mut logs = vec![[0.0_f64; HALF]; classes];
    let tiles = entry.chunks_exact(classes).zip(sum.chunks_exact(classes));
    for ((entry, sum), weight) in tiles.zip(weights) {
        for half in 0..TILE / HALF {
            let mut top = [f64::NEG_INFINITY; HALF];
            for ((p, s), log) in entry.iter().zip(sum).zip(&mut logs) {
                let (p, s) = (
                    &p.as_chunks::<HALF>().0[half],
                    &s.as_chunks::<HALF>().0[half],
                );
                let mut q = [0.0_f64; HALF];
                let mut l = [0.0_f64; HALF];
                for i in 0..HALF {
                    q[i] = (s[i] + f64::from(p[i])) * inverse;
                }
                for i in 0..HALF {
                    l[i] = lanes::ln(q[i]);
                }
                for i in 0..HALF {
                    l[i] = if q[i] > 0.0 { l[i] } else { NOTHING };
                    top[i] = if l[i] > top[i] { l[i] } else { top[i] };
                }
                *log = l;
            }
            let (mut z, mut zl, mut zll) = ([0.0_f64; HALF], [0.0_f64; HALF], [0.0_f64; HALF]);
            for log in &logs {
                for i in 0..HALF {
                    let d = log[i] - top[i];
                    let e = lanes::exp::<FUSED>(beta * d);
                    let ed = e * d;
                    z[i] += e;
                    zl[i] += ed;
                    zll[i] += ed * d;
                }
            }
            let first = logs[0];
            let weight = &weight.as_chunks::<HALF>().0[half];
            let (mut own, mut ll, mut share) = ([0.0_f64; HALF], [0.0_f64; HALF], [1.0_f64; HALF]);
            for i in 0..HALF {
                own[i] = beta * (first[i] - top[i]) - lanes::ln(z[i]);
            }
            if floor > 0.0 {
                for i in 0..HALF {
                    let q = lanes::exp::<FUSED>(own[i]);
                    ll[i] = lanes::ln(q + floor);
                    share[i] = q / (q + floor);
                }
                for i in 0..HALF {
                    let share = if weight[i] > 0.0 { share[i] } else { 1.0 };
                    least[i] = if share < least[i] { share } else { least[i] };
                }
            } else {
                ll = own;
            }
            for i in 0..HALF {
                let mean = zl[i] / z[i];
                let gap = first[i] - top[i] - mean;
                let spread = zll[i] / z[i] - mean * mean;
                value[i] += weight[i] * ll[i];
                slope[i] += weight[i] * share[i] * gap;
                curvature[i] +=
                    weight[i] * (share[i] * spread - share[i] * (1.0 - share[i]) * gap * gap);
            }
            if let Some(samples) = samples.as_deref_mut() {
                samples.extend(ll);
            }
        }
    }
    let total: f64 = weights.iter().flatten().sum();
    let mean = |lanes: &[f64; HALF]| lanes.iter().sum::<f64>() / total;
    Exact {
        value: mean(&value),
        slope: mean(&slope),
        curvature: mean(&curvature),
        deep: least.iter().any(|share| *share < 0.5),
    }
}

/// Share of right answers of `Q` (the factor does not matter); of equal probabilities the class with the lower number is the answer.
pub(crate) fn accuracy(
    entry: &[Tile32],
    sum: &[Tile64],
    weights: &[Tile64],
    labels: &[u32],
) -> f64 {
    let classes = entry.len() / weights.len();
    let mut right = 0.0;
    let tiles = entry.chunks_exact(classes).zip(sum.chunks_exact(classes));
    for (tile, ((entry, sum), weight)) in tiles.zip(weights).enumerate() {
        for lane in 0..TILE {
            let Some(label) = labels.get(tile * TILE + lane) else {
                break;
            };
            let label = *label as usize;
            let q = |place: usize| sum[place][lane] + f64::from(entry[place][lane]);
            let own = q(0);
            let beaten = (1..classes).any(|place| {
                // Class 0 and the true class have changed places.
                let class = if place == label { 0 } else { place };
                q(place) > own || (q(place) == own && class < label)
            });
            right += if beaten { 0.0 } else { weight[lane] };
        }
    }
    right / weights.iter().flatten().sum::<f64>()
}

/// Negative Brier score of `Q`: −mean Σ (q − 1[class is true])², between −2 and 0.
pub(crate) fn brier(entry: &[Tile32], sum: &[Tile64], weights: &[Tile64], inverse: f64) -> f64 {
    let classes = entry.len() / weights.len();
    let mut total = [0.0_f64; TILE];
    let tiles = entry.chunks_exact(classes).zip(sum.chunks_exact(classes));
    for ((entry, sum), weight) in tiles.zip(weights) {
        let mut squares = [0.0_f64; TILE];
        for (place, (p, s)) in entry.iter().zip(sum).enumerate() {
            let own = if place == 0 { 1.0 } else { 0.0 };
            for i in 0..TILE {
                let d = (s[i] + f64::from(p[i])) * inverse - own;
                squares[i] += d * d;
            }
        }
        for i in 0..TILE {
            total[i] += weight[i] * squares[i];
        }
    }
    -total.iter().sum::<f64>() / weights.iter().flatten().sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_and_powers_are_as_good_as_f32_is() {
        let (mut worst_log, mut worst_exp) = (0.0_f64, 0.0_f64);
        for i in 0..400_000 {
            let x = (f64::from(i) / 400_000.0 * -126.0).exp2() as f32;
            let l = f64::from(x).log2();
            let ulp = f64::from((l as f32).abs().max(1e-3) * f32::EPSILON);
            for found in [log2::<true>(x), log2::<false>(x)] {
                worst_log = worst_log.max((f64::from(found) - l).abs() - ulp);
            }
            let y = -126.0 * i as f32 / 400_000.0;
            for found in [exp2::<true>(y), exp2::<false>(y)] {
                worst_exp = worst_exp.max((f64::from(found) / f64::from(y).exp2() - 1.0).abs());
            }
        }
        assert!(worst_log < 1e-7, "{worst_log:e}");
        assert!(worst_exp < 2.5e-7, "{worst_exp:e}");
        assert_eq!(log2::<true>(1.0), 0.0);
        assert_eq!(exp2::<true>(0.0), 1.0);
    }
}
