//! Low-rank affine edits of a representation: LoReFT (Wu et al. 2024, arXiv 2404.03592).

use std::collections::BTreeMap;

use firetender_hooks::SiteKind;
use firetender_lm::LmShape;
use serde::{Deserialize, Serialize};

use crate::{Layers, SteerError, vector::check_place};

/// The numbers of one layer: `rank` rows of `width` for both matrices, and `rank` biases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LowRankLayer {
    /// `R`, `[rank][width]`: the subspace that is edited. pyreft keeps its rows orthonormal.
    pub rotation: Vec<Vec<f32>>,
    /// `W`, `[rank][width]`.
    pub weights: Vec<Vec<f32>>,
    /// `b`, `[rank]`.
    pub bias: Vec<f32>,
}

/// A low-rank affine edit by layer: `h + k Rᵀ(W h + b − R h)`.
///
/// With strength 1 the part of `h` that `R` sees becomes `W h + b`.
///
/// ```
/// use std::collections::BTreeMap;
/// use firetender_hooks::SiteKind;
/// use firetender_steer::{Entry, LowRank, LowRankLayer, Plan};
/// let layer = LowRankLayer { rotation: vec![vec![1.0, 0.0]], weights: vec![vec![0.0, 1.0]], bias: vec![0.5] };
/// let edit = LowRank::new(SiteKind::ResidPost, 2, 4, BTreeMap::from([(1, layer)])).unwrap();
/// let plan = Plan::new().with(Entry::new(edit, 1.0));
/// # let _ = plan;
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct LowRank {
    site: SiteKind,
    width: usize,
    layers: usize,
    edits: BTreeMap<usize, LowRankLayer>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    site: String,
    width: usize,
    layers: usize,
    edits: BTreeMap<usize, LowRankLayer>,
}

impl LowRank {
    /// An edit for sites of a kind in models of `layers` blocks whose value there is `width` wide.
    ///
    /// # Errors
    /// [`SteerError::Direction`] naming the layer whose matrices are empty, of other sizes, not finite or all zero, or which does
    /// not exist; [`SteerError::Input`] when there is no layer.
    pub fn new(
        site: SiteKind,
        width: usize,
        layers: usize,
        edits: BTreeMap<usize, LowRankLayer>,
    ) -> Result<Self, SteerError> {
        if edits.is_empty() {
            let what = "a low-rank edit of no layer".into();
            return Err(SteerError::Input { what });
        }
        let places = if site.per_layer() { layers } else { 1 };
        for (&layer, edit) in &edits {
            let rank = edit.rotation.len();
            let rows = || edit.rotation.iter().chain(&edit.weights);
            let mut numbers = rows().flatten().chain(&edit.bias);
            let what = if layer >= places {
                format!(
                    "{site} exists at layers 0 to {} only",
                    places.saturating_sub(1)
                )
            } else if rank == 0 || rank > width {
                format!("rank {rank}; expected 1 to the width, {width}")
            } else if edit.weights.len() != rank || edit.bias.len() != rank {
                format!(
                    "{rank} rows of `rotation`, {} of `weights`, {} of `bias`; expected the same number",
                    edit.weights.len(),
                    edit.bias.len()
                )
            } else if let Some(row) = rows().find(|row| row.len() != width) {
                format!("a row of {} numbers; expected {width}", row.len())
            } else if numbers.any(|x| !x.is_finite()) {
                "a number is not finite".into()
            } else if edit.rotation.iter().flatten().all(|x| *x == 0.0) {
                "`rotation` is zero; expected a subspace".into()
            } else {
                continue;
            };
            return Err(SteerError::Direction { layer, what });
        }
        Ok(Self {
            site,
            width,
            layers,
            edits,
        })
    }

    /// The kind of site it belongs to.
    #[must_use]
    pub fn site(&self) -> SiteKind {
        self.site
    }

    /// The numbers by layer.
    #[must_use]
    pub fn edits(&self) -> &BTreeMap<usize, LowRankLayer> {
        &self.edits
    }

    pub(crate) fn check_fits_at(&self, place: &str, shape: &LmShape) -> Result<(), SteerError> {
        check_place(place, self.site, self.width, self.layers, shape)
    }

    /// The edits that a choice of layers names; `all` means all that there are.
    pub(crate) fn pick(&self, layers: &Layers) -> Result<Vec<(usize, &LowRankLayer)>, SteerError> {
        if *layers == Layers::All {
            return Ok(self.edits.iter().map(|(l, edit)| (*l, edit)).collect());
        }
        let places = if self.site.per_layer() {
            self.layers
        } else {
            1
        };
        let chosen = layers.resolve(places)?.into_iter().map(|layer| {
            let edit = self.edits.get(&layer).ok_or_else(|| SteerError::Layers {
                found: layers.to_string(),
                what: format!("the low-rank edit has none at layer {layer}"),
            })?;
            Ok((layer, edit))
        });
        chosen.collect()
    }
}

impl TryFrom<Raw> for LowRank {
    type Error = SteerError;

    fn try_from(raw: Raw) -> Result<Self, SteerError> {
        Self::new(raw.site.parse()?, raw.width, raw.layers, raw.edits)
    }
}

impl From<LowRank> for Raw {
    fn from(edit: LowRank) -> Self {
        Self {
            site: edit.site.to_string(),
            width: edit.width,
            layers: edit.layers,
            edits: edit.edits,
        }
    }
}
