//! All pairs: player 1 of one pair with player 2 of another, exactly.

use rand::RngExt;
use rand_chacha::{ChaCha12Rng, rand_core::SeedableRng};
use rayon::prelude::*;
use serde::Serialize;

use crate::{BargainError, Record, Repeated, Score};

/// A mean with an interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What every player 1 earns with every player 2, a round.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CrossPlay {
    replicates: usize,
    /// `payoffs[i · n + j]`: player 1 of replicate `i` with player 2 of replicate `j`.
    payoffs: Vec<[f64; 2]>,
}

/// Plays player 1 of every replicate with player 2 of every replicate. `policies[0][i]` and `policies[1][i]` are the probabilities
/// (see [`Repeated::policy`]) of the two players that were trained together as replicate `i`.
///
/// # Errors
/// [`BargainError::TooFew`] when the players do not come in pairs or there is none; and as [`Repeated::values`].
///
/// ```
/// use firetender_bargain::{Repeated, cross_play, games};
/// let game = Repeated::new(games::named("asym-bos").unwrap(), 0.96).unwrap();
/// let stubborn = |p: f64| game.two_action_policy(&[p; 5]).unwrap();
/// let players = [vec![stubborn(1.0), stubborn(0.0)], vec![stubborn(1.0), stubborn(0.0)]];
/// let table = cross_play(&game, &players).unwrap();
/// assert!((table.payoffs(0, 0)[0] - 4.0).abs() < 1e-12);
/// assert_eq!(table.payoffs(0, 1), [0.0, 0.0]);
/// ```
pub fn cross_play(
    game: &Repeated,
    policies: &[Vec<Vec<f64>>; 2],
) -> Result<CrossPlay, BargainError> {
    let n = count(policies)?;
    let payoffs = (0..n * n)
        .into_par_iter()
        .map(|cell| one(game, policies, [cell / n, cell % n]))
        .collect::<Result<_, BargainError>>()?;
    Ok(CrossPlay {
        replicates: n,
        payoffs,
    })
}

/// [`cross_play`] that is written down as `experiment` and goes on from what is.
///
/// # Errors
/// As [`cross_play`] and [`Record::cells`].
pub fn cross_play_recorded(
    game: &Repeated,
    policies: &[Vec<Vec<f64>>; 2],
    experiment: &str,
    record: &mut Record,
) -> Result<CrossPlay, BargainError> {
    let n = count(policies)?;
    let cells: Vec<[usize; 2]> = (0..n * n).map(|cell| [cell / n, cell % n]).collect();
    let found = record.cells(experiment, &cells, &|v| v.len() == 2, &|some| {
        let paid = some.iter().map(|cell| one(game, policies, *cell));
        paid.map(|pair| Ok(pair?.to_vec())).collect()
    })?;
    let pair = |v: &Vec<f64>| [v[0], v[1]];
    CrossPlay::of(n, found.iter().map(pair).collect())
}

/// How many replicates there are.
fn count(policies: &[Vec<Vec<f64>>; 2]) -> Result<usize, BargainError> {
    let n = policies[0].len();
    if n == 0 || policies[1].len() != n {
        return Err(BargainError::TooFew {
            what: format!(
                "{n} first and {} second players; expected as many of each, and at least one",
                policies[1].len()
            ),
        });
    }
    CrossPlay::allowed(n)?;
    Ok(n)
}

fn one(
    game: &Repeated,
    policies: &[Vec<Vec<f64>>; 2],
    [i, j]: [usize; 2],
) -> Result<[f64; 2], BargainError> {
    let rate = 1.0 - game.gamma();
    let values = game.values([&policies[0][i], &policies[1][j]])?;
    Ok(values.map(|v| rate * v))
}

/// Replicates of which everyone can meet everyone: their tables are some hundred bytes a pairing.
const MOST: usize = 5_000;

impl CrossPlay {
    /// Whether a table of so many replicates fits into memory, to be asked before they are trained.
    ///
    /// # Errors
    /// [`BargainError::Option`] for none or more than 5,000, which are 25 million pairings.
    pub fn allowed(replicates: usize) -> Result<(), BargainError> {
        if (1..=MOST).contains(&replicates) {
            return Ok(());
        }
        Err(BargainError::Option {
            field: "replicates",
            found: replicates.to_string(),
            expected: "from 1 to 5,000, all of whom meet",
        })
    }

    /// A table from what was earned elsewhere: `payoffs[i · n + j]` of player 1 of replicate `i` with player 2 of replicate `j`.
    ///
    /// # Errors
    /// [`BargainError::TooFew`] when there is no replicate or not one pair of payoffs for each pairing, or one is not finite.
    pub fn of(replicates: usize, payoffs: Vec<[f64; 2]>) -> Result<Self, BargainError> {
        let finite = payoffs.iter().flatten().all(|x| x.is_finite());
        if replicates == 0 || payoffs.len() != replicates * replicates || !finite {
            return Err(BargainError::TooFew {
                what: format!(
                    "{} finite pairs of payoffs; expected {replicates} × {replicates}",
                    payoffs.len()
                ),
            });
        }
        Ok(Self {
            replicates,
            payoffs,
        })
    }

    /// The mean payoffs of the pairings that are kept; `None` when there is none.
    #[must_use]
    pub fn mean_payoffs(&self, keep: impl Fn(usize, usize) -> bool) -> Option<[f64; 2]> {
        let n = self.replicates;
        let kept: Vec<&[f64; 2]> = (0..n * n)
            .filter(|cell| keep(cell / n, cell % n))
            .map(|cell| &self.payoffs[cell])
            .collect();
        let mean = |i: usize| kept.iter().map(|p| p[i]).sum::<f64>() / kept.len() as f64;
        (!kept.is_empty()).then(|| [mean(0), mean(1)])
    }

    /// Replicates.
    #[must_use]
    pub fn replicates(&self) -> usize {
        self.replicates
    }

    /// What player 1 of replicate `one` and player 2 of replicate `two` earn a round.
    ///
    /// # Panics
    /// When there is no such replicate.
    #[must_use]
    pub fn payoffs(&self, one: usize, two: usize) -> [f64; 2] {
        assert!(
            two < self.replicates,
            "replicate {two} of {}",
            self.replicates
        );
        self.payoffs[one * self.replicates + two]
    }

    /// The scores of all pairs, in the order of the payoffs.
    #[must_use]
    pub fn scores(&self, score: &Score) -> Vec<f64> {
        self.payoffs.iter().map(|p| score.of(*p).0).collect()
    }

    /// The mean of a value over the pairs that were trained together, with an interval over replicates.
    ///
    /// # Errors
    /// [`BargainError::TooFew`] when the values are not one a pair.
    pub fn self_play(&self, values: &[f64], draws: &Draws) -> Result<Interval, BargainError> {
        self.mean(values, draws, |i, j| i == j)?
            .ok_or_else(|| BargainError::TooFew {
                what: "no replicate plays with itself".into(),
            })
    }

    /// The mean of a value over pairs of different replicates for which `keep(i, j)` holds, with an interval over replicates; `None`
    /// when there is no such pair.
    ///
    /// # Errors
    /// [`BargainError::TooFew`] when there is one replicate only, or the values are not one a pair.
    pub fn cross(
        &self,
        values: &[f64],
        draws: &Draws,
        keep: impl Fn(usize, usize) -> bool + Sync,
    ) -> Result<Option<Interval>, BargainError> {
        if self.replicates < 2 {
            return Err(BargainError::TooFew {
                what: "one replicate has nobody to play with; cross-play needs at least two".into(),
            });
        }
        self.mean(values, draws, |i, j| i != j && keep(i, j))
    }

    /// Mean and interval over the kept pairs. Pairs share players, so whole replicates are drawn, and a pair counts as often as both
    /// of its replicates were drawn.
    fn mean(
        &self,
        values: &[f64],
        draws: &Draws,
        keep: impl Fn(usize, usize) -> bool + Sync,
    ) -> Result<Option<Interval>, BargainError> {
        let n = self.replicates;
        if values.len() != n * n {
            return Err(BargainError::TooFew {
                what: format!(
                    "{} values; expected {} ({n} × {n} pairs)",
                    values.len(),
                    n * n
                ),
            });
        }
        let kept: Vec<(usize, usize, f64)> = (0..n * n)
            .map(|cell| (cell / n, cell % n))
            .filter(|(i, j)| keep(*i, *j))
            .map(|(i, j)| (i, j, values[i * n + j]))
            .collect();
        if kept.is_empty() {
            return Ok(None);
        }
        let mean = kept.iter().map(|(_, _, v)| v).sum::<f64>() / kept.len() as f64;
        let mut means: Vec<f64> = (0..draws.count)
            .into_par_iter()
            .filter_map(|draw| {
                let mut random = ChaCha12Rng::seed_from_u64(draws.seed);
                random.set_stream(draw as u64);
                let mut times = vec![0.0_f64; n];
                (0..n).for_each(|_| times[random.random_range(0..n)] += 1.0);
                let (mut sum, mut weight) = (0.0, 0.0);
                for (i, j, value) in &kept {
                    let count = if i == j {
                        times[*i]
                    } else {
                        times[*i] * times[*j]
                    };
                    sum += count * value;
                    weight += count;
                }
                (weight > 0.0).then(|| sum / weight)
            })
            .collect();
        means.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = share * (means.len().max(1) - 1) as f64;
            means.get(place.round() as usize).copied().unwrap_or(mean)
        };
        let tail = (1.0 - draws.level) / 2.0;
        Ok(Some(Interval {
            mean,
            low: at(tail),
            high: at(1.0 - tail),
        }))
    }
}

/// How intervals are drawn.
///
/// ```
/// let draws = firetender_bargain::Draws { level: 0.95, ..Default::default() };
/// assert_eq!(draws.count, 2000);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Draws {
    /// Bootstrap draws.
    pub count: usize,
    /// Coverage, such as 0.99.
    pub level: f64,
    /// Seed.
    pub seed: u64,
}

impl Default for Draws {
    /// 2,000 draws, 99 %, seed 0.
    fn default() -> Self {
        Self {
            count: 2000,
            level: 0.99,
            seed: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LolaOptions, NormClass, Parameters, Welfare, classify, games::named, train};

    fn run(
        name: &str,
        parameters: Parameters,
        options: &LolaOptions,
    ) -> (Repeated, crate::Trained, CrossPlay) {
        let game = Repeated::new(named(name).unwrap(), 0.96)
            .unwrap()
            .with_parameters(parameters)
            .unwrap();
        let trained = train(&game, options).unwrap();
        let policies = [0, 1].map(|player| {
            let all = trained.theta[player].iter();
            all.map(|theta| game.policy(player, theta).unwrap())
                .collect()
        });
        let table = cross_play(&game, &policies).unwrap();
        (game, trained, table)
    }

    /// Claim C2 of the specification: normative disagreement of LOLA-Exact in asymmetric Bach or Stravinsky.
    #[test]
    fn lola_players_agree_with_their_own_kind_only() {
        let options = LolaOptions {
            pairs: 100,
            ..Default::default()
        };
        let (_, trained, table) = run("asym-bos", Parameters::SigmoidNormalised, &options);
        let norms = [Welfare::Utilitarian, Welfare::Egalitarian, Welfare::Nash];
        let score = Score::new(&norms, &[5.0, 2.0, 4.5], [0.0; 2], "theory").unwrap();
        let classes: Vec<NormClass> = trained
            .payoffs
            .iter()
            .map(|p| classify("asym-bos", *p).unwrap())
            .collect();
        let scores = table.scores(&score);
        let draws = Draws::default();
        let own = table.self_play(&scores, &draws).unwrap();
        let all = table.cross(&scores, &draws, |_, _| true).unwrap().unwrap();
        let same = table
            .cross(&scores, &draws, |i, j| classes[i] == classes[j])
            .unwrap()
            .unwrap();
        let different = table
            .cross(&scores, &draws, |i, j| classes[i] != classes[j])
            .unwrap()
            .unwrap();
        println!("self {own:?}, all {all:?}, same {same:?}, different {different:?}");
        assert!(own.mean > 0.95);
        assert!((0.42..=0.62).contains(&all.mean));
        assert!(same.mean > 0.75 && different.mean < 0.45);
        assert!(same.mean - different.mean > 0.3);
        assert!(all.low < all.mean && all.mean < all.high);
    }

    /// Claim C1, its LOLA part: in the prisoner's dilemma disagreement does not bite.
    #[test]
    fn lola_players_of_the_dilemma_agree_with_anybody() {
        let options = LolaOptions {
            pairs: 100,
            ..Default::default()
        };
        let (_, _, table) = run("ipd", Parameters::SigmoidNormalised, &options);
        let norms = [Welfare::Utilitarian, Welfare::Egalitarian];
        let score = Score::new(&norms, &[-2.0, 2.0], [-3.0; 2], "theory").unwrap();
        let scores = table.scores(&score);
        let draws = Draws::default();
        let own = table.self_play(&scores, &draws).unwrap().mean;
        let all = table
            .cross(&scores, &draws, |_, _| true)
            .unwrap()
            .unwrap()
            .mean;
        println!("self {own}, cross {all}");
        assert!(all >= 0.9 * own);
    }

    #[test]
    fn too_little_is_said() {
        let game = Repeated::new(named("ipd").unwrap(), 0.5).unwrap();
        let one = vec![game.two_action_policy(&[0.5; 5]).unwrap()];
        let table = cross_play(&game, &[one.clone(), one.clone()]).unwrap();
        let error = table
            .cross(&[0.0], &Draws::default(), |_, _| true)
            .unwrap_err();
        assert!(error.to_string().contains("one replicate"));
        assert!(table.self_play(&[0.0, 1.0], &Draws::default()).is_err());
        assert!(cross_play(&game, &[one, vec![]]).is_err());
        let two = vec![game.two_action_policy(&[0.5; 5]).unwrap(); 2];
        let table = cross_play(&game, &[two.clone(), two]).unwrap();
        assert_eq!(
            table
                .cross(&[1.0; 4], &Draws::default(), |_, _| false)
                .unwrap(),
            None
        );
    }
}
