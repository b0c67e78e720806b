//! NumPy's `.npy`, as far as matrices need it: versions 1 to 3, little-endian floats, row by row.

/// A header for 32-bit floats, padded to a multiple of 64 bytes.
pub(super) fn header([rows, columns]: [usize; 2]) -> Vec<u8> {
    let mut text =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    let length = (10 + text.len() + 1).next_multiple_of(64);
    while 10 + text.len() + 1 < length {
        text.push(' ');
    }
    text.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

/// Shape and numbers, which fit each other and the file.
pub(super) fn read(bytes: &[u8]) -> Result<([usize; 2], Vec<f32>), String> {
    let cut = || "the file ends inside the header".to_owned();
    let version = *bytes.get(6).ok_or_else(cut)?;
    let (start, length) = match version {
        1 => {
            let length = bytes.get(8..10).ok_or_else(cut)?;
            (10, usize::from(u16::from_le_bytes([length[0], length[1]])))
        }
        2 | 3 => {
            let length = bytes.get(8..12).ok_or_else(cut)?;
            let length = [length[0], length[1], length[2], length[3]];
            (12, u32::from_le_bytes(length) as usize)
        }
        other => return Err(format!("version {other}; expected 1, 2 or 3")),
    };
    let text = bytes.get(start..start + length).ok_or_else(cut)?;
    let text = str::from_utf8(text).map_err(|_| "the header is no text".to_owned())?;
    let kind = value(text, "descr")?.trim_matches(['\'', '"']);
    let size = match kind {
        "<f4" => 4,
        "<f8" => 8,
        other => return Err(format!("numbers of type {other}; expected <f4 or <f8")),
    };
    if value(text, "fortran_order")? != "False" {
        return Err("columns are stored one by one (fortran_order); expected rows".into());
    }
    let shape = value(text, "shape")?;
    let sizes: Vec<usize> = shape
        .trim_matches(['(', ')'])
        .split(',')
        .map(str::trim)
        .filter(|size| !size.is_empty())
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(|_| format!("shape {shape}; expected (layers, width)"))?;
    let [rows, columns] = sizes[..] else {
        return Err(format!("shape {shape}; expected (layers, width)"));
    };
    let data = &bytes[start + length..];
    let expected = rows.checked_mul(columns).and_then(|n| n.checked_mul(size));
    if expected != Some(data.len()) {
        return Err(format!(
            "{} bytes of numbers; shape {shape} of {kind} needs others",
            data.len()
        ));
    }
    let numbers = if size == 4 {
        super::floats(data)
    } else {
        let numbers = data.as_chunks().0.iter();
        numbers.map(|b| f64::from_le_bytes(*b) as f32).collect()
    };
    Ok(([rows, columns], numbers))
}

/// The text behind a key of the header's Python dictionary, up to the comma that ends it.
fn value<'a>(text: &'a str, key: &str) -> Result<&'a str, String> {
    let missing = || format!("the header has no `{key}`");
    let quoted = [format!("'{key}':"), format!("\"{key}\":")];
    let start = quoted
        .iter()
        .find_map(|key| text.find(key.as_str()).map(|at| at + key.len()))
        .ok_or_else(missing)?;
    let rest = text[start..].trim_start();
    let end = if rest.starts_with('(') {
        rest.find(')').map(|at| at + 1)
    } else {
        rest.find([',', '}'])
    };
    Ok(rest[..end.ok_or_else(missing)?].trim())
}
