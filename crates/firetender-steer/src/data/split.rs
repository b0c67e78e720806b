//! Parts of the records: what is fitted to, and what judges.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Records;
use crate::SteerError;

impl Records {
    /// Two parts by lot: `share` of the records (0.8 is usual) to fit to, the rest to judge by; each keeps the file's order.
    /// The same seed gives the same parts on every machine.
    ///
    /// # Errors
    /// [`SteerError::Data`] when either part would be empty or the share is none.
    ///
    /// ```
    /// use firetender_steer::Records;
    /// let records = Records::parse("[\"a\", \"b\", \"c\", \"d\", \"e\"]", "list.json").unwrap();
    /// let (fit, judge) = records.split(0.8, 7).unwrap();
    /// assert_eq!((fit.len(), judge.len()), (4, 1));
    /// ```
    pub fn split(&self, share: f64, seed: u64) -> Result<(Self, Self), SteerError> {
        let mut order = shuffled(self.len(), &mut ChaCha8Rng::seed_from_u64(seed));
        let cut = self.cut(share)?;
        order[..cut].sort_unstable();
        order[cut..].sort_unstable();
        Ok((self.pick(&order[..cut]), self.pick(&order[cut..])))
    }

    /// Two parts in the file's order: the first `share` and the rest (the reference's 80 and 20 percent).
    ///
    /// # Errors
    /// As [`split`](Self::split).
    pub fn split_in_order(&self, share: f64) -> Result<(Self, Self), SteerError> {
        let order: Vec<usize> = (0..self.len()).collect();
        let cut = self.cut(share)?;
        Ok((self.pick(&order[..cut]), self.pick(&order[cut..])))
    }

    fn cut(&self, share: f64) -> Result<usize, SteerError> {
        let cut = (share * self.len() as f64).round();
        if cut >= 1.0 && (cut as usize) < self.len() {
            return Ok(cut as usize);
        }
        Err(SteerError::Data {
            path: self.shape().into(),
            line: None,
            what: format!(
                "a split of {} records at {share}; expected a share that leaves a record on both sides",
                self.len()
            ),
        })
    }

    /// Some of the records, in the order given.
    ///
    /// # Panics
    /// When there is no such record.
    #[must_use]
    pub fn pick(&self, rows: &[usize]) -> Self {
        fn of<T: Clone>(all: &[T], rows: &[usize]) -> Vec<T> {
            rows.iter().map(|row| all[*row].clone()).collect()
        }
        match self {
            Self::Texts(all) => Self::Texts(of(all, rows)),
            Self::Sentences(all) => Self::Sentences(of(all, rows)),
            Self::Questions(all) => Self::Questions(of(all, rows)),
            Self::Refusals(all) => Self::Refusals(of(all, rows)),
            Self::Behaviours(all) => Self::Behaviours(of(all, rows)),
            Self::PromptPairs(all) => Self::PromptPairs(of(all, rows)),
            Self::Suggestions(all) => Self::Suggestions(of(all, rows)),
            Self::Instructions(all) => Self::Instructions(of(all, rows)),
            Self::Labelled(all) => Self::Labelled(of(all, rows)),
            Self::Problems(all) => Self::Problems(of(all, rows)),
            Self::Choices(all) => Self::Choices(of(all, rows)),
        }
    }
}

/// The numbers below `n` in random order (Fisher and Yates).
pub(crate) fn shuffled(n: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    for last in (1..n).rev() {
        order.swap(last, rng.random_range(0..=last as u64) as usize);
    }
    order
}
