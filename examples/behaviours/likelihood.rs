//! Which of two continuations is likelier, for many prompts at a time.

use firetender_hooks::{Intervene, Padding, Pass};
use firetender_lm::CausalLm;
use firetender_steer::{Effect, SteerError};

/// Prompts that run together. A pass over one short prompt mostly waits for the weights.
const BATCH: usize = 8;

/// `log P(a | context) − log P(b | context)` of each item, as [`firetender_steer::Preference`] computes it one by one.
pub(crate) struct Likelihood {
    items: Vec<[Vec<u32>; 3]>,
}

impl Likelihood {
    /// Items of (context, `a`, `b`), none of them empty.
    pub(crate) fn new(items: Vec<[Vec<u32>; 3]>) -> Self {
        Self { items }
    }
}

impl Effect for Likelihood {
    fn measure(
        &self,
        model: &dyn CausalLm,
        hook: &mut dyn Intervene,
    ) -> Result<Vec<f64>, SteerError> {
        let vocab = model.shape().vocab_size;
        let mut order: Vec<usize> = (0..self.items.len()).collect();
        order.sort_by_key(|item| self.items[*item].iter().map(Vec::len).sum::<usize>());
        let mut found = vec![0.0; self.items.len()];
        for batch in order.chunks(BATCH) {
            let (mut rows, mut lens, mut answers) = (vec![], vec![], vec![]);
            for &item in batch {
                let [context, a, b] = &self.items[item];
                let both = [(a.as_slice(), 1.0), (b.as_slice(), -1.0)];
                let (fed_a, fed_b) = (&a[..a.len() - 1], &b[..b.len() - 1]);
                // Answers that differ in their last token only are read off one row.
                let shared = if fed_a == fed_b { 1 } else { 2 };
                for side in both.chunks(2 / shared) {
                    let fed = if side[0].1 > 0.0 { fed_a } else { fed_b };
                    rows.push([context.as_slice(), fed].concat());
                    lens.push(context.len());
                    answers.push((item, side.to_vec()));
                }
            }
            let pass = Pass::whole(&rows, Padding::Left, 0)?.with_prompt_lens(lens)?;
            let mut cells = vec![];
            for (row, (_, sides)) in answers.iter().enumerate() {
                let first = pass.columns() - sides[0].0.len();
                cells.extend((first..pass.columns()).map(|column| (row, column)));
            }
            let logits = model.logits_at(&pass, &cells, None, hook)?;
            let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
            let mut places = logits.chunks(vocab);
            for (item, sides) in answers {
                for (place, logits) in (0..sides[0].0.len()).zip(&mut places) {
                    for (answer, sign) in &sides {
                        found[item] += sign * log_probability(logits, answer[place]);
                    }
                }
            }
        }
        Ok(found)
    }
}

fn log_probability(logits: &[f32], id: u32) -> f64 {
    let top = logits.iter().fold(f32::NEG_INFINITY, |a, b| a.max(*b));
    let sum: f64 = logits.iter().map(|x| f64::from(x - top).exp()).sum();
    let logit = logits.get(id as usize).copied();
    f64::from(logit.unwrap_or(f32::NEG_INFINITY) - top) - sum.ln()
}
