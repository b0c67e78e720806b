//! Luck that depends on nothing but its address.
//!
//! What is drawn for one image under one entry of a policy is a function of (seed, entry, image, repeat): batch size, thread count and
//! the order of work cannot change it, and any single image can be drawn again. Python's random streams are not replayed.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Which draws: a seed, the number of the entry in its policy or pool, the number of the image, and which of several samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Address {
    /// Of the experiment.
    pub seed: u64,
    /// Number of the sub-policy.
    pub entry: u64,
    /// Number of the image.
    pub image: u64,
    /// Which sample, where an entry is used more than once.
    pub repeat: u64,
}

/// A stream of random numbers at an address.
///
/// ```
/// use firetender_tta::{Address, Draw};
/// let address = Address { seed: 1, entry: 2, image: 3, repeat: 0 };
/// assert_eq!(Draw::at(address).uniform(), Draw::at(address).uniform());
/// ```
#[derive(Debug, Clone)]
pub struct Draw {
    random: ChaCha8Rng,
}

impl Draw {
    /// The stream at an address: `ChaCha8` with the address as its key.
    #[must_use]
    pub fn at(address: Address) -> Self {
        let mut key = [0; 32];
        let parts = [address.seed, address.entry, address.image, address.repeat];
        for (to, part) in key.chunks_exact_mut(8).zip(parts) {
            to.copy_from_slice(&part.to_le_bytes());
        }
        Self {
            random: ChaCha8Rng::from_seed(key),
        }
    }

    /// In [0, 1), with 53 bits.
    pub fn uniform(&mut self) -> f64 {
        self.random.random()
    }

    /// In [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// One of 0..=most, all equally likely.
    pub fn up_to(&mut self, most: u64) -> u64 {
        self.random.random_range(0..=most)
    }

    /// Heads, with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Normal with mean 0 and deviation 1, by Box and Muller.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_address_counts() {
        let first = |a: Address| Draw::at(a).uniform();
        let zero = first(Address::default());
        for address in [
            Address {
                seed: 1,
                ..Address::default()
            },
            Address {
                entry: 1,
                ..Address::default()
            },
            Address {
                image: 1,
                ..Address::default()
            },
            Address {
                repeat: 1,
                ..Address::default()
            },
        ] {
            assert_ne!(first(address), zero);
        }
    }

    #[test]
    fn neighbouring_addresses_are_independent() {
        // The mean of 20,000 first draws, each of another image: 0.5 ± 5 standard errors.
        let n = 20_000;
        let sum: f64 = (0..n)
            .map(|image| {
                Draw::at(Address {
                    image,
                    ..Address::default()
                })
                .uniform()
            })
            .sum();
        assert!((sum / n as f64 - 0.5).abs() < 5.0 * (1.0 / 12.0 / n as f64).sqrt());
    }
}
