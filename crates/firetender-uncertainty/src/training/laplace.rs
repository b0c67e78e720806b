//! Laplace approximations: a Gaussian around one trained network, as wide as the loss is flat (`MacKay` 1992).
//!
//! [`LastLayerLaplace`] is exact in its last layer and needs no gradients; start there. [`DiagonalLaplace`] covers all weights, each for
//! itself, from squared gradients of single objects. Both take the prior's precision: for a mean loss over N objects with
//! weight decay λ it is `N λ`.

mod diagonal;
mod last;

pub use diagonal::DiagonalLaplace;
pub use last::{LastLayerLaplace, LastLayerSample};
