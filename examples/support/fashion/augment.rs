//! The augmentation that the networks are trained with, so that it is also a fair one at test time.

use rand::{Rng, RngExt};

use super::data::SIDE;

/// Moves an image by up to two pixels each way (what comes in is background) and mirrors it every second time; values from 0 to 1.
pub fn shift_and_flip(random: &mut impl Rng, from: &[u8], to: &mut [f32]) {
    let (down, right) = (random.random_range(0..5), random.random_range(0..5));
    let flip = random.random_bool(0.5);
    for y in 0..SIDE {
        for x in 0..SIDE {
            // Offsets of 0 to 4 stand for -2 to 2.
            let source = (y + down).checked_sub(2).zip((x + right).checked_sub(2));
            let value = match source {
                Some((y, x)) if y < SIDE && x < SIDE => {
                    from[y * SIDE + if flip { SIDE - 1 - x } else { x }]
                }
                _ => 0,
            };
            to[y * SIDE + x] = f32::from(value) / 255.0;
        }
    }
}
