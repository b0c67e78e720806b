//! Files of texts: every shape, hostile ones, and the real ones where they are.

use std::path::PathBuf;

use firetender_hooks::SiteKind;
use firetender_lm::{ChatTemplate, Checkpoint};
use firetender_steer::{
    Contrast, Extractor, Method, Output, Prompter, ReadPosition, Records, Silent, SteerError,
    Template, Text, TextPairs,
};
use proptest::prelude::*;

use crate::support::{golden_path, model};

#[track_caller]
fn error(text: &str, name: &str) -> String {
    Records::parse(text, name).unwrap_err().to_string()
}

/// A file of each shape, as lines and as a list.
const SHAPES: [(&str, &str); 9] = [
    (
        "concept sentences",
        r#"{"concept": "joy", "sentence": "He laughs."}"#,
    ),
    ("questions", r#"{"category": "theft", "question": "How?"}"#),
    (
        "questions",
        r#"{"category": "theft", "question": "How?", "jailbreak": "You are free."}"#,
    ),
    (
        "refusal pairs",
        r#"{"question": "How?", "decline_answer": "No.", "respond_answer": "So."}"#,
    ),
    (
        "behaviour questions",
        r#"{"question": "Stop?", "answer_matching_behavior": " (A)", "answer_not_matching_behavior": " (B)"}"#,
    ),
    ("prompt pairs", r#"{"bad_prompt": "b", "good_prompt": "g"}"#),
    (
        "suggested answers",
        r#"{"original_question": "2+2?", "biased_question": [{"content": "2+2? I think 5."}], "ground_truth": "4", "biased_option": "5", "original_dataset": "sums"}"#,
    ),
    (
        "instructions",
        r#"{"instruction": "Say", "input": "it", "output": ["good", "bad"]}"#,
    ),
    (
        "multiple choice",
        r#"{"question": "q", "mc0_targets": {"yes": 1, "no": 0}, "mc1_targets": {"yes": 1, "no": 0}, "mc2_targets": {"yes": 1, "no": 0}}"#,
    ),
];

#[test]
fn every_shape_is_told_by_its_keys_in_lines_and_in_lists() {
    for (shape, row) in SHAPES {
        let lines = Records::parse(&format!("{row}\n\n{row}\n"), "x.jsonl").unwrap();
        let list = Records::parse(&format!("\u{feff}[{row},\n {row}]"), "x.json").unwrap();
        assert_eq!((lines.shape(), lines.len()), (shape, 2));
        assert_eq!(lines, list);
        assert_eq!(lines.texts().len(), 2);
        // One key more is an error that names it, its line and the file, in the first record and in a later one.
        let more = row.replacen('{', "{\"colour\": \"red\", ", 1);
        for (text, line) in [
            (format!("{more}\n{row}"), 1),
            (format!("{row}\n\n{more}"), 3),
            (format!("[\n{more}]"), 1),
            (format!("[\n{row},\n{more}]"), 3),
        ] {
            let name = if text.starts_with('[') {
                "x.json"
            } else {
                "x.jsonl"
            };
            let what = error(&text, name);
            assert!(
                what.contains("colour") && what.starts_with(&format!("{name}, line {line}:")),
                "{what}"
            );
        }
    }
}

#[test]
fn pairs_name_their_classes() {
    let names: Vec<(String, String)> = SHAPES
        .iter()
        .filter_map(|(_, row)| Records::parse(row, "x").unwrap().pairs(0).ok())
        .map(|p| (p.toward().to_owned(), p.away().to_owned()))
        .collect();
    let names: Vec<(&str, &str)> = names
        .iter()
        .map(|(t, a)| (t.as_str(), a.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("decline", "respond"),
            ("matching", "not matching"),
            ("good", "bad"),
            ("biased", "truth"),
            ("good", "bad"),
            ("true", "false"),
        ]
    );
    let csv = "statement,label\n\"Water, it is wet.\",1\nFire is cold.,0\nIce is cold.,1\n";
    let labelled = Records::parse(csv, "facts.CSV").unwrap().pairs(3).unwrap();
    assert_eq!((labelled.toward(), labelled.pairs().len()), ("1", 1));
    assert_eq!(labelled.pairs()[0].1.prompt, "Fire is cold.");
    for one_sided in ["[\"a\"]", r#"{"question": "q", "answer": "a"}"#] {
        let records = Records::parse(one_sided, "x").unwrap();
        let what = records.pairs(0).unwrap_err().to_string();
        assert!(what.contains("one side only"), "{what}");
    }
    let one = Records::parse(r#"{"instruction": "i", "input": "", "output": "o"}"#, "x").unwrap();
    let Records::Instructions(rows) = &one else {
        panic!("{one:?}")
    };
    assert_eq!(rows[0].output, Output::One("o".into()));
    assert!(one.pairs(0).unwrap_err().to_string().contains("one output"));
}

#[test]
fn broken_files_say_where() {
    assert!(error("", "a.txt").contains("empty"));
    assert!(error("[]", "a.json").contains("no records"));
    assert!(error("[\"a\",\n 3]", "a.json").starts_with("a.json, line 2:"));
    assert!(error("[[\"a\"]]", "a.json").contains("a.json, line 1:"));
    let first = "{\"question\": \"q\", \"answer\": \"a\"}\n";
    assert!(
        error(&format!("{first}{{\"question\": \"q\"}}"), "p.jsonl")
            .contains("p.jsonl, line 2: missing field `answer`")
    );
    assert!(error(&format!("{first}oops"), "p.jsonl").contains("line 2"));
    assert!(
        error(
            &format!("{first}{{\"question\": 3, \"answer\": \"a\"}}"),
            "p.jsonl"
        )
        .contains("line 2: invalid type")
    );
    assert!(error("a,b\n1,2\n", "t.csv").contains("line 1: columns a, b"));
    assert!(error("statement,label\nx,1\ny\n", "t.csv").contains("line 3"));
    assert!(
        error("statement,label\nx,1\n,0\n", "t.csv").contains("line 3: a text or a label is empty")
    );
    let three = "statement,label\na,1\nb,2\nc,3\n";
    let labels = Records::parse(three, "t.csv")
        .unwrap()
        .pairs(0)
        .unwrap_err();
    assert!(labels.to_string().contains("expected two"), "{labels}");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(error(&deep, "deep.json").contains("deep.json"));
    let long = format!("[\"{}\"]", "x".repeat(2 << 20));
    assert!(error(&long, "long.json").contains("a record of"));
    let mark =
        r#"{"question": "q", "mc0_targets": {"yes": 7}, "mc1_targets": {}, "mc2_targets": {}}"#;
    assert!(error(mark, "m").contains("marked 7"));
    let missing = Records::read("/nowhere/at/all.json").unwrap_err();
    assert!(matches!(missing, SteerError::Io { .. }));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latin.txt");
    std::fs::write(&path, b"one\ntwo \xff\n").unwrap();
    let what = Records::read(&path).unwrap_err().to_string();
    assert!(what.contains("line 2: not UTF-8"), "{what}");
}

proptest! {
    #[test]
    fn nothing_panics(text in r#"[\[\]{}",:a-z0-9\n ]{0,80}"#, name in "x\\.(csv|json|txt)") {
        if let Ok(records) = Records::parse(&text, &name) {
            prop_assert!(!records.is_empty());
            let _ = (records.pairs(0), records.clusters(), records.split(0.8, 1));
        }
    }

    #[test]
    fn splits_part_the_records(n in 2usize..60, seed in 0u64..9, share in 0.05f64..0.95) {
        let list: Vec<String> = (0..n).map(|i| i.to_string()).collect();
        let records = Records::parse(&serde_json::to_string(&list).unwrap(), "x").unwrap();
        if let Ok((fit, judge)) = records.split(share, seed) {
            prop_assert_eq!(fit.len(), (share * n as f64).round() as usize);
            let mut all = [fit.texts(), judge.texts()].concat();
            all.sort_by_key(|t| t.parse::<usize>().unwrap());
            prop_assert_eq!(all, list);
            prop_assert_eq!(records.split(share, seed).unwrap().0, fit);
        }
    }
}

#[test]
fn groups_are_numbered_as_they_come() {
    let rows = r#"{"category": "b", "question": "1"}
{"category": "a", "question": "2"}
{"category": "b", "question": "3"}"#;
    assert_eq!(Records::parse(rows, "x").unwrap().clusters(), [0, 1, 0]);
    assert_eq!(Records::parse("one\ntwo", "x").unwrap().clusters(), [0, 1]);
}

#[test]
fn templates_are_explicit_and_answers_share_their_prompt() {
    let checkpoint = Checkpoint::open(golden_path("models/llama")).unwrap();
    let tokenizer = checkpoint.tokenizer().unwrap();
    let chat = ChatTemplate::new(
        "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[me] {% endif %}",
    )
    .unwrap();
    let chat = Template::chat(chat, Some("Be kind".into()));
    let format = |text: &str| Template::Format(text.into());
    let mut rows = vec![];
    for template in [
        Template::Plain,
        chat,
        format("Q: {user}\nA: {assistant}!"),
        format("Q: {user} A:"),
    ] {
        let prompter = Prompter::new(tokenizer, template).unwrap();
        let prompt = prompter.prompt("who").unwrap();
        let (yes, len) = prompter.answered("who", " yes").unwrap();
        let (no, _) = prompter.answered("who", " no").unwrap();
        assert_eq!((&yes[..len], &no[..len]), (&prompt[..], &prompt[..]));
        assert!(yes.len() > len && yes != no);
        rows.push(tokenizer.decode(&yes, true).unwrap());
    }
    // The tiny tokenizer leaves out what it does not know, such as brackets and capital letters.
    assert!(
        rows[1].starts_with("system") && rows[1].ends_with("me  yes"),
        "{rows:?}"
    );
    assert!(rows[2].ends_with("  yes!"), "{rows:?}");
    for bad in [
        "no place",
        "{user}{user}",
        "{assistant}{user}",
        "{user}{assistant}{assistant}",
    ] {
        assert!(Prompter::new(tokenizer, format(bad)).is_err(), "{bad}");
    }
    // Two answers to one question differ in the answer alone, so the last prompt token knows nothing of it.
    let pair = (Text::new("who", " yes"), Text::new("who", " no no"));
    let pairs = TextPairs::new("yes", "no", vec![pair]).unwrap();
    assert!(pairs.has_answers());
    let plain = Prompter::new(tokenizer, Template::Plain).unwrap();
    let contrast = pairs.encode(&plain).unwrap();
    let at = |position| {
        let extractor = Extractor::new(SiteKind::ResidPost).with_position(position);
        extractor.extract(&model("llama"), &contrast, Method::Mean, &mut Silent)
    };
    assert!(at(ReadPosition::LastPrompt).is_err(), "equal means");
    for place in [
        "last",
        "answer",
        "answer:-2",
        "mean_answer",
        "mean",
        "index:-1",
        "range:-2..-1",
    ] {
        // The first token of both answers may be the same.
        if let Ok(found) = at(place.parse().unwrap()) {
            let place: ReadPosition = place.parse().unwrap();
            assert_eq!(found.vector.provenance().read, place.to_string());
        } else {
            assert_eq!(place, "answer");
        }
    }
    assert!(TextPairs::new("a", "a", vec![]).is_err());
}

#[test]
fn named_places_equal_the_rules_of_the_hooks() {
    use firetender_hooks::ReadAt;
    let class = |from: u32| {
        (0..6)
            .map(|i| {
                (0..4 + i % 3)
                    .map(|t| from + (i * 31 + t * 17) % 40)
                    .collect()
            })
            .collect()
    };
    let contrast = Contrast::new("a", class(0), "b", class(50))
        .unwrap()
        .with_prompt_lens(vec![2; 6], vec![3; 6])
        .unwrap();
    let model = model("llama");
    let extractor = Extractor::new(SiteKind::ResidPost).with_batch(4);
    let vector = |extractor: &Extractor| {
        extractor
            .extract(&model, &contrast, Method::Mean, &mut Silent)
            .unwrap()
            .vector
            .directions()
            .clone()
    };
    for (place, rule) in [
        ("index:-2", ReadAt::FromEnd(1)),
        ("index:1", ReadAt::Position(1)),
        ("answer", ReadAt::each_where(|t| t.from_prompt_end() == 0)),
        (
            "mean_answer",
            ReadAt::mean_where(|t| t.position >= t.prompt_len),
        ),
        (
            "range:1..3",
            ReadAt::mean_where(|t| (1..3).contains(&t.position)),
        ),
    ] {
        let named = vector(&extractor.clone().with_position(place.parse().unwrap()));
        assert_eq!(named, vector(&extractor.clone().with_read(rule)), "{place}");
    }
    // A rule of one's own sees the ids.
    let by_ids = extractor.clone().with_rule("the largest id", |ids, _| {
        let at = (0..ids.len()).max_by_key(|i| ids[*i]).unwrap_or(0);
        at..at + 1
    });
    let found = by_ids
        .extract(&model, &contrast, Method::Mean, &mut Silent)
        .unwrap();
    assert_eq!(found.vector.provenance().read, "the largest id");
    let beyond = extractor.with_position(ReadPosition::Index(99)).extract(
        &model,
        &contrast,
        Method::Mean,
        &mut Silent,
    );
    let message = beyond.unwrap_err().to_string();
    assert!(
        message.contains("index:99") && message.contains("0 samples"),
        "{message}"
    );
}

#[test]
fn one_pair_gives_a_vector_at_every_position() {
    let pair = Contrast::new("a", vec![vec![1, 5, 6]], "b", vec![vec![1, 7, 6, 9]]).unwrap();
    let extractor = Extractor::new(SiteKind::ResidPre);
    let found = extractor
        .by_position(&model("llama"), &pair, &mut Silent)
        .unwrap();
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), [1, 2]);
    // At position 2 both texts hold the same token: its embedding does not differ, what follows does.
    assert_eq!(found[&1].directions().len(), 4);
    assert_eq!(
        found[&2].directions().keys().copied().collect::<Vec<_>>(),
        [1, 2, 3]
    );
    let two = Contrast::new("a", vec![vec![1], vec![2]], "b", vec![vec![3], vec![4]]).unwrap();
    assert!(
        extractor
            .by_position(&model("llama"), &two, &mut Silent)
            .is_err()
    );
    let alike = Contrast::new("a", vec![vec![1, 2]], "b", vec![vec![1]]).unwrap();
    assert!(
        extractor
            .by_position(&model("llama"), &alike, &mut Silent)
            .is_err()
    );
}

/// Files that are not part of the repository: beside it, or where `FIRETENDER_DATA` says.
fn data() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("FIRETENDER_DATA").map_or(beside, PathBuf::from);
    folder.join("text").is_dir().then(|| folder.join("text"))
}

#[test]
fn the_real_files_are_read() {
    let Some(folder) = data() else {
        println!("skipped: no ../shared/data beside the repository, and no FIRETENDER_DATA");
        return;
    };
    for (name, shape, len) in [
        (
            "anthropic_corrigible_neutral.jsonl",
            "behaviour questions",
            340,
        ),
        ("gsm8k_test.jsonl", "problems", 1319),
        ("repe_facts_true_false.csv", "labelled texts", 612),
        ("repe_happiness.json", "texts", 205),
        ("repe_sadness.json", "texts", 229),
        ("repeng_truncated_outputs.json", "texts", 582),
        ("truthfulqa_mc.json", "multiple choice", 790),
        ("xstest_prompts.csv", "labelled texts", 450),
    ] {
        let records = Records::read(folder.join(name)).unwrap();
        println!("{name}: {} {}", records.len(), records.shape());
        assert_eq!(records.shape(), shape, "{name}");
        assert!(
            records.len().abs_diff(len) <= 30,
            "{name}: {}",
            records.len()
        );
        let (fit, judge) = records.split(0.8, 1).unwrap();
        assert_eq!(fit.len() + judge.len(), records.len());
    }
    let xstest = Records::read(folder.join("xstest_prompts.csv")).unwrap();
    let pairs = xstest.pairs(0).unwrap();
    assert_eq!(
        (pairs.toward(), pairs.away(), pairs.pairs().len()),
        ("unsafe", "safe", 200)
    );
    assert!(xstest.clusters().iter().max().unwrap() < &20);
}
