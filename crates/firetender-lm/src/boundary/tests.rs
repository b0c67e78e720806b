use super::*;

/// Letters are tokens, but "er" and " w" are one token each, and so is "wer" at the end of a text.
struct Merging;

impl TextEncoder for Merging {
    fn encode_text(&self, text: &str) -> Result<Vec<u32>, LmError> {
        let (mut ids, mut rest) = (vec![], text);
        while let Some(letter) = rest.chars().next() {
            let (id, length) = if rest == "wer" {
                (1000, 3)
            } else if rest.starts_with("er") {
                (1001, 2)
            } else if rest.starts_with(" w") {
                (1002, 2)
            } else {
                (u32::from(letter), letter.len_utf8())
            };
            ids.push(id);
            rest = &rest[length..];
        }
        Ok(ids)
    }

    fn start_tokens(&self) -> Vec<u32> {
        vec![]
    }

    fn end_tokens(&self) -> Vec<u32> {
        vec![u32::from('$')]
    }

    fn fingerprint(&self) -> String {
        "merging".into()
    }
}

fn cut(prompt: &str, continuation: &str, boundary: Boundary) -> Result<CutPair, LmError> {
    cut_pair(
        &Merging,
        prompt,
        continuation,
        &CutPolicy::with_boundary(boundary),
        32,
    )
}

fn tail(prompt: &str, continuation: &str, boundary: Boundary) -> Vec<u32> {
    cut(prompt, continuation, boundary).unwrap().continuation
}

const fn id(letter: char) -> u32 {
    letter as u32
}

#[test]
fn rules_agree_where_nothing_merges() {
    for boundary in Boundary::ALL {
        let found = cut("abc", "de", boundary).unwrap();
        assert_eq!(found.context, [id('a'), id('b'), id('c')]);
        assert_eq!(found.continuation, [id('d'), id('e')]);
        assert_eq!(found.dropped, 0);
    }
}

#[test]
fn rules_differ_where_a_token_spans_the_join() {
    // "anse" + "rs": together a n s er s, so the prompt's four tokens alone leave one.
    assert_eq!(tail("anse", "rs", Boundary::LmEval), [id('s')]);
    assert_eq!(tail("anse", "rs", Boundary::Reference), [1001, id('s')]);
    assert_eq!(tail("anse", "rs", Boundary::Pairwise), [id('r'), id('s')]);
    let error = cut("anse", "rs", Boundary::Strict).unwrap_err().to_string();
    assert!(
        error.contains("from token 3 on (Some(1001) instead of Some(101))"),
        "{error}"
    );
    assert!(error.contains("anse") && error.contains("rs"), "{error}");
}

#[test]
fn a_continuation_that_vanishes_is_an_error_or_a_named_fallback() {
    // "ans" has three tokens, "answer" as "ans" + "wer" four, but "anse" + "r" is only a n s er: as many as the prompt alone.
    assert!(cut("anse", "r", Boundary::LmEval).is_err());
    let with = |empty| {
        let policy = CutPolicy {
            empty,
            ..CutPolicy::default()
        };
        cut_pair(&Merging, "anse", "r", &policy, 32).unwrap()
    };
    assert_eq!(with(EmptyContinuation::LastToken).continuation, [1001]);
    assert_eq!(with(EmptyContinuation::LastToken).context.len(), 3);
    assert_eq!(with(EmptyContinuation::Alone).continuation, [id('r')]);
    assert_eq!(with(EmptyContinuation::Alone).context.len(), 4);
}

#[test]
fn all_white_space_moves_for_the_harness_only() {
    let found = cut("a \n", "b", Boundary::LmEval).unwrap();
    assert_eq!(found.continuation, [id(' '), id('\n'), id('b')]);
    // Python strips the separators of ASCII, too.
    assert_eq!(tail("a\u{1f}", "b", Boundary::LmEval), [0x1f, id('b')]);
    assert_eq!(tail("a \n", "b", Boundary::Pairwise), [id('b')]);
    assert_eq!(tail("a ", "w", Boundary::LmEval), [1002]);
}

#[test]
fn an_end_token_is_stripped_from_the_context_pairwise() {
    let found = cut("ab$", "c", Boundary::Pairwise).unwrap();
    assert_eq!(found.context, [id('a'), id('b')]);
}

#[test]
fn start_tokens_and_empty_prompts() {
    for boundary in Boundary::ALL {
        let error = cut("", "ab", boundary).unwrap_err().to_string();
        assert!(error.contains("start token"), "{error}");
        let policy = CutPolicy {
            start: StartToken::Id(7),
            ..CutPolicy::with_boundary(boundary)
        };
        let found = cut_pair(&Merging, "", "ab", &policy, 32).unwrap();
        assert_eq!((found.context, found.continuation.len()), (vec![7], 2));
        assert!(cut("a", "", boundary).is_err());
    }
    // White space alone moves, so nothing is left of this prompt.
    assert!(cut(" ", "a", Boundary::LmEval).is_err());
}

#[test]
fn long_texts_are_refused_or_lose_their_oldest_tokens_and_never_their_newest() {
    let policy = |truncation| CutPolicy {
        truncation,
        ..CutPolicy::default()
    };
    let cut = |max, truncation| cut_pair(&Merging, "abcdef", "xyz", &policy(truncation), max);
    // Nine tokens fit into eight positions: the last is never fed in.
    assert_eq!(cut(8, Truncation::Error).unwrap().dropped, 0);
    let error = cut(7, Truncation::Error).unwrap_err().to_string();
    assert!(
        error.contains("9 tokens") && error.contains("drop 1"),
        "{error}"
    );
    let found = cut(4, Truncation::Left).unwrap();
    assert_eq!((found.context, found.dropped), (vec![id('e'), id('f')], 4));
    assert_eq!(found.continuation.len(), 3);
    // A continuation that leaves no room for any context is an error under every rule.
    assert!(
        cut(2, Truncation::Left)
            .unwrap_err()
            .to_string()
            .contains("alone has 3")
    );
}
