//! What charts with two axes share: title, legend, grid, ticks and the place of the data.

use crate::{
    figure::Size,
    scale::{Scale, Tick},
    svg::{self, Anchor, EDGE},
};

const NAME: f64 = 12.5;
const TICK: f64 = 12.0;

/// One entry of the legend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) name: String,
    /// Class that sets the colour.
    pub(crate) class: String,
    pub(crate) mark: Mark,
}

/// How the legend shows a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Line { dash: &'static str },
    Marked { shape: usize },
    Dot { shape: usize },
    Bar,
}

/// The ticks along the bottom: numbers, or names in the middle of equal slots.
#[derive(Debug)]
pub(crate) enum Bottom {
    Numbers(Scale),
    Names(Vec<String>),
}

/// The drawing area in pixels, and the axes that map into it.
#[derive(Debug)]
pub(crate) struct Plane {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
    across: Bottom,
    up: Scale,
    turned: bool,
}

/// How many ticks an axis of so many pixels has room for.
pub(crate) fn ticks_across(size: Size) -> usize {
    (f64::from(size.width) / 95.0).clamp(2.0, 12.0) as usize
}

/// As [`ticks_across`], for the height.
pub(crate) fn ticks_up(size: Size) -> usize {
    (f64::from(size.height) / 65.0).clamp(2.0, 12.0) as usize
}

impl Plane {
    /// Lays out, and draws everything that lies below the data.
    pub(crate) fn new(
        title: &str,
        size: Size,
        labels: (&str, &str),
        across: Bottom,
        up: Scale,
        keys: &[Key],
    ) -> (Self, String) {
        let (width, height) = (f64::from(size.width), f64::from(size.height));
        let widest = |ticks: &[Tick]| {
            ticks
                .iter()
                .map(|t| svg::width(&t.text, TICK))
                .fold(0.0, f64::max)
        };
        let label_room = |label: &str| if label.is_empty() { 0.0 } else { 20.0 };

        let left = EDGE + label_room(labels.1) + widest(&up.ticks) + 8.0;
        let right = width
            - EDGE
            - match &across {
                Bottom::Numbers(scale) => scale
                    .ticks
                    .last()
                    .map_or(0.0, |t| svg::width(&t.text, TICK) / 2.0),
                Bottom::Names(_) => 0.0,
            };
        let (turned, tick_room) = match &across {
            Bottom::Numbers(_) => (false, 18.0),
            Bottom::Names(names) => names_room(names, right - left, height),
        };
        let bottom = height - EDGE - label_room(labels.0) - tick_room + 4.0;

        let mut body = String::new();
        let mut y = svg::title(&mut body, title, width) + 12.0;
        if keys.len() > 1 {
            y = legend(&mut body, keys, width, y);
        }
        let plane = Self {
            left,
            // A long legend in a low figure may not swallow the data.
            top: (y + 8.0).min(bottom - 40.0),
            right: right.max(left + 40.0),
            bottom,
            across,
            up,
            turned,
        };
        plane.draw_axes(&mut body, labels, height);
        (plane, body)
    }

    /// Pixels from the left for a value of a numeric axis, or for a share of the width of a named one.
    pub(crate) fn x(&self, value: f64) -> f64 {
        let share = match &self.across {
            Bottom::Numbers(scale) => scale.share(value),
            Bottom::Names(_) => value,
        };
        self.left + share * (self.right - self.left)
    }

    /// Pixels from the top for a value.
    pub(crate) fn y(&self, value: f64) -> f64 {
        self.bottom - self.up.share(value) * (self.bottom - self.top)
    }

    /// Left, top, right and bottom edge of the data.
    pub(crate) fn edges(&self) -> [f64; 4] {
        [self.left, self.top, self.right, self.bottom]
    }

    fn draw_axes(&self, body: &mut String, labels: (&str, &str), height: f64) {
        for tick in &self.up.ticks {
            let y = self.y(tick.value);
            let class = if self.up.has_zero() && tick.value == 0.0 {
                "ft-zero"
            } else {
                "ft-grid"
            };
            *body += &svg::line(class, (self.left, y), (self.right, y));
            *body += &svg::text(self.left - 8.0, y + 4.0, Anchor::End, "", &tick.text);
        }
        match &self.across {
            Bottom::Numbers(scale) => {
                let mut free_from = f64::NEG_INFINITY;
                for tick in &scale.ticks {
                    let x = self.x(tick.value);
                    let class = if scale.has_zero() && tick.value == 0.0 {
                        "ft-zero"
                    } else {
                        "ft-grid"
                    };
                    *body += &svg::line(class, (x, self.top), (x, self.bottom));
                    let half = svg::width(&tick.text, TICK) / 2.0;
                    if x - half >= free_from {
                        *body += &svg::text(x, self.bottom + 17.0, Anchor::Middle, "", &tick.text);
                        free_from = x + half + 4.0;
                    }
                }
            }
            Bottom::Names(names) => self.draw_names(body, names, height),
        }
        *body += &svg::line(
            "ft-axis",
            (self.left, self.bottom),
            (self.right, self.bottom),
        );
        let middle = (
            (self.left + self.right) / 2.0,
            (self.top + self.bottom) / 2.0,
        );
        if !labels.0.is_empty() {
            *body += &svg::text(
                middle.0,
                height - EDGE + 3.0,
                Anchor::Middle,
                "ft-name",
                labels.0,
            );
        }
        if !labels.1.is_empty() {
            *body += &svg::turned(
                EDGE + 8.0,
                middle.1,
                -90.0,
                Anchor::Middle,
                "ft-name",
                labels.1,
            );
        }
    }

    fn draw_names(&self, body: &mut String, names: &[String], height: f64) {
        let slot = (self.right - self.left) / names.len() as f64;
        let every = (svg::TURNED / slot).ceil().max(1.0) as usize;
        for (i, name) in names.iter().enumerate() {
            let x = self.x((i as f64 + 0.5) / names.len() as f64);
            if self.turned {
                // Names that would touch are thinned out.
                if i % every != 0 {
                    continue;
                }
                let fits = svg::shortened(name, TICK, turned_most(height));
                *body += &svg::turned(x + 4.0, self.bottom + 14.0, -35.0, Anchor::End, "", &fits);
            } else {
                *body += &svg::text(x, self.bottom + 17.0, Anchor::Middle, "", name);
            }
        }
    }
}

/// Whether names have to be turned, and how much height they take.
fn names_room(names: &[String], width: f64, height: f64) -> (bool, f64) {
    let widest = names
        .iter()
        .map(|n| svg::width(n, TICK))
        .fold(0.0, f64::max);
    if widest + 8.0 <= width / names.len().max(1) as f64 {
        return (false, 18.0);
    }
    // The sine of 35 degrees, and the height of the letters.
    (true, 0.574 * widest.min(turned_most(height)) + 18.0)
}

fn turned_most(height: f64) -> f64 {
    (height * 0.4).min(220.0)
}

/// Draws the legend in rows from `y` on; returns where it ends.
fn legend(body: &mut String, keys: &[Key], width: f64, y: f64) -> f64 {
    let (mut x, mut y) = (EDGE, y + 10.0);
    for key in keys {
        let name = svg::shortened(&key.name, NAME, width - 2.0 * EDGE - 36.0);
        let needs = 32.0 + svg::width(&name, NAME) + 16.0;
        if x > EDGE && x + needs > width - EDGE {
            x = EDGE;
            y += 19.0;
        }
        let middle = y - 4.0;
        let stroke = |dash: &str| {
            let d = svg::path([(x, middle), (x + 24.0, middle)]);
            format!("<path class=\"ft-line\"{dash} d=\"{d}\"/>\n")
        };
        let mark = match key.mark {
            Mark::Line { dash } => stroke(dash),
            Mark::Marked { shape } => stroke("") + &svg::marker(shape, x + 12.0, middle, 4.0, ""),
            Mark::Dot { shape } => svg::marker(shape, x + 12.0, middle, 4.5, ""),
            Mark::Bar => svg::rect("class=\"ft-bar\"", x + 6.0, middle - 6.0, 12.0, 12.0, ""),
        };
        *body += &format!("<g class=\"{}\">\n{mark}</g>\n", key.class);
        *body += &svg::text(x + 30.0, y, Anchor::Start, "ft-name", &name);
        x += needs;
    }
    y + 9.0
}
