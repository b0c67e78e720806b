//! The chapter on test-time augmentation: a small network for signs, what recipes do to its images, and which of them a search keeps.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use firetender_report::{Align, Cell, Column, Section, Table};
use firetender_support::{Failure, signs};
use firetender_tta::{
    Address, Evaluation, Feed, FromLogits, GreedySearch, Mixture, Normalisation, Policy,
    PredictionKind, RgbImage, Tta, baselines, predict_entry, write_png,
};

/// Finds a policy on some signs, shows its recipes on others, and compares; writes the grid beside the report.
pub(crate) fn visit(out: &Path, quick: bool, device: &Device) -> Result<Section, Failure> {
    println!("== Test-time augmentation ==");
    let network = signs::network(device)?;
    let predictor = FromLogits::new(signs::CLASSES, move |images: Tensor<4>| {
        network.forward(images)
    });
    let (count, recipes) = if quick { (150, 10) } else { (400, 30) };
    let (images, labels) = signs::draw(signs::SEED, 1_000_000, count);
    let (others, truth) = signs::draw(signs::SEED, 2_000_000, count);
    let normalisation = Normalisation::none();
    let feed = Feed {
        normalisation: &normalisation,
        device,
        batch: 250,
    };
    let prior = Mixture::new(&[(recipes / 2, 2, 45.0), (recipes / 2, 2, 20.0)])
        .draw(&Policy::cifar(), 1)?;
    let mut pool = vec![];
    for entry in 0..prior.len() {
        pool.extend(predict_entry(
            &predictor,
            &prior,
            entry,
            &images,
            &feed,
            [1, 0],
        )?);
    }
    let shape = [prior.len(), count, signs::CLASSES];
    let candidates =
        firetender_tta::Candidates::new(PredictionKind::LogProbs, &pool, shape, &labels)?;
    let trace = GreedySearch::new(5).run(&candidates)?;
    let policy = trace.policy(&prior)?;

    let mut table = Table::new([
        Column::new("method", Align::Left),
        Column::new("samples", Align::Right),
        Column::new("accuracy %", Align::Right),
        Column::new("calibrated LL", Align::Right),
    ])?
    .caption(format!("{count} signs that the search did not see."));
    let like = Policy::cifar();
    for (name, policy, samples) in [
        ("the image itself", baselines::central(&like), 1),
        (
            "random crops and mirrors",
            baselines::crop_flip(&like, 5),
            5,
        ),
        ("random recipes", baselines::random_picks(&prior, 5, 3)?, 5),
        ("searched recipes", policy.clone(), 5),
    ] {
        let members = Tta::new(&policy)
            .with_seed(9)
            .members(&predictor, &others, samples, &feed)?;
        let rows = Evaluation::default().run(name, &members, &truth, signs::CLASSES, &[samples])?;
        table.push([
            Cell::Text(name.into()),
            Cell::Integer(samples as i64),
            Cell::fixed(100.0 * rows[0].accuracy, 1),
            Cell::fixed(rows[0].cll, 3),
        ])?;
    }
    println!("{}", table.to_markdown());

    let path = out.join("augmented.png");
    std::fs::create_dir_all(out)?;
    write_png(&path, &grid(&policy, &others[..8.min(others.len())])?)?;
    println!("Augmented images: {}\n", path.display());
    let picked = firetender_tta::reference::policy_texts(&policy)?.join("  ");
    Ok(Section::new("Test-time augmentation")
        .paragraph(
            "A network of 39,000 weights reads signs drawn from a seed. It predicts a validation set once under each of many random recipes \
             of image operations; greedy search picks those whose averaged predictions have the best calibrated log-likelihood.",
        )
        .paragraph(format!("Picked, as (operation, magnitude): {picked}"))
        .paragraph("The file augmented.png beside this page shows eight signs: as they are in the first row, then once under each picked recipe.")
        .table(table))
}

/// Images in columns; the first row as they are, then one row a recipe.
fn grid(policy: &Policy, images: &[RgbImage]) -> Result<RgbImage, Failure> {
    const GAP: usize = 2;
    let side = signs::SIDE;
    let step = side + GAP;
    let (columns, rows) = (images.len(), policy.len() + 1);
    let mut sheet = RgbImage::filled(columns * step + GAP, rows * step + GAP, [255; 3])?;
    let width = sheet.width();
    for row in 0..rows {
        for (column, image) in images.iter().enumerate() {
            let address = Address {
                seed: 9,
                entry: row as u64,
                image: column as u64,
                repeat: 0,
            };
            let shown = if row == 0 {
                image.clone()
            } else {
                policy.augment(&policy.entries[row - 1], image, address)?
            };
            for (y, line) in shown.pixels().chunks(3 * side).enumerate() {
                let at = 3 * ((row * step + GAP + y) * width + column * step + GAP);
                sheet.pixels_mut()[at..at + 3 * side].copy_from_slice(line);
            }
        }
    }
    Ok(sheet)
}
