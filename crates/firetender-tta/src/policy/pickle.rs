//! Just enough of Python's pickle to read an array of objects, without ever calling anything.
//!
//! A pickle is a program for a small stack machine. Here the machine knows only the instructions that NumPy's arrays of tuples, lists, numbers and
//! `None` are made of (protocols 2 to 5). The six functions that such arrays name are data, not calls; any other name, any other
//! instruction is an error with its byte. Objects live in an arena of bounded size, so that a pickle that doubles itself stops.

mod machine;
mod numpy;
mod object;
mod write;

pub(crate) use self::{machine::load, write::dump};

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
