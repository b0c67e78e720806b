//! Blurs: means over neighbours.

use super::plane::{Plane, mirrored, nearest, reflected};
use crate::Draw;

/// What lies beyond the edge.
#[derive(Debug, Clone, Copy)]
pub(super) enum Edge {
    /// The edge itself.
    Nearest,
    /// The image mirrored, its edge repeated.
    Reflect,
}

/// Smoothed by a normal kernel that ends after `reach` deviations; rows first.
pub(super) fn gaussian(plane: &Plane, sigma: f64, reach: f64, edge: Edge) -> Plane {
    let reach = (reach * sigma + 0.5) as i64;
    if reach == 0 {
        return plane.clone();
    }
    let weights: Vec<f64> = (-reach..=reach)
        .map(|k| (-0.5 * (k as f64 / sigma).powi(2)).exp())
        .collect();
    let total: f64 = weights.iter().sum();
    let inside = |at: i64, side: usize| match edge {
        Edge::Nearest => nearest(at, side),
        Edge::Reflect => reflected(at, side),
    };
    let sum = |value: &dyn Fn(i64) -> f64| -> f64 {
        let terms = weights.iter().zip(-reach..).map(|(w, k)| w * value(k));
        terms.sum::<f64>() / total
    };
    let down = plane.like(|x, y, c| sum(&|k| plane.at(x, inside(y as i64 + k, plane.height), c)));
    plane.like(|x, y, c| sum(&|k| down.at(inside(x as i64 + k, plane.width), y, c)))
}

/// Smoothed by a disc whose pixels are smoothed by a normal kernel of three.
pub(super) fn disc(plane: &Plane, radius: f64, soft: f64) -> Plane {
    let side = -(8_i64)..=8;
    let filled = |x: i64, y: i64| f64::from(u8::from((x * x + y * y) as f64 <= radius * radius));
    let total: f64 = side
        .clone()
        .flat_map(|y| side.clone().map(move |x| filled(x, y)))
        .sum();
    let beside = (-0.5 / (soft * soft)).exp();
    let small = [beside, 1.0, beside].map(|w| w / (1.0 + 2.0 * beside));
    let mut kernel = vec![];
    for y in side.clone() {
        for x in side.clone() {
            let mut weight = 0.0;
            for (wy, dy) in small.iter().zip(-1..) {
                for (wx, dx) in small.iter().zip(-1..) {
                    weight += wy * wx * filled(x + dx, y + dy) / total;
                }
            }
            if weight > 0.0 {
                kernel.push((x, y, weight));
            }
        }
    }
    plane.like(|x, y, c| {
        let of = |&(dx, dy, weight): &(i64, i64, f64)| {
            let from = (
                mirrored(x as i64 + dx, plane.width),
                mirrored(y as i64 + dy, plane.height),
            );
            weight * plane.at(from.0, from.1, c)
        };
        kernel.iter().map(of).sum()
    })
}

/// Smeared in one direction, `angle` degrees: a normal kernel's one half, by whole pixels, as `ImageMagick` does it.
pub(super) fn motion(plane: &Plane, radius: usize, sigma: f64, angle: f64) -> Plane {
    let steps = 2 * radius + 1;
    let weights: Vec<f64> = (0..steps)
        .map(|i| (-0.5 * (i as f64 / sigma).powi(2)).exp())
        .collect();
    let total: f64 = weights.iter().sum();
    let (sin, cos) = angle.to_radians().sin_cos();
    let place = |i: usize, along: f64| (i as f64 * along - 0.5).ceil() as i64;
    plane.like(|x, y, c| {
        let of = |(i, weight): (usize, &f64)| {
            let from_x = nearest(x as i64 + place(i, cos), plane.width);
            let from_y = nearest(y as i64 + place(i, sin), plane.height);
            weight * plane.at(from_x, from_y, c)
        };
        weights.iter().enumerate().map(of).sum::<f64>() / total
    })
}

/// Neighbours take each other's place, between two light blurs. As in the original a pixel is copied over, not swapped.
pub(super) fn glass(plane: &Plane, sigma: f64, times: usize, draw: &mut Draw) -> Plane {
    let mut moved = gaussian(plane, sigma, 4.0, Edge::Nearest);
    for _ in 0..times {
        for y in (2..moved.height).rev() {
            for x in (2..moved.width).rev() {
                let (dx, dy) = (draw.up_to(1) as usize, draw.up_to(1) as usize);
                let from = 3 * ((y - dy) * moved.width + x - dx);
                let to = 3 * (y * moved.width + x);
                moved.values.copy_within(from..from + 3, to);
            }
        }
    }
    gaussian(&moved, sigma, 4.0, Edge::Nearest)
}

/// The mean of the image and of `count` zooms by 1.00, 1.01, …
pub(super) fn zoom(plane: &Plane, count: usize) -> Plane {
    let mut sum = plane.clone();
    for step in 0..count {
        // NumPy's `arange` steps by 1.01 - 1, and at 1.25 that decides how an odd side is rounded.
        let zoomed = zoomed(plane, 1.0 + (1.01_f64 - 1.0) * step as f64);
        for (sum, x) in sum.values.iter_mut().zip(&zoomed.values) {
            *sum += x;
        }
    }
    sum.map(|x| x / (count + 1) as f64)
}

/// The middle, larger by a factor, between pixels; as large as before.
pub(super) fn zoomed(plane: &Plane, factor: f64) -> Plane {
    // Where the pixels of one axis come from.
    let axis = |side: usize| -> Vec<f64> {
        let cut = ((side as f64 / factor).ceil() as usize).clamp(1, side);
        let first = (side - cut) / 2;
        let large = ((cut as f64 * factor).round_ties_even() as usize).max(side);
        let trim = (large - side) / 2;
        let scale = if large > 1 {
            (cut - 1) as f64 / (large - 1) as f64
        } else {
            0.0
        };
        (0..side)
            .map(|i| first as f64 + ((i + trim) as f64 * scale).min((cut - 1) as f64))
            .collect()
    };
    let (columns, rows) = (axis(plane.width), axis(plane.height));
    plane.like(|x, y, c| plane.between(columns[x], rows[y], c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point() -> Plane {
        let mut plane = Plane {
            width: 15,
            height: 15,
            values: vec![0.0; 675],
        };
        plane.values[3 * (7 * 15 + 7)..][..3].fill(1.0);
        plane
    }

    #[test]
    fn a_moving_point_leaves_a_line() {
        // To the right of where it is seen: content at x + i lands at x, so the line runs to the left.
        let found = motion(&point(), 3, 1.5, 0.0);
        let total: f64 = (0..7)
            .map(|i| (-0.5 * (f64::from(i) / 1.5).powi(2)).exp())
            .sum();
        for i in 0..7_usize {
            let expected = (-0.5 * (i as f64 / 1.5).powi(2)).exp() / total;
            assert!((found.at(7 - i, 7, 0) - expected).abs() < 1e-12, "{i}");
        }
        assert_eq!(found.at(8, 7, 0), 0.0);
        assert_eq!(found.at(7, 6, 1), 0.0);
        // Forty-five degrees: a diagonal.
        let found = motion(&point(), 3, 1.5, 45.0);
        assert!(found.at(6, 6, 2) > 0.1 && found.at(6, 7, 2) == 0.0);
    }

    #[test]
    fn kernels_keep_the_mass() {
        for found in [
            gaussian(&point(), 1.0, 4.0, Edge::Nearest),
            gaussian(&point(), 0.7, 3.0, Edge::Reflect),
            disc(&point(), 1.5, 0.1),
            disc(&point(), 0.3, 0.4),
        ] {
            assert!((found.values.iter().sum::<f64>() - 3.0).abs() < 1e-9);
        }
        assert_eq!(zoomed(&point(), 1.0).values, point().values);
    }
}
