//! Values of GGUF metadata.

use std::fmt;

/// A metadata value.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant is the type that it names")]
pub enum GgufValue {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    U64(u64),
    I64(i64),
    F32(f32),
    F64(f64),
    Bool(bool),
    String(String),
    Array(GgufArray),
}

/// A list of metadata values of one type. Lists of lists are not read: no known key holds one.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant is the type that it names")]
pub enum GgufArray {
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    U64(Vec<u64>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Bool(Vec<bool>),
    String(Vec<String>),
}

impl GgufValue {
    /// A whole number of any integer type, if it is one and not negative.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::U8(n) => Some(n.into()),
            Self::U16(n) => Some(n.into()),
            Self::U32(n) => Some(n.into()),
            Self::U64(n) => Some(n),
            Self::I8(n) => n.try_into().ok(),
            Self::I16(n) => n.try_into().ok(),
            Self::I32(n) => n.try_into().ok(),
            Self::I64(n) => n.try_into().ok(),
            _ => None,
        }
    }

    /// The number that the file writes for this type.
    pub(super) fn type_id(&self) -> u32 {
        match self {
            Self::U8(_) => 0,
            Self::I8(_) => 1,
            Self::U16(_) => 2,
            Self::I16(_) => 3,
            Self::U32(_) => 4,
            Self::I32(_) => 5,
            Self::F32(_) => 6,
            Self::Bool(_) => 7,
            Self::String(_) => 8,
            Self::Array(_) => 9,
            Self::U64(_) => 10,
            Self::I64(_) => 11,
            Self::F64(_) => 12,
        }
    }
}

impl GgufArray {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::U8(list) => list.len(),
            Self::I8(list) => list.len(),
            Self::U16(list) => list.len(),
            Self::I16(list) => list.len(),
            Self::U32(list) => list.len(),
            Self::I32(list) => list.len(),
            Self::U64(list) => list.len(),
            Self::I64(list) => list.len(),
            Self::F32(list) => list.len(),
            Self::F64(list) => list.len(),
            Self::Bool(list) => list.len(),
            Self::String(list) => list.len(),
        }
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at a place, as a value.
    #[must_use]
    pub fn get(&self, i: usize) -> Option<GgufValue> {
        match self {
            Self::U8(list) => list.get(i).map(|n| GgufValue::U8(*n)),
            Self::I8(list) => list.get(i).map(|n| GgufValue::I8(*n)),
            Self::U16(list) => list.get(i).map(|n| GgufValue::U16(*n)),
            Self::I16(list) => list.get(i).map(|n| GgufValue::I16(*n)),
            Self::U32(list) => list.get(i).map(|n| GgufValue::U32(*n)),
            Self::I32(list) => list.get(i).map(|n| GgufValue::I32(*n)),
            Self::U64(list) => list.get(i).map(|n| GgufValue::U64(*n)),
            Self::I64(list) => list.get(i).map(|n| GgufValue::I64(*n)),
            Self::F32(list) => list.get(i).map(|n| GgufValue::F32(*n)),
            Self::F64(list) => list.get(i).map(|n| GgufValue::F64(*n)),
            Self::Bool(list) => list.get(i).map(|n| GgufValue::Bool(*n)),
            Self::String(list) => list.get(i).map(|text| GgufValue::String(text.clone())),
        }
    }
}

/// Short, for error messages.
impl fmt::Display for GgufValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::U8(n) => write!(f, "{n}"),
            Self::I8(n) => write!(f, "{n}"),
            Self::U16(n) => write!(f, "{n}"),
            Self::I16(n) => write!(f, "{n}"),
            Self::U32(n) => write!(f, "{n}"),
            Self::I32(n) => write!(f, "{n}"),
            Self::U64(n) => write!(f, "{n}"),
            Self::I64(n) => write!(f, "{n}"),
            Self::F32(n) => write!(f, "{n:?}"),
            Self::F64(n) => write!(f, "{n:?}"),
            Self::Bool(flag) => write!(f, "{flag}"),
            Self::String(text) if text.chars().count() > 60 => {
                write!(f, "{:?}…", text.chars().take(60).collect::<String>())
            }
            Self::String(text) => write!(f, "{text:?}"),
            Self::Array(list) => write!(f, "a list of {}", list.len()),
        }
    }
}
