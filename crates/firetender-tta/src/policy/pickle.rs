//! Just enough of Python's pickle to read an array of objects, without ever calling anything.
//!
//! A pickle is a program for a small stack machine. Here the machine knows only the instructions that NumPy's arrays of tuples, lists, numbers and
//! `None` are made of (protocols 2 to 5). The six functions that such arrays name are data, not calls; any other name, any other
//! instruction is an error with its byte. Objects live in an arena of bounded size, so that a pickle that doubles itself stops.

/// Objects that a pickle may make: a hundred times those of the largest published policy.
const MOST_OBJECTS: usize = 1 << 20;
const MOST_MEMO: usize = 1 << 20;

/// A value of a policy file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    None,
    Int(i64),
    Float(f64),
    List(Vec<Value>),
    /// Also lists: what is one and what the other differs between files.
    Array {
        shape: Vec<usize>,
        items: Vec<Value>,
    },
}

type Id = usize;

#[derive(Debug, Clone)]
enum Object {
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
enum Function {
    Reconstruct,
    NdArray,
    DType,
    Encode,
    Scalar,
}

impl Function {
    fn named(module: &str, name: &str) -> Option<Self> {
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

enum Slot {
    Mark,
    Of(Id),
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    arena: Vec<Object>,
    stack: Vec<Slot>,
    memo: std::collections::BTreeMap<usize, Id>,
}

/// Runs a pickle; an error says the byte and what was there.
pub(crate) fn load(bytes: &[u8]) -> Result<Value, String> {
    let mut machine = Machine {
        bytes,
        at: 0,
        arena: vec![],
        stack: vec![],
        memo: std::collections::BTreeMap::new(),
    };
    let found = machine.run();
    found.map_err(|what| format!("pickle, byte {}: {what}", machine.at))
}

impl Machine<'_> {
    fn take(&mut self, count: usize) -> Result<&[u8], String> {
        let end = self.at.checked_add(count);
        let found = end.and_then(|end| self.bytes.get(self.at..end));
        let found = found.ok_or("it ends inside of an instruction")?;
        self.at += count;
        Ok(found)
    }

    fn number(&mut self, width: usize) -> Result<u64, String> {
        let mut wide = [0; 8];
        wide[..width].copy_from_slice(self.take(width)?);
        Ok(u64::from_le_bytes(wide))
    }

    fn length(&mut self, width: usize) -> Result<usize, String> {
        usize::try_from(self.number(width)?).map_err(|_| "a length beyond all memory".into())
    }

    fn text(&mut self, width: usize) -> Result<String, String> {
        let length = self.length(width)?;
        let found = std::str::from_utf8(self.take(length)?);
        Ok(found.map_err(|_| "text that is no text")?.to_owned())
    }

    fn line(&mut self) -> Result<String, String> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().take(256).position(|b| *b == b'\n');
        let end = end.ok_or("a name without an end")?;
        let line = std::str::from_utf8(self.take(end)?).map_err(|_| "a name that is no text")?;
        let line = line.to_owned();
        self.at += 1;
        Ok(line)
    }

    fn push(&mut self, object: Object) -> Result<(), String> {
        if self.arena.len() >= MOST_OBJECTS {
            return Err(format!("more than {MOST_OBJECTS} objects"));
        }
        self.arena.push(object);
        self.stack.push(Slot::Of(self.arena.len() - 1));
        Ok(())
    }

    fn pop(&mut self) -> Result<Id, String> {
        match self.stack.pop() {
            Some(Slot::Of(id)) => Ok(id),
            _ => Err("nothing on the stack".into()),
        }
    }

    fn top(&self) -> Result<Id, String> {
        match self.stack.last() {
            Some(Slot::Of(id)) => Ok(*id),
            _ => Err("nothing on the stack".into()),
        }
    }

    /// Everything above the last mark.
    fn marked(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.stack.iter().rposition(|s| matches!(s, Slot::Mark));
        let mark = mark.ok_or("no mark on the stack")?;
        let ids = self.stack.drain(mark..).skip(1).map(|slot| match slot {
            Slot::Of(id) => Ok(id),
            Slot::Mark => Err("a mark among values".to_owned()),
        });
        ids.collect()
    }

    fn remember(&mut self, at: usize) -> Result<(), String> {
        if self.memo.len() >= MOST_MEMO {
            return Err("too much remembered".into());
        }
        let id = self.top()?;
        self.memo.insert(at, id);
        Ok(())
    }

    fn recall(&mut self, at: usize) -> Result<(), String> {
        let id = *self
            .memo
            .get(&at)
            .ok_or("something that was never remembered")?;
        self.stack.push(Slot::Of(id));
        if self.stack.len() > 4 * MOST_OBJECTS {
            return Err("a stack too deep".into());
        }
        Ok(())
    }

    fn run(&mut self) -> Result<Value, String> {
        loop {
            let code = self.take(1)?[0];
            match code {
                // PROTO
                0x80 => {
                    let version = self.take(1)?[0];
                    if !(2..=5).contains(&version) {
                        return Err(format!("protocol {version}, expected 2 to 5"));
                    }
                }
                // FRAME: a length that does not matter here.
                0x95 => {
                    self.take(8)?;
                }
                b'.' => {
                    let id = self.pop()?;
                    let mut budget = MOST_OBJECTS;
                    return self.value(id, 0, &mut budget);
                }
                b'(' => self.stack.push(Slot::Mark),
                b']' => self.push(Object::List(vec![]))?,
                b')' => self.push(Object::Tuple(vec![]))?,
                b'N' => self.push(Object::None)?,
                0x88 => self.push(Object::Bool(true))?,
                0x89 => self.push(Object::Bool(false))?,
                b'J' => {
                    let n = self.number(4)? as u32 as i32;
                    self.push(Object::Int(n.into()))?;
                }
                b'K' => {
                    let n = self.number(1)? as i64;
                    self.push(Object::Int(n))?;
                }
                b'M' => {
                    let n = self.number(2)? as i64;
                    self.push(Object::Int(n))?;
                }
                // LONG1: an integer of up to eight bytes.
                0x8a => {
                    let width = self.length(1)?;
                    if width > 8 {
                        return Err(format!("an integer of {width} bytes"));
                    }
                    let n = self.number(width)?;
                    let shift = 64 - 8 * width as u32;
                    let n = if width == 0 {
                        0
                    } else {
                        ((n << shift) as i64) >> shift
                    };
                    self.push(Object::Int(n))?;
                }
                b'G' => {
                    let bits = self.number(8)?.swap_bytes();
                    self.push(Object::Float(f64::from_bits(bits)))?;
                }
                b'X' => {
                    let text = self.text(4)?;
                    self.push(Object::Text(text))?;
                }
                0x8c => {
                    let text = self.text(1)?;
                    self.push(Object::Text(text))?;
                }
                b'C' | b'B' => {
                    let length = self.length(if code == b'C' { 1 } else { 4 })?;
                    let bytes = self.take(length)?.to_vec();
                    self.push(Object::Bytes(bytes))?;
                }
                b't' => {
                    let ids = self.marked()?;
                    self.push(Object::Tuple(ids))?;
                }
                0x85..=0x87 => {
                    let count = usize::from(code - 0x84);
                    let mut ids = (0..count)
                        .map(|_| self.pop())
                        .collect::<Result<Vec<_>, _>>()?;
                    ids.reverse();
                    self.push(Object::Tuple(ids))?;
                }
                b'a' => {
                    let id = self.pop()?;
                    self.extend(&[id])?;
                }
                b'e' => {
                    let ids = self.marked()?;
                    self.extend(&ids)?;
                }
                b'q' => {
                    let at = self.length(1)?;
                    self.remember(at)?;
                }
                b'r' => {
                    let at = self.length(4)?;
                    self.remember(at)?;
                }
                // MEMOIZE
                0x94 => {
                    let at = self.memo.len();
                    self.remember(at)?;
                }
                b'h' => {
                    let at = self.length(1)?;
                    self.recall(at)?;
                }
                b'j' => {
                    let at = self.length(4)?;
                    self.recall(at)?;
                }
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.function(&module, &name)?;
                }
                // STACK_GLOBAL
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    match (self.arena[module].clone(), self.arena[name].clone()) {
                        (Object::Text(module), Object::Text(name)) => {
                            self.function(&module, &name)?;
                        }
                        _ => return Err("a name that is no text".into()),
                    }
                }
                b'R' => {
                    let (arguments, function) = (self.pop()?, self.pop()?);
                    let made = self.reduce(function, arguments)?;
                    self.push(made)?;
                }
                b'b' => {
                    let state = self.pop()?;
                    self.build(state)?;
                }
                other => {
                    return Err(format!(
                        "instruction {other:#04x}, which no policy needs; nothing in a pickle is run here"
                    ));
                }
            }
        }
    }

    fn function(&mut self, module: &str, name: &str) -> Result<(), String> {
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

    fn extend(&mut self, ids: &[Id]) -> Result<(), String> {
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
    fn reduce(&self, function: Id, arguments: Id) -> Result<Object, String> {
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
    fn build(&mut self, state: Id) -> Result<(), String> {
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
    fn value(&self, id: Id, depth: usize, budget: &mut usize) -> Result<Value, String> {
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

fn kind(object: &Object) -> &'static str {
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

/// The pickle (protocol 2) of an array of objects, as NumPy 1.16 writes it.
pub(crate) fn dump(shape: &[usize], items: &[Value]) -> Vec<u8> {
    let mut out = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x00cnumpy\nndarray\nq\x01K\x00\x85q\x02c_codecs\nencode\nq\x03X\x01\x00\x00\x00bq\x04X\x06\x00\x00\x00latin1q\x05\x86q\x06Rq\x07\x87q\x08Rq\x09(K\x01".to_vec();
    let integer = |out: &mut Vec<u8>, n: i64| match u8::try_from(n) {
        Ok(n) => out.extend([b'K', n]),
        Err(_) => {
            out.push(b'J');
            out.extend((n as i32).to_le_bytes());
        }
    };
    match shape.len() {
        1..=3 => {
            for axis in shape {
                integer(&mut out, *axis as i64);
            }
            out.push(0x84 + shape.len() as u8);
        }
        _ => {
            out.push(b'(');
            for axis in shape {
                integer(&mut out, *axis as i64);
            }
            out.push(b't');
        }
    }
    out.extend(b"cnumpy\ndtype\nX\x02\x00\x00\x00O8\x89\x88\x87R(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb\x89]");
    fn value(out: &mut Vec<u8>, item: &Value, depth: usize) {
        match item {
            Value::None => out.push(b'N'),
            Value::Int(n) => match u8::try_from(*n) {
                Ok(n) => out.extend([b'K', n]),
                Err(_) => {
                    out.push(b'J');
                    out.extend((*n as i32).to_le_bytes());
                }
            },
            Value::Float(x) => {
                out.push(b'G');
                out.extend(x.to_be_bytes());
            }
            // Lists of pairs: the outer ones are lists, the inner ones tuples.
            Value::List(items) | Value::Array { items, .. } => {
                if depth == 0 {
                    out.extend(b"](");
                } else {
                    out.push(b'(');
                }
                for item in items {
                    value(out, item, depth + 1);
                }
                out.push(if depth == 0 { b'e' } else { b't' });
            }
        }
    }
    out.push(b'(');
    for item in items {
        value(&mut out, item, 0);
    }
    out.extend(b"etb.");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn some() -> (Vec<usize>, Vec<Value>) {
        let pair = |n, x| Value::List(vec![Value::Int(n), Value::Float(x)]);
        let items = vec![
            Value::None,
            Value::List(vec![pair(7, 23.0), pair(13, -0.0)]),
            Value::List(vec![]),
        ];
        (vec![3], items)
    }

    #[test]
    fn what_is_written_is_read() {
        let (shape, items) = some();
        let found = load(&dump(&shape, &items)).unwrap();
        assert_eq!(found, Value::Array { shape, items });
    }

    #[test]
    fn nothing_else_is_named_or_run() {
        // os.system("x"), as a pickle of protocol 0 and 2 would call it.
        let hostile: [&[u8]; 8] = [
            b"cos\nsystem\n(S'x'\ntR.",
            b"\x80\x02cos\nsystem\nX\x01\x00\x00\x00x\x85R.",
            b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.",
            b"\x80\x02cnumpy\nndarray\n)R.",
            b"\x80\x09N.",
            b"\x80\x02(((.",
            b"\x80\x02h\x05.",
            b"",
        ];
        for bytes in hostile {
            assert!(load(bytes).is_err(), "{bytes:?}");
        }
        assert!(load(hostile[1]).unwrap_err().contains("os.system"));
    }

    #[test]
    fn a_list_inside_of_itself_ends() {
        // [a] with a = the list itself.
        assert!(
            load(b"\x80\x02]q\x00h\x00a.")
                .unwrap_err()
                .contains("nested")
        );
        // Eight levels, each holding the one below sixteen times: 4 · 10⁹ values.
        let mut bytes = b"\x80\x02]q\x00".to_vec();
        for level in 1..8_u8 {
            bytes.extend([b']', b'q', level, b'(']);
            for _ in 0..16 {
                bytes.extend([b'h', level - 1]);
            }
            bytes.push(b'e');
        }
        bytes.push(b'.');
        assert!(load(&bytes).unwrap_err().contains("too many"));
    }

    proptest! {
        #[test]
        fn damaged_pickles_are_errors_or_values(at in 0_usize..300, byte in any::<u8>(), cut in 0_usize..300) {
            let (shape, items) = some();
            let mut bytes = dump(&shape, &items);
            let length = bytes.len();
            bytes[at % length] = byte;
            let _ = load(&bytes);
            let _ = load(&bytes[..cut % length]);
        }

        #[test]
        fn random_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = load(&bytes);
        }
    }
}
