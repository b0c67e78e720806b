//! One layer of an `.svec` file: a list of numbers, or a list of such lists.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor},
};

/// The numbers of one layer, `K` rows of `D`.
#[derive(Clone, Debug, PartialEq)]
pub struct SvecRows {
    numbers: Vec<f32>,
    /// Length of a row where the file has a list of lists.
    row: Option<usize>,
}

impl SvecRows {
    /// One direction, as CAST writes it.
    #[must_use]
    pub fn flat(numbers: Vec<f32>) -> Self {
        Self { numbers, row: None }
    }

    /// `[K, D]`.
    #[must_use]
    pub fn shape(&self) -> [usize; 2] {
        match self.row {
            None => [1, self.numbers.len()],
            Some(row) => [self.numbers.len() / row.max(1), row],
        }
    }

    /// Whether the file has a list of lists, as `AISteer360` writes it.
    #[must_use]
    pub fn nested(&self) -> bool {
        self.row.is_some()
    }

    /// All rows, one behind the other.
    #[must_use]
    pub fn numbers(&self) -> &[f32] {
        &self.numbers
    }
}

impl Serialize for SvecRows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.row {
            None => self.numbers.serialize(serializer),
            Some(row) => {
                let rows = self.numbers.chunks(row.max(1));
                serializer.collect_seq(rows)
            }
        }
    }
}

impl<'de> Deserialize<'de> for SvecRows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Lists)
    }
}

/// Reads numbers as they come: a tree of values would take many times the memory of the file.
struct Lists;

impl<'de> Visitor<'de> for Lists {
    type Value = SvecRows;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of numbers, or a list of lists of as many numbers each")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<SvecRows, A::Error> {
        let (mut numbers, mut row) = (vec![], None);
        while let Some(item) = list.next_element::<Item>()? {
            match item {
                Item::Number(number) if row.is_none() => numbers.push(number),
                Item::Row(next)
                    if numbers.is_empty() != row.is_some()
                        && !next.is_empty()
                        && row.is_none_or(|row| row == next.len()) =>
                {
                    row = Some(next.len());
                    numbers.extend(next);
                }
                _ => {
                    return Err(A::Error::custom(
                        "numbers and lists mixed, or lists of different length",
                    ));
                }
            }
        }
        Ok(SvecRows { numbers, row })
    }
}

enum Item {
    Number(f32),
    Row(Vec<f32>),
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Item;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a list of numbers")
            }

            fn visit_f64<E>(self, number: f64) -> Result<Item, E> {
                Ok(Item::Number(number as f32))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Item, E> {
                Ok(Item::Number(number as f32))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Item, E> {
                Ok(Item::Number(number as f32))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Item, A::Error> {
                let mut row = vec![];
                while let Some(number) = list.next_element()? {
                    row.push(number);
                }
                Ok(Item::Row(row))
            }
        }

        deserializer.deserialize_any(Either)
    }
}
