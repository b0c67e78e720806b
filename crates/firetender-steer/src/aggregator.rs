//! What makes one direction out of the pairs of one layer: the methods of this crate, or your own.

use crate::{Fitted, Method, Pairs, SteerError};

/// Makes the direction of a layer. [`Method`] implements it; implement it for an aggregator of your own, or wrap a closure in
/// [`Custom`], and everything that takes a method by this trait ([`crate::Samples::fit_with`]) reports on it in the same way,
/// held-out separation included.
///
/// A direction points from the away class to the toward class: exchanging the classes has to negate it.
pub trait Aggregator {
    /// The name that files and tables show.
    fn name(&self) -> String;

    /// The fewest pairs that it works with.
    fn fewest_pairs(&self) -> usize {
        1
    }

    /// Makes the direction from the pairs of `layer`.
    ///
    /// # Errors
    /// Whatever makes a direction impossible; [`SteerError::Direction`] when the classes do not differ.
    fn fit(&self, pairs: &Pairs, layer: usize) -> Result<Fitted, SteerError>;
}

impl Aggregator for Method {
    fn name(&self) -> String {
        self.to_string()
    }

    fn fewest_pairs(&self) -> usize {
        Method::fewest_pairs(self)
    }

    fn fit(&self, pairs: &Pairs, layer: usize) -> Result<Fitted, SteerError> {
        Method::fit(self, pairs, layer)
    }
}

/// An aggregator from a name and a closure that turns pairs into a direction of their width.
///
/// ```
/// use firetender_steer::{Aggregator, Custom, Pairs};
/// let first_pair = Custom::new("first pair", |pairs: &Pairs| pairs.differences()[..pairs.width()].to_vec());
/// let pairs = Pairs::new(2, vec![3.0, 1.0], vec![1.0, 1.0]).unwrap();
/// assert_eq!(first_pair.fit(&pairs, 0).unwrap().direction, [2.0, 0.0]);
/// ```
#[derive(Clone, Debug)]
pub struct Custom<F> {
    name: String,
    fit: F,
}

impl<F: Fn(&Pairs) -> Vec<f64>> Custom<F> {
    /// Calls it `name`.
    #[must_use]
    pub fn new(name: impl Into<String>, fit: F) -> Self {
        Self {
            name: name.into(),
            fit,
        }
    }
}

impl<F: Fn(&Pairs) -> Vec<f64>> Aggregator for Custom<F> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn fit(&self, pairs: &Pairs, layer: usize) -> Result<Fitted, SteerError> {
        let direction = (self.fit)(pairs);
        let squares: f64 = direction.iter().map(|x| x * x).sum();
        if direction.len() != pairs.width() || !(squares > 0.0 && squares.is_finite()) {
            let what = format!(
                "`{}` gave {} numbers with squared length {squares}; expected {} numbers that are finite and not all zero",
                self.name,
                direction.len(),
                pairs.width()
            );
            return Err(SteerError::Direction { layer, what });
        }
        Ok(Fitted::of(direction, pairs))
    }
}
