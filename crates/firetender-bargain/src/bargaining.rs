//! What a payoff table offers two bargainers: the feasible hull, its Pareto frontier, and the points that norms select on it.

mod feasible;
mod hull;
mod predicates;
mod solutions;

pub use feasible::{Disagreement, Feasible};
pub use hull::Hull;
pub use predicates::{
    Filter, Scope, Witness, is_asymmetric, is_bargaining_problem, is_coordination_problem,
};
pub use solutions::{
    Solution, Solutions, egalitarian, equal_loss, kalai_smorodinsky, nash, solve, utilitarian,
};
