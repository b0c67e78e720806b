//! The image operations on the caller's device.
//!
//! The same [`ResolvedOp`]s, for a batch `[n, 3, height, width]` of levels from 0 to 255 that is on a device already: each image has operations of
//! its own, and images with operations of one kind go through one tensor program. Use it where images come from a device and go on to a network
//! there; use [`crate::apply_all`] where every byte has to be Pillow's.
//!
//! | kind | operations | against the exact path |
//! |---|---|---|
//! | table | `Solarize`, `SolarizeAdd`, `Posterize`, `AddToDark`, `Invert`, `Brightness`, `Contrast`, `AutoContrast`, `Equalize` | equal: one table of 256 levels, made on the host from counts |
//! | window | translations, crops, mirrors, symmetries, right angles | equal: indices |
//! | cutout | `Cutout` | equal |
//! | resample | `Resize`, `ResizedCrop` | equal up to a factor of 56: products of integers that `f32` holds exactly |
//! | blend | `Color`, `Sharpness` | equal where a device does not fuse multiplication and addition; else within a level |
//! | sample | `ShearX`, `ShearY`, `Rotate` | within a level, for fewer than one byte in a thousand of larger images: `f32` where the exact path has `f64` |
//! | host | the caller's own | equal: those images go to the host and back |
//!
//! Of the others only counts of levels come back to the host (for `Contrast`, `AutoContrast` and `Equalize`).

mod blend;
mod resample;
mod sample;
mod tables;
mod window;

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};

use crate::{
    Address, Compat, Normalisation, Policy, Predictor, ResolvedOp, RgbImage, SubPolicy, TtaError,
    ops::resize::vertical_first,
};

/// Which tensor program an operation needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Same,
    Table,
    /// A table that depends on the image.
    Counted,
    Color,
    Sharpness,
    Cutout,
    Window {
        transposed: bool,
    },
    Sample,
    Resample {
        vertical_first: bool,
    },
    /// One of the caller's own: on the host, there and back.
    Host,
}

impl Kind {
    fn of(op: &ResolvedOp, [width, height]: [usize; 2], compat: &Compat) -> Self {
        match *op {
            ResolvedOp::Identity => Self::Same,
            ResolvedOp::User(_) => Self::Host,
            ResolvedOp::Solarize { .. }
            | ResolvedOp::SolarizeAdd { .. }
            | ResolvedOp::Posterize { .. }
            | ResolvedOp::Brightness { .. }
            | ResolvedOp::AddToDark { .. }
            | ResolvedOp::Invert => Self::Table,
            ResolvedOp::Contrast { .. }
            | ResolvedOp::AutoContrast { .. }
            | ResolvedOp::Equalize => Self::Counted,
            ResolvedOp::Color { .. } => Self::Color,
            ResolvedOp::Sharpness { .. } if width < 3 || height < 3 => Self::Same,
            ResolvedOp::Sharpness { .. } => Self::Sharpness,
            ResolvedOp::Cutout { side, .. } if side <= 0.0 => Self::Same,
            ResolvedOp::Cutout { .. } => Self::Cutout,
            ResolvedOp::TranslateX { .. }
            | ResolvedOp::TranslateY { .. }
            | ResolvedOp::Crop { .. }
            | ResolvedOp::Mirror => Self::Window { transposed: false },
            ResolvedOp::Dihedral { index } => Self::Window {
                transposed: index % 2 == 1,
            },
            ResolvedOp::Rotate { degrees } => match window::right_angle(degrees, width == height) {
                Some(turns) => Self::Window {
                    transposed: turns % 2 == 1,
                },
                None => Self::Sample,
            },
            ResolvedOp::ShearX { .. } | ResolvedOp::ShearY { .. } => Self::Sample,
            ResolvedOp::Resize { .. } | ResolvedOp::ResizedCrop { .. } => {
                let (from, to) = resample::sizes(op, [width, height]);
                Self::Resample {
                    vertical_first: vertical_first(from, to, compat.resize_order),
                }
            }
        }
    }

    fn apply(
        self,
        ops: &[&ResolvedOp],
        images: Tensor<4>,
        compat: &Compat,
    ) -> Result<Tensor<4>, TtaError> {
        match self {
            Self::Same => Ok(images),
            Self::Table => tables::fixed(ops, images, compat),
            Self::Counted => tables::counted(ops, images, compat),
            Self::Color => Ok(blend::colour(ops, images, compat)),
            Self::Sharpness => Ok(blend::sharpness(ops, images)),
            Self::Cutout => Ok(window::cutout(ops, images)),
            Self::Window { transposed: true } => {
                window::gather(ops, images.swap_dims(2, 3), compat)
            }
            Self::Window { transposed: false } => window::gather(ops, images, compat),
            Self::Sample => Ok(sample::sample(ops, images, compat)),
            Self::Resample { vertical_first } => resample::resize(ops, images, vertical_first),
            Self::Host => {
                let device = images.device();
                let changed = from_levels(images)?
                    .iter()
                    .zip(ops)
                    .map(|(image, op)| op.apply(image, compat))
                    .collect::<Result<Vec<_>, _>>()?;
                to_levels(&changed, &device)
            }
        }
    }
}

/// What each operation is to each image: `ops[i]` to image i, in turn, on levels `[n, 3, height, width]` from 0 to 255 ([`to_levels`]). All images
/// have to be of one size again after every step.
///
/// ```
/// use burn::tensor::Device;
/// use firetender_tta::{Compat, ResolvedOp, RgbImage, apply_batch, from_levels, to_levels};
/// let images = [RgbImage::filled(4, 4, [10, 200, 30])?, RgbImage::filled(4, 4, [1, 2, 3])?];
/// let levels = to_levels(&images, &Device::flex())?;
/// let ops = [vec![ResolvedOp::Invert], vec![ResolvedOp::Rotate { degrees: 20.0 }, ResolvedOp::Mirror]];
/// let changed = from_levels(apply_batch(&ops, levels, &Compat::pillow_13())?)?;
/// assert_eq!(changed[0].pixel(0, 0), [245, 55, 225]);
/// assert_eq!(changed[1], images[1]);
/// # Ok::<(), firetender_tta::TtaError>(())
/// ```
///
/// # Errors
/// As [`ResolvedOp::apply`]; [`TtaError::Length`] for another number of lists than images; [`TtaError::Mismatch`] for images that are
/// of different sizes after a step, or without three channels; [`TtaError::Tensor`] when the
/// device fails.
pub fn apply_batch(
    ops: &[Vec<ResolvedOp>],
    images: Tensor<4>,
    compat: &Compat,
) -> Result<Tensor<4>, TtaError> {
    let [count, channels, ..] = images.dims();
    if ops.len() != count {
        return Err(TtaError::Length {
            what: "lists of operations",
            found: ops.len(),
            expected: count,
        });
    }
    if channels != 3 {
        return Err(TtaError::Mismatch {
            place: "images on a device".into(),
            field: "channels",
            found: channels.to_string(),
            expected: "3".into(),
        });
    }
    let steps = ops.iter().map(Vec::len).max().unwrap_or(0);
    (0..steps).try_fold(images, |images, step| {
        let now = ops
            .iter()
            .map(|list| list.get(step).unwrap_or(&ResolvedOp::Identity));
        one_step(&now.collect::<Vec<_>>(), images, compat)
    })
}

/// One operation an image.
fn one_step(
    ops: &[&ResolvedOp],
    images: Tensor<4>,
    compat: &Compat,
) -> Result<Tensor<4>, TtaError> {
    let [count, _, height, width] = images.dims();
    let mut groups: BTreeMap<Kind, Vec<usize>> = BTreeMap::new();
    for (at, op) in ops.iter().enumerate() {
        op.check([width, height], compat)?;
        let kind = Kind::of(op, [width, height], compat);
        groups.entry(kind).or_default().push(at);
    }
    if let (1, Some((kind, _))) = (groups.len(), groups.first_key_value()) {
        return kind.apply(ops, images, compat);
    }
    let device = images.device();
    let (mut parts, mut order): (Vec<Tensor<4>>, Vec<usize>) = (vec![], vec![]);
    for (kind, members) in groups {
        let list: Vec<&ResolvedOp> = members.iter().map(|at| ops[*at]).collect();
        let part = images.clone().select(0, places(&members, &device));
        let part = kind.apply(&list, part, compat)?;
        if let Some(first) = parts.first()
            && first.dims()[2..] != part.dims()[2..]
        {
            let size = |t: &Tensor<4>| format!("{} × {}", t.dims()[3], t.dims()[2]);
            return Err(TtaError::Mismatch {
                place: format!("image {} of a batch", members[0]),
                field: "size after a step",
                found: size(&part),
                expected: format!("{}, as others", size(first)),
            });
        }
        parts.push(part);
        order.extend(members);
    }
    // Where each image went.
    let mut back = vec![0; count];
    for (place, image) in order.into_iter().enumerate() {
        back[image] = place;
    }
    Ok(Tensor::cat(parts, 0).select(0, places(&back, &device)))
}

fn places(list: &[usize], device: &Device) -> Tensor<1, burn::tensor::Int> {
    let list: Vec<i32> = list.iter().map(|at| *at as i32).collect();
    Tensor::from_ints(list.as_slice(), device)
}

/// One number an image, to be spread over it.
fn each(values: impl Iterator<Item = f32>, device: &Device) -> Tensor<4> {
    let values: Vec<f32> = values.collect();
    let shape = [values.len(), 1, 1, 1];
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Clipped and truncated.
fn level<const D: usize>(values: Tensor<D>) -> Tensor<D> {
    values.clamp(0.0, 255.0).floor()
}

/// Images of one size as levels `[n, 3, height, width]` from 0 to 255 on a device.
///
/// # Errors
/// As [`crate::batch`].
pub fn to_levels(images: &[RgbImage], device: &Device) -> Result<Tensor<4>, TtaError> {
    let table = std::array::from_fn(|x| x as f32);
    crate::image::planes(images, &[table; 3], device)
}

/// [`to_levels`] the other way.
///
/// # Errors
/// [`TtaError::Mismatch`] for another number of channels than three, [`TtaError::Tensor`] when the device fails, [`TtaError::ImageSize`].
pub fn from_levels(levels: Tensor<4>) -> Result<Vec<RgbImage>, TtaError> {
    let [_, channels, height, width] = levels.dims();
    if channels != 3 {
        return Err(TtaError::Mismatch {
            place: "images on a device".into(),
            field: "channels",
            found: channels.to_string(),
            expected: "3".into(),
        });
    }
    let values = read(levels.permute([0, 2, 3, 1]), "levels")?;
    let bytes = values.chunks(3 * height.max(1) * width.max(1));
    bytes
        .map(|image| RgbImage::new(width, height, image.iter().map(|x| *x as u8).collect()))
        .collect()
}

fn read<const D: usize>(tensor: Tensor<D>, what: &'static str) -> Result<Vec<f32>, TtaError> {
    tensor
        .try_into_vec_as::<f32>()
        .map_err(|error| TtaError::Tensor {
            what,
            reason: error.to_string(),
        })
}

impl Normalisation {
    /// Levels `[n, 3, height, width]` as a network's numbers `[n, channels, height, width]`, on their device: [`crate::batch`] for images that are
    /// there already.
    ///
    /// # Errors
    /// [`TtaError::Options`] for a normalisation that is none.
    pub fn of_levels(&self, levels: Tensor<4>) -> Result<Tensor<4>, TtaError> {
        self.check()?;
        let device = levels.device();
        let channels = self.mean.len();
        let row = |list: &[f32]| {
            let data = TensorData::new(list.to_vec(), [1, channels, 1, 1]);
            Tensor::<4>::from_data(data, &device)
        };
        let levels = levels.narrow(1, 0, channels);
        Ok((levels / 255.0 - row(&self.mean)) / row(&self.std))
    }
}

impl Policy {
    /// [`Policy::augment`] for a batch of levels on a device, each image drawn at an address of its own.
    ///
    /// # Errors
    /// As [`Policy::resolve`] and [`apply_batch`].
    pub fn augment_batch(
        &self,
        recipe: &SubPolicy,
        images: Tensor<4>,
        addresses: &[Address],
    ) -> Result<Tensor<4>, TtaError> {
        let [_, _, height, width] = images.dims();
        let ops = addresses
            .iter()
            .map(|address| self.resolve(recipe, [width, height], *address))
            .collect::<Result<Vec<_>, _>>()?;
        apply_batch(&ops, images, &self.compat)
    }
}

/// [`crate::predict_entry`] for images that are on a device as levels `[N, 3, height, width]` ([`to_levels`]) and are augmented there: the same draws,
/// `batch` images at a time.
///
/// # Errors
/// As [`Policy::augment_batch`] and [`Predictor::log_probs`]; [`TtaError::Options`] for an entry that is not there.
pub fn predict_entry_on_device(
    predictor: &dyn Predictor,
    policy: &Policy,
    entry: usize,
    images: &Tensor<4>,
    normalisation: &Normalisation,
    batch: usize,
    [seed, repeat]: [u64; 2],
) -> Result<Tensor<2>, TtaError> {
    let recipe = policy
        .entries
        .get(entry)
        .ok_or_else(|| TtaError::option("entry", entry, format!("below {}", policy.len())))?;
    let count = images.dims()[0];
    let batch = batch.max(1);
    let mut tables = vec![];
    for first in (0..count).step_by(batch) {
        let length = batch.min(count - first);
        let addresses: Vec<Address> = (first..first + length)
            .map(|image| Address {
                seed,
                entry: entry as u64,
                image: image as u64,
                repeat,
            })
            .collect();
        let part = images.clone().narrow(0, first, length);
        let changed = policy.augment_batch(recipe, part, &addresses)?;
        tables.push(predictor.log_probs(normalisation.of_levels(changed)?)?);
    }
    if tables.is_empty() {
        return Err(TtaError::Empty { what: "images" });
    }
    Ok(Tensor::cat(tables, 0))
}

#[cfg(test)]
mod tests;
