//! A compiled plan at work.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use firetender_hooks::{Intervene, Pass, Selection, Site};

use super::operator::{Change, like};
use crate::TokenRule;

/// A compiled [`super::Plan`]: give it to a pass, to `generate` or to `score`.
///
/// Masks are made once a pass from the tokens themselves, so a steering can be used for one pass after another, with or without
/// a cache, in any batch. It holds nothing of the model.
#[derive(Clone, Debug)]
pub struct Steering {
    rules: Vec<TokenRule>,
    sites: BTreeMap<Site, Vec<Action>>,
    device: Device,
    /// What each rule selects in the pass under way.
    selections: Vec<Selection>,
}

/// One change at one site.
#[derive(Clone, Debug)]
pub(crate) struct Action {
    /// Index of its token rule.
    pub(crate) rule: usize,
    pub(crate) change: Change,
    pub(crate) keep_norm: bool,
}

impl Steering {
    pub(crate) fn new(
        rules: Vec<TokenRule>,
        sites: BTreeMap<Site, Vec<Action>>,
        device: Device,
    ) -> Self {
        Self {
            rules,
            sites,
            device,
            selections: vec![],
        }
    }

    /// Whether it can change anything at all.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.sites.is_empty()
    }

    /// The sites that it changes, in the order in which a pass reaches the kinds of one layer.
    pub fn sites(&self) -> impl Iterator<Item = Site> + '_ {
        self.sites.keys().copied()
    }

    fn selects(&self, action: &Action) -> bool {
        !matches!(self.selections.get(action.rule), Some(Selection::Nothing))
    }
}

impl Intervene for Steering {
    fn begin(&mut self, pass: &Pass) {
        let device = &self.device;
        let select = |rule: &TokenRule| pass.select(device, |token| rule.selects(token));
        self.selections = self.rules.iter().map(select).collect();
    }

    fn wants(&self, site: Site) -> bool {
        self.sites
            .get(&site)
            .is_some_and(|actions| actions.iter().any(|action| self.selects(action)))
    }

    fn at(&mut self, site: Site, value: Tensor<3>, _pass: &Pass) -> Tensor<3> {
        let mut total: Option<Tensor<3>> = None;
        for action in self.sites.get(&site).into_iter().flatten() {
            let delta = match self.selections.get(action.rule) {
                None | Some(Selection::Nothing) => continue,
                Some(Selection::All) => action.change.delta(&value, action.keep_norm),
                Some(Selection::Some(mask)) => {
                    action.change.delta(&value, action.keep_norm) * like(mask, &value)
                }
            };
            total = Some(match total {
                None => delta,
                Some(sum) => sum + delta,
            });
        }
        match total {
            None => value,
            Some(delta) => value + delta,
        }
    }

    fn end(&mut self, _pass: &Pass) {
        self.selections.clear();
    }
}
