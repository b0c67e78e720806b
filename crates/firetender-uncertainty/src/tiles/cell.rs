//! Scores in a tile, in the precision they came in, and what is known of a row before any temperature.

use crate::lanes::{LANES, Lane};

/// Stands for a class that cannot happen (log-probability −∞): finite, so that 0 times it is 0.
pub(super) const NEVER: f64 = -1e300;
/// The same in `f32`.
const NEVER_SINGLE: f32 = -1e30;
/// A score in a tile.
pub(super) trait Cell: Copy + Send + Sync {
    /// The score minus the largest of its row, [`NEVER`] for what cannot happen.
    fn below(self, top: f64) -> f64;
    /// The same in `f32`, [`NEVER_SINGLE`] at least.
    fn roughly_below(self, top: f64) -> f32;
    /// Each row's largest (0 where it is taken off from now on), mean and standard deviation of what is below it and can happen, and how
    /// many classes can.
    fn survey(tile: &mut [Self]) -> [Lane; 4];
}

impl Cell for f64 {
    #[inline(always)]
    fn below(self, _: f64) -> f64 {
        self
    }

    #[inline(always)]
    fn roughly_below(self, _: f64) -> f32 {
        let below = self as f32;
        if below > NEVER_SINGLE {
            below
        } else {
            NEVER_SINGLE
        }
    }

    #[inline(always)]
    fn survey(tile: &mut [Self]) -> [Lane; 4] {
        let classes = tile.as_chunks_mut::<LANES>().0;
        let mut top = [f64::NEG_INFINITY; LANES];
        for z in &*classes {
            for lane in 0..LANES {
                top[lane] = if z[lane] > top[lane] {
                    z[lane]
                } else {
                    top[lane]
                };
            }
        }
        for z in &mut *classes {
            for lane in 0..LANES {
                let below = z[lane] - top[lane];
                z[lane] = if below > NEVER { below } else { NEVER };
            }
        }
        let [mean, deviation, possible] = spread(classes, &[0.0; LANES]);
        [[0.0; LANES], mean, deviation, possible]
    }
}

impl Cell for f32 {
    #[inline(always)]
    fn below(self, top: f64) -> f64 {
        let below = f64::from(self) - top;
        if below > NEVER { below } else { NEVER }
    }

    #[inline(always)]
    fn roughly_below(self, top: f64) -> f32 {
        let below = self - top as f32;
        if below > NEVER_SINGLE {
            below
        } else {
            NEVER_SINGLE
        }
    }

    #[inline(always)]
    fn survey(tile: &mut [Self]) -> [Lane; 4] {
        let classes = tile.as_chunks::<LANES>().0;
        let mut top = [f32::NEG_INFINITY; LANES];
        for z in classes {
            for lane in 0..LANES {
                top[lane] = if z[lane] > top[lane] {
                    z[lane]
                } else {
                    top[lane]
                };
            }
        }
        let top = top.map(f64::from);
        let [mean, deviation, possible] = spread(classes, &top);
        [top, mean, deviation, possible]
    }
}

/// Mean and standard deviation of each row's scores that can happen, and their number.
#[inline(always)]
fn spread<T: Cell>(classes: &[[T; LANES]], top: &Lane) -> [Lane; 3] {
    let (mut count, mut sum, mut squares) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
    for z in classes {
        for lane in 0..LANES {
            let below = z[lane].below(top[lane]);
            let (own, one) = if below > NEVER {
                (below, 1.0)
            } else {
                (0.0, 0.0)
            };
            count[lane] += one;
            sum[lane] += own;
            squares[lane] += own * own;
        }
    }
    let (mut mean, mut deviation) = ([0.0; LANES], [0.0; LANES]);
    for lane in 0..LANES {
        mean[lane] = sum[lane] / count[lane];
        deviation[lane] = (squares[lane] / count[lane] - mean[lane] * mean[lane])
            .max(0.0)
            .sqrt();
    }
    [mean, deviation, count]
}
