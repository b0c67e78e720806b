//! Which layers are meant, independent of how many a model has.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::SteerError;

/// A choice of layers, counted from 0; negative numbers count from the end (−1 is the last block).
///
/// As text: `all`, `8..20` (the end is excluded), `-10..-2`, `4..`, `3,5,-1`, or `40%` for the one block at that depth.
///
/// ```
/// use firetender_steer::Layers;
/// let middle: Layers = "8..12".parse().unwrap();
/// assert_eq!(middle.resolve(30).unwrap(), [8, 9, 10, 11]);
/// assert_eq!("3,-1".parse::<Layers>().unwrap().resolve(12).unwrap(), [3, 11]);
/// assert_eq!("40%".parse::<Layers>().unwrap().resolve(30).unwrap(), [12]);
/// assert!(middle.resolve(10).is_err(), "there is no layer 10");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Layers {
    /// Every layer.
    #[default]
    All,
    /// From the first to before the second; without a second to the last layer.
    Range(i64, Option<i64>),
    /// These.
    List(Vec<i64>),
    /// The one layer at this share of the depth, in percent from 0 to 100.
    Percent(u8),
}

impl Layers {
    /// One layer.
    #[must_use]
    pub fn one(layer: usize) -> Self {
        Self::List(vec![layer as i64])
    }

    /// The layers of a model that has `layers` of them, ascending, each once.
    ///
    /// # Errors
    /// [`SteerError::Layers`] when a layer does not exist, or none is left.
    pub fn resolve(&self, layers: usize) -> Result<Vec<usize>, SteerError> {
        let fail = |what: String| SteerError::Layers {
            found: self.to_string(),
            what,
        };
        let place = |number: i64, limit: usize| {
            let counted = if number < 0 {
                number + layers as i64
            } else {
                number
            };
            usize::try_from(counted)
                .ok()
                .filter(|layer| *layer < limit)
                .ok_or_else(|| {
                    fail(format!(
                        "{number} is outside a model of {layers} layers (0 to {})",
                        layers.saturating_sub(1)
                    ))
                })
        };
        let mut chosen = match self {
            Self::All => (0..layers).collect(),
            Self::Range(start, end) => {
                let start = place(*start, layers)?;
                let end = end.map_or(Ok(layers), |end| place(end, layers + 1))?;
                (start..end).collect()
            }
            Self::List(list) => list
                .iter()
                .map(|number| place(*number, layers))
                .collect::<Result<Vec<_>, _>>()?,
            Self::Percent(percent) => {
                let at = layers * usize::from(*percent) / 100;
                vec![at.min(layers.saturating_sub(1))]
            }
        };
        chosen.sort_unstable();
        chosen.dedup();
        if chosen.is_empty() {
            return Err(fail(format!("no layer of a model of {layers}")));
        }
        Ok(chosen)
    }
}

impl From<std::ops::Range<usize>> for Layers {
    fn from(range: std::ops::Range<usize>) -> Self {
        Self::Range(range.start as i64, Some(range.end as i64))
    }
}

impl fmt::Display for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Range(start, None) => write!(f, "{start}.."),
            Self::Range(start, Some(end)) => write!(f, "{start}..{end}"),
            Self::List(list) => {
                let list: Vec<String> = list.iter().map(ToString::to_string).collect();
                f.write_str(&list.join(","))
            }
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl FromStr for Layers {
    type Err = SteerError;

    fn from_str(text: &str) -> Result<Self, SteerError> {
        let fail = || {
            SteerError::Layers {
            found: text.into(),
            what: "expected `all`, a range such as `8..20`, a list such as `3,5,-1`, or a depth such as `40%`".into(),
        }
        };
        let number = |part: &str| part.trim().parse::<i64>().map_err(|_| fail());
        let text = text.trim();
        if text == "all" {
            return Ok(Self::All);
        }
        if let Some(percent) = text.strip_suffix('%') {
            let percent: u8 = percent.parse().map_err(|_| fail())?;
            return if percent <= 100 {
                Ok(Self::Percent(percent))
            } else {
                Err(fail())
            };
        }
        if let Some((start, end)) = text.split_once("..") {
            let start = if start.is_empty() { 0 } else { number(start)? };
            let end = if end.is_empty() {
                None
            } else {
                Some(number(end)?)
            };
            return Ok(Self::Range(start, end));
        }
        Ok(Self::List(
            text.split(',').map(number).collect::<Result<_, _>>()?,
        ))
    }
}

impl TryFrom<String> for Layers {
    type Error = SteerError;

    fn try_from(text: String) -> Result<Self, SteerError> {
        text.parse()
    }
}

impl From<Layers> for String {
    fn from(layers: Layers) -> Self {
        layers.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_round_trip() {
        for text in ["all", "8..20", "-10..-2", "4..", "3,5,-1", "40%", "0"] {
            let layers: Layers = text.parse().unwrap();
            assert_eq!(layers.to_string(), text);
            let json = serde_json::to_string(&layers).unwrap();
            assert_eq!(serde_json::from_str::<Layers>(&json).unwrap(), layers);
        }
        for text in [
            "",
            "x",
            "1,,2",
            "101%",
            "-1%",
            "1..x",
            "99999999999999999999",
        ] {
            assert!(text.parse::<Layers>().is_err(), "{text}");
        }
    }

    #[test]
    fn layers_that_do_not_exist_are_refused() {
        let resolve = |text: &str| text.parse::<Layers>().unwrap().resolve(12);
        assert_eq!(resolve("-3..").unwrap(), [9, 10, 11]);
        assert_eq!(resolve("..2").unwrap(), [0, 1]);
        assert_eq!(resolve("5,5,1").unwrap(), [1, 5]);
        assert_eq!(resolve("100%").unwrap(), [11]);
        for text in ["12", "-13", "0..13", "5..5", "7..3"] {
            assert!(resolve(text).is_err(), "{text}");
        }
    }
}
