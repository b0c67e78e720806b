//! Players: one policy, or one or several norms.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{AmTftOptions, Norm};
use crate::{BargainError, markov::Model, plan::Policy};

/// What amTFT remembers of one norm.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ledger {
    /// In units of 2⁻³².
    pub(super) debit: i64,
    /// Punishing steps to go.
    pub(super) left: u16,
    /// The last number of punishing steps that was found.
    pub(super) last: u16,
}

/// What a player remembers: the norm it plays by, and a ledger for each that it knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Memory {
    pub(super) active: u8,
    pub(super) ledgers: Vec<Ledger>,
}

impl Memory {
    /// The norm that it plays by, by its number.
    #[must_use]
    pub fn active(&self) -> usize {
        usize::from(self.active)
    }

    /// Whether it is punishing by every norm that it knows.
    #[must_use]
    pub fn punishing(&self) -> bool {
        !self.ledgers.is_empty() && self.ledgers.iter().all(|l| l.left > 0)
    }
}

/// What makes a player doubt the norm that it plays by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Trigger {
    /// The other did what it never does by this norm.
    AnyMismatch,
    /// A debit of either sign (as released; with deterministic policies a mismatch that changes anything).
    AnyDebit,
    /// A debit above this.
    Above(f64),
}

/// How a player with several norms chooses among them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mode {
    /// The first norm, in the player's order, by which it is not punishing; if it punishes by all, the punishment of the first: "cooperate if the
    /// other conforms to some norm that I know".
    PreferenceOrdering,
    /// Plays by a norm until the other does not, and then draws again: the first with probability `p`, else one of the others. Never punishes.
    RandomSwitch {
        /// Probability of the first norm.
        p: f64,
        /// What makes it draw again.
        trigger: Trigger,
        /// Compatibility: another than the first is kept when the first is not drawn, instead of drawn among the others.
        keeps: bool,
        /// Compatibility: a player with a single norm is of this kind, too, and so never punishes, instead of playing amTFT.
        singletons: bool,
    },
}

impl Mode {
    /// Random switching with probability `p` of the first norm, on any mismatch.
    #[must_use]
    pub fn random_switch(p: f64) -> Self {
        Self::RandomSwitch {
            p,
            trigger: Trigger::AnyMismatch,
            keeps: false,
            singletons: false,
        }
    }
}

/// A player that knows norms. With one it is amTFT.
#[derive(Clone, Debug)]
pub struct NormPlayer {
    norms: Vec<Arc<Norm>>,
    mode: Mode,
    options: AmTftOptions,
}

impl NormPlayer {
    /// A player with these norms, its favourite first.
    ///
    /// # Errors
    /// [`BargainError::TooFew`] without a norm; [`BargainError::Option`] for a probability that is none, and as [`AmTftOptions::check`].
    pub fn new(
        norms: Vec<Arc<Norm>>,
        mode: Mode,
        options: AmTftOptions,
    ) -> Result<Self, BargainError> {
        options.check()?;
        if norms.is_empty() || norms.len() > 255 {
            return Err(BargainError::TooFew {
                what: format!(
                    "a player with {} norms; expected from 1 to 255",
                    norms.len()
                ),
            });
        }
        if let Mode::RandomSwitch { p, .. } = mode
            && !(0.0..=1.0).contains(&p)
        {
            return Err(BargainError::Option {
                field: "p",
                found: p.to_string(),
                expected: "a probability",
            });
        }
        Ok(Self {
            norms,
            mode,
            options,
        })
    }

    /// amTFT by one norm.
    ///
    /// # Errors
    /// As [`AmTftOptions::check`].
    pub fn amtft(norm: Arc<Norm>, options: AmTftOptions) -> Result<Self, BargainError> {
        Self::new(vec![norm], Mode::PreferenceOrdering, options)
    }

    /// Its norms, the favourite first.
    #[must_use]
    pub fn norms(&self) -> &[Arc<Norm>] {
        &self.norms
    }

    /// The probability of the first norm, if it switches at random.
    fn switching(&self) -> Option<(f64, Trigger, bool)> {
        match self.mode {
            Mode::RandomSwitch {
                p,
                trigger,
                keeps,
                singletons,
            } if singletons || self.norms.len() > 1 => Some((p, trigger, keeps)),
            _ => None,
        }
    }

    /// The distribution of a fresh draw of the norm. Where another than the first is `kept`, it is that one.
    fn draw(&self, p: f64, kept: Option<u8>) -> Vec<(u8, f64)> {
        let others = self.norms.len() - 1;
        if others == 0 {
            return vec![(0, 1.0)];
        }
        let mut out = vec![(0, p)];
        match kept.filter(|k| *k > 0) {
            Some(kept) => out.push((kept, 1.0 - p)),
            None => out.extend((1..=others).map(|i| (i as u8, (1.0 - p) / others as f64))),
        }
        out.retain(|(_, p)| *p > 0.0);
        out
    }

    fn start(&self) -> Vec<(Memory, f64)> {
        let ledgers = vec![Ledger::default(); self.norms.len()];
        let draws = self
            .switching()
            .map_or(vec![(0, 1.0)], |(p, ..)| self.draw(p, None));
        let memory = |(active, p)| {
            (
                Memory {
                    active,
                    ledgers: ledgers.clone(),
                },
                p,
            )
        };
        draws.into_iter().map(memory).collect()
    }

    fn row(&self, seat: usize, memory: &Memory, state: usize) -> &[f64] {
        let active = &self.norms[memory.active()];
        if memory.punishing() && self.switching().is_none() {
            self.norms[0].punishment(seat).row(state)
        } else {
            active.cooperation(seat).row(state)
        }
    }

    fn observe(&self, seen: &Seen<'_>, memory: &Memory) -> Vec<(Memory, f64)> {
        let mut all = vec![(memory.clone(), 1.0)];
        let other = seen.actions[1 - seen.seat];
        let mut doubted = vec![false; self.norms.len()];
        for (i, norm) in self.norms.iter().enumerate() {
            let debits = self
                .options
                .debits(seen.model, norm, seen.seat, seen.state, other, seen.left);
            if let Some((_, trigger, _)) = self.switching() {
                // Sampled debits would make the doubt itself random; what is certain decides.
                let certain = debits.iter().all(|(d, _)| *d != 0);
                doubted[i] = match trigger {
                    Trigger::AnyMismatch => {
                        norm.cooperation(1 - seen.seat).row(seen.state)[other] <= 0.0
                    }
                    Trigger::AnyDebit => certain,
                    Trigger::Above(x) => {
                        debits.iter().all(|(d, _)| *d as f64 / 4_294_967_296.0 > x)
                    }
                };
                continue;
            }
            let mut next = Vec::with_capacity(all.len());
            for (memory, weight) in all {
                for (debit, p) in &debits {
                    let mut after = memory.clone();
                    after.ledgers[i] = self.options.book(
                        seen.model,
                        norm,
                        seen.seat,
                        &memory.ledgers[i],
                        *debit,
                        seen.next,
                        seen.left,
                    );
                    next.push((after, weight * p));
                }
            }
            all = next;
        }
        if let Some((p, _, keeps)) = self.switching() {
            if doubted[memory.active()] {
                let kept = keeps.then_some(memory.active);
                return self
                    .draw(p, kept)
                    .into_iter()
                    .map(|(active, p)| {
                        (
                            Memory {
                                active,
                                ..memory.clone()
                            },
                            p,
                        )
                    })
                    .collect();
            }
            return all;
        }
        for (memory, _) in &mut all {
            memory.active = memory.ledgers.iter().position(|l| l.left == 0).unwrap_or(0) as u8;
        }
        all
    }
}

/// What a player sees of a step.
pub(super) struct Seen<'a> {
    pub(super) model: &'a Model,
    pub(super) seat: usize,
    pub(super) state: usize,
    pub(super) actions: [usize; 2],
    /// The state after the step.
    pub(super) next: usize,
    /// Steps to go after this one.
    pub(super) left: usize,
}

/// A player: what it does with what it remembers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Player {
    /// A policy without memory of its own; the game's state may hold the last round.
    Fixed(Policy),
    /// A player with norms.
    Norms(NormPlayer),
}

impl Player {
    /// What it may remember before the first step.
    #[must_use]
    pub fn start(&self) -> Vec<(Memory, f64)> {
        match self {
            Self::Fixed(_) => vec![(Memory::default(), 1.0)],
            Self::Norms(player) => player.start(),
        }
    }

    /// The distribution of its actions.
    ///
    /// # Panics
    /// When there is no such seat or state.
    #[must_use]
    pub fn row(&self, seat: usize, memory: &Memory, state: usize) -> &[f64] {
        match self {
            Self::Fixed(policy) => policy.row(state),
            Self::Norms(player) => player.row(seat, memory, state),
        }
    }

    /// What it remembers after a step.
    pub(super) fn observe(&self, seen: &Seen<'_>, memory: &Memory) -> Vec<(Memory, f64)> {
        match self {
            Self::Fixed(_) => vec![(memory.clone(), 1.0)],
            Self::Norms(player) => player.observe(seen, memory),
        }
    }
}
