//! The contrast sets of the examples keep the rules of their README.

use std::{collections::BTreeSet, fs, path::PathBuf};

fn lines(name: &str) -> Vec<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../examples/data")
        .join(name);
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(str::to_owned).collect()
}

#[test]
fn lines_are_pairs_and_none_stands_twice() {
    let mut seen = BTreeSet::new();
    for set in ["mood", "refusal", "formality", "truth"] {
        let sides = [
            lines(&format!("{set}.positive.txt")),
            lines(&format!("{set}.negative.txt")),
        ];
        assert_eq!(sides[0].len(), sides[1].len(), "{set}");
        assert!(sides[0].len() >= 40, "{set}: {} pairs", sides[0].len());
        for (a, b) in sides[0].iter().zip(&sides[1]) {
            assert_eq!(
                a.chars().last(),
                b.chars().last(),
                "{a} / {b}: the last character would tell the sides apart"
            );
        }
        for line in sides.concat() {
            assert!(
                !line.trim().is_empty() && line.trim() == line,
                "{set}: {line:?}"
            );
            assert!(seen.insert(line.clone()), "{set}: {line:?} stands twice");
        }
    }
    for line in lines("benign.txt")
        .into_iter()
        .chain(lines("mood_neutral_prompts.txt"))
    {
        assert!(seen.insert(line.clone()), "{line:?} stands twice");
    }
}

#[test]
fn held_out_words_are_held_out() {
    let words: BTreeSet<String> = lines("happy_words.txt")
        .into_iter()
        .chain(lines("sad_words.txt"))
        .collect();
    assert_eq!(words.len(), 96, "a word stands in both lists");
    for line in lines("mood.positive.txt")
        .into_iter()
        .chain(lines("mood.negative.txt"))
    {
        for word in line.to_lowercase().split(|c: char| !c.is_alphanumeric()) {
            assert!(
                !words.contains(word),
                "`{word}` is held out but stands in {line:?}"
            );
        }
    }
}
