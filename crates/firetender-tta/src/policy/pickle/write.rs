//! The way back: an array of objects as a pickle.

use super::Value;

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
