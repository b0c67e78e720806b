//! The same place by another name: the output of a block is the input of the next.

use std::collections::BTreeMap;

use firetender_hooks::SiteKind;

use super::SteeringVector;
use crate::SteerError;

impl SteeringVector {
    /// The same directions at the same places, named as those of another site: what leaves block `l` (`resid_post`, `l`) enters
    /// block `l + 1` (`resid_pre`, `l + 1`). Files name one or the other.
    ///
    /// # Errors
    /// [`SteerError::Mismatch`] when the vector's site is no other name of `site`; [`SteerError::Direction`] for the input of the
    /// first block as an output, or the output of the last as an input.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use firetender_hooks::SiteKind;
    /// use firetender_steer::SteeringVector;
    /// let after_1 = BTreeMap::from([(1, vec![1.0])]);
    /// let vector = SteeringVector::new("up", "down", SiteKind::ResidPost, 1, 4, after_1).unwrap();
    /// let before_2 = vector.restated(SiteKind::ResidPre).unwrap();
    /// assert_eq!(before_2.direction(2), vector.direction(1));
    /// assert_eq!(before_2.restated(SiteKind::ResidPost).unwrap(), vector);
    /// ```
    pub fn restated(&self, site: SiteKind) -> Result<Self, SteerError> {
        use SiteKind::{ResidPost, ResidPre};
        if self.site == site {
            return Ok(self.clone());
        }
        let places = self.layers;
        let moved = |layer: usize| match (self.site, site) {
            (ResidPost, ResidPre) => Some(layer + 1).filter(|layer| *layer < places),
            _ => layer.checked_sub(1),
        };
        if !matches!(
            (self.site, site),
            (ResidPost, ResidPre) | (ResidPre, ResidPost)
        ) {
            return Err(SteerError::Mismatch {
                place: format!("vector of `{}`", self.toward),
                field: "site",
                found: self.site.to_string(),
                expected: format!("{site}, or another name of the same place"),
            });
        }
        let mut directions = BTreeMap::new();
        for (&layer, direction) in &self.directions {
            let to = moved(layer).ok_or_else(|| SteerError::Direction {
                layer,
                what: format!(
                    "{} has no name as {site}: there is no block beyond",
                    self.site.at(layer)
                ),
            })?;
            directions.insert(to, direction.clone());
        }
        let mut restated = self.clone();
        restated.site = site;
        restated.directions = directions;
        let p = &mut restated.provenance;
        p.residual_norms = shifted(&p.residual_norms, moved);
        p.separation = shifted(&p.separation, moved);
        p.explained_variance = shifted(&p.explained_variance, moved);
        Ok(restated)
    }
}

fn shifted<T: Clone>(
    by_layer: &BTreeMap<usize, T>,
    moved: impl Fn(usize) -> Option<usize>,
) -> BTreeMap<usize, T> {
    let moved = by_layer
        .iter()
        .filter_map(|(layer, value)| Some((moved(*layer)?, value.clone())));
    moved.collect()
}
