//! Which tokens a rule selects in given rows, to look at before steering.

use std::fmt;

use firetender_hooks::{Pass, Phase};
use serde::{Deserialize, Serialize};

use super::TokenRule;

/// The tokens of some rows, each with whether a rule selects it.
///
/// Prints as text: selected tokens stand in brackets, `|` marks the end of the prompt.
///
/// ```
/// use firetender_hooks::{Padding, Pass};
/// use firetender_steer::TokenRule;
/// let pass = Pass::whole(&[vec![7, 8, 9, 5]], Padding::Left, 0).unwrap().with_prompt_lens(vec![3]).unwrap();
/// let preview = "from_last_prompt".parse::<TokenRule>().unwrap().preview(&pass);
/// assert_eq!(preview.to_string(), "7 8 [9] | [5]\n");
/// assert_eq!(preview.with_texts(|id| format!("t{id}")).to_string(), "t7 t8 [t9] | [t5]\n");
/// assert_eq!(preview.selected(), [[2, 3]]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preview {
    /// The real tokens of each row.
    pub rows: Vec<Vec<PreviewToken>>,
}

/// One token of a [`Preview`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviewToken {
    /// Position in its sequence, from 0.
    pub position: usize,
    /// Id.
    pub id: u32,
    /// The token as text; its id until [`Preview::with_texts`].
    pub text: String,
    /// Whether it was generated, or counts as it.
    pub generated: bool,
    /// Whether the rule selects it.
    pub selected: bool,
}

impl TokenRule {
    /// Which tokens of a pass it selects. Padding is left out.
    #[must_use]
    pub fn preview(&self, pass: &Pass) -> Preview {
        let mut rows = vec![vec![]; pass.batch()];
        for token in pass.tokens() {
            rows[token.row].push(PreviewToken {
                position: token.position,
                id: token.id,
                text: token.id.to_string(),
                generated: token.phase() == Phase::Generated,
                selected: self.selects(&token),
            });
        }
        Preview { rows }
    }
}

impl Preview {
    /// With each token's text, for instance from a tokenizer. Line breaks are shown as `⏎`.
    #[must_use]
    pub fn with_texts(&self, text: impl Fn(u32) -> String) -> Self {
        let mut changed = self.clone();
        for token in changed.rows.iter_mut().flatten() {
            token.text = text(token.id).replace('\n', "⏎");
        }
        changed
    }

    /// The selected positions of each row.
    #[must_use]
    pub fn selected(&self) -> Vec<Vec<usize>> {
        let of = |row: &Vec<PreviewToken>| {
            let selected = row.iter().filter(|token| token.selected);
            selected.map(|token| token.position).collect()
        };
        self.rows.iter().map(of).collect()
    }
}

impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            let mut generated = false;
            for (index, token) in row.iter().enumerate() {
                if index > 0 {
                    f.write_str(" ")?;
                }
                if token.generated && !generated {
                    f.write_str("| ")?;
                    generated = true;
                }
                if token.selected {
                    write!(f, "[{}]", token.text)?;
                } else {
                    f.write_str(&token.text)?;
                }
            }
            f.write_str("\n")?;
        }
        Ok(())
    }
}
