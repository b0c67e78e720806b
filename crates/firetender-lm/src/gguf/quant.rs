//! Quantised numbers to `f32`.
//!
//! A tensor is a sequence of blocks of 32 or 256 values that share scales. The layouts are those of ggml; the arithmetic is done
//! in the order of the `gguf` Python package (0.10.0), so that the results agree with it bit for bit (`tests/golden/gguf`).
//! Rust never fuses a product and a sum, so neither does this.

use half::{bf16, f16};

/// How the numbers of a tensor are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GgmlType {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// The upper halves of 32-bit floats.
    BF16,
    /// 64-bit floats, rounded to `f32`.
    F64,
    /// 4 bits; one scale for 32 values.
    Q4_0,
    /// 4 bits; a scale and a minimum for 32 values.
    Q4_1,
    /// 5 bits; one scale for 32 values.
    Q5_0,
    /// 5 bits; a scale and a minimum for 32 values.
    Q5_1,
    /// 8 bits; one scale for 32 values.
    Q8_0,
    /// 4 bits; 6-bit scales and minima for 32 values each, in blocks of 256.
    Q4K,
    /// 5 bits; 6-bit scales and minima for 32 values each, in blocks of 256.
    Q5K,
    /// 6 bits; 8-bit scales for 16 values each, in blocks of 256.
    Q6K,
}

/// Type, number in the file, name, values in a block, bytes of a block.
const TABLE: [(GgmlType, u32, &str, usize, usize); 12] = [
    (GgmlType::F32, 0, "F32", 1, 4),
    (GgmlType::F16, 1, "F16", 1, 2),
    (GgmlType::BF16, 30, "BF16", 1, 2),
    (GgmlType::F64, 28, "F64", 1, 8),
    (GgmlType::Q4_0, 2, "Q4_0", 32, 2 + 16),
    (GgmlType::Q4_1, 3, "Q4_1", 32, 4 + 16),
    (GgmlType::Q5_0, 6, "Q5_0", 32, 2 + 4 + 16),
    (GgmlType::Q5_1, 7, "Q5_1", 32, 4 + 4 + 16),
    (GgmlType::Q8_0, 8, "Q8_0", 32, 2 + 32),
    (GgmlType::Q4K, 12, "Q4_K", 256, 4 + 12 + 128),
    (GgmlType::Q5K, 13, "Q5_K", 256, 4 + 12 + 32 + 128),
    (GgmlType::Q6K, 14, "Q6_K", 256, 128 + 64 + 16 + 2),
];

/// Types that exist and are not read, for error messages.
const UNREAD: [(u32, &str); 17] = [
    (9, "Q8_1"),
    (10, "Q2_K"),
    (11, "Q3_K"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (20, "IQ4_NL"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (29, "IQ1_M"),
];

impl GgmlType {
    fn row(self) -> (u32, &'static str, usize, usize) {
        // Every type stands in the table (tested).
        TABLE
            .iter()
            .find(|row| row.0 == self)
            .map_or((0, "F32", 1, 4), |row| (row.1, row.2, row.3, row.4))
    }

    /// The type with a number in the file.
    #[must_use]
    pub fn from_id(id: u32) -> Option<Self> {
        TABLE.iter().find(|row| row.1 == id).map(|row| row.0)
    }

    /// The number in the file.
    #[must_use]
    pub fn id(self) -> u32 {
        self.row().0
    }

    /// The name in ggml.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Values in a block.
    #[must_use]
    pub fn block_len(self) -> usize {
        self.row().2
    }

    /// Bytes of a block.
    #[must_use]
    pub fn block_bytes(self) -> usize {
        self.row().3
    }

    pub(super) fn describe(id: u32) -> String {
        match UNREAD.iter().find(|row| row.0 == id) {
            Some((_, name)) => format!("{name} ({id})"),
            None => format!("{id}, which is unknown"),
        }
    }

    pub(super) fn all_names() -> String {
        TABLE.map(|row| row.2).join(", ")
    }

    /// The values of whole blocks.
    ///
    /// ```
    /// use firetender_lm::GgmlType;
    /// // One block: the scale 0.5 as an f16, then 32 signed bytes.
    /// let block = [&[0x00, 0x38][..], &[4; 32]].concat();
    /// assert_eq!(GgmlType::Q8_0.dequantize(&block), [2.0; 32]);
    /// ```
    ///
    /// # Panics
    /// If `bytes` is not a whole number of blocks.
    #[must_use]
    pub fn dequantize(self, bytes: &[u8]) -> Vec<f32> {
        let mut out = Vec::with_capacity(bytes.len() / self.block_bytes() * self.block_len());
        self.dequantize_into(bytes, &mut out);
        out
    }

    /// As [`GgmlType::dequantize`], behind what is in `out`.
    pub(super) fn dequantize_into(self, bytes: &[u8], out: &mut Vec<f32>) {
        assert!(
            bytes.len().is_multiple_of(self.block_bytes()),
            "{} bytes are no whole blocks of {}",
            bytes.len(),
            self.name()
        );
        match self {
            Self::F32 => out.extend(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b))),
            Self::F16 => out.extend(
                bytes
                    .as_chunks()
                    .0
                    .iter()
                    .map(|b| f16::from_le_bytes(*b).to_f32()),
            ),
            Self::BF16 => out.extend(
                bytes
                    .as_chunks()
                    .0
                    .iter()
                    .map(|b| bf16::from_le_bytes(*b).to_f32()),
            ),
            Self::F64 => out.extend(
                bytes
                    .as_chunks()
                    .0
                    .iter()
                    .map(|b| f64::from_le_bytes(*b) as f32),
            ),
            Self::Q4_0 => each::<18, 32>(bytes, out, q4_0),
            Self::Q4_1 => each::<20, 32>(bytes, out, q4_1),
            Self::Q5_0 => each::<22, 32>(bytes, out, q5_0),
            Self::Q5_1 => each::<24, 32>(bytes, out, q5_1),
            Self::Q8_0 => each::<34, 32>(bytes, out, q8_0),
            Self::Q4K => each::<144, 256>(bytes, out, q4_k),
            Self::Q5K => each::<176, 256>(bytes, out, q5_k),
            Self::Q6K => each::<210, 256>(bytes, out, q6_k),
        }
    }
}

fn each<const BYTES: usize, const LEN: usize>(
    bytes: &[u8],
    out: &mut Vec<f32>,
    block: fn(&[u8; BYTES], &mut [f32; LEN]),
) {
    let mut values = [0.0; LEN];
    for bytes in bytes.as_chunks::<BYTES>().0 {
        block(bytes, &mut values);
        out.extend_from_slice(&values);
    }
}

/// The f16 at a byte offset.
fn scale(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

fn q4_0(block: &[u8; 18], out: &mut [f32; 32]) {
    let d = scale(block, 0);
    for (i, byte) in block[2..].iter().enumerate() {
        out[i] = d * f32::from((byte & 0x0F) as i8 - 8);
        out[i + 16] = d * f32::from((byte >> 4) as i8 - 8);
    }
}

fn q4_1(block: &[u8; 20], out: &mut [f32; 32]) {
    let (d, m) = (scale(block, 0), scale(block, 2));
    for (i, byte) in block[4..].iter().enumerate() {
        out[i] = d * f32::from(byte & 0x0F) + m;
        out[i + 16] = d * f32::from(byte >> 4) + m;
    }
}

/// The fifth bits of 32 values.
fn high_bits(block: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]])
}

fn fifth(high: u32, i: usize) -> u8 {
    ((high >> i & 1) as u8) << 4
}

fn q5_0(block: &[u8; 22], out: &mut [f32; 32]) {
    let (d, high) = (scale(block, 0), high_bits(block, 2));
    for (i, byte) in block[6..].iter().enumerate() {
        out[i] = d * f32::from((byte & 0x0F | fifth(high, i)) as i8 - 16);
        out[i + 16] = d * f32::from((byte >> 4 | fifth(high, i + 16)) as i8 - 16);
    }
}

fn q5_1(block: &[u8; 24], out: &mut [f32; 32]) {
    let (d, m, high) = (scale(block, 0), scale(block, 2), high_bits(block, 4));
    for (i, byte) in block[8..].iter().enumerate() {
        out[i] = d * f32::from(byte & 0x0F | fifth(high, i)) + m;
        out[i + 16] = d * f32::from(byte >> 4 | fifth(high, i + 16)) + m;
    }
}

fn q8_0(block: &[u8; 34], out: &mut [f32; 32]) {
    let d = scale(block, 0);
    for (value, byte) in out.iter_mut().zip(&block[2..]) {
        *value = f32::from(*byte as i8) * d;
    }
}

/// The eight 6-bit scales and eight 6-bit minima that `Q4_K` and `Q5_K` pack into twelve bytes: the low six bits of bytes 0–3 and
/// 4–7 hold the first four of each; the last four take their low bits from bytes 8–11 and their high bits from the rest.
fn scales_and_minima(packed: &[u8]) -> ([f32; 8], [f32; 8]) {
    let (mut scales, mut minima) = ([0.0; 8], [0.0; 8]);
    for i in 0..4 {
        let (d, m, both) = (packed[i], packed[i + 4], packed[i + 8]);
        scales[i] = f32::from(d & 0x3F);
        minima[i] = f32::from(m & 0x3F);
        scales[i + 4] = f32::from(both & 0x0F | d >> 2 & 0x30);
        minima[i + 4] = f32::from(both >> 4 | m >> 2 & 0x30);
    }
    (scales, minima)
}

fn q4_k(block: &[u8; 144], out: &mut [f32; 256]) {
    let (d, dmin) = (scale(block, 0), scale(block, 2));
    let (scales, minima) = scales_and_minima(&block[4..16]);
    // Each 32 bytes hold two groups: low halves, then high halves.
    for (pair, bytes) in block[16..].as_chunks::<32>().0.iter().enumerate() {
        for half in 0..2 {
            let group = 2 * pair + half;
            let (step, base) = (d * scales[group], dmin * minima[group]);
            for (i, byte) in bytes.iter().enumerate() {
                out[group * 32 + i] = step * f32::from(byte >> (4 * half) & 0x0F) - base;
            }
        }
    }
}

fn q5_k(block: &[u8; 176], out: &mut [f32; 256]) {
    let (d, dmin) = (scale(block, 0), scale(block, 2));
    let (scales, minima) = scales_and_minima(&block[4..16]);
    let high = &block[16..48];
    for (pair, bytes) in block[48..].as_chunks::<32>().0.iter().enumerate() {
        for half in 0..2 {
            let group = 2 * pair + half;
            let (step, base) = (d * scales[group], dmin * minima[group]);
            for (i, byte) in bytes.iter().enumerate() {
                let value = byte >> (4 * half) & 0x0F | (high[i] >> group & 1) << 4;
                out[group * 32 + i] = step * f32::from(value) - base;
            }
        }
    }
}

fn q6_k(block: &[u8; 210], out: &mut [f32; 256]) {
    let d = scale(block, 208);
    // Two halves of 128 values: 64 bytes with the low four bits, 32 bytes with the high two.
    for half in 0..2 {
        let low = &block[64 * half..64 * half + 64];
        let high = &block[128 + 32 * half..160 + 32 * half];
        for group in 0..4 {
            for i in 0..32 {
                let bits = low[32 * (group % 2) + i] >> (4 * (group / 2)) & 0x0F
                    | (high[i] >> (2 * group) & 3) << 4;
                let at = 128 * half + 32 * group + i;
                let step = d * f32::from(block[192 + at / 16] as i8);
                out[at] = step * f32::from(bits as i8 - 32);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        for (kind, id, name, len, bytes) in TABLE {
            assert_eq!(
                (kind.id(), kind.name(), kind.block_len(), kind.block_bytes()),
                (id, name, len, bytes)
            );
            assert_eq!(GgmlType::from_id(id), Some(kind));
            assert_eq!(kind.dequantize(&vec![0; 3 * bytes]).len(), 3 * len);
            assert!(!UNREAD.iter().any(|row| row.0 == id));
        }
        assert_eq!(GgmlType::from_id(10), None);
        assert_eq!(GgmlType::describe(10), "Q2_K (10)");
        assert_eq!(GgmlType::describe(99), "99, which is unknown");
    }

    /// Values worked out by hand from the layouts.
    #[test]
    fn hand_made_blocks() {
        let one = f16::from_f32(1.0).to_le_bytes();
        let half = f16::from_f32(0.5).to_le_bytes();
        let values = GgmlType::Q4_0.dequantize(&[&one[..], &[0xF0; 16]].concat());
        assert_eq!((values[0], values[16]), (-8.0, 7.0));
        let values = GgmlType::Q4_1.dequantize(&[&one[..], &half, &[0xF0; 16]].concat());
        assert_eq!((values[0], values[16]), (0.5, 15.5));
        // The fifth bit of value 0 and of value 31.
        let values = GgmlType::Q5_0.dequantize(&[&one[..], &[1, 0, 0, 0x80], &[0; 16]].concat());
        assert_eq!((values[0], values[1], values[31]), (0.0, -16.0, 0.0));
        let values =
            GgmlType::Q5_1.dequantize(&[&one[..], &half, &[1, 0, 0, 0x80], &[0; 16]].concat());
        assert_eq!((values[0], values[1], values[31]), (16.5, 0.5, 16.5));
    }

    #[test]
    #[should_panic(expected = "no whole blocks")]
    fn half_a_block_is_the_callers_mistake() {
        let _ = GgmlType::Q8_0.dequantize(&[0; 33]);
    }
}
