//! Keeps what flows through chosen sites.
//!
//! A [`Recorder`] is an intervention that changes nothing. It reads the tokens that a [`ReadAt`] rule selects and keeps them on
//! the host, on the device, or only as running [`Moments`]. Values are detached from any gradient graph.

use std::collections::BTreeMap;

use burn::tensor::{Int, Tensor, TensorData};

use crate::{HookError, Intervene, Moments, Pass, ReadAt, Site};

/// What a recorder does with what it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Every sample as `f32` on the host; moved there once per pass.
    Host,
    /// Every sample on the model's device.
    Device,
    /// Running mean only: memory does not grow with the number of samples.
    Mean,
    /// Running mean and covariance.
    MeanAndCovariance,
}

/// Where a sample came from. For means over several tokens, `position` is that of the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleOrigin {
    /// Number of the pass, from 0.
    pub pass: usize,
    /// Row in that pass.
    pub row: usize,
    /// Absolute position of the token.
    pub position: usize,
}

/// The samples of one site.
#[derive(Clone, Debug)]
pub struct Recording {
    width: usize,
    origins: Vec<SampleOrigin>,
    host: Vec<f32>,
    device: Vec<Tensor<2>>,
    moments: Option<Moments>,
}

impl Recording {
    /// Width of a sample.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Where each kept sample came from, in order; empty when only moments are kept.
    #[must_use]
    pub fn origins(&self) -> &[SampleOrigin] {
        &self.origins
    }

    /// The samples on the host, row-major `[n, width]`; empty unless kept there.
    #[must_use]
    pub fn host(&self) -> &[f32] {
        &self.host
    }

    /// The samples on the device, `[n, width]`; `None` unless kept there.
    #[must_use]
    pub fn device(&self) -> Option<Tensor<2>> {
        (!self.device.is_empty()).then(|| Tensor::cat(self.device.clone(), 0))
    }

    /// The running moments, if they are kept.
    #[must_use]
    pub fn moments(&self) -> Option<&Moments> {
        self.moments.as_ref()
    }
}

/// An intervention that keeps what flows through chosen sites, and changes nothing.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use firetender_hooks::{Intervene, Keep, Padding, Pass, ReadAt, Recorder, Site};
/// let mut recorder = Recorder::new([Site::ResidPost(1)], ReadAt::LastToken, Keep::Host);
/// let pass = Pass::whole(&[vec![3, 4]], Padding::Left, 0).unwrap();
/// recorder.begin(&pass);
/// let value = Tensor::<3>::from_floats([[[1.0, 2.0], [3.0, 4.0]]], &Device::flex());
/// let _ = recorder.at(Site::ResidPost(1), value, &pass);
/// recorder.end(&pass);
/// assert_eq!(recorder.finish().unwrap()[&Site::ResidPost(1)].host(), [3.0, 4.0]);
/// ```
#[derive(Debug)]
pub struct Recorder {
    sites: Vec<Site>,
    read: ReadAt,
    keep: Keep,
    passes: usize,
    cells: Option<Cells>,
    pending: Vec<(Site, Tensor<2>)>,
    recordings: BTreeMap<Site, Recording>,
    error: Option<HookError>,
}

/// What to read in the current pass, computed once for all sites.
#[derive(Debug)]
struct Cells {
    origins: Vec<SampleOrigin>,
    gather: Gather,
}

#[derive(Debug)]
enum Gather {
    /// One cell a sample: indices into the flattened `[batch · columns]`.
    Cells(Vec<i64>),
    /// Means: weights `[n, batch · columns]`.
    Weights(Vec<f32>),
}

impl Recorder {
    /// Reads at `sites` the tokens of `read`, and keeps them as `keep` says.
    #[must_use]
    pub fn new(sites: impl IntoIterator<Item = Site>, read: ReadAt, keep: Keep) -> Self {
        let mut sites: Vec<Site> = sites.into_iter().collect();
        sites.sort_unstable();
        sites.dedup();
        Self {
            sites,
            read,
            keep,
            passes: 0,
            cells: None,
            pending: vec![],
            recordings: BTreeMap::new(),
            error: None,
        }
    }

    /// The recordings, by site in a fixed order.
    ///
    /// # Errors
    /// [`HookError::ReadPosition`] when a row of some pass had no token at the read position, and
    /// [`HookError::NotRecorded`] when a site was never reached: a recorder that silently keeps nothing would be a trap.
    pub fn finish(self) -> Result<BTreeMap<Site, Recording>, HookError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        for site in &self.sites {
            if !self.recordings.contains_key(site) {
                return Err(HookError::NotRecorded {
                    site: site.to_string(),
                });
            }
        }
        Ok(self.recordings)
    }

    fn store(&mut self, site: Site, samples: Tensor<2>, origins: &[SampleOrigin]) {
        let width = samples.dims()[1];
        let keep = self.keep;
        let recording = self.recordings.entry(site).or_insert_with(|| Recording {
            width,
            origins: vec![],
            host: vec![],
            device: vec![],
            moments: matches!(keep, Keep::Mean | Keep::MeanAndCovariance)
                .then(|| Moments::new(width, keep == Keep::MeanAndCovariance)),
        });
        if let Some(moments) = &mut recording.moments {
            moments.add(samples);
            return;
        }
        recording.origins.extend_from_slice(origins);
        match keep {
            Keep::Device => recording.device.push(samples),
            _ => recording.host.extend(samples.into_data().iter::<f32>()),
        }
    }
}

impl Intervene for Recorder {
    fn begin(&mut self, pass: &Pass) {
        self.cells = None;
        match self.read.groups(pass) {
            Err(error) => self.error = self.error.take().or(Some(error)),
            Ok(groups) => {
                let index = |row: usize, column: usize| row * pass.columns() + column;
                let origins = groups
                    .iter()
                    .filter_map(|g| g.last())
                    .map(|t| SampleOrigin {
                        pass: self.passes,
                        row: t.row,
                        position: t.position,
                    })
                    .collect();
                let gather = if groups.iter().all(|g| g.len() == 1) {
                    Gather::Cells(
                        groups
                            .iter()
                            .flatten()
                            .map(|t| index(t.row, t.column) as i64)
                            .collect(),
                    )
                } else {
                    let cells = pass.batch() * pass.columns();
                    let mut weights = vec![0.0; groups.len() * cells];
                    for (sample, group) in groups.iter().enumerate() {
                        for t in group {
                            weights[sample * cells + index(t.row, t.column)] =
                                1.0 / group.len() as f32;
                        }
                    }
                    Gather::Weights(weights)
                };
                self.cells = Some(Cells { origins, gather });
            }
        }
    }

    fn wants(&self, site: Site) -> bool {
        self.sites.binary_search(&site).is_ok()
    }

    fn at(&mut self, site: Site, value: Tensor<3>, _pass: &Pass) -> Tensor<3> {
        let Some(cells) = &self.cells else {
            return value;
        };
        if cells.origins.is_empty() {
            return value;
        }
        let [batch, columns, width] = value.dims();
        let flat = value
            .clone()
            .without_autodiff()
            .reshape([batch * columns, width]);
        let device = flat.device();
        let samples = match &cells.gather {
            Gather::Cells(indices) => {
                let indices = Tensor::<1, Int>::from_data(
                    TensorData::new(indices.clone(), [indices.len()]),
                    &device,
                );
                flat.select(0, indices)
            }
            Gather::Weights(weights) => {
                let shape = [weights.len() / (batch * columns), batch * columns];
                Tensor::<2>::from_data(TensorData::new(weights.clone(), shape), &device)
                    .matmul(flat)
            }
        };
        self.pending.push((site, samples));
        value
    }

    fn end(&mut self, _pass: &Pass) {
        let origins = self
            .cells
            .take()
            .map(|cells| cells.origins)
            .unwrap_or_default();
        for (site, samples) in std::mem::take(&mut self.pending) {
            self.store(site, samples, &origins);
        }
        self.passes += 1;
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::Padding;

    fn run(read: ReadAt, keep: Keep) -> Result<BTreeMap<Site, Recording>, HookError> {
        let site = Site::MlpOut(2);
        let mut recorder = Recorder::new([site], read, keep);
        for start in [0.0, 100.0] {
            let pass = Pass::whole(&[vec![1, 2, 3], vec![4, 5]], Padding::Left, 0).unwrap();
            recorder.begin(&pass);
            let values: Vec<f32> = (0..12).map(|i| start + i as f32).collect();
            let value = Tensor::<3>::from_data(TensorData::new(values, [2, 3, 2]), &Device::flex());
            let same = recorder.at(site, value.clone(), &pass);
            assert_eq!(
                same.into_data(),
                value.into_data(),
                "a recorder changes nothing"
            );
            recorder.end(&pass);
        }
        recorder.finish()
    }

    #[test]
    fn samples_carry_their_origin() {
        let recordings = run(ReadAt::LastToken, Keep::Host).unwrap();
        let recording = &recordings[&Site::MlpOut(2)];
        assert_eq!(
            recording.host(),
            [4.0, 5.0, 10.0, 11.0, 104.0, 105.0, 110.0, 111.0]
        );
        assert_eq!(
            recording.origins()[1],
            SampleOrigin {
                pass: 0,
                row: 1,
                position: 1
            }
        );
        assert_eq!(
            recording.origins()[2],
            SampleOrigin {
                pass: 1,
                row: 0,
                position: 2
            }
        );
    }

    #[test]
    fn every_way_of_keeping_agrees() {
        let host = run(ReadAt::mean(), Keep::Host).unwrap();
        let host = &host[&Site::MlpOut(2)];
        assert_eq!(
            host.host(),
            [2.0, 3.0, 9.0, 10.0, 102.0, 103.0, 109.0, 110.0]
        );
        let device = run(ReadAt::mean(), Keep::Device).unwrap();
        let on_device = device[&Site::MlpOut(2)]
            .device()
            .unwrap()
            .into_data()
            .try_to_vec::<f32>()
            .unwrap();
        assert_eq!(on_device, host.host());
        let moments = run(ReadAt::mean(), Keep::MeanAndCovariance).unwrap();
        let moments = moments[&Site::MlpOut(2)].moments().unwrap();
        assert_eq!(moments.count(), 4);
        assert_eq!(moments.mean(), [55.5, 56.5]);
    }

    #[test]
    fn nothing_recorded_is_an_error() {
        let recorder = Recorder::new([Site::Embed], ReadAt::LastToken, Keep::Host);
        assert_eq!(
            recorder.finish().unwrap_err(),
            HookError::NotRecorded {
                site: "hook_embed".into()
            }
        );
        assert!(matches!(
            run(ReadAt::FromEnd(2), Keep::Host),
            Err(HookError::ReadPosition { row: 1, .. })
        ));
    }
}
