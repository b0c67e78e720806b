//! `tta evaluate`: finds a policy on validation images and compares it with the usual baselines on others.

use std::path::PathBuf;

use burn::tensor::Device;
use clap::Args;
use firetender_report::{Align, Cell, Column, Table};
use firetender_support::{Bars, Failure, device, fail};
use firetender_tta::{
    Corruption, Evaluation, Feed, GreedySearch, Members, Mixture, Policy, PoolBuilder, PoolFloat,
    Predictor, Row, Tta, baselines, cross_validate,
};
use serde_json::{Value, json};

use crate::data::{Data, Set};

#[derive(Args)]
pub(crate) struct Arguments {
    /// A folder with Fashion-MNIST's IDX files, or with one folder of PNG files a class. Without it, signs drawn from a seed.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Weights of the networks; those that come with the repository without it.
    #[arg(long, num_args = 1..)]
    networks: Vec<PathBuf>,
    /// Images that the policy is found on.
    #[arg(long, default_value_t = 1000)]
    validation: usize,
    /// Images that everything is measured on.
    #[arg(long, default_value_t = 1500)]
    test: usize,
    /// Random recipes in the pool, besides the central crop.
    #[arg(long, default_value_t = 60)]
    pool: usize,
    /// Operations in a recipe.
    #[arg(long, default_value_t = 2)]
    ops: usize,
    /// Passes of the network, such as 1,5,10,20.
    #[arg(long, value_delimiter = ',', default_value = "1,5,10,20")]
    samples: Vec<usize>,
    /// A policy to be measured instead of one that is searched.
    #[arg(long)]
    policy: Option<PathBuf>,
    /// Also on corrupted images.
    #[arg(long)]
    corrupt: bool,
    /// Of recipes, draws and divisions.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where the pool and the policy go.
    #[arg(long, default_value = "target/tta")]
    out: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Where to run: cpu, wgpu, cuda, … as compiled in.
    #[arg(long)]
    device: Option<String>,
}

impl Default for Arguments {
    /// What is shown without a command.
    fn default() -> Self {
        Self {
            data: None,
            networks: vec![],
            validation: 1000,
            test: 1500,
            pool: 60,
            ops: 2,
            samples: vec![1, 5, 10, 20],
            policy: None,
            corrupt: false,
            seed: 0,
            out: "target/tta".into(),
            json: false,
            device: None,
        }
    }
}

/// What all measurements share.
struct Study<'a> {
    arguments: &'a Arguments,
    data: &'a Data,
    device: &'a Device,
    evaluation: Evaluation,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let sizes = &arguments.samples;
    if sizes.is_empty() || sizes[0] == 0 || sizes.windows(2).any(|w| w[0] >= w[1]) {
        return fail("--samples: expected numbers above 0 that increase, such as 1,5,10,20");
    }
    let device = device(arguments.device.as_deref())?;
    let data = Data::open(
        arguments.data.as_deref(),
        &arguments.networks,
        [arguments.validation, arguments.test],
        &device,
    )?;
    let study = Study {
        arguments,
        data: &data,
        device: &device,
        evaluation: Evaluation {
            seed: arguments.seed,
            ..Evaluation::default()
        },
    };
    let (policy, found) = match &arguments.policy {
        Some(path) => {
            let read =
                crate::policy::read(path, firetender_tta::reference::NoneMeans::Central, "cifar")?;
            (read, Value::Null)
        }
        None => study.search(0)?,
    };
    let pool = study.prior()?;
    let network = data.predictor(0);
    let rows = study.compare(&network, &policy, &pool, &data.test)?;
    let differences = study.differences(&rows)?;
    let mut shown = json!({
        "data": data.name,
        "networks": data.networks.len(),
        "validation": data.validation.images.len(),
        "test": data.test.images.len(),
        "search": found,
        "rows": rows,
        "differences": differences,
    });
    let mut tables = vec![table("One network", &rows)?];
    if data.networks.len() > 1 {
        let networks: Vec<_> = (0..data.networks.len())
            .map(|n| data.predictor(n))
            .collect();
        let members = Members::new(networks.iter().map(|n| n as &dyn Predictor).collect())?;
        let ensemble = study.compare(&members, &policy, &pool, &data.test)?;
        shown["ensemble_differences"] = json!(study.differences(&ensemble)?);
        shown["ensemble"] = json!(ensemble);
        tables.push(table(
            "Ensemble of all networks, policy of the first",
            &ensemble,
        )?);
        let other = study.compare(&networks[1], &policy, &pool, &data.test)?;
        shown["transfer_differences"] = json!(study.differences(&other)?);
        shown["transfer"] = json!(other);
        tables.push(table("Another network, policy of the first", &other)?);
    }
    if arguments.corrupt {
        let (rows, numbers) = study.corrupted(&network, &policy, &pool)?;
        shown["corrupted"] = numbers;
        tables.push(rows);
    }
    if arguments.json {
        println!("{shown}");
        return Ok(());
    }
    for table in tables {
        println!("{}", table.to_markdown());
    }
    for difference in differences.as_array().into_iter().flatten() {
        println!("{}", difference["text"].as_str().unwrap_or_default());
    }
    Ok(())
}

impl Study<'_> {
    fn feed(&self) -> Feed<'_> {
        Feed {
            normalisation: &self.data.normalisation,
            device: self.device,
            batch: 500,
        }
    }

    fn most(&self) -> usize {
        self.arguments.samples.last().copied().unwrap_or(1)
    }

    /// The recipes: two fifths strong, two fifths medium, the rest the frame alone.
    fn prior(&self) -> Result<Policy, Failure> {
        let (all, ops) = (self.arguments.pool, self.arguments.ops);
        let part = all * 2 / 5;
        let mixture = Mixture::new(&[
            (part, ops, 45.0),
            (part, ops, 20.0),
            (all - 2 * part, ops, 0.0),
        ]);
        Ok(mixture.draw(&self.data.policy, self.arguments.seed)?)
    }

    /// Builds the pool (or goes on with it) and searches.
    fn search(&self, network: usize) -> Result<(Policy, Value), Failure> {
        let prior = self.prior()?;
        let name = format!(
            "pool-{}-{}-{}-{}-{}",
            self.data.name.replace(['/', '\\'], "-"),
            self.arguments.pool,
            self.arguments.ops,
            self.arguments.validation,
            self.arguments.seed
        );
        let builder = PoolBuilder {
            folder: self.arguments.out.join(name),
            policy: &prior,
            seed: self.arguments.seed,
            float: PoolFloat::F32,
            model: format!("network {network}"),
        };
        let bars = Bars::new("pool");
        let validation = &self.data.validation;
        let pool = builder.build(
            &self.data.predictor(network),
            &validation.images,
            &validation.labels,
            &self.feed(),
            &mut |entry, all| bars.counted(entry + 1, all),
        )?;
        drop(bars);
        let candidates = pool.candidates(None)?;
        let search = GreedySearch::new(self.most());
        let crossed = cross_validate(&candidates, &search, 4, self.arguments.seed)?;
        let trace = search.run(&candidates)?;
        let mut policy = trace.policy(&prior)?;
        policy.provenance.seed = Some(self.arguments.seed);
        policy.provenance.pool = Some(pool.fingerprint());
        let path = self.arguments.out.join(format!("policy-{network}.json"));
        policy.write(&path)?;
        let mut distinct = trace.selected();
        distinct.sort_unstable();
        distinct.dedup();
        Ok((
            policy,
            json!({
                "policy": path,
                "selected": trace.selected(),
                "distinct": distinct.len(),
                "scores": trace.scores(),
                "temperatures": trace.temperatures(),
                "held_out": crossed.held_out,
                "best_length": crossed.best_length,
                "short_length": crossed.short_length,
            }),
        ))
    }

    /// Every method on one set.
    fn compare(
        &self,
        predictor: &dyn Predictor,
        policy: &Policy,
        pool: &Policy,
        set: &Set,
    ) -> Result<Vec<Row>, Failure> {
        let like = &self.data.policy;
        let most = self.most();
        let side = set.images[0].width();
        let methods = [
            ("central crop", baselines::central(like), vec![1]),
            (
                "five crop",
                baselines::five_crop(like, Some(side + side / 8), side),
                vec![5],
            ),
            (
                "ten crop",
                baselines::ten_crop(like, Some(side + side / 8), side),
                vec![10],
            ),
            (
                "random frame",
                baselines::crop_flip(like, most),
                self.arguments.samples.clone(),
            ),
            (
                "RandAugment M=45",
                baselines::randaugment(
                    like,
                    most,
                    self.arguments.ops,
                    45.0,
                    self.arguments.seed + 1,
                )?,
                self.arguments.samples.clone(),
            ),
            (
                "random from pool",
                baselines::random_picks(pool, most, self.arguments.seed)?,
                self.arguments.samples.clone(),
            ),
            ("GPS", policy.clone(), self.arguments.samples.clone()),
        ];
        let bars = Bars::new("methods");
        let mut rows = vec![];
        let all = methods.len();
        for (at, (name, policy, sizes)) in methods.into_iter().enumerate() {
            bars.counted(at, all);
            let passes = sizes.last().copied().unwrap_or(1);
            // Other draws than the search saw.
            let tta = Tta::new(&policy).with_seed(self.arguments.seed + 1000);
            let members = tta.members(predictor, &set.images, passes, &self.feed())?;
            let classes = self.data.classes;
            rows.extend(
                self.evaluation
                    .run(name, &members, &set.labels, classes, &sizes)?,
            );
        }
        Ok(rows)
    }

    /// GPS against the random frame and against random recipes, with as many samples.
    fn differences(&self, rows: &[Row]) -> Result<Value, Failure> {
        let mut found = vec![];
        for gps in rows.iter().filter(|row| row.method == "GPS") {
            for other in ["random frame", "random from pool"] {
                let same = |row: &&Row| row.method == other && row.samples == gps.samples;
                let Some(other) = rows.iter().find(same) else {
                    continue;
                };
                let [cll, accuracy] = self.evaluation.difference(gps, other)?;
                found.push(json!({
                    "than": other.method,
                    "samples": gps.samples,
                    "cll": [cll.value, cll.low, cll.high],
                    "accuracy": [accuracy.value, accuracy.low, accuracy.high],
                    "text": format!(
                        "GPS against {} at {}: cLL {:+.4} [{:+.4}, {:+.4}], accuracy {:+.2} [{:+.2}, {:+.2}] points",
                        other.method, gps.samples, cll.value, cll.low, cll.high,
                        100.0 * accuracy.value, 100.0 * accuracy.low, 100.0 * accuracy.high,
                    ),
                }));
            }
        }
        Ok(Value::Array(found))
    }

    /// Mean error over all corruptions and severities 1, 3 and 5.
    fn corrupted(
        &self,
        predictor: &dyn Predictor,
        policy: &Policy,
        pool: &Policy,
    ) -> Result<(Table, Value), Failure> {
        let mut sums: Vec<(String, usize, f64, f64)> = vec![];
        let mut count = 0.0;
        let mut each = vec![];
        for kind in Corruption::ALL {
            for severity in [1, 3, 5] {
                let images = self
                    .data
                    .test
                    .images
                    .iter()
                    .enumerate()
                    .map(|(at, image)| {
                        let address = firetender_tta::Address {
                            seed: self.arguments.seed,
                            entry: 99,
                            image: at as u64,
                            repeat: severity as u64,
                        };
                        kind.apply(image, severity, address)
                    })
                    .collect::<Result<Vec<_>, _>>()?;
                let set = Set {
                    images,
                    labels: self.data.test.labels.clone(),
                };
                count += 1.0;
                for row in self.compare(predictor, policy, pool, &set)? {
                    let error = 1.0 - row.accuracy;
                    each.push(json!({"corruption": kind.name(), "severity": severity, "method": row.method, "samples": row.samples, "error": error, "cll": row.cll}));
                    let same = |s: &&mut (String, usize, f64, f64)| {
                        s.0 == row.method && s.1 == row.samples
                    };
                    match sums.iter_mut().find(same) {
                        Some(sum) => {
                            sum.2 += error;
                            sum.3 += row.cll;
                        }
                        None => sums.push((row.method.clone(), row.samples, error, row.cll)),
                    }
                }
            }
        }
        let column = |name: &str| Column::new(name, Align::Right);
        let mut table = Table::new([
            Column::new("method", Align::Left),
            column("samples"),
            column("mean error %"),
            column("mean cLL"),
        ])?
        .caption("Corrupted images: means over eight kinds and severities 1, 3 and 5.");
        let mut means = vec![];
        for (method, samples, error, cll) in sums {
            means.push(json!({"method": method, "samples": samples, "error": error / count, "cll": cll / count}));
            table.push([
                Cell::Text(method),
                Cell::Integer(samples as i64),
                Cell::fixed(100.0 * error / count, 2),
                Cell::fixed(cll / count, 4),
            ])?;
        }
        Ok((table, json!({"means": means, "each": each})))
    }
}

fn table(title: &str, rows: &[Row]) -> Result<Table, Failure> {
    let column = |name: &str| Column::new(name, Align::Right);
    let mut table = Table::new([
        Column::new("method", Align::Left),
        column("samples"),
        column("accuracy %"),
        column("± %"),
        column("cLL"),
        column("±"),
        column("LL"),
        column("T"),
    ])?
    .caption(title);
    let half = |interval: [f64; 2]| (interval[1] - interval[0]) / 2.0;
    for row in rows {
        table.push([
            Cell::Text(row.method.clone()),
            Cell::Integer(row.samples as i64),
            Cell::fixed(100.0 * row.accuracy, 2),
            Cell::fixed(100.0 * half(row.accuracy_interval), 2),
            Cell::fixed(row.cll, 4),
            Cell::fixed(half(row.cll_interval), 4),
            Cell::fixed(row.ll, 4),
            // Infinite where a half says nothing about its labels.
            if row.temperature.is_finite() {
                Cell::fixed(row.temperature, 3)
            } else {
                Cell::Missing
            },
        ])?;
    }
    Ok(table)
}
