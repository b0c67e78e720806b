//! One binary over the whole workspace.
#![allow(missing_docs, reason = "a test's name is its documentation")]

mod lm_forward;
mod lm_generation;
mod lm_laws;
mod lm_real;
