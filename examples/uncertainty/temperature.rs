//! `temperature`: the best one, and what it is worth on other objects.

use clap::{Args, ValueEnum};
use firetender_support::Failure;
use firetender_uncertainty::{
    Calibrated, Calibration, Floor, Protocol, Scores, Stage, Targets, TemperatureFit,
};
use serde_json::{Value, json};

use crate::{
    input::{Input, is_compat},
    metrics::{number, print_object},
};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    folds: FoldArguments,
    /// Where the temperature goes in.
    #[arg(long, value_enum, default_value = "after")]
    stage: StageName,
}

/// The cross-validation.
#[derive(Args, Clone, Copy)]
pub(crate) struct FoldArguments {
    /// Folds of the test-time cross-validation.
    #[arg(long, default_value_t = 2)]
    pub(crate) folds: usize,
    /// How many random divisions into folds.
    #[arg(long, default_value_t = 5)]
    pub(crate) repeats: usize,
    /// Seed of the divisions (and of intervals).
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Spread every class evenly over the folds.
    #[arg(long)]
    pub(crate) stratified: bool,
}

impl FoldArguments {
    pub(crate) fn calibration(self, floor: Floor, compat: bool) -> Calibration {
        Calibration {
            floor,
            mean_of_folds: compat,
            ..Calibration::new(Protocol::TestTimeCv {
                folds: self.folds,
                repeats: self.repeats,
                seed: self.seed,
                stratified: self.stratified,
            })
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StageName {
    /// On the averaged log-probabilities.
    After,
    /// One for all members, before they are averaged.
    Before,
    /// One for each member.
    PerMember,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let compat = is_compat(arguments.input.compat.as_deref())?;
    let loaded = arguments.input.load()?;
    let members = arguments.input.scores(&loaded)?;
    let stage = match arguments.stage {
        StageName::After => Stage::AfterAveraging,
        StageName::Before => Stage::BeforeAveragingShared,
        StageName::PerMember => Stage::PerMember,
    };
    let floor = arguments.input.floor()?;
    let inside = Calibration {
        floor,
        ..Calibration::new(Protocol::InSample).with_stage(stage)
    };
    let inside = inside.run(&members, &loaded.targets)?;
    let crossed = arguments
        .folds
        .calibration(floor, compat)
        .with_stage(stage)
        .run(&members, &loaded.targets)?;
    let mut object = fit_object(&inside, members.len());
    cross_validated(&mut object, &crossed, arguments.folds);
    if arguments.input.json {
        println!("{}", Value::Object(object));
    } else {
        print_object(&object);
    }
    Ok(())
}

fn fit_object(inside: &Calibrated, members: usize) -> serde_json::Map<String, Value> {
    let TemperatureFit {
        temperature,
        beta,
        iterations,
        status,
        impossible,
        ..
    } = inside.fits[0];
    let mut object = serde_json::Map::new();
    object.insert("temperature".into(), number(temperature));
    object.insert("beta".into(), json!(beta));
    object.insert("ll".into(), number(inside.log_likelihood));
    object.insert("status".into(), json!(status.name()));
    object.insert("iterations".into(), json!(iterations));
    object.insert("impossible".into(), json!(impossible));
    object.insert("ll_uncalibrated".into(), number(inside.uncalibrated));
    object.insert("accuracy".into(), json!(inside.accuracy));
    object.insert("brier".into(), json!(inside.brier));
    object.insert("members".into(), json!(members));
    if inside.fits.len() > 1 {
        let each: Vec<Value> = inside.temperatures().into_iter().map(number).collect();
        object.insert("temperatures".into(), json!(each));
        let statuses: Vec<&str> = inside.fits.iter().map(|fit| fit.status.name()).collect();
        object.insert("statuses".into(), json!(statuses));
    }
    object
}

fn cross_validated(
    object: &mut serde_json::Map<String, Value>,
    found: &Calibrated,
    folds: FoldArguments,
) {
    object.insert("cll".into(), number(found.log_likelihood));
    object.insert("cll_standard_error".into(), number(found.standard_error));
    let each: Vec<Value> = found.temperatures().into_iter().map(number).collect();
    object.insert("cv_temperatures".into(), json!(each));
    let warnings: Vec<&str> = found
        .warnings()
        .iter()
        .map(|status| status.name())
        .collect();
    object.insert("cv_warnings".into(), json!(warnings));
    object.insert("folds".into(), json!(folds.folds));
    object.insert("repeats".into(), json!(folds.repeats));
    object.insert("seed".into(), json!(folds.seed));
}

/// The temperature of one set of scores, for other commands.
pub(crate) fn best(scores: &Scores<'_>, targets: &Targets) -> Result<TemperatureFit, Failure> {
    let options = firetender_uncertainty::TemperatureOptions::default();
    Ok(firetender_uncertainty::fit_temperature(
        scores, targets, &options,
    )?)
}
