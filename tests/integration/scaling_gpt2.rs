//! GPT-2's tokens on the official files: what boundaries, classes and shared beginnings are worth there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::atomic::{AtomicUsize, Ordering},
};

use burn::tensor::{Device, Tensor};
use firetender_hooks::{Intervene, Pass, Untouched};
use firetender_kit::data;
use firetender_lm::{
    Boundary, CausalLm, CutPolicy, KvCache, LmError, LmShape, ModelConfig, ScoreRequest, Sharing,
    StartToken, TextEncoder, Transformer, cut_pair, score_batch, score_rows,
};
use firetender_scaling::{Example, compare_boundaries, read_task};
use tiktoken_rs::{CoreBPE, r50k_base};

/// GPT-2's byte pairs, without a start token.
struct Gpt2(CoreBPE);

impl TextEncoder for Gpt2 {
    fn encode_text(&self, text: &str) -> Result<Vec<u32>, LmError> {
        Ok(self.0.encode_ordinary(text))
    }

    fn start_tokens(&self) -> Vec<u32> {
        vec![]
    }

    fn fingerprint(&self) -> String {
        "r50k_base".into()
    }
}

/// A model that counts the real tokens it is fed.
struct Counting {
    model: Transformer,
    fed: AtomicUsize,
}

impl CausalLm for Counting {
    fn shape(&self) -> LmShape {
        self.model.shape()
    }

    fn device(&self) -> Device {
        self.model.device()
    }

    fn hidden(
        &self,
        pass: &Pass,
        cache: Option<&mut KvCache>,
        hook: &mut dyn Intervene,
    ) -> Result<Tensor<3>, LmError> {
        let real = pass.tokens().count();
        self.fed.fetch_add(real, Ordering::Relaxed);
        self.model.hidden(pass, cache, hook)
    }

    fn unembed(&self, hidden: Tensor<2>) -> Tensor<2> {
        self.model.unembed(hidden)
    }

    fn new_cache(&self, batch: usize, capacity: usize) -> Option<KvCache> {
        self.model.new_cache(batch, capacity)
    }
}

/// The requests of a classification file.
fn requests(name: &str) -> Option<Vec<ScoreRequest>> {
    let text = fs::read_to_string(data(&format!("inverse-scaling/{name}"))?).unwrap();
    let encoder = Gpt2(r50k_base().unwrap());
    let policy = CutPolicy {
        start: StartToken::None,
        ..CutPolicy::default()
    };
    let task = read_task(name, &text).unwrap();
    let policies = Boundary::ALL.map(CutPolicy::with_boundary);
    let found = compare_boundaries(&task, &encoder, &policies, 1024, None).unwrap();
    // Additivity never breaks: not even the strict rule refuses a pair.
    assert!(
        found.iter().all(|d| (d.errors, d.different) == (0, 0)),
        "{found:?}"
    );
    let requests = task.examples.iter().map(|example| {
        let Example::Classification {
            prompt, classes, ..
        } = example
        else {
            panic!("a classification");
        };
        let mut request = ScoreRequest {
            context: vec![],
            continuations: vec![],
        };
        for class in classes {
            let cut = cut_pair(&encoder, prompt, class, &policy, 1024).unwrap();
            request.context = cut.context;
            request.continuations.push(cut.continuation);
        }
        request
    });
    Some(requests.collect())
}

/// Different beginnings of some sequences: the nodes of their tree.
fn nodes<'a>(sequences: impl Iterator<Item = &'a [u32]>) -> usize {
    let all: BTreeSet<&[u32]> = sequences
        .flat_map(|ids| (1..=ids.len()).map(move |end| &ids[..end]))
        .collect();
    all.len()
}

#[test]
fn token_counts_are_those_that_the_specification_gives() {
    for (name, naive, prompts, tree, longer, uneven) in [
        ("neqa_classification.jsonl", 28_780, 14_090, 8_391, 0, 0),
        (
            "memo-trap_classification.jsonl",
            42_577,
            19_353,
            10_199,
            1_767,
            116,
        ),
    ] {
        let Some(requests) = requests(name) else {
            return;
        };
        let pairs = || {
            requests
                .iter()
                .flat_map(|r| r.continuations.iter().map(move |c| (r, c)))
        };
        assert_eq!(
            pairs()
                .map(|(r, c)| r.context.len() + c.len())
                .sum::<usize>(),
            naive,
            "{name}"
        );
        assert_eq!(
            requests.iter().map(|r| r.context.len()).sum::<usize>(),
            prompts,
            "{name}"
        );
        assert_eq!(
            nodes(requests.iter().map(|r| r.context.as_slice())),
            tree,
            "{name}"
        );
        assert_eq!(
            pairs().filter(|(_, c)| c.len() > 1).count(),
            longer,
            "{name}"
        );
        let differ = |r: &&ScoreRequest| r.continuations[0].len() != r.continuations[1].len();
        assert_eq!(requests.iter().filter(differ).count(), uneven, "{name}");
        assert!(
            requests
                .iter()
                .all(|r| r.continuations[0][0] != r.continuations[1][0]),
            "{name}"
        );
    }
}

#[test]
fn a_batch_feeds_hardly_more_than_each_different_beginning_once() {
    let config = ModelConfig::llama(50_257, 8, 1, 1, 1, 16);
    for name in [
        "neqa_classification.jsonl",
        "memo-trap_classification.jsonl",
    ] {
        let Some(requests) = requests(name) else {
            return;
        };
        let counting = Counting {
            model: Transformer::init(&config, 0, &Device::flex()).unwrap(),
            fed: AtomicUsize::new(0),
        };
        let scored = score_batch(&counting, &requests, Sharing::default(), &mut Untouched).unwrap();
        let fed = counting.fed.load(Ordering::Relaxed);
        let whole: Vec<Vec<u32>> = requests
            .iter()
            .flat_map(|r| {
                r.continuations
                    .iter()
                    .map(|c| [&r.context, &c[..c.len() - 1]].concat())
            })
            .collect();
        let least = nodes(whole.iter().map(Vec::as_slice));
        let naive: usize = whole.iter().map(Vec::len).sum();
        assert!(
            fed >= least && fed * 4 < least * 5 && fed * 2 < naive,
            "{name}: {fed} of {naive}, at least {least}"
        );
        // And the numbers are those of the slow route.
        let mut largest: BTreeMap<&str, f64> = BTreeMap::new();
        for (request, scored) in requests.iter().zip(&scored).step_by(17) {
            let slow = score_rows(&counting.model, request, &mut Untouched).unwrap();
            for (a, b) in scored.iter().zip(&slow) {
                assert_eq!(a.log_probs.len(), b.log_probs.len());
                for (a, b) in a.log_probs.iter().zip(&b.log_probs) {
                    let most = largest.entry(name).or_default();
                    *most = most.max((a - b).abs());
                }
            }
        }
        assert!(largest[name] < 1e-5, "{largest:?}");
    }
}
