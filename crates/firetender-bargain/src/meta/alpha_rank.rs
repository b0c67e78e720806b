//! α-rank: how often each joint action is seen when two populations evolve by rare mutations (Omidshafiei and others 2019).

use crate::MatrixGame;

/// Size of each population.
const POPULATION: f64 = 50.0;

/// The distribution over joint actions, row after row, with the selection intensity doubled from 10⁻⁴ until the distribution stays within 10⁻⁵.
///
/// A mutant takes a population over with probability `(1 − e^(−αΔ)) / (1 − e^(−mαΔ))`, where Δ is what it gains and `m = 50`.
///
/// ```
/// use firetender_bargain::{games, meta::alpha_rank};
/// let found = alpha_rank(&games::named("ipd").unwrap());
/// assert!(found[3] > 0.999, "mutual defection");
/// ```
#[must_use]
pub fn alpha_rank(game: &MatrixGame) -> Vec<f64> {
    let mut alpha = 1e-4;
    let mut found = stationary(game, alpha);
    // 2⁶⁰ is beyond any gain that a number can hold.
    for _ in 0..60 {
        alpha *= 2.0;
        let next = stationary(game, alpha);
        let change = next
            .iter()
            .zip(&found)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max);
        found = next;
        if change < 1e-5 && alpha * game.scale() > 0.1 {
            break;
        }
    }
    found
}

fn fixation(alpha: f64, gain: f64) -> f64 {
    let x = alpha * gain;
    if x.abs() < 1e-12 {
        return 1.0 / POPULATION;
    }
    if x < 0.0 {
        // The same fraction, without overflow: e^(mx − x) (1 − e^x) / (1 − e^(mx)). Never quite 0, so that the chain stays connected.
        let (one, many) = (x.exp_m1(), (POPULATION * x).exp_m1());
        return (((POPULATION - 1.0) * x).exp() * one / many).max(1e-18);
    }
    -(-x).exp_m1() / -(-POPULATION * x).exp_m1()
}

/// The stationary distribution, by state reduction (Grassmann, Taksar and Heyman 1985): without subtractions, so small probabilities keep their digits.
fn stationary(game: &MatrixGame, alpha: f64) -> Vec<f64> {
    let [n1, n2] = game.actions();
    let n = n1 * n2;
    let rate = 1.0 / ((n1 - 1) + (n2 - 1)).max(1) as f64;
    let mut chain = vec![0.0; n * n];
    for a in 0..n1 {
        for b in 0..n2 {
            let now = game.payoffs(a, b);
            let from = a * n2 + b;
            for other in (0..n1).filter(|o| *o != a) {
                chain[from * n + other * n2 + b] =
                    rate * fixation(alpha, game.payoffs(other, b)[0] - now[0]);
            }
            for other in (0..n2).filter(|o| *o != b) {
                chain[from * n + a * n2 + other] =
                    rate * fixation(alpha, game.payoffs(a, other)[1] - now[1]);
            }
        }
    }
    for k in (1..n).rev() {
        let out: f64 = chain[k * n..k * n + k].iter().sum();
        for i in 0..k {
            chain[i * n + k] /= out;
        }
        for i in 0..k {
            let into = chain[i * n + k];
            if into > 0.0 {
                for j in (0..k).filter(|j| *j != i) {
                    chain[i * n + j] += into * chain[k * n + j];
                }
            }
        }
    }
    let mut found = vec![0.0; n];
    found[0] = 1.0;
    for k in 1..n {
        found[k] = (0..k).map(|i| found[i] * chain[i * n + k]).sum();
    }
    let sum: f64 = found.iter().sum();
    found.into_iter().map(|x| x / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::games::named;

    #[test]
    fn stationary_distributions_do_not_move() {
        for name in ["imp", "chicken", "asym-bos", "threat", "bos-and-pd"] {
            let game = named(name).unwrap();
            let [n1, n2] = game.actions();
            let alpha = 0.7;
            let found = stationary(&game, alpha);
            assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            let rate = 1.0 / (n1 + n2 - 2) as f64;
            // Flow out of each joint action equals flow into it.
            for a in 0..n1 {
                for b in 0..n2 {
                    let (mut out, mut into) = (0.0, 0.0);
                    let here = game.payoffs(a, b);
                    for o in (0..n1).filter(|o| *o != a) {
                        let there = game.payoffs(o, b);
                        out += found[a * n2 + b] * rate * fixation(alpha, there[0] - here[0]);
                        into += found[o * n2 + b] * rate * fixation(alpha, here[0] - there[0]);
                    }
                    for o in (0..n2).filter(|o| *o != b) {
                        let there = game.payoffs(a, o);
                        out += found[a * n2 + b] * rate * fixation(alpha, there[1] - here[1]);
                        into += found[a * n2 + o] * rate * fixation(alpha, here[1] - there[1]);
                    }
                    assert!((out - into).abs() < 1e-12, "{name}: {out} {into}");
                }
            }
        }
    }

    #[test]
    fn matching_pennies_cycle_and_coordination_is_found() {
        let pennies = alpha_rank(&named("imp").unwrap());
        assert!(
            pennies.iter().all(|p| (p - 0.25).abs() < 1e-6),
            "{pennies:?}"
        );
        let bos = alpha_rank(&named("bos").unwrap());
        assert!(
            (bos[0] - 0.5).abs() < 1e-6 && (bos[3] - 0.5).abs() < 1e-6,
            "{bos:?}"
        );
        assert!((fixation(1.0, 0.0) - 0.02).abs() < 1e-12);
        assert!(
            (fixation(1.0, 1e-9) - 0.02).abs() < 1e-6 && (fixation(1.0, -1e-9) - 0.02).abs() < 1e-6
        );
    }
}
