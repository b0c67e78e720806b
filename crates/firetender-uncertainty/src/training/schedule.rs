//! Learning rates that make ensembles, as Burn `LrScheduler`s.
//!
//! Burn's own cosine has no restart and refuses rates above one; these three are the schedules of the published recipes. Each is a
//! closed form, `at(step)`, plus a counter, so that resuming is setting the counter. `burn-train` steps a schedule once before each
//! optimizer step; a hand-written loop should do the same.

use std::f64::consts::PI;

use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord};

use crate::UncertaintyError;

/// Cosine annealing with warm restarts (Loshchilov and Hutter 2017; snapshot ensembles, Huang et al. 2017):
/// `lr(i) = max/2 · (1 + cos(π (i mod c) / c))` for step i, from 0, and cycle length c.
///
/// The last step of a cycle has a rate just above zero; take the snapshot after it.
///
/// ```
/// use firetender_uncertainty::training::CyclicCosine;
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let schedule = CyclicCosine::new(0.2, 100)?;
/// assert_eq!(schedule.at(0), 0.2);
/// assert!((schedule.at(50) - 0.1).abs() < 1e-15);
/// assert_eq!(schedule.at(100), 0.2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct CyclicCosine {
    max: f64,
    cycle: usize,
    step: usize,
}

impl CyclicCosine {
    /// From the highest rate and the steps (not epochs) in a cycle.
    ///
    /// # Errors
    /// A rate that is not positive and finite; a cycle without steps.
    pub fn new(max: f64, cycle: usize) -> Result<Self, UncertaintyError> {
        Ok(Self {
            max: rate("max", max)?,
            cycle: steps("cycle", cycle)?,
            step: 0,
        })
    }

    /// The rate of this step, counted from 0.
    #[must_use]
    pub fn at(&self, step: usize) -> f64 {
        let part = (step % self.cycle) as f64 / self.cycle as f64;
        self.max / 2.0 * (1.0 + (PI * part).cos())
    }

    /// Whether this step, counted from 0, is the last of a cycle.
    #[must_use]
    pub fn ends_cycle(&self, step: usize) -> bool {
        step % self.cycle == self.cycle - 1
    }
}

/// The triangular cycle of fast geometric ensembles (Garipov et al. 2018): from `first` in a straight line to `second` at the middle
/// of the cycle and back.
///
/// With `t = (i mod c)/c` it is `first (1 − 2t) + second 2t` for t < 1/2 and `first (2t − 1) + second (2 − 2t)` after. The published
/// CIFAR recipes start high and save at mid-cycle; the `ImageNet` one starts low and saves at the end: save where the rate is lowest.
///
/// ```
/// use firetender_uncertainty::training::TriangularFge;
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let schedule = TriangularFge::new(1e-2, 5e-4, 100)?;
/// assert_eq!(schedule.at(0), 1e-2);
/// assert_eq!(schedule.at(50), 5e-4);
/// assert!(schedule.at(99) < schedule.at(100));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct TriangularFge {
    first: f64,
    second: f64,
    cycle: usize,
    step: usize,
}

impl TriangularFge {
    /// From the rate at the ends of a cycle, the one at its middle, and the steps in it.
    ///
    /// # Errors
    /// Rates that are not positive and finite; a cycle of fewer than two steps.
    pub fn new(first: f64, second: f64, cycle: usize) -> Result<Self, UncertaintyError> {
        if cycle < 2 {
            return Err(UncertaintyError::Options {
                field: "cycle",
                found: cycle.to_string(),
                expected: "at least 2 steps",
            });
        }
        Ok(Self {
            first: rate("first", first)?,
            second: rate("second", second)?,
            cycle,
            step: 0,
        })
    }

    /// The rate of this step, counted from 0.
    #[must_use]
    pub fn at(&self, step: usize) -> f64 {
        let t = (step % self.cycle) as f64 / self.cycle as f64;
        if t < 0.5 {
            self.first * (1.0 - 2.0 * t) + self.second * (2.0 * t)
        } else {
            self.first * (2.0 * t - 1.0) + self.second * (2.0 - 2.0 * t)
        }
    }
}

/// The schedule of the published baselines: full rate up to half the training, then in a straight line to a hundredth of it at nine
/// tenths, then constant. SWAG's is the same with another floor: `with_floor(swa_lr / lr)`.
///
/// ```
/// use firetender_uncertainty::training::PlateauLinear;
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let schedule = PlateauLinear::new(0.1, 1000)?;
/// assert_eq!(schedule.at(500), 0.1);
/// assert!((schedule.at(700) - 0.1 * 0.505).abs() < 1e-15);
/// assert_eq!(schedule.at(900), 0.1 * 0.01);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PlateauLinear {
    rate: f64,
    total: usize,
    plateau: f64,
    end: f64,
    floor: f64,
    step: usize,
}

impl PlateauLinear {
    /// From the full rate and the steps of the whole training, with the published turning points 0.5, 0.9 and 0.01.
    ///
    /// # Errors
    /// A rate that is not positive and finite; a training without steps.
    pub fn new(full: f64, total: usize) -> Result<Self, UncertaintyError> {
        Ok(Self {
            rate: rate("full", full)?,
            total: steps("total", total)?,
            plateau: 0.5,
            end: 0.9,
            floor: 0.01,
            step: 0,
        })
    }

    /// Other turning points, as parts of the training.
    ///
    /// # Errors
    /// Unless `0 ≤ plateau < end`.
    pub fn with_turns(self, plateau: f64, end: f64) -> Result<Self, UncertaintyError> {
        if !(plateau >= 0.0 && plateau < end && end.is_finite()) {
            return Err(UncertaintyError::Options {
                field: "turns",
                found: format!("{plateau}, {end}"),
                expected: "0 ≤ plateau < end",
            });
        }
        Ok(Self {
            plateau,
            end,
            ..self
        })
    }

    /// Another last rate, as a part of the full one.
    ///
    /// # Errors
    /// Unless it is positive and finite.
    pub fn with_floor(self, floor: f64) -> Result<Self, UncertaintyError> {
        Ok(Self {
            floor: rate("floor", floor)?,
            ..self
        })
    }

    /// The rate of this step, counted from 0.
    #[must_use]
    pub fn at(&self, step: usize) -> f64 {
        let t = step as f64 / self.total as f64;
        let factor = if t <= self.plateau {
            1.0
        } else if t < self.end {
            1.0 - (t - self.plateau) / (self.end - self.plateau) * (1.0 - self.floor)
        } else {
            self.floor
        };
        self.rate * factor
    }
}

/// The counter of a schedule, as Burn records it.
const STEP: &str = "step";

fn record(step: usize) -> LrSchedulerRecord {
    LrSchedulerRecord::new().with_scalar(STEP, step as u64)
}

fn restore(step: &mut usize, record: &LrSchedulerRecord) {
    if let Some(found) = record
        .scalar::<u64>(STEP)
        .and_then(|step| usize::try_from(step).ok())
    {
        *step = found;
    }
}

impl LrScheduler for CyclicCosine {
    fn step(&mut self) -> f64 {
        self.step += 1;
        self.at(self.step - 1)
    }

    fn to_record(&self) -> LrSchedulerRecord {
        record(self.step)
    }

    fn load_record(&mut self, record: LrSchedulerRecord) {
        restore(&mut self.step, &record);
    }
}

impl LrScheduler for TriangularFge {
    fn step(&mut self) -> f64 {
        self.step += 1;
        self.at(self.step - 1)
    }

    fn to_record(&self) -> LrSchedulerRecord {
        record(self.step)
    }

    fn load_record(&mut self, record: LrSchedulerRecord) {
        restore(&mut self.step, &record);
    }
}

impl LrScheduler for PlateauLinear {
    fn step(&mut self) -> f64 {
        self.step += 1;
        self.at(self.step - 1)
    }

    fn to_record(&self) -> LrSchedulerRecord {
        record(self.step)
    }

    fn load_record(&mut self, record: LrSchedulerRecord) {
        restore(&mut self.step, &record);
    }
}

fn rate(field: &'static str, value: f64) -> Result<f64, UncertaintyError> {
    if value > 0.0 && value.is_finite() {
        return Ok(value);
    }
    Err(UncertaintyError::Options {
        field,
        found: value.to_string(),
        expected: "positive and finite",
    })
}

fn steps(field: &'static str, value: usize) -> Result<usize, UncertaintyError> {
    if value > 0 {
        return Ok(value);
    }
    Err(UncertaintyError::Options {
        field,
        found: value.to_string(),
        expected: "at least 1 step",
    })
}
