//! Where ticks stand and what they say.
//!
//! They are the usual 1, 2 or 5 times a power of ten (Heckbert, "Nice numbers for graph labels", Graphics Gems 1990).

use super::{Scale, Tick};
use crate::{ReportError, number};

/// From tick to tick around the values.
pub(super) fn linear(
    place: &str,
    low: f64,
    high: f64,
    wanted: usize,
) -> Result<Scale, ReportError> {
    let (low, high) = widened(low, high);
    let step = nice_step((high - low) / wanted.max(1) as f64);
    let first = (low / step).floor();
    let last = (high / step).ceil();
    let count = last - first;
    let ends = (first * step, last * step);
    if !step.is_normal()
        || !ends.0.is_finite()
        || !ends.1.is_finite()
        || !(1.0..=100.0).contains(&count)
    {
        return Err(ReportError::TooWide {
            place: place.to_owned(),
            low,
            high,
        });
    }
    let ticks = (0..=count as usize)
        .map(|i| {
            let value = (first + i as f64) * step;
            Tick {
                value,
                text: linear_text(value, step, ends.0.abs().max(ends.1.abs())),
            }
        })
        .collect();
    Ok(Scale {
        low: ends.0,
        high: ends.1,
        log: false,
        ticks,
    })
}

/// One value alone gets a range around it; a range below rounding error counts as one value.
fn widened(low: f64, high: f64) -> (f64, f64) {
    let size = low.abs().max(high.abs());
    if high - low > size * 1e-12 {
        return (low, high);
    }
    let margin = if size == 0.0 { 1.0 } else { size * 0.1 };
    (low - margin, high + margin)
}

/// The smallest of 1, 2, 5, 10 times a power of ten that is at least `rough`.
fn nice_step(rough: f64) -> f64 {
    let power = 10f64.powi(rough.log10().floor() as i32);
    let factor = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|f| f * power >= rough * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

fn linear_text(value: f64, step: f64, largest: f64) -> String {
    let text = if !(1e-3..1e6).contains(&largest) {
        number::short(value)
    } else {
        let decimals = (-(step.log10() + 1e-9).floor()).clamp(0.0, 12.0) as usize;
        number::fixed(value, decimals)
    };
    number::typeset(&text)
}

/// From the smallest to the largest value, or from the floor on.
pub(super) fn logarithmic(low: f64, high: f64, floor: Option<f64>, wanted: usize) -> Scale {
    // Far from the ends of floating point, so that no power of ten below is zero or infinite.
    let (low, high) = (low.clamp(1e-300, 1e300), high.clamp(1e-300, 1e300));
    let (low, high) = if high / low > 1.0 + 1e-9 {
        (low, high)
    } else if floor.is_some() {
        (low, low * 10.0)
    } else {
        (low / 2.0, high * 2.0)
    };
    let decades = high.log10() - low.log10();
    let mut ticks: Vec<Tick> = Vec::new();
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let every = (decades / wanted.max(1) as f64).ceil().max(1.0) as i32;
    let factors: &[f64] = if decades < 2.5 {
        &[1.0, 2.0, 5.0]
    } else {
        &[1.0]
    };
    for exponent in (first..=last).filter(|e| e.rem_euclid(every) == 0) {
        for factor in factors {
            let value = factor * 10f64.powi(exponent);
            if (low * (1.0 - 1e-9)..=high * (1.0 + 1e-9)).contains(&value) {
                let text = log_text(value, *factor, exponent);
                ticks.push(Tick { value, text });
            }
        }
    }
    if ticks.len() < 2 {
        ticks = [low, high]
            .map(|value| Tick {
                value,
                text: number::typeset(&number::short(value)),
            })
            .to_vec();
    }
    if let Some(floor) = floor {
        ticks.retain(|tick| tick.value > floor * (1.0 + 1e-9));
        let exponent = floor.log10().round();
        let exact = (floor.log10() - exponent).abs() < 1e-9;
        let text = if exact {
            log_text(floor, 1.0, exponent as i32)
        } else {
            number::typeset(&number::short(floor))
        };
        ticks.insert(
            0,
            Tick {
                value: floor,
                text: format!("≤{text}"),
            },
        );
    }
    Scale {
        low,
        high,
        log: true,
        ticks,
    }
}

fn log_text(value: f64, factor: f64, exponent: i32) -> String {
    if (-3..=4).contains(&exponent) {
        number::short(value)
    } else if factor == 1.0 {
        number::power_of_ten(exponent)
    } else {
        format!("{factor}·{}", number::power_of_ten(exponent))
    }
}
