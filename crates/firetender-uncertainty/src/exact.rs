//! Sums that do not depend on the order of their terms.
//!
//! A mean over objects should not move when batches come in another order, are split over threads, or are merged from
//! shards. Floating-point addition does not allow that. [`ExactSum`] rounds each term once to a multiple of 2⁻⁶⁴ and adds
//! integers, which is associative and commutative; the error of a sum is at most 2⁻⁶⁵ for each term, and of a mean at most 2⁻⁶⁵.

mod columns;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) use columns::ExactColumns;

/// One unit is 2⁻⁶⁴.
const UNIT: f64 = 18_446_744_073_709_551_616.0;

/// A sum in fixed point: any order, any split, the same bits.
///
/// Range: |sum| < 2⁶³, so 2⁵³ terms of log-likelihood (each above −746) fit. Terms have to be finite.
///
/// ```
/// use firetender_uncertainty::ExactSum;
/// let (mut a, mut b) = (ExactSum::default(), ExactSum::default());
/// for x in [0.1, 0.2, 0.3] { a.add(x) }
/// for x in [0.3, 0.2, 0.1] { b.add(x) }
/// assert_eq!(a, b);
/// assert_eq!(a.value(), 0.6);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExactSum {
    units: i128,
}

impl ExactSum {
    /// Adds a finite term.
    ///
    /// # Panics
    /// In debug builds, when the term is not finite or the sum leaves ±2⁶³.
    #[inline]
    pub fn add(&mut self, term: f64) {
        debug_assert!(term.is_finite(), "{term} in an exact sum");
        self.units += units(term);
    }

    /// Adds another sum.
    #[inline]
    pub fn merge(&mut self, other: Self) {
        self.units += other.units;
    }

    /// The sum without some of its terms.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            units: self.units - other.units,
        }
    }

    /// The sum of these terms.
    #[must_use]
    pub fn of(terms: impl IntoIterator<Item = f64>) -> Self {
        let mut sum = Self::default();
        terms.into_iter().for_each(|term| sum.add(term));
        sum
    }

    /// Adds `units` · 2⁻⁶⁴.
    pub(crate) fn add_units(&mut self, units: i128) {
        self.units += units;
    }

    /// The sum, rounded once.
    #[must_use]
    pub fn value(self) -> f64 {
        self.units as f64 / UNIT
    }

    /// The sum divided by a count or a total weight.
    #[must_use]
    pub fn over(self, weight: f64) -> f64 {
        self.value() / weight
    }
}

/// The nearest multiple of 2⁻⁶⁴, ties to even, from the bits of the float: several times faster than a conversion to 128 bits.
#[inline]
fn units(term: f64) -> i128 {
    let bits = term.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32;
    let fraction = bits & ((1 << 52) - 1);
    let mantissa = if exponent == 0 {
        fraction
    } else {
        fraction | 1 << 52
    };
    // term = mantissa · 2^(exponent − 1075), so in units of 2⁻⁶⁴:
    let shift = exponent.max(1) - 1075 + 64;
    let size = if shift >= 0 {
        i128::from(mantissa) << shift.min(74)
    } else if shift > -64 {
        let down = -shift as u32;
        let (whole, rest) = (mantissa >> down, mantissa & ((1 << down) - 1));
        let half = 1u64 << (down - 1);
        let up = rest > half || (rest == half && whole & 1 == 1);
        i128::from(whole + u64::from(up))
    } else {
        0
    };
    if term < 0.0 { -size } else { size }
}

// As text: many formats have no 128-bit integers.
impl Serialize for ExactSum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.units)
    }
}

impl<'de> Deserialize<'de> for ExactSum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let units = text
            .parse()
            .map_err(|_| D::Error::custom(format!("`{text}` is not a sum in units of 2^-64")))?;
        Ok(Self { units })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_split_do_not_count() {
        let terms: Vec<f64> = (0..1000)
            .map(|i| -f64::from(i * 7919 % 1009).ln_1p() * 1.7)
            .collect();
        let forward = ExactSum::of(terms.iter().copied());
        let backward = ExactSum::of(terms.iter().rev().copied());
        let mut split = ExactSum::of(terms[..317].iter().copied());
        split.merge(ExactSum::of(terms[317..].iter().copied()));
        assert_eq!(forward, backward);
        assert_eq!(forward, split);
        let naive: f64 = terms.iter().sum();
        assert!((forward.value() - naive).abs() < 1e-9);
        assert_eq!(forward.minus(split), ExactSum::default());
    }

    #[test]
    fn units_are_the_nearest_multiples() {
        let mut term = 3.7e-25_f64;
        while term < 4e17 {
            for x in [
                term,
                -term,
                term.next_up(),
                1.5 / UNIT,
                2.5 / UNIT,
                0.5 / UNIT,
                0.0,
            ] {
                assert_eq!(units(x), (x * UNIT).round_ties_even() as i128, "{x:e}");
            }
            term *= 1.37;
        }
    }

    #[test]
    fn the_state_goes_through_text() {
        let sum = ExactSum::of([-745.13, 1e-19, 2f64.powi(40)]);
        let text = serde_json::to_string(&sum).unwrap();
        assert_eq!(serde_json::from_str::<ExactSum>(&text).unwrap(), sum);
        assert!(serde_json::from_str::<ExactSum>("\"1.5\"").is_err());
    }
}
