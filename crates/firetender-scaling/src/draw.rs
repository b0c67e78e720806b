//! Seeded choices that depend on nothing but their address.

/// `SplitMix64`'s finaliser over seed and address.
pub(crate) fn hash(seed: u64, address: u64) -> u64 {
    let mut h = seed ^ address.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17);
    for _ in 0..2 {
        h = h.wrapping_add(0x9e37_79b9_7f4a_7c15);
        h = (h ^ (h >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        h = (h ^ (h >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        h ^= h >> 31;
    }
    h
}

/// A number below `n`: draw `draw` of item `item` under `seed`. The bias is below n / 2^32.
pub(crate) fn below(seed: u64, item: u64, draw: u64, n: usize) -> usize {
    (((hash(hash(seed, item), draw) >> 32) * n as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_spread_and_pinned() {
        let mut counts = [0; 7];
        for item in 0..7000 {
            counts[below(1, item, 0, 7)] += 1;
        }
        assert!(counts.iter().all(|c| (880..1120).contains(c)), "{counts:?}");
        // Which examples a published subsample holds must not change.
        let first: Vec<usize> = (0..6).map(|item| below(0, item, 0, 1000)).collect();
        assert_eq!(first, PINNED);
    }

    const PINNED: [usize; 6] = [129, 809, 875, 503, 730, 17];
}
