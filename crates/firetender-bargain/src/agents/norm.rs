//! A norm as policies: how both cooperate by it, how each punishes, and what that is worth some steps ahead.

use std::sync::OnceLock;

use crate::{
    BargainError,
    markov::Model,
    plan::{Horizon, JointPlan, Policy, Punishment, egalitarian_plan, punish},
};

/// Cooperative and punishing policies of both seats, with their values up to a number of steps ahead.
#[derive(Debug)]
pub struct Norm {
    name: String,
    cooperate: [Policy; 2],
    punish: [Policy; 2],
    gamma: f64,
    /// `together[l]`: values of `l` steps of cooperation, lotteries included.
    together: Vec<Vec<[f64; 2]>>,
    /// `apart[k][l]`: values of `l` steps of which the first `k` both punish. Made when first needed, in small games only.
    apart: OnceLock<Vec<Vec<Vec<[f64; 2]>>>>,
}

impl Norm {
    /// A norm from its policies. Values look `ahead` steps and are discounted by `gamma` (1 at most).
    ///
    /// # Errors
    /// [`BargainError::Policy`] when a policy is for another game; [`BargainError::Option`] when `gamma` is not from 0 to 1 or `ahead` not from
    /// 1 to 100.
    pub fn new(
        model: &Model,
        name: impl Into<String>,
        cooperate: [Policy; 2],
        punish: [Policy; 2],
        gamma: f64,
        ahead: usize,
    ) -> Result<Self, BargainError> {
        for pair in [&cooperate, &punish] {
            crate::plan::fits(model, [&pair[0], &pair[1]])?;
        }
        if !(0.0..=1.0).contains(&gamma) {
            return Err(BargainError::Option {
                field: "gamma",
                found: gamma.to_string(),
                expected: "a number from 0 to 1",
            });
        }
        if !(1..=100).contains(&ahead) {
            return Err(BargainError::Option {
                field: "ahead",
                found: ahead.to_string(),
                expected: "a number of steps from 1 to 100",
            });
        }
        let mut together = vec![vec![[0.0; 2]; model.states()]];
        for l in 0..ahead {
            let both = [&cooperate[0], &cooperate[1]];
            together.push(crate::plan::back(model, both, together[l].clone(), gamma));
        }
        together
            .iter_mut()
            .for_each(|values| model.extend_pairs(values));
        Ok(Self {
            name: name.into(),
            cooperate,
            punish,
            gamma,
            together,
            apart: OnceLock::new(),
        })
    }

    /// The norm that a plan and a way of punishing make.
    ///
    /// # Errors
    /// As [`new`](Self::new) and [`punish()`].
    pub fn planned(
        model: &Model,
        name: impl Into<String>,
        plan: &JointPlan,
        punishment: &[Policy; 2],
        seed: u64,
    ) -> Result<Self, BargainError> {
        Self::new(
            model,
            name,
            plan.policies(model, seed),
            punishment.clone(),
            0.96,
            20,
        )
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How a seat cooperates.
    ///
    /// # Panics
    /// When `seat` is neither 0 nor 1.
    #[must_use]
    pub fn cooperation(&self, seat: usize) -> &Policy {
        &self.cooperate[seat]
    }

    /// How a seat punishes.
    ///
    /// # Panics
    /// When `seat` is neither 0 nor 1.
    #[must_use]
    pub fn punishment(&self, seat: usize) -> &Policy {
        &self.punish[seat]
    }

    /// How far its values look.
    #[must_use]
    pub fn ahead(&self) -> usize {
        self.together.len() - 1
    }

    /// What the player in the other seat gains by each of its actions over what it was to do, when `seat` cooperates now and both do
    /// afterwards, `steps` steps ahead: `Q(s, a) − E Q(s, ·)`, and `Q` itself.
    pub(super) fn temptations(
        &self,
        model: &Model,
        seat: usize,
        state: usize,
        steps: usize,
    ) -> Vec<f64> {
        let other = 1 - seat;
        let columns = model.actions()[1];
        let after = &self.together[steps.clamp(1, self.ahead()) - 1];
        let worth = |b: usize| {
            let row = self.cooperate[seat].row(state).iter().enumerate();
            row.filter(|(_, p)| **p > 0.0)
                .map(|(a, p)| {
                    let joint = if seat == 0 {
                        a * columns + b
                    } else {
                        b * columns + a
                    };
                    let next = model.next(state, joint);
                    p * (model.rewards(state, joint)[other] + self.gamma * after[next][other])
                })
                .sum::<f64>()
        };
        (0..model.actions()[other]).map(worth).collect()
    }

    /// What the first `k` of the next `steps` steps cost the player in the other seat when both punish in them, for every `k` from 0 to `most`.
    pub(super) fn losses(
        &self,
        model: &Model,
        seat: usize,
        state: usize,
        most: usize,
        steps: usize,
    ) -> Vec<f64> {
        if model.states() > TABLED {
            return self.followed(model, seat, state, most, steps);
        }
        let steps = steps.min(self.ahead());
        let whole = self.together[steps][state][1 - seat];
        let apart = self.apart.get_or_init(|| {
            let both = [&self.punish[0], &self.punish[1]];
            let mut table: Vec<Vec<Vec<[f64; 2]>>> = vec![self.together.clone()];
            for k in 1..=self.ahead() {
                let mut row: Vec<Vec<[f64; 2]>> = vec![vec![]; k];
                for l in k..=self.ahead() {
                    let mut before = table[k - 1][l - 1].clone();
                    before.truncate(model.states());
                    row.push(crate::plan::back(model, both, before, self.gamma));
                }
                table.push(row);
            }
            table
        });
        let loss = |k: usize| whole - apart[k.min(steps)][steps][state][1 - seat];
        (0..=most).map(loss).collect()
    }

    /// [`losses`](Self::losses) without a table.
    pub(super) fn followed(
        &self,
        model: &Model,
        seat: usize,
        state: usize,
        most: usize,
        steps: usize,
    ) -> Vec<f64> {
        let steps = steps.min(self.ahead());
        let paid = self.punished(model, 1 - seat, state, most.min(steps), steps);
        (0..=most).map(|k| paid[0] - paid[k.min(steps)]).collect()
    }

    /// What a player earns in `steps` steps from a state when both punish in the first `k` and cooperate afterwards, for every `k` from 0 to `most`: the
    /// punishing steps are followed forth, and what cooperation is worth from where they lead is known.
    fn punished(
        &self,
        model: &Model,
        player: usize,
        state: usize,
        most: usize,
        steps: usize,
    ) -> Vec<f64> {
        let both = [&self.punish[0], &self.punish[1]];
        let mut weights = vec![0.0; model.states()];
        weights[state] = 1.0;
        let (mut earned, mut discount) = (0.0, 1.0);
        let mut out = vec![];
        for k in 0..=most {
            let then = &self.together[steps - k];
            let reached = weights.iter().zip(then).filter(|(w, _)| **w > 0.0);
            let rest: f64 = reached.map(|(w, v)| w * v[player]).sum();
            out.push(earned + discount * rest);
            if k < most {
                let (rewards, after) = crate::plan::forth(model, both, &weights);
                earned += discount * rewards[player];
                discount *= self.gamma;
                weights = after;
            }
        }
        out
    }
}

/// States up to which a norm keeps a table of what punishment costs: some 3 kB each.
const TABLED: usize = 1000;

/// The utilitarian and the egalitarian norm of a game, by a planner: the greatest sum, and among plans for weighted sums the one whose
/// worse-off player has most over `disagreement`. `seed` decides between equally good joint actions.
///
/// # Errors
/// As [`Norm::planned`] and [`egalitarian_plan`].
///
/// ```
/// use firetender_bargain::{agents::planned_norms, games, markov::Model, plan::Punishment};
/// let model = Model::of(&games::named("asym-bos").unwrap()).unwrap();
/// let norms = planned_norms(&model, Punishment::Minimax, [0.0; 2], 20, &[0]).unwrap();
/// assert_eq!(norms[0][0].name(), "utilitarian");
/// ```
pub fn planned_norms(
    model: &Model,
    punishment: Punishment,
    disagreement: [f64; 2],
    horizon: usize,
    seeds: &[u64],
) -> Result<Vec<[Norm; 2]>, BargainError> {
    let sum = JointPlan::best(model, [1.0, 1.0], Horizon::Average)?;
    let even = egalitarian_plan(model, disagreement, horizon, 12)?;
    let punishing = punish(model, punishment, 0.96)?;
    let one = |seed: &u64| {
        Ok([
            Norm::planned(model, "utilitarian", &sum, &punishing, *seed)?,
            Norm::planned(model, "egalitarian", &even, &punishing, seed ^ 0x5eed)?,
        ])
    };
    seeds.iter().map(one).collect()
}
