//! A score over ensemble sizes, with whatever is known about its spread.

use serde::{Deserialize, Serialize};

use super::MemberNoise;
use crate::UncertaintyError;

/// Which scores are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Log-likelihood, accuracy, AUROC.
    HigherIsBetter,
    /// Brier score, calibration errors, areas under risk.
    LowerIsBetter,
}

impl Direction {
    /// By the name of a metric, as the published program decides: `brier`, `acc_aac` and names that end in `ce` are better when
    /// lower, and so are our `aurc`, `e_aurc`, `augrc`, `rps` and `nll`; all others are better when higher.
    ///
    /// ```
    /// use firetender_uncertainty::Direction;
    /// assert_eq!(Direction::of_metric("ll"), Direction::HigherIsBetter);
    /// assert_eq!(Direction::of_metric("tace"), Direction::LowerIsBetter);
    /// ```
    #[must_use]
    pub fn of_metric(name: &str) -> Self {
        let name = name.trim().to_ascii_lowercase();
        let listed = [
            "brier", "acc_aac", "aurc", "e_aurc", "augrc", "rps", "nll", "error",
        ];
        if listed.contains(&name.as_str()) || name.ends_with("ce") {
            Self::LowerIsBetter
        } else {
            Self::HigherIsBetter
        }
    }

    fn sign(self) -> f64 {
        match self {
            Self::HigherIsBetter => 1.0,
            Self::LowerIsBetter => -1.0,
        }
    }
}

/// What is known beside the mean at each size.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Spread {
    Nothing,
    /// Standard deviation over runs.
    Deviations(Vec<f64>),
    /// One list a run, one value a size.
    Runs(Vec<Vec<f64>>),
    /// One list a size, one score an object of the test set.
    Objects(Vec<Vec<f64>>),
    /// The same for each of several runs.
    RunObjects(Vec<Vec<Vec<f64>>>),
}

/// A score at increasing ensemble sizes.
///
/// Sizes need not be consecutive. The spread decides what bands are possible: values of several runs, standard deviations, or
/// the score of every test object (the best: method and baseline are then resampled on the same objects).
///
/// ```
/// use firetender_uncertainty::{Direction, SizeCurve};
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let runs = [vec![-1.0, -0.8], vec![-1.2, -0.8]];
/// let curve = SizeCurve::from_runs(&[1, 5], &runs, Direction::HigherIsBetter)?;
/// assert_eq!(curve.means(), [-1.1, -0.8]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SizeCurve {
    sizes: Vec<f64>,
    means: Vec<f64>,
    pub(super) spread: Spread,
    pub(super) noise: Option<MemberNoise>,
    direction: Direction,
}

impl SizeCurve {
    /// Means only; no band can be made of them.
    ///
    /// # Errors
    /// [`UncertaintyError::Input`] without sizes, when there are not as many of both, when sizes are not above zero and strictly
    /// increasing, or a value is not finite (its index is named).
    pub fn from_means(
        sizes: &[usize],
        means: &[f64],
        direction: Direction,
    ) -> Result<Self, UncertaintyError> {
        Self::build(sizes, means.to_vec(), Spread::Nothing, direction)
    }

    /// Means and standard deviations over runs.
    ///
    /// # Errors
    /// As [`from_means`](Self::from_means), and for deviations that are negative or not finite.
    pub fn from_mean_std(
        sizes: &[usize],
        means: &[f64],
        deviations: &[f64],
        direction: Direction,
    ) -> Result<Self, UncertaintyError> {
        same_count("standard deviations", sizes.len(), deviations.len())?;
        if let Some(at) = deviations.iter().position(|s| !s.is_finite() || *s < 0.0) {
            return Err(UncertaintyError::input(format!(
                "standard deviation {at} is {}, expected a finite number of at least 0",
                deviations[at]
            )));
        }
        let spread = Spread::Deviations(deviations.to_vec());
        Self::build(sizes, means.to_vec(), spread, direction)
    }

    /// One list of values a run; the curve is their mean.
    ///
    /// # Errors
    /// As [`from_means`](Self::from_means), and without runs.
    pub fn from_runs(
        sizes: &[usize],
        runs: &[Vec<f64>],
        direction: Direction,
    ) -> Result<Self, UncertaintyError> {
        if runs.is_empty() {
            return Err(UncertaintyError::input("no runs, expected at least one"));
        }
        for (run, values) in runs.iter().enumerate() {
            same_count(&format!("values of run {run}"), sizes.len(), values.len())?;
            if let Some(at) = values.iter().position(|v| !v.is_finite()) {
                return Err(UncertaintyError::input(format!(
                    "value {at} of run {run} is {}, expected a finite number",
                    values[at]
                )));
            }
        }
        let mean = |at: usize| runs.iter().map(|run| run[at]).sum::<f64>() / runs.len() as f64;
        let means = (0..sizes.len()).map(mean).collect();
        let spread = if runs.len() > 1 {
            Spread::Runs(runs.to_vec())
        } else {
            Spread::Nothing
        };
        Self::build(sizes, means, spread, direction)
    }

    /// One list a size, one score an object of the test set, in one order for all curves that will be compared. The curve is
    /// the mean over objects.
    ///
    /// # Errors
    /// As [`from_means`](Self::from_means), and when the sizes have different numbers of objects, or none.
    pub fn from_objects(
        sizes: &[usize],
        objects: &[Vec<f64>],
        direction: Direction,
    ) -> Result<Self, UncertaintyError> {
        same_count("lists of scores", sizes.len(), objects.len())?;
        let count = objects.first().map_or(0, Vec::len);
        if count == 0 {
            return Err(UncertaintyError::input("no objects, expected at least one"));
        }
        for (at, scores) in objects.iter().enumerate() {
            same_count(
                &format!("scores at size {}", sizes[at]),
                count,
                scores.len(),
            )?;
        }
        let means = objects
            .iter()
            .map(|scores| scores.iter().sum::<f64>() / count as f64)
            .collect();
        Self::build(sizes, means, Spread::Objects(objects.to_vec()), direction)
    }

    /// The scores of every test object in each of several independent runs: `runs[run][size]` is one list of objects, in one order
    /// for all. The curve is the mean over runs and objects, and a bootstrap draws both again.
    ///
    /// ```
    /// use firetender_uncertainty::{Direction, SizeCurve};
    /// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
    /// let runs = [vec![vec![-1.0, -0.6]], vec![vec![-1.2, -0.8]]];
    /// let curve = SizeCurve::from_run_objects(&[1], &runs, Direction::HigherIsBetter)?;
    /// assert!((curve.means()[0] + 0.9).abs() < 1e-15);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`from_objects`](Self::from_objects) for each run; without runs, and when runs have different numbers of objects.
    pub fn from_run_objects(
        sizes: &[usize],
        runs: &[Vec<Vec<f64>>],
        direction: Direction,
    ) -> Result<Self, UncertaintyError> {
        let curves = runs
            .iter()
            .map(|run| Self::from_objects(sizes, run, direction))
            .collect::<Result<Vec<_>, _>>()?;
        let Some(first) = runs.first() else {
            return Err(UncertaintyError::input("no runs, expected at least one"));
        };
        for (at, run) in runs.iter().enumerate() {
            same_count(
                &format!("objects in run {at}"),
                first[0].len(),
                run[0].len(),
            )?;
        }
        if let [one] = &curves[..] {
            return Ok(one.clone());
        }
        let mean = |at: usize| curves.iter().map(|c| c.means[at]).sum::<f64>() / runs.len() as f64;
        let means = (0..sizes.len()).map(mean).collect();
        Self::build(sizes, means, Spread::RunObjects(runs.to_vec()), direction)
    }

    /// Adds what is known about the noise that comes from which members were trained.
    #[must_use]
    pub fn with_member_noise(mut self, noise: MemberNoise) -> Self {
        self.noise = Some(noise);
        self
    }

    fn build(
        sizes: &[usize],
        means: Vec<f64>,
        spread: Spread,
        direction: Direction,
    ) -> Result<Self, UncertaintyError> {
        if sizes.is_empty() {
            return Err(UncertaintyError::input(
                "a curve without sizes, expected at least one",
            ));
        }
        same_count("values", sizes.len(), means.len())?;
        if sizes[0] == 0 {
            return Err(UncertaintyError::input("size 0, expected at least 1"));
        }
        if let Some(at) = (1..sizes.len()).find(|&i| sizes[i] <= sizes[i - 1]) {
            return Err(UncertaintyError::input(format!(
                "size {} follows size {}, expected strictly increasing sizes",
                sizes[at],
                sizes[at - 1]
            )));
        }
        if let Some(at) = means.iter().position(|v| !v.is_finite()) {
            return Err(UncertaintyError::input(format!(
                "the value at size {} is {}, expected a finite number",
                sizes[at], means[at]
            )));
        }
        Ok(Self {
            sizes: sizes.iter().map(|&s| s as f64).collect(),
            means,
            spread,
            noise: None,
            direction,
        })
    }

    /// The sizes, ascending.
    #[must_use]
    pub fn sizes(&self) -> &[f64] {
        &self.sizes
    }

    /// The mean score at each size, as given.
    #[must_use]
    pub fn means(&self) -> &[f64] {
        &self.means
    }

    /// Which scores are better.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Standard deviation over runs at each size, with n − 1 below; none without runs.
    #[must_use]
    pub fn deviations(&self) -> Option<Vec<f64>> {
        let over = |runs: usize, value: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
            (0..self.sizes.len())
                .map(|at| {
                    let gaps = (0..runs).map(|run| (value(run, at) - self.means[at]).powi(2));
                    (gaps.sum::<f64>() / (runs - 1) as f64).sqrt()
                })
                .collect()
        };
        match &self.spread {
            Spread::Deviations(deviations) => Some(deviations.clone()),
            Spread::Runs(runs) => Some(over(runs.len(), &|run, at| runs[run][at])),
            Spread::RunObjects(runs) => Some(over(runs.len(), &|run, at| {
                let scores = &runs[run][at];
                scores.iter().sum::<f64>() / scores.len() as f64
            })),
            Spread::Nothing | Spread::Objects(_) => None,
        }
    }

    /// Values of which more is better.
    pub(super) fn oriented(&self) -> Vec<f64> {
        self.orient(&self.means)
    }

    pub(super) fn orient(&self, values: &[f64]) -> Vec<f64> {
        let sign = self.direction.sign();
        values.iter().map(|v| sign * v).collect()
    }
}

fn same_count(what: &str, expected: usize, found: usize) -> Result<(), UncertaintyError> {
    if expected == found {
        return Ok(());
    }
    Err(UncertaintyError::input(format!(
        "{found} {what}, expected {expected}"
    )))
}
