//! The solver: `L` pairs of policies side by side, so that a compiler can use vector instructions. Single pairs use `L = 1`.
//!
//! `I − γP` is strictly diagonally dominant by rows for γ < 1, so Gaussian elimination needs no pivoting.

#![expect(
    clippy::needless_range_loop,
    reason = "loops over states and lanes read as the formulas do"
)]

use super::{Parameters, States};
use crate::MatrixGame;

/// The numbers of a repeated game.
pub(crate) struct Core<'a> {
    pub(crate) game: &'a MatrixGame,
    pub(crate) gamma: f64,
    pub(crate) parameters: Parameters,
    pub(crate) states: States,
}

/// Everything that is computed for `L` pairs. Player 2's tables have their rows in the order of shared states.
#[derive(Clone, Debug)]
pub(crate) struct Workspace<const L: usize> {
    /// Parameters, in each player's own order of rows.
    pub(crate) theta: [Vec<[f64; L]>; 2],
    /// Probabilities, `states × actions`.
    pub(crate) pi: [Vec<[f64; L]>; 2],
    /// Slopes of the parameters, in each player's own order of rows.
    slopes: [Vec<[f64; L]>; 2],
    /// Discounted values.
    pub(crate) values: [[f64; L]; 2],
    /// Derivatives of each value by the player's own parameters.
    pub(crate) own: [Vec<[f64; L]>; 2],
    /// Derivatives of each value by the other's parameters.
    pub(crate) cross: [Vec<[f64; L]>; 2],
    /// LOLA's corrections.
    pub(crate) corrections: [Vec<[f64; L]>; 2],
    /// How the derivatives by own parameters change when the other climbs.
    pub(crate) anticipations: [Vec<[f64; L]>; 2],
    /// What the parameters change by.
    pub(crate) steps: [Vec<[f64; L]>; 2],
    /// `I − γP`, factorised in place.
    lu: Vec<[f64; L]>,
    /// Distribution of the first joint action.
    first: Vec<[f64; L]>,
    /// Discounted visits of each joint action, `(I − γP)⁻ᵀ s₀`.
    visits: Vec<[f64; L]>,
    /// Value after each joint action, itself included, `(I − γP)⁻¹ R`.
    after: [Vec<[f64; L]>; 2],
    /// Scratch space: tangents of a policy, of the chain's effect, of visits and values; derivatives by probabilities.
    tangent: Vec<[f64; L]>,
    d_after: Vec<[f64; L]>,
    d_visits: Vec<[f64; L]>,
    slope: Vec<[f64; L]>,
}

impl<const L: usize> Workspace<L> {
    pub(crate) fn new(core: &Core<'_>) -> Self {
        let [n1, n2] = core.game.actions();
        let s = n1 * n2;
        let zeros = |n: usize| vec![[0.0; L]; n];
        let parameters = || [0, 1].map(|i| zeros((s + 1) * core.columns(i)));
        Self {
            theta: parameters(),
            pi: [zeros((s + 1) * n1), zeros((s + 1) * n2)],
            slopes: parameters(),
            values: [[0.0; L]; 2],
            own: parameters(),
            cross: [1, 0].map(|i| zeros((s + 1) * core.columns(i))),
            corrections: parameters(),
            anticipations: parameters(),
            steps: parameters(),
            lu: zeros(s * s),
            first: zeros(s),
            visits: zeros(s),
            after: [zeros(s), zeros(s)],
            tangent: zeros((s + 1) * n1.max(n2)),
            d_after: zeros(s),
            d_visits: zeros(s),
            slope: zeros((s + 1) * n1.max(n2)),
        }
    }
}

impl Core<'_> {
    fn columns(&self, player: usize) -> usize {
        self.parameters.columns(self.game.actions()[player])
    }

    /// For each shared state, the row of player 2's own table that belongs to it.
    pub(crate) fn rows_of_player_2(&self) -> Vec<usize> {
        let [n1, n2] = self.game.actions();
        let own = |state: usize| match self.states {
            States::OwnFirst if state < n1 * n2 => (state % n2) * n1 + state / n2,
            _ => state,
        };
        (0..=n1 * n2).map(own).collect()
    }

    /// Values from probabilities.
    pub(crate) fn solve<const L: usize>(&self, work: &mut Workspace<L>) {
        let [n1, n2] = self.game.actions();
        let s = n1 * n2;
        let [one, two] = &work.pi;
        for state in 0..s {
            let row = &mut work.lu[state * s..][..s];
            for a in 0..n1 {
                for b in 0..n2 {
                    let (p, q) = (&one[state * n1 + a], &two[state * n2 + b]);
                    let cell = &mut row[a * n2 + b];
                    for l in 0..L {
                        cell[l] = -self.gamma * p[l] * q[l];
                    }
                }
            }
            row[state].iter_mut().for_each(|x| *x += 1.0);
        }
        for a in 0..n1 {
            for b in 0..n2 {
                for l in 0..L {
                    work.first[a * n2 + b][l] = one[s * n1 + a][l] * two[s * n2 + b][l];
                }
            }
        }
        factorise(&mut work.lu, s);
        work.visits.copy_from_slice(&work.first);
        solve_transposed(&work.lu, &mut work.visits);
        for player in 0..2 {
            let after = &mut work.after[player];
            for (w, pair) in after.iter_mut().zip(self.game.table()) {
                *w = [pair[player]; L];
            }
            solve_plain(&work.lu, after);
            let mut value = [0.0; L];
            for (p, w) in work.first.iter().zip(after.iter()) {
                for l in 0..L {
                    value[l] += p[l] * w[l];
                }
            }
            work.values[player] = value;
        }
    }

    /// Values and first derivatives from parameters.
    pub(crate) fn gradients<const L: usize>(&self, work: &mut Workspace<L>) {
        let rows = self.rows_of_player_2();
        for player in 0..2 {
            let (columns, actions) = (self.columns(player), self.game.actions()[player]);
            for (state, out) in work.pi[player].chunks_mut(actions).enumerate() {
                let row = if player == 1 { rows[state] } else { state };
                let theta = &work.theta[player][row * columns..][..columns];
                let slopes = &mut work.slopes[player][row * columns..][..columns];
                self.parameters.probabilities(theta, out, slopes);
            }
        }
        self.solve(work);
        for value in 0..2 {
            for by in 0..2 {
                self.by_probabilities(by, work, value);
                let out = if value == by {
                    &mut work.own[value]
                } else {
                    &mut work.cross[value]
                };
                let (slopes, pi) = (&work.slopes[by], &work.pi[by]);
                self.pull(by, &rows, slopes, pi, &work.slope, out);
            }
        }
    }

    /// LOLA's corrections, after [`gradients`](Self::gradients).
    ///
    /// Player 1's is the derivative of `∇₁V₂` along `v = ∇₂V₁` in player 2's parameters, which takes no second derivative: the tangents
    /// of visits and values solve the same system.
    pub(crate) fn corrections<const L: usize>(&self, work: &mut Workspace<L>) {
        for player in 0..2 {
            self.along(work, player, 1 - player);
        }
    }

    /// How each player's own derivatives change when the other climbs, after [`gradients`](Self::gradients): the derivative of `∇₁V₁` along `∇₂V₂`.
    pub(crate) fn anticipations<const L: usize>(&self, work: &mut Workspace<L>) {
        for player in 0..2 {
            self.along(work, player, player);
        }
    }

    /// The derivative of `∇ V_value` by the player's parameters along a direction of the other's: along what is good for this player where `value` is the
    /// other's (LOLA's correction), and along what is good for the other where it is its own.
    fn along<const L: usize>(&self, work: &mut Workspace<L>, player: usize, value: usize) {
        let rows = self.rows_of_player_2();
        let s = self.game.profiles();
        let other = 1 - player;
        let actions = self.game.actions();
        let direction = if value == player {
            &work.own[other]
        } else {
            &work.cross[player]
        };
        // The tangent of the other's policy along the direction.
        let columns = self.columns(other);
        for state in 0..=s {
            let row = if other == 1 { rows[state] } else { state };
            let part = row * columns..(row + 1) * columns;
            self.parameters.push(
                &work.slopes[other][part.clone()],
                &work.pi[other][state * actions[other]..][..actions[other]],
                &direction[part],
                &mut work.tangent[state * actions[other]..][..actions[other]],
            );
        }
        // ẇ = (I − γP)⁻¹ γ Ṗ w and ż = (I − γP)⁻ᵀ (γ Ṗᵀ z + ṡ₀), with w the values after each joint action.
        work.d_visits.fill([0.0; L]);
        for state in 0..=s {
            let mut sum = [0.0; L];
            for i in 0..actions[player] {
                for j in 0..actions[other] {
                    let joint = self.joint(player, i, j);
                    let p = &work.pi[player][state * actions[player] + i];
                    let t = &work.tangent[state * actions[other] + j];
                    let w = &work.after[value][joint];
                    let z = &mut work.d_visits[joint];
                    for l in 0..L {
                        let moved = p[l] * t[l];
                        sum[l] += moved * w[l];
                        z[l] += moved
                            * if state == s {
                                1.0
                            } else {
                                self.gamma * work.visits[state][l]
                            };
                    }
                }
            }
            if state < s {
                work.d_after[state] = sum.map(|x| self.gamma * x);
            }
        }
        solve_plain(&work.lu, &mut work.d_after);
        solve_transposed(&work.lu, &mut work.d_visits);
        // Ġ(i|s) = γ ż_s Σ_j π_j w + γ z_s Σ_j (π̇_j w + π_j ẇ); at the start the factors are 0 and 1.
        for state in 0..=s {
            let (dz, z) = if state == s {
                ([0.0; L], [1.0; L])
            } else {
                (
                    work.d_visits[state].map(|x| self.gamma * x),
                    work.visits[state].map(|x| self.gamma * x),
                )
            };
            for i in 0..actions[player] {
                let mut sum = [0.0; L];
                for j in 0..actions[other] {
                    let joint = self.joint(player, i, j);
                    let p = &work.pi[other][state * actions[other] + j];
                    let t = &work.tangent[state * actions[other] + j];
                    let (w, dw) = (&work.after[value][joint], &work.d_after[joint]);
                    for l in 0..L {
                        sum[l] += dz[l] * p[l] * w[l] + z[l] * (t[l] * w[l] + p[l] * dw[l]);
                    }
                }
                work.slope[state * actions[player] + i] = sum;
            }
        }
        let (slopes, pi) = (&work.slopes[player], &work.pi[player]);
        let out = if value == player {
            &mut work.anticipations[player]
        } else {
            &mut work.corrections[player]
        };
        self.pull(player, &rows, slopes, pi, &work.slope, out);
    }

    /// The joint action in which `player` takes `i` and the other takes `j`.
    fn joint(&self, player: usize, i: usize, j: usize) -> usize {
        let n2 = self.game.actions()[1];
        if player == 0 { i * n2 + j } else { j * n2 + i }
    }

    /// `∂V_value / ∂π_by(a|s) = γ z_s Σ_b π_other(b|s) w_ab` into the slopes (for the start 1 in place of `γ z_s`).
    fn by_probabilities<const L: usize>(&self, by: usize, work: &mut Workspace<L>, value: usize) {
        let s = self.game.profiles();
        let (actions, other) = (self.game.actions(), 1 - by);
        for state in 0..=s {
            for i in 0..actions[by] {
                let mut sum = [0.0; L];
                for j in 0..actions[other] {
                    let p = &work.pi[other][state * actions[other] + j];
                    let w = &work.after[value][self.joint(by, i, j)];
                    for l in 0..L {
                        sum[l] += p[l] * w[l];
                    }
                }
                if state < s {
                    for l in 0..L {
                        sum[l] *= self.gamma * work.visits[state][l];
                    }
                }
                work.slope[state * actions[by] + i] = sum;
            }
        }
    }

    /// From derivatives by probabilities to derivatives by parameters, in the player's own order of rows.
    fn pull<const L: usize>(
        &self,
        player: usize,
        rows: &[usize],
        slopes: &[[f64; L]],
        pi: &[[f64; L]],
        slope: &[[f64; L]],
        out: &mut [[f64; L]],
    ) {
        let (columns, actions) = (self.columns(player), self.game.actions()[player]);
        for (state, row) in rows.iter().enumerate() {
            let row = if player == 1 { *row } else { state };
            let part = row * columns..(row + 1) * columns;
            let cells = state * actions..(state + 1) * actions;
            self.parameters.pull(
                &slopes[part.clone()],
                &pi[cells.clone()],
                &slope[cells],
                &mut out[part],
            );
        }
    }
}

/// `A = LU` in place, without pivoting; `L` has ones on its diagonal, and the diagonal of `U` is stored inverted.
fn factorise<const L: usize>(a: &mut [[f64; L]], n: usize) {
    for k in 0..n {
        let inverse = a[k * n + k].map(|x| 1.0 / x);
        a[k * n + k] = inverse;
        for i in k + 1..n {
            let mut factor = a[i * n + k];
            for l in 0..L {
                factor[l] *= inverse[l];
            }
            a[i * n + k] = factor;
            for j in k + 1..n {
                let upper = a[k * n + j];
                let cell = &mut a[i * n + j];
                for l in 0..L {
                    cell[l] -= factor[l] * upper[l];
                }
            }
        }
    }
}

/// `x ← A⁻¹ x`.
fn solve_plain<const L: usize>(lu: &[[f64; L]], x: &mut [[f64; L]]) {
    let n = x.len();
    for i in 0..n {
        let mut sum = x[i];
        for j in 0..i {
            for l in 0..L {
                sum[l] -= lu[i * n + j][l] * x[j][l];
            }
        }
        x[i] = sum;
    }
    for i in (0..n).rev() {
        let mut sum = x[i];
        for j in i + 1..n {
            for l in 0..L {
                sum[l] -= lu[i * n + j][l] * x[j][l];
            }
        }
        for l in 0..L {
            sum[l] *= lu[i * n + i][l];
        }
        x[i] = sum;
    }
}

/// `x ← A⁻ᵀ x`.
fn solve_transposed<const L: usize>(lu: &[[f64; L]], x: &mut [[f64; L]]) {
    let n = x.len();
    for i in 0..n {
        let mut sum = x[i];
        for j in 0..i {
            for l in 0..L {
                sum[l] -= lu[j * n + i][l] * x[j][l];
            }
        }
        for l in 0..L {
            sum[l] *= lu[i * n + i][l];
        }
        x[i] = sum;
    }
    for i in (0..n).rev() {
        let mut sum = x[i];
        for j in i + 1..n {
            for l in 0..L {
                sum[l] -= lu[j * n + i][l] * x[j][l];
            }
        }
        x[i] = sum;
    }
}
