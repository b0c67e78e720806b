//! Conventions as values: what each metric means where libraries differ.

use serde::{Deserialize, Serialize};

use crate::bins::Binning;
use crate::classwise::{AdaptiveOptions, TaceNorm};
use crate::objects::{BrierScale, Columns, Floor};
use crate::selective::AurcRule;

/// The convention of every metric, and which of the costlier ones to compute.
///
/// The default follows the field; [`Self::ashukha2020`] follows the reference code, quirks included.
///
/// ```
/// use firetender_uncertainty::{Floor, MetricOptions};
/// let options = MetricOptions { top_k: vec![3], ..MetricOptions::default() };
/// assert_eq!(options.floor, Floor::None);
/// assert_eq!(MetricOptions::ashukha2020().floor, Floor::Eps(1e-12));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricOptions {
    /// What keeps the log-likelihood finite at probability zero. Default: nothing.
    pub floor: Floor,
    /// Range of the Brier score. Default: the sum over classes.
    pub brier: BrierScale,
    /// Bins of the top-label errors. Default: 15 of equal width, `(low, high]`.
    pub binning: Binning,
    /// Bins of SCE and of the Brier decomposition. Default: the same; never equal-mass.
    pub class_binning: Binning,
    /// SCE without probabilities that are exactly zero, as the reference. Default: false.
    pub drop_zeros: bool,
    /// Bins a class of TACE and ACE. Default: 15.
    pub adaptive_bins: usize,
    /// Probabilities above this count in TACE. Default: 10⁻³.
    pub tace_threshold: f64,
    /// What TACE and ACE divide by. Default: N·C.
    pub tace_norm: TaceNorm,
    /// No value where a class has fewer probabilities than bins (the reference: NaN). Default: fewer bins, and a note.
    pub refuse_short: bool,
    /// How `acc_aac` is computed. Default: exactly, equal to `aurc`.
    pub acc_aac: AurcRule,
    /// Top-k accuracies for these k. Default: 5, where there are more classes than that.
    pub top_k: Vec<u32>,
    /// A prediction counts as misclassified when the truth is not among this many best. Default: 1.
    pub misclass_top_k: u32,
    /// Whether classes are ordered, so that the ranked probability score makes sense. Default: false.
    pub ordinal: bool,
    /// Whether to compute entropies and what ranks by them, one logarithm a class of every row. Default: true.
    pub entropy: bool,
    /// Whether to compute SCE and the Brier decomposition. Default: true.
    pub class_wise: bool,
    /// Whether to compute TACE and ACE, which sort every class. Default: true.
    pub adaptive: bool,
    /// Whether to compute the smooth error and the sweep. Default: true.
    pub smooth: bool,
}

impl Default for MetricOptions {
    fn default() -> Self {
        Self {
            floor: Floor::None,
            brier: BrierScale::Sum,
            binning: Binning::default(),
            class_binning: Binning::default(),
            drop_zeros: false,
            adaptive_bins: 15,
            tace_threshold: 1e-3,
            tace_norm: TaceNorm::ByNC,
            refuse_short: false,
            acc_aac: AurcRule::Exact,
            top_k: vec![5],
            misclass_top_k: 1,
            ordinal: false,
            entropy: true,
            class_wise: true,
            adaptive: true,
            smooth: true,
        }
    }
}

impl MetricOptions {
    /// The reference code of Ashukha et al. (2020), repository pytorch-ensembles at commit 76b71c9: log-likelihood with
    /// `ln(10⁻¹² + p)`, zeros dropped from SCE, no TACE or ACE for short classes, `acc_aac` by thinning.
    #[must_use]
    pub fn ashukha2020() -> Self {
        Self {
            floor: Floor::Eps(1e-12),
            drop_zeros: true,
            refuse_short: true,
            acc_aac: AurcRule::ReferenceThinned,
            ..Self::default()
        }
    }

    /// What torchmetrics and most evaluation scripts have: accuracy, proper scores, errors of the top label, areas under risk and by confidence.
    /// No entropies, ranks, class-wise, adaptive or smooth errors: a fraction of the time.
    ///
    /// ```
    /// use firetender_uncertainty::{MetricOptions, Scores, Targets, evaluate};
    /// let scores = Scores::probs(&[0.7, 0.3, 0.4, 0.6], 2)?;
    /// let found = evaluate(&scores, &Targets::classes(&[0, 0]), &MetricOptions::basic())?;
    /// assert_eq!((found.accuracy, found.entropy, found.sce), (0.5, None, None));
    /// # Ok::<(), firetender_uncertainty::UncertaintyError>(())
    /// ```
    #[must_use]
    pub fn basic() -> Self {
        Self {
            top_k: vec![],
            entropy: false,
            class_wise: false,
            adaptive: false,
            smooth: false,
            ..Self::default()
        }
    }

    /// The columns that these metrics are made of.
    pub(crate) fn columns(&self, classes: usize) -> Columns {
        let among = self.top_k.iter().any(|k| (*k as usize) < classes);
        Columns {
            entropy: self.entropy,
            rank: among || self.misclass_top_k != 1,
            ranked: self.ordinal,
        }
    }

    /// The settings of TACE and of ACE.
    pub(crate) fn adaptive_options(&self) -> [AdaptiveOptions; 2] {
        [self.tace_threshold, 0.0].map(|threshold| AdaptiveOptions {
            bins: self.adaptive_bins,
            threshold,
            norm: self.tace_norm,
            refuse_short: self.refuse_short,
        })
    }
}
