//! Tests of the training side: closed forms, moments against two passes, samplers against the distributions that they must have, and
//! one test for each of the things that Burn 0.22 makes easy to get wrong (`traps`).
#![allow(
    clippy::unwrap_used,
    reason = "a test may unwrap: its panic is the report"
)]

mod averages;
mod langevin;
mod laplace;
mod layers;
mod members;
mod records;
mod schedules;
mod support;
mod swag;
mod traps;
