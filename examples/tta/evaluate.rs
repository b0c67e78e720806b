//! `tta evaluate`: finds a policy on validation images and compares it with the usual baselines on others.

mod corrupted;
mod others;
mod predictions;
mod show;
mod study;

use std::path::PathBuf;

use clap::Args;
use firetender_support::{Failure, device, fail};
use firetender_tta::{Evaluation, reference::NoneMeans};
use serde_json::json;

use crate::data::Data;
use study::{Found, Study};

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
    /// How many of the test images are corrupted; all of them without it.
    #[arg(long, requires = "corrupt")]
    corrupt_images: Option<usize>,
    /// Instead of images: predictions of several networks, a .npy file [B, N, C] of log-probabilities or a folder of files [N, C]. Half of the samples are
    /// searched, the other half is measured.
    #[arg(long, requires = "labels")]
    predictions: Option<PathBuf>,
    /// True classes for --predictions, a .npy file [N].
    #[arg(long, requires = "predictions")]
    labels: Option<PathBuf>,
    /// What the numbers of --predictions are: log-probs, probs or logits.
    #[arg(long, default_value = "log-probs")]
    kind: String,
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
            corrupt_images: None,
            predictions: None,
            labels: None,
            kind: "log-probs".into(),
            seed: 0,
            out: "target/tta".into(),
            json: false,
            device: None,
        }
    }
}

// Beyond these a slip of the keyboard fills the memory.
const MOST_PASSES: usize = 10_000;
const MOST_IMAGES: usize = 200_000;
const MOST_RECIPES: usize = 100_000;
const MOST_OPS: usize = 100;

pub(crate) fn at_most(name: &str, found: usize, most: usize) -> Result<(), Failure> {
    if found > most {
        return fail(format!("{name} {found}: expected at most {most}"));
    }
    Ok(())
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let sizes = &arguments.samples;
    if sizes.is_empty() || sizes[0] == 0 || sizes.windows(2).any(|w| w[0] >= w[1]) {
        return fail("--samples: expected numbers above 0 that increase, such as 1,5,10,20");
    }
    at_most("--samples", sizes[sizes.len() - 1], MOST_PASSES)?;
    if let (Some(pool), Some(labels)) = (&arguments.predictions, &arguments.labels) {
        return predictions::run(arguments, pool, labels);
    }
    for (name, count) in [
        ("--validation", arguments.validation),
        ("--test", arguments.test),
    ] {
        if count < 2 {
            return fail(format!("{name} {count}: expected at least 2 images"));
        }
        at_most(name, count, MOST_IMAGES)?;
    }
    // The search is cross-validated with four folds.
    if arguments.policy.is_none() && arguments.validation < 4 {
        return fail("--validation: expected at least 4 images to search a policy on");
    }
    at_most("--pool", arguments.pool, MOST_RECIPES)?;
    at_most("--ops", arguments.ops, MOST_OPS)?;
    if arguments.corrupt_images.is_some_and(|count| count < 2) {
        return fail("--corrupt-images: expected at least 2 images");
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
    let several = data.networks.len() > 1;
    let (found, of_ensemble): (Found, Option<Found>) = match &arguments.policy {
        Some(path) => {
            let policy = crate::policy::read(path, NoneMeans::Central, "cifar")?;
            (Found::given(policy), None)
        }
        None => {
            let first = study.search(Some(0))?;
            let together = several.then(|| study.search(None)).transpose()?;
            (first, together)
        }
    };
    let methods = study.methods(&found.policy, of_ensemble.as_ref().map(|f| &f.policy))?;
    let compared = study.compare(&methods, &data.test)?;
    let rows = &compared.each[0];
    let differences = study.differences(rows)?;
    let mut shown = json!({
        "data": data.name,
        "networks": data.networks.len(),
        "validation": data.validation.images.len(),
        "test": data.test.images.len(),
        "search": found.shown,
        "rows": rows,
        "differences": differences,
    });
    let mut tables = vec![show::rows("One network", rows)?];
    if found.candidates.is_some() {
        let others = study.others(&found)?;
        shown["others"] = json!(others);
        tables.push(show::rows(
            "Other ways to use the policy's passes",
            &others,
        )?);
    }
    if several {
        let ensemble = &compared.ensemble;
        shown["ensemble_search"] = of_ensemble.map_or(json!(null), |f| f.shown);
        shown["ensemble_differences"] = study.differences(ensemble)?;
        shown["ensemble"] = json!(ensemble);
        tables.push(show::rows("Ensemble of all networks", ensemble)?);
        let other = &compared.each[1];
        shown["transfer_differences"] = study.differences(other)?;
        shown["transfer"] = json!(other);
        tables.push(show::rows("Another network, policy of the first", other)?);
    }
    if arguments.corrupt {
        let (rows, numbers) = study.corrupted(&methods)?;
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
