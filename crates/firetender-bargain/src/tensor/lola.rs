//! Exact values, gradients and LOLA's corrections of many pairs of policies at once.
//!
//! The formulas are those of the host path: with `N = (I − γP)⁻¹`, values after a joint action are `N R`, visits `s₀ᵀ N`, and LOLA's mixed second
//! derivative is the derivative of first-order quantities along the other's gradient. No automatic differentiation is involved.

use burn::tensor::{Int, Tensor, TensorData};

use crate::{BargainError, Learner, Parameters, Repeated};

/// Values and derivatives of a batch of pairs.
#[derive(Clone, Debug)]
pub struct DeviceLola {
    /// `[pairs, 2]`: discounted values of both players.
    pub values: Tensor<2>,
    /// `∇₁V₁` and `∇₂V₂`, each `[pairs, states, parameters a state]`.
    pub own: [Tensor<3>; 2],
    /// `∇₂V₁` and `∇₁V₂`.
    pub cross: [Tensor<3>; 2],
    /// What LOLA adds to `own`.
    pub corrections: [Tensor<3>; 2],
    /// How `own` changes when the other climbs: what `LookAhead` and SOS add.
    pub anticipations: [Tensor<3>; 2],
}

/// The numbers of a game, on a device.
struct Batch<'a> {
    game: &'a Repeated,
    /// For each shared state, the row of player 2's parameters.
    rows: Option<[Tensor<1, Int>; 2]>,
    /// `[1, joint, 2]`.
    payoffs: Tensor<3>,
}

/// Exact values, gradients and LOLA's corrections of pairs of policies. `theta[i]` are player `i`'s parameters, `[pairs, states, parameters a
/// state]`, in the order of [`Repeated::lola`].
///
/// # Errors
/// [`BargainError::Policy`] when a tensor has another shape than the game's.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use firetender_bargain::{Repeated, games, tensor::lola_on_device};
/// let device = Device::flex();
/// let game = Repeated::new(games::named("ipd").unwrap(), 0.96).unwrap();
/// let one = Tensor::<1>::from_floats([0.5, -0.3, 0.2, -1.0, 0.1], &device).reshape([1, 5, 1]);
/// let two = Tensor::<1>::from_floats([-0.4, 0.6, -0.2, 0.3, 0.7], &device).reshape([1, 5, 1]);
/// let found = lola_on_device(&game, [one, two]).unwrap();
/// let values: Vec<f32> = found.values.try_into_vec_as().unwrap();
/// assert!((values[0] + 35.7371).abs() < 1e-3);
/// ```
pub fn lola_on_device(game: &Repeated, theta: [Tensor<3>; 2]) -> Result<DeviceLola, BargainError> {
    let batch = Batch::new(game, &theta)?;
    Ok(batch.lola(theta))
}

/// Steps of a learner for a batch of pairs; see [`LolaOptions`](crate::LolaOptions) for the numbers.
///
/// # Errors
/// As [`lola_on_device`]; [`BargainError::Option`] when a number of the learner is out of range.
pub fn train_on_device(
    game: &Repeated,
    theta: [Tensor<3>; 2],
    learner: Learner,
    rate: f64,
    eta: f64,
    steps: usize,
) -> Result<[Tensor<3>; 2], BargainError> {
    learner.check()?;
    let batch = Batch::new(game, &theta)?;
    let mut theta = theta;
    for _ in 0..steps {
        let found = batch.lola(theta.clone());
        let change = found.steps(learner, eta);
        let mut changes = change.into_iter();
        theta = theta.map(|theta| match changes.next() {
            Some(change) => theta + change.mul_scalar(rate),
            None => theta,
        });
    }
    Ok(theta)
}

impl DeviceLola {
    /// What each player's parameters change by at rate 1; the formulas are those of [`Learner`].
    #[must_use]
    pub fn steps(&self, learner: Learner, eta: f64) -> [Tensor<3>; 2] {
        let ahead = [0, 1].map(|i: usize| {
            let own = self.own[i].clone();
            if learner.expects() {
                own + self.anticipations[i].clone().mul_scalar(eta)
            } else {
                own
            }
        });
        if !learner.shapes() {
            return ahead;
        }
        let shaping = [0, 1].map(|i: usize| self.corrections[i].clone().mul_scalar(eta));
        let [a, b] = match learner {
            Learner::Sos { a, b } => {
                let share = self.share(&ahead, &shaping, a, b);
                shaping.map(|c| c * share.clone())
            }
            _ => shaping,
        };
        let [one, two] = ahead;
        [one + a, two + b]
    }

    /// SOS's `p` of each pair, `[pairs, 1, 1]`.
    fn share(&self, ahead: &[Tensor<3>; 2], shaping: &[Tensor<3>; 2], a: f64, b: f64) -> Tensor<3> {
        let inner = |x: &[Tensor<3>; 2], y: &[Tensor<3>; 2]| {
            let part = |i: usize| (x[i].clone() * y[i].clone()).sum_dim(2).sum_dim(1);
            part(0) + part(1)
        };
        let along = inner(shaping, ahead);
        let away = along.clone().lower_scalar(0.0);
        // Where shaping does not lead away the quotient is not looked at, so anything but 0 may stand below.
        let below = along
            .clone()
            .mask_fill(along.clone().greater_equal_scalar(0.0), -1.0);
        let quotient = (inner(ahead, ahead).mul_scalar(-a) / below).clamp_max(1.0);
        let first = along.ones_like().mask_where(away, quotient);
        let size = inner(&self.own, &self.own);
        let near = size.clone().lower_scalar(b * b);
        let second = size.ones_like().mask_where(near, size);
        first.min_pair(second)
    }
}

impl<'a> Batch<'a> {
    fn new(game: &'a Repeated, theta: &[Tensor<3>; 2]) -> Result<Self, BargainError> {
        let device = theta[0].device();
        for (player, tensor) in theta.iter().enumerate() {
            let columns = game.parameters().columns(game.game().actions()[player]);
            let [pairs, states, found] = tensor.dims();
            if [states, found] != [game.states(), columns] || pairs != theta[0].dims()[0] {
                return Err(BargainError::Policy {
                    player: player + 1,
                    found: states * found,
                    expected: game.states() * columns,
                    what: format!(
                        "{} states, {columns} each, as many pairs for both players",
                        game.states()
                    ),
                });
            }
        }
        let flat: Vec<f32> = game
            .game()
            .table()
            .iter()
            .flatten()
            .map(|x| *x as f32)
            .collect();
        let payoffs = Tensor::from_data(
            TensorData::new(flat, [1, game.game().profiles(), 2]),
            &device,
        );
        let order = game.core().rows_of_player_2();
        let sorted = order.iter().enumerate().all(|(i, row)| i == *row);
        let rows = (!sorted).then(|| {
            let mut back = vec![0_i32; order.len()];
            order
                .iter()
                .enumerate()
                .for_each(|(state, row)| back[*row] = state as i32);
            let list = |v: Vec<i32>| {
                let n = v.len();
                Tensor::from_data(TensorData::new(v, [n]), &device)
            };
            [list(order.iter().map(|r| *r as i32).collect()), list(back)]
        });
        Ok(Self {
            game,
            rows,
            payoffs,
        })
    }

    /// Player 2's rows in the order of shared states (`way` 0), or back in its own (`way` 1).
    fn order(&self, player: usize, way: usize, rows: Tensor<3>) -> Tensor<3> {
        match &self.rows {
            Some(index) if player == 1 => rows.select(1, index[way].clone()),
            _ => rows,
        }
    }

    /// Probabilities `[pairs, states, actions]`.
    fn probabilities(&self, theta: Tensor<3>) -> Tensor<3> {
        match self.game.parameters() {
            Parameters::SingleLogit => {
                let p = burn::tensor::activation::sigmoid(theta.clone());
                let q = burn::tensor::activation::sigmoid(-theta);
                Tensor::cat(vec![p, q], 2)
            }
            Parameters::Softmax => burn::tensor::activation::softmax(theta, 2),
            Parameters::SigmoidNormalised => {
                let s = burn::tensor::activation::sigmoid(theta);
                let sum = s.clone().sum_dim(2).clamp_min(f32::MIN_POSITIVE);
                s / sum
            }
        }
    }

    /// How fast a probability grows with its own parameter before the others make room.
    fn slopes(&self, theta: Tensor<3>, pi: Tensor<3>) -> Tensor<3> {
        match self.game.parameters() {
            Parameters::SigmoidNormalised => {
                let s = burn::tensor::activation::sigmoid(theta.clone());
                let sum = s.clone().sum_dim(2).clamp_min(f32::MIN_POSITIVE);
                s * burn::tensor::activation::sigmoid(-theta) / sum
            }
            _ => pi,
        }
    }

    /// Derivatives by parameters from derivatives by probabilities.
    fn pull(&self, theta: Tensor<3>, pi: Tensor<3>, slope: Tensor<3>) -> Tensor<3> {
        if self.game.parameters() == Parameters::SingleLogit {
            let (p, q) = (pi.clone().narrow(2, 0, 1), pi.narrow(2, 1, 1));
            return p * q * (slope.clone().narrow(2, 0, 1) - slope.narrow(2, 1, 1));
        }
        let mean = (pi.clone() * slope.clone()).sum_dim(2);
        self.slopes(theta, pi) * (slope - mean)
    }

    /// The change of probabilities with a change of parameters.
    fn push(&self, theta: Tensor<3>, pi: Tensor<3>, change: Tensor<3>) -> Tensor<3> {
        if self.game.parameters() == Parameters::SingleLogit {
            let (p, q) = (pi.clone().narrow(2, 0, 1), pi.narrow(2, 1, 1));
            let moved = p * q * change;
            return Tensor::cat(vec![moved.clone(), -moved], 2);
        }
        let moved = self.slopes(theta, pi.clone()) * change;
        let sum = moved.clone().sum_dim(2);
        moved - pi * sum
    }

    fn lola(&self, theta: [Tensor<3>; 2]) -> DeviceLola {
        let [n1, n2] = self.game.game().actions();
        let (joint, gamma) = (n1 * n2, self.game.gamma());
        let [one, two] = theta;
        let theta = [one, self.order(1, 0, two)];
        let pairs = theta[0].dims()[0];
        let pi = [
            self.probabilities(theta[0].clone()),
            self.probabilities(theta[1].clone()),
        ];
        // Probabilities of joint actions in every state, the start last.
        let outer = |a: Tensor<3>, b: Tensor<3>| {
            let a: Tensor<4> = a.unsqueeze_dim(3);
            let b: Tensor<4> = b.unsqueeze_dim(2);
            (a * b).reshape([pairs, joint + 1, joint])
        };
        let chain = outer(pi[0].clone(), pi[1].clone());
        let first = chain.clone().narrow(1, joint, 1);
        let inverse = inverse(chain.narrow(1, 0, joint).mul_scalar(-gamma));
        let after = inverse
            .clone()
            .matmul(self.payoffs.clone().expand([pairs, joint, 2]));
        let values: Tensor<2> = first.clone().matmul(after.clone()).squeeze_dim(1);
        // Discounted visits, with 1 for the start.
        let visits = first.matmul(inverse.clone()).mul_scalar(gamma);
        let one = Tensor::<3>::ones([pairs, 1, 1], &visits.device());
        let visits = Tensor::cat(vec![visits, one], 2);
        let column = |row: &Tensor<3>| row.clone().swap_dims(1, 2);
        // Values after each joint action as a matrix, own action of `by` running fastest.
        let matrix = |w: Tensor<3>, by: usize| {
            let w = w.reshape([pairs, n1, n2]);
            if by == 0 { w.swap_dims(1, 2) } else { w }
        };
        let after = [after.clone().narrow(2, 0, 1), after.narrow(2, 1, 1)];
        let slope = |by: usize, value: usize| {
            let worth = pi[1 - by].clone().matmul(matrix(after[value].clone(), by));
            worth * column(&visits)
        };
        let gradient = |by: usize, value: usize| {
            self.pull(theta[by].clone(), pi[by].clone(), slope(by, value))
        };
        let own = [gradient(0, 0), gradient(1, 1)];
        let cross = [gradient(1, 0), gradient(0, 1)];
        // The derivative of a value's slope along the other's own climb, or along what is good for this player.
        let along = |player: usize, value: usize| {
            let other = 1 - player;
            let direction = if value == player {
                own[other].clone()
            } else {
                cross[player].clone()
            };
            let tangent = self.push(theta[other].clone(), pi[other].clone(), direction);
            let moved = if player == 0 {
                outer(pi[0].clone(), tangent.clone())
            } else {
                outer(tangent.clone(), pi[1].clone())
            };
            let w = after[value].clone();
            let inner = moved
                .clone()
                .narrow(1, 0, joint)
                .matmul(w.clone())
                .mul_scalar(gamma);
            let d_after = inverse.clone().matmul(inner);
            let d_visits = visits
                .clone()
                .matmul(moved)
                .matmul(inverse.clone())
                .mul_scalar(gamma);
            let zero = Tensor::<3>::zeros([pairs, 1, 1], &d_visits.device());
            let d_visits = Tensor::cat(vec![d_visits, zero], 2);
            let plain = matrix(w, player);
            let still = pi[other].clone().matmul(plain.clone()) * column(&d_visits);
            let more = tangent.matmul(plain) + pi[other].clone().matmul(matrix(d_after, player));
            let slope = still + more * column(&visits);
            self.pull(theta[player].clone(), pi[player].clone(), slope)
        };
        let corrections = [along(0, 1), along(1, 0)];
        let anticipations = [along(0, 0), along(1, 1)];
        let back = |[a, b]: [Tensor<3>; 2], seats: [usize; 2]| {
            [self.order(seats[0], 1, a), self.order(seats[1], 1, b)]
        };
        DeviceLola {
            values,
            own: back(own, [0, 1]),
            cross: back(cross, [1, 0]),
            corrections: back(corrections, [0, 1]),
            anticipations: back(anticipations, [0, 1]),
        }
    }
}

/// `(I + A)⁻¹` of a batch of strictly diagonally dominant matrices `I + A`, by Gauss–Jordan elimination without pivoting.
fn inverse(a: Tensor<3>) -> Tensor<3> {
    let [pairs, n, _] = a.dims();
    let eye = Tensor::<2>::eye(n, &a.device())
        .unsqueeze::<3>()
        .expand([pairs, n, n]);
    let mut both = Tensor::cat(vec![a + eye.clone(), eye.clone()], 2);
    for k in 0..n {
        let column = both.clone().narrow(2, k, 1);
        let pivot = column.clone().narrow(1, k, 1);
        let row = both.clone().narrow(1, k, 1) / pivot;
        let factor = column - eye.clone().narrow(2, k, 1);
        both = both - factor.matmul(row);
    }
    both.narrow(2, n, n)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::{Dice, States, games};

    fn draw(pairs: usize, count: usize, seed: u64) -> Vec<Vec<f64>> {
        let one = |pair: usize| {
            (0..count)
                .map(|i| 3.0 * Dice::at(seed, pair as u64, i as u64).unit() - 1.5)
                .collect()
        };
        (0..pairs).map(one).collect()
    }

    fn up(rows: &[Vec<f64>], states: usize, device: &Device) -> Tensor<3> {
        let flat: Vec<f32> = rows.iter().flatten().map(|x| *x as f32).collect();
        let columns = rows[0].len() / states;
        Tensor::from_data(TensorData::new(flat, [rows.len(), states, columns]), device)
    }

    #[test]
    fn the_device_computes_what_the_host_does() {
        let device = Device::flex();
        for (name, parameters, states) in [
            ("ipd", Parameters::SingleLogit, States::Shared),
            ("asym-bos", Parameters::SigmoidNormalised, States::Shared),
            ("chicken", Parameters::Softmax, States::OwnFirst),
            ("bos-and-pd", Parameters::Softmax, States::OwnFirst),
            ("threat", Parameters::SigmoidNormalised, States::Shared),
        ] {
            let game = Repeated::new(games::named(name).unwrap(), 0.96)
                .unwrap()
                .with_parameters(parameters)
                .unwrap()
                .with_states(states);
            let n = 7;
            let host = [draw(n, game.count(0), 1), draw(n, game.count(1), 2)];
            let theta = [0, 1].map(|i| up(&host[i], game.states(), &device));
            let found = lola_on_device(&game, theta).unwrap();
            let list = |t: Tensor<3>| -> Vec<f32> { t.try_into_vec_as().unwrap() };
            let steps = found.steps(Learner::sos(), 0.7);
            let values: Vec<f32> = found.values.try_into_vec_as().unwrap();
            let tables = [
                found.own,
                found.cross,
                found.corrections,
                found.anticipations,
                steps,
            ]
            .map(|pair| pair.map(list));
            for pair in 0..n {
                let exact = game.lola([&host[0][pair], &host[1][pair]]).unwrap();
                let sos = game
                    .step([&host[0][pair], &host[1][pair]], Learner::sos(), 0.7)
                    .unwrap();
                let g = &exact.gradients;
                let close = |a: f32, b: f64, size: f64| {
                    assert!((f64::from(a) - b).abs() <= 2e-4 * size, "{name}: {a} {b}");
                };
                for i in 0..2 {
                    close(values[2 * pair + i], g.values[i], 1.0 + g.values[i].abs());
                    for (table, exact) in tables.iter().zip([
                        &g.own,
                        &g.cross,
                        &exact.corrections,
                        &sos.anticipations,
                        &sos.steps,
                    ]) {
                        let len = exact[i].len();
                        let size = exact[i].iter().fold(1.0_f64, |m, x| m.max(x.abs()));
                        for (a, b) in table[i][pair * len..][..len].iter().zip(&exact[i]) {
                            close(*a, *b, size);
                        }
                    }
                }
            }
        }
    }

    fn bits(tensor: Tensor<3>) -> Vec<u32> {
        let list: Vec<f32> = tensor.try_into_vec_as().unwrap();
        list.into_iter().map(f32::to_bits).collect()
    }

    #[test]
    fn training_on_the_device_follows_the_host() {
        let device = Device::flex();
        let game = Repeated::new(games::named("asym-bos").unwrap(), 0.9).unwrap();
        let host = [draw(4, 5, 5), draw(4, 5, 6)];
        let theta = [0, 1].map(|i| up(&host[i], 5, &device));
        let lookahead = train_on_device(&game, theta.clone(), Learner::LookAhead, 0.0, 1.0, 3);
        assert_eq!(lookahead.unwrap().map(bits), theta.clone().map(bits));
        let wrong = Learner::Sos { a: 2.0, b: 0.1 };
        assert!(train_on_device(&game, theta.clone(), wrong, 0.5, 1.0, 1).is_err());
        let found = train_on_device(&game, theta, Learner::Lola, 0.5, 1.0, 10).unwrap();
        let found = found.map(|t| -> Vec<f32> { t.try_into_vec_as().unwrap() });
        for pair in 0..4 {
            let mut theta = [host[0][pair].clone(), host[1][pair].clone()];
            for _ in 0..10 {
                let step = game.lola([&theta[0], &theta[1]]).unwrap();
                for player in 0..2 {
                    for (i, t) in theta[player].iter_mut().enumerate() {
                        *t += 0.5 * (step.gradients.own[player][i] + step.corrections[player][i]);
                    }
                }
            }
            for player in 0..2 {
                for (a, b) in found[player][pair * 5..][..5].iter().zip(&theta[player]) {
                    assert!(
                        (f64::from(*a) - b).abs() < 1e-3 * (1.0 + b.abs()),
                        "{a} {b}"
                    );
                }
            }
        }
        let wrong = Tensor::<3>::zeros([1, 4, 1], &device);
        assert!(lola_on_device(&game, [wrong.clone(), wrong]).is_err());
    }
}
