//! Calibration with more than one number: vector, matrix and bias-corrected scaling, and isotonic regression.
//!
//! **These may change answers.** A temperature keeps every ranking of classes; a bias, a factor a class or a curve a class does not, so
//! accuracy moves too, and with many parameters the fit needs many more objects than classes. Use them where a class is systematically
//! over- or underpredicted (Guo et al. 2017 for vector and matrix scaling; Alexandari, Kundaje and Shrikumar 2020 for the bias
//! correction; Zadrozny and Elkan 2002 for isotonic regression of each class against the rest). Fit and evaluate on different
//! objects. Host, `f64`.

mod affine;
mod isotonic;

pub use affine::{AffineKind, AffineScaling};
pub use isotonic::IsotonicScaling;
