//! Laws that every model obeys, whatever its weights.

use burn::tensor::{Tensor, TensorData};
use firetender_hooks::{
    Padding, Pass, Untouched,
    conformance::{Expectation, check},
};
use firetender_kit::{FAMILIES, Golden, assert_close, rows, tiny, values};
use firetender_lm::{CausalLm, ScoreRequest, Transformer, score, score_rows};

fn token_rows() -> Vec<Vec<u32>> {
    rows(&Golden::open("forward/llama.safetensors").token_rows("tokens"))
}

#[test]
fn hooked_models_conform() {
    for name in FAMILIES.into_iter().chain(["gpt_neox_seq"]) {
        let model = tiny(name);
        let shape = model.shape();
        let expected = Expectation {
            layers: shape.layers,
            width: shape.width,
            head_width: shape.head_width,
            parallel: shape.parallel,
            tolerance: 1e-5,
        };
        let mut forward = |pass: &Pass, hook: &mut dyn firetender_hooks::Intervene| {
            model.logits(pass, None, hook).unwrap()
        };
        check(&mut forward, &expected, &token_rows())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// The output projection and its transpose: `⟨unembed(x), g⟩ = ⟨x, unembed_transposed(g)⟩`, of tied weights and of separate ones.
#[test]
fn the_projection_goes_backwards() {
    for name in FAMILIES {
        let model = tiny(name);
        let shape = model.shape();
        let numbers = |columns: usize, seed: usize| {
            let values = (0..3 * columns).map(|i| ((i * 37 + seed) % 101) as f32 / 50.0 - 1.0);
            let data = TensorData::new(values.collect::<Vec<f32>>(), [3, columns]);
            Tensor::<2>::from_data(data, &model.device())
        };
        let (x, g) = (numbers(shape.width, 1), numbers(shape.vocab_size, 2));
        let back = model.unembed_transposed(g.clone()).unwrap();
        assert_eq!(back.dims(), [3, shape.width]);
        let sum = |a: Tensor<2>, b: Tensor<2>| (a * b).sum_dim(1);
        let (there, here) = (sum(model.unembed(x.clone()), g), sum(x, back));
        assert_close(name, &values(there), &values(here), 1e-4);
    }
}

fn whole(model: &Transformer, pass: &Pass) -> Vec<f32> {
    values(model.logits(pass, None, &mut Untouched).unwrap())
}

#[test]
fn cache_and_chunks_change_nothing() {
    for name in FAMILIES {
        let model = tiny(name);
        for padding in [Padding::Left, Padding::Right] {
            let pass = Pass::whole(&token_rows(), padding, 0).unwrap();
            let plain = model.logits(&pass, None, &mut Untouched).unwrap();
            let chunkings: [&[usize]; 3] = [&[10], &[3, 4, 3], &[1; 10]];
            for chunks in chunkings {
                let mut cache = model.new_cache(3, 10).unwrap();
                let mut start = 0;
                for len in chunks {
                    let chunk = pass.chunk(start..start + len);
                    let logits = model
                        .logits(&chunk, Some(&mut cache), &mut Untouched)
                        .unwrap();
                    for token in chunk.tokens() {
                        let cell = |column: usize| [token.row..token.row + 1, column..column + 1];
                        let found = values(logits.clone().slice(cell(token.column)));
                        let expected = values(plain.clone().slice(cell(start + token.column)));
                        let what = format!("{name}, {padding:?}, {chunks:?}, {token:?}");
                        assert_close(&what, &found, &expected, 1e-4);
                    }
                    start += len;
                }
            }
        }
    }
}

#[test]
fn shared_prefixes_score_like_whole_rows() {
    for name in FAMILIES {
        let model = tiny(name);
        let request = ScoreRequest {
            context: vec![5, 9, 2],
            continuations: vec![vec![7], vec![7, 8, 9], vec![1, 2], vec![96, 0, 3, 4]],
        };
        let shared = score(&model, &request, &mut Untouched).unwrap();
        let single = score_rows(&model, &request, &mut Untouched).unwrap();
        for (a, b) in shared.iter().zip(&single) {
            assert_eq!(a.greedy, b.greedy, "{name}");
            for (x, y) in a.log_probs.iter().zip(&b.log_probs) {
                assert!((x - y).abs() < 1e-5, "{name}: {x} against {y}");
            }
        }
    }
}

#[test]
fn chosen_cells_are_the_same_logits() {
    let model = tiny("llama");
    let pass = Pass::whole(&token_rows(), Padding::Left, 0).unwrap();
    let all = whole(&model, &pass);
    let cells = [(2, 9), (0, 0), (1, 5)];
    let chosen = values(
        model
            .logits_at(&pass, &cells, None, &mut Untouched)
            .unwrap(),
    );
    for ((row, column), found) in cells.iter().zip(chosen.chunks(97)) {
        let at = (row * 10 + column) * 97;
        // The projection of other cells sits in the same matrix product, so blocking may differ in the last bits.
        assert_close("chosen cells", found, &all[at..at + 97], 1e-5);
    }
    assert!(
        model
            .logits_at(&pass, &[(3, 0)], None, &mut Untouched)
            .is_err()
    );
}

#[test]
fn what_does_not_fit_is_a_typed_error() {
    let model = tiny("llama");
    let error = |rows: &[Vec<u32>]| {
        let pass = Pass::whole(rows, Padding::Left, 0).unwrap();
        model
            .logits(&pass, None, &mut Untouched)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        error(&[vec![1, 97]]),
        "token 97 is outside the model's vocabulary of 97"
    );
    assert_eq!(
        error(&[vec![1; 65]]),
        "the text is 65 tokens long; this model takes at most 64"
    );
    let rest = Pass::whole(&[vec![1, 2, 3]], Padding::Left, 0)
        .unwrap()
        .chunk(1..3);
    assert!(
        model.logits(&rest, None, &mut Untouched).is_err(),
        "a continuation without its cache"
    );
    let request = ScoreRequest {
        context: vec![],
        continuations: vec![vec![1]],
    };
    assert!(score(&model, &request, &mut Untouched).is_err());
}
