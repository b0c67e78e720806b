//! The sizes of the family.

use firetender_lm::ModelConfig;

use super::VOCABULARY;

/// Longest text in tokens.
const POSITIONS: usize = 128;

/// One size of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name, after its number of parameters: `11k`.
    pub name: &'static str,
    /// Width of the residual stream.
    pub width: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width of the feed-forward part.
    pub mlp_width: usize,
}

const fn member(
    name: &'static str,
    width: usize,
    layers: usize,
    heads: usize,
    mlp_width: usize,
) -> Member {
    Member {
        name,
        width,
        layers,
        heads,
        mlp_width,
    }
}

/// The sizes, smallest first.
///
/// ```
/// use firetender_ember::family::MEMBERS;
///
/// assert!(MEMBERS.windows(2).all(|pair| pair[0].parameters() < pair[1].parameters()));
/// ```
pub const MEMBERS: [Member; 5] = [
    member("11k", 12, 1, 1, 32),
    member("32k", 24, 2, 2, 64),
    member("92k", 48, 2, 3, 128),
    member("242k", 72, 3, 4, 192),
    member("853k", 128, 4, 4, 320),
];

impl Member {
    /// The shape of its network: Llama's, with tied embeddings.
    #[must_use]
    pub fn config(&self) -> ModelConfig {
        ModelConfig {
            max_positions: POSITIONS,
            ..ModelConfig::llama(
                VOCABULARY,
                self.width,
                self.layers,
                self.heads,
                self.heads,
                self.mlp_width,
            )
        }
    }

    /// Number of parameters, embeddings included.
    #[must_use]
    pub const fn parameters(&self) -> usize {
        VOCABULARY * self.width + self.body_parameters()
    }

    /// Number of parameters without the embeddings.
    #[must_use]
    pub const fn body_parameters(&self) -> usize {
        let block = 4 * self.width * self.width + 3 * self.width * self.mlp_width + 2 * self.width;
        self.layers * block + self.width
    }
}

#[cfg(test)]
mod tests {
    use burn::{module::Module, tensor::Device};
    use firetender_lm::Transformer;

    use super::*;

    #[test]
    fn sizes_are_as_named() {
        for member in MEMBERS {
            let model = Transformer::init(&member.config(), 0, &Device::flex()).unwrap();
            assert_eq!(model.num_params(), member.parameters());
            let thousands = (member.parameters() as f64 / 1e3).round();
            assert_eq!(member.name, format!("{thousands}k"));
        }
    }
}
