//! Minibatches by number, as the learner asks for them.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use burn::{
    data::{
        dataloader::{DataLoader, DataLoaderIterator, Progress},
        dataset::DatasetError,
    },
    tensor::Device,
};

use crate::{Minibatch, Minibatches};

/// The minibatches of one epoch after another; those of a step go to the devices in turn.
pub(super) struct Numbered {
    batches: Arc<Minibatches>,
    /// Minibatches of an epoch, on all devices.
    per_epoch: usize,
    /// Of so many parts, this one.
    parts: usize,
    part: usize,
    epoch: AtomicU64,
}

impl Numbered {
    pub(super) fn new(batches: Arc<Minibatches>, per_epoch: usize, first_epoch: u64) -> Self {
        Self {
            batches,
            per_epoch,
            parts: 1,
            part: 0,
            epoch: AtomicU64::new(first_epoch),
        }
    }

    fn with_part(&self, parts: usize, part: usize) -> Self {
        Self {
            batches: self.batches.clone(),
            per_epoch: self.per_epoch,
            parts,
            part,
            epoch: AtomicU64::new(self.epoch.load(Ordering::SeqCst)),
        }
    }
}

impl DataLoader<Minibatch> for Numbered {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<Minibatch> + 'a> {
        let epoch = self.epoch.fetch_add(1, Ordering::SeqCst);
        Box::new(Iter {
            loader: self,
            start: epoch * self.per_epoch as u64,
            done: 0,
        })
    }

    fn num_items(&self) -> usize {
        self.per_epoch / self.parts
    }

    fn to_device(&self, _device: &Device) -> Arc<dyn DataLoader<Minibatch>> {
        // Minibatches are host data; the model's device decides.
        Arc::new(self.with_part(self.parts, self.part))
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<Minibatch>> {
        let size = (end - start).max(1);
        Arc::new(self.with_part(self.per_epoch / size, start / size))
    }
}

struct Iter<'a> {
    loader: &'a Numbered,
    start: u64,
    done: usize,
}

impl Iterator for Iter<'_> {
    type Item = Result<Minibatch, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done >= self.loader.num_items() {
            return None;
        }
        let at = self.done * self.loader.parts + self.loader.part;
        self.done += 1;
        let batch = self.loader.batches.get(self.start + at as u64);
        Some(batch.map_err(DatasetError::new))
    }
}

impl DataLoaderIterator<Minibatch> for Iter<'_> {
    fn progress(&self) -> Progress {
        Progress {
            items_processed: self.done,
            items_total: self.loader.num_items(),
            unit: Some("minibatches".into()),
        }
    }
}
