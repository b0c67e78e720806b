//! What stands on the machine's stack.

/// Number of an object in the arena.
pub(super) type Id = usize;

#[derive(Debug, Clone)]
pub(super) enum Object {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Function(Function),
    /// `numpy.dtype` of this name; its state does not matter here.
    Type(String),
    Array(Option<(Vec<usize>, Vec<Id>)>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Function {
    Reconstruct,
    NdArray,
    DType,
    Encode,
    Scalar,
}

impl Function {
    pub(super) fn named(module: &str, name: &str) -> Option<Self> {
        match (module, name) {
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => {
                Some(Self::Reconstruct)
            }
            ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Some(Self::Scalar),
            ("numpy", "ndarray") => Some(Self::NdArray),
            ("numpy", "dtype") => Some(Self::DType),
            ("_codecs", "encode") => Some(Self::Encode),
            _ => None,
        }
    }
}

/// Its kind, for messages.
pub(super) fn kind(object: &Object) -> &'static str {
    match object {
        Object::Bool(_) => "booleans",
        Object::Text(_) => "texts",
        Object::Bytes(_) => "bytes",
        Object::Function(_) => "functions",
        Object::Type(_) => "types",
        Object::Array(None) => "an array without content",
        _ => "this",
    }
}
