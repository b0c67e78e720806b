//! An image as numbers from 0 to 1, between bytes and bytes.

use crate::RgbImage;

/// Values `[height, width, 3]`.
#[derive(Debug, Clone)]
pub(super) struct Plane {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) values: Vec<f64>,
}

impl Plane {
    pub(super) fn of(image: &RgbImage) -> Self {
        Self {
            width: image.width(),
            height: image.height(),
            values: image
                .pixels()
                .iter()
                .map(|x| f64::from(*x) / 255.0)
                .collect(),
        }
    }

    /// Clipped, and rounded to the nearest level.
    pub(super) fn image(&self) -> RgbImage {
        let bytes = self
            .values
            .iter()
            .map(|x| (255.0 * x.clamp(0.0, 1.0)).round() as u8);
        RgbImage::raw(self.width, self.height, bytes.collect())
    }

    /// As many values, by place.
    pub(super) fn like(&self, value: impl Fn(usize, usize, usize) -> f64) -> Self {
        let mut values = Vec::with_capacity(self.values.len());
        for y in 0..self.height {
            for x in 0..self.width {
                values.extend((0..3).map(|c| value(x, y, c)));
            }
        }
        Self { values, ..*self }
    }

    pub(super) fn at(&self, x: usize, y: usize, channel: usize) -> f64 {
        self.values[3 * (y * self.width + x) + channel]
    }

    /// Every value changed by itself.
    pub(super) fn map(mut self, change: impl FnMut(f64) -> f64) -> Self {
        let mut change = change;
        self.values.iter_mut().for_each(|x| *x = change(*x));
        self
    }

    /// Between four pixels; `x` and `y` lie inside.
    pub(super) fn between(&self, x: f64, y: f64, channel: usize) -> f64 {
        let (x0, y0) = (x.floor() as usize, y.floor() as usize);
        let (x1, y1) = ((x0 + 1).min(self.width - 1), (y0 + 1).min(self.height - 1));
        let (dx, dy) = (x - x0 as f64, y - y0 as f64);
        let upper = (1.0 - dx) * self.at(x0, y0, channel) + dx * self.at(x1, y0, channel);
        let lower = (1.0 - dx) * self.at(x0, y1, channel) + dx * self.at(x1, y1, channel);
        (1.0 - dy) * upper + dy * lower
    }
}

/// The nearest place inside.
pub(super) fn nearest(at: i64, side: usize) -> usize {
    at.clamp(0, side as i64 - 1) as usize
}

/// Mirrored without repeating the edge: −1 is 1.
pub(super) fn mirrored(at: i64, side: usize) -> usize {
    let period = 2 * (side as i64 - 1);
    if period == 0 {
        return 0;
    }
    let at = at.rem_euclid(period);
    at.min(period - at) as usize
}

/// Mirrored with the edge repeated: −1 is 0.
pub(super) fn reflected(at: i64, side: usize) -> usize {
    let period = 2 * side as i64;
    let at = at.rem_euclid(period);
    at.min(period - 1 - at) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges() {
        let along =
            |of: fn(i64, usize) -> usize| -> Vec<usize> { (-3..6).map(|i| of(i, 3)).collect() };
        assert_eq!(along(nearest), [0, 0, 0, 0, 1, 2, 2, 2, 2]);
        assert_eq!(along(mirrored), [1, 2, 1, 0, 1, 2, 1, 0, 1]);
        assert_eq!(along(reflected), [2, 1, 0, 0, 1, 2, 2, 1, 0]);
        assert_eq!(mirrored(-7, 1), 0);
    }
}
