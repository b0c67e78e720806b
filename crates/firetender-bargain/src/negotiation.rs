//! Alternating offers over a pool of items, and a bargaining game over divided labour.
//!
//! Both are of the released code of "Normative Disagreement as a Challenge for Cooperative AI" (2021); the first goes back to `DeVault`, Mell and Gratch
//! (2015) and Cao and others (2018). Their states are plain data and their randomness comes from [`Dice`].

use serde::{Deserialize, Serialize};

use crate::{BargainError, Dice};

/// Kinds of items.
pub const KINDS: usize = 3;

/// A negotiation under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Negotiation {
    /// Items of each kind, 0 to 5.
    pub pool: [u8; KINDS],
    /// What an item of each kind is worth to each player, 0 to 5.
    pub worth: [[u8; KINDS]; 2],
    /// Turns in all, 4 to 10.
    pub length: u8,
    /// Turns over.
    pub turn: u8,
    /// What the player who moved last asks for itself.
    pub standing: Option<[u8; KINDS]>,
    /// What both got, once it is over.
    pub outcome: Option<Deal>,
}

/// How a negotiation ended: raw values to both, (0, 0) without a valid agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deal {
    /// What each player's share is worth to it.
    pub values: [u32; 2],
}

/// A move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Offer {
    /// Takes the standing proposal: the proposer gets what it asked, the acceptor the rest.
    Accept,
    /// Asks for so many items of each kind.
    Propose([u8; KINDS]),
}

impl Negotiation {
    /// A negotiation with pool and worths drawn uniformly from 0 to 5 and a Poisson(7) length clipped to 4 to 10. A player to whom the pool is worth nothing draws
    /// again, alone (the released code does so for whole batches only).
    ///
    /// ```
    /// use firetender_bargain::{Dice, negotiation::{Negotiation, Offer}};
    /// let mut game = Negotiation::draw(&mut Dice::at(1, 0, 0));
    /// game.play(Offer::Propose([0, 0, 0])).unwrap();
    /// let deal = game.play(Offer::Accept).unwrap().unwrap();
    /// assert_eq!(deal.values[0], 0);
    /// ```
    #[must_use]
    pub fn draw(dice: &mut Dice) -> Self {
        let mut three = || [0; KINDS].map(|_: u8| dice.below(6) as u8);
        let mut pool = three();
        while pool == [0; KINDS] {
            pool = three();
        }
        let worth = [0, 1].map(|_| {
            loop {
                let drawn = three();
                if value(&pool, &drawn) > 0 {
                    return drawn;
                }
            }
        });
        // Knuth's product of uniforms.
        let (goal, mut product, mut length) = ((-7.0_f64).exp(), dice.unit(), 0_u8);
        while product > goal {
            product *= dice.unit();
            length += 1;
        }
        Self {
            pool,
            worth,
            length: length.clamp(4, 10),
            turn: 0,
            standing: None,
            outcome: None,
        }
    }

    /// Whose turn it is: player 1 begins.
    #[must_use]
    pub fn player(&self) -> usize {
        usize::from(self.turn % 2)
    }

    /// Makes a move; gives the outcome when that ends it.
    ///
    /// # Errors
    /// [`BargainError::Game`] when it is over, or there is nothing to accept.
    pub fn play(&mut self, offer: Offer) -> Result<Option<Deal>, BargainError> {
        let fail = |what: &str| {
            Err(BargainError::Game {
                game: "negotiation".into(),
                what: what.into(),
            })
        };
        if self.outcome.is_some() {
            return fail("it is over; no move is left");
        }
        match offer {
            Offer::Accept => {
                let Some(asked) = self.standing else {
                    return fail("nothing was proposed yet; expected a proposal");
                };
                let acceptor = self.player();
                let mut values = [0; 2];
                if asked.iter().zip(&self.pool).all(|(a, p)| a <= p) {
                    let rest = std::array::from_fn(|i| self.pool[i] - asked[i]);
                    values[1 - acceptor] = value(&asked, &self.worth[1 - acceptor]);
                    values[acceptor] = value(&rest, &self.worth[acceptor]);
                }
                self.outcome = Some(Deal { values });
            }
            Offer::Propose(asked) => {
                self.standing = Some(asked);
                self.turn += 1;
                if self.turn >= self.length {
                    self.outcome = Some(Deal { values: [0; 2] });
                }
            }
        }
        Ok(self.outcome)
    }

    /// A deal as shares: each player's value over that of the whole pool to it, and the sum over the greatest possible sum.
    #[must_use]
    pub fn shares(&self, deal: &Deal) -> ([f64; 2], f64) {
        let own = [0, 1]
            .map(|i| f64::from(deal.values[i]) / f64::from(value(&self.pool, &self.worth[i])));
        let best: u32 = (0..KINDS)
            .map(|k| u32::from(self.pool[k]) * u32::from(self.worth[0][k].max(self.worth[1][k])))
            .sum();
        (
            own,
            f64::from(deal.values[0] + deal.values[1]) / f64::from(best),
        )
    }

    /// What players are trained by: `(1 − s) · own share + s · joint share − f · |difference of shares|`, with `s = 0.3` and `f = 0` in the released code.
    #[must_use]
    pub fn rewards(&self, deal: &Deal, prosocial: f64, fairness: f64) -> [f64; 2] {
        let (own, joint) = self.shares(deal);
        let gap = (own[0] - own[1]).abs();
        own.map(|share| (1.0 - prosocial) * share + prosocial * joint - fairness * gap)
    }
}

fn value(items: &[u8; KINDS], worth: &[u8; KINDS]) -> u32 {
    items
        .iter()
        .zip(worth)
        .map(|(n, w)| u32::from(*n) * u32::from(*w))
        .sum()
}

/// Divided labour in one step: player `i` does the share `work[i]` of task 0 and the rest of task 1, and says by `cutoff[i]` below which share of the other it refuses.
/// Accepted only if `work[0] > cutoff[1]` and `1 − work[1] > cutoff[0]`; else both get nothing. With `G = 3`,
/// `r₀ = ln(1 + (x₀ + x₁)^0.6) + ln(1 + ((1 − x₀) + G(1 − x₁))^1.8)` and `r₁ = ln(1 + (G x₀ + x₁)^1.4) + ln(1 + ((1 − x₀) + (1 − x₁))^0.4)`.
///
/// # Errors
/// [`BargainError::Option`] when a number is not from 0 to 1.
///
/// ```
/// use firetender_bargain::negotiation::divided_labour;
/// let both = divided_labour([1.0, 0.0], [0.5, 0.5]).unwrap();
/// assert!((both[0] - (2.0_f64.ln() + (1.0 + 3.0_f64.powf(1.8)).ln())).abs() < 1e-12);
/// assert_eq!(divided_labour([0.4, 0.0], [0.5, 0.5]).unwrap(), [0.0, 0.0]);
/// ```
pub fn divided_labour(work: [f64; 2], cutoff: [f64; 2]) -> Result<[f64; 2], BargainError> {
    for number in work.into_iter().chain(cutoff) {
        if !(0.0..=1.0).contains(&number) {
            return Err(BargainError::Option {
                field: "share",
                found: number.to_string(),
                expected: "a number from 0 to 1",
            });
        }
    }
    let [x, y] = work;
    if !(x > cutoff[1] && 1.0 - y > cutoff[0]) {
        return Ok([0.0; 2]);
    }
    const G: f64 = 3.0;
    let term = |sum: f64, power: f64| sum.powf(power).ln_1p();
    Ok([
        term(x + y, 0.6) + term((1.0 - x) + G * (1.0 - y), 1.8),
        term(G * x + y, 1.4) + term((1.0 - x) + (1.0 - y), 0.4),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_in_range_and_every_pool_is_worth_something() {
        let mut lengths = 0.0;
        for lane in 0..2000 {
            let game = Negotiation::draw(&mut Dice::at(3, lane, 0));
            assert!((4..=10).contains(&game.length));
            assert!(
                game.pool
                    .iter()
                    .chain(game.worth.iter().flatten())
                    .all(|n| *n <= 5)
            );
            assert!((0..2).all(|i| value(&game.pool, &game.worth[i]) > 0));
            lengths += f64::from(game.length);
        }
        // The mean of a Poisson(7) clipped to 4 and 10, summed by hand: 6.918.
        assert!(
            (lengths / 2000.0 - 6.918).abs() < 0.15,
            "{}",
            lengths / 2000.0
        );
    }

    #[test]
    fn moves_end_as_they_should() {
        let start = Negotiation {
            pool: [3, 2, 1],
            worth: [[1, 0, 5], [2, 4, 0]],
            length: 4,
            turn: 0,
            standing: None,
            outcome: None,
        };
        let mut game = start;
        assert!(game.play(Offer::Accept).is_err());
        assert_eq!(game.play(Offer::Propose([0, 0, 1])).unwrap(), None);
        let deal = game.play(Offer::Accept).unwrap().unwrap();
        assert_eq!(deal.values, [5, 14]);
        assert_eq!(game.shares(&deal), ([5.0 / 8.0, 1.0], 1.0));
        let rewards = game.rewards(&deal, 0.3, 0.5);
        assert!((rewards[1] - (0.7 + 0.3 - 0.5 * 0.375)).abs() < 1e-12);
        assert!(game.play(Offer::Accept).is_err());
        // More than there is: nothing for anybody.
        let mut game = start;
        game.play(Offer::Propose([9, 0, 0])).unwrap();
        assert_eq!(
            game.play(Offer::Accept).unwrap(),
            Some(Deal { values: [0, 0] })
        );
        // Out of turns.
        let mut game = start;
        for turn in 0..4 {
            let end = game.play(Offer::Propose([1, 1, 1])).unwrap();
            assert_eq!(end.is_some(), turn == 3);
        }
        assert_eq!(game.outcome, Some(Deal { values: [0, 0] }));
    }

    #[test]
    fn divided_labour_has_two_norms() {
        // All of task 0 by both, and all of task 1 by both: each is better for one player.
        let zero = divided_labour([1.0, 0.0], [0.0, 0.0]).unwrap();
        let most = |i: usize| {
            let mut best = 0.0_f64;
            for a in 0..=20 {
                for b in 0..=20 {
                    let pay = divided_labour([f64::from(a) / 20.0, f64::from(b) / 20.0], [0.0; 2])
                        .unwrap();
                    best = best.max(pay[i]);
                }
            }
            best
        };
        assert!(most(0) >= zero[0] && most(1) >= zero[1]);
        assert!(divided_labour([1.1, 0.0], [0.0; 2]).is_err());
        assert!(divided_labour([f64::NAN, 0.0], [0.0; 2]).is_err());
    }
}
