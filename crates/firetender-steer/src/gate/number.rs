//! Thresholds in JSON, where infinity has no number: `"inf"`, `"-inf"`, or a number.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Name(String),
}

pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    let number = if value.is_finite() {
        Number::Finite(*value)
    } else {
        Number::Name(value.to_string())
    };
    number.serialize(serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    match Number::deserialize(deserializer)? {
        Number::Finite(value) => Ok(value),
        Number::Name(name) if name == "inf" => Ok(f64::INFINITY),
        Number::Name(name) if name == "-inf" => Ok(f64::NEG_INFINITY),
        Number::Name(name) => Err(D::Error::custom(format!(
            "`{name}` is no threshold; expected a number, \"inf\" or \"-inf\""
        ))),
    }
}
