//! Calibrate and evaluate on different objects.
//!
//! The protocol of Ashukha et al. (2020) is *test-time cross-validation*: divide the test set into random halves, fit the temperature on
//! one, evaluate on the other, both ways, for several divisions. A part of the training data kept for calibration is wasted and not
//! representative; what leaks from the test set here is one number.
//!
//! Where the temperature goes in and what it is fitted to are independent choices ([`Stage`], [`Protocol`]). Their known users:
//! one shared temperature before averaging and a fixed grid (Lobacheva et al. 2020), in-sample (the code of greedy policy search), held-out
//! (Nam et al. 2021), after pooling (Rahaman and Thiery 2020, arXiv 2007.08792). Host, `f64`.

use serde::{Deserialize, Serialize};

use crate::{
    Ensemble, Floor, Folds, Objects, ScoreKind, Scores, Targets, TemperatureFit,
    TemperatureOptions, TemperatureStatus, UncertaintyError,
    ensemble::{check_members, mean_log_likelihood},
    temperature::{self, scaled_rows},
    tiles::Tiles,
};

/// Where the temperature goes in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// `log_softmax(log mean_k p_k / T)`. The default, and the paper's.
    #[default]
    AfterAveraging,
    /// `log mean_k softmax(z_k / T)`, one T for all members.
    BeforeAveragingShared,
    /// `log mean_k softmax(z_k / T_k)`, each T fitted to its member alone.
    PerMember,
}

/// What the temperature is fitted to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Protocol {
    /// Random folds of the test set, each evaluated at the temperature of the others.
    TestTimeCv {
        /// How many folds: 2 in the paper.
        folds: usize,
        /// How many random divisions: in the paper 5 for small images and 2 for large ones.
        repeats: usize,
        /// Folds are a function of seed, repeat and row.
        seed: u64,
        /// Whether every class is spread evenly.
        stratified: bool,
    },
    /// The same with given folds.
    Given(Folds),
    /// Other objects: see [`Calibration::run_held_out`].
    HeldOut,
    /// The objects that are evaluated. Optimistic by about one parameter.
    InSample,
    /// Nothing: this temperature.
    Fixed(f64),
}

impl Protocol {
    /// The paper's: two folds, five repeats.
    #[must_use]
    pub fn test_time(seed: u64) -> Self {
        Self::TestTimeCv {
            folds: 2,
            repeats: 5,
            seed,
            stratified: false,
        }
    }

    /// Folds, for the protocols that have some.
    fn folds(&self, targets: &Targets) -> Result<Option<Folds>, UncertaintyError> {
        Ok(match self {
            Self::TestTimeCv {
                folds,
                repeats,
                seed,
                stratified: false,
            } => Some(Folds::random(targets.rows(), *folds, *repeats, *seed)?),
            Self::TestTimeCv {
                folds,
                repeats,
                seed,
                stratified: true,
            } => Some(Folds::stratified(targets, *folds, *repeats, *seed)?),
            Self::Given(folds) => Some(folds.clone()),
            Self::HeldOut | Self::InSample | Self::Fixed(_) => None,
        })
    }
}

/// A calibration to be run: where, on what, with which floor.
///
/// ```
/// use firetender_uncertainty::{Calibration, Folds, Protocol, Scores, Targets};
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let scores = Scores::logits(vec![6.0, 0.0, 0.0, 5.0, 6.0, 0.0, 0.0, 6.0, 5.0, 0.0, 0.0, 5.0], 2)?;
/// let targets = Targets::classes(&[0, 0, 1, 1, 0, 1]);
/// let calibration = Calibration::new(Protocol::Given(Folds::even_odd(6)?));
/// let found = calibration.run(&[scores], &targets)?;
/// assert_eq!(found.halves.len(), 2);
/// assert!(found.log_likelihood > found.uncalibrated);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Where the temperature goes in.
    pub stage: Stage,
    /// What it is fitted to.
    pub protocol: Protocol,
    /// Bounds of the search.
    pub options: TemperatureOptions,
    /// Of the evaluation; the fit has none.
    pub floor: Floor,
    /// Whether the result is the mean over folds and repeats (the reference) and not over objects; they differ for folds of
    /// different sizes.
    pub mean_of_folds: bool,
}

/// One fold of one repeat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HalfScore {
    /// Which division.
    pub repeat: usize,
    /// Which fold was evaluated.
    pub fold: usize,
    /// Mean log-likelihood of its objects, calibrated.
    pub log_likelihood: f64,
    /// Mean Brier score of its objects, calibrated.
    pub brier: f64,
    /// Share of right answers.
    pub accuracy: f64,
}

/// What a calibration found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibrated {
    /// Mean log-likelihood, calibrated, nats.
    pub log_likelihood: f64,
    /// Its standard error, from one number an object (folds of several repeats are dependent, objects are not).
    pub standard_error: f64,
    /// Mean log-likelihood as it is.
    pub uncalibrated: f64,
    /// Mean Brier score, calibrated.
    pub brier: f64,
    /// Share of right answers.
    pub accuracy: f64,
    /// Each fold of each repeat; one entry for protocols without folds.
    pub halves: Vec<HalfScore>,
    /// Calibrated log-likelihood of each row, averaged over repeats; 0 for rows that are left out.
    pub objects: Vec<f64>,
    /// Fits in the order of `halves`, for [`Stage::PerMember`] all members of a half in turn.
    pub fits: Vec<TemperatureFit>,
}

impl Calibrated {
    /// Temperatures of the fits, in their order.
    #[must_use]
    pub fn temperatures(&self) -> Vec<f64> {
        self.fits.iter().map(|fit| fit.temperature).collect()
    }

    /// Statuses that are no plain success, each once, in order of appearance.
    #[must_use]
    pub fn warnings(&self) -> Vec<TemperatureStatus> {
        let mut found = vec![];
        for fit in &self.fits {
            let plain = [
                TemperatureStatus::Converged,
                TemperatureStatus::Local,
                TemperatureStatus::Given,
            ];
            if !plain.contains(&fit.status) && !found.contains(&fit.status) {
                found.push(fit.status);
            }
        }
        found
    }
}

impl Calibration {
    /// After averaging, default bounds, no floor, mean over objects; where a temperature is used on other objects than it was fitted
    /// to, separable objects give T = 1 ([`TemperatureOptions::carried_over`]).
    #[must_use]
    pub fn new(protocol: Protocol) -> Self {
        let options = match protocol {
            Protocol::InSample => TemperatureOptions::default(),
            _ => TemperatureOptions::carried_over(),
        };
        Self {
            stage: Stage::AfterAveraging,
            protocol,
            options,
            floor: Floor::None,
            mean_of_folds: false,
        }
    }

    /// The reference's conventions: two folds, five repeats, floor 10⁻¹², mean over folds. Its folds and its fit were not
    /// reproducible; the fit here is exact.
    #[must_use]
    pub fn ashukha2020(seed: u64) -> Self {
        Self {
            floor: Floor::Eps(1e-12),
            mean_of_folds: true,
            ..Self::new(Protocol::test_time(seed))
        }
    }

    /// With the temperature at another place.
    #[must_use]
    pub fn with_stage(mut self, stage: Stage) -> Self {
        self.stage = stage;
        self
    }

    /// Fits and evaluates.
    ///
    /// # Errors
    /// [`UncertaintyError::Empty`] without members, [`UncertaintyError::Mismatch`] for a member of another shape; as
    /// [`Targets::check`], [`Folds::random`] and [`fit_temperature`](crate::fit_temperature); [`UncertaintyError::Options`] for
    /// [`Protocol::HeldOut`].
    pub fn run(
        &self,
        members: &[Scores<'_>],
        targets: &Targets,
    ) -> Result<Calibrated, UncertaintyError> {
        check_members(members)?;
        targets.check(members[0].rows(), members[0].classes())?;
        if self.protocol == Protocol::HeldOut {
            return Err(UncertaintyError::Options {
                field: "protocol",
                found: "held out".into(),
                expected: "a call of `run_held_out`, which takes the other objects",
            });
        }
        let fits = self.fit(members, targets)?;
        self.evaluate(members, targets, fits)
    }

    /// Fits to other objects than are evaluated, whatever the protocol says.
    ///
    /// # Errors
    /// As [`run`](Self::run), for both sets; [`UncertaintyError::Mismatch`] when they have different numbers of members.
    pub fn run_held_out(
        &self,
        held_out: &[Scores<'_>],
        held_out_targets: &Targets,
        members: &[Scores<'_>],
        targets: &Targets,
    ) -> Result<Calibrated, UncertaintyError> {
        check_members(members)?;
        if held_out.len() != members.len() {
            return Err(UncertaintyError::Mismatch {
                place: "held-out scores".into(),
                field: "members",
                found: held_out.len().to_string(),
                expected: members.len().to_string(),
            });
        }
        let whole = Self {
            protocol: Protocol::InSample,
            ..self.clone()
        };
        check_members(held_out)?;
        let fits = whole.fit(held_out, held_out_targets)?;
        whole.evaluate(members, targets, fits)
    }

    /// One list of fits a problem: one fit, or one a member.
    fn fit(
        &self,
        members: &[Scores<'_>],
        targets: &Targets,
    ) -> Result<Vec<Vec<TemperatureFit>>, UncertaintyError> {
        if let Protocol::Fixed(temperature) = self.protocol {
            if !(temperature > 0.0 && temperature.is_finite()) {
                return Err(UncertaintyError::Options {
                    field: "temperature",
                    found: temperature.to_string(),
                    expected: "a finite number above 0",
                });
            }
            return Ok(vec![vec![TemperatureFit {
                temperature,
                beta: 1.0 / temperature,
                log_likelihood: f64::NAN,
                iterations: 0,
                status: TemperatureStatus::Given,
                impossible: 0,
            }]]);
        }
        let folds = self.protocol.folds(targets)?;
        let one = |scores: &Scores<'_>| -> Result<Vec<TemperatureFit>, UncertaintyError> {
            match &folds {
                Some(folds) => {
                    temperature::fit_temperature_folds(scores, targets, folds, &self.options, None)
                }
                None => Ok(vec![temperature::fit_temperature(
                    scores,
                    targets,
                    &self.options,
                )?]),
            }
        };
        match self.stage {
            Stage::AfterAveraging => {
                let fits = one(&averaged(members)?)?;
                Ok(fits.into_iter().map(|fit| vec![fit]).collect())
            }
            Stage::PerMember => {
                let each: Vec<Vec<TemperatureFit>> =
                    members.iter().map(one).collect::<Result<_, _>>()?;
                Ok((0..each[0].len())
                    .map(|problem| each.iter().map(|fits| fits[problem]).collect())
                    .collect())
            }
            Stage::BeforeAveragingShared => {
                let tiles = temperature::member_tiles(members, targets)?;
                let fit = |used: &[bool]| {
                    vec![temperature::fit_shared_tiles(&tiles, used, &self.options)]
                };
                Ok(match &folds {
                    None => vec![fit(&vec![true; targets.rows()])],
                    Some(folds) => (0..folds.repeats())
                        .flat_map(|repeat| (0..folds.folds()).map(move |fold| (repeat, fold)))
                        .map(|(repeat, fold)| {
                            let used: Vec<bool> = folds
                                .of(repeat)
                                .iter()
                                .map(|of| *of as usize != fold)
                                .collect();
                            fit(&used)
                        })
                        .collect(),
                })
            }
        }
    }

    fn evaluate(
        &self,
        members: &[Scores<'_>],
        targets: &Targets,
        fits: Vec<Vec<TemperatureFit>>,
    ) -> Result<Calibrated, UncertaintyError> {
        let rows = members[0].rows();
        let folds = self.protocol.folds(targets)?;
        let plain = averaged(members)?;
        let uncalibrated = Objects::new(&plain, targets, self.floor)?.log_likelihood();
        let repeats = folds.as_ref().map_or(1, Folds::repeats);
        let count = folds.as_ref().map_or(1, Folds::folds);
        let one_fold = vec![0; rows];
        let mut found = CrossValidated::new(rows);
        let mut halves = vec![];
        let (mut brier, mut accuracy) = (0.0, 0.0);
        for repeat in 0..repeats {
            let of = folds.as_ref().map_or(&one_fold[..], |f| f.of(repeat));
            let betas = |member: usize| -> Vec<f64> {
                let problem = |fold: &u32| repeat * count + *fold as usize;
                of.iter()
                    .map(|fold| {
                        let fits = &fits[problem(fold)];
                        fits[member.min(fits.len() - 1)].beta
                    })
                    .collect()
            };
            let table = match self.stage {
                Stage::AfterAveraging => scaled_rows(&plain, &betas(0)),
                Stage::BeforeAveragingShared | Stage::PerMember => {
                    let mut ensemble = Ensemble::new(rows, members[0].classes())?;
                    for (at, member) in members.iter().enumerate() {
                        let scaled = scaled_rows(member, &betas(at));
                        let scaled =
                            Scores::trusted(ScoreKind::LogProbs, scaled.into(), member.classes());
                        ensemble.add(&scaled, 1.0)?;
                    }
                    ensemble.log_probs()?
                }
            };
            let table = Scores::trusted(ScoreKind::LogProbs, table.into(), plain.classes());
            let objects = Objects::new(&table, targets, self.floor)?;
            brier += objects.brier() / repeats as f64;
            accuracy += objects.accuracy() / repeats as f64;
            // Objects leave out what targets leave out; go through the rows beside them.
            let mut scored = objects.rows().iter();
            let mut values = vec![0.0; rows];
            let mut sums = vec![[0.0; 4]; count];
            for row in (0..rows).filter(|row| !targets.is_out(*row)) {
                let Some(object) = scored.next() else { break };
                values[row] = object.log_likelihood;
                let sum = &mut sums[of[row] as usize];
                sum[0] += object.weight * object.log_likelihood;
                sum[1] += object.weight * object.brier;
                sum[2] += object.weight * object.correct;
                sum[3] += object.weight;
            }
            found.add_repeat(&values, repeats);
            for (fold, [log_likelihood, brier, right, weight]) in sums.into_iter().enumerate() {
                if weight > 0.0 {
                    found.folds.push(log_likelihood / weight);
                    halves.push(HalfScore {
                        repeat,
                        fold,
                        log_likelihood: log_likelihood / weight,
                        brier: brier / weight,
                        accuracy: right / weight,
                    });
                }
            }
        }
        let mean = |pick: fn(&HalfScore) -> f64| {
            halves.iter().map(pick).sum::<f64>() / halves.len() as f64
        };
        if self.mean_of_folds {
            brier = mean(|half| half.brier);
            accuracy = mean(|half| half.accuracy);
        }
        Ok(Calibrated {
            log_likelihood: if self.mean_of_folds {
                found.mean_of_folds()
            } else {
                mean_log_likelihood(&found.objects, targets)
            },
            standard_error: found.standard_error(targets),
            uncalibrated,
            brier,
            accuracy,
            halves,
            objects: found.objects,
            fits: fits.concat(),
        })
    }
}

/// The members' mean, or the one member as it is.
fn averaged<'a>(members: &[Scores<'a>]) -> Result<Scores<'a>, UncertaintyError> {
    if let [one] = members {
        return Ok(one.clone());
    }
    Ensemble::of(members)?.scores()
}

/// Log-likelihoods of a cross-validation.
#[derive(Debug)]
pub(crate) struct CrossValidated {
    /// One number a row, averaged over repeats.
    pub(crate) objects: Vec<f64>,
    /// One mean a fold and repeat.
    folds: Vec<f64>,
}

impl CrossValidated {
    fn new(rows: usize) -> Self {
        Self {
            objects: vec![0.0; rows],
            folds: vec![],
        }
    }

    fn add_repeat(&mut self, values: &[f64], repeats: usize) {
        for (object, value) in self.objects.iter_mut().zip(values) {
            *object += value / repeats as f64;
        }
    }

    /// From fits to the other folds, without tables of calibrated scores.
    pub(crate) fn of_tiles(
        tiles: &Tiles,
        targets: &Targets,
        folds: &Folds,
        fits: &[TemperatureFit],
        floor: Floor,
    ) -> Self {
        let betas: Vec<f64> = fits.iter().map(|fit| fit.beta).collect();
        let mut found = Self::new(tiles.rows);
        for repeat in 0..folds.repeats() {
            let pass = temperature::test_pass(folds, repeat);
            let mut sums = vec![(0.0, 0.0); folds.folds()];
            let mut values = vec![0.0; tiles.rows];
            for (row, (log_prob, _)) in tiles
                .target_log_probs(&pass, &betas)
                .into_iter()
                .enumerate()
            {
                let weight = targets.weight(row);
                if weight > 0.0 {
                    values[row] = floor.apply(log_prob);
                    let sum = &mut sums[folds.of(repeat)[row] as usize];
                    sum.0 += weight * values[row];
                    sum.1 += weight;
                }
            }
            found.add_repeat(&values, folds.repeats());
            let means = sums.into_iter().filter(|(_, weight)| *weight > 0.0);
            found.folds.extend(means.map(|(sum, weight)| sum / weight));
        }
        found
    }

    pub(crate) fn mean_of_folds(&self) -> f64 {
        self.folds.iter().sum::<f64>() / self.folds.len() as f64
    }

    /// Of the mean over objects; infinite when an object is impossible.
    pub(crate) fn standard_error(&self, targets: &Targets) -> f64 {
        let mean = mean_log_likelihood(&self.objects, targets);
        if mean.is_infinite() {
            return f64::INFINITY;
        }
        let (mut squares, mut weight) = (0.0, 0.0);
        for (row, value) in self.objects.iter().enumerate() {
            let w = targets.weight(row);
            if w > 0.0 {
                squares += w * (value - mean).powi(2);
                weight += w;
            }
        }
        if weight > 1.0 {
            (squares / (weight - 1.0) / weight).sqrt()
        } else {
            f64::INFINITY
        }
    }
}
