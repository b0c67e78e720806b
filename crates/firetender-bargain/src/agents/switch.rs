//! Random switching in closed form, where norms clash completely.

/// The chance that a draw of norms leaves two players apart: two norms, and each player draws its own favourite with probability `p`.
/// `None` for a player that never switches.
///
/// ```
/// use firetender_bargain::agents::mismatch;
/// // An adaptive player against one that holds to what is not its favourite.
/// assert_eq!(mismatch(Some(0.7), None, false), 0.7);
/// assert_eq!(mismatch(Some(0.5), Some(0.5), false), 0.5);
/// ```
#[must_use]
pub fn mismatch(one: Option<f64>, two: Option<f64>, same_favourite: bool) -> f64 {
    let (p, q) = (one.unwrap_or(1.0), two.unwrap_or(1.0));
    let agree = if same_favourite {
        p * q + (1.0 - p) * (1.0 - q)
    } else {
        p * (1.0 - q) + (1.0 - p) * q
    };
    1.0 - agree
}

/// The expected score over `steps` steps when a step scores 0 while the norms of two players differ and 1 from the draw on that makes them agree:
/// `1 − (1/T) Σ mᵏ` with [`mismatch`] `m`. In `asym-bos` with the utilitarian and the egalitarian norm this is exact.
///
/// ```
/// use firetender_bargain::agents::expected_score;
/// assert!((expected_score(0.5, 20) - 0.95).abs() < 1e-4);
/// assert_eq!(expected_score(1.0, 20), 0.0);
/// ```
#[must_use]
pub fn expected_score(mismatch: f64, steps: usize) -> f64 {
    let apart: f64 = (1..=steps).map(|k| mismatch.powi(k as i32)).sum();
    1.0 - apart / steps as f64
}
