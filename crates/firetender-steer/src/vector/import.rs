//! Vectors from other programs' files.
//!
//! Formats are told apart by their first bytes. What a file does not say has to be given: who wrote a control vector, the site
//! that a bare matrix belongs to, the names of the classes, the number of the model's blocks. What was found out on the way,
//! such as a site that was read at being another than the one applied at, is kept in the vector's [`Origin`].

use std::{collections::BTreeMap, path::Path};

use firetender_hooks::SiteKind;
use serde::{Deserialize, Serialize};

use super::{
    ControlVector, DirectionMatrix, Generator, Provenance, SteeringVector, SvecFile,
    bounded::{MAX_FILE, read_bounded},
    format::VectorFormat,
};
use crate::SteerError;

/// Where an imported vector comes from, as far as it matters for its meaning.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Origin {
    /// The format of the file.
    pub format: String,
    /// The program that wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generator: Option<Generator>,
    /// Where that program reads, when it applies what it read elsewhere (the vector's own site is where it applies).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_site: Option<String>,
    /// What the reader of the file found worth saying.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What a file does not say.
///
/// ```
/// use firetender_steer::{Generator, ImportOptions};
/// let options = ImportOptions::new()
///     .with_generator(Generator::Repeng)
///     .with_layers(30)
///     .with_classes("happy", "sad");
/// # let _ = options;
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportOptions {
    pub(super) generator: Option<Generator>,
    pub(super) layers: Option<usize>,
    pub(super) site: Option<SiteKind>,
    pub(super) width: Option<usize>,
    classes: Option<[String; 2]>,
}

impl ImportOptions {
    /// Nothing given: enough for files that this library wrote.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The program that wrote the file. Control vectors need it unless this library wrote them.
    #[must_use]
    pub fn with_generator(mut self, generator: Generator) -> Self {
        self.generator = Some(generator);
        self
    }

    /// The number of the model's blocks. Directions beyond it are left out, with a note, as llama.cpp does. Without it the
    /// highest direction is taken for the last block's; see [`SteeringVector::for_depth`].
    #[must_use]
    pub fn with_layers(mut self, layers: usize) -> Self {
        self.layers = Some(layers);
        self
    }

    /// The site that a bare matrix belongs to. Matrices need it.
    #[must_use]
    pub fn with_site(mut self, site: SiteKind) -> Self {
        self.site = Some(site);
        self
    }

    /// The width of a matrix in a file of bare numbers, which do not say it.
    #[must_use]
    pub fn with_width(mut self, width: usize) -> Self {
        self.width = Some(width);
        self
    }

    /// Names of the classes that a positive strength steers toward and away from. Without them those in the file count, or
    /// `positive` and `negative`.
    #[must_use]
    pub fn with_classes(mut self, toward: impl Into<String>, away: impl Into<String>) -> Self {
        self.classes = Some([toward.into(), away.into()]);
        self
    }

    /// The vector of what a reader found.
    pub(super) fn finish(
        &self,
        names: Option<&[String; 2]>,
        site: SiteKind,
        layers: usize,
        directions: BTreeMap<usize, Vec<f32>>,
        provenance: Provenance,
    ) -> Result<Imported, SteerError> {
        let unnamed = ["positive".to_owned(), "negative".to_owned()];
        let [toward, away] = self.classes.as_ref().or(names).unwrap_or(&unnamed).clone();
        let width = directions.values().next().map_or(0, Vec::len);
        let notes = provenance
            .origin
            .as_ref()
            .map_or(vec![], |origin| origin.notes.clone());
        let vector = SteeringVector::new(toward, away, site, width, layers, directions)?;
        Ok(Imported {
            vector: vector.with_provenance(provenance),
            notes,
        })
    }
}

/// An imported vector, and what the reader of the file found worth saying.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The vector.
    pub vector: SteeringVector,
    /// Remarks for people, such as directions that were left out.
    pub notes: Vec<String>,
}

impl SteeringVector {
    /// Reads a vector file of any known format; see [`VectorFormat`].
    ///
    /// # Errors
    /// [`SteerError::File`] with the place and what is wrong there, [`SteerError::Lm`] for a damaged GGUF container,
    /// [`SteerError::Input`] for what the options have to say and do not, [`SteerError::Io`], [`SteerError::TooLarge`], and
    /// whatever [`SteeringVector::new`] refuses.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use firetender_hooks::SiteKind;
    /// use firetender_steer::{Generator, ImportOptions, SteeringVector, VectorFormat};
    /// let directions = BTreeMap::from([(1, vec![1.0, 2.0]), (2, vec![0.5, 0.0])]);
    /// let vector = SteeringVector::new("happy", "sad", SiteKind::ResidPost, 2, 4, directions).unwrap();
    /// let folder = tempfile::tempdir().unwrap();
    /// let path = folder.path().join("mood.gguf");
    /// vector.export(&path, VectorFormat::Gguf, "llama").unwrap();
    /// let back = SteeringVector::import(&path, &ImportOptions::new().with_layers(4)).unwrap().vector;
    /// assert_eq!(back.directions(), vector.directions());
    /// assert_eq!((back.toward(), back.away()), ("happy", "sad"));
    /// ```
    pub fn import(path: impl AsRef<Path>, options: &ImportOptions) -> Result<Imported, SteerError> {
        let path = path.as_ref();
        let bytes = read_bounded(path, MAX_FILE)?;
        match VectorFormat::detect(path, &bytes)? {
            VectorFormat::Gguf => ControlVector::parse(path, bytes)?.to_vector(options),
            VectorFormat::Svec => SvecFile::parse(path, &bytes)?.to_vector(options),
            VectorFormat::Npy | VectorFormat::F32 => {
                DirectionMatrix::parse(path, &bytes, options.width)?.to_vector(options)
            }
            VectorFormat::Safetensors if super::file::is_native(&bytes) => {
                let vector = super::file::parse(path, &bytes)?;
                let vector = match options.layers {
                    Some(layers) if layers != vector.n_layers() => {
                        return Err(SteerError::Mismatch {
                            place: path.display().to_string(),
                            field: "number of layers",
                            found: vector.n_layers().to_string(),
                            expected: format!("{layers}, the model's"),
                        });
                    }
                    _ => vector,
                };
                Ok(Imported {
                    vector,
                    notes: vec![],
                })
            }
            VectorFormat::Safetensors => {
                DirectionMatrix::parse(path, &bytes, options.width)?.to_vector(options)
            }
        }
    }
}

/// The directions that a model of `layers` blocks has a place for, and its depth.
pub(super) fn place_in_depth(
    mut directions: BTreeMap<usize, Vec<f32>>,
    layers: Option<usize>,
    notes: &mut Vec<String>,
) -> (BTreeMap<usize, Vec<f32>>, usize) {
    let highest = directions.keys().next_back().map_or(0, |layer| layer + 1);
    let depth = layers.unwrap_or(highest);
    let beyond = directions.split_off(&depth);
    if !beyond.is_empty() {
        let blocks: Vec<String> = beyond.keys().map(ToString::to_string).collect();
        notes.push(format!(
            "directions of layers {} are left out: the model has {depth}",
            blocks.join(", ")
        ));
    }
    (directions, depth)
}

/// The provenance of an imported vector.
pub(super) fn imported(
    format: VectorFormat,
    generator: Option<Generator>,
    model: &str,
    notes: Vec<String>,
) -> Provenance {
    Provenance {
        model: (!model.is_empty()).then(|| model.to_owned()),
        origin: Some(Origin {
            format: format.to_string(),
            generator,
            read_site: None,
            notes,
        }),
        ..Provenance::default()
    }
}
