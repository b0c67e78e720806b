//! Signs: a colour image set that is drawn from a seed, so that examples on images run anywhere.
//!
//! Ten classes of shapes on textured backgrounds, 32 × 32: disc, ring, triangle, wedge (a triangle on its tip), square, diamond, plus, cross, bars, hexagon.
//! Size, place, angle, colours, blur, noise and a strip that may cover a part are random, and hard enough that a small network errs on
//! more than one in ten. Every image is a function of the seed and its number. All classes survive mirroring.

use burn::{
    module::Module,
    store::ModuleRecord,
    tensor::{Bytes, Device},
};
use firetender_tta::{Address, Draw, RgbImage};

use crate::{
    Failure,
    fashion::{FashionNet, FashionNetConfig},
};

/// How many classes.
pub const CLASSES: usize = 10;
/// Pixels on a side.
pub const SIDE: usize = 32;
/// Names of the classes.
pub const NAMES: [&str; CLASSES] = [
    "disc", "ring", "triangle", "wedge", "square", "diamond", "plus", "cross", "bars", "hexagon",
];

/// The network for the signs: how it was trained says examples/data/signs.md.
const NETWORK: &[u8] = include_bytes!("../data/signs.bpk");
/// Seed of the signs that the network was trained on, which have numbers below a million.
pub const SEED: u64 = 1;

/// A fresh network for colour images.
#[must_use]
pub fn fresh_network(seed: u64, device: &Device) -> FashionNet {
    FashionNetConfig::new()
        .with_inputs(3)
        .with_channels([24, 48, 64])
        .init(seed, device)
}

/// The network for signs that is part of the program.
///
/// # Errors
/// What Burn says of weights that do not fit.
pub fn network(device: &Device) -> Result<FashionNet, Failure> {
    let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(NETWORK.to_vec()))?;
    Ok(fresh_network(SEED, device).try_load_record(record)?)
}

/// Images and classes with numbers from `first`.
#[must_use]
pub fn draw(seed: u64, first: u64, count: usize) -> (Vec<RgbImage>, Vec<i64>) {
    (first..first + count as u64)
        .map(|number| one(seed, number))
        .unzip()
}

/// One image and its class.
fn one(seed: u64, number: u64) -> (RgbImage, i64) {
    let mut random = Draw::at(Address {
        seed,
        entry: 4242,
        image: number,
        repeat: 0,
    });
    let class = random.up_to(CLASSES as u64 - 1) as usize;
    let radius = random.between(6.5, 12.5);
    let centre = [random.between(11.0, 21.0), random.between(11.0, 21.0)];
    let angle = random.between(-0.25, 0.25);
    let (sin, cos) = angle.sin_cos();
    let mut colour = || [random.uniform(), random.uniform(), random.uniform()];
    let (ground, other, mut sign) = (colour(), colour(), colour());
    // At least a little contrast with what is behind.
    let far =
        |a: [f64; 3], b: [f64; 3]| -> f64 { a.iter().zip(b).map(|(x, y)| (x - y).abs()).sum() };
    if far(sign, ground) < 0.8 {
        sign = ground.map(|x| if x < 0.5 { x + 0.4 } else { x - 0.4 });
    }
    let texture = [
        random.between(0.2, 1.4),
        random.between(0.2, 1.4),
        random.between(0.0, 6.3),
    ];
    let depth = random.between(0.05, 0.5);
    let strip = (random.uniform() < 0.25).then(|| {
        let at = random.between(4.0, 28.0);
        (at, at + random.between(2.0, 6.0), random.chance(0.5))
    });
    let light = [random.between(-0.25, 0.25), random.between(-0.25, 0.25)];
    let noise = random.between(0.02, 0.12);
    let soft = random.between(0.5, 1.5);
    let mut pixels = Vec::with_capacity(3 * SIDE * SIDE);
    for y in 0..SIDE {
        for x in 0..SIDE {
            let (fx, fy) = (x as f64 + 0.5, y as f64 + 0.5);
            let wave = (texture[0] * fx + texture[1] * fy + texture[2]).sin() * 0.5 + 0.5;
            let (dx, dy) = ((fx - centre[0]) / radius, (fy - centre[1]) / radius);
            let (u, v) = (cos * dx + sin * dy, cos * dy - sin * dx);
            // Negative inside, in radii; then in pixels, so that edges are equally soft at every size.
            let inside = 1.0 / (1.0 + (4.0 / soft * radius * distance(class, u, v)).exp());
            let covered = strip.is_some_and(|(from, to, across)| {
                let at = if across { fy } else { fx };
                (from..to).contains(&at)
            });
            let inside = if covered { 0.0 } else { inside };
            let shade = 1.0 + light[0] * (fx / 16.0 - 1.0) + light[1] * (fy / 16.0 - 1.0);
            for c in 0..3 {
                let back = ground[c] + depth * wave * (other[c] - ground[c]);
                let value = (back + inside * (sign[c] - back)) * shade + noise * random.normal();
                pixels.push((255.0 * value.clamp(0.0, 1.0)).round() as u8);
            }
        }
    }
    // The size is right by construction.
    let image = RgbImage::new(SIDE, SIDE, pixels);
    (
        image.unwrap_or_else(|error| panic!("{error}")),
        class as i64,
    )
}

/// How far outside of the sign a point is, the sign being about as large as the unit disc.
fn distance(class: usize, u: f64, v: f64) -> f64 {
    let disc = |r: f64| u.hypot(v) - r;
    let square = |u: f64, v: f64, a: f64, b: f64| (u.abs() - a).max(v.abs() - b);
    let triangle = |v: f64| (0.866 * u.abs() - 0.5 * v - 0.5).max(v - 0.55);
    let plus = |u: f64, v: f64| square(u, v, 1.0, 0.3).min(square(u, v, 0.3, 1.0));
    let half = std::f64::consts::FRAC_1_SQRT_2;
    match class {
        0 => disc(0.9),
        1 => disc(0.95).max(-disc(0.5)),
        2 => triangle(v),
        3 => triangle(-v),
        4 => square(u, v, 0.8, 0.8),
        5 => half * (u.abs() + v.abs() - 1.15),
        6 => plus(u, v),
        7 => plus(half * (u + v), half * (u - v)),
        8 => square(u, v.abs() - 0.55, 0.9, 0.28),
        _ => (0.866 * u.abs() + 0.5 * v.abs() - 0.85).max(v.abs() - 0.85),
    }
}
