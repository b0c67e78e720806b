//! What the benches and the comparison share: models, the work that is timed, checks that come before timing, and medians.
//!
//! Nothing here measures by itself. The benches (`cargo bench -p firetender-benches`) time single parts with `divan`; the
//! program `compare` sets them beside torch and gives the costs of hooks as ratios.

mod gate;
mod median;
mod models;
mod plans;
mod predictions;
mod side;
mod work;

pub use gate::{check_hooks, check_routes, largest_difference};
pub use median::{Median, paired_ratios};
pub use models::{Which, ids, load, weight_bytes};
pub use plans::{Hook, random_vector};
pub use predictions::{predictions, softmax};
pub use side::{finish, on_threads, peer, timed};
pub use work::{decode, prefill, step};

/// What can go wrong: any error, as one line for a person.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
