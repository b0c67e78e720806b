//! Snow and fog.

use super::{blur, plane::Plane};
use crate::Draw;

/// A fractal cloud on top, scaled so that the brightest value stays.
pub(super) fn fog(plane: Plane, thick: f64, decay: f64, draw: &mut Draw) -> Plane {
    let side = plane.width.max(plane.height).next_power_of_two();
    let cloud = fractal(side, decay, draw);
    let top = plane.values.iter().copied().fold(0.0, f64::max);
    let scale = top / (top + thick);
    plane.like(|x, y, c| (plane.at(x, y, c) + thick * cloud[y * side + x]) * scale)
}

/// Heights from 0 to 1 on a square whose sides meet, by the diamond-square method; `side` is a power of two.
fn fractal(side: usize, decay: f64, draw: &mut Draw) -> Vec<f64> {
    let mut heights = vec![0.0; side * side];
    let (mut step, mut wobble) = (side, 100.0);
    let wrapped = |at: usize, back: usize| (at + side - back) % side;
    while step >= 2 {
        let half = step / 2;
        let mut wobbled = |sum: f64| sum / 4.0 + wobble * draw.between(-wobble, wobble);
        for y in (0..side).step_by(step) {
            for x in (0..side).step_by(step) {
                let (right, below) = ((x + step) % side, (y + step) % side);
                let sum = heights[y * side + x]
                    + heights[below * side + x]
                    + heights[y * side + right]
                    + heights[below * side + right];
                heights[(y + half) * side + x + half] = wobbled(sum);
            }
        }
        for y in (0..side).step_by(step) {
            for x in (0..side).step_by(step) {
                // Above and below, left and right of the middle of an upper edge.
                let (middle, right) = (x + half, (x + step) % side);
                let sum = heights[(y + half) * side + middle]
                    + heights[wrapped(y, half) * side + middle]
                    + heights[y * side + x]
                    + heights[y * side + right];
                heights[y * side + middle] = wobbled(sum);
            }
        }
        for y in (0..side).step_by(step) {
            for x in (0..side).step_by(step) {
                let (middle, below) = (y + half, (y + step) % side);
                let sum = heights[middle * side + x + half]
                    + heights[middle * side + wrapped(x, half)]
                    + heights[y * side + x]
                    + heights[below * side + x];
                heights[middle * side + x] = wobbled(sum);
            }
        }
        step = half;
        wobble /= decay;
    }
    let least = heights.iter().copied().fold(f64::INFINITY, f64::min);
    let range = heights
        .iter()
        .copied()
        .fold(0.0_f64, |top, x| top.max(x - least));
    // A single point has no range.
    let scale = if range > 0.0 { 1.0 / range } else { 0.0 };
    heights.iter().map(|x| (x - least) * scale).collect()
}

/// Mean, deviation, zoom, least height, radius and deviation of the fall, share of the image.
const SNOW: [(f64, f64, f64, f64, usize, f64, f64); 5] = [
    (0.1, 0.2, 1.0, 0.6, 8, 3.0, 0.95),
    (0.1, 0.2, 1.0, 0.5, 10, 4.0, 0.9),
    (0.15, 0.3, 1.75, 0.55, 10, 4.0, 0.9),
    (0.25, 0.3, 2.25, 0.6, 12, 6.0, 0.85),
    (0.3, 0.3, 1.25, 0.65, 14, 12.0, 0.8),
];

/// Flakes, falling, and the image paler.
pub(super) fn snow(plane: &Plane, level: usize, draw: &mut Draw) -> Plane {
    let (mean, deviation, zoom, least, radius, sigma, share) = SNOW[level];
    let mut flakes = plane.clone();
    for pixel in flakes.values.as_chunks_mut::<3>().0 {
        *pixel = [mean + deviation * draw.normal(); 3];
    }
    let flakes = blur::zoomed(&flakes, zoom).map(|x| {
        let x = if x < least { 0.0 } else { x.min(1.0) };
        // The original keeps them as bytes.
        (255.0 * x).floor() / 255.0
    });
    let fallen = blur::motion(&flakes, radius, sigma, draw.between(-135.0, -45.0));
    plane.like(|x, y, c| {
        let grey =
            0.299 * plane.at(x, y, 0) + 0.587 * plane.at(x, y, 1) + 0.114 * plane.at(x, y, 2);
        let own = plane.at(x, y, c);
        let pale = share * own + (1.0 - share) * own.max(1.5 * grey + 0.5);
        let turned = fallen.at(plane.width - 1 - x, plane.height - 1 - y, c);
        pale + fallen.at(x, y, c) + turned
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Address;

    #[test]
    fn clouds_are_smooth_and_fill_the_range() {
        let found = fractal(64, 2.0, &mut Draw::at(Address::default()));
        assert!(found.iter().all(|x| (0.0..=1.0).contains(x)));
        assert!(found.contains(&0.0) && found.contains(&1.0));
        // Neighbours are closer than strangers.
        let near: f64 = (0..63).map(|x| (found[x] - found[x + 1]).abs()).sum();
        let far: f64 = (0..63)
            .map(|x| (found[x] - found[32 * 64 + (x + 32) % 64]).abs())
            .sum();
        assert!(near < 0.5 * far, "{near} {far}");
    }
}
