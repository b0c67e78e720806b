//! NumPy's arrays of texts: UTF-32, little-endian, padded with zeros.

use std::path::Path;

use firetender_uncertainty::npy_header;

use crate::TtaError;

/// Texts of an array `<U…` of one axis.
pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<Vec<String>, TtaError> {
    let header = npy_header(bytes, path)?;
    let bad = |what: String| TtaError::file(path, "npy data", what);
    let width = header.descr.strip_prefix("<U");
    let width: usize = width.and_then(|w| w.parse().ok()).ok_or_else(|| {
        bad(format!(
            "type {:?}, expected texts such as <U74",
            header.descr
        ))
    })?;
    let [count] = header.shape[..] else {
        return Err(bad(format!("shape {:?}, expected one axis", header.shape)));
    };
    let data = &bytes[header.start..];
    let expected = width.checked_mul(4).and_then(|w| w.checked_mul(count));
    if expected != Some(data.len()) || width == 0 {
        return Err(bad(format!(
            "{count} texts of {width} characters, but {} bytes follow",
            data.len()
        )));
    }
    data.chunks_exact(4 * width)
        .enumerate()
        .map(|(at, cell)| {
            let chars = cell.as_chunks::<4>().0.iter();
            let text: Option<String> = chars
                .map(|c| u32::from_le_bytes(*c))
                .take_while(|c| *c != 0)
                .map(char::from_u32)
                .collect();
            text.ok_or_else(|| bad(format!("text {at} has a character that is none")))
        })
        .collect()
}

/// The bytes of such an array.
pub(crate) fn bytes(texts: &[String]) -> Vec<u8> {
    let width = texts
        .iter()
        .map(|t| t.chars().count())
        .max()
        .unwrap_or(0)
        .max(1);
    let mut header = format!(
        "{{'descr': '<U{width}', 'fortran_order': False, 'shape': ({},), }}",
        texts.len()
    );
    pad_header(&mut header);
    let mut out = start(&header);
    for text in texts {
        let cells = text.chars().map(u32::from).chain(std::iter::repeat(0));
        out.extend(cells.take(width).flat_map(u32::to_le_bytes));
    }
    out
}

/// The bytes of an array of objects.
pub(crate) fn object_bytes(shape: &[usize], pickle: &[u8]) -> Vec<u8> {
    let axes: String = match shape {
        [one] => format!("{one},"),
        more => more
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    };
    let mut header = format!("{{'descr': '|O', 'fortran_order': False, 'shape': ({axes}), }}");
    pad_header(&mut header);
    let mut out = start(&header);
    out.extend(pickle);
    out
}

/// A `.npy` file of numbers.
pub(crate) fn npy_bytes(
    descr: &str,
    shape: &[usize],
    numbers: impl Iterator<Item = u8>,
) -> Vec<u8> {
    let axes: Vec<String> = shape.iter().map(ToString::to_string).collect();
    let mut header = format!(
        "{{'descr': '{descr}', 'fortran_order': False, 'shape': ({},), }}",
        axes.join(", ")
    );
    pad_header(&mut header);
    let mut out = start(&header);
    out.extend(numbers);
    out
}

/// The data begin at a multiple of 64 bytes.
fn pad_header(header: &mut String) {
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
}

fn start(header: &str) -> Vec<u8> {
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((header.len() as u16).to_le_bytes());
    out.extend(header.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_go_both_ways() {
        let texts = ["None".to_owned(), "[(7,23.0)]".to_owned()];
        assert_eq!(parse(&bytes(&texts), Path::new("t")).unwrap(), texts);
    }

    #[test]
    fn damaged_arrays_are_errors() {
        let whole = bytes(&["abc".to_owned()]);
        let path = Path::new("t");
        assert!(parse(&whole[..whole.len() - 1], path).is_err());
        let mut wrong = whole.clone();
        let last = wrong.len() - 1;
        wrong[last] = 0xff;
        assert!(parse(&wrong, path).is_err());
        assert!(parse(b"", path).is_err());
    }
}
