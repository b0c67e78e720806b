//! Operations one by one beside Pillow, and recipes of three beside torchvision.

use std::{collections::BTreeMap, hint::black_box, time::Instant};

use firetender_measure::{Failure, Median};
use firetender_tta::{Address, Compat, Mixture, OpSpace, Padding, Policy, ResolvedOp, RgbImage};
use serde::Deserialize;

use super::{Arguments, python};

#[derive(Deserialize)]
struct Theirs {
    seconds: BTreeMap<String, f64>,
    /// Adler-32 of the bytes that each operation makes.
    #[serde(default)]
    sums: BTreeMap<String, u32>,
    versions: String,
}

fn theirs(arguments: &Arguments, what: &str) -> Result<Option<Theirs>, Failure> {
    Ok(python(arguments, &[what])?
        .map(|text| serde_json::from_str(&text))
        .transpose()?)
}

/// Noise, as the peer draws it.
fn noise(side: usize) -> Result<RgbImage, Failure> {
    let mut state = 12_345_u32;
    let bytes = (0..3 * side * side).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    Ok(RgbImage::new(side, side, bytes.collect())?)
}

fn adler(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1_u32, 0_u32), |(a, b), x| {
        let a = (a + u32::from(*x)) % 65_521;
        (a, (a + b) % 65_521)
    });
    b << 16 | a
}

/// Seconds of one call: the median of fifteen times ten milliseconds.
fn time(mut work: impl FnMut() -> Result<(), Failure>) -> Result<f64, Failure> {
    let begun = Instant::now();
    work()?;
    let count = (0.01 / begun.elapsed().as_secs_f64().max(1e-7)) as usize + 1;
    let mut seconds = vec![];
    for _ in 0..15 {
        let begun = Instant::now();
        for _ in 0..count {
            work()?;
        }
        seconds.push(begun.elapsed().as_secs_f64() / count as f64);
    }
    Ok(Median::of(&seconds).value)
}

pub(super) fn ops(arguments: &Arguments) -> Result<(), Failure> {
    let theirs = theirs(arguments, "ops")?;
    if let Some(theirs) = &theirs {
        println!("one image, one thread, microseconds; {}", theirs.versions);
    }
    let black = Compat::pillow_13().with_padding(Padding::Black);
    let reflect = Compat::pillow_13();
    for side in [32, 224] {
        let image = noise(side)?;
        let small = side * 3 / 4;
        let cases = [
            (
                "shear_y",
                ResolvedOp::ShearY {
                    factor: 0.3,
                    mirror: false,
                },
                black,
            ),
            (
                "shear_x",
                ResolvedOp::ShearX {
                    factor: 0.3,
                    mirror: false,
                },
                black,
            ),
            ("rotate", ResolvedOp::Rotate { degrees: 25.0 }, black),
            (
                "rotate_reflected",
                // By so little that no corner comes from beyond the peer's padding.
                ResolvedOp::Rotate { degrees: 15.0 },
                reflect,
            ),
            ("translate_x", ResolvedOp::TranslateX { pixels: 7.3 }, black),
            (
                "auto_contrast",
                ResolvedOp::AutoContrast { cutoff: 5.0 },
                black,
            ),
            ("solarize", ResolvedOp::Solarize { threshold: 100.0 }, black),
            ("posterize", ResolvedOp::Posterize { bits: 4 }, black),
            ("contrast", ResolvedOp::Contrast { factor: 1.7 }, black),
            ("color", ResolvedOp::Color { factor: 1.7 }, black),
            ("brightness", ResolvedOp::Brightness { factor: 1.7 }, black),
            ("sharpness", ResolvedOp::Sharpness { factor: 1.7 }, black),
            ("equalize", ResolvedOp::Equalize, black),
            ("invert", ResolvedOp::Invert, black),
            (
                "resize",
                ResolvedOp::Resize {
                    width: small,
                    height: small,
                },
                black,
            ),
        ];
        let mut ratios = vec![];
        for (name, op, compat) in cases {
            let key = format!("{name} {side}");
            let sum = adler(op.apply(&image, &compat)?.pixels());
            if let Some(expected) = theirs.as_ref().and_then(|t| t.sums.get(&key))
                && *expected != sum
            {
                return Err(format!("{key}: other bytes than the peer's").into());
            }
            let ours = time(|| {
                black_box(op.apply(black_box(&image), &compat)?);
                Ok(())
            })?;
            let beside = theirs.as_ref().and_then(|t| t.seconds.get(&key));
            let text = beside.map_or_else(String::new, |theirs| {
                ratios.push(theirs / ours);
                format!("  {:9.2}  {:5.1} x", 1e6 * theirs, theirs / ours)
            });
            println!("  {key:22} {:9.2}{text}", 1e6 * ours);
        }
        if !ratios.is_empty() {
            let mean = ratios.iter().map(|r| r.ln()).sum::<f64>() / ratios.len() as f64;
            println!("  {side} x {side}: {:.1} x, geometric mean", mean.exp());
        }
    }
    Ok(())
}

/// Images a second under random recipes of three of torchvision's operations, each image with draws of its own.
pub(super) fn recipes(arguments: &Arguments) -> Result<(), Failure> {
    let theirs = theirs(arguments, "recipes")?;
    let mut policy = Policy::cifar().with_compat(Compat::pillow_13().with_padding(Padding::Black));
    policy.space = OpSpace::torchvision_ra();
    policy.true_zero = 0.0;
    policy.random.clear();
    let policy = Mixture::new(&[(200, 3, 9.0)]).draw(&policy, 1)?;
    for side in [32, 224] {
        let image = noise(side)?;
        let all = time(|| {
            for (entry, recipe) in policy.entries[..200].iter().enumerate() {
                let address = Address {
                    entry: entry as u64,
                    ..Address::default()
                };
                black_box(policy.augment(recipe, &image, address)?);
            }
            Ok(())
        })?;
        let ours = all / 200.0;
        println!(
            "recipes of three, {side} x {side}, one thread: {:.1} microseconds an image",
            1e6 * ours
        );
        for (name, seconds) in theirs.iter().flat_map(|t| &t.seconds) {
            if name.ends_with(&format!(" {side}")) {
                println!("  {name}: {:.1}, {:.1} x", 1e6 * seconds, seconds / ours);
            }
        }
    }
    if let Some(theirs) = theirs {
        println!("  {}", theirs.versions);
    }
    Ok(())
}
