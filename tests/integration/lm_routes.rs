//! One model, several ways to run it: with gradients or without, on any number of threads.

use burn::tensor::{Device, Tensor};
use firetender_hooks::{Intervene, Padding, Pass, Site, Untouched};
use firetender_kit::{FAMILIES, assert_close, tiny_on, values};
use firetender_lm::{CausalLm, GenerateOptions, ModelConfig, Transformer, generate};
use std::ops::ControlFlow;

/// Keeps every site's values.
#[derive(Debug, Default)]
struct Seen(Vec<(Site, Vec<f32>)>);

impl Intervene for Seen {
    fn wants(&self, _site: Site) -> bool {
        true
    }

    fn at(&mut self, site: Site, value: Tensor<3>, _pass: &Pass) -> Tensor<3> {
        self.0.push((site, values(value.clone())));
        value
    }
}

/// Ids that differ from each other, `lens` tokens a row.
fn rows(lens: &[usize], vocab: usize) -> Vec<Vec<u32>> {
    let id = |row: usize, column: usize| ((row * 31 + column * 17 + 5) % vocab) as u32;
    lens.iter()
        .enumerate()
        .map(|(row, len)| (0..*len).map(|column| id(row, column)).collect())
        .collect()
}

/// With gradients every step is a tensor operation of its own; without, the CPU takes fused passes and attention in blocks.
#[test]
fn gradients_see_the_same_model() {
    for name in FAMILIES.into_iter().chain(["gpt_neox_seq"]) {
        let plain = tiny_on(name, &Device::flex());
        let tracked = tiny_on(name, &Device::flex().autodiff());
        for padding in [Padding::Left, Padding::Right] {
            let pass = Pass::whole(&rows(&[40, 23, 1], 97), padding, 0).unwrap();
            let run = |model: &Transformer| {
                let mut seen = Seen::default();
                let logits = model.logits(&pass, None, &mut seen).unwrap();
                (values(logits), seen.0)
            };
            let ((logits, sites), (expected, expected_sites)) = (run(&plain), run(&tracked));
            let what = format!("{name}, {padding:?}");
            for ((site, found), (expected_site, expected)) in sites.iter().zip(&expected_sites) {
                assert_eq!(site, expected_site);
                // Two orders of summation over 40 tokens; values reach 20.
                assert_close(&format!("{what}, {site}"), found, expected, 1e-4);
            }
            assert_close(&what, &logits, &expected, 1e-4);
        }
    }
}

/// Large enough that matrix products, attention and element-wise passes are all spread over threads.
fn wide() -> Transformer {
    let config = ModelConfig::llama(300, 192, 2, 6, 2, 1024);
    Transformer::init(&config, 3, &Device::flex()).unwrap()
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let model = wide();
    let prompts = rows(&[300, 211], 300);
    let pass = Pass::whole(&prompts, Padding::Left, 0).unwrap();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(|| {
            let logits = values(model.logits(&pass, None, &mut Untouched).unwrap());
            let options = GenerateOptions::new(12);
            let mut go_on = |_| ControlFlow::Continue(());
            let texts = generate(&model, None, &prompts, &options, &mut Untouched, &mut go_on);
            (logits, texts.unwrap())
        })
    };
    let (logits, texts) = run(1);
    for threads in [2, 3, 5] {
        let (other_logits, other_texts) = run(threads);
        assert!(logits == other_logits, "logits on {threads} threads");
        assert_eq!(texts, other_texts, "text on {threads} threads");
    }
}
