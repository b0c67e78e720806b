//! Normal numbers that are a function of what they are for, not of when they are drawn.
//!
//! Burn's generators belong to the device, are shared by everything on it and differ between backends. Samplers that must resume and
//! repeat draw on the host instead: a `ChaCha` stream keyed by seed, purpose and counter, so that a number does not depend on how
//! many were drawn before it.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What noise is for; keeps streams of one seed apart.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Langevin = 1,
    SwagDiagonal,
    SwagLowRank,
    Dropout,
    Laplace,
    Variational,
}

/// A generator of its own for (seed, purpose, two counters, stream).
pub(crate) fn stream(seed: u64, purpose: Purpose, counters: [u64; 2], stream: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&counters[0].to_le_bytes());
    key[16..24].copy_from_slice(&counters[1].to_le_bytes());
    key[24..].copy_from_slice(&(purpose as u64).to_le_bytes());
    let mut random = ChaCha8Rng::from_seed(key);
    random.set_stream(stream);
    random
}

/// Uniform in (0, 1): the middles of 2^53 equal parts.
fn uniform(random: &mut impl Rng) -> f64 {
    ((random.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}

/// Standard normal numbers (Box and Muller's transform, both halves used).
pub(crate) fn normals(random: &mut impl Rng, count: usize) -> Vec<f64> {
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        let radius = (-2.0 * uniform(random).ln()).sqrt();
        let (sine, cosine) = (std::f64::consts::TAU * uniform(random)).sin_cos();
        values.extend([radius * cosine, radius * sine]);
    }
    values.truncate(count);
    values
}
