//! The stack machine: instructions, stack and memo.

use std::collections::BTreeMap;

use super::{
    Value,
    object::{Id, Object},
};

/// Objects that a pickle may make: a hundred times those of the largest published policy.
pub(super) const MOST_OBJECTS: usize = 1 << 20;
const MOST_MEMO: usize = 1 << 20;

enum Slot {
    Mark,
    Of(Id),
}

pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    pub(super) arena: Vec<Object>,
    stack: Vec<Slot>,
    memo: BTreeMap<usize, Id>,
}

/// Runs a pickle; an error says the byte and what was there.
pub(crate) fn load(bytes: &[u8]) -> Result<Value, String> {
    let mut machine = Machine {
        bytes,
        at: 0,
        arena: vec![],
        stack: vec![],
        memo: BTreeMap::new(),
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

    pub(super) fn push(&mut self, object: Object) -> Result<(), String> {
        if self.arena.len() >= MOST_OBJECTS {
            return Err(format!("more than {MOST_OBJECTS} objects"));
        }
        self.arena.push(object);
        self.stack.push(Slot::Of(self.arena.len() - 1));
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Result<Id, String> {
        match self.stack.pop() {
            Some(Slot::Of(id)) => Ok(id),
            _ => Err("nothing on the stack".into()),
        }
    }

    pub(super) fn top(&self) -> Result<Id, String> {
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
}
