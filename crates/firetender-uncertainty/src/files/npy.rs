//! The npy format, versions 1 to 3: a short Python dictionary, then numbers.
//!
//! Read here and not by a crate: the header is three keys, and parsers that accept any Python literal can be made to recurse or to
//! multiply shapes that overflow before a caller sees them.

use std::path::Path;

use super::{damaged, read_all, write_atomically};
use crate::UncertaintyError;

/// An array in C order.
#[derive(Debug, Clone, PartialEq)]
pub struct NpyArray {
    /// Lengths of the axes, slowest first.
    pub shape: Vec<usize>,
    /// As many numbers as the shape says.
    pub values: NpyValues,
}

/// Numbers of an array.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum NpyValues {
    /// `f2`, widened exactly: rows of such probabilities sum to one within [`Checks::HALVES`](crate::Checks::HALVES) only. Written as `f4`.
    F16(Vec<f32>),
    /// `f4`.
    F32(Vec<f32>),
    /// `f8`.
    F64(Vec<f64>),
    /// Integers of any width, and booleans.
    Int(Vec<i64>),
}

impl NpyValues {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::F16(values) | Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
            Self::Int(values) => values.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Reads a `.npy` file of `f2`, `f4`, `f8`, integers or booleans, of either byte order; Fortran order is turned into C order.
///
/// # Errors
/// [`UncertaintyError::Io`]; [`UncertaintyError::File`] as [`parse_npy`].
///
/// ```
/// use firetender_uncertainty::{NpyArray, NpyValues, read_npy, write_npy};
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("a.npy");
/// let array = NpyArray { shape: vec![2, 1], values: NpyValues::F64(vec![0.5, 1.5]) };
/// write_npy(&path, &array)?;
/// assert_eq!(read_npy(&path)?, array);
/// # Ok(())
/// # }
/// ```
pub fn read_npy(path: impl AsRef<Path>) -> Result<NpyArray, UncertaintyError> {
    let path = path.as_ref();
    parse_npy(&read_all(path)?, path)
}

/// What the header of a `.npy` file says; for arrays whose values are read by other means (parts of a large file, strings).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NpyHeader {
    /// NumPy's name of the type, such as `<f4`, `<U74` or `|O`.
    pub descr: String,
    /// Whether the first axis is the fastest.
    pub fortran: bool,
    /// Lengths of the axes.
    pub shape: Vec<usize>,
    /// Where the values begin, in bytes from the start of the file.
    pub start: usize,
}

/// Reads the header of a `.npy` file from its first bytes; `path` is for messages.
///
/// ```
/// use firetender_uncertainty::{NpyArray, NpyValues, npy_header, write_npy};
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("a.npy");
/// write_npy(&path, &NpyArray { shape: vec![2, 1], values: NpyValues::F32(vec![0.5, 1.5]) })?;
/// let header = npy_header(&std::fs::read(&path).unwrap(), &path)?;
/// assert_eq!((header.descr.as_str(), header.shape, header.start), ("<f4", vec![2, 1], 128));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`UncertaintyError::File`] for bytes that do not begin with a whole header of version 1, 2 or 3.
pub fn npy_header(bytes: &[u8], path: &Path) -> Result<NpyHeader, UncertaintyError> {
    let bad = |what: String| damaged(path, "npy header", what);
    if bytes.get(..6) != Some(b"\x93NUMPY") {
        return Err(bad("the file does not begin as .npy files do".into()));
    }
    let wide = match bytes.get(6) {
        Some(1) => false,
        Some(2 | 3) => true,
        other => return Err(bad(format!("version {other:?}, expected 1, 2 or 3"))),
    };
    let start = if wide { 12 } else { 10 };
    let length = match bytes.get(8..start) {
        Some([a, b]) => usize::from(u16::from_le_bytes([*a, *b])),
        Some([a, b, c, d]) => u32::from_le_bytes([*a, *b, *c, *d]) as usize,
        _ => return Err(bad("the file ends inside the header".into())),
    };
    let text = start
        .checked_add(length)
        .and_then(|end| bytes.get(start..end))
        .ok_or_else(|| bad(format!("{length} bytes of header, the file has fewer")))?;
    let text = std::str::from_utf8(text).map_err(|_| bad("it is not text".into()))?;
    let mut header =
        NpyHeader::parse(text).map_err(|what| bad(format!("{what} in {}", shorten(text))))?;
    header.start = start + length;
    Ok(header)
}

/// Reads the bytes of a `.npy` file; `path` is for messages.
///
/// # Errors
/// [`UncertaintyError::File`] for a header that is none, a type that is not supported (objects and strings are not read), a shape
/// whose product overflows or is not the number of values that follow, and an integer above 2⁶³ − 1.
pub fn parse_npy(bytes: &[u8], path: &Path) -> Result<NpyArray, UncertaintyError> {
    let bad = |what: String| damaged(path, "npy header", what);
    let header = npy_header(bytes, path)?;
    let data = &bytes[header.start..];

    let (big, kind, width) = number_type(&header.descr).ok_or_else(|| {
        bad(format!(
            "type {:?}, expected f2, f4, f8, an integer or a boolean",
            shorten(&header.descr)
        ))
    })?;
    let count = header
        .shape
        .iter()
        .try_fold(1_usize, |product, n| product.checked_mul(*n));
    let expected = count.and_then(|count| count.checked_mul(width));
    if expected != Some(data.len()) {
        return Err(damaged(
            path,
            "npy data",
            format!(
                "shape {:?} of {width} bytes each, but {} bytes follow",
                header.shape,
                data.len()
            ),
        ));
    }
    let values = numbers(data, big, kind, width).map_err(|what| damaged(path, "npy data", what))?;
    let values = if header.fortran && header.shape.len() > 1 {
        match values {
            NpyValues::F16(v) => NpyValues::F16(to_c_order(&v, &header.shape)),
            NpyValues::F32(v) => NpyValues::F32(to_c_order(&v, &header.shape)),
            NpyValues::F64(v) => NpyValues::F64(to_c_order(&v, &header.shape)),
            NpyValues::Int(v) => NpyValues::Int(to_c_order(&v, &header.shape)),
        }
    } else {
        values
    };
    Ok(NpyArray {
        shape: header.shape,
        values,
    })
}

/// Byte order, kind (`f`, `i`, `u` or `b`) and width of a type such as `<f4`.
fn number_type(descr: &str) -> Option<(bool, char, usize)> {
    let mut chars = descr.chars();
    let order = chars.next()?;
    let kind = chars.next()?;
    let width: usize = chars.as_str().parse().ok()?;
    let big = match order {
        '>' => true,
        '<' | '=' => false,
        '|' if width == 1 => false,
        _ => return None,
    };
    let known = match kind {
        'f' => [2, 4, 8].contains(&width),
        'i' | 'u' => [1, 2, 4, 8].contains(&width),
        'b' => width == 1,
        _ => false,
    };
    known.then_some((big, kind, width))
}

fn numbers(data: &[u8], big: bool, kind: char, width: usize) -> Result<NpyValues, String> {
    // Eight bytes, most significant first, of each number.
    let raw = data.chunks_exact(width).map(|chunk| {
        let mut bytes = [0; 8];
        for (at, byte) in chunk.iter().enumerate() {
            bytes[if big { 8 - width + at } else { 7 - at }] = *byte;
        }
        u64::from_be_bytes(bytes)
    });
    Ok(match (kind, width) {
        ('f', 2) => NpyValues::F16(raw.map(|bits| half(bits as u16)).collect()),
        ('f', 4) => NpyValues::F32(raw.map(|bits| f32::from_bits(bits as u32)).collect()),
        ('f', _) => NpyValues::F64(raw.map(f64::from_bits).collect()),
        ('i', _) => {
            let shift = 64 - 8 * width as u32;
            NpyValues::Int(raw.map(|bits| (bits << shift) as i64 >> shift).collect())
        }
        _ => NpyValues::Int(
            raw.enumerate()
                .map(|(at, bits)| {
                    i64::try_from(bits).map_err(|_| format!("value {at} is {bits}, above 2^63 - 1"))
                })
                .collect::<Result<_, _>>()?,
        ),
    })
}

/// The value of a 16-bit float (IEEE 754), exactly.
fn half(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let (exponent, fraction) = (u32::from(bits >> 10) & 31, u32::from(bits) & 1023);
    match exponent {
        0 => f32::from_bits(sign | (fraction as f32 * 2f32.powi(-24)).to_bits()),
        31 => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

/// From fastest-first to slowest-first.
fn to_c_order<T: Copy>(values: &[T], shape: &[usize]) -> Vec<T> {
    let mut index = vec![0_usize; shape.len()];
    let mut out = Vec::with_capacity(values.len());
    for _ in 0..values.len() {
        let at = index
            .iter()
            .zip(shape)
            .rev()
            .fold(0, |at, (i, n)| at * n + i);
        out.push(values[at]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    out
}

impl NpyHeader {
    /// `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }` in any order of the keys, padded by blanks.
    fn parse(text: &str) -> Result<Self, String> {
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        let mut rest = text.trim().strip_prefix('{').ok_or("no dictionary")?;
        loop {
            rest = rest.trim_start();
            if let Some(end) = rest.strip_prefix('}') {
                if !end.trim().is_empty() {
                    return Err("something after the dictionary".into());
                }
                break;
            }
            let (key, after) = quoted(rest)?;
            rest = after
                .trim_start()
                .strip_prefix(':')
                .ok_or("a key without a value")?
                .trim_start();
            match key {
                "descr" => {
                    let (value, after) = quoted(rest)?;
                    descr = Some(value.to_owned());
                    rest = after;
                }
                "fortran_order" => {
                    (fortran, rest) = if let Some(after) = rest.strip_prefix("True") {
                        (Some(true), after)
                    } else if let Some(after) = rest.strip_prefix("False") {
                        (Some(false), after)
                    } else {
                        return Err("fortran_order is neither True nor False".into());
                    };
                }
                "shape" => {
                    let (value, after) = rest
                        .strip_prefix('(')
                        .and_then(|rest| rest.split_once(')'))
                        .ok_or("a shape that is no tuple")?;
                    shape = Some(axes(value)?);
                    rest = after;
                }
                other => return Err(format!("an unknown key {:?}", shorten(other))),
            }
            rest = rest.trim_start();
            match rest.strip_prefix(',') {
                Some(after) => rest = after,
                None if rest.starts_with('}') => {}
                None => return Err("no comma between two keys".into()),
            }
        }
        match (descr, fortran, shape) {
            (Some(descr), Some(fortran), Some(shape)) => Ok(Self {
                descr,
                fortran,
                shape,
                start: 0,
            }),
            _ => Err("descr, fortran_order or shape is missing".into()),
        }
    }
}

fn quoted(text: &str) -> Result<(&str, &str), String> {
    let quote = text.chars().next().filter(|c| *c == '\'' || *c == '"');
    let quote = quote.ok_or("no string where one is expected")?;
    text[1..]
        .split_once(quote)
        .ok_or_else(|| "a string without an end".into())
}

fn axes(text: &str) -> Result<Vec<usize>, String> {
    let text = text.trim();
    let text = text.strip_suffix(',').unwrap_or(text).trim();
    if text.is_empty() {
        return Ok(vec![]);
    }
    let axes: Vec<usize> = text
        .split(',')
        .map(|n| {
            // Python 2 wrote long integers with an L.
            let n = n.trim();
            n.strip_suffix('L').unwrap_or(n).parse().ok()
        })
        .collect::<Option<_>>()
        .ok_or("a shape that is not made of numbers")?;
    if axes.len() > 32 {
        return Err(format!("{} axes, NumPy allows 32", axes.len()));
    }
    Ok(axes)
}

fn shorten(text: &str) -> String {
    let mut short: String = text.trim().chars().take(80).collect();
    if short.len() < text.trim().len() {
        short.push('…');
    }
    short
}

/// Writes a `.npy` file of version 1, little-endian, atomically.
///
/// # Errors
/// [`UncertaintyError::Io`]; [`UncertaintyError::Length`] when the shape does not fit the values.
pub fn write_npy(path: impl AsRef<Path>, array: &NpyArray) -> Result<(), UncertaintyError> {
    write_atomically(path.as_ref(), &npy_bytes(array)?)
}

pub(super) fn npy_bytes(array: &NpyArray) -> Result<Vec<u8>, UncertaintyError> {
    let expected = array.shape.iter().product();
    if array.values.len() != expected {
        return Err(UncertaintyError::Length {
            what: "values of an array",
            found: array.values.len(),
            expected,
        });
    }
    let descr = match array.values {
        NpyValues::F16(_) | NpyValues::F32(_) => "<f4",
        NpyValues::F64(_) => "<f8",
        NpyValues::Int(_) => "<i8",
    };
    let shape: String = array.shape.iter().map(|n| format!("{n}, ")).collect();
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    // The data begin at a multiple of 64 bytes.
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    match &array.values {
        NpyValues::F16(values) | NpyValues::F32(values) => {
            bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        }
        NpyValues::F64(values) => bytes.extend(values.iter().flat_map(|v| v.to_le_bytes())),
        NpyValues::Int(values) => bytes.extend(values.iter().flat_map(|v| v.to_le_bytes())),
    }
    Ok(bytes)
}
