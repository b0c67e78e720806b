//! The laws of steering and the Python originals' values, on tiny models of each family.

mod directions;
mod divergence;
mod extraction;
mod generation;
mod laws;
mod steered;
mod support;
mod sweeping;
