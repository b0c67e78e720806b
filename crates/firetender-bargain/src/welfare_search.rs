//! Choosing a norm by trying: players who shape the other towards a welfare function of their own choice, after "The Danger of Arrogance: Welfare Equilibria as a
//! Solution to Stackelberg Self-Play in Non-Coincidental Games" (Levi, Lu, Willi, Schroeder de Witt and Foerster 2024, arXiv 2402.01088).
//!
//! A player that leads, expecting the other to follow, gets what it wants from a follower; two such leaders crash (in chicken both drive on). A *welfare
//! equilibrium* has each lead by a welfare function of both payoffs instead of its own payoff, its [`Aim`]; leading by the smaller payoff, both swerve. Which
//! aim is best depends on who one meets, so welfare function search (`WelFuSe`) draws aims, keeps what each earned, and chooses again by draws from that. It finds
//! agreement with its like and still leads who follows. It is a baseline for the announcements of [`meta`](crate::meta): norms are chosen, too, but alone and by payoff, not
//! announced.
//!
//! The learner is the paper's with exact values: player 1 climbs `w₁(u(θ₁, θ₂ + α ∇₂u₂(θ₁, θ₂)))` through the other's step, `u` being payoffs a round. That derivative
//! is made of first derivatives at both places and the mixed derivative that LOLA needs, along `∇₂w₁` instead of `∇₂V₁`; nothing is derived twice.
//! For a one-shot game set the discount to 0.

#![expect(
    clippy::needless_range_loop,
    reason = "lanes and players are counted: several arrays are read at the same number"
)]

use rand::RngExt;
use rand_chacha::{ChaCha12Rng, rand_core::SeedableRng};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    BargainError, MatrixGame, Repeated,
    repeated::{Core, Workspace},
};

/// Pairs that are computed side by side.
const LANES: usize = 8;

/// A welfare function of one's own payoff and the other's.
///
/// ```
/// use firetender_bargain::welfare_search::Aim;
/// assert_eq!(Aim::Egalitarian.value([4.0, 1.0]), 1.0);
/// assert_eq!(Aim::Fairness.value([4.0, 1.0]), -1.5);
/// assert_eq!(Aim::named("greedy").unwrap(), Aim::Greedy);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Aim {
    /// One's own payoff: the leader of Stackelberg.
    Greedy,
    /// The smaller payoff.
    Egalitarian,
    /// `−½ |own − other's|`.
    Fairness,
    /// The mean of both.
    Utilitarian,
    /// The other's payoff.
    Selfless,
}

impl Aim {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Greedy,
        Self::Egalitarian,
        Self::Fairness,
        Self::Utilitarian,
        Self::Selfless,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Greedy => "greedy",
            Self::Egalitarian => "egalitarian",
            Self::Fairness => "fairness",
            Self::Utilitarian => "utilitarian",
            Self::Selfless => "selfless",
        }
    }

    /// The aim of that name.
    ///
    /// # Errors
    /// [`BargainError::Option`], which lists all names.
    pub fn named(name: &str) -> Result<Self, BargainError> {
        let wanted = name.trim().to_lowercase();
        let found = Self::ALL.into_iter().find(|aim| aim.name() == wanted);
        found.ok_or_else(|| BargainError::Option {
            field: "aim",
            found: format!("`{name}`"),
            expected: "greedy, egalitarian, fairness, utilitarian or selfless",
        })
    }

    /// What `[own, other's]` payoffs are worth.
    #[must_use]
    pub fn value(self, [own, other]: [f64; 2]) -> f64 {
        match self {
            Self::Greedy => own,
            Self::Egalitarian => own.min(other),
            Self::Fairness => -0.5 * (own - other).abs(),
            Self::Utilitarian => 0.5 * (own + other),
            Self::Selfless => other,
        }
    }

    /// Its slopes by `[own, other's]` payoff; where it has a kink, the middle of both sides.
    #[must_use]
    pub fn slopes(self, [own, other]: [f64; 2]) -> [f64; 2] {
        let sign = if own > other {
            1.0
        } else if own < other {
            -1.0
        } else {
            0.0
        };
        match self {
            Self::Greedy => [1.0, 0.0],
            Self::Egalitarian => [0.5 - 0.5 * sign, 0.5 + 0.5 * sign],
            Self::Fairness => [-0.5 * sign, 0.5 * sign],
            Self::Utilitarian => [0.5, 0.5],
            Self::Selfless => [0.0, 1.0],
        }
    }
}

/// How to search.
///
/// ```
/// use firetender_bargain::welfare_search::{Aim, SearchOptions};
/// assert_eq!(SearchOptions::default().aims, [Aim::Greedy, Aim::Egalitarian, Aim::Fairness]);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchOptions {
    /// Aims to choose from.
    pub aims: Vec<Aim>,
    /// Pairs of players that learn side by side; the search learns from what all of them earned.
    pub pairs: usize,
    /// Episodes: aims are drawn before the first and chosen before each other one.
    pub episodes: usize,
    /// Steps of learning in an episode, from new parameters.
    pub steps: usize,
    /// Step size.
    pub rate: f64,
    /// The step that each takes the other to make, α.
    pub ahead: f64,
    /// Standard deviation of the first parameters.
    pub sigma: f64,
    /// Seed.
    pub seed: u64,
}

impl Default for SearchOptions {
    /// The authors' numbers for chicken: greedy, egalitarian and fairness; 100 pairs, 3 episodes of 1,000 steps, rate 0.1, α 25, σ 1.
    fn default() -> Self {
        Self {
            aims: vec![Aim::Greedy, Aim::Egalitarian, Aim::Fairness],
            pairs: 100,
            episodes: 3,
            steps: 1000,
            rate: 0.1,
            ahead: 25.0,
            sigma: 1.0,
            seed: 0,
        }
    }
}

impl SearchOptions {
    /// Checks the numbers.
    ///
    /// # Errors
    /// [`BargainError::Option`] when there is no aim or one twice, no pair or episode, more than a million of anything, or a number is negative or not finite.
    pub fn check(&self) -> Result<(), BargainError> {
        let fail = |field, found: String, expected| {
            Err(BargainError::Option {
                field,
                found,
                expected,
            })
        };
        let twice = |(i, aim): (usize, &Aim)| self.aims[..i].contains(aim);
        if self.aims.is_empty() || self.aims.iter().enumerate().any(twice) {
            let names: Vec<&str> = self.aims.iter().map(|aim| aim.name()).collect();
            return fail("aims", names.join(", "), "at least one, and none twice");
        }
        for (field, value, least) in [
            ("pairs", self.pairs, 1),
            ("episodes", self.episodes, 1),
            ("steps", self.steps, 0),
        ] {
            if value < least || value > 1 << 20 {
                return fail(field, value.to_string(), "a number from 1 to a million");
            }
        }
        for (field, value) in [
            ("rate", self.rate),
            ("ahead", self.ahead),
            ("sigma", self.sigma),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return fail(field, value.to_string(), "a finite number of 0 or more");
            }
        }
        Ok(())
    }
}

/// Whom the search meets in seat 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Opponent {
    /// Another that searches.
    Same,
    /// One that climbs its own payoff as if nobody else learned.
    Naive,
}

/// What an episode brought.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Episode {
    /// How many pairs chose each aim, in the order of the options; none for a naive player.
    pub chosen: [Vec<usize>; 2],
    /// Mean payoffs a round while learning.
    pub payoffs: [f64; 2],
    /// Mean payoffs a round of what was learned.
    pub end: [f64; 2],
}

/// A pair's payoffs a round: the mean while it learned, and at the end.
#[derive(Clone, Copy, Debug)]
struct Played {
    mean: [f64; 2],
    end: [f64; 2],
}

/// Welfare function search (`WelFuSe`) against another that searches or a naive learner, episode after episode.
///
/// Before the first episode aims are drawn evenly. Before each other one, a player of every pair draws for each aim what it earned in one of last episode's pairs
/// that had it, and takes the aim with the most; an aim that nobody had is gone.
///
/// # Errors
/// As [`SearchOptions::check`]; [`BargainError::TooFew`] when parameters run away to infinity.
///
/// ```
/// use firetender_bargain::{MatrixGame, Repeated, welfare_search::{Opponent, SearchOptions, search}};
/// let rows = [[[0.0, 0.0], [-1.0, 1.0]], [[1.0, -1.0], [-100.0, -100.0]]];
/// let chicken = Repeated::new(MatrixGame::new("chicken", &rows).unwrap(), 0.0).unwrap();
/// let options = SearchOptions { pairs: 40, ..Default::default() };
/// let found = search(&chicken, &options, Opponent::Same).unwrap();
/// assert!(found[2].payoffs[0] > found[0].payoffs[0], "fewer crashes once aims were chosen");
/// ```
pub fn search(
    game: &Repeated,
    options: &SearchOptions,
    opponent: Opponent,
) -> Result<Vec<Episode>, BargainError> {
    options.check()?;
    let seats = if opponent == Opponent::Same { 2 } else { 1 };
    let mut kept: [Vec<usize>; 2] = [0, 1].map(|_| (0..options.aims.len()).collect());
    let mut last: Option<(Vec<Played>, [Vec<usize>; 2])> = None;
    let mut out = vec![];
    for number in 0..options.episodes {
        let mut random = ChaCha12Rng::seed_from_u64(options.seed);
        random.set_stream(u64::MAX - number as u64);
        let mut chosen: [Vec<usize>; 2] = [vec![], vec![]];
        for seat in 0..seats {
            chosen[seat] = match &last {
                None => (0..options.pairs)
                    .map(|_| random.random_range(0..options.aims.len()))
                    .collect(),
                Some((played, before)) => {
                    let earned = |aim: usize| -> Vec<f64> {
                        let had = before[seat].iter().zip(played);
                        had.filter(|(a, _)| **a == aim)
                            .map(|(_, p)| p.mean[seat])
                            .collect()
                    };
                    let memory: Vec<(usize, Vec<f64>)> = kept[seat]
                        .iter()
                        .map(|aim| (*aim, earned(*aim)))
                        .filter(|(_, earned)| !earned.is_empty())
                        .collect();
                    kept[seat] = memory.iter().map(|(aim, _)| *aim).collect();
                    (0..options.pairs)
                        .map(|_| most(&memory, &mut random))
                        .collect()
                }
            };
        }
        let aims: Vec<[Option<Aim>; 2]> = (0..options.pairs)
            .map(|pair| [0, 1].map(|seat| chosen[seat].get(pair).map(|aim| options.aims[*aim])))
            .collect();
        let played = play(game, options, &aims, number)?;
        let count = |seat: usize| {
            let of = |aim: usize| chosen[seat].iter().filter(|a| **a == aim).count();
            if chosen[seat].is_empty() {
                vec![]
            } else {
                (0..options.aims.len()).map(of).collect()
            }
        };
        let (payoffs, end) = means(&played);
        out.push(Episode {
            chosen: [count(0), count(1)],
            payoffs,
            end,
        });
        last = Some((played, chosen));
    }
    Ok(out)
}

/// The aim that earned most in a draw each, the first of equals.
fn most(memory: &[(usize, Vec<f64>)], random: &mut ChaCha12Rng) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (aim, earned) in memory {
        let drawn = earned[random.random_range(0..earned.len())];
        if drawn > best.1 {
            best = (*aim, drawn);
        }
    }
    best.0
}

fn means(played: &[Played]) -> ([f64; 2], [f64; 2]) {
    let n = played.len() as f64;
    let mean = |of: &dyn Fn(&Played) -> f64| played.iter().map(of).sum::<f64>() / n;
    (
        [0, 1].map(|i| mean(&|p| p.mean[i])),
        [0, 1].map(|i| mean(&|p| p.end[i])),
    )
}

/// The game of choosing aims: mean payoffs a round of what pairs learn whose players have aims of the options, a row for each aim of player 1 and a column for each of
/// player 2, and with `naive` a last one for a naive learner. Its equilibria are what choosing aims can settle on.
///
/// # Errors
/// As [`search`].
///
/// ```
/// use firetender_bargain::{MatrixGame, Repeated, equilibria, welfare_search::{Aim, SearchOptions, aim_game}};
/// let rows = [[[0.0, 0.0], [-1.0, 1.0]], [[1.0, -1.0], [-100.0, -100.0]]];
/// let chicken = Repeated::new(MatrixGame::new("chicken", &rows).unwrap(), 0.0).unwrap();
/// let options = SearchOptions { aims: vec![Aim::Greedy, Aim::Egalitarian], pairs: 16, ..Default::default() };
/// let table = aim_game(&chicken, &options, false).unwrap();
/// assert!(table.payoffs(0, 0)[0] < -50.0, "two leaders crash");
/// assert!(table.payoffs(1, 1)[0] > -1.0, "two who mind the smaller payoff do not");
/// assert!(!equilibria(&table).unwrap().is_empty());
/// ```
pub fn aim_game(
    game: &Repeated,
    options: &SearchOptions,
    naive: bool,
) -> Result<MatrixGame, BargainError> {
    options.check()?;
    let mut all: Vec<Option<Aim>> = options.aims.iter().copied().map(Some).collect();
    if naive {
        all.push(None);
    }
    let cell = |one: Option<Aim>, two: Option<Aim>| {
        let aims = vec![[one, two]; options.pairs];
        Ok(means(&play(game, options, &aims, 0)?).1)
    };
    let row = |one: &Option<Aim>| all.iter().map(|two| cell(*one, *two)).collect();
    let rows = all
        .iter()
        .map(row)
        .collect::<Result<Vec<Vec<[f64; 2]>>, BargainError>>()?;
    MatrixGame::new(format!("aims in {}", game.game().name()), &rows)
}

/// The steps of both players at a pair of parameters, at rate 1: of a player with an aim along `∇ᵢ wᵢ(u(θᵢ, θⱼ + α ∇ⱼuⱼ))`, of one without along its own gradient; `u` is payoffs a
/// round, and `ahead` is α.
///
/// # Errors
/// As [`Repeated::gradients`]; [`BargainError::Option`] when `ahead` is not finite.
///
/// ```
/// use firetender_bargain::{Repeated, games, welfare_search::{Aim, aim_steps}};
/// let game = Repeated::new(games::named("chicken").unwrap(), 0.0).unwrap();
/// let theta: [&[f64]; 2] = [&[0.0, 0.0, 0.0, 0.0, 0.3], &[0.0, 0.0, 0.0, 0.0, -0.2]];
/// let led = aim_steps(&game, theta, [Some(Aim::Greedy), None], 5.0).unwrap();
/// assert!(led[0][4] < 0.0, "the leader drives on");
/// ```
pub fn aim_steps(
    game: &Repeated,
    theta: [&[f64]; 2],
    aims: [Option<Aim>; 2],
    ahead: f64,
) -> Result<[Vec<f64>; 2], BargainError> {
    if !ahead.is_finite() {
        return Err(BargainError::Option {
            field: "ahead",
            found: ahead.to_string(),
            expected: "a finite number",
        });
    }
    for (player, theta) in theta.iter().enumerate() {
        game.policy(player, theta)?;
    }
    let core = game.core();
    let mut work = Workspace::<1>::new(&core);
    for player in 0..2 {
        work.theta[player] = theta[player].iter().map(|x| [*x]).collect();
    }
    let mut there = work.clone();
    steps(&core, &mut work, &mut there, &[aims], ahead);
    Ok([0, 1].map(|i| work.steps[i].iter().map(|[x]| *x).collect()))
}

/// [`aim_steps`] of several pairs into the workspace's steps; values, of the place where they are, are found on the way.
fn steps<const L: usize>(
    core: &Core<'_>,
    work: &mut Workspace<L>,
    there: &mut Workspace<L>,
    aims: &[[Option<Aim>; 2]; L],
    ahead: f64,
) {
    let rate = 1.0 - core.gamma;
    core.gradients(work);
    // What each aims at by own parameters where the other will be, and by the other's: the direction in which it would have the other step.
    for i in 0..2 {
        let j = 1 - i;
        there.theta[i].clone_from(&work.theta[i]);
        let moved = work.theta[j].iter().zip(&work.own[j]);
        for (to, (from, slope)) in there.theta[j].iter_mut().zip(moved) {
            for l in 0..L {
                to[l] = from[l] + ahead * rate * slope[l];
            }
        }
        core.gradients(there);
        let weights: [[f64; 2]; L] = std::array::from_fn(|l| {
            let paid = [rate * there.values[i][l], rate * there.values[j][l]];
            aims[l][i].map_or([0.0; 2], |aim| aim.slopes(paid))
        });
        for (k, step) in work.steps[i].iter_mut().enumerate() {
            let (own, others) = (&there.own[i][k], &there.cross[j][k]);
            for l in 0..L {
                let [w, v] = weights[l];
                step[l] = rate
                    * if aims[l][i].is_some() {
                        w * own[l] + v * others[l]
                    } else {
                        work.own[i][k][l]
                    };
            }
        }
        for (k, wish) in work.cross[i].iter_mut().enumerate() {
            let (own, others) = (&there.cross[i][k], &there.own[j][k]);
            for l in 0..L {
                let [w, v] = weights[l];
                wish[l] = rate * (w * own[l] + v * others[l]);
            }
        }
    }
    core.corrections(work);
    for i in 0..2 {
        let corrections = work.corrections[i].iter();
        for (step, correction) in work.steps[i].iter_mut().zip(corrections) {
            for l in 0..L {
                if aims[l][i].is_some() {
                    step[l] += ahead * rate * correction[l];
                }
            }
        }
    }
}

/// An episode of pairs with these aims.
fn play(
    game: &Repeated,
    options: &SearchOptions,
    aims: &[[Option<Aim>; 2]],
    number: usize,
) -> Result<Vec<Played>, BargainError> {
    let core = game.core();
    let played: Vec<Vec<Played>> = aims
        .par_chunks(LANES)
        .enumerate()
        .map(|(chunk, aims)| side_by_side(game, &core, options, aims, chunk, number))
        .collect();
    let played: Vec<Played> = played.into_iter().flatten().collect();
    let finite = |p: &Played| p.mean.iter().chain(&p.end).all(|x| x.is_finite());
    match played.iter().position(|p| !finite(p)) {
        None => Ok(played),
        Some(pair) => Err(BargainError::TooFew {
            what: format!("pair {pair} left the numbers; a smaller rate or step ahead keeps it"),
        }),
    }
}

fn side_by_side(
    game: &Repeated,
    core: &Core<'_>,
    options: &SearchOptions,
    aims: &[[Option<Aim>; 2]],
    chunk: usize,
    number: usize,
) -> Vec<Played> {
    // Lanes beyond the last pair do as the first one; their numbers touch nobody's.
    let lanes: [[Option<Aim>; 2]; LANES] = std::array::from_fn(|l| aims[l.min(aims.len() - 1)]);
    let mut work = Workspace::<LANES>::new(core);
    let mut there = Workspace::<LANES>::new(core);
    for lane in 0..LANES {
        let mut random = ChaCha12Rng::seed_from_u64(options.seed);
        let pair = (chunk * LANES + lane) as u64;
        random.set_stream((number as u64) << 32 | pair);
        for player in 0..2 {
            for i in 0..game.count(player) {
                work.theta[player][i][lane] = options.sigma * normal(&mut random);
            }
        }
    }
    let rate = 1.0 - game.gamma();
    let mut sums = [[0.0; LANES]; 2];
    for _ in 0..options.steps {
        steps(core, &mut work, &mut there, &lanes, options.ahead);
        for player in 0..2 {
            for l in 0..LANES {
                sums[player][l] += rate * work.values[player][l];
            }
            for (theta, step) in work.theta[player].iter_mut().zip(&work.steps[player]) {
                for l in 0..LANES {
                    theta[l] += options.rate * step[l];
                }
            }
        }
    }
    core.gradients(&mut work);
    let played = |lane: usize| {
        let end = [0, 1].map(|i| rate * work.values[i][lane]);
        let mean = if options.steps == 0 {
            end
        } else {
            [0, 1].map(|i| sums[i][lane] / options.steps as f64)
        };
        Played { mean, end }
    };
    (0..aims.len()).map(played).collect()
}

/// A standard normal number (Box–Muller).
fn normal(random: &mut ChaCha12Rng) -> f64 {
    let (a, b): (f64, f64) = (1.0 - random.random::<f64>(), random.random());
    (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}

#[cfg(test)]
mod tests;
