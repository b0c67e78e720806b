//! Which norm a trained pair has settled on, read from what it earns with itself.

use serde::{Deserialize, Serialize};

/// The norm that a pair's payoffs show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NormClass {
    /// Both get about the same.
    Egalitarian,
    /// Between the two; the Nash point in `asym-bos`.
    Mixed,
    /// The greatest sum.
    Utilitarian,
    /// No agreement.
    Failure,
}

/// The class of a pair by the rules of the released code, for the games that have one: `asym-bos` by the ratio of payoffs,
/// `asym-bos-and-pd` by their sizes; in `abcg` blue's 1.2 times red's is utilitarian. `None` for other games.
///
/// Classes are made after training from the training result, so "same norm" is a selection on the outcome; say so where it is
/// reported.
///
/// ```
/// use firetender_bargain::{NormClass, classify};
/// assert_eq!(classify("asym-bos", [4.0, 1.0]), Some(NormClass::Utilitarian));
/// assert_eq!(classify("asym-bos", [2.0, 2.0]), Some(NormClass::Egalitarian));
/// assert_eq!(classify("ipd", [-1.0, -1.0]), None);
/// ```
#[must_use]
pub fn classify(game: &str, [one, two]: [f64; 2]) -> Option<NormClass> {
    match game {
        "asym-bos" => Some(if one / two < 1.5 {
            NormClass::Egalitarian
        } else if one / two < 2.5 {
            NormClass::Mixed
        } else {
            NormClass::Utilitarian
        }),
        "asym-bos-and-pd" => Some(if one > 3.5 && two < 1.5 {
            NormClass::Utilitarian
        } else if two < 2.0 && one > 2.5 {
            NormClass::Mixed
        } else if one > 1.5 && two > 1.5 {
            NormClass::Egalitarian
        } else {
            NormClass::Failure
        }),
        "abcg" => Some(if two / one > 1.2 {
            NormClass::Utilitarian
        } else {
            NormClass::Egalitarian
        }),
        _ => None,
    }
}
