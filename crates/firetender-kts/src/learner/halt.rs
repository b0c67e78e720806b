//! How a step stops the learner: it takes no errors from the optimiser's side of a step.

use std::sync::{Arc, Mutex, PoisonError};

use burn_train::Interrupter;

/// Counts steps, and holds what was found when one was not finite.
#[derive(Clone)]
pub(super) struct Halt {
    interrupter: Interrupter,
    state: Arc<Mutex<State>>,
}

struct State {
    step: u64,
    found: Option<(u64, f64)>,
}

impl std::fmt::Debug for Halt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Halt")
    }
}

impl Halt {
    /// After so many steps.
    pub(super) fn new(step: u64) -> Self {
        let state = State { step, found: None };
        Self {
            interrupter: Interrupter::new(),
            state: Arc::new(Mutex::new(state)),
        }
    }

    pub(super) fn interrupter(&self) -> Interrupter {
        self.interrupter.clone()
    }

    /// Whether a step with a gradient of this length may be taken; if not, the run stops.
    pub(super) fn allows(&self, norm: f64) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !norm.is_finite() && state.found.is_none() {
            state.found = Some((state.step, norm));
            self.interrupter.stop(Some("a gradient that is not finite"));
        }
        state.step += 1;
        state.found.is_none()
    }

    /// The step, from 0, whose gradient was not finite, and its length.
    pub(super) fn found(&self) -> Option<(u64, f64)> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.found
    }
}
