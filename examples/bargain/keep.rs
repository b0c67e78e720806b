//! Where results of long runs are kept: a file in the folder of `--out`, which a run that was stopped goes on with.

use std::path::Path;

use firetender_bargain::{MatrixGame, Record};
use firetender_support::Failure;
use serde_json::{Value, json};

/// The results of a run in `folder`, in a file named after the game and the command; nowhere without a folder. `made_with` is all that they depend on.
pub(crate) fn record(
    folder: Option<&Path>,
    game: &str,
    command: &str,
    made_with: &Value,
) -> Result<Record, Failure> {
    let Some(folder) = folder else {
        return Ok(Record::nowhere());
    };
    // A game in a file may have any name.
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c
        } else {
            '-'
        }
    };
    let name: String = game.chars().take(64).map(plain).collect();
    let path = folder.join(format!("{name}-{command}.csv"));
    Ok(Record::open(&path, &made_with.to_string())?)
}

/// A payoff table as results depend on it.
pub(crate) fn table(game: &MatrixGame) -> Value {
    json!([game.actions(), game.table()])
}
