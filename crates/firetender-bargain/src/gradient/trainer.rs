//! Training one update at a time, and going on from where it stopped.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::{
    DqnOptions, PgOptions, PpoOptions,
    dqn::{Replay, first_best},
    network::{Adam, Network, View},
    policy, probabilities, view,
};
use crate::{BargainError, coin::CoinGame, plan::Policy, tabular::Reward};

/// Who learns, and how.
///
/// ```
/// use firetender_bargain::gradient::{Algorithm, PpoOptions};
/// let ppo = Algorithm::Ppo(PpoOptions::default());
/// assert_eq!((ppo.name(), ppo.updates()), ("ppo", 400));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Algorithm {
    /// Policy gradients, and LOLA-PG.
    Pg(PgOptions),
    /// Proximal policy optimisation.
    Ppo(PpoOptions),
    /// Deep Q-networks.
    Dqn(DqnOptions),
}

impl Algorithm {
    /// Its name: `pg`, `lola-pg`, `ppo` or `dqn`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pg(options) if options.correction > 0.0 => "lola-pg",
            Self::Pg(_) => "pg",
            Self::Ppo(_) => "ppo",
            Self::Dqn(_) => "dqn",
        }
    }

    /// Updates until it is done.
    #[must_use]
    pub fn updates(&self) -> usize {
        match self {
            Self::Pg(options) => options.updates,
            Self::Ppo(options) => options.updates,
            Self::Dqn(options) => options.updates,
        }
    }

    /// The same with another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        match &mut self {
            Self::Pg(options) => options.seed = seed,
            Self::Ppo(options) => options.seed = seed,
            Self::Dqn(options) => options.seed = seed,
        }
        self
    }

    /// The same with another reward.
    #[must_use]
    pub fn with_reward(mut self, reward: Reward) -> Self {
        match &mut self {
            Self::Pg(options) => options.reward = reward,
            Self::Ppo(options) => options.reward = reward,
            Self::Dqn(options) => options.reward = reward,
        }
        self
    }

    fn centred(&self) -> bool {
        match self {
            Self::Pg(options) => options.centred,
            Self::Ppo(options) => options.centred,
            Self::Dqn(options) => options.centred,
        }
    }

    fn check(&self, game: &CoinGame) -> Result<(), BargainError> {
        match self {
            Self::Pg(options) => options.check(game),
            Self::Ppo(options) => options.check(game),
            Self::Dqn(options) => options.check(game),
        }
    }

    fn networks(&self, game: &CoinGame, device: &Device) -> Vec<Network> {
        match self {
            Self::Pg(options) => options.networks(game, device),
            Self::Ppo(options) => options.networks(game, device),
            Self::Dqn(options) => options.networks(game, device),
        }
    }

    /// How many of its networks climb by Adam.
    fn adams(&self) -> usize {
        match self {
            Self::Pg(_) => 0,
            Self::Ppo(_) => 4,
            Self::Dqn(_) => 2,
        }
    }
}

/// Two players in training.
///
/// ```
/// use burn::tensor::Device;
/// use firetender_bargain::{coin::CoinGame, gradient::{Algorithm, PpoOptions, Trainer}};
/// let game = CoinGame::named("cg").unwrap();
/// let options = PpoOptions { boards: 4, updates: 2, epochs: 1, ..PpoOptions::default() };
/// let mut trainer = Trainer::new(&game, &Algorithm::Ppo(options), &Device::flex()).unwrap();
/// trainer.step().unwrap();
/// let saved = trainer.checkpoint().unwrap();
/// let mut later = Trainer::resume(&saved, &Device::flex()).unwrap();
/// assert_eq!(later.step().unwrap(), trainer.step().unwrap());
/// assert_eq!(later.policies().unwrap(), trainer.policies().unwrap());
/// ```
#[derive(Debug)]
pub struct Trainer {
    game: CoinGame,
    algorithm: Algorithm,
    views: [View; 2],
    networks: Vec<Network>,
    adams: Vec<Adam>,
    replay: Replay,
    curve: Vec<[f64; 2]>,
}

/// All that a training needs to go on to the same result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    game: CoinGame,
    algorithm: Algorithm,
    /// Bits of the parameters of every network, and of Adam's means and squares.
    networks: Vec<Vec<u32>>,
    replay: Replay,
    curve: Vec<[f64; 2]>,
}

impl Checkpoint {
    /// The game that is learned.
    #[must_use]
    pub fn game(&self) -> &CoinGame {
        &self.game
    }

    /// Who learns.
    #[must_use]
    pub fn algorithm(&self) -> &Algorithm {
        &self.algorithm
    }

    /// Updates that were made.
    #[must_use]
    pub fn updates(&self) -> usize {
        self.curve.len()
    }
}

impl Trainer {
    /// A training at its beginning.
    ///
    /// # Errors
    /// [`BargainError::Option`] when a number is out of range; [`BargainError::Game`] when the game has too many states to list.
    pub fn new(
        game: &CoinGame,
        algorithm: &Algorithm,
        device: &Device,
    ) -> Result<Self, BargainError> {
        algorithm.check(game)?;
        let networks = algorithm.networks(game, device);
        Ok(Self {
            views: [0, 1].map(|seat| view(game, seat, algorithm.centred(), device)),
            adams: networks
                .iter()
                .take(algorithm.adams())
                .map(Adam::of)
                .collect(),
            networks,
            replay: Replay::default(),
            curve: vec![],
            game: game.clone(),
            algorithm: *algorithm,
        })
    }

    /// A training that goes on.
    ///
    /// # Errors
    /// As [`new`](Self::new); [`BargainError::Parse`] when the checkpoint does not fit together.
    pub fn resume(saved: &Checkpoint, device: &Device) -> Result<Self, BargainError> {
        let fail = |what: &str| BargainError::Parse {
            place: "checkpoint".into(),
            what: what.into(),
        };
        let mut trainer = Self::new(&saved.game, &saved.algorithm, device)?;
        let (networks, adams) = (trainer.networks.len(), trainer.adams.len());
        if saved.networks.len() != networks + 2 * adams {
            return Err(fail("has another number of networks than its algorithm"));
        }
        let mut lists = saved.networks.iter();
        let mut load = |network: &mut Network| -> Result<(), BargainError> {
            let list: Vec<f32> = lists
                .next()
                .into_iter()
                .flatten()
                .map(|bits| f32::from_bits(*bits))
                .collect();
            *network = network
                .with(&list)
                .ok_or_else(|| fail("has another number of parameters than its networks"))?;
            Ok(())
        };
        trainer.networks.iter_mut().try_for_each(&mut load)?;
        for adam in &mut trainer.adams {
            load(&mut adam.mean)?;
            load(&mut adam.square)?;
        }
        let counts = [trainer.views[0].count(), trainer.views[1].count()];
        let inside = |rows: &[u32; 2]| (0..2).all(|i| (rows[i] as usize) < counts[i]);
        let most = match &saved.algorithm {
            Algorithm::Dqn(options) => options.memory,
            _ => 0,
        };
        let moves = saved.game.moves();
        let fits = saved.replay.steps.iter().all(|step| {
            inside(&step.0) && inside(&step.1) && step.2.iter().all(|m| usize::from(*m) < moves)
        });
        if !fits || saved.replay.steps.len() > most || saved.replay.next > saved.replay.steps.len()
        {
            return Err(fail(
                "remembers steps that its game or its memory does not have",
            ));
        }
        if saved.curve.len() > saved.algorithm.updates() {
            return Err(fail("has made more updates than its algorithm has"));
        }
        trainer.replay = saved.replay.clone();
        trainer.curve.clone_from(&saved.curve);
        Ok(trainer)
    }

    /// One update; gives the mean rewards a step of the boards that were played for it, or `None` when the training is done.
    ///
    /// # Errors
    /// [`BargainError::Option`] when a gradient is no number, which a smaller rate prevents; [`BargainError::Game`] when the device does not give its
    /// numbers back.
    pub fn step(&mut self) -> Result<Option<[f64; 2]>, BargainError> {
        let update = self.curve.len();
        if update >= self.algorithm.updates() {
            return Ok(None);
        }
        let (game, views, networks) = (&self.game, &self.views, &mut self.networks);
        let means = match &self.algorithm {
            Algorithm::Pg(options) => options.update(game, views, networks, update)?,
            Algorithm::Ppo(options) => {
                options.update(game, views, networks, &mut self.adams, update)?
            }
            Algorithm::Dqn(options) => {
                let (adams, replay) = (&mut self.adams, &mut self.replay);
                options.update(game, views, networks, adams, replay, update)?
            }
        };
        self.curve.push(means);
        Ok(Some(means))
    }

    /// Updates that were made.
    #[must_use]
    pub fn updates(&self) -> usize {
        self.curve.len()
    }

    /// Mean rewards a step of both players in each update's boards.
    #[must_use]
    pub fn curve(&self) -> &[[f64; 2]] {
        &self.curve
    }

    /// What each does in every state of the game now: the policies themselves, and for Q-networks the move of greatest worth.
    ///
    /// # Errors
    /// [`BargainError::Game`] when the device does not give its numbers back.
    pub fn policies(&self) -> Result<[Policy; 2], BargainError> {
        let moves = self.game.moves();
        let one = |seat: usize| {
            let view = &self.views[seat];
            let pass = self.networks[seat].pass(&view.rows);
            if let Algorithm::Dqn(_) = self.algorithm {
                let worth = pass.outputs()?;
                let best: Vec<usize> = worth.chunks(moves).map(first_best).collect();
                let chosen: Vec<usize> = view.of.iter().map(|row| best[*row as usize]).collect();
                return Ok(Policy::pure(moves, &chosen));
            }
            policy(moves, &view.of, &probabilities(&pass.log_probs()?))
        };
        Ok([one(0)?, one(1)?])
    }

    /// All that is needed to go on later.
    ///
    /// # Errors
    /// As [`policies`](Self::policies).
    pub fn checkpoint(&self) -> Result<Checkpoint, BargainError> {
        let adams = self.adams.iter().flat_map(|a| [&a.mean, &a.square]);
        let bits = |network: &Network| -> Result<Vec<u32>, BargainError> {
            Ok(network.flat()?.into_iter().map(f32::to_bits).collect())
        };
        Ok(Checkpoint {
            game: self.game.clone(),
            algorithm: self.algorithm,
            networks: self
                .networks
                .iter()
                .chain(adams)
                .map(bits)
                .collect::<Result<_, _>>()?,
            replay: self.replay.clone(),
            curve: self.curve.clone(),
        })
    }
}
