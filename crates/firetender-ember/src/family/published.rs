//! The trained family, as it is built into this crate.

use std::borrow::Cow;

use firetender_lm::{Checkpoint, LmError};

use super::{MEMBERS, Member, unpack_weights};

const TOKENIZER: &[u8] = include_bytes!("../../assets/family/tokenizer.json");
const TOKENIZER_CONFIG: &[u8] = include_bytes!("../../assets/family/tokenizer_config.json");

/// Configurations, in the order of [`MEMBERS`].
const CONFIGS: [&[u8]; 5] = [
    include_bytes!("../../assets/family/11k.json"),
    include_bytes!("../../assets/family/32k.json"),
    include_bytes!("../../assets/family/92k.json"),
    include_bytes!("../../assets/family/242k.json"),
    include_bytes!("../../assets/family/853k.json"),
];

/// Size, training seed, held-out loss in nats a token, weights.
const WEIGHTS: &[(&str, u64, f64, &[u8])] = &[
    (
        "11k",
        0,
        1.3674,
        include_bytes!("../../assets/family/11k-s0.safetensors"),
    ),
    (
        "32k",
        0,
        0.9144,
        include_bytes!("../../assets/family/32k-s0.safetensors"),
    ),
    (
        "92k",
        0,
        0.7699,
        include_bytes!("../../assets/family/92k-s0.safetensors"),
    ),
    (
        "242k",
        0,
        0.7153,
        include_bytes!("../../assets/family/242k-s0.safetensors"),
    ),
    (
        "853k",
        0,
        0.6928,
        include_bytes!("../../assets/family/853k-s0.eight-bits.safetensors"),
    ),
    (
        "11k",
        1,
        1.4128,
        include_bytes!("../../assets/family/11k-s1.safetensors"),
    ),
    (
        "32k",
        1,
        0.8966,
        include_bytes!("../../assets/family/32k-s1.safetensors"),
    ),
    (
        "92k",
        1,
        0.7503,
        include_bytes!("../../assets/family/92k-s1.safetensors"),
    ),
    (
        "242k",
        1,
        0.7036,
        include_bytes!("../../assets/family/242k-s1.safetensors"),
    ),
    (
        "853k",
        1,
        0.6872,
        include_bytes!("../../assets/family/853k-s1.eight-bits.safetensors"),
    ),
    (
        "11k",
        2,
        1.4431,
        include_bytes!("../../assets/family/11k-s2.safetensors"),
    ),
    (
        "32k",
        2,
        0.9170,
        include_bytes!("../../assets/family/32k-s2.safetensors"),
    ),
    (
        "92k",
        2,
        0.7699,
        include_bytes!("../../assets/family/92k-s2.safetensors"),
    ),
    (
        "242k",
        2,
        0.7172,
        include_bytes!("../../assets/family/242k-s2.safetensors"),
    ),
    (
        "853k",
        2,
        0.6896,
        include_bytes!("../../assets/family/853k-s2.eight-bits.safetensors"),
    ),
];

/// The size whose weights are kept in eight bits.
const IN_EIGHT_BITS: &str = "853k";

/// The published models: size, training seed, and loss in nats a token on the same 1,500 held-out texts. Smallest first, one seed after the other. The largest
/// size is kept in eight bits ([`pack_weights`](super::pack_weights)), so that all weights together stay small; its losses are those of the kept weights.
///
/// ```
/// use firetender_ember::family::{MEMBERS, published};
///
/// assert!(MEMBERS.iter().all(|member| (0..3).all(|seed| published().any(|(found, its, _)| found == *member && its == seed))));
/// ```
pub fn published() -> impl Iterator<Item = (Member, u64, f64)> {
    WEIGHTS.iter().filter_map(|(name, seed, loss, _)| {
        let member = MEMBERS.into_iter().find(|member| member.name == *name)?;
        Some((member, *seed, *loss))
    })
}

/// Opens a published model of the family by the name of its size and its training seed. Nothing is fetched and no file is read.
///
/// # Errors
/// [`LmError::Input`] for a model that is not there.
///
/// ```
/// let checkpoint = firetender_ember::family::checkpoint("11k", 0)?;
/// assert_eq!(checkpoint.config.width, 12);
/// # Ok::<(), firetender_lm::LmError>(())
/// ```
pub fn checkpoint(size: &str, seed: u64) -> Result<Checkpoint, LmError> {
    let at = MEMBERS.iter().position(|member| member.name == size);
    let found = WEIGHTS
        .iter()
        .find(|(name, its, _, _)| *name == size && *its == seed);
    let (Some(at), Some((_, _, _, weights))) = (at, found) else {
        let known: Vec<String> = WEIGHTS
            .iter()
            .map(|(name, seed, _, _)| format!("{name}-s{seed}"))
            .collect();
        return Err(LmError::Input {
            what: format!(
                "no member {size} with seed {seed} in the Ember family; it has {}",
                known.join(", ")
            ),
        });
    };
    let name = format!("ember-{size}-s{seed}");
    let weights: Cow<'static, [u8]> = if size == IN_EIGHT_BITS {
        Cow::Owned(unpack_weights(weights)?)
    } else {
        Cow::Borrowed(*weights)
    };
    Checkpoint::from_bytes(&name, CONFIGS[at], weights, TOKENIZER, TOKENIZER_CONFIG)
}

#[cfg(test)]
mod tests {
    use burn::{module::Module, tensor::Device};
    use firetender_lm::Transformer;

    use super::*;
    use crate::tokenizer;

    #[test]
    fn the_published_tokenizer_is_the_one_that_the_corpus_gives() {
        let again = tokenizer::to_json(&crate::family::tokenizer().unwrap()).unwrap();
        assert!(
            again.as_bytes() == TOKENIZER,
            "the family's corpus or the tokenizer's training changed; train the family again"
        );
    }

    #[test]
    fn every_member_opens_in_its_shape() {
        for (member, seed, loss) in published() {
            let checkpoint = checkpoint(member.name, seed).unwrap();
            assert_eq!(checkpoint.config, member.config());
            let model = Transformer::load(
                &checkpoint.config,
                checkpoint.source.as_ref(),
                checkpoint.layout(),
                &Device::flex(),
            )
            .unwrap();
            assert_eq!(model.num_params(), member.parameters());
            assert!((0.5..1.6).contains(&loss));
        }
        assert!(checkpoint("11k", 99).is_err() && checkpoint("1k", 0).is_err());
    }

    #[test]
    fn larger_members_know_the_corpus_better() {
        let losses: Vec<f64> = published()
            .filter(|(_, seed, _)| *seed == 0)
            .map(|(_, _, loss)| loss)
            .collect();
        assert!(
            losses.windows(2).all(|pair| pair[0] > pair[1]),
            "{losses:?}"
        );
    }
}
