//! The formats of vector files, by name and by first bytes; and writing them.

use std::{fmt, path::Path, str::FromStr};

use super::{ControlVector, DirectionMatrix, MetadataStyle, SteeringVector, SvecFile};
use crate::SteerError;

/// A format that vectors are exchanged in. As text: `safetensors`, `gguf`, `svec`, `npy`, `f32`.
///
/// ```
/// use firetender_steer::VectorFormat;
/// assert_eq!("gguf".parse::<VectorFormat>().unwrap(), VectorFormat::Gguf);
/// assert!("zip".parse::<VectorFormat>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VectorFormat {
    /// This library's own, which keeps everything ([`SteeringVector::save`]); or a bare matrix in such a file.
    Safetensors,
    /// llama.cpp's control vectors ([`ControlVector`]).
    Gguf,
    /// JSON of CAST and `AISteer360` ([`SvecFile`]).
    Svec,
    /// A matrix `[layers, width]` as NumPy writes it ([`DirectionMatrix`]).
    Npy,
    /// A matrix `[layers, width]` of bare little-endian 32-bit numbers ([`DirectionMatrix`]).
    F32,
}

impl VectorFormat {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Safetensors, "safetensors"),
        (Self::Gguf, "gguf"),
        (Self::Svec, "svec"),
        (Self::Npy, "npy"),
        (Self::F32, "f32"),
    ];

    /// What a file is: by its first bytes, and bare numbers by the ending of its name (`.f32`, `.bin`, `.raw`).
    ///
    /// # Errors
    /// [`SteerError::File`] for a file that is none of these.
    pub fn detect(path: &Path, bytes: &[u8]) -> Result<Self, SteerError> {
        let ending = path.extension().and_then(|e| e.to_str());
        if bytes.starts_with(b"GGUF") {
            Ok(Self::Gguf)
        } else if bytes.starts_with(b"\x93NUMPY") {
            Ok(Self::Npy)
        } else if bytes.get(8) == Some(&b'{') && bytes.get(6..8) == Some(&[0, 0]) {
            Ok(Self::Safetensors)
        } else if matches!(ending, Some("f32" | "bin" | "raw")) {
            Ok(Self::F32)
        } else if bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{') {
            Ok(Self::Svec)
        } else {
            Err(SteerError::File {
                path: path.into(),
                place: "first bytes".into(),
                what: "no vector file; expected safetensors, GGUF, `.svec` JSON, `.npy`, or bare numbers named `.f32`".into(),
            })
        }
    }
}

impl fmt::Display for VectorFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(known, _)| known == self);
        f.write_str(name.map_or("", |(_, name)| name))
    }
}

impl FromStr for VectorFormat {
    type Err = SteerError;

    fn from_str(text: &str) -> Result<Self, SteerError> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text);
        found
            .map(|(known, _)| *known)
            .ok_or_else(|| SteerError::Input {
                what: format!("format `{text}`; expected safetensors, gguf, svec, npy or f32"),
            })
    }
}

impl SteeringVector {
    /// Writes the vector in a format. `model_hint` names the architecture (`llama`, …) in formats that have a place for it.
    ///
    /// # Errors
    /// [`SteerError::Mismatch`] and [`SteerError::Direction`] for a vector that the format cannot express;
    /// [`SteerError::Io`].
    pub fn export(
        &self,
        path: impl AsRef<Path>,
        format: VectorFormat,
        model_hint: &str,
    ) -> Result<(), SteerError> {
        match format {
            VectorFormat::Safetensors => self.save(path),
            VectorFormat::Gguf => {
                let mut file = ControlVector::from_vector(self, model_hint)?;
                if (self.toward(), self.away()) != ("positive", "negative") {
                    file = file.with_names(self.toward(), self.away());
                }
                file.save(path, MetadataStyle::Repeng)
            }
            VectorFormat::Svec => SvecFile::from_vector(self, model_hint)?.save(path),
            VectorFormat::Npy => DirectionMatrix::from_vector(self).save_npy(path),
            VectorFormat::F32 => DirectionMatrix::from_vector(self).save_f32(path),
        }
    }
}
