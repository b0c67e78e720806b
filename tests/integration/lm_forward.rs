//! Every family computes what `transformers` computes, at every site.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use firetender_hooks::{Intervene, Padding, Pass, Site, Untouched};
use firetender_kit::{FAMILIES, Golden, assert_close, load, rows, tiny, values};
use firetender_lm::{CausalLm, ScoreRequest, score};

/// Logits reach ±8 and f32 itself is 1.1e-5 away from f64 there: a tenfold margin.
const LOGITS: f32 = 1e-4;

#[derive(Default)]
struct KeepAll(BTreeMap<Site, Tensor<3>>);

impl Intervene for KeepAll {
    fn wants(&self, _site: Site) -> bool {
        true
    }

    fn at(&mut self, site: Site, value: Tensor<3>, _pass: &Pass) -> Tensor<3> {
        self.0.insert(site, value.clone());
        value
    }
}

fn golden(name: &str) -> Golden {
    Golden::open(&format!("forward/{name}.safetensors"))
}

#[test]
fn logits_and_log_probabilities() {
    let others = ["llama_sharded", "mistral", "gpt2_published", "gpt_neox_seq"];
    for name in FAMILIES.into_iter().chain(others) {
        let (golden, model) = (golden(name), tiny(name));
        let tokens = golden.token_rows("tokens");
        let pass = Pass::whole(&tokens, Padding::Left, 0).unwrap();
        let logits = model.logits(&pass, None, &mut Untouched).unwrap();
        assert_close(name, &values(logits), &golden.f32s("logits"), LOGITS);
        for (row, expected) in tokens.iter().zip(golden.f64s("logprobs").chunks(9)) {
            let request = ScoreRequest {
                context: row[..1].to_vec(),
                continuations: vec![row[1..].to_vec()],
            };
            let scored = score(&model, &request, &mut Untouched).unwrap();
            let found: Vec<f32> = scored[0].log_probs.iter().map(|p| *p as f32).collect();
            let expected: Vec<f32> = expected.iter().map(|p| *p as f32).collect();
            assert_close(
                &format!("{name}, log-probabilities"),
                &found,
                &expected,
                LOGITS,
            );
        }
    }
}

#[test]
fn every_site() {
    for name in FAMILIES {
        let (golden, model) = (golden(name), tiny(name));
        let pass = Pass::whole(&golden.token_rows("tokens"), Padding::Left, 0).unwrap();
        let mut kept = KeepAll::default();
        model.hidden(&pass, None, &mut kept).unwrap();
        let first_row = |tensor: &Tensor<3>| tensor.clone().narrow(0, 0, 1);
        let check = |site: Site, expected: &str, row: bool| {
            let found = if row {
                first_row(&kept.0[&site])
            } else {
                kept.0[&site].clone()
            };
            assert_close(
                &format!("{name}, {site}"),
                &values(found),
                &golden.f32s(expected),
                5e-5,
            );
        };
        check(Site::ResidPre(0), "resid_pre.0", false);
        check(Site::FinalNorm, "final_norm", false);
        for layer in 0..4 {
            check(
                Site::ResidPost(layer),
                &format!("resid_post.{layer}"),
                false,
            );
            check(Site::AttnOut(layer), &format!("attn_out.{layer}"), true);
            check(Site::MlpOut(layer), &format!("mlp_out.{layer}"), true);
            check(Site::HeadOut(layer), &format!("z.{layer}"), true);
        }
    }
}

#[test]
fn padded_batches() {
    for name in FAMILIES {
        let (golden, model) = (golden(name), tiny(name));
        let rows = rows(&golden.token_rows("tokens"));
        for padding in [Padding::Left, Padding::Right] {
            let pass = Pass::whole(&rows, padding, 0).unwrap();
            let logits = model.logits(&pass, None, &mut Untouched).unwrap();
            for (row, len) in [(1, 7), (2, 4)] {
                let start = if padding == Padding::Left {
                    10 - len
                } else {
                    0
                };
                let part = logits.clone().slice([row..row + 1, start..start + len]);
                let expected = golden.f32s(&format!("left_logits.{row}"));
                assert_close(
                    &format!("{name}, row {row}, {padding:?}"),
                    &values(part),
                    &expected,
                    LOGITS,
                );
            }
        }
    }
}

#[test]
fn gguf_models_are_the_same_models() {
    for name in ["llama", "qwen2", "gpt2_published"] {
        let golden = golden(name);
        let path = format!("{}/golden/gguf/{name}.gguf", env!("CARGO_MANIFEST_DIR"));
        let (_, model) = load(path);
        let pass = Pass::whole(&golden.token_rows("tokens"), Padding::Left, 0).unwrap();
        let logits = model.logits(&pass, None, &mut Untouched).unwrap();
        assert_close(name, &values(logits), &golden.f32s("logits"), LOGITS);
    }
}
