//! The files of the reference code: policies in `.npz` and `.npy`, predictions named after their recipe.
//!
//! | file | content |
//! |---|---|
//! | CIFAR policy, `.npz` | member `arr_0.npy`: objects, either lists of (number, magnitude) and `None`, or one array `[entries, ops, 2]` |
//! | `ImageNet` policy, `.npy` | texts such as `[(15,17.9)]` |
//! | prediction, `….npz` | member `arr_0`: log-probabilities `[N, C]`; its recipe stands in its name, between the first two `#` |
//!
//! Nothing from such a file is ever run. `None` is the central crop when a pool is built; the reference's own evaluation takes it for "no operation, then
//! the random frame", which [`NoneMeans::RandomFrame`] does.

use std::path::Path;

use firetender_uncertainty::{npy_header, read_npz_files, write_atomically, write_npz_files};

use super::{
    Policy, Step, SubPolicy, format_sub_policy, parse_sub_policy,
    pickle::{self, Value},
    strings,
};
use crate::{OpSpace, TtaError};

/// What `None` stands for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NoneMeans {
    /// The central crop, as in the pool that policies were found on.
    #[default]
    Central,
    /// No operation, in the random frame, as in the reference's evaluation.
    RandomFrame,
}

impl NoneMeans {
    fn recipe(self) -> SubPolicy {
        match self {
            Self::Central => SubPolicy::central(),
            Self::RandomFrame => SubPolicy::new(vec![]),
        }
    }
}

/// Reads a policy of the reference: `.npz` for CIFAR, `.npy` for `ImageNet` with crops of 224 pixels (set [`OpSpace::size`] for others).
///
/// # Errors
/// [`TtaError::File`] for a file that is neither, with the place; [`TtaError::UnknownOp`] for a number beyond the list.
pub fn read_policy(path: impl AsRef<Path>, none: NoneMeans) -> Result<Policy, TtaError> {
    let path = path.as_ref();
    let bytes = crate::files::read(path)?;
    let zipped = bytes.starts_with(b"PK");
    let mut policy = if zipped {
        let files = read_npz_files(path)?;
        let [(name, content)] = &files[..] else {
            let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
            let what = format!("{} members, expected arr_0.npy alone", names.len());
            return Err(TtaError::file(path, "zip directory", what));
        };
        let place = path.join(name);
        read_array(content, &place, none)?
    } else {
        read_array(&bytes, path, none)?
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    policy.provenance.note = Some(format!("read from {name}"));
    Ok(policy)
}

fn read_array(bytes: &[u8], path: &Path, none: NoneMeans) -> Result<Policy, TtaError> {
    let header = npy_header(bytes, path)?;
    if header.descr != "|O" {
        let policy = Policy::imagenet(224, 0.875);
        let entries = strings::parse(bytes, path)?
            .iter()
            .enumerate()
            .map(|(at, text)| entry_of(text, &policy.space, none, path, at))
            .collect::<Result<_, _>>()?;
        return Ok(policy.with_entries(entries));
    }
    let bad = |what: String| TtaError::file(path, "objects", what);
    if header.fortran {
        return Err(bad("in Fortran order, expected C order".into()));
    }
    let array = pickle::load(&bytes[header.start..]).map_err(bad)?;
    let Value::Array { shape, items } = array else {
        return Err(bad("no array".into()));
    };
    if shape != header.shape {
        return Err(bad(format!(
            "shape {shape:?}, but the header says {:?}",
            header.shape
        )));
    }
    let policy = Policy::cifar();
    let entries = match shape[..] {
        [_] => items
            .iter()
            .enumerate()
            .map(|(at, item)| {
                recipe_of(item, &policy.space, none).map_err(|w| bad(format!("entry {at}: {w}")))
            })
            .collect::<Result<Vec<_>, _>>()?,
        [_, ops, 2] => items
            .chunks(2 * ops.max(1))
            .enumerate()
            .map(|(at, entry)| {
                let steps = entry
                    .chunks(2)
                    .map(|pair| step_of(pair, &policy.space))
                    .collect::<Result<_, _>>();
                Ok(SubPolicy::new(
                    steps.map_err(|w| bad(format!("entry {at}: {w}")))?,
                ))
            })
            .collect::<Result<_, TtaError>>()?,
        _ => {
            let what = format!("shape {shape:?}, expected [entries] or [entries, operations, 2]");
            return Err(bad(what));
        }
    };
    Ok(policy.with_entries(entries))
}

fn entry_of(
    text: &str,
    space: &OpSpace,
    none: NoneMeans,
    path: &Path,
    at: usize,
) -> Result<SubPolicy, TtaError> {
    let recipe = parse_sub_policy(text, space)
        .map_err(|error| TtaError::file(path, format!("entry {at}"), error.to_string()))?;
    Ok(if recipe.is_central() {
        none.recipe()
    } else {
        recipe
    })
}

fn recipe_of(item: &Value, space: &OpSpace, none: NoneMeans) -> Result<SubPolicy, String> {
    let steps = match item {
        Value::None => return Ok(none.recipe()),
        Value::List(steps) => steps,
        Value::Array { items, .. } => items,
        other => return Err(format!("{other:?}; expected a list of pairs, or None")),
    };
    let steps = steps.iter().map(|step| match step {
        Value::List(pair) | Value::Array { items: pair, .. } => step_of(pair, space),
        other => Err(format!("{other:?}; expected a pair")),
    });
    Ok(SubPolicy::new(steps.collect::<Result<_, _>>()?))
}

fn step_of(pair: &[Value], space: &OpSpace) -> Result<Step, String> {
    let [index, magnitude] = pair else {
        return Err(format!(
            "{} values; expected number and magnitude",
            pair.len()
        ));
    };
    let index = match index {
        Value::Int(n) => usize::try_from(*n).map_err(|_| format!("operation {n}"))?,
        // An array of numbers makes floats of both.
        Value::Float(x) if x.fract() == 0.0 && (0.0..1e3).contains(x) => *x as usize,
        other => return Err(format!("{other:?}; expected the number of an operation")),
    };
    let magnitude = match magnitude {
        Value::Float(x) if x.is_finite() => *x,
        Value::Int(n) => *n as f64,
        other => return Err(format!("{other:?}; expected a finite magnitude")),
    };
    let range = space.at(index).map_err(|error| error.to_string())?;
    Ok(Step(range.op, magnitude))
}

/// Writes a policy as the reference does for CIFAR: `.npz` with one array of objects (a pickle of protocol 2). Where all entries have
/// the same number of operations, the array is `[entries, operations, 2]`, as NumPy makes it.
///
/// # Errors
/// [`TtaError::UnknownOp`] for an operation that the space does not have, [`TtaError::Options`] for a fixed frame; as [`write_npz_files`].
pub fn write_npz_policy(path: impl AsRef<Path>, policy: &Policy) -> Result<(), TtaError> {
    let mut items = vec![];
    for entry in &policy.entries {
        // Says what cannot be said.
        format_sub_policy(entry, &policy.space)?;
        items.push(if entry.is_central() {
            Value::None
        } else {
            let steps = entry.ops.iter().map(|Step(op, m)| {
                let index = policy.space.index_of(*op)? as i64;
                Ok(Value::List(vec![Value::Int(index), Value::Float(*m)]))
            });
            Value::List(steps.collect::<Result<_, TtaError>>()?)
        });
    }
    let lengths: Vec<Option<usize>> = items
        .iter()
        .map(|item| match item {
            Value::List(steps) if !steps.is_empty() => Some(steps.len()),
            _ => None,
        })
        .collect();
    let (shape, items) = match lengths.first() {
        Some(&Some(ops)) if lengths.iter().all(|l| *l == Some(ops)) => {
            let flat = items.iter().flat_map(|item| match item {
                Value::List(steps) => steps.clone(),
                _ => vec![],
            });
            let flat = flat.flat_map(|pair| match pair {
                Value::List(pair) => pair,
                _ => vec![],
            });
            (vec![policy.len(), ops, 2], flat.collect())
        }
        _ => (vec![policy.len()], items),
    };
    let array = strings::object_bytes(&shape, &pickle::dump(&shape, &items));
    Ok(write_npz_files(path, &[("arr_0.npy".to_owned(), array)])?)
}

/// Writes a policy as the reference does for `ImageNet`: `.npy` with one text an entry.
///
/// # Errors
/// As [`format_sub_policy`] and [`write_atomically`].
pub fn write_npy_policy(path: impl AsRef<Path>, policy: &Policy) -> Result<(), TtaError> {
    let texts = policy_texts(policy)?;
    Ok(write_atomically(path.as_ref(), &strings::bytes(&texts))?)
}

/// One text an entry, as the reference writes them.
///
/// # Errors
/// As [`format_sub_policy`].
pub fn policy_texts(policy: &Policy) -> Result<Vec<String>, TtaError> {
    policy
        .entries
        .iter()
        .map(|entry| format_sub_policy(entry, &policy.space))
        .collect()
}

/// Reads a text file with one recipe a line; empty lines and those that begin with `//` are left out. A line may be the name of a
/// prediction file, whose recipe it then is.
///
/// # Errors
/// [`TtaError::File`] with the line.
pub fn parse_policy_lines(
    text: &str,
    policy: Policy,
    none: NoneMeans,
    path: &Path,
) -> Result<Policy, TtaError> {
    let mut entries = vec![];
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with("//") {
            continue;
        }
        let recipe = recipe_in_name(line).unwrap_or(line);
        let entry = parse_sub_policy(recipe, &policy.space)
            .map_err(|error| TtaError::file(path, format!("line {}", at + 1), error.to_string()))?;
        entries.push(if entry.is_central() {
            none.recipe()
        } else {
            entry
        });
    }
    Ok(policy.with_entries(entries))
}

/// The recipe in the name of a prediction file: what stands between the first two `#`.
///
/// ```
/// use firetender_tta::reference::recipe_in_name;
/// let name = "CIFAR10-VGG16BN-randaugment-model.pth#[(7,23.0)]#N3-M45.npz";
/// assert_eq!(recipe_in_name(name), Some("[(7,23.0)]"));
/// ```
#[must_use]
pub fn recipe_in_name(name: &str) -> Option<&str> {
    let (_, rest) = name.split_once('#')?;
    let (recipe, _) = rest.split_once('#')?;
    Some(recipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Op;

    fn policy() -> Policy {
        let one = |m| SubPolicy::new(vec![Step(Op::Solarize, m), Step(Op::Sharpness, -15.2)]);
        Policy::cifar().with_entries(vec![one(23.0), SubPolicy::central(), one(-0.0)])
    }

    #[test]
    fn policies_come_back_from_both_forms() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.npz");
        let policy = policy();
        write_npz_policy(&path, &policy).unwrap();
        let back = read_policy(&path, NoneMeans::Central).unwrap();
        assert_eq!(back.entries, policy.entries);
        assert_eq!(back.entries[2].ops[0].1.to_bits(), (-0.0_f64).to_bits());
        let random = read_policy(&path, NoneMeans::RandomFrame).unwrap();
        assert_eq!(random.entries[1], SubPolicy::new(vec![]));

        let even = policy.select(&[0, 2]).unwrap();
        write_npz_policy(&path, &even).unwrap();
        assert_eq!(
            read_policy(&path, NoneMeans::Central).unwrap().entries,
            even.entries
        );

        let path = folder.path().join("p.npy");
        write_npy_policy(&path, &policy).unwrap();
        let back = read_policy(&path, NoneMeans::Central).unwrap();
        assert_eq!(back.entries, policy.entries);
        assert_eq!(back.space.name, "gps_imagenet");
    }

    #[test]
    fn damaged_files_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.npz");
        write_npz_policy(&path, &policy()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for cut in (0..whole.len()).step_by(7) {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert!(read_policy(&path, NoneMeans::Central).is_err(), "{cut}");
        }
        std::fs::write(&path, b"not a policy").unwrap();
        assert!(read_policy(&path, NoneMeans::Central).is_err());
        assert!(read_policy(folder.path().join("none"), NoneMeans::Central).is_err());
    }

    #[test]
    fn lines_may_be_file_names() {
        let text = "\n// found yesterday\n[(7,23.0)]\nA-B#[(5,1.0)]#N3-M45.npz\nNone\n";
        let found =
            parse_policy_lines(text, Policy::cifar(), NoneMeans::Central, Path::new("t")).unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!(found.entries[1].ops[0].0, Op::Rotate);
        assert!(found.entries[2].is_central());
        let error = parse_policy_lines(
            "[(7,23.0)]\nx",
            Policy::cifar(),
            NoneMeans::Central,
            Path::new("t"),
        );
        assert!(error.unwrap_err().to_string().contains("line 2"));
    }
}
