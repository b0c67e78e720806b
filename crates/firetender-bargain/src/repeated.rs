//! Repeated games between players with memory of one round, solved exactly.
//!
//! Each player's policy gives, for every last joint action and for the start, the probabilities of its next action. The discounted
//! sum of payoffs is then a rational function of the probabilities: with `P` the chain of joint actions, `R` their payoffs and
//! `s₀` the first one's distribution, `V = s₀ᵀ (I − γP)⁻¹ R`. Values, first derivatives and the mixed second derivative that opponent
//! shaping needs (LOLA, Foerster and others 2018) come from one factorisation, in `f64` on the host.
//!
//! States are numbered `row action · columns + column action`, and the start comes last: CC, CD, DC, DD, start in a 2 × 2 game.

mod lanes;
mod learner;
mod parameters;

use serde::{Deserialize, Serialize};

use crate::{BargainError, MatrixGame};

pub(crate) use lanes::{Core, Workspace};
pub use learner::{Learner, Step};
pub use parameters::Parameters;

/// How player 2 reads the last joint action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum States {
    /// Both read `row action · columns + column action`, as the released code does.
    #[default]
    Shared,
    /// Player 2 reads its own action first: `column action · rows + row action`, so that a policy means the same in both seats of
    /// a symmetric game.
    OwnFirst,
}

/// A game played again and again by players who remember the last round, with payoffs discounted by γ a round.
///
/// ```
/// use firetender_bargain::{Repeated, games};
/// let game = Repeated::new(games::named("ipd").unwrap(), 0.96).unwrap();
/// // Tit for tat in the order CC, CD, DC, DD, start: probabilities of cooperating.
/// let one = game.two_action_policy(&[1.0, 0.0, 1.0, 0.0, 1.0]).unwrap();
/// let two = game.two_action_policy(&[1.0, 1.0, 0.0, 0.0, 1.0]).unwrap();
/// let values = game.values([&one, &two]).unwrap();
/// assert!(values.iter().all(|v| (v + 25.0).abs() < 1e-9), "always −1, discounted");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Repeated {
    game: MatrixGame,
    gamma: f64,
    parameters: Parameters,
    states: States,
}

/// Values and first derivatives of a pair of policies with respect to their parameters.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gradients {
    /// Discounted sums of payoffs, `[V₁, V₂]`.
    pub values: [f64; 2],
    /// `[∇₁V₁, ∇₂V₂]`: each player's value by its own parameters.
    pub own: [Vec<f64>; 2],
    /// `[∇₂V₁, ∇₁V₂]`: each player's value by the other's parameters.
    pub cross: [Vec<f64>; 2],
}

/// What LOLA adds to the gradients.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lola {
    /// Values and first derivatives.
    pub gradients: Gradients,
    /// `[∇₁⟨sg(∇₂V₁), ∇₂V₂⟩, ∇₂⟨sg(∇₁V₂), ∇₁V₁⟩]`: how each player's parameters change the other's next step, weighed by what
    /// that step is worth to it.
    pub corrections: [Vec<f64>; 2],
}

impl Repeated {
    /// A repeated game with discount `gamma` from 0 to below 1, softmax-free two-action logits where both players have two actions
    /// ([`Parameters::SingleLogit`]) and [`Parameters::Softmax`] elsewhere, and [`States::Shared`].
    ///
    /// # Errors
    /// [`BargainError::Option`] when `gamma` is outside.
    pub fn new(game: MatrixGame, gamma: f64) -> Result<Self, BargainError> {
        if !(0.0..1.0).contains(&gamma) {
            return Err(BargainError::Option {
                field: "gamma",
                found: gamma.to_string(),
                expected: "a number from 0 to below 1 (without a discount give a horizon)",
            });
        }
        let parameters = if game.actions() == [2, 2] {
            Parameters::SingleLogit
        } else {
            Parameters::Softmax
        };
        Ok(Self {
            game,
            gamma,
            parameters,
            states: States::Shared,
        })
    }

    /// With other parameters of the policies.
    ///
    /// # Errors
    /// [`BargainError::Option`] when single logits are asked for and a player has not two actions.
    pub fn with_parameters(mut self, parameters: Parameters) -> Result<Self, BargainError> {
        if parameters == Parameters::SingleLogit && self.game.actions() != [2, 2] {
            return Err(BargainError::Option {
                field: "parameters",
                found: format!("single_logit for {:?} actions", self.game.actions()),
                expected: "softmax or sigmoid_normalised unless both players have two actions",
            });
        }
        self.parameters = parameters;
        Ok(self)
    }

    /// With another way for player 2 to read the last round.
    #[must_use]
    pub fn with_states(mut self, states: States) -> Self {
        self.states = states;
        self
    }

    /// The stage game.
    #[must_use]
    pub fn game(&self) -> &MatrixGame {
        &self.game
    }

    /// The discount.
    #[must_use]
    pub fn gamma(&self) -> f64 {
        self.gamma
    }

    /// The parameters of its policies.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        self.parameters
    }

    /// States that a policy tells apart, the start included.
    #[must_use]
    pub fn states(&self) -> usize {
        self.game.profiles() + 1
    }

    /// How many parameters a player's policy has.
    ///
    /// # Panics
    /// When `player` is neither 0 nor 1.
    #[must_use]
    pub fn count(&self, player: usize) -> usize {
        self.states() * self.parameters.columns(self.game.actions()[player])
    }

    /// An upper bound of the condition number of the linear systems that are solved, `(1 + γ) / (1 − γ)`: about so many units in the
    /// last place may be lost.
    #[must_use]
    pub fn condition(&self) -> f64 {
        (1.0 + self.gamma) / (1.0 - self.gamma)
    }

    /// The probabilities, state after state and action after action, that parameters stand for.
    ///
    /// # Errors
    /// [`BargainError::Policy`] when there are too few or too many, or one is not a number.
    ///
    /// # Panics
    /// When `player` is neither 0 nor 1.
    pub fn policy(&self, player: usize, theta: &[f64]) -> Result<Vec<f64>, BargainError> {
        self.check(player, theta)?;
        let actions = self.game.actions()[player];
        let columns = self.parameters.columns(actions);
        let mut policy = vec![[0.0; 1]; self.states() * actions];
        for (row, out) in theta.chunks(columns).zip(policy.chunks_mut(actions)) {
            let row: Vec<[f64; 1]> = row.iter().map(|x| [*x]).collect();
            let mut slopes = row.clone();
            self.parameters.probabilities(&row, out, &mut slopes);
        }
        Ok(policy.into_iter().map(|[p]| p).collect())
    }

    /// A policy of a player with two actions from its probabilities of action 0.
    ///
    /// # Errors
    /// [`BargainError::Policy`] when there is not one for each state; [`BargainError::Option`] when one is no probability.
    pub fn two_action_policy(&self, first: &[f64]) -> Result<Vec<f64>, BargainError> {
        if first.len() != self.states() {
            return Err(self.miscounted(0, first.len(), self.states(), "one probability a state"));
        }
        if let Some(found) = first.iter().find(|p| !(0.0..=1.0).contains(*p)) {
            return Err(BargainError::Option {
                field: "probability",
                found: found.to_string(),
                expected: "a number from 0 to 1",
            });
        }
        Ok(first.iter().flat_map(|p| [*p, 1.0 - p]).collect())
    }

    /// `[V₁, V₂]` of two policies given as probabilities (see [`policy`](Self::policy)). Per round it is `(1 − γ)` times as much.
    ///
    /// # Errors
    /// [`BargainError::Policy`] when a table has the wrong size or a row is no distribution.
    pub fn values(&self, policies: [&[f64]; 2]) -> Result<[f64; 2], BargainError> {
        let policies = self.seated(policies)?;
        let mut work = Workspace::<1>::new(&self.core());
        work.pi = policies.map(|p| p.into_iter().map(|x| [x]).collect());
        self.core().solve(&mut work);
        Ok([work.values[0][0], work.values[1][0]])
    }

    /// Expected payoff a round over a finite number of rounds, without discount.
    ///
    /// # Errors
    /// As [`finite_discounted`](Self::finite_discounted).
    pub fn finite(&self, policies: [&[f64]; 2], rounds: usize) -> Result<[f64; 2], BargainError> {
        let sum = self.finite_discounted(policies, rounds, 1.0)?;
        Ok(sum.map(|s| s / rounds as f64))
    }

    /// The sum of payoffs over a finite number of rounds, discounted by `gamma` (1 at most) instead of the game's own discount.
    ///
    /// # Errors
    /// As [`values`](Self::values); [`BargainError::Option`] for a horizon of 0 or a discount outside 0 to 1.
    pub fn finite_discounted(
        &self,
        policies: [&[f64]; 2],
        rounds: usize,
        gamma: f64,
    ) -> Result<[f64; 2], BargainError> {
        if rounds == 0 {
            return Err(BargainError::Option {
                field: "rounds",
                found: "0".into(),
                expected: "at least one",
            });
        }
        if !(0.0..=1.0).contains(&gamma) {
            return Err(BargainError::Option {
                field: "gamma",
                found: gamma.to_string(),
                expected: "a number from 0 to 1",
            });
        }
        let [one, two] = self.seated(policies)?;
        let [n1, n2] = self.game.actions();
        let joint = |state: usize, out: &mut [f64], weight: f64| {
            for (a, p) in one[state * n1..][..n1].iter().enumerate() {
                for (b, q) in two[state * n2..][..n2].iter().enumerate() {
                    out[a * n2 + b] += weight * p * q;
                }
            }
        };
        let profiles = self.game.profiles();
        let mut now = vec![0.0; profiles];
        joint(profiles, &mut now, 1.0);
        let mut next = vec![0.0; profiles];
        let mut sum = [0.0; 2];
        let mut discount = 1.0;
        for round in 0..rounds {
            if round > 0 {
                next.fill(0.0);
                for (state, weight) in now.iter().enumerate().filter(|(_, w)| **w > 0.0) {
                    joint(state, &mut next, *weight);
                }
                std::mem::swap(&mut now, &mut next);
                discount *= gamma;
            }
            for (weight, pair) in now.iter().zip(self.game.table()) {
                sum[0] += discount * weight * pair[0];
                sum[1] += discount * weight * pair[1];
            }
        }
        Ok(sum)
    }

    /// Values and first derivatives at a pair of parameters.
    ///
    /// # Errors
    /// [`BargainError::Policy`] when a player has too few or too many parameters, or one is not a number.
    pub fn gradients(&self, theta: [&[f64]; 2]) -> Result<Gradients, BargainError> {
        let work = self.run(theta, false)?;
        Ok(self.collect(&work).gradients)
    }

    /// Values, first derivatives and LOLA's corrections at a pair of parameters.
    ///
    /// # Errors
    /// As [`gradients`](Self::gradients).
    ///
    /// ```
    /// use firetender_bargain::{Repeated, games};
    /// let game = Repeated::new(games::named("ipd").unwrap(), 0.96).unwrap();
    /// let found = game.lola([&[0.5, -0.3, 0.2, -1.0, 0.1], &[-0.4, 0.6, -0.2, 0.3, 0.7]]).unwrap();
    /// assert!((found.gradients.values[0] + 35.7371130358).abs() < 1e-9);
    /// assert!((found.corrections[0][0] - 3.2729317985).abs() < 1e-9);
    /// ```
    pub fn lola(&self, theta: [&[f64]; 2]) -> Result<Lola, BargainError> {
        let work = self.run(theta, true)?;
        Ok(self.collect(&work))
    }

    /// The numbers of the game, as the solver takes them.
    pub(crate) fn core(&self) -> Core<'_> {
        Core {
            game: &self.game,
            gamma: self.gamma,
            parameters: self.parameters,
            states: self.states,
        }
    }

    fn run(&self, theta: [&[f64]; 2], shaping: bool) -> Result<Workspace<1>, BargainError> {
        let core = self.core();
        let mut work = Workspace::new(&core);
        for (player, theta) in theta.into_iter().enumerate() {
            self.check(player, theta)?;
            work.theta[player] = theta.iter().map(|x| [*x]).collect();
        }
        core.gradients(&mut work);
        if shaping {
            core.corrections(&mut work);
        }
        Ok(work)
    }

    fn collect(&self, work: &Workspace<1>) -> Lola {
        let plain = |lanes: &[[f64; 1]]| lanes.iter().map(|[x]| *x).collect();
        let both = |lanes: &[Vec<[f64; 1]>; 2]| [plain(&lanes[0]), plain(&lanes[1])];
        Lola {
            gradients: Gradients {
                values: [work.values[0][0], work.values[1][0]],
                own: both(&work.own),
                cross: both(&work.cross),
            },
            corrections: both(&work.corrections),
        }
    }

    fn check(&self, player: usize, theta: &[f64]) -> Result<(), BargainError> {
        let expected = self.count(player);
        let columns = self.parameters.columns(self.game.actions()[player]);
        if theta.len() != expected {
            let what = format!("{} states, {columns} each", self.states());
            return Err(self.miscounted(player, theta.len(), expected, &what));
        }
        match theta.iter().position(|x| !x.is_finite()) {
            None => Ok(()),
            Some(i) => Err(self.miscounted(
                player,
                i,
                expected,
                "finite numbers; the one after these is not",
            )),
        }
    }

    fn miscounted(&self, player: usize, found: usize, expected: usize, what: &str) -> BargainError {
        BargainError::Policy {
            player: player + 1,
            found,
            expected,
            what: what.into(),
        }
    }

    /// Checks probability tables, and puts player 2's rows in the order of shared states.
    fn seated(&self, policies: [&[f64]; 2]) -> Result<[Vec<f64>; 2], BargainError> {
        for (player, policy) in policies.into_iter().enumerate() {
            let actions = self.game.actions()[player];
            let expected = self.states() * actions;
            if policy.len() != expected {
                let what = format!("{} states, {actions} probabilities each", self.states());
                return Err(self.miscounted(player, policy.len(), expected, &what));
            }
            let wrong = policy.chunks(actions).position(|row| {
                let sum: f64 = row.iter().sum();
                row.iter().any(|p| !(0.0..=1.0).contains(p)) || (sum - 1.0).abs() > 1e-9
            });
            if let Some(state) = wrong {
                let what = format!("the row of state {state} is no distribution");
                return Err(self.miscounted(player, expected, expected, &what));
            }
        }
        let [one, two] = policies;
        let n2 = self.game.actions()[1];
        let rows = self.core().rows_of_player_2();
        let two = rows.iter().flat_map(|row| &two[row * n2..][..n2]).copied();
        Ok([one.to_vec(), two.collect()])
    }
}

#[cfg(test)]
mod tests;
