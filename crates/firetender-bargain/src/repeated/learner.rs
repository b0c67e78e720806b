//! How a learner takes the other's learning into account, and the step that follows from it.
//!
//! With `gᵢ = ∇ᵢVᵢ`, `hᵢ = ∇ᵢⱼVᵢ gⱼ` (how one's own slope moves when the other climbs) and `cᵢ = (∇ᵢ gⱼ)ᵀ ∇ⱼVᵢ` (how one moves the other's climbing,
//! weighed by what that is worth), a step is
//!
//! | learner | step |
//! |---|---|
//! | naive | `g` |
//! | LOLA (Foerster and others 2018, as released) | `g + η c` |
//! | `LookAhead` (Zhang and Lesser 2010) | `g + η h` |
//! | SOS (Letcher and others 2019) | `g + η h + p η c`, `p` by two criteria |
//!
//! SOS keeps LOLA's shaping where it does not lead away from what `LookAhead` follows, and gives it up near fixed points, so that it converges to
//! equilibria where LOLA may not.

use serde::{Deserialize, Serialize};

use super::{Core, Gradients, Repeated, Workspace};
use crate::BargainError;

/// How a learner takes the other's learning into account.
///
/// ```
/// use firetender_bargain::Learner;
/// assert_eq!(Learner::default(), Learner::Lola);
/// assert_eq!(Learner::sos(), Learner::Sos { a: 0.5, b: 0.1 });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Learner {
    /// Not at all.
    Naive,
    /// It shapes what the other learns.
    #[default]
    Lola,
    /// It expects what the other learns.
    LookAhead,
    /// It expects, and shapes as far as that is stable: with `x = −(g + ηh)` and `d = ⟨−ηc, x⟩` over both players, in terms of losses,
    /// `p = min(p₁, p₂)`, `p₁ = 1` if `d > 0` and else `min(1, −a‖x‖²/d)`; `p₂ = ‖g‖²` if `‖g‖ < b` and else 1.
    Sos {
        /// How much of what is expected must remain, between 0 and 1.
        a: f64,
        /// How near a fixed point shaping fades, between 0 and 1.
        b: f64,
    },
}

impl Learner {
    /// SOS with the numbers of its paper, `a` ½ and `b` 0.1.
    #[must_use]
    pub fn sos() -> Self {
        Self::Sos { a: 0.5, b: 0.1 }
    }

    /// Refuses numbers that are out of range.
    pub(crate) fn check(self) -> Result<(), BargainError> {
        if let Self::Sos { a, b } = self
            && !(a > 0.0 && a < 1.0 && b > 0.0 && b < 1.0)
        {
            return Err(BargainError::Option {
                field: "sos",
                found: format!("a = {a}, b = {b}"),
                expected: "numbers between 0 and 1",
            });
        }
        Ok(())
    }

    /// Whether it needs corrections.
    pub(crate) fn shapes(self) -> bool {
        matches!(self, Self::Lola | Self::Sos { .. })
    }

    /// Whether it needs anticipations.
    pub(crate) fn expects(self) -> bool {
        matches!(self, Self::LookAhead | Self::Sos { .. })
    }
}

/// A step of both players, and what it is made of.
///
/// ```
/// use firetender_bargain::{Learner, Repeated, games};
/// let game = Repeated::new(games::named("ipd").unwrap(), 0.96).unwrap();
/// let theta: [&[f64]; 2] = [&[0.5, -0.3, 0.2, -1.0, 0.1], &[-0.4, 0.6, -0.2, 0.3, 0.7]];
/// let found = game.step(theta, Learner::sos(), 1.0).unwrap();
/// assert!(found.share > 0.0 && found.share <= 1.0);
/// let lola = game.step(theta, Learner::Lola, 1.0).unwrap();
/// assert_eq!(lola.steps[0][0], lola.gradients.own[0][0] + lola.corrections[0][0]);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Step {
    /// Values and first derivatives.
    pub gradients: Gradients,
    /// `[∇₁₂V₁ ∇₂V₂, ∇₂₁V₂ ∇₁V₁]`: how each player's slope changes when the other climbs. Zeros where the learner does not ask.
    pub anticipations: [Vec<f64>; 2],
    /// LOLA's corrections. Zeros where the learner does not ask.
    pub corrections: [Vec<f64>; 2],
    /// What each player's parameters change by, at rate 1.
    pub steps: [Vec<f64>; 2],
    /// SOS's `p`; 1 for other learners.
    pub share: f64,
}

impl Repeated {
    /// The step of a pair of learners. `eta` is the step that they take the other to make.
    ///
    /// # Errors
    /// As [`gradients`](Self::gradients); [`BargainError::Option`] when a number of the learner is out of range.
    pub fn step(
        &self,
        theta: [&[f64]; 2],
        learner: Learner,
        eta: f64,
    ) -> Result<Step, BargainError> {
        learner.check()?;
        if !eta.is_finite() {
            return Err(BargainError::Option {
                field: "eta",
                found: eta.to_string(),
                expected: "a finite number",
            });
        }
        let mut work = self.run(theta, false)?;
        let share = self.core().learn(&mut work, learner, eta)[0];
        let plain = |lanes: &[Vec<[f64; 1]>; 2]| {
            [0, 1].map(|i| lanes[i].iter().map(|[x]| *x).collect::<Vec<f64>>())
        };
        Ok(Step {
            gradients: self.collect(&work).gradients,
            anticipations: plain(&work.anticipations),
            corrections: plain(&work.corrections),
            steps: plain(&work.steps),
            share,
        })
    }
}

impl Core<'_> {
    /// The steps of a learner, after [`gradients`](Self::gradients); gives SOS's `p`.
    pub(crate) fn learn<const L: usize>(
        &self,
        work: &mut Workspace<L>,
        learner: Learner,
        eta: f64,
    ) -> [f64; L] {
        if learner.expects() {
            self.anticipations(work);
        }
        if learner.shapes() {
            self.corrections(work);
        }
        let mut share = [1.0; L];
        if let Learner::Sos { a, b } = learner {
            share = stable(work, eta, a, b);
        }
        for player in 0..2 {
            let terms = work.own[player]
                .iter()
                .zip(&work.anticipations[player])
                .zip(&work.corrections[player]);
            for (step, ((own, expected), shaping)) in work.steps[player].iter_mut().zip(terms) {
                for l in 0..L {
                    let mut sum = own[l];
                    if learner.expects() {
                        sum += eta * expected[l];
                    }
                    if learner.shapes() {
                        sum += share[l] * eta * shaping[l];
                    }
                    step[l] = sum;
                }
            }
        }
        share
    }
}

/// SOS's `p` of each pair.
fn stable<const L: usize>(work: &Workspace<L>, eta: f64, a: f64, b: f64) -> [f64; L] {
    let (mut gradient, mut expected, mut along) = ([0.0; L], [0.0; L], [0.0; L]);
    for player in 0..2 {
        let terms = work.own[player]
            .iter()
            .zip(&work.anticipations[player])
            .zip(&work.corrections[player]);
        for ((own, anticipation), correction) in terms {
            for l in 0..L {
                let ahead = own[l] + eta * anticipation[l];
                gradient[l] += own[l] * own[l];
                expected[l] += ahead * ahead;
                along[l] += eta * correction[l] * ahead;
            }
        }
    }
    std::array::from_fn(|l| {
        let first = if along[l] >= 0.0 {
            1.0
        } else {
            (-a * expected[l] / along[l]).min(1.0)
        };
        let second = if gradient[l] < b * b {
            gradient[l]
        } else {
            1.0
        };
        first.min(second)
    })
}
