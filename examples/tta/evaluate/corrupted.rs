//! The same comparison on corrupted images.

use firetender_report::{Align, Cell, Column, Table};
use firetender_support::Failure;
use firetender_tta::{Address, Corruption, Method, Row};
use firetender_uncertainty::Bootstrap;
use serde_json::{Value, json};

use super::study::Study;
use crate::data::Set;

/// A method at one number of passes, summed over corruptions.
struct Sum {
    method: String,
    samples: usize,
    error: f64,
    /// Per image, over corruptions.
    objects: Vec<f64>,
    wrong: Vec<f64>,
}

impl Study<'_> {
    /// Means over the benchmark's corruptions at severities 1, 3 and 5, for the first network and the ensemble, with intervals over images.
    pub(super) fn corrupted(&self, methods: &[Method]) -> Result<(Table, Value), Failure> {
        let count = self.arguments.corrupt_images.unwrap_or(usize::MAX);
        let count = count.min(self.data.test.images.len());
        let mut all: [Vec<Sum>; 2] = [vec![], vec![]];
        let mut each = vec![];
        let mut made = 0.0;
        for &kind in Corruption::benchmark() {
            for severity in [1, 3, 5] {
                let set = self.damaged(kind, severity, count)?;
                let compared = self.compare(methods, &set)?;
                made += 1.0;
                for (who, sums, rows) in [
                    ("one network", 0, &compared.each[0]),
                    ("ensemble", 1, &compared.ensemble),
                ] {
                    for row in rows {
                        let error = 1.0 - row.accuracy;
                        each.push(json!({
                            "networks": who, "corruption": kind.name(), "severity": severity, "method": row.method,
                            "samples": row.samples, "error": error, "cll": row.cll,
                        }));
                        add(&mut all[sums], row);
                    }
                }
            }
        }
        let column = |name: &str| Column::new(name, Align::Right);
        let mut table = Table::new([
            Column::new("networks", Align::Left),
            Column::new("method", Align::Left),
            column("samples"),
            column("mean error %"),
            column("± %"),
            column("mean cLL"),
            column("±"),
            column("error less than frame's, points"),
        ])?
        .caption("Corrupted images: means over thirteen kinds and severities 1, 3 and 5.");
        let bootstrap = Bootstrap::new(1000, 0.95, self.arguments.seed)?;
        let mut means = vec![];
        for (who, sums) in ["one network", "ensemble"].into_iter().zip(&all) {
            for sum in sums {
                let mean =
                    |values: &[f64]| -> Vec<f64> { values.iter().map(|x| x / made).collect() };
                let (wrong, objects) = (mean(&sum.wrong), mean(&sum.objects));
                let (error, cll) = (bootstrap.mean(&wrong)?, bootstrap.mean(&objects)?);
                let frame = sums
                    .iter()
                    .find(|s| s.method == "random frame" && s.samples == sum.samples);
                let gain = match frame.filter(|_| sum.method.starts_with("GPS")) {
                    Some(frame) => Some(bootstrap.paired_mean(&mean(&frame.wrong), &wrong)?),
                    None => None,
                };
                means.push(json!({
                    "networks": who, "method": sum.method, "samples": sum.samples,
                    "error": sum.error / made, "error_interval": [error.low, error.high],
                    "cll": cll.value, "cll_interval": [cll.low, cll.high],
                    "error_below_frame": gain.map(|g| [g.value, g.low, g.high]),
                }));
                table.push([
                    Cell::Text(who.into()),
                    Cell::Text(sum.method.clone()),
                    Cell::Integer(sum.samples as i64),
                    Cell::fixed(100.0 * sum.error / made, 2),
                    Cell::fixed(50.0 * (error.high - error.low), 2),
                    Cell::fixed(cll.value, 4),
                    Cell::fixed((cll.high - cll.low) / 2.0, 4),
                    gain.map_or(Cell::Missing, |g| {
                        let [value, low, high] = [g.value, g.low, g.high].map(|x| 100.0 * x);
                        Cell::Text(format!("{value:.2} [{low:.2}, {high:.2}]"))
                    }),
                ])?;
            }
        }
        Ok((table, json!({"means": means, "each": each})))
    }

    fn damaged(&self, kind: Corruption, severity: usize, count: usize) -> Result<Set, Failure> {
        let damaged = |(at, image)| {
            let address = Address {
                seed: self.arguments.seed,
                entry: 99,
                image: at as u64,
                repeat: severity as u64,
            };
            kind.apply(image, severity, address)
        };
        let test = &self.data.test;
        Ok(Set {
            images: test.images[..count]
                .iter()
                .enumerate()
                .map(damaged)
                .collect::<Result<_, _>>()?,
            labels: test.labels[..count].to_vec(),
        })
    }
}

fn add(sums: &mut Vec<Sum>, row: &Row) {
    let same = |s: &Sum| s.method == row.method && s.samples == row.samples;
    let at = sums.iter().position(same).unwrap_or_else(|| {
        sums.push(Sum {
            method: row.method.clone(),
            samples: row.samples,
            error: 0.0,
            objects: vec![0.0; row.objects.len()],
            wrong: vec![0.0; row.right.len()],
        });
        sums.len() - 1
    });
    let sum = &mut sums[at];
    sum.error += 1.0 - row.accuracy;
    for (sum, x) in sum.objects.iter_mut().zip(&row.objects) {
        *sum += x;
    }
    for (sum, right) in sum.wrong.iter_mut().zip(&row.right) {
        *sum += 1.0 - right;
    }
}
