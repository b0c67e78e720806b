//! A black box.

use crate::RgbImage;

/// Fills columns `x0..=x1` and rows `y0..=y1` with black, where `x0 = max(0, cx − side / 2)` truncated and `x1 = min(width, x0 + side)`: a
/// whole box is `floor(side) + 1` wide; near the left and top edge it is shifted, near the others it is cut.
pub(crate) fn cutout(image: &RgbImage, centre: [f64; 2], side: f64) -> RgbImage {
    let mut out = image.clone();
    let (columns, rows) = (
        range(centre[0], side, image.width()),
        range(centre[1], side, image.height()),
    );
    let width = image.width();
    for y in rows {
        out.pixels_mut()[3 * (y * width + columns.start)..3 * (y * width + columns.end)].fill(0);
    }
    out
}

/// Places of an axis that the box covers.
pub(crate) fn range(centre: f64, side: f64, length: usize) -> std::ops::Range<usize> {
    let first = (centre - side / 2.0).max(0.0).trunc();
    let last = (first + side).min(length as f64).trunc();
    let (first, last) = (first as usize, last as usize);
    first.min(length)..(last + 1).min(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_have_a_pixel_more_than_their_side() {
        assert_eq!(range(16.0, 16.0, 32), 8..25);
        assert_eq!(range(1.5, 16.0, 32), 0..17);
        assert_eq!(range(32.0, 16.0, 32), 24..32);
        assert_eq!(range(31.9, 1.0, 32), 31..32);
    }

    #[test]
    fn only_the_box_is_black() {
        let image = RgbImage::filled(8, 6, [9; 3]).unwrap();
        let cut = cutout(&image, [4.0, 3.0], 2.0);
        let black = cut.pixels().iter().filter(|x| **x == 0).count();
        assert_eq!(black, 3 * 9);
        assert_eq!(cut.pixel(3, 2), [0; 3]);
        assert_eq!(cut.pixel(2, 2), [9; 3]);
    }
}
