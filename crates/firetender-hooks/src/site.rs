//! Names for the places in a transformer where a value can be seen and changed.
//!
//! The names are TransformerLens's (`blocks.5.hook_resid_post`), so that notes and vectors can be compared. Two of them differ
//! in a detail worth knowing: [`Site::FinalNorm`] is the value *after* the norm's weight and bias, the one that the output
//! projection sees (TransformerLens's `ln_final.hook_normalized` is before them for layers that are not folded); and
//! [`Site::HeadOut`] is handed over as `[batch, position, heads · head_dim]`, head by head along the width, because every site
//! has the same rank here.

use std::{fmt, str::FromStr};

use crate::HookError;

/// What kind of value flows through a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SiteKind {
    /// Token embeddings, before learned positions are added.
    Embed,
    /// The residual stream before a block.
    ResidPre,
    /// The outputs of the attention heads side by side, before the output projection.
    HeadOut,
    /// What attention adds to the residual stream (after the output projection and its bias).
    AttnOut,
    /// The residual stream between attention and feed-forward; absent in parallel blocks.
    ResidMid,
    /// What the feed-forward part adds to the residual stream.
    MlpOut,
    /// The residual stream after a block.
    ResidPost,
    /// The output of the last norm, which the output projection sees.
    FinalNorm,
}

impl SiteKind {
    /// All kinds in the order in which a block fires them.
    pub const ALL: [Self; 8] = [
        Self::Embed,
        Self::ResidPre,
        Self::HeadOut,
        Self::AttnOut,
        Self::ResidMid,
        Self::MlpOut,
        Self::ResidPost,
        Self::FinalNorm,
    ];

    /// Whether each block has one.
    ///
    /// ```
    /// use firetender_hooks::SiteKind;
    /// assert!(SiteKind::ResidPost.per_layer() && !SiteKind::Embed.per_layer());
    /// ```
    #[must_use]
    pub fn per_layer(self) -> bool {
        !matches!(self, Self::Embed | Self::FinalNorm)
    }

    /// The site of this kind in block `layer` (ignored by kinds that exist once).
    ///
    /// ```
    /// use firetender_hooks::{Site, SiteKind};
    /// assert_eq!(SiteKind::ResidPost.at(3), Site::ResidPost(3));
    /// ```
    #[must_use]
    pub fn at(self, layer: usize) -> Site {
        match self {
            Self::Embed => Site::Embed,
            Self::ResidPre => Site::ResidPre(layer),
            Self::HeadOut => Site::HeadOut(layer),
            Self::AttnOut => Site::AttnOut(layer),
            Self::ResidMid => Site::ResidMid(layer),
            Self::MlpOut => Site::MlpOut(layer),
            Self::ResidPost => Site::ResidPost(layer),
            Self::FinalNorm => Site::FinalNorm,
        }
    }

    /// The short name: `resid_post`, `attn_out`, …
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Embed => "embed",
            Self::ResidPre => "resid_pre",
            Self::HeadOut => "head_out",
            Self::AttnOut => "attn_out",
            Self::ResidMid => "resid_mid",
            Self::MlpOut => "mlp_out",
            Self::ResidPost => "resid_post",
            Self::FinalNorm => "final_norm",
        }
    }
}

impl fmt::Display for SiteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SiteKind {
    type Err = HookError;

    fn from_str(text: &str) -> Result<Self, HookError> {
        let bare = text.strip_prefix("hook_").unwrap_or(text);
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == bare)
            .ok_or_else(|| HookError::SiteName { found: text.into() })
    }
}

/// A place in a model: a kind of value and, where each block has one, the block's number from 0.
///
/// Sites print and parse as TransformerLens's hook names.
///
/// ```
/// use firetender_hooks::Site;
/// let site: Site = "blocks.5.hook_resid_post".parse().unwrap();
/// assert_eq!(site, Site::ResidPost(5));
/// assert_eq!(site.to_string(), "blocks.5.hook_resid_post");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Site {
    /// See [`SiteKind::Embed`].
    Embed,
    /// See [`SiteKind::ResidPre`].
    ResidPre(usize),
    /// See [`SiteKind::HeadOut`].
    HeadOut(usize),
    /// See [`SiteKind::AttnOut`].
    AttnOut(usize),
    /// See [`SiteKind::ResidMid`].
    ResidMid(usize),
    /// See [`SiteKind::MlpOut`].
    MlpOut(usize),
    /// See [`SiteKind::ResidPost`].
    ResidPost(usize),
    /// See [`SiteKind::FinalNorm`].
    FinalNorm,
}

impl Site {
    /// The kind of value.
    #[must_use]
    pub fn kind(self) -> SiteKind {
        match self {
            Self::Embed => SiteKind::Embed,
            Self::ResidPre(_) => SiteKind::ResidPre,
            Self::HeadOut(_) => SiteKind::HeadOut,
            Self::AttnOut(_) => SiteKind::AttnOut,
            Self::ResidMid(_) => SiteKind::ResidMid,
            Self::MlpOut(_) => SiteKind::MlpOut,
            Self::ResidPost(_) => SiteKind::ResidPost,
            Self::FinalNorm => SiteKind::FinalNorm,
        }
    }

    /// The block, for kinds that each block has.
    #[must_use]
    pub fn layer(self) -> Option<usize> {
        match self {
            Self::Embed | Self::FinalNorm => None,
            Self::ResidPre(l)
            | Self::HeadOut(l)
            | Self::AttnOut(l)
            | Self::ResidMid(l)
            | Self::MlpOut(l)
            | Self::ResidPost(l) => Some(l),
        }
    }

    /// All sites of a model in the order in which one pass fires them.
    ///
    /// ```
    /// use firetender_hooks::Site;
    /// let sites = Site::all(2, false);
    /// assert_eq!(sites.len(), 1 + 2 * 6 + 1);
    /// assert_eq!(sites[1].to_string(), "blocks.0.hook_resid_pre");
    /// ```
    #[must_use]
    pub fn all(layers: usize, parallel: bool) -> Vec<Self> {
        let block = |layer: usize| {
            SiteKind::ALL
                .into_iter()
                .filter(move |kind| kind.per_layer() && !(parallel && *kind == SiteKind::ResidMid))
                .map(move |kind| kind.at(layer))
        };
        std::iter::once(Self::Embed)
            .chain((0..layers).flat_map(block))
            .chain(std::iter::once(Self::FinalNorm))
            .collect()
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Embed => f.write_str("hook_embed"),
            Self::FinalNorm => f.write_str("ln_final.hook_normalized"),
            Self::HeadOut(layer) => write!(f, "blocks.{layer}.attn.hook_z"),
            site => write!(
                f,
                "blocks.{}.hook_{}",
                site.layer().unwrap_or_default(),
                site.kind().name()
            ),
        }
    }
}

impl FromStr for Site {
    type Err = HookError;

    fn from_str(text: &str) -> Result<Self, HookError> {
        let unknown = || HookError::SiteName { found: text.into() };
        match text {
            "hook_embed" => return Ok(Self::Embed),
            "ln_final.hook_normalized" => return Ok(Self::FinalNorm),
            _ => {}
        }
        let (layer, name) = text
            .strip_prefix("blocks.")
            .and_then(|rest| rest.split_once('.'))
            .ok_or_else(unknown)?;
        if !layer.bytes().all(|b| b.is_ascii_digit()) {
            return Err(unknown());
        }
        let layer: usize = layer.parse().map_err(|_| unknown())?;
        if name == "attn.hook_z" {
            return Ok(Self::HeadOut(layer));
        }
        let kind: SiteKind = name.strip_prefix("hook_").ok_or_else(unknown)?.parse()?;
        if !kind.per_layer() || kind == SiteKind::HeadOut {
            return Err(unknown());
        }
        Ok(kind.at(layer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for site in Site::all(12, false) {
            assert_eq!(site.to_string().parse::<Site>(), Ok(site));
        }
        for kind in SiteKind::ALL {
            assert_eq!(kind.to_string().parse::<SiteKind>(), Ok(kind));
        }
    }

    #[test]
    fn foreign_names_are_refused() {
        for name in [
            "",
            "blocks.x.hook_resid_post",
            "blocks.+1.hook_resid_post",
            "blocks.1.hook_embed",
            "blocks.1.resid_post",
            "blocks.1.hook_head_out",
            "blocks.99999999999999999999999.hook_mlp_out",
        ] {
            assert!(name.parse::<Site>().is_err(), "{name}");
        }
    }

    #[test]
    fn parallel_blocks_have_no_middle() {
        assert!(!Site::all(3, true).contains(&Site::ResidMid(1)));
    }
}
