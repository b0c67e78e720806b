//! Operations that replace each level by another: one table of 256 entries, for all channels or for each.

use crate::RgbImage;

pub(crate) type Table = [u8; 256];

/// Every level through one table.
pub(crate) fn apply(image: &RgbImage, table: &Table) -> RgbImage {
    let pixels = image.pixels().iter().map(|x| table[usize::from(*x)]);
    RgbImage::raw(image.width(), image.height(), pixels.collect())
}

/// Each channel through its own table.
fn apply_each(image: &RgbImage, tables: &[Table; 3]) -> RgbImage {
    let mut pixels = image.pixels().to_vec();
    for pixel in pixels.as_chunks_mut::<3>().0 {
        for (x, table) in pixel.iter_mut().zip(tables) {
            *x = table[usize::from(*x)];
        }
    }
    RgbImage::raw(image.width(), image.height(), pixels)
}

pub(crate) fn invert(image: &RgbImage) -> RgbImage {
    let pixels = image.pixels().iter().map(|x| 255 - x);
    RgbImage::raw(image.width(), image.height(), pixels.collect())
}

/// Levels from `threshold` on are inverted.
pub(crate) fn solarize(image: &RgbImage, threshold: f64) -> RgbImage {
    let first = first_at_least(threshold);
    let pixels = image.pixels().iter().map(|x| {
        let inverted = 255 - x;
        if u16::from(*x) < first { *x } else { inverted }
    });
    RgbImage::raw(image.width(), image.height(), pixels.collect())
}

/// Levels from `threshold` on become 127: the half-and-half blend of the image with its solarised self.
pub(crate) fn solarize_add(image: &RgbImage, threshold: f64) -> RgbImage {
    let first = first_at_least(threshold);
    let pixels = image
        .pixels()
        .iter()
        .map(|x| if u16::from(*x) < first { *x } else { 127 });
    RgbImage::raw(image.width(), image.height(), pixels.collect())
}

/// Adds to levels below 128, as timm's operation does.
pub(crate) fn add_to_dark(image: &RgbImage, levels: i32) -> RgbImage {
    let table = std::array::from_fn(|x| match x as i32 {
        x @ ..128 => x.saturating_add(levels).clamp(0, 255) as u8,
        x => x as u8,
    });
    apply(image, &table)
}

/// The lowest of 0..=256 that is not below a real number.
fn first_at_least(threshold: f64) -> u16 {
    threshold.ceil().clamp(0.0, 256.0) as u16
}

/// Keeps the `bits` high bits; none for 0 and below.
pub(crate) fn posterize(image: &RgbImage, bits: i32) -> RgbImage {
    let mask = match bits {
        ..=0 => 0,
        1..=7 => u8::MAX << (8 - bits),
        8.. => u8::MAX,
    };
    let pixels = image.pixels().iter().map(|x| x & mask);
    RgbImage::raw(image.width(), image.height(), pixels.collect())
}

/// How often each level occurs, channel by channel.
fn histograms(image: &RgbImage) -> [[u64; 256]; 3] {
    // Two sets, so that runs of one level do not wait for each other.
    let mut even = [[0_u32; 256]; 3];
    let mut odd = [[0_u32; 256]; 3];
    let (pairs, rest) = image.pixels().as_chunks::<6>();
    for p in pairs {
        for channel in 0..3 {
            even[channel][usize::from(p[channel])] += 1;
            odd[channel][usize::from(p[channel + 3])] += 1;
        }
    }
    for (channel, x) in rest.iter().enumerate() {
        even[channel][usize::from(*x)] += 1;
    }
    std::array::from_fn(|c| std::array::from_fn(|x| u64::from(even[c][x]) + u64::from(odd[c][x])))
}

/// Cuts `cutoff` percent of the pixels off either end of each channel's histogram and stretches what is left over 0..=255.
pub(crate) fn auto_contrast(image: &RgbImage, cutoff: f64) -> RgbImage {
    let tables = histograms(image).map(|counts| auto_contrast_table(&counts, cutoff));
    apply_each(image, &tables)
}

/// The table of one channel.
pub(crate) fn auto_contrast_table(counts: &[u64; 256], cutoff: f64) -> Table {
    let mut left = counts.map(|c| c as f64);
    if cutoff != 0.0 {
        let pixels: u64 = counts.iter().sum();
        let cut = floor_division(pixels as f64 * cutoff, 100.0);
        let remove = |bin: &mut f64, cut: &mut f64| {
            if *cut > *bin {
                *cut -= *bin;
                *bin = 0.0;
            } else {
                *bin -= *cut;
                *cut = 0.0;
            }
            *cut <= 0.0
        };
        let mut low = cut;
        let _ = left.iter_mut().any(|bin| remove(bin, &mut low));
        let mut high = cut;
        let _ = left.iter_mut().rev().any(|bin| remove(bin, &mut high));
    }
    let identity = std::array::from_fn(|x| x as u8);
    let low = left.iter().position(|bin| *bin != 0.0);
    let high = left.iter().rposition(|bin| *bin != 0.0);
    match low.zip(high) {
        Some((low, high)) if low < high => {
            let scale = 255.0 / (high - low) as f64;
            let offset = -(low as f64) * scale;
            // `as` truncates, and stops at 0 and 255.
            std::array::from_fn(|x| (x as f64 * scale + offset) as u8)
        }
        _ => identity,
    }
}

/// Python's `a // b` of two positive floats, which is made from the remainder and not by rounding a quotient down.
fn floor_division(a: f64, b: f64) -> f64 {
    let remainder = a % b;
    let quotient = (a - remainder) / b;
    let floor = quotient.floor();
    if quotient - floor > 0.5 {
        floor + 1.0
    } else {
        floor
    }
}

/// Spreads the levels of each channel so that all are about equally frequent.
pub(crate) fn equalize(image: &RgbImage) -> RgbImage {
    let tables = histograms(image).map(|counts| equalize_table(&counts));
    apply_each(image, &tables)
}

/// The table of one channel.
pub(crate) fn equalize_table(counts: &[u64; 256]) -> Table {
    let identity = std::array::from_fn(|x| x as u8);
    let last = counts.iter().rposition(|c| *c != 0).unwrap_or(0);
    if counts.iter().filter(|c| **c != 0).count() <= 1 {
        return identity;
    }
    let step = (counts.iter().sum::<u64>() - counts[last]) / 255;
    if step == 0 {
        return identity;
    }
    let mut sum = step / 2;
    std::array::from_fn(|x| {
        let level = (sum / step).min(255) as u8;
        sum += counts[x];
        level
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp() -> RgbImage {
        let bytes: Vec<u8> = (0..=255).collect();
        RgbImage::from_grey(16, 16, &bytes).unwrap()
    }

    #[test]
    fn no_change_is_no_change() {
        let image = ramp();
        assert_eq!(solarize(&image, 256.0), image);
        assert_eq!(solarize_add(&image, 256.0), image);
        assert_eq!(posterize(&image, 8), image);
        assert_eq!(auto_contrast(&image, 0.0), image);
        assert_eq!(invert(&invert(&image)), image);
    }

    #[test]
    fn thresholds_are_real_numbers() {
        let image = ramp();
        assert_eq!(solarize(&image, 127.5).pixels()[3 * 127], 127);
        assert_eq!(solarize(&image, 127.5).pixels()[3 * 128], 127);
        assert_eq!(solarize(&image, 127.0).pixels()[3 * 127], 128);
        assert_eq!(solarize(&image, -3.0), invert(&image));
        assert_eq!(solarize_add(&image, 200.0).pixels()[3 * 200], 127);
    }

    #[test]
    fn less_than_a_bit_is_black() {
        assert!(posterize(&ramp(), 0).pixels().iter().all(|x| *x == 0));
        assert!(posterize(&ramp(), -1).pixels().iter().all(|x| *x == 0));
        assert_eq!(posterize(&ramp(), 1).pixels()[3 * 200], 128);
    }

    #[test]
    fn cutting_everything_off_changes_nothing() {
        let image = ramp();
        assert_eq!(auto_contrast(&image, 60.0), image);
        assert_eq!(floor_division(7.0, 2.0), 3.0);
        // 1.0 // 0.1 is 9 in Python, though 1.0 / 0.1 rounds to 10.
        assert_eq!(floor_division(1.0, 0.1), 9.0);
    }

    #[test]
    fn one_level_cannot_be_spread() {
        let image = RgbImage::filled(5, 5, [7, 8, 9]).unwrap();
        assert_eq!(equalize(&image), image);
        assert_eq!(auto_contrast(&image, 3.0), image);
    }
}
