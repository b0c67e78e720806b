//! What a policy has to beat. Each constructor gives a [`Policy`], so that all are run and evaluated alike.

mod published;

pub use published::{AutoAugment, autoaugment, timm_randaugment, trivial_augment};

use crate::{
    Evaluation, Feed, Method, Mixture, Op, Policy, Predictor, RgbImage, Step, SubPolicy, Transform,
    Tta, TtaError,
};

/// All usual baselines for images whose shorter side is `side`: central crop, five and ten crops (of the image made an eighth larger), the random frame,
/// `RandAugment` as networks are trained with it (three operations, magnitudes up to 45), and `AutoAugment`'s 25 sub-policies (in their order; the table for
/// `ImageNet` where the crop is an operation of the list, else that for CIFAR-10). `sizes` are numbers of passes for those that are random.
///
/// # Errors
/// [`TtaError::Options`] for sizes that do not increase from at least one.
pub fn standard(like: &Policy, side: usize, sizes: &[usize]) -> Result<Vec<Method>, TtaError> {
    let most = match sizes.last() {
        Some(&most) if sizes[0] > 0 && sizes.is_sorted_by(|a, b| a < b) => most,
        _ => {
            let found = format!("{sizes:?}");
            return Err(TtaError::option(
                "sizes",
                found,
                "numbers from 1 that increase",
            ));
        }
    };
    let short = Some(side + side / 8);
    let table = if like.space.range(Op::RandomResizedCrop).is_ok() {
        AutoAugment::ImageNet
    } else {
        AutoAugment::Cifar10
    };
    Ok(vec![
        Method::new("central crop", central(like), &[1]),
        Method::new("five crop", five_crop(like, short, side), &[5]),
        Method::new("ten crop", ten_crop(like, short, side), &[10]),
        Method::new("random frame", crop_flip(like, most), sizes),
        Method::new(
            "RandAugment M=45",
            randaugment(like, most, 3, 45.0, 1)?,
            sizes,
        ),
        Method::new("AutoAugment", autoaugment(like, table), sizes),
    ])
}

/// The magnitude that does best on validation images: the reference's `M*`, from 0, 5, …, 55 there. Each magnitude is measured with `samples` passes by calibrated
/// log-likelihood on the images themselves; of equals the smallest wins. Gives the magnitude, and the score of each in order.
///
/// # Errors
/// [`TtaError::Empty`] without magnitudes; as [`randaugment`], [`Tta::members`] and [`Evaluation::run`].
pub fn tuned_magnitude(
    like: &Policy,
    [samples, ops]: [usize; 2],
    magnitudes: &[f64],
    predictor: &dyn Predictor,
    (images, labels): (&[RgbImage], &[i64]),
    feed: &Feed<'_>,
    seed: u64,
) -> Result<(f64, Vec<f64>), TtaError> {
    let mut scores = vec![];
    let mut best: Option<(f64, f64)> = None;
    let evaluation = Evaluation {
        repeats: 1,
        resamples: 100,
        seed,
        ..Evaluation::default()
    };
    for &magnitude in magnitudes {
        let policy = randaugment(like, samples, ops, magnitude, seed)?;
        let tta = Tta::new(&policy).with_seed(seed);
        let members = tta.members(predictor, images, samples, feed)?;
        let rows = evaluation.run("M", &members, labels, predictor.classes(), &[samples])?;
        let score = rows.first().map_or(f64::NEG_INFINITY, |row| row.cll);
        scores.push(score);
        if best.is_none_or(|(_, top)| score > top) {
            best = Some((magnitude, score));
        }
    }
    match best {
        Some((magnitude, _)) => Ok((magnitude, scores)),
        None => Err(TtaError::Empty { what: "magnitudes" }),
    }
}

/// The central crop: one sample, nothing random.
#[must_use]
pub fn central(like: &Policy) -> Policy {
    like.clone().with_entries(vec![SubPolicy::central()])
}

/// The random frame alone (on CIFAR crop and mirror), `samples` times.
#[must_use]
pub fn crop_flip(like: &Policy, samples: usize) -> Policy {
    like.clone()
        .with_entries(vec![SubPolicy::new(vec![]); samples])
}

/// Four corners and the centre, of squares of `size` pixels, after resizing the shorter side to `short` where that is given.
#[must_use]
pub fn five_crop(like: &Policy, short: Option<usize>, size: usize) -> Policy {
    let entries = (0..5).map(|corner| crop(short, corner, size, false));
    like.clone().with_entries(entries.collect())
}

/// [`five_crop`], and the same of the mirrored image.
#[must_use]
pub fn ten_crop(like: &Policy, short: Option<usize>, size: usize) -> Policy {
    let entries = [false, true]
        .into_iter()
        .flat_map(|mirror| (0..5).map(move |corner| crop(short, corner, size, mirror)));
    like.clone().with_entries(entries.collect())
}

fn crop(short: Option<usize>, corner: u8, size: usize, mirror: bool) -> SubPolicy {
    let resize = short.map(|short| Transform::ResizeShort { short });
    let mirror = mirror.then_some(Transform::Mirror);
    let corner = Transform::CornerCrop { corner, size };
    SubPolicy::fixed(resize.into_iter().chain(mirror).chain([corner]).collect())
}

/// The eight symmetries of a square.
#[must_use]
pub fn dihedral(like: &Policy) -> Policy {
    let entries = (0..8).map(|index| SubPolicy::fixed(vec![Transform::Dihedral { index }]));
    like.clone().with_entries(entries.collect())
}

/// Random recipes of `ops` operations with magnitudes up to `magnitude`, as many as samples: `RandAugment` at test time.
///
/// # Errors
/// As [`Mixture::draw`].
pub fn randaugment(
    like: &Policy,
    samples: usize,
    ops: usize,
    magnitude: f64,
    seed: u64,
) -> Result<Policy, TtaError> {
    let mut prior = Mixture::new(&[(samples, ops, magnitude)]);
    prior.central = false;
    prior.draw(like, seed)
}

/// The first recipes of a pool in a random order: what a search has to beat to be worth it.
///
/// # Errors
/// [`TtaError::Empty`] for an empty pool.
pub fn random_picks(pool: &Policy, samples: usize, seed: u64) -> Result<Policy, TtaError> {
    if pool.is_empty() {
        return Err(TtaError::Empty { what: "recipes" });
    }
    let mut draw = crate::Draw::at(crate::Address {
        seed,
        image: u64::MAX - 1,
        ..crate::Address::default()
    });
    let last = pool.len() as u64 - 1;
    let picks: Vec<usize> = (0..samples).map(|_| draw.up_to(last) as usize).collect();
    pool.select(&picks)
}

/// Each operation of the space alone at one magnitude, after an unchanged image: a fixed list in the manner of learned policies of two steps.
#[must_use]
pub fn each_operation(like: &Policy, magnitude: f64) -> Policy {
    let entries = like
        .space
        .ops
        .iter()
        .filter(|range| range.op != Op::RandomResizedCrop)
        .map(|range| SubPolicy::new(vec![Step(range.op, magnitude)]));
    like.clone().with_entries(entries.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Address, RgbImage};

    #[test]
    fn ten_crops_are_five_and_their_mirror_images() {
        let image = RgbImage::new(9, 8, (0..216).collect()).unwrap();
        let policy = ten_crop(&Policy::cifar(), None, 5);
        let at = |k: usize| {
            policy
                .augment(&policy.entries[k], &image, Address::default())
                .unwrap()
        };
        assert_eq!(policy.len(), 10);
        assert_eq!(at(0).pixel(0, 0), image.pixel(0, 0));
        assert_eq!(at(3).pixel(4, 4), image.pixel(8, 7));
        assert_eq!(at(5).pixel(0, 0), image.pixel(8, 0));
        assert_eq!(at(4).pixel(0, 0), image.pixel(2, 2));
    }

    #[test]
    fn every_baseline_runs() {
        let image = RgbImage::filled(32, 32, [5, 6, 7]).unwrap();
        let like = Policy::cifar();
        for policy in [
            central(&like),
            crop_flip(&like, 3),
            five_crop(&like, Some(36), 32),
            dihedral(&like),
            randaugment(&like, 4, 3, 45.0, 1).unwrap(),
            random_picks(&crop_flip(&like, 9), 4, 1).unwrap(),
            each_operation(&like, 20.0),
        ] {
            for entry in &policy.entries {
                let found = policy.augment(entry, &image, Address::default()).unwrap();
                assert_eq!((found.width(), found.height()), (32, 32));
            }
        }
    }
}
