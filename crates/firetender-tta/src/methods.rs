//! Other ways to use many predictions of one image, to compare a greedy policy with.
//!
//! A greedy policy selects recipes once, for all images, and weighs them alike. Two families of methods differ in just that: *learned weights*
//! ([`learn_weights`]; one weight a recipe, or one for each recipe and class) and *selection by instance* ([`most_certain`], [`LossPredictor`];
//! other recipes for every image). Both work on tables of predictions and see neither images nor networks. All are host code in `f64`;
//! [`LearnedWeights::apply`] has a tensor form for use at run time.
//!
//! Neither is free: weights multiply what can be over-fitted by the number of classes, and a selection by instance needs either all passes
//! (certainty) or one pass and a fitted predictor (losses) before it knows which passes to make.

mod instance;
mod weights;

pub use instance::{LossPredictor, confidence_features, most_certain};
pub use weights::{LearnedWeights, WeightOptions, learn_weights};
