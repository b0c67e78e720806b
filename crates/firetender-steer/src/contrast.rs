//! What a direction is made from: two named classes of texts, paired.
//!
//! The names say what a plus sign means: a positive strength steers *toward* the first class and *away* from the second, in
//! every file and table. Texts are rows of token ids, so that template, start token and read position are the caller's explicit
//! choice.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::SteerError;

/// Two named classes of token rows; row `i` of one and row `i` of the other are a pair.
///
/// ```
/// use firetender_steer::Contrast;
/// let contrast = Contrast::new("happy", vec![vec![1, 2], vec![1, 3]], "sad", vec![vec![1, 4], vec![1, 5]]).unwrap();
/// assert_eq!((contrast.pairs(), contrast.toward()), (2, "happy"));
/// assert!(Contrast::new("happy", vec![vec![1]], "sad", vec![]).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contrast {
    toward: Class,
    away: Class,
}

/// One class: its name, its rows, and how many tokens of each row are prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Class {
    pub(crate) name: String,
    pub(crate) rows: Vec<Vec<u32>>,
    pub(crate) prompt_lens: Vec<usize>,
}

impl Class {
    fn new(name: String, rows: Vec<Vec<u32>>) -> Self {
        let prompt_lens = rows.iter().map(Vec::len).collect();
        Self {
            name,
            rows,
            prompt_lens,
        }
    }

    fn pick(&self, pairs: &[usize]) -> Self {
        Self {
            name: self.name.clone(),
            rows: pairs.iter().map(|i| self.rows[*i].clone()).collect(),
            prompt_lens: pairs.iter().map(|i| self.prompt_lens[*i]).collect(),
        }
    }
}

impl Contrast {
    /// Pairs up two classes.
    ///
    /// # Errors
    /// [`SteerError::Contrast`] when a class is empty, the classes have different numbers of rows, a row has no tokens, the
    /// names are empty or equal, or both classes hold the same rows.
    pub fn new(
        toward: impl Into<String>,
        toward_rows: Vec<Vec<u32>>,
        away: impl Into<String>,
        away_rows: Vec<Vec<u32>>,
    ) -> Result<Self, SteerError> {
        let contrast = Self {
            toward: Class::new(toward.into(), toward_rows),
            away: Class::new(away.into(), away_rows),
        };
        let (t, a) = (&contrast.toward, &contrast.away);
        for class in [t, a] {
            if class.name.trim().is_empty() {
                return Err(contrast.fail(
                    "a class has no name; the names say what a positive strength means".into(),
                ));
            }
            if class.rows.is_empty() {
                return Err(contrast.fail(format!("class `{}` has no rows", class.name)));
            }
            if let Some(row) = class.rows.iter().position(Vec::is_empty) {
                return Err(
                    contrast.fail(format!("row {row} of class `{}` has no tokens", class.name))
                );
            }
        }
        if t.name == a.name {
            return Err(contrast.fail("both classes have the same name".into()));
        }
        if t.rows.len() != a.rows.len() {
            let (n, m) = (t.rows.len(), a.rows.len());
            return Err(contrast.fail(format!(
                "{n} rows against {m}; rows are paired, so both need the same number"
            )));
        }
        if t.rows == a.rows {
            return Err(contrast.fail("both classes hold the same rows".into()));
        }
        Ok(contrast)
    }

    /// Says how many tokens of each row are prompt, where rows end in an answer: read positions such as "last prompt token"
    /// and rules by phase depend on it. Without it each row is all prompt.
    ///
    /// # Errors
    /// [`SteerError::Contrast`] unless there is one length from 1 to the row's length for each row.
    pub fn with_prompt_lens(
        mut self,
        toward: Vec<usize>,
        away: Vec<usize>,
    ) -> Result<Self, SteerError> {
        for (class, lens) in [(&self.toward, &toward), (&self.away, &away)] {
            let fits = lens.len() == class.rows.len()
                && lens
                    .iter()
                    .zip(&class.rows)
                    .all(|(len, row)| (1..=row.len()).contains(len));
            if !fits {
                return Err(self.fail(format!(
                    "prompt lengths of class `{}` do not fit its rows; expected one for each row, from 1 to its length",
                    class.name
                )));
            }
        }
        self.toward.prompt_lens = toward;
        self.away.prompt_lens = away;
        Ok(self)
    }

    /// Number of pairs.
    #[must_use]
    pub fn pairs(&self) -> usize {
        self.toward.rows.len()
    }

    /// Name of the class that a positive strength steers toward.
    #[must_use]
    pub fn toward(&self) -> &str {
        &self.toward.name
    }

    /// Name of the class that a positive strength steers away from.
    #[must_use]
    pub fn away(&self) -> &str {
        &self.away.name
    }

    /// Rows of the first class.
    #[must_use]
    pub fn toward_rows(&self) -> &[Vec<u32>] {
        &self.toward.rows
    }

    /// Rows of the second class.
    #[must_use]
    pub fn away_rows(&self) -> &[Vec<u32>] {
        &self.away.rows
    }

    /// The same classes with their roles exchanged; its directions are the negatives.
    #[must_use]
    pub fn swapped(&self) -> Self {
        Self {
            toward: self.away.clone(),
            away: self.toward.clone(),
        }
    }

    /// A control: the members of each pair are exchanged with probability ½, so that the labels mean nothing.
    #[must_use]
    pub fn with_shuffled_labels(&self, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut shuffled = self.clone();
        for pair in 0..self.pairs() {
            if rng.next_u32() & 1 == 1 {
                let (t, a) = (&mut shuffled.toward, &mut shuffled.away);
                std::mem::swap(&mut t.rows[pair], &mut a.rows[pair]);
                std::mem::swap(&mut t.prompt_lens[pair], &mut a.prompt_lens[pair]);
            }
        }
        shuffled
    }

    /// Some of the pairs, in the order given.
    ///
    /// # Errors
    /// [`SteerError::Contrast`] when no pair is named or one does not exist.
    pub fn subset(&self, pairs: &[usize]) -> Result<Self, SteerError> {
        if pairs.is_empty() {
            return Err(self.fail("a subset of no pairs".into()));
        }
        if let Some(pair) = pairs.iter().find(|pair| **pair >= self.pairs()) {
            return Err(self.fail(format!("pair {pair} of {}", self.pairs())));
        }
        Ok(Self {
            toward: self.toward.pick(pairs),
            away: self.away.pick(pairs),
        })
    }

    /// Two parts: the first `fitted` pairs, and the rest to judge by.
    ///
    /// # Errors
    /// [`SteerError::Contrast`] when either part would be empty.
    ///
    /// ```
    /// use firetender_steer::Contrast;
    /// let rows = |from: u32| (from..from + 5).map(|id| vec![id]).collect();
    /// let (fit, held_out) = Contrast::new("a", rows(0), "b", rows(10)).unwrap().split_at(4).unwrap();
    /// assert_eq!((fit.pairs(), held_out.pairs()), (4, 1));
    /// ```
    pub fn split_at(&self, fitted: usize) -> Result<(Self, Self), SteerError> {
        let first: Vec<usize> = (0..fitted.min(self.pairs())).collect();
        let rest: Vec<usize> = (fitted.min(self.pairs())..self.pairs()).collect();
        Ok((self.subset(&first)?, self.subset(&rest)?))
    }

    pub(crate) fn classes(&self) -> [&Class; 2] {
        [&self.toward, &self.away]
    }

    fn fail(&self, what: String) -> SteerError {
        SteerError::Contrast {
            toward: self.toward.name.clone(),
            away: self.away.name.clone(),
            what,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(from: u32, n: u32) -> Vec<Vec<u32>> {
        (from..from + n).map(|id| vec![1, id]).collect()
    }

    #[test]
    fn misfits_are_named() {
        let what = |toward: &str, t: Vec<Vec<u32>>, away: &str, a: Vec<Vec<u32>>| {
            Contrast::new(toward, t, away, a).unwrap_err().to_string()
        };
        assert!(what("a", vec![], "b", rows(0, 1)).contains("class `a` has no rows"));
        assert!(what("a", rows(0, 2), "b", vec![vec![1], vec![]]).contains("row 1 of class `b`"));
        assert!(what("a", rows(0, 2), "b", rows(0, 3)).contains("2 rows against 3"));
        assert!(what("a", rows(0, 2), "a", rows(2, 2)).contains("same name"));
        assert!(what("a", rows(0, 2), "b", rows(0, 2)).contains("same rows"));
        assert!(what(" ", rows(0, 2), "b", rows(1, 2)).contains("no name"));
    }

    #[test]
    fn prompt_lengths_have_to_fit() {
        let contrast = Contrast::new("a", rows(0, 2), "b", rows(5, 2)).unwrap();
        assert!(
            contrast
                .clone()
                .with_prompt_lens(vec![1, 2], vec![1, 1])
                .is_ok()
        );
        for bad in [vec![1], vec![0, 1], vec![1, 3]] {
            assert!(contrast.clone().with_prompt_lens(vec![1, 1], bad).is_err());
        }
    }

    #[test]
    fn shuffled_labels_keep_pairs_together() {
        let contrast = Contrast::new("a", rows(0, 40), "b", rows(50, 40)).unwrap();
        let shuffled = contrast.with_shuffled_labels(3);
        let mut exchanged = 0;
        for i in 0..40 {
            let pair = (&shuffled.toward_rows()[i], &shuffled.away_rows()[i]);
            if pair == (&contrast.away_rows()[i], &contrast.toward_rows()[i]) {
                exchanged += 1;
            } else {
                assert_eq!(pair, (&contrast.toward_rows()[i], &contrast.away_rows()[i]));
            }
        }
        assert!((10..=30).contains(&exchanged), "{exchanged} of 40");
        assert_eq!(shuffled, contrast.with_shuffled_labels(3));
        assert_eq!(contrast.swapped().swapped(), contrast);
    }
}
