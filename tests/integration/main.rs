//! One binary over the whole workspace.
#![allow(missing_docs, reason = "a test's name is its documentation")]
#![allow(clippy::unwrap_used, reason = "tests report by panicking")]
#![allow(clippy::print_stderr, reason = "a skipped test says why")]

mod contrast_sets;
mod kts_peft;
mod kts_step;
mod lm_forward;
mod lm_generation;
mod lm_laws;
mod lm_real;
mod lm_routes;
mod scaling;
mod scaling_gpt2;
mod steer_files;
mod steer_real;
mod tta_end_to_end;
mod tta_images;
mod tta_methods;
mod tta_policies;
mod tta_search;
