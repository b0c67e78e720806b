//! A source without one tensor.

use crate::{LmError, TensorSource};

/// Hides a tensor that the configuration already accounts for, so that the model is not asked to know it.
#[derive(Debug)]
pub(super) struct Hiding<S> {
    source: S,
    name: &'static str,
}

impl<S: TensorSource> Hiding<S> {
    pub(super) fn new(source: S, name: &'static str) -> Self {
        Self { source, name }
    }
}

impl<S: TensorSource> TensorSource for Hiding<S> {
    fn names(&self) -> Vec<String> {
        let mut names = self.source.names();
        names.retain(|name| name != self.name);
        names
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        if name == self.name {
            None
        } else {
            self.source.shape(name)
        }
    }

    fn read(&self, name: &str) -> Result<Vec<f32>, LmError> {
        self.source.read(name)
    }

    fn sample(&self, name: &str) -> Result<Vec<u8>, LmError> {
        self.source.sample(name)
    }

    fn place(&self) -> String {
        self.source.place()
    }
}
