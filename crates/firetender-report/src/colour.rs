//! Colours that readers with any kind of colour vision tell apart, and the style shared by figures and pages.
//!
//! Series: Okabe and Ito, "Color Universal Design" (2008). Sequential ramp: ten samples of cividis (Nuñez, Anderton and
//! Renslow 2018). Diverging ramp: the blue and the vermilion of Okabe and Ito on both sides of near-white.

/// How many series one figure can hold: the colours there are.
pub(crate) const SERIES: usize = 8;

/// Styles of figures: classes with literal colours, since many SVG readers know no CSS variables.
pub(crate) const FIGURE_STYLE: &str = include_str!("figure.css");

/// Styles of pages, beside those of figures.
pub(crate) const PAGE_STYLE: &str = include_str!("page.css");

type Rgb = [f64; 3];

const CIVIDIS: [Rgb; 10] = [
    [0.0, 34.0, 78.0],
    [18.0, 53.0, 112.0],
    [59.0, 73.0, 108.0],
    [87.0, 93.0, 109.0],
    [112.0, 113.0, 115.0],
    [138.0, 134.0, 120.0],
    [165.0, 156.0, 116.0],
    [195.0, 179.0, 105.0],
    [225.0, 204.0, 85.0],
    [254.0, 232.0, 56.0],
];

const DIVERGING: [Rgb; 5] = [
    [0.0, 84.0, 148.0],
    [86.0, 160.0, 211.0],
    [246.0, 246.0, 244.0],
    [240.0, 150.0, 90.0],
    [190.0, 74.0, 0.0],
];

/// From a share of the range to a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ramp {
    /// Low to high.
    Sequential,
    /// Negative to positive, zero in the middle.
    Diverging,
}

impl Ramp {
    /// The fill at `share` in 0..=1, and the ink that can be read on it.
    pub(crate) fn at(self, share: f64) -> (String, &'static str) {
        let stops: &[Rgb] = match self {
            Ramp::Sequential => &CIVIDIS,
            Ramp::Diverging => &DIVERGING,
        };
        let place = share.clamp(0.0, 1.0) * (stops.len() - 1) as f64;
        let below = (place.floor() as usize).min(stops.len() - 2);
        let part = place - below as f64;
        let mut rgb = [0.0; 3];
        for (channel, value) in rgb.iter_mut().enumerate() {
            let (low, high) = (stops[below][channel], stops[below + 1][channel]);
            *value = (low + (high - low) * part).round();
        }
        let fill = format!(
            "#{:02x}{:02x}{:02x}",
            rgb[0] as u8, rgb[1] as u8, rgb[2] as u8
        );
        // Above this luminance black has the higher WCAG contrast, below it white.
        let ink = if luminance(rgb) > 0.179 {
            "#000"
        } else {
            "#fff"
        };
        (fill, ink)
    }
}

/// Relative luminance after WCAG 2.
fn luminance(rgb: Rgb) -> f64 {
    let linear = rgb.map(|channel| {
        let c = channel / 255.0;
        if c <= 0.039_28 {
            c / 12.92
        } else {
            ((c + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ramps_meet_their_ends_and_their_middle() {
        assert_eq!(Ramp::Sequential.at(0.0).0, "#00224e");
        assert_eq!(Ramp::Sequential.at(1.0).0, "#fee838");
        assert_eq!(Ramp::Diverging.at(0.5).0, "#f6f6f4");
        assert_eq!(Ramp::Diverging.at(-1.0), Ramp::Diverging.at(0.0));
    }

    #[test]
    fn ink_can_be_read_everywhere() {
        for ramp in [Ramp::Sequential, Ramp::Diverging] {
            for step in 0..=100 {
                let (fill, ink) = ramp.at(f64::from(step) / 100.0);
                let channel =
                    |i: usize| f64::from(u8::from_str_radix(&fill[i..i + 2], 16).unwrap());
                let fill = luminance([channel(1), channel(3), channel(5)]);
                let ink = if ink == "#000" { 0.0 } else { 1.0 };
                let contrast = (f64::max(fill, ink) + 0.05) / (f64::min(fill, ink) + 0.05);
                assert!(contrast >= 4.5, "{step}: {contrast}");
            }
        }
    }

    #[test]
    fn every_series_has_a_colour_in_both_schemes() {
        for series in 0..SERIES {
            assert_eq!(FIGURE_STYLE.matches(&format!(".ft-c{series}{{")).count(), 2);
        }
    }
}
