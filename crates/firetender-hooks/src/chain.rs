//! Several interventions one after the other.

use burn::tensor::Tensor;

use crate::{Intervene, Pass, Site};

/// Calls interventions in the order in which they were added; each sees what the one before it returned.
///
/// ```
/// use firetender_hooks::{Chain, Intervene, Recorder, ReadAt, Keep, Site, Untouched};
/// let mut recorder = Recorder::new([Site::ResidPost(0)], ReadAt::LastToken, Keep::Host);
/// let mut untouched = Untouched;
/// let chain = Chain::new().then(&mut untouched).then(&mut recorder);
/// assert!(chain.wants(Site::ResidPost(0)));
/// ```
#[derive(Default)]
pub struct Chain<'a> {
    links: Vec<&'a mut dyn Intervene>,
}

impl std::fmt::Debug for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Chain of {}", self.links.len())
    }
}

impl<'a> Chain<'a> {
    /// A chain that changes nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an intervention at the end.
    #[must_use]
    pub fn then(mut self, next: &'a mut dyn Intervene) -> Self {
        self.links.push(next);
        self
    }
}

impl Intervene for Chain<'_> {
    fn begin(&mut self, pass: &Pass) {
        for link in &mut self.links {
            link.begin(pass);
        }
    }

    fn wants(&self, site: Site) -> bool {
        self.links.iter().any(|link| link.wants(site))
    }

    fn at(&mut self, site: Site, value: Tensor<3>, pass: &Pass) -> Tensor<3> {
        self.links.iter_mut().fold(value, |value, link| {
            crate::visit(&mut **link, site, value, pass)
        })
    }

    fn end(&mut self, pass: &Pass) {
        for link in &mut self.links {
            link.end(pass);
        }
    }
}
