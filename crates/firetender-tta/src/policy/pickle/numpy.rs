//! The few functions that NumPy's arrays name, as data; and the tree that is left in the end.

use super::{
    Value,
    machine::{MOST_OBJECTS, Machine},
    object::{Function, Id, Object, kind},
};

impl Machine<'_> {
    pub(super) fn function(&mut self, module: &str, name: &str) -> Result<(), String> {
        let shown = |text: &str| text.chars().take(60).collect::<String>();
        let function = Function::named(module, name).ok_or_else(|| {
            format!(
                "the name {}.{}, which no policy needs; nothing in a pickle is run here",
                shown(module),
                shown(name)
            )
        })?;
        self.push(Object::Function(function))
    }

    pub(super) fn extend(&mut self, ids: &[Id]) -> Result<(), String> {
        let list = self.top()?;
        match &mut self.arena[list] {
            Object::List(items) if items.len() + ids.len() <= MOST_OBJECTS => {
                items.extend(ids);
                Ok(())
            }
            _ => Err("something is appended that has no list".into()),
        }
    }

    /// What a call would have given, for the calls that are known.
    pub(super) fn reduce(&self, function: Id, arguments: Id) -> Result<Object, String> {
        let (Object::Function(function), Object::Tuple(arguments)) =
            (&self.arena[function], &self.arena[arguments])
        else {
            return Err("a call of something that is no function".into());
        };
        let argument = |at: usize| arguments.get(at).map(|id| &self.arena[*id]);
        match function {
            Function::Reconstruct => Ok(Object::Array(None)),
            Function::DType => match argument(0) {
                Some(Object::Text(name)) => Ok(Object::Type(name.clone())),
                _ => Err("an array type without a name".into()),
            },
            Function::Encode => match (argument(0), argument(1)) {
                (Some(Object::Text(text)), Some(Object::Text(how))) if how == "latin1" => {
                    let bytes = text.chars().map(|c| u8::try_from(u32::from(c)));
                    let bytes = bytes.collect::<Result<Vec<_>, _>>();
                    Ok(Object::Bytes(bytes.map_err(|_| "bytes beyond 255")?))
                }
                _ => Err("an encoding other than latin1".into()),
            },
            Function::Scalar => match (argument(0), argument(1)) {
                (Some(Object::Type(kind)), Some(Object::Bytes(bytes))) => scalar(kind, bytes),
                _ => Err("a NumPy number without type or bytes".into()),
            },
            Function::NdArray => Err("an array made in a way that files do not".into()),
        }
    }

    /// Gives an array its shape and items; the state of a type is left alone.
    pub(super) fn build(&mut self, state: Id) -> Result<(), String> {
        let target = self.top()?;
        match &self.arena[target] {
            Object::Type(_) => Ok(()),
            Object::Array(None) => {
                let Object::Tuple(parts) = &self.arena[state] else {
                    return Err("an array whose state is no tuple".into());
                };
                let [_, shape, kind, fortran, items] = parts[..] else {
                    return Err(format!("an array's state of {} parts", parts.len()));
                };
                let (Object::Tuple(axes), Object::Type(kind), Object::Bool(fortran)) =
                    (&self.arena[shape], &self.arena[kind], &self.arena[fortran])
                else {
                    return Err("an array without shape, type or order".into());
                };
                if !kind.starts_with('O') || *fortran {
                    return Err(format!(
                        "an array of type {kind:?}, expected objects in C order"
                    ));
                }
                let shape = axes.iter().map(|id| match self.arena[*id] {
                    Object::Int(n) => usize::try_from(n).ok(),
                    _ => None,
                });
                let shape: Vec<usize> = shape
                    .collect::<Option<_>>()
                    .ok_or("a shape that is not made of numbers")?;
                let Object::List(items) = &self.arena[items] else {
                    return Err("an array whose items are no list".into());
                };
                let count = shape
                    .iter()
                    .try_fold(1_usize, |n, axis| n.checked_mul(*axis));
                if count != Some(items.len()) || shape.len() > 8 {
                    return Err(format!("shape {shape:?}, but {} items", items.len()));
                }
                let made = Object::Array(Some((shape, items.clone())));
                self.arena[target] = made;
                Ok(())
            }
            _ => Err("a state for something that has none".into()),
        }
    }

    /// The tree below an object. A list inside of itself ends at the depth, one that is shared at the budget.
    pub(super) fn value(&self, id: Id, depth: usize, budget: &mut usize) -> Result<Value, String> {
        if depth > 8 {
            return Err("lists nested more than eight deep".into());
        }
        *budget = budget.checked_sub(1).ok_or("too many values")?;
        let many = |ids: &[Id], budget: &mut usize| {
            ids.iter()
                .map(|id| self.value(*id, depth + 1, budget))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(match &self.arena[id] {
            Object::None => Value::None,
            Object::Int(n) => Value::Int(*n),
            Object::Float(x) => Value::Float(*x),
            Object::List(ids) | Object::Tuple(ids) => Value::List(many(ids, budget)?),
            Object::Array(Some((shape, items))) => Value::Array {
                shape: shape.clone(),
                items: many(items, budget)?,
            },
            other => return Err(format!("a policy does not hold {}", kind(other))),
        })
    }
}

/// A number from NumPy's bytes, little-endian.
fn scalar(kind: &str, bytes: &[u8]) -> Result<Object, String> {
    let name = kind.trim_start_matches(['<', '|', '=']);
    let wrong = || format!("{} bytes for a number of type {kind:?}", bytes.len());
    Ok(match name {
        "f8" => Object::Float(f64::from_le_bytes(bytes.try_into().map_err(|_| wrong())?)),
        "f4" => {
            let bytes = bytes.try_into().map_err(|_| wrong())?;
            Object::Float(f32::from_le_bytes(bytes).into())
        }
        "i8" => Object::Int(i64::from_le_bytes(bytes.try_into().map_err(|_| wrong())?)),
        "i4" => {
            let bytes = bytes.try_into().map_err(|_| wrong())?;
            Object::Int(i32::from_le_bytes(bytes).into())
        }
        _ => return Err(format!("a number of type {kind:?}")),
    })
}
