//! Crops, mirrors and the eight symmetries of a square.

use crate::RgbImage;

/// A window of the image; what lies outside is black.
pub(crate) fn crop(image: &RgbImage, left: i64, top: i64, width: usize, height: usize) -> RgbImage {
    let mut pixels = vec![0; 3 * width * height];
    // Columns of the window that the image has.
    let from = left.clamp(0, image.width() as i64);
    let to = left
        .saturating_add(width as i64)
        .clamp(from, image.width() as i64);
    let (from, to) = (from as usize, to as usize);
    let at = (from as i64).saturating_sub(left).max(0) as usize;
    for (y, out) in pixels.chunks_exact_mut(3 * width).enumerate() {
        let source = top.saturating_add(y as i64);
        if from < to && (0..image.height() as i64).contains(&source) {
            out[3 * at..3 * (at + to - from)]
                .copy_from_slice(&image.row(source as usize)[3 * from..3 * to]);
        }
    }
    RgbImage::raw(width, height, pixels)
}

/// Left becomes right.
pub(crate) fn mirror(image: &RgbImage) -> RgbImage {
    let mut pixels = vec![0; image.pixels().len()];
    for (y, out) in pixels.chunks_exact_mut(3 * image.width()).enumerate() {
        let row = image.row(y).as_chunks::<3>().0;
        for (to, from) in out.as_chunks_mut::<3>().0.iter_mut().zip(row.iter().rev()) {
            *to = *from;
        }
    }
    RgbImage::raw(image.width(), image.height(), pixels)
}

/// Up becomes down.
pub(crate) fn upside_down(image: &RgbImage) -> RgbImage {
    let rows = (0..image.height()).rev();
    let pixels = rows.flat_map(|y| image.row(y).iter().copied()).collect();
    RgbImage::raw(image.width(), image.height(), pixels)
}

/// Columns become rows.
pub(crate) fn transpose(image: &RgbImage) -> RgbImage {
    // By tiles, so that what is read and what is written stay near.
    const TILE: usize = 16;
    let (width, height) = (image.width(), image.height());
    let mut pixels = vec![0; image.pixels().len()];
    let from = image.pixels().as_chunks::<3>().0;
    let to = pixels.as_chunks_mut::<3>().0;
    for top in (0..height).step_by(TILE) {
        let rows = top..height.min(top + TILE);
        for left in (0..width).step_by(TILE) {
            for x in left..width.min(left + TILE) {
                let column = &mut to[x * height + rows.start..x * height + rows.end];
                for (pixel, y) in column.iter_mut().zip(rows.clone()) {
                    *pixel = from[y * width + x];
                }
            }
        }
    }
    RgbImage::raw(height, width, pixels)
}

/// A quarter turn counter-clockwise, `turns` times.
pub(crate) fn quarter_turns(image: &RgbImage, turns: u8) -> RgbImage {
    match turns % 4 {
        0 => image.clone(),
        1 => upside_down(&transpose(image)),
        2 => mirror(&upside_down(image)),
        _ => mirror(&transpose(image)),
    }
}

/// One of the eight symmetries of a square: quarter turns `index % 4`, of the mirrored image from 4 on.
pub(crate) fn dihedral(image: &RgbImage, index: u8) -> RgbImage {
    if index % 8 < 4 {
        quarter_turns(image, index)
    } else {
        quarter_turns(&mirror(image), index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> RgbImage {
        RgbImage::new(3, 2, (1..19).collect()).unwrap()
    }

    #[test]
    fn windows_may_hang_over() {
        let image = image();
        assert_eq!(crop(&image, 0, 0, 3, 2), image);
        let over = crop(&image, -1, 1, 3, 2);
        assert_eq!(over.pixel(0, 0), [0; 3]);
        assert_eq!(over.pixel(1, 0), image.pixel(0, 1));
        assert_eq!(over.pixel(1, 1), [0; 3]);
        assert!(crop(&image, 30, 1, 2, 2).pixels().iter().all(|x| *x == 0));
        assert!(
            crop(&image, i64::MIN, i64::MAX, 2, 2)
                .pixels()
                .iter()
                .all(|x| *x == 0)
        );
    }

    #[test]
    fn symmetries_are_a_group() {
        let image = image();
        assert_eq!(mirror(&mirror(&image)), image);
        assert_eq!(upside_down(&upside_down(&image)), image);
        let turned = quarter_turns(&image, 1);
        assert_eq!((turned.width(), turned.height()), (2, 3));
        // The right column comes to the top.
        assert_eq!(turned.pixel(0, 0), image.pixel(2, 0));
        assert_eq!(quarter_turns(&turned, 3), image);
        let mut seen: Vec<RgbImage> = (0..8).map(|k| dihedral(&image, k)).collect();
        seen.dedup();
        assert_eq!(seen.len(), 8);
    }
}
