//! What looking and steering cost: the same passes of the random model with each intervention.
//!
//! `cargo bench -p firetender-benches --bench hooks`. The costs are a few per cent, less than what two long measurements differ
//! by: for ratios to rely on, use the program `compare`, which measures in turn.
#![expect(clippy::unwrap_used, reason = "a bench reports by panicking")]

use divan::Bencher;
use firetender_hooks::Untouched;
use firetender_lm::CausalLm;
use firetender_measure::{Hook, Which, check_hooks, ids, prefill, step};

fn main() {
    check_hooks(Which::Random.model()).unwrap();
    divan::main();
}

#[divan::bench(args = Hook::ALL, sample_count = 10, sample_size = 1)]
fn prefill_128(bencher: Bencher, hook: Hook) {
    let model = Which::Random.model();
    let ids = ids(128, model.shape().vocab_size);
    bencher
        .with_inputs(|| hook.make(model).unwrap())
        .bench_local_values(|mut hook| prefill(model, &ids, 128, hook.as_mut()).unwrap());
}

#[divan::bench(args = Hook::ALL, sample_count = 100, sample_size = 1)]
fn one_token_after_128(bencher: Bencher, hook: Hook) {
    let model = Which::Random.model();
    let ids = ids(128, model.shape().vocab_size);
    let (_, mut cache) = prefill(model, &ids, 129, &mut Untouched).unwrap();
    let mut hook = hook.make(model).unwrap();
    bencher.bench_local(|| {
        cache.truncate(128);
        step(model, 1, 128, &mut cache, hook.as_mut()).unwrap()
    });
}
