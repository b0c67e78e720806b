//! Replaces what flows through a site: by another run's values, by zero, or by a mean.

use burn::tensor::Tensor;

use crate::{HookError, Intervene, Pass, Selection, Site, Token};

/// What a patch puts in the place of the value.
#[derive(Clone, Debug)]
pub enum PatchValue {
    /// Zeros.
    Zero,
    /// The same vector at every selected token, for instance a mean over many texts (mean ablation).
    Vector(Tensor<1>),
    /// The cell of the same row and column of another run, `[batch, columns, width]` (activation patching).
    Cells(Tensor<3>),
}

/// An intervention that replaces the value of one site at the tokens that a rule selects.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use firetender_hooks::{Intervene, Padding, Pass, Patch, PatchValue, Site};
/// let mut patch = Patch::new(Site::AttnOut(0), PatchValue::Zero, |token| token.position == 1);
/// let pass = Pass::whole(&[vec![3, 4]], Padding::Left, 0).unwrap();
/// patch.begin(&pass);
/// let value = Tensor::<3>::ones([1, 2, 1], &Device::flex());
/// let out = patch.at(Site::AttnOut(0), value, &pass);
/// assert_eq!(out.into_data().try_to_vec::<f32>().unwrap(), [1.0, 0.0]);
/// ```
pub struct Patch {
    site: Site,
    value: PatchValue,
    rule: Box<dyn Fn(&Token) -> bool + Send + Sync>,
}

impl std::fmt::Debug for Patch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Patch")
            .field("site", &self.site)
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}

impl Patch {
    /// Replaces the value of `site` at the real tokens that `rule` accepts.
    #[must_use]
    pub fn new(
        site: Site,
        value: PatchValue,
        rule: impl Fn(&Token) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            site,
            value,
            rule: Box::new(rule),
        }
    }

    /// Checks that the replacement fits a model of this width (and, for [`PatchValue::Cells`], a pass).
    ///
    /// # Errors
    /// [`HookError::Shape`] with the shape found and the one needed.
    pub fn fits(&self, width: usize, pass: &Pass) -> Result<(), HookError> {
        let (found, expected) = match &self.value {
            PatchValue::Zero => return Ok(()),
            PatchValue::Vector(vector) => (vector.dims().to_vec(), vec![width]),
            PatchValue::Cells(cells) => (
                cells.dims().to_vec(),
                vec![pass.batch(), pass.columns(), width],
            ),
        };
        if found == expected {
            return Ok(());
        }
        Err(HookError::Shape {
            place: format!("patch at {}", self.site),
            found,
            expected,
        })
    }
}

impl Intervene for Patch {
    fn wants(&self, site: Site) -> bool {
        site == self.site
    }

    /// # Panics
    /// When the replacement's shape does not fit; see [`Patch::fits`].
    fn at(&mut self, _site: Site, value: Tensor<3>, pass: &Pass) -> Tensor<3> {
        let shape = value.dims();
        let new = match &self.value {
            PatchValue::Zero => value.zeros_like(),
            PatchValue::Vector(vector) => vector.clone().unsqueeze::<3>().expand(shape),
            PatchValue::Cells(cells) => cells.clone(),
        };
        assert_eq!(new.dims(), shape, "the patch at {} does not fit", self.site);
        match pass.select(&value.device(), &self.rule) {
            Selection::Nothing => value,
            Selection::All => new,
            Selection::Some(mask) => value.mask_where(mask.bool().expand(shape), new),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::Padding;

    #[test]
    fn only_selected_cells_change_and_padding_never_does() {
        let device = Device::flex();
        let pass = Pass::whole(&[vec![1, 2], vec![3]], Padding::Left, 0).unwrap();
        let mut patch = Patch::new(
            Site::Embed,
            PatchValue::Vector(Tensor::from_floats([7.0], &device)),
            |t| t.position == 0,
        );
        let out = patch.at(Site::Embed, Tensor::ones([2, 2, 1], &device), &pass);
        assert_eq!(
            out.into_data().try_to_vec::<f32>().unwrap(),
            [7.0, 1.0, 1.0, 7.0]
        );
    }

    #[test]
    fn misfits_are_named() {
        let pass = Pass::whole(&[vec![1, 2]], Padding::Left, 0).unwrap();
        let patch = Patch::new(
            Site::Embed,
            PatchValue::Vector(Tensor::zeros([3], &Device::flex())),
            |_| true,
        );
        assert!(patch.fits(3, &pass).is_ok());
        let error = patch.fits(4, &pass).unwrap_err();
        assert_eq!(
            error.to_string(),
            "patch at hook_embed: shape [3]; expected [4]"
        );
    }
}
