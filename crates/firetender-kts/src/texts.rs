//! The texts a student is trained on, and the order they come in.

use firetender_hooks::{Padding, Pass};
use rand::seq::SliceRandom;
use sha2::{Digest, Sha256};

use crate::{KtsError, draw::stream, vectors::hex};

/// Apart from the streams of draws, which count from 0.
const ORDER: u64 = 1 << 63;

/// Harmless texts as token rows, each with the number of its tokens that are the prompt.
///
/// ```
/// use firetender_kts::Texts;
/// let texts = Texts::new(vec![(vec![1, 2, 3], 2), (vec![4, 5], 2)]).unwrap();
/// assert_eq!(texts.len(), 2);
/// assert_eq!(texts.minibatch(7, 0, 2).len(), 2, "both, in some order");
/// assert!(Texts::new(vec![]).is_err());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Texts {
    rows: Vec<(Vec<u32>, usize)>,
}

impl Texts {
    /// Token rows with the lengths of their prompts; a text without an answer is all prompt.
    ///
    /// # Errors
    /// [`KtsError::Input`] when there are none, one is empty, or a prompt is longer than its text or empty.
    pub fn new(rows: Vec<(Vec<u32>, usize)>) -> Result<Self, KtsError> {
        if rows.is_empty() {
            let what = "no texts to train on".into();
            return Err(KtsError::Input { what });
        }
        let misfit = |(ids, prompt): &(Vec<u32>, usize)| !(1..=ids.len()).contains(prompt);
        if let Some(at) = rows.iter().position(misfit) {
            let (ids, prompt) = &rows[at];
            let what = format!(
                "text {at} has {} tokens, of which {prompt} are prompt; expected from 1 to all",
                ids.len()
            );
            return Err(KtsError::Input { what });
        }
        Ok(Self { rows })
    }

    /// Cuts every text to its first `length` tokens.
    #[must_use]
    pub fn cut(mut self, length: usize) -> Self {
        for (ids, prompt) in &mut self.rows {
            ids.truncate(length.max(1));
            *prompt = (*prompt).min(ids.len());
        }
        self
    }

    /// Number of texts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Never: texts are not built empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The texts: tokens and length of the prompt.
    #[must_use]
    pub fn rows(&self) -> &[(Vec<u32>, usize)] {
        &self.rows
    }

    /// The numbers of the texts of a minibatch: the texts are gone through again and again, each time in a new order, which
    /// depends on the seed and the round alone.
    #[must_use]
    pub fn minibatch(&self, seed: u64, number: u64, size: usize) -> Vec<usize> {
        let n = self.rows.len() as u64;
        let start = number * size as u64;
        let mut order: (u64, Vec<usize>) = (u64::MAX, vec![]);
        (start..start + size as u64)
            .map(|at| {
                let round = at / n;
                if order.0 != round {
                    let mut all: Vec<usize> = (0..self.rows.len()).collect();
                    all.shuffle(&mut stream(seed, ORDER | round, 0));
                    order = (round, all);
                }
                order.1[(at % n) as usize]
            })
            .collect()
    }

    /// Some texts side by side, padded after their ends.
    ///
    /// # Errors
    /// None for texts that were checked; the type is that of every pass.
    ///
    /// # Panics
    /// When a number is not one of a text.
    pub fn pass(&self, chosen: &[usize]) -> Result<Pass, KtsError> {
        let rows: Vec<Vec<u32>> = chosen.iter().map(|at| self.rows[*at].0.clone()).collect();
        let prompts = chosen.iter().map(|at| self.rows[*at].1).collect();
        Ok(Pass::whole(&rows, Padding::Right, 0)?.with_prompt_lens(prompts)?)
    }

    /// SHA-256 over all tokens, in hexadecimal.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for (ids, prompt) in &self.rows {
            hash.update((ids.len() as u64).to_le_bytes());
            hash.update((*prompt as u64).to_le_bytes());
            ids.iter().for_each(|id| hash.update(id.to_le_bytes()));
        }
        hex(&hash.finalize())
    }
}
