//! Exact sums of several columns at once, with vector instructions.
//!
//! A term is cut in two at 2⁻²⁰ by adding a large number and taking it off again; the lower part is rounded to 2⁻⁶⁴ in the same way, to
//! the nearest and ties to even, as [`ExactSum::add`] rounds. Sums of both parts stay exact in `f64` for a thousand terms, and go into
//! integers then. So the result is that of [`ExactSum::add`] term by term, at a fraction of the time.

use super::ExactSum;

/// 1.5 · 2³²: adding it rounds to a multiple of 2⁻²⁰.
const COARSE: f64 = 6_442_450_944.0;
/// 1.5 · 2⁻¹²: adding it rounds to a multiple of 2⁻⁶⁴.
const FINE: f64 = 3.662_109_375e-4;
/// Larger terms are added one by one.
const LARGEST: f64 = 1_048_576.0;
/// Terms until the sums go into integers: fine parts stay below 2¹⁰ · 2⁻²¹ = 2⁻¹¹, 53 bits above 2⁻⁶⁴.
const FULL: u32 = 1024;

/// The sums of `N` columns.
#[derive(Clone, Debug)]
pub(crate) struct ExactColumns<const N: usize> {
    coarse: [f64; N],
    fine: [f64; N],
    count: u32,
    sums: [ExactSum; N],
}

impl<const N: usize> Default for ExactColumns<N> {
    fn default() -> Self {
        Self {
            coarse: [0.0; N],
            fine: [0.0; N],
            count: 0,
            sums: [ExactSum::default(); N],
        }
    }
}

impl<const N: usize> ExactColumns<N> {
    /// Adds a finite term to each column.
    #[inline(always)]
    pub(crate) fn add(&mut self, terms: &[f64; N]) {
        let mut small = true;
        for term in terms {
            small &= term.abs() <= LARGEST;
        }
        if !small {
            for (sum, term) in self.sums.iter_mut().zip(terms) {
                sum.add(*term);
            }
            return;
        }
        for (i, term) in terms.iter().enumerate() {
            let coarse = (term + COARSE) - COARSE;
            let fine = ((term - coarse) + FINE) - FINE;
            self.coarse[i] += coarse;
            self.fine[i] += fine;
        }
        self.count += 1;
        if self.count == FULL {
            self.settle();
        }
    }

    fn settle(&mut self) {
        for i in 0..N {
            self.sums[i].add(self.coarse[i]);
            self.sums[i].add(self.fine[i]);
        }
        (self.coarse, self.fine, self.count) = ([0.0; N], [0.0; N], 0);
    }

    /// The sums.
    pub(crate) fn sums(mut self) -> [ExactSum; N] {
        self.settle();
        self.sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_what_single_sums_are() {
        let unit = 2_f64.powi(-64);
        let mut columns = ExactColumns::<3>::default();
        let mut single = [ExactSum::default(); 3];
        let mut size = 1e-24_f64;
        let mut many = 0.37_f64;
        for i in 0..5000 {
            // Sizes from below a unit to beyond the largest, ties between two units, and the usual.
            size = if size > 1e9 { 1e-24 } else { size * 1.037 };
            many = (many * 7.3).fract();
            let sign = if i % 3 == 0 { -1.0 } else { 1.0 };
            let terms = [
                sign * size,
                (f64::from(i) + 0.5) * unit * sign,
                -746.0 * many,
            ];
            columns.add(&terms);
            for (sum, term) in single.iter_mut().zip(terms) {
                sum.add(term);
            }
        }
        assert_eq!(columns.sums(), single);
        // As large as may be, as often as may be.
        let (mut columns, mut single) = (ExactColumns::<1>::default(), ExactSum::default());
        for _ in 0..5000 {
            let term = LARGEST - unit.sqrt();
            columns.add(&[term]);
            single.add(term);
        }
        assert_eq!(columns.sums(), [single]);
    }
}
