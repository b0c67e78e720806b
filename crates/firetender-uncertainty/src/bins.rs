//! One binning object, from which every calibration error of the predicted class derives.
//!
//! A bin compares what was promised (mean confidence) with what happened (mean accuracy). [`Binning`] says where bins begin and
//! end, [`BinTable`] holds all of them, empty ones too; it is also the data of a reliability diagram.
//!
//! Calibration errors depend on the number of bins, are biased upwards for few objects, see one number a prediction, and are
//! not proper scores: a model can lower them by predicting the base rate. Report them beside the log-likelihood or
//! Brier score, never instead of it (Ashukha et al. 2020; Nixon et al. 2019).

use serde::{Deserialize, Serialize};

use crate::exact::ExactColumns;
use crate::mass::mass_bins;
use crate::objects::Objects;
use crate::{ExactSum, UncertaintyError};

/// Where bins begin and end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bins {
    /// This many bins of equal width between 0 and 1.
    EqualWidth(usize),
    /// This many bins of equally many objects, the last one taking the rest (Nguyen and O'Connor 2015). Equal confidences that a
    /// border cuts are shared out, so the order of equals does not matter.
    EqualMass(usize),
    /// Explicit borders, increasing, from 0 to 1.
    Edges(Vec<f64>),
}

/// To which bin a confidence on a border belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeRule {
    /// `(low, high]`, and 0 in the first bin: Guo et al. (2017) and the reference of Ashukha et al. (2020).
    #[default]
    RightClosed,
    /// `[low, high)`, and 1 in the last bin: `numpy.histogram`, `netcal`.
    LeftClosed,
}

/// How confidences are put into bins: 15 bins of equal width, `(low, high]`, unless said otherwise.
///
/// ```
/// use firetender_uncertainty::{Binning, Bins, EdgeRule};
/// let binning = Binning::new(Bins::EqualWidth(2), EdgeRule::RightClosed)?;
/// assert_eq!((binning.find(0.5), binning.find(0.51), binning.find(1.0)), (0, 1, 1));
/// # Ok::<(), firetender_uncertainty::UncertaintyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Binning {
    bins: Bins,
    rule: EdgeRule,
    edges: Vec<f64>,
}

impl Default for Binning {
    fn default() -> Self {
        Self::equal_width(15)
    }
}

impl Binning {
    /// Bins with a rule for their borders. The borders of equal-mass bins come from the data.
    ///
    /// # Errors
    /// [`UncertaintyError::Options`] for no bin or more than 2²⁰, or borders that do not rise from 0 to 1.
    pub fn new(bins: Bins, rule: EdgeRule) -> Result<Self, UncertaintyError> {
        let failed = |found, expected| UncertaintyError::Options {
            field: "bins",
            found,
            expected,
        };
        let edges = match &bins {
            Bins::EqualWidth(n) | Bins::EqualMass(n) if *n == 0 || *n > 1 << 20 => {
                return Err(failed(n.to_string(), "1 to 2^20 bins"));
            }
            Bins::EqualWidth(n) => equal_edges(*n),
            Bins::EqualMass(_) => vec![],
            Bins::Edges(edges) => {
                let rising = edges.windows(2).all(|pair| pair[0] < pair[1]);
                let ends = edges.first() == Some(&0.0) && edges.last() == Some(&1.0);
                if !(rising && ends && edges.len() <= (1 << 20) + 1) {
                    return Err(failed(
                        format!("{edges:?}"),
                        "borders that rise from 0 to 1",
                    ));
                }
                edges.clone()
            }
        };
        Ok(Self { bins, rule, edges })
    }

    /// `n` bins of equal width (at least one), `(low, high]`.
    #[must_use]
    pub fn equal_width(n: usize) -> Self {
        let n = n.clamp(1, 1 << 20);
        Self {
            bins: Bins::EqualWidth(n),
            rule: EdgeRule::RightClosed,
            edges: equal_edges(n),
        }
    }

    /// What was asked for.
    #[must_use]
    pub fn bins(&self) -> &Bins {
        &self.bins
    }

    /// The rule for borders.
    #[must_use]
    pub fn rule(&self) -> EdgeRule {
        self.rule
    }

    /// The borders; none for equal-mass bins.
    #[must_use]
    pub fn edges(&self) -> &[f64] {
        &self.edges
    }

    /// The bin of a confidence. Below 0 is the first bin, above 1 the last; equal-mass bins have no borders of their own: 0.
    #[must_use]
    pub fn find(&self, confidence: f64) -> usize {
        let last = match self.edges.len() {
            0 => return 0,
            n => n - 2,
        };
        let inner = &self.edges[1..=last];
        if let Bins::EqualWidth(n) = self.bins {
            // A guess that is off by one at most, put right by the borders themselves.
            let guess = ((confidence * n as f64) as usize).min(last);
            let guess = guess.saturating_sub(1);
            let before = |edge: f64| match self.rule {
                EdgeRule::RightClosed => edge < confidence,
                EdgeRule::LeftClosed => edge <= confidence,
            };
            return (guess..last).find(|at| !before(inner[*at])).unwrap_or(last);
        }
        match self.rule {
            EdgeRule::RightClosed => inner.partition_point(|edge| *edge < confidence),
            EdgeRule::LeftClosed => inner.partition_point(|edge| *edge <= confidence),
        }
    }
}

/// As `numpy.linspace(0, 1, n + 1)` computes them.
fn equal_edges(n: usize) -> Vec<f64> {
    let step = 1.0 / n as f64;
    let mut edges: Vec<f64> = (0..=n).map(|i| i as f64 * step).collect();
    edges[n] = 1.0;
    edges
}

/// One bin.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Lower border; the least confidence in an equal-mass bin.
    pub low: f64,
    /// Upper border; the greatest confidence in an equal-mass bin.
    pub high: f64,
    /// Sum of the weights of its objects, their number if there are no weights.
    pub weight: f64,
    /// Sum of the confidences.
    pub confidence_sum: f64,
    /// Sum of the right predictions.
    pub correct_sum: f64,
}

impl Bin {
    /// Mean confidence; `None` for an empty bin.
    #[must_use]
    pub fn confidence(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.confidence_sum / self.weight)
    }

    /// Mean accuracy; `None` for an empty bin.
    #[must_use]
    pub fn accuracy(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.correct_sum / self.weight)
    }

    /// Mean confidence less mean accuracy: positive where the model promises too much. 0 for an empty bin.
    #[must_use]
    pub fn gap(&self) -> f64 {
        if self.weight > 0.0 {
            (self.confidence_sum - self.correct_sum) / self.weight
        } else {
            0.0
        }
    }

    /// Wilson's score interval of the accuracy for a normal quantile `z` (1.96 for 95 %); `None` for an empty bin.
    #[must_use]
    pub fn accuracy_interval(&self, z: f64) -> Option<(f64, f64)> {
        let (n, p) = (self.weight, self.accuracy()?);
        let centre = p + z * z / (2.0 * n);
        let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).max(0.0).sqrt();
        let scale = 1.0 + z * z / n;
        Some((
            ((centre - half) / scale).max(0.0),
            ((centre + half) / scale).min(1.0),
        ))
    }
}

/// Sums of one bin while objects come in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cell {
    pub(crate) weight: ExactSum,
    pub(crate) confidence: ExactSum,
    pub(crate) correct: ExactSum,
}

impl Cell {
    fn add(&mut self, confidence: f64, correct: f64, weight: f64) {
        self.weight.add(weight);
        self.confidence.add(weight * confidence);
        self.correct.add(weight * correct);
    }
}

/// Bins that fill as objects come in: a histogram, merged in one addition a bin, the same in any order.
///
/// ```
/// use firetender_uncertainty::{BinState, Binning};
/// let mut first = BinState::new(Binning::equal_width(10))?;
/// let mut second = first.clone();
/// first.add(0.95, 1.0, 1.0);
/// second.add(0.91, 0.0, 1.0);
/// first.merge(&second)?;
/// assert!((first.table().ece() - 0.43).abs() < 1e-15);
/// # Ok::<(), firetender_uncertainty::UncertaintyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BinState {
    binning: Binning,
    cells: Vec<Cell>,
}

impl BinState {
    /// Empty bins.
    ///
    /// # Errors
    /// [`UncertaintyError::Options`] for equal-mass bins: their borders are known only when all objects are.
    pub fn new(binning: Binning) -> Result<Self, UncertaintyError> {
        if binning.edges.is_empty() {
            return Err(UncertaintyError::Options {
                field: "bins",
                found: format!("{:?}", binning.bins),
                expected: "bins with fixed borders, for a state that fills object by object",
            });
        }
        let cells = vec![Cell::default(); binning.edges.len() - 1];
        Ok(Self { binning, cells })
    }

    /// Adds an object: its confidence, 1 or 0 for right or wrong (or a share), and how often it counts.
    pub fn add(&mut self, confidence: f64, correct: f64, weight: f64) {
        self.cells[self.binning.find(confidence)].add(confidence, correct, weight);
    }

    /// Adds the objects of another state.
    ///
    /// # Errors
    /// [`UncertaintyError::Mismatch`] when the binnings differ.
    pub fn merge(&mut self, other: &Self) -> Result<(), UncertaintyError> {
        if self.binning != other.binning {
            return Err(UncertaintyError::Mismatch {
                place: "bins to merge".into(),
                field: "binning",
                found: format!("{:?}", other.binning),
                expected: format!("{:?}", self.binning),
            });
        }
        for (cell, other) in self.cells.iter_mut().zip(&other.cells) {
            cell.weight.merge(other.weight);
            cell.confidence.merge(other.confidence);
            cell.correct.merge(other.correct);
        }
        Ok(())
    }

    /// The table so far.
    #[must_use]
    pub fn table(&self) -> BinTable {
        let edges = self.binning.edges.windows(2);
        let rows = self.cells.iter().zip(edges).map(|(cell, edges)| Bin {
            low: edges[0],
            high: edges[1],
            weight: cell.weight.value(),
            confidence_sum: cell.confidence.value(),
            correct_sum: cell.correct.value(),
        });
        BinTable {
            rows: rows.collect(),
        }
    }
}

/// All bins, empty ones too. Host, `f64`.
///
/// ```
/// use firetender_uncertainty::{BinTable, Binning};
/// let table = BinTable::new([(0.9, 1.0, 1.0), (0.8, 0.0, 1.0)], &Binning::equal_width(1));
/// assert!((table.ece() - 0.35).abs() < 1e-12);
/// assert_eq!(table.rows()[0].accuracy(), Some(0.5));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BinTable {
    rows: Vec<Bin>,
}

impl BinTable {
    /// Bins (confidence, right or wrong as 1 or 0, weight).
    #[must_use]
    pub fn new(objects: impl IntoIterator<Item = (f64, f64, f64)>, binning: &Binning) -> Self {
        if let Bins::EqualMass(n) = binning.bins {
            return Self {
                rows: mass_bins(objects.into_iter().collect(), n),
            };
        }
        let mut sums = vec![ExactColumns::<3>::default(); binning.edges.len() - 1];
        for (confidence, correct, weight) in objects {
            sums[binning.find(confidence)].add(&[weight, weight * confidence, weight * correct]);
        }
        let cells = sums.into_iter().map(|bin| {
            let [weight, confidence, correct] = bin.sums();
            Cell {
                weight,
                confidence,
                correct,
            }
        });
        let state = BinState {
            binning: binning.clone(),
            cells: cells.collect(),
        };
        state.table()
    }

    /// Bins the confidence in the predicted class.
    #[must_use]
    pub fn top_label(objects: &Objects, binning: &Binning) -> Self {
        let rows = objects.rows().iter();
        Self::new(rows.map(|o| (o.confidence, o.correct, o.weight)), binning)
    }

    /// A table from its bins.
    pub(crate) fn from_rows(rows: Vec<Bin>) -> Self {
        Self { rows }
    }

    /// The bins, from low to high confidence.
    #[must_use]
    pub fn rows(&self) -> &[Bin] {
        &self.rows
    }

    /// Sum of all weights.
    #[must_use]
    pub fn weight(&self) -> f64 {
        self.rows.iter().map(|bin| bin.weight).sum()
    }

    /// Expected calibration error: `Σ n_b/N · |mean confidence − mean accuracy|` over bins (Naeini et al. 2015; Guo et al. 2017).
    #[must_use]
    pub fn ece(&self) -> f64 {
        let gaps = self.rows.iter();
        gaps.map(|bin| (bin.confidence_sum - bin.correct_sum).abs())
            .sum::<f64>()
            / self.weight()
    }

    /// Root mean square calibration error: `√(Σ n_b/N · gap²)`.
    #[must_use]
    pub fn rmsce(&self) -> f64 {
        let terms = self.rows.iter().map(|bin| bin.weight * bin.gap().powi(2));
        (terms.sum::<f64>() / self.weight()).sqrt()
    }

    /// Maximum calibration error: the largest gap of any bin, however few objects it holds.
    #[must_use]
    pub fn mce(&self) -> f64 {
        self.rows
            .iter()
            .map(|bin| bin.gap().abs())
            .fold(0.0, f64::max)
    }

    /// Squared L2 calibration error without the bias of the plug-in estimate: `Σ n_b/N · (gap² − acc (1 − acc)/(n_b − 1))`
    /// (Kumar, Liang and Ma 2019). May be negative: its mean over data sets is 0 for a calibrated model. Bins with fewer than two
    /// objects are left out; the second number is their share of the weight.
    #[must_use]
    pub fn debiased_squared(&self) -> (f64, f64) {
        let (mut sum, mut left_out) = (0.0, 0.0);
        for bin in &self.rows {
            match bin.accuracy() {
                Some(accuracy) if bin.weight >= 2.0 => {
                    let noise = accuracy * (1.0 - accuracy) / (bin.weight - 1.0);
                    sum += bin.weight * (bin.gap().powi(2) - noise);
                }
                _ => left_out += bin.weight,
            }
        }
        (sum / self.weight(), left_out / self.weight())
    }
}
