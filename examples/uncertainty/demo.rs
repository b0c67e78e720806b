//! Without data: a pool of networks, snapshots that resemble each other, and one network, drawn from a seed.

use firetender_report::{Report, Section};
use firetender_support::Failure;
use firetender_uncertainty::{
    CompareOptions, DeeOptions, Direction, Floor, Folds, Scores, SizeCurve, Targets,
    calibrated_curve, compare, dee, ensemble_curve,
};

use crate::{compare::page, compare::tables, figures, metrics::average, temperature::best};

#[derive(clap::Parser)]
pub(crate) struct Arguments {
    /// Seed of the set.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Where the page goes.
    #[arg(long, default_value = "target/uncertainty/index.html")]
    report: std::path::PathBuf,
}

const ROWS: usize = 1000;
const CLASSES: usize = 5;
const MEMBERS: usize = 12;
/// How sure every member is beyond what it should be.
const OVERCONFIDENT: f64 = 2.5;

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let set = Set::draw(arguments.seed);
    let targets = Targets::classes(&set.labels);
    let networks = set.scores(&set.networks)?;
    let snapshots = set.scores(&set.snapshots)?;

    let scores = average(&networks)?;
    let fit = best(&scores, &targets)?;
    println!(
        "A synthetic set: {ROWS} objects, {CLASSES} classes, {MEMBERS} networks that are too sure of themselves.\n\
         Their average is best at T = {:.3} ({}, {} passes).\n",
        fit.temperature,
        fit.status.name(),
        fit.iterations
    );

    let methods = [
        ("one network", networks[..1].to_vec()),
        ("12 snapshots", snapshots.clone()),
        ("5 networks", networks[..5].to_vec()),
        ("12 networks", networks.clone()),
    ];
    let found = compare(&methods, &targets, &CompareOptions::default())?;
    let [table, pairs] = tables(&found)?;
    println!("{}\n{}", table.to_markdown(), pairs.to_markdown());
    for note in &found.notes {
        println!("- {note}");
    }

    let folds = Folds::random(ROWS, 2, 5, arguments.seed)?;
    let sizes: Vec<usize> = (1..=MEMBERS).collect();
    let curve = |members: &[Scores<'_>]| -> Result<_, Failure> {
        let found = calibrated_curve(members, &targets, &folds, &[], Floor::None)?;
        let objects: Vec<Vec<f64>> = found.points.iter().map(|p| p.objects.clone()).collect();
        let curve = SizeCurve::from_objects(&sizes, &objects, Direction::HigherIsBetter)?;
        Ok((found, curve))
    };
    let (points, baseline) = curve(&networks)?;
    let (_, method) = curve(&snapshots)?;
    let equivalents = dee(&method, &baseline, &DeeOptions::default())?;
    println!("\nWhat k snapshots are worth in networks, with 95 % bands over test sets:");
    for point in &equivalents.points {
        println!(
            "{:>4} {:>7.2} [{:.2}, {:.2}] {}",
            point.size,
            point.dee,
            point.lower,
            point.upper,
            point.status.name()
        );
    }

    let plain = ensemble_curve(&networks, &targets, Floor::None)?;
    let section = Section::new("Networks")
        .figure(figures::size_curve(&plain, &points.points)?)
        .figure(figures::dee(&[("snapshots", &equivalents)])?)
        .figure(figures::reliability(&scores, &targets)?)
        .figure(figures::rejection(&scores, &targets)?)
        .table(table)
        .table(pairs);
    let report: Report = page(&found)?.section(section);
    report.write(&arguments.report)?;
    println!("\nFigures: {}", arguments.report.display());
    Ok(())
}

struct Set {
    labels: Vec<i64>,
    networks: Vec<Vec<f64>>,
    snapshots: Vec<Vec<f64>>,
}

impl Set {
    /// Labels are drawn from the truth; every network sees it through noise of its own, snapshots through noise that they share in part.
    fn draw(seed: u64) -> Self {
        let mut draw = Draw(seed);
        let truth: Vec<f64> = (0..ROWS * CLASSES).map(|_| 1.8 * draw.normal()).collect();
        let labels = truth.chunks(CLASSES).map(|row| draw.label(row)).collect();
        let shared: Vec<f64> = (0..truth.len()).map(|_| draw.normal()).collect();
        let mut member = |own: f64, common: f64| -> Vec<f64> {
            truth
                .iter()
                .zip(&shared)
                .map(|(z, s)| OVERCONFIDENT * (z + common * s + own * draw.normal()))
                .collect()
        };
        let networks = (0..MEMBERS).map(|_| member(1.2, 0.0)).collect();
        let snapshots = (0..MEMBERS).map(|_| member(1.0, 0.6)).collect();
        Self {
            labels,
            networks,
            snapshots,
        }
    }

    fn scores<'a>(&self, members: &'a [Vec<f64>]) -> Result<Vec<Scores<'a>>, Failure> {
        members
            .iter()
            .map(|member| Ok(Scores::logits(member, CLASSES)?))
            .collect()
    }
}

/// The generator of the tests' synthetic sets: 64 bits, linear congruential, Box and Muller's normals.
struct Draw(u64);

impl Draw {
    fn uniform(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 11) as f64 + 0.5) / 2f64.powi(53)
    }

    fn normal(&mut self) -> f64 {
        let (a, b) = (self.uniform(), self.uniform());
        (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }

    fn label(&mut self, row: &[f64]) -> i64 {
        let total = firetender_uncertainty::log_sum_exp(row);
        let drawn = self.uniform();
        let mut below = 0.0;
        let found = row.iter().position(|z| {
            below += (z - total).exp();
            below >= drawn
        });
        found.unwrap_or(CLASSES - 1) as i64
    }
}
