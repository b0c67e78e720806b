//! What an ensemble cost to train, so that equivalents can be weighed against it.

use serde::{Deserialize, Serialize};

/// Cost of an ensemble of size k: `once + per_sample · k`, in epochs, operations or seconds; one unit for all that is compared.
///
/// ```
/// use firetender_uncertainty::CostModel;
/// // Fast geometric ensembling as published: 160 epochs of training, then two epochs a sample.
/// let fge = CostModel { per_sample: 2.0, once: 160.0 };
/// assert_eq!(fge.at(10.0), 180.0);
/// // Ten samples that are worth 2.42 networks of 400 epochs each.
/// let networks = CostModel { per_sample: 400.0, once: 0.0 };
/// assert!((fge.saving(10.0, 2.42, networks) - 2.42 * 400.0 / 180.0).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CostModel {
    /// Cost of each further sample.
    pub per_sample: f64,
    /// Cost that is paid once.
    pub once: f64,
}

impl CostModel {
    /// Cost at a size.
    #[must_use]
    pub fn at(self, size: f64) -> f64 {
        self.once + self.per_sample * size
    }

    /// How many times as much a deep ensemble of the same worth would cost; below one, the deep ensemble is cheaper.
    #[must_use]
    pub fn saving(self, size: f64, dee: f64, deep_ensemble: Self) -> f64 {
        deep_ensemble.at(dee) / self.at(size)
    }

    /// What the published cost figure assumes for VGG16 on CIFAR, in epochs; the authors' scripts disagree in places (snapshots train 40
    /// epochs a cycle there). Methods: `deepens`, `sse`, `csgld`, `fge`, `swag`, `vi`, `kfacl`, `dropout`, `onenet`.
    #[must_use]
    pub fn vgg16_ashukha2020(method: &str) -> Option<Self> {
        let (per_sample, once) = match method {
            "deepens" => (400.0, 0.0),
            "sse" => (45.0, 0.0),
            "csgld" => (50.0 / 3.0, 0.0),
            "fge" | "swag" => (2.0, 160.0),
            "dropout" | "kfacl" | "onenet" => (0.0, 400.0),
            "vi" => (0.0, 500.0),
            _ => return None,
        };
        Some(Self { per_sample, once })
    }
}
