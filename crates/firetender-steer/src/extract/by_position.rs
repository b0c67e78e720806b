//! Directions of single positions from one pair of texts.

use std::collections::BTreeMap;

use firetender_lm::CausalLm;

use super::Extractor;
use crate::{Contrast, Method, Observer, ReadPosition, SteerError, SteeringVector};

impl Extractor {
    /// Activation addition (Turner et al. 2023, arXiv 2308.10248): one pair of texts, and at every position the difference
    /// there. The map goes from position to vector; apply each at its own position with the clause `positions:N` of a
    /// [`crate::TokenRule`]. The shorter text ends the list; where both texts are the same so far (the start token), there is
    /// no difference and no vector.
    ///
    /// # Errors
    /// [`SteerError::Contrast`] unless there is exactly one pair; [`SteerError::Direction`] when no position differs; and as
    /// [`samples`](Self::samples).
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use firetender_hooks::SiteKind;
    /// use firetender_lm::{ModelConfig, Transformer};
    /// use firetender_steer::{Contrast, Extractor, Silent};
    /// let model = Transformer::init(&ModelConfig::llama(20, 16, 2, 2, 1, 32), 0, &Device::flex()).unwrap();
    /// let pair = Contrast::new("love", vec![vec![1, 5, 6]], "hate", vec![vec![1, 7, 8, 9]]).unwrap();
    /// let found = Extractor::new(SiteKind::ResidPre).by_position(&model, &pair, &mut Silent).unwrap();
    /// assert_eq!(found.keys().copied().collect::<Vec<_>>(), [1, 2]);
    /// ```
    pub fn by_position(
        &self,
        model: &dyn CausalLm,
        contrast: &Contrast,
        observer: &mut dyn Observer,
    ) -> Result<BTreeMap<usize, SteeringVector>, SteerError> {
        let fail = |what: String| SteerError::Contrast {
            toward: contrast.toward().into(),
            away: contrast.away().into(),
            what,
        };
        let ([toward], [away]) = (contrast.toward_rows(), contrast.away_rows()) else {
            let what = format!("{} pairs; activation addition takes one", contrast.pairs());
            return Err(fail(what));
        };
        let shared = toward.len().min(away.len());
        let mut found = BTreeMap::new();
        for position in 0..shared {
            if toward[..=position] == away[..=position] {
                continue;
            }
            let place = ReadPosition::Index(position as i64);
            let samples = self
                .clone()
                .with_position(place)
                .samples(model, contrast, observer)?;
            let mut directions = BTreeMap::new();
            for (&layer, pairs) in samples.layers() {
                // The embedding of equal tokens after unequal ones does not differ.
                if pairs.toward() != pairs.away() {
                    directions.insert(layer, Method::Mean.fit(pairs, layer)?.direction);
                }
            }
            if !directions.is_empty() {
                let provenance = samples.about.provenance(Method::Mean.to_string());
                let vector = samples.about.vector(directions)?;
                found.insert(position, vector.with_provenance(provenance));
            }
        }
        if found.is_empty() {
            return Err(fail(
                "the two texts differ at no position that both have".into(),
            ));
        }
        Ok(found)
    }
}
