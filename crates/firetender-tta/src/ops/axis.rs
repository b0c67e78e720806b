//! One axis of an image, and what lies beyond its ends.
//!
//! Coordinates are those of an image padded on every side (the reference pads by 31), so that sums round alike; indices are mapped back.

use crate::compat::Padding;

/// An axis with its padding.
#[derive(Clone, Copy)]
pub(crate) struct Axis {
    /// Pixels of the image.
    length: i64,
    /// Pixels before it.
    pad: i64,
    mode: Mode,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Reflect,
    Black,
    Edge,
}

impl Axis {
    pub(crate) fn new(length: usize, padding: Padding) -> Self {
        let (pad, mode) = match padding {
            Padding::Reflect { pad } => (i64::from(pad), Mode::Reflect),
            Padding::Black => (0, Mode::Black),
            Padding::Edge => (0, Mode::Edge),
        };
        Self {
            length: length as i64,
            pad,
            mode,
        }
    }

    /// Pixels of padding.
    pub(crate) fn pad(self) -> f64 {
        self.pad as f64
    }

    /// Whether a coordinate is taken from the image at all.
    fn holds(self, coordinate: f64) -> bool {
        self.range()
            .is_none_or(|[low, high]| coordinate >= low && coordinate < high)
    }

    /// The coordinates that are taken from the image at all, where not all are.
    #[inline(always)]
    pub(crate) fn range(self) -> Option<[f64; 2]> {
        (self.mode == Mode::Black).then_some([0.0, self.length as f64])
    }

    /// The pixel that a padded index stands for. Black images clamp, as the kernel does inside of its range.
    #[inline(always)]
    fn index(self, padded: i64) -> usize {
        let at = padded - self.pad;
        if (0..self.length).contains(&at) {
            return at as usize;
        }
        match self.mode {
            Mode::Reflect => reflect(at, self.length),
            Mode::Black | Mode::Edge => at.clamp(0, self.length - 1) as usize,
        }
    }

    /// The four pixels around a coordinate (less one half), and how far it is from the second to the third.
    #[inline(always)]
    pub(crate) fn taps(self, coordinate: f64) -> ([usize; 4], f64) {
        let second = coordinate.floor();
        let first = second as i64 - 1;
        (
            [0, 1, 2, 3].map(|k| self.index(first + k)),
            coordinate - second,
        )
    }

    /// Coordinates (less one half) from the first up to the second have all four pixels in the image.
    #[inline(always)]
    pub(crate) fn inside(self) -> [f64; 2] {
        [(self.pad + 1) as f64, (self.pad + self.length - 2) as f64]
    }

    /// [`Axis::taps`] for a coordinate [`Axis::inside`]: the first of the four pixels.
    #[inline(always)]
    pub(crate) fn split_inside(self, coordinate: f64) -> (usize, f64) {
        // Truncating is rounding down, and 32 bits are enough for any image with its padding.
        let second = coordinate as i32;
        let d = coordinate - f64::from(second);
        ((second - 1 - self.pad as i32) as usize, d)
    }

    /// For every pixel, the one nearest to it after a shift; none where there is none.
    pub(crate) fn nearest(self, shift: f64) -> Vec<Option<usize>> {
        let mut coordinate = shift + 0.5;
        let mut at = |_| {
            let here = coordinate;
            coordinate += 1.0;
            here
        };
        // Steps through the padding, too, so that the sums round alike.
        let padded: Vec<f64> = (0..self.pad + self.length).map(&mut at).collect();
        padded[self.pad as usize..]
            .iter()
            .map(|c| self.holds(*c).then(|| self.index(c.floor() as i64)))
            .collect()
    }
}

/// The triangle wave of period 2 (n − 1): … 2 1 0 1 2 … n−1 n−2 …
#[inline(always)]
fn reflect(at: i64, length: i64) -> usize {
    if length == 1 {
        return 0;
    }
    let period = 2 * (length - 1);
    // It is even, and hardly ever left by more than one period.
    let at = at.abs();
    let at = if at < period { at } else { at % period };
    at.min(period - at) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reflection_is_a_triangle_wave() {
        let found: Vec<usize> = (-5..9).map(|at| reflect(at, 4)).collect();
        assert_eq!(found, [1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2]);
        assert_eq!(reflect(-7, 1), 0);
    }

    #[test]
    fn inside_needs_no_mapping() {
        for padding in [Padding::Reflect { pad: 3 }, Padding::Black, Padding::Edge] {
            let axis = Axis::new(9, padding);
            let [low, high] = axis.inside();
            let mut coordinate = low;
            while coordinate < high {
                let (first, d) = axis.split_inside(coordinate);
                let (taps, expected) = axis.taps(coordinate);
                assert_eq!(taps, [first, first + 1, first + 2, first + 3]);
                assert_eq!(d, expected);
                assert!(taps[3] < 9);
                coordinate += 0.31;
            }
        }
    }
}
