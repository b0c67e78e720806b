//! Game descriptions in files: JSON in the forms that people write by hand, and Gambit's `.nfg`.
//!
//! A JSON game is an object with the payoffs as rows of pairs, or as one matrix a player:
//!
//! ```json
//! {"name": "asym-bos", "payoffs": [[[4, 1], [0, 0]], [[0, 0], [2, 2]]]}
//! {"name": "asym-bos", "row": [[4, 0], [0, 2]], "column": [[1, 0], [0, 2]]}
//! ```
//!
//! Also read: a bare list of rows of pairs; a list of two matrices; pairs in one flat list, row after row, where `actions` says how
//! many there are or there are as many rows as columns; and matrices under other usual names (`player1`, `p1`, `A`, …). `actions`
//! counts the actions or names them; other keys are descriptions and are left alone.

mod json;
mod nfg;

use std::{fs, io::Read, path::Path};

use crate::{BargainError, MatrixGame};

/// Bytes that a game description may have at most.
const LARGEST: u64 = 64 << 20;

/// Reads a game from a `.json` or `.nfg` file. A game without a name gets the file's.
///
/// # Errors
/// [`BargainError::File`] when it cannot be read, [`BargainError::Parse`] when it is no game description (with the place where
/// that is known), [`BargainError::Game`] when its payoffs are no game or a player has nothing to choose.
pub fn from_file(path: &Path) -> Result<MatrixGame, BargainError> {
    let place = path.display().to_string();
    let text = read_text(path)?;
    let name = path
        .file_stem()
        .map_or("game".into(), |stem| stem.to_string_lossy().into_owned());
    let nfg = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("nfg"));
    with_choices(if nfg {
        nfg::parse(&text, &name, &place)?
    } else {
        json::parse(&text, &name, &place)?
    })
}

/// The text of a file of a reasonable size.
pub(super) fn read_text(path: &Path) -> Result<String, BargainError> {
    let failed = |source| BargainError::File {
        path: path.into(),
        source,
    };
    let mut text = String::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(LARGEST + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > LARGEST {
        return Err(BargainError::Parse {
            place: path.display().to_string(),
            what: format!("more than {LARGEST} bytes; expected a small game description"),
        });
    }
    Ok(text)
}

/// Reads a game from JSON text: `payoffs` as rows of pairs (or two matrices, or one flat list of pairs), or `row` and `column` as one matrix
/// a player. `name` and `actions` (counts or names) may be there; a bare list is taken for the payoffs.
///
/// # Errors
/// As [`from_file`].
///
/// ```
/// use firetender_bargain::games::from_json;
/// let game = from_json(r#"{"row": [[4, 0], [0, 2]], "column": [[1, 0], [0, 2]]}"#).unwrap();
/// assert_eq!(game.payoffs(0, 0), [4.0, 1.0]);
/// assert!(from_json(r#"{"payofs": []}"#).unwrap_err().to_string().contains("found `payofs`"));
/// ```
pub fn from_json(text: &str) -> Result<MatrixGame, BargainError> {
    with_choices(json::parse(text, "game", "JSON text")?)
}

/// Reads a two-player game from Gambit's strategic form (`NFG 1 R` or `NFG 1 D`), in the payoff or the outcome version.
///
/// # Errors
/// As [`from_file`].
///
/// ```
/// use firetender_bargain::games::from_nfg;
/// // Gambit lists profiles with player 1's action running fastest.
/// let game = from_nfg("NFG 1 R \"Dilemma\" { \"A\" \"B\" } { 2 2 }\n-1 -1  0 -3  -3 0  -2 -2").unwrap();
/// assert_eq!(game.payoffs(1, 0), [0.0, -3.0]);
/// ```
pub fn from_nfg(text: &str) -> Result<MatrixGame, BargainError> {
    with_choices(nfg::parse(text, "game", "NFG text")?)
}

/// A description in which a player has one action only is a mistake more often than a game; [`MatrixGame::new`] takes it.
fn with_choices(game: MatrixGame) -> Result<MatrixGame, BargainError> {
    match game.actions().iter().position(|n| *n < 2) {
        None => Ok(game),
        Some(player) => Err(BargainError::Game {
            game: game.name().into(),
            what: format!(
                "player {} has one action; expected at least two to choose from",
                player + 1
            ),
        }),
    }
}
