//! Generation: greedy text equals `transformers`', and nothing but the options decides what is generated.

use std::ops::ControlFlow;

use firetender_hooks::Untouched;
use firetender_kit::{FAMILIES, golden_json, tiny};
use firetender_lm::{CausalLm, Ending, GenerateOptions, Generation, NewToken, Sampling, generate};
use serde_json::Value;

fn ids(value: &Value) -> Vec<Vec<u32>> {
    let row = |row: &Value| {
        row.as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_u64().unwrap() as u32)
            .collect()
    };
    value.as_array().unwrap().iter().map(row).collect()
}

fn run(model: &dyn CausalLm, prompts: &[Vec<u32>], options: &GenerateOptions) -> Vec<Generation> {
    generate(model, None, prompts, options, &mut Untouched, &mut |_| {
        ControlFlow::Continue(())
    })
    .unwrap()
}

#[test]
fn greedy_text_is_that_of_the_original() {
    let golden = golden_json("generation.json");
    let prompts = ids(&golden["prompts"]);
    for name in FAMILIES {
        let model = tiny(name);
        let expected = ids(&golden["models"][name]["rules"]["none"]["ids"]);
        let cached = GenerateOptions::new(12);
        let chunked = GenerateOptions {
            prefill_chunk: Some(3),
            ..cached.clone()
        };
        for options in [cached.clone(), cached.without_cache(), chunked] {
            let batch: Vec<_> = run(&model, &prompts, &options)
                .into_iter()
                .map(|g| g.ids)
                .collect();
            assert_eq!(batch, expected, "{name}, {options:?}");
            for (prompt, expected) in prompts.iter().zip(&expected) {
                assert_eq!(
                    &run(&model, std::slice::from_ref(prompt), &options)[0].ids,
                    expected,
                    "{name}, alone"
                );
            }
        }
    }
}

#[test]
fn sampled_rows_do_not_depend_on_their_batch() {
    let model = tiny("llama");
    let prompts = [vec![1, 2, 3], vec![4], vec![5, 6]];
    let options = GenerateOptions::new(8)
        .with_sampling(Sampling::new(1.0).unwrap())
        .with_seed(5);
    let batch = run(&model, &prompts, &options);
    assert_eq!(
        batch,
        run(&model, &prompts, &options),
        "same seed, same text"
    );
    for (row, prompt) in prompts.iter().enumerate() {
        let alone = options.clone().with_seed(5 + row as u64);
        assert_eq!(
            run(&model, std::slice::from_ref(prompt), &alone)[0].ids,
            batch[row].ids
        );
    }
    let other = run(&model, &prompts, &options.clone().with_seed(6));
    assert_ne!(other[0].ids, batch[0].ids);
}

#[test]
fn every_way_to_end() {
    let model = tiny("llama");
    let prompts = [vec![1, 2, 3], vec![4, 5]];
    let plain = run(&model, &prompts, &GenerateOptions::new(6));
    assert!(
        plain
            .iter()
            .all(|g| g.ending == Ending::MaxTokens && g.ids.len() == 6)
    );
    let end = plain[0].ids[2];
    let ended = run(
        &model,
        &prompts,
        &GenerateOptions::new(6).with_end_tokens(&[end]),
    );
    assert_eq!(ended[0].ending, Ending::EndToken);
    let stop = plain[0].ids.iter().position(|id| *id == end).unwrap();
    assert_eq!(
        ended[0].ids,
        plain[0].ids[..=stop],
        "the end token is part of the ids"
    );
    if !plain[1].ids.contains(&end) {
        assert_eq!(
            ended[1].ids, plain[1].ids,
            "an ended row leaves the others alone"
        );
    }
    let full = run(&model, &[vec![1; 60]], &GenerateOptions::new(100));
    assert_eq!(
        (full[0].ending, full[0].ids.len()),
        (Ending::ContextFull, 4)
    );

    let mut seen = vec![];
    let options = GenerateOptions::new(6);
    let cancelled = generate(
        &model,
        None,
        &prompts,
        &options,
        &mut Untouched,
        &mut |token: NewToken| {
            seen.push((token.step, token.row));
            if seen.len() == 3 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        },
    )
    .unwrap();
    assert_eq!(seen, [(0, 0), (0, 1), (1, 0)]);
    assert_eq!(cancelled[1].ending, Ending::Cancelled);
}

#[test]
fn log_probabilities_are_those_of_the_model() {
    let model = tiny("gpt2");
    let prompt = vec![3, 1, 4];
    let out = &run(
        &model,
        std::slice::from_ref(&prompt),
        &GenerateOptions::new(4),
    )[0];
    let request = firetender_lm::ScoreRequest {
        context: prompt,
        continuations: vec![out.ids.clone()],
    };
    let scored = firetender_lm::score(&model, &request, &mut Untouched).unwrap();
    for (a, b) in out.log_probs.iter().zip(&scored[0].log_probs) {
        assert!((a - b).abs() < 1e-5, "{a} against {b}");
    }
    assert!(scored[0].greedy.iter().all(|greedy| *greedy));
}
