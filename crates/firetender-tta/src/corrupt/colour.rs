//! Lightness, contrast and colour.

use super::plane::Plane;

/// Adds to the largest channel; the others grow in proportion, so hue and saturation stay.
pub(super) fn lighter(plane: Plane, plus: f64) -> Plane {
    pixels(plane, |[r, g, b]| {
        let value = r.max(g).max(b);
        let lighter = (value + plus).clamp(0.0, 1.0);
        if value > 0.0 {
            [r, g, b].map(|x| x * lighter / value)
        } else {
            [lighter; 3]
        }
    })
}

/// Saturation times `times` plus `plus`. A grey pixel has the hue of red, as in scikit-image.
pub(super) fn saturate(plane: Plane, times: f64, plus: f64) -> Plane {
    pixels(plane, |[r, g, b]| {
        let (value, least) = (r.max(g).max(b), r.min(g).min(b));
        let saturation = if value > 0.0 {
            (value - least) / value
        } else {
            0.0
        };
        let more = (saturation * times + plus).clamp(0.0, 1.0);
        if saturation > 0.0 {
            [r, g, b].map(|x| value - (value - x) * more / saturation)
        } else {
            [value, value * (1.0 - more), value * (1.0 - more)]
        }
    })
}

/// Draws values to the mean of their channel.
pub(super) fn contrast(mut plane: Plane, share: f64) -> Plane {
    let mut means = [0.0; 3];
    for pixel in plane.values.as_chunks::<3>().0 {
        for (mean, x) in means.iter_mut().zip(pixel) {
            *mean += x;
        }
    }
    let count = (plane.values.len() / 3) as f64;
    for pixel in plane.values.as_chunks_mut::<3>().0 {
        for (x, mean) in pixel.iter_mut().zip(means) {
            *x = (*x - mean / count) * share + mean / count;
        }
    }
    plane
}

fn pixels(mut plane: Plane, change: impl Fn([f64; 3]) -> [f64; 3]) -> Plane {
    for pixel in plane.values.as_chunks_mut::<3>().0 {
        *pixel = change(*pixel);
    }
    plane
}
