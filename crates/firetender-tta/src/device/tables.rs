//! Operations that replace each level by another: one look-up in a table of each image and channel.

use burn::tensor::{IndexingUpdateOp, Tensor, TensorData};

use super::{blend::luma, read};
use crate::{
    Compat, ResolvedOp, RgbImage, TtaError,
    ops::{
        enhance::contrast_table,
        levels::{Table, auto_contrast_table, equalize_table},
    },
};

/// Tables that do not depend on the image: what the exact operation makes of a ramp.
pub(super) fn fixed(
    ops: &[&ResolvedOp],
    images: Tensor<4>,
    compat: &Compat,
) -> Result<Tensor<4>, TtaError> {
    let bytes: Vec<u8> = (0..=255).collect();
    let ramp = RgbImage::from_grey(256, 1, &bytes)?;
    let tables = ops
        .iter()
        .map(|op| {
            let changed = op.apply(&ramp, compat)?;
            let table = std::array::from_fn(|x| changed.pixel(x, 0)[0]);
            Ok([table; 3])
        })
        .collect::<Result<Vec<_>, TtaError>>()?;
    Ok(look_up(&tables, images))
}

/// Tables that depend on how often each level occurs, in each channel and in the luma. The counts come to the host, and are exact.
pub(super) fn counted(
    ops: &[&ResolvedOp],
    images: Tensor<4>,
    compat: &Compat,
) -> Result<Tensor<4>, TtaError> {
    let [count, _, height, width] = images.dims();
    let planes = Tensor::cat(vec![images.clone(), luma(images.clone(), compat)], 1);
    let places = planes.reshape([count, 4, height * width]).int();
    let device = images.device();
    let counts = Tensor::<3>::zeros([count, 4, 256], &device).scatter(
        2,
        places,
        Tensor::ones([count, 4, height * width], &device),
        IndexingUpdateOp::Add,
    );
    let counts = read(counts, "counts of levels")?;
    let (rows, _) = counts.as_chunks::<256>();
    let (sets, _) = rows.as_chunks::<4>();
    let tables = ops.iter().zip(sets).map(|(op, [r, g, b, grey])| {
        let whole = |row: &[f32; 256]| row.map(|count| count as u64);
        match **op {
            ResolvedOp::AutoContrast { cutoff } => {
                [r, g, b].map(|row| auto_contrast_table(&whole(row), cutoff))
            }
            ResolvedOp::Contrast { factor } => {
                let sum = (0..)
                    .zip(whole(grey))
                    .map(|(level, count): (u64, u64)| level * count);
                [contrast_table(sum.sum(), height * width, factor); 3]
            }
            _ => [r, g, b].map(|row| equalize_table(&whole(row))),
        }
    });
    let tables: Vec<[Table; 3]> = tables.collect();
    Ok(look_up(&tables, images))
}

fn look_up(tables: &[[Table; 3]], images: Tensor<4>) -> Tensor<4> {
    let [count, channels, height, width] = images.dims();
    let values: Vec<f32> = tables
        .iter()
        .flat_map(|set| set.as_flattened())
        .map(|x| f32::from(*x))
        .collect();
    let data = TensorData::new(values, [count, channels, 256]);
    let tables = Tensor::<3>::from_data(data, &images.device());
    let places = images.reshape([count, channels, height * width]).int();
    tables
        .gather(2, places)
        .reshape([count, channels, height, width])
}
