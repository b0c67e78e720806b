//! The trait that sees and changes what flows through a model.

use burn::tensor::Tensor;

use crate::{Pass, Site};

/// Called by a model at every site it names.
///
/// The model calls [`begin`](Self::begin) once, then [`at`](Self::at) at each site for which [`wants`](Self::wants) says yes, in
/// the order of [`Site::all`], then [`end`](Self::end). The value has shape `[batch, position, width]`; what `at` returns must
/// have the same shape, dtype and device, and replaces the value. Rows and columns are those of the [`Pass`].
///
/// Never read a value back to the host inside `at` on a GPU device unless you must: it stalls the device. Gradients pass
/// through unless the implementation detaches.
pub trait Intervene {
    /// Called before a forward pass. Prepare masks here, once for all layers.
    fn begin(&mut self, pass: &Pass) {
        let _ = pass;
    }

    /// Whether [`at`](Self::at) should be called at this site. Saying no costs the model nothing.
    fn wants(&self, site: Site) -> bool;

    /// Sees the value of a site and returns what the model should go on with.
    fn at(&mut self, site: Site, value: Tensor<3>, pass: &Pass) -> Tensor<3>;

    /// Called after a forward pass.
    fn end(&mut self, pass: &Pass) {
        let _ = pass;
    }
}

/// Changes nothing; a pass with it is bit-identical to a model without hooks.
///
/// ```
/// use firetender_hooks::{Intervene, Site, Untouched};
/// assert!(!Untouched.wants(Site::Embed));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Untouched;

impl Intervene for Untouched {
    fn wants(&self, _site: Site) -> bool {
        false
    }

    fn at(&mut self, _site: Site, value: Tensor<3>, _pass: &Pass) -> Tensor<3> {
        value
    }
}

/// What a model calls at a site: asks first, so that an unwanted site costs one virtual call.
///
/// # Panics
/// Panics when the intervention returns another shape than it was given: that is a bug in the intervention, and would
/// otherwise surface as a broadcast far away.
#[must_use]
pub fn visit(hook: &mut dyn Intervene, site: Site, value: Tensor<3>, pass: &Pass) -> Tensor<3> {
    if !hook.wants(site) {
        return value;
    }
    let shape = value.dims();
    let changed = hook.at(site, value, pass);
    assert_eq!(
        changed.dims(),
        shape,
        "the intervention at {site} changed the shape of the value"
    );
    changed
}
