//! What happens to pixels: each function is pure, and byte for byte what Pillow computes.
//!
//! Every operation returns to 8 bits before the next begins. Which parameters an operation gets, and what is drawn at random, is
//! decided before, in [`crate::Op`]; [`crate::ResolvedOp`] calls what is here.

pub(crate) mod affine;
pub(crate) mod axis;
pub(crate) mod cubic;
pub(crate) mod cutout;
pub(crate) mod enhance;
pub(crate) mod frame;
pub(crate) mod levels;
pub(crate) mod resize;
