//! Training pairs of players by exact gradients: naive, shaping each other (LOLA-Exact, Foerster and others 2018), or stably so (SOS, Letcher and
//! others 2019).
//!
//! Both players of a pair step at once; with LOLA `θᵢ ← θᵢ + rate · (∇ᵢVᵢ + η · ∇ᵢ⟨sg(∇ⱼVᵢ), ∇ⱼVⱼ⟩)`, and for the others see [`Learner`]. With
//! `η = 0` each climbs its own value as if the other stood still.

use rand::RngExt;
use rand_chacha::{ChaCha12Rng, rand_core::SeedableRng};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    BargainError, Learner, Record, Repeated,
    repeated::{Core, Workspace},
};

/// Pairs that are computed side by side.
const LANES: usize = 8;

/// Pairs, and steps, at most.
const MOST: usize = 1 << 20;

/// How to train.
///
/// ```
/// use firetender_bargain::LolaOptions;
/// assert_eq!(LolaOptions::default().eta, 1.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LolaOptions {
    /// Pairs of players, each trained apart from the others.
    pub pairs: usize,
    /// Steps.
    pub steps: usize,
    /// Step size, on undiscounted sums: the released code's is 1.
    pub rate: f64,
    /// Weight of what the learner makes of the other's learning; 0 is naive learning.
    pub eta: f64,
    /// How it takes the other's learning into account.
    #[serde(default)]
    pub learner: Learner,
    /// Standard deviation of the first parameters.
    pub sigma: f64,
    /// Seed of the first parameters. Pair `i` starts the same however many pairs there are.
    pub seed: u64,
}

impl Default for LolaOptions {
    /// The released code's: 200 steps with rate 1, η 1 and σ 1, of 40 pairs.
    fn default() -> Self {
        Self {
            pairs: 40,
            steps: 200,
            rate: 1.0,
            eta: 1.0,
            learner: Learner::Lola,
            sigma: 1.0,
            seed: 0,
        }
    }
}

/// Pairs that were trained.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trained {
    /// For each player the parameters of each pair.
    pub theta: [Vec<Vec<f64>>; 2],
    /// What each pair earns a round, `(1 − γ) V`.
    pub payoffs: Vec<[f64; 2]>,
}

/// Trains pairs of players; the same result for any number of threads.
///
/// # Errors
/// [`BargainError::Option`] when there is no pair or a number is not finite or negative; [`BargainError::TooFew`] when the
/// parameters run away to infinity, which a smaller rate prevents.
///
/// ```
/// use firetender_bargain::{LolaOptions, Repeated, games, train};
/// let game = Repeated::new(games::named("asym-bos").unwrap(), 0.96).unwrap();
/// let trained = train(&game, &LolaOptions { pairs: 3, steps: 50, ..Default::default() }).unwrap();
/// assert_eq!(trained.payoffs.len(), 3);
/// ```
pub fn train(game: &Repeated, options: &LolaOptions) -> Result<Trained, BargainError> {
    check(options)?;
    let core = game.core();
    let chunks: Vec<_> = (0..options.pairs.div_ceil(LANES))
        .into_par_iter()
        .map(|chunk| chunk_of(game, &core, options, chunk * LANES))
        .collect();
    let mut trained = Trained {
        theta: [vec![], vec![]],
        payoffs: vec![],
    };
    for work in chunks {
        for lane in 0..LANES.min(options.pairs - trained.payoffs.len()) {
            for player in 0..2 {
                let theta = work.theta[player].iter().map(|x| x[lane]).collect();
                trained.theta[player].push(theta);
            }
            let payoff = |player: usize| (1.0 - game.gamma()) * work.values[player][lane];
            trained.payoffs.push([payoff(0), payoff(1)]);
        }
    }
    let lost = |p: &[f64; 2]| !p.iter().all(|x| x.is_finite());
    match trained.payoffs.iter().position(lost) {
        None => Ok(trained),
        Some(pair) => Err(left(pair, options)),
    }
}

fn left(pair: usize, options: &LolaOptions) -> BargainError {
    BargainError::TooFew {
        what: format!(
            "pair {pair} left the numbers after {} steps of rate {}; a smaller rate keeps it",
            options.steps, options.rate
        ),
    }
}

/// [`train`] that is written down as `experiment`, pair after pair, and goes on from what is.
///
/// # Errors
/// As [`train`] and [`Record::cells`].
///
/// ```
/// use firetender_bargain::{LolaOptions, Record, Repeated, games, train, train_recorded};
/// let game = Repeated::new(games::named("asym-bos").unwrap(), 0.96).unwrap();
/// let options = LolaOptions { pairs: 3, steps: 50, ..Default::default() };
/// let recorded = train_recorded(&game, &options, "train", &mut Record::nowhere()).unwrap();
/// assert_eq!(recorded, train(&game, &options).unwrap());
/// ```
pub fn train_recorded(
    game: &Repeated,
    options: &LolaOptions,
    experiment: &str,
    record: &mut Record,
) -> Result<Trained, BargainError> {
    check(options)?;
    let core = game.core();
    let [first, second] = [game.count(0), game.count(1)];
    let cells: Vec<[usize; 2]> = (0..options.pairs).map(|pair| [pair, pair]).collect();
    let fits = |values: &[f64]| values.len() == first + second + 2;
    let found = record.cells(experiment, &cells, &fits, &|some| {
        let Some([begin, _]) = some.first() else {
            return Ok(vec![]);
        };
        let mut out = vec![];
        // Calls are of `LANES` pairs at most, one after the other.
        for part in some.chunks(LANES) {
            let from = begin + out.len();
            let work = chunk_of(game, &core, options, from);
            for lane in 0..part.len() {
                let theta = work.theta.iter().flatten().map(|x| x[lane]);
                let paid = work.values.iter().map(|v| (1.0 - game.gamma()) * v[lane]);
                let values: Vec<f64> = theta.chain(paid).collect();
                if values.iter().any(|x| !x.is_finite()) {
                    return Err(left(from + lane, options));
                }
                out.push(values);
            }
        }
        Ok(out)
    })?;
    let part = |from: usize, n: usize| found.iter().map(move |v| v[from..from + n].to_vec());
    Ok(Trained {
        theta: [part(0, first).collect(), part(first, second).collect()],
        payoffs: found
            .iter()
            .map(|v| [v[first + second], v[first + second + 1]])
            .collect(),
    })
}

fn check(options: &LolaOptions) -> Result<(), BargainError> {
    let fail = |field, found: String, expected| {
        Err(BargainError::Option {
            field,
            found,
            expected,
        })
    };
    options.learner.check()?;
    if options.pairs == 0 || options.pairs > MOST {
        return fail("pairs", options.pairs.to_string(), "from 1 to a million");
    }
    if options.steps > MOST {
        return fail("steps", options.steps.to_string(), "at most a million");
    }
    for (field, value) in [
        ("rate", options.rate),
        ("eta", options.eta),
        ("sigma", options.sigma),
    ] {
        if !(value.is_finite() && value >= 0.0) {
            return fail(field, value.to_string(), "a finite number of 0 or more");
        }
    }
    Ok(())
}

fn chunk_of(
    game: &Repeated,
    core: &Core<'_>,
    options: &LolaOptions,
    from: usize,
) -> Workspace<LANES> {
    let mut work = Workspace::<LANES>::new(core);
    for lane in 0..LANES {
        // Lanes beyond the last pair are trained, too, and left out: their numbers touch nobody's.
        let mut random = ChaCha12Rng::seed_from_u64(options.seed);
        random.set_stream((from + lane) as u64);
        for player in 0..2 {
            for i in 0..game.count(player) {
                work.theta[player][i][lane] = options.sigma * normal(&mut random);
            }
        }
    }
    let learner = if options.eta > 0.0 {
        options.learner
    } else {
        Learner::Naive
    };
    for _ in 0..options.steps {
        core.gradients(&mut work);
        core.learn(&mut work, learner, options.eta);
        for player in 0..2 {
            let steps = work.steps[player].iter();
            for (theta, step) in work.theta[player].iter_mut().zip(steps) {
                for l in 0..LANES {
                    theta[l] += options.rate * step[l];
                }
            }
        }
    }
    core.gradients(&mut work);
    work
}

/// A standard normal number (Box–Muller).
fn normal(random: &mut ChaCha12Rng) -> f64 {
    let (a, b): (f64, f64) = (1.0 - random.random::<f64>(), random.random());
    (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Parameters, games::named};

    #[test]
    fn lanes_and_threads_do_not_show() {
        let game = Repeated::new(named("asym-bos").unwrap(), 0.96).unwrap();
        let options = LolaOptions {
            pairs: 11,
            steps: 20,
            ..Default::default()
        };
        let all = train(&game, &options).unwrap();
        let few = train(
            &game,
            &LolaOptions {
                pairs: 3,
                ..options
            },
        )
        .unwrap();
        assert_eq!(few.theta[0][..], all.theta[0][..3]);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap();
        assert_eq!(pool.install(|| train(&game, &options)).unwrap(), all);
        // The slow way: one pair after another, one step after another.
        for pair in [0, 9] {
            let start = train(
                &game,
                &LolaOptions {
                    steps: 0,
                    ..options
                },
            )
            .unwrap();
            let mut theta = [start.theta[0][pair].clone(), start.theta[1][pair].clone()];
            for _ in 0..20 {
                let found = game.lola([&theta[0], &theta[1]]).unwrap();
                for player in 0..2 {
                    for (i, t) in theta[player].iter_mut().enumerate() {
                        *t += found.gradients.own[player][i] + found.corrections[player][i];
                    }
                }
            }
            for player in 0..2 {
                for (a, b) in theta[player].iter().zip(&all.theta[player][pair]) {
                    assert!((a - b).abs() < 1e-6 * (1.0 + a.abs()), "{a} {b}");
                }
            }
        }
    }

    /// Claim C7 of the specification.
    #[test]
    fn naive_learners_defect() {
        let game = Repeated::new(named("ipd").unwrap(), 0.96)
            .unwrap()
            .with_parameters(Parameters::SigmoidNormalised)
            .unwrap();
        let options = LolaOptions {
            eta: 0.0,
            pairs: 40,
            seed: 1,
            ..Default::default()
        };
        let trained = train(&game, &options).unwrap();
        let mean = trained.payoffs.iter().map(|p| p[0] + p[1]).sum::<f64>() / 80.0;
        assert!((mean + 2.0).abs() < 0.01, "{mean}");
    }

    /// Where LOLA may leave a fixed point, SOS does not (Letcher and others 2019); in the dilemma both cooperate more than naive learners.
    #[test]
    fn stable_shaping_cooperates_and_settles() {
        let game = Repeated::new(named("ipd").unwrap(), 0.96).unwrap();
        let run = |learner, steps| {
            let options = LolaOptions {
                pairs: 40,
                steps,
                learner,
                seed: 3,
                ..Default::default()
            };
            train(&game, &options).unwrap()
        };
        let mean = |t: &Trained| t.payoffs.iter().map(|p| p[0] + p[1]).sum::<f64>() / 80.0;
        let (naive, lola, sos) = (
            run(Learner::Naive, 400),
            run(Learner::Lola, 400),
            run(Learner::sos(), 400),
        );
        println!(
            "naive {} lola {} sos {}",
            mean(&naive),
            mean(&lola),
            mean(&sos)
        );
        assert!(mean(&naive) < -1.9);
        assert!(mean(&lola) > -1.3 && mean(&sos) > -1.3);
        // One pair after another is the same.
        let start = run(Learner::sos(), 0);
        let mut theta = [start.theta[0][7].clone(), start.theta[1][7].clone()];
        for _ in 0..30 {
            let found = game
                .step([&theta[0], &theta[1]], Learner::sos(), 1.0)
                .unwrap();
            for (theta, step) in theta.iter_mut().zip(&found.steps) {
                theta.iter_mut().zip(step).for_each(|(t, s)| *t += s);
            }
        }
        let lanes = run(Learner::sos(), 30);
        for player in 0..2 {
            for (a, b) in theta[player].iter().zip(&lanes.theta[player][7]) {
                assert!((a - b).abs() < 1e-6 * (1.0 + a.abs()), "{a} {b}");
            }
        }
    }

    #[test]
    fn impossible_options_are_refused() {
        let game = Repeated::new(named("ipd").unwrap(), 0.96).unwrap();
        let with = |change: fn(&mut LolaOptions)| {
            let mut options = LolaOptions {
                pairs: 1,
                steps: 1,
                ..Default::default()
            };
            change(&mut options);
            train(&game, &options)
        };
        assert!(with(|o| o.pairs = 0).is_err());
        // Larger than any memory, or than anybody's patience.
        assert!(with(|o| o.pairs = 1 << 40).is_err());
        assert!(with(|o| o.steps = 1 << 40).is_err());
        assert!(with(|o| o.rate = f64::NAN).is_err());
        assert!(with(|o| o.eta = -1.0).is_err());
        assert!(with(|o| o.learner = Learner::Sos { a: 0.5, b: 1.0 }).is_err());
        assert!(
            with(|o| o.learner = Learner::Sos {
                a: f64::NAN,
                b: 0.1
            })
            .is_err()
        );
        assert!(with(|_| ()).is_ok());
    }
}
