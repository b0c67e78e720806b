//! Language models: a prompt of 512 tokens, 128 tokens one by one, and from a file to the first token.
//!
//! `cargo bench -p firetender-benches --bench lm`; with `FIRETENDER_SMOLLM2=…/SmolLM2-135M-Instruct.Q4_1.gguf` also on real
//! weights. Counts are tokens.
#![expect(clippy::unwrap_used, reason = "a bench reports by panicking")]

use std::{ops::ControlFlow, path::PathBuf};

use divan::{Bencher, counter::ItemsCount};
use firetender_hooks::Untouched;
use firetender_lm::{CausalLm, GenerateOptions, StoreAs, Transformer, generate};
use firetender_measure::{Which, check_routes, decode, ids, load, prefill};

fn main() {
    divan::main();
}

/// The model and `count` token ids, after the check that its two routes agree.
fn ready(which: Which, count: usize) -> (&'static Transformer, Vec<u32>) {
    let model = which.model();
    let vocab = model.shape().vocab_size;
    check_routes(model, &ids(24, vocab)).unwrap();
    (model, ids(count, vocab))
}

#[divan::bench(args = Which::present(), sample_count = 5, sample_size = 1)]
fn prefill_512(bencher: Bencher, which: Which) {
    let (model, ids) = ready(which, 512);
    bencher
        .counter(ItemsCount::new(512usize))
        .bench_local(|| prefill(model, &ids, 512, &mut Untouched).unwrap());
}

#[divan::bench(args = Which::present(), sample_count = 5, sample_size = 1)]
fn decode_128_after_16(bencher: Bencher, which: Which) {
    let (model, ids) = ready(which, 16);
    bencher
        .counter(ItemsCount::new(128usize))
        .with_inputs(|| prefill(model, &ids, 16 + 128, &mut Untouched).unwrap())
        .bench_local_values(|(logits, mut cache)| {
            decode(model, logits, 128, &mut cache, &mut Untouched).unwrap()
        });
}

/// The same through the public function, which also picks, scores and watches for the end.
#[divan::bench(args = Which::present(), sample_count = 5, sample_size = 1)]
fn generate_128_after_16(bencher: Bencher, which: Which) {
    let (model, ids) = ready(which, 16);
    let options = GenerateOptions::new(128);
    bencher.counter(ItemsCount::new(128usize)).bench_local(|| {
        let prompts = std::slice::from_ref(&ids);
        generate(model, None, prompts, &options, &mut Untouched, &mut |_| {
            ControlFlow::Continue(())
        })
        .unwrap()
    });
}

#[divan::bench(args = Which::present(), sample_count = 3, sample_size = 1)]
fn load_to_first_token(bencher: Bencher, which: Which) {
    let (model, ids) = ready(which, 16);
    let folder = tempfile::tempdir().unwrap();
    let path = which.path().map_or_else(
        || {
            model.save(folder.path(), StoreAs::F32).unwrap();
            folder.path().to_owned()
        },
        PathBuf::from,
    );
    bencher.bench_local(|| {
        let model = load(&path).unwrap();
        prefill(&model, &ids, 16, &mut Untouched).unwrap().0
    });
}
