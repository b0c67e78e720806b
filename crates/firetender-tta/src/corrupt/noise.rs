//! Noise on every value by itself.

use super::plane::Plane;
use crate::Draw;

pub(super) fn gaussian(plane: Plane, deviation: f64, draw: &mut Draw) -> Plane {
    plane.map(|x| x + deviation * draw.normal())
}

pub(super) fn speckle(plane: Plane, deviation: f64, draw: &mut Draw) -> Plane {
    plane.map(|x| x + x * deviation * draw.normal())
}

/// Each value is black or white with probability `share`, half each.
pub(super) fn impulse(plane: Plane, share: f64, draw: &mut Draw) -> Plane {
    plane.map(|x| match draw.uniform() {
        u if u < share / 2.0 => 0.0,
        u if u < share => 1.0,
        _ => x,
    })
}

/// White is `quanta` quanta; each value becomes a Poisson number of them.
pub(super) fn shot(plane: Plane, quanta: f64, draw: &mut Draw) -> Plane {
    plane.map(|x| poisson(x * quanta, draw.uniform()) / quanta)
}

/// The Poisson number of mean `mean` (at most some 700) at a quantile.
fn poisson(mean: f64, quantile: f64) -> f64 {
    let mut chance = (-mean).exp();
    let (mut below, mut count) = (chance, 0.0);
    // Beyond forty deviations nothing is left but rounding.
    let most = mean + 40.0 * mean.sqrt() + 40.0;
    while below < quantile && count < most {
        count += 1.0;
        chance *= mean / count;
        below += chance;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Address;

    #[test]
    fn poisson_numbers_have_their_mean_and_variance() {
        let mut draw = Draw::at(Address::default());
        assert_eq!(poisson(0.0, 0.999), 0.0);
        for mean in [0.3, 7.0, 250.0, 500.0] {
            let n = 20_000;
            let drawn: Vec<f64> = (0..n).map(|_| poisson(mean, draw.uniform())).collect();
            let found = drawn.iter().sum::<f64>() / f64::from(n);
            let variance = drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(n);
            assert!(
                (found - mean).abs() < 5.0 * (mean / f64::from(n)).sqrt(),
                "{mean}: {found}"
            );
            // The variance of a squared deviation is 2 mean² + mean.
            let error = ((2.0 * mean * mean + mean) / f64::from(n)).sqrt();
            assert!((variance - mean).abs() < 5.0 * error, "{mean}: {variance}");
        }
    }
}
