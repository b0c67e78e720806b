//! Random numbers by place: what lane `l` draws in step `t` depends on the seed, `l` and `t` alone, so trajectories do not depend
//! on threads, chunks or how many lanes there are.

/// `SplitMix64`'s finaliser (Steele, Lea and Flood 2014).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The random numbers of one lane in one step.
///
/// ```
/// use firetender_bargain::Dice;
/// let (mut a, mut b) = (Dice::at(7, 3, 100), Dice::at(7, 3, 100));
/// let drawn = a.below(7);
/// assert!(drawn < 7);
/// assert_eq!(drawn, b.below(7));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Dice {
    state: u64,
    bits: u64,
    left: u32,
}

impl Dice {
    /// The numbers of `lane` in step `step`.
    #[must_use]
    pub fn at(seed: u64, lane: u64, step: u64) -> Self {
        Self::keyed(mix(seed ^ 0x9e37_79b9_7f4a_7c15), lane, step)
    }

    /// As [`at`](Self::at), from a seed that was mixed before.
    pub(crate) fn keyed(key: u64, lane: u64, step: u64) -> Self {
        let place = lane
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(step.wrapping_mul(0xd1b5_4a32_d192_ed03));
        let state = mix(key ^ place);
        Self {
            state,
            bits: state,
            left: 2,
        }
    }

    /// What [`keyed`](Self::keyed) takes for a seed.
    pub(crate) fn key(seed: u64) -> u64 {
        mix(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    /// The 64 bits that all else is made from.
    pub(crate) fn seed(&self) -> u64 {
        self.state
    }

    /// 24 random bits.
    pub(crate) fn bits(&mut self) -> u32 {
        if self.left == 0 {
            self.state = mix(self.state.wrapping_add(0x9e37_79b9_7f4a_7c15));
            self.bits = self.state;
            self.left = 2;
        }
        self.left -= 1;
        let out = (self.bits & 0xff_ffff) as u32;
        self.bits >>= 24;
        out
    }

    /// A number below `n`, each equally likely to within 2⁻²⁴. `n` is at most 256.
    ///
    /// # Panics
    /// In debug builds, when `n` is 0 or above 256.
    pub fn below(&mut self, n: u32) -> u32 {
        debug_assert!((1..=256).contains(&n), "{n}");
        (self.bits() * n) >> 24
    }

    /// A number from 0 to below 1 with 48 bits.
    pub fn unit(&mut self) -> f64 {
        let (high, low) = (self.bits(), self.bits());
        ((u64::from(high) << 24) | u64::from(low)) as f64 / (1_u64 << 48) as f64
    }

    /// An index drawn from weights that add up to 1; the last one with weight takes what rounding leaves.
    pub(crate) fn pick(&mut self, weights: impl Iterator<Item = f64>) -> usize {
        let mut left = self.unit();
        let mut last = 0;
        for (i, weight) in weights.enumerate() {
            if weight <= 0.0 {
                continue;
            }
            last = i;
            if left < weight {
                return i;
            }
            left -= weight;
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spread_evenly_and_places_are_apart() {
        let mut counts = [0_u32; 7];
        for lane in 0..700 {
            for step in 0..100 {
                counts[Dice::at(1, lane, step).below(7) as usize] += 1;
            }
        }
        // 10,000 each; a standard deviation is 93.
        assert!(
            counts.iter().all(|c| c.abs_diff(10_000) < 400),
            "{counts:?}"
        );
        let mean: f64 = (0..10_000).map(|l| Dice::at(2, l, 0).unit()).sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.015, "{mean}");
        let mut dice = Dice::at(3, 0, 0);
        let drawn: Vec<u32> = (0..6).map(|_| dice.bits()).collect();
        assert!(drawn.windows(2).all(|w| w[0] != w[1]), "{drawn:?}");
        assert_eq!(dice.pick([0.0, 1.0, 0.0].into_iter()), 1);
    }
}
