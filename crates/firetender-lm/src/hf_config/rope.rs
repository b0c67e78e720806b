//! Rotary settings of `config.json`: `rope_theta` and `rope_scaling`, or `rope_parameters` as newer versions write both.

use super::keys::Keys;
use crate::{LmError, RopeScaling};

/// Rotary settings.
pub(super) struct Rope {
    pub(super) base: f64,
    pub(super) scaling: RopeScaling,
    /// Part of the head that is rotated, if stated.
    pub(super) part: Option<f64>,
}

impl Rope {
    /// Reads the settings; `base_key` is the family's name for the base.
    pub(super) fn read(keys: &mut Keys, base_key: &str) -> Result<Self, LmError> {
        let mut rope = Self {
            base: 10_000.0,
            scaling: RopeScaling::None,
            part: None,
        };
        let (own, common) = (
            keys.number_or_none(base_key)?,
            keys.number_or_none("rope_theta")?,
        );
        rope.base = own.or(common).unwrap_or(rope.base);
        rope.part = keys.number_or_none("partial_rotary_factor")?;
        let (old, new) = (
            keys.object("rope_scaling")?,
            keys.object("rope_parameters")?,
        );
        let mut inner = match (old, new) {
            (None, None) => return Ok(rope),
            (Some(inner), None) | (None, Some(inner)) => inner,
            (Some(_), Some(_)) => {
                return Err(keys.wrong(
                    "rope_parameters",
                    "present",
                    "to stand without `rope_scaling`",
                ));
            }
        };
        rope.base = inner.number("rope_theta", rope.base)?;
        rope.part = inner.number_or_none("partial_rotary_factor")?.or(rope.part);
        // Both spellings may stand side by side and must then agree.
        let (kind, legacy) = (inner.string("rope_type")?, inner.string("type")?);
        if let (Some(kind), Some(legacy)) = (&kind, &legacy)
            && kind != legacy
        {
            return Err(inner.wrong("type", legacy, kind));
        }
        rope.scaling = match kind.or(legacy).as_deref() {
            None | Some("default") => RopeScaling::None,
            Some("linear") => RopeScaling::Linear {
                factor: inner.required_number("factor")?,
            },
            Some("llama3") => RopeScaling::Llama3 {
                factor: inner.required_number("factor")?,
                low: inner.required_number("low_freq_factor")?,
                high: inner.required_number("high_freq_factor")?,
                original_positions: inner.required_size("original_max_position_embeddings")?,
            },
            Some(other) => {
                return Err(inner.wrong("rope_type", other, "default, linear or llama3"));
            }
        };
        inner.finish(&[])?;
        Ok(rope)
    }

    /// Families whose heads are rotated as a whole.
    pub(super) fn must_be_whole(&self, keys: &Keys) -> Result<(), LmError> {
        match self.part {
            Some(part) if part != 1.0 => {
                Err(keys.wrong("partial_rotary_factor", &part.to_string(), "1 or absent"))
            }
            _ => Ok(()),
        }
    }
}
