//! PNG files in and out, as red, green and blue of 8 bits.
//!
//! Small on purpose: the workspace has an inflater already, and the usual crate would switch on features that Burn's dependencies share. Every
//! colour type and depth of the format is read, interlaced or not; transparency is dropped and palettes are resolved, as by
//! Pillow's `convert("RGB")`; 16-bit samples lose their low byte (Pillow clips grey ones at 255 instead, which leaves nothing of most images). Checksums are checked, and sizes before anything is allocated.

use std::{
    io::{Read as _, Write as _},
    path::Path,
};

use firetender_uncertainty::write_atomically;
use flate2::{Compression, Crc, read::ZlibDecoder, write::ZlibEncoder};

use crate::{RgbImage, TtaError, image::check_size};

const SIGNATURE: &[u8; 8] = b"\x89PNG\r\n\x1a\n";
/// Pixels of the largest image that is read: 8,192 × 8,192.
const MOST_PIXELS: usize = 1 << 26;

struct Header {
    width: usize,
    height: usize,
    depth: usize,
    colour: u8,
    interlaced: bool,
}

impl Header {
    fn parse(data: &[u8]) -> Result<Self, String> {
        let data: &[u8; 13] = data.try_into().map_err(|_| "a header of another length")?;
        let side = |at: usize| {
            u32::from_be_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]]) as usize
        };
        let (width, height) = (side(0), side(4));
        check_size(width, height).map_err(|error| error.to_string())?;
        if width * height > MOST_PIXELS {
            return Err(format!(
                "{width} × {height} pixels; at most {MOST_PIXELS} in all"
            ));
        }
        let (depth, colour) = (data[8], data[9]);
        let allowed: &[u8] = match colour {
            0 => &[1, 2, 4, 8, 16],
            3 => &[1, 2, 4, 8],
            2 | 4 | 6 => &[8, 16],
            _ => &[],
        };
        if !allowed.contains(&depth) {
            return Err(format!("colour type {colour} with {depth} bits"));
        }
        if data[10] != 0 || data[11] != 0 || data[12] > 1 {
            return Err("an unknown compression, filter or interlacing".into());
        }
        Ok(Self {
            width,
            height,
            depth: usize::from(depth),
            colour,
            interlaced: data[12] == 1,
        })
    }

    fn channels(&self) -> usize {
        match self.colour {
            2 => 3,
            4 => 2,
            6 => 4,
            _ => 1,
        }
    }

    /// Bytes of a row of this many pixels, without its filter.
    fn row_bytes(&self, width: usize) -> usize {
        (width * self.channels() * self.depth).div_ceil(8)
    }

    /// First column, first row, and steps of every pass.
    fn passes(&self) -> &'static [[usize; 4]] {
        if self.interlaced {
            &[
                [0, 0, 8, 8],
                [4, 0, 8, 8],
                [0, 4, 4, 8],
                [2, 0, 4, 4],
                [0, 2, 2, 4],
                [1, 0, 2, 2],
                [0, 1, 1, 2],
            ]
        } else {
            &[[0, 0, 1, 1]]
        }
    }

    /// Columns and rows of a pass.
    fn pass_size(&self, [x, y, dx, dy]: [usize; 4]) -> [usize; 2] {
        let count =
            |length: usize, first: usize, step: usize| length.saturating_sub(first).div_ceil(step);
        let (columns, rows) = (count(self.width, x, dx), count(self.height, y, dy));
        if columns == 0 || rows == 0 {
            [0, 0]
        } else {
            [columns, rows]
        }
    }
}

/// Reads a PNG file.
///
/// # Errors
/// [`TtaError::Io`]; [`TtaError::File`] for a file that is damaged, not a PNG file, or larger than 64 million pixels.
pub fn read_png(path: impl AsRef<Path>) -> Result<RgbImage, TtaError> {
    let path = path.as_ref();
    parse_png(&crate::files::read(path)?, path)
}

/// Reads the bytes of a PNG file; `path` is for messages.
///
/// ```
/// use firetender_tta::{RgbImage, parse_png, png_bytes};
/// let image = RgbImage::filled(3, 2, [1, 2, 3])?;
/// assert_eq!(parse_png(&png_bytes(&image), "image.png".as_ref())?, image);
/// # Ok::<(), firetender_tta::TtaError>(())
/// ```
///
/// # Errors
/// [`TtaError::File`] as [`read_png`].
pub fn parse_png(bytes: &[u8], path: &Path) -> Result<RgbImage, TtaError> {
    decode(bytes).map_err(|what| TtaError::file(path, "png", what))
}

fn decode(bytes: &[u8]) -> Result<RgbImage, String> {
    let mut rest = bytes
        .strip_prefix(SIGNATURE)
        .ok_or("the file does not begin as PNG files do")?;
    let mut header: Option<Header> = None;
    let mut palette: Vec<[u8; 3]> = vec![];
    let mut packed: Vec<u8> = vec![];
    loop {
        let (kind, data, after) = chunk(rest)?;
        rest = after;
        match (&kind, &header) {
            (b"IHDR", None) => header = Some(Header::parse(data)?),
            (_, None) => return Err("the first chunk is no header".into()),
            (b"IHDR", Some(_)) => return Err("two headers".into()),
            (b"PLTE", _) => {
                if data.len() % 3 != 0 || data.is_empty() || data.len() > 768 {
                    return Err(format!("a palette of {} bytes", data.len()));
                }
                palette = data.as_chunks::<3>().0.to_vec();
            }
            (b"IDAT", _) => packed.extend_from_slice(data),
            (b"IEND", _) => break,
            // Bit 5 of the first letter: a reader may leave the chunk out.
            _ if kind[0] & 0x20 != 0 => {}
            _ => {
                return Err(format!(
                    "an unknown critical chunk {:?}",
                    String::from_utf8_lossy(&kind)
                ));
            }
        }
    }
    let header = header.ok_or("no header")?;
    if header.colour == 3 && palette.is_empty() {
        return Err("colours of a palette that is missing".into());
    }
    let sizes = || {
        header
            .passes()
            .iter()
            .map(|pass| (*pass, header.pass_size(*pass)))
    };
    let expected: usize = sizes()
        .map(|(_, [w, h])| h * (1 + header.row_bytes(w)))
        .sum();
    let mut raw = vec![];
    ZlibDecoder::new(&packed[..])
        .take(expected as u64)
        .read_to_end(&mut raw)
        .map_err(|error| format!("cannot be unpacked: {error}"))?;
    if raw.len() != expected {
        return Err(format!(
            "{} bytes of pixels, expected {expected}",
            raw.len()
        ));
    }
    let mut pixels = vec![0; 3 * header.width * header.height];
    let mut at = 0;
    for ([x, y, dx, dy], [columns, rows]) in sizes() {
        let length = header.row_bytes(columns);
        let step = (header.channels() * header.depth).div_ceil(8);
        let mut above = vec![0; length];
        for row in 0..rows {
            let filter = raw[at];
            let line = &mut raw[at + 1..at + 1 + length];
            unfilter(filter, line, &above, step)?;
            for column in 0..columns {
                let colour = pixel(&header, &palette, line, column)?;
                let to = 3 * ((y + row * dy) * header.width + x + column * dx);
                pixels[to..to + 3].copy_from_slice(&colour);
            }
            above.copy_from_slice(line);
            at += 1 + length;
        }
    }
    RgbImage::new(header.width, header.height, pixels).map_err(|error| error.to_string())
}

/// Name and data of a chunk, and what follows it.
type Chunk<'a> = ([u8; 4], &'a [u8], &'a [u8]);

fn chunk(bytes: &[u8]) -> Result<Chunk<'_>, String> {
    let ended = "the file ends inside of a chunk";
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or(ended)?;
    let length = u32::from_be_bytes(*length) as usize;
    let (body, rest) = length
        .checked_add(4)
        .and_then(|all| rest.split_at_checked(all))
        .ok_or(ended)?;
    let (sum, rest) = rest.split_first_chunk::<4>().ok_or(ended)?;
    let mut crc = Crc::new();
    crc.update(body);
    if crc.sum() != u32::from_be_bytes(*sum) {
        return Err("the checksum of a chunk is wrong".into());
    }
    let (kind, data) = body.split_first_chunk::<4>().ok_or(ended)?;
    Ok((*kind, data, rest))
}

fn unfilter(filter: u8, line: &mut [u8], above: &[u8], step: usize) -> Result<(), String> {
    for i in 0..line.len() {
        let left = if i >= step { line[i - step] } else { 0 };
        let corner = if i >= step { above[i - step] } else { 0 };
        let guess = match filter {
            0 => 0,
            1 => left,
            2 => above[i],
            3 => ((u16::from(left) + u16::from(above[i])) / 2) as u8,
            4 => paeth(left, above[i], corner),
            _ => return Err(format!("an unknown filter {filter}")),
        };
        line[i] = line[i].wrapping_add(guess);
    }
    Ok(())
}

fn paeth(left: u8, above: u8, corner: u8) -> u8 {
    let (a, b, c) = (i32::from(left), i32::from(above), i32::from(corner));
    let p = a + b - c;
    let (pa, pb, pc) = ((p - a).abs(), (p - b).abs(), (p - c).abs());
    if pa <= pb && pa <= pc {
        left
    } else if pb <= pc {
        above
    } else {
        corner
    }
}

fn pixel(
    header: &Header,
    palette: &[[u8; 3]],
    line: &[u8],
    column: usize,
) -> Result<[u8; 3], String> {
    let bytes = header.depth / 8;
    let at = |channel: usize| line[(column * header.channels() + channel) * bytes];
    Ok(match header.colour {
        2 | 6 => [at(0), at(1), at(2)],
        4 => [at(0); 3],
        0 if bytes > 0 => [at(0); 3],
        3 if bytes > 0 => *palette
            .get(usize::from(at(0)))
            .ok_or("a colour beyond the palette")?,
        colour => {
            // Below eight bits there is one channel.
            let bit = column * header.depth;
            let value = line[bit / 8] >> (8 - header.depth - bit % 8) & ((1 << header.depth) - 1);
            if colour == 3 {
                *palette
                    .get(usize::from(value))
                    .ok_or("a colour beyond the palette")?
            } else {
                [value * (255 / ((1 << header.depth) - 1) as u8); 3]
            }
        }
    })
}

/// The bytes of a PNG file: 24 bits a pixel, every row as the difference from the one above it.
#[must_use]
pub fn png_bytes(image: &RgbImage) -> Vec<u8> {
    let mut out = SIGNATURE.to_vec();
    let mut header = vec![];
    header.extend((image.width() as u32).to_be_bytes());
    header.extend((image.height() as u32).to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    push(&mut out, b"IHDR", &header);
    let stride = 3 * image.width();
    let mut raw = Vec::with_capacity(image.pixels().len() + image.height());
    for (y, row) in image.pixels().chunks_exact(stride).enumerate() {
        if y == 0 {
            raw.push(0);
            raw.extend_from_slice(row);
        } else {
            raw.push(2);
            raw.extend(
                row.iter()
                    .zip(image.row(y - 1))
                    .map(|(x, above)| x.wrapping_sub(*above)),
            );
        }
    }
    let mut encoder = ZlibEncoder::new(vec![], Compression::default());
    // Writing to memory does not fail.
    let packed = encoder
        .write_all(&raw)
        .and_then(|()| encoder.finish())
        .unwrap_or_default();
    push(&mut out, b"IDAT", &packed);
    push(&mut out, b"IEND", &[]);
    out
}

fn push(out: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    out.extend((data.len() as u32).to_be_bytes());
    let mut crc = Crc::new();
    crc.update(kind);
    crc.update(data);
    out.extend(kind);
    out.extend(data);
    out.extend(crc.sum().to_be_bytes());
}

/// Writes a PNG file, whole or not at all.
///
/// # Errors
/// As [`write_atomically`].
pub fn write_png(path: impl AsRef<Path>, image: &RgbImage) -> Result<(), TtaError> {
    Ok(write_atomically(path.as_ref(), &png_bytes(image))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn damaged_files_are_errors() {
        let image = RgbImage::new(5, 4, (0..60).collect()).unwrap();
        let whole = png_bytes(&image);
        for cut in 0..whole.len() {
            assert!(decode(&whole[..cut]).is_err(), "{cut}");
        }
        for at in 8..whole.len() {
            let mut wrong = whole.clone();
            wrong[at] ^= 0x10;
            // A flipped bit is found by a checksum, or makes a chunk that may be left out unreadable.
            assert!(
                decode(&wrong).is_err() || decode(&wrong).unwrap() == image,
                "{at}"
            );
        }
    }

    #[test]
    fn a_huge_image_is_refused_before_it_is_made() {
        let mut header = vec![];
        header.extend(16_000_u32.to_be_bytes());
        header.extend(16_000_u32.to_be_bytes());
        header.extend([8, 2, 0, 0, 0]);
        let mut bytes = SIGNATURE.to_vec();
        push(&mut bytes, b"IHDR", &header);
        push(&mut bytes, b"IEND", &[]);
        assert!(decode(&bytes).unwrap_err().contains("at most"));
    }

    proptest! {
        #[test]
        fn images_go_both_ways(width in 1_usize..20, height in 1_usize..20, seed in any::<u8>()) {
            let pixels = (0..3 * width * height).map(|i| (i * 31) as u8 ^ seed).collect();
            let image = RgbImage::new(width, height, pixels).unwrap();
            prop_assert_eq!(decode(&png_bytes(&image)).unwrap(), image);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&[&SIGNATURE[..], &bytes].concat());
            let _ = decode(&bytes);
        }
    }
}
