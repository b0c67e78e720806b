//! Axes: from values to shares of a length, and the ticks in between.

use crate::{ReportError, error};

mod ticks;

/// What an axis is called and how it spreads its values.
///
/// The range follows the data and, on a linear axis, is rounded outwards to the next tick.
///
/// ```
/// use firetender_report::Axis;
///
/// let accuracy = Axis::linear("accuracy").include(0.0).include(1.0);
/// // KL is exactly zero where nothing is steered: draw it at the floor.
/// let damage = Axis::log_above("KL (nats)", 1e-6);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    label: String,
    kind: Kind,
    include: Vec<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Linear,
    Log,
    LogAbove(f64),
}

impl Axis {
    /// Equal steps for equal differences.
    #[must_use]
    pub fn linear(label: impl Into<String>) -> Self {
        Self::of(label, Kind::Linear)
    }

    /// Equal steps for equal ratios. All values must be above zero.
    #[must_use]
    pub fn log(label: impl Into<String>) -> Self {
        Self::of(label, Kind::Log)
    }

    /// As [`Axis::log`], with everything at or below `floor` (zero, too) drawn at the floor, whose tick says "≤".
    ///
    /// Building a figure fails when `floor` is not a finite number above zero.
    #[must_use]
    pub fn log_above(label: impl Into<String>, floor: f64) -> Self {
        Self::of(label, Kind::LogAbove(floor))
    }

    /// Widens the range to hold `value`, whatever the data: 0 and 1 for an accuracy, 0.5 for chance.
    #[must_use]
    pub fn include(mut self, value: f64) -> Self {
        self.include.push(value);
        self
    }

    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    fn of(label: impl Into<String>, kind: Kind) -> Self {
        Self {
            label: label.into(),
            kind,
            include: Vec::new(),
        }
    }

    /// Checks values that will be drawn on this axis.
    pub(crate) fn check(&self, place: &str, values: &[f64]) -> Result<(), ReportError> {
        error::all_finite(place, values)?;
        let bad = values
            .iter()
            .position(|&v| self.kind == Kind::Log && v <= 0.0);
        match bad {
            Some(index) => Err(ReportError::NotPositive {
                place: place.to_owned(),
                index,
                value: values[index],
            }),
            None => Ok(()),
        }
    }

    /// The scale that holds all of `values`, which [`Axis::check`] has seen.
    ///
    /// `wanted` is about how many ticks there is room for.
    pub(crate) fn fit(
        &self,
        place: &str,
        values: impl IntoIterator<Item = f64>,
        wanted: usize,
    ) -> Result<Scale, ReportError> {
        let place = format!("{place} / axis {:?}", self.label);
        self.check(&place, &self.include)?;
        let mut low = f64::INFINITY;
        let mut high = f64::NEG_INFINITY;
        for value in values.into_iter().chain(self.include.iter().copied()) {
            low = low.min(value);
            high = high.max(value);
        }
        if !(high - low).is_finite() {
            return Err(ReportError::TooWide { place, low, high });
        }
        match self.kind {
            Kind::Linear => ticks::linear(&place, low, high, wanted),
            Kind::Log => Ok(ticks::logarithmic(low, high, None, wanted)),
            Kind::LogAbove(floor) => {
                error::all_finite(&place, &[floor])?;
                if floor <= 0.0 {
                    return Err(ReportError::NotPositive {
                        place,
                        index: 0,
                        value: floor,
                    });
                }
                Ok(ticks::logarithmic(
                    floor,
                    high.max(floor),
                    Some(floor),
                    wanted,
                ))
            }
        }
    }
}

/// A tick: where it stands (a value of the axis) and what it says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tick {
    pub(crate) value: f64,
    pub(crate) text: String,
}

/// An axis fitted to its data.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    log: bool,
    pub(crate) ticks: Vec<Tick>,
}

impl Scale {
    /// 0 at the low end, 1 at the high end.
    pub(crate) fn share(&self, value: f64) -> f64 {
        let place = |v: f64| if self.log { v.max(self.low).log10() } else { v };
        let (low, high) = (place(self.low), place(self.high));
        ((place(value) - low) / (high - low)).clamp(0.0, 1.0)
    }

    /// Whether zero lies inside of a linear axis, so that it deserves a line.
    pub(crate) fn has_zero(&self) -> bool {
        !self.log && self.low <= 0.0 && self.high >= 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis, values: &[f64]) -> Vec<String> {
        let scale = axis.fit("test", values.iter().copied(), 6).unwrap();
        scale.ticks.into_iter().map(|t| t.text).collect()
    }

    #[test]
    fn linear_ticks_are_nice() {
        let axis = Axis::linear("x");
        assert_eq!(texts(&axis, &[-2.0, 2.0]), ["−2", "−1", "0", "1", "2"]);
        assert_eq!(
            texts(&axis, &[0.0, 0.32]),
            ["0.0", "0.1", "0.2", "0.3", "0.4"]
        );
        assert_eq!(texts(&axis, &[0.0, 4e6]), ["0", "1e6", "2e6", "3e6", "4e6"]);
        assert_eq!(texts(&axis, &[5.0]).first().unwrap(), "4.4");
        assert_eq!(texts(&axis.include(0.0), &[1.0])[0], "0.0");
    }

    #[test]
    fn log_ticks_are_decades_or_finer() {
        assert_eq!(
            texts(&Axis::log("x"), &[1e-5, 10.0]),
            ["10⁻⁵", "10⁻⁴", "0.001", "0.01", "0.1", "1", "10"]
        );
        assert_eq!(
            texts(&Axis::log("x"), &[0.1, 1.0]),
            ["0.1", "0.2", "0.5", "1"]
        );
        assert_eq!(texts(&Axis::log("x"), &[3.0, 3.5]), ["3", "3.5"]);
        assert_eq!(
            texts(&Axis::log_above("x", 1e-4), &[0.0, 1.0]),
            ["≤10⁻⁴", "0.001", "0.01", "0.1", "1"]
        );
    }

    #[test]
    fn shares_run_from_end_to_end() {
        let log = Axis::log_above("x", 0.01)
            .fit("t", [0.0, 100.0], 6)
            .unwrap();
        let shares = [0.0, 0.01, 1.0, 100.0].map(|v| log.share(v));
        assert_eq!(shares, [0.0, 0.0, 0.5, 1.0]);
        let linear = Axis::linear("x").fit("t", [-1.0, 1.0], 4).unwrap();
        assert_eq!([-1.0, 0.0, 1.0].map(|v| linear.share(v)), [0.0, 0.5, 1.0]);
        assert!(linear.has_zero() && !log.has_zero());
    }

    #[test]
    fn hostile_ranges_end_and_say_so() {
        let linear = Axis::linear("x");
        for values in [
            [f64::MIN, f64::MAX],
            [1e300, 1.000_000_1e300],
            [-1e-300, 1e-300],
            [5e-324, 1e-323],
            [0.0, f64::MAX],
            [0.0, 5e-324],
            [1e15, 1e15 + 1.0],
            [0.1, 0.1 + 1e-14],
        ] {
            match linear.fit("t", values, 6) {
                Ok(scale) => {
                    assert!((2..=101).contains(&scale.ticks.len()), "{values:?}");
                    assert!(
                        values.iter().all(|&v| scale.share(v).is_finite()),
                        "{values:?}"
                    );
                }
                Err(error) => assert!(matches!(error, ReportError::TooWide { .. }), "{error}"),
            }
        }
        for values in [
            [5e-324, f64::MAX],
            [5e-324, 5e-324],
            [f64::MAX, f64::MAX],
            [1.0, 1.0],
        ] {
            let scale = Axis::log("x").fit("t", values, 6).unwrap();
            assert!(
                (2..=12).contains(&scale.ticks.len()),
                "{values:?} {scale:?}"
            );
            assert!(
                values.iter().all(|&v| scale.share(v).is_finite()),
                "{values:?}"
            );
        }
        assert!(linear.clone().include(f64::NAN).fit("t", [0.0], 6).is_err());
        for floor in [0.0, -1.0, f64::NAN] {
            assert!(Axis::log_above("x", floor).fit("t", [1.0], 6).is_err());
        }
        assert!(Axis::log("x").include(0.0).fit("t", [1.0], 6).is_err());
    }
}
