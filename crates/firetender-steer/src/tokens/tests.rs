use super::*;

/// Positions that a rule selects in a sequence of a prompt of 4 and 4 generated tokens; the id is the position.
fn selected(text: &str) -> Vec<usize> {
    let rule: TokenRule = text.parse().unwrap();
    (0..8)
        .filter(|position| {
            rule.selects(&Token {
                row: 0,
                column: 0,
                id: *position as u32,
                position: *position,
                prompt_len: 4,
            })
        })
        .collect()
}

#[test]
fn each_clause_alone() {
    assert_eq!(selected("all"), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(selected("prompt"), [0, 1, 2, 3]);
    assert_eq!(selected("generated"), [4, 5, 6, 7]);
    assert_eq!(selected("from_last_prompt"), [3, 4, 5, 6, 7]);
    assert_eq!(selected("last:3"), [1, 2, 3]);
    assert_eq!(selected("last:99"), [0, 1, 2, 3]);
    assert_eq!(selected("positions:0,5,-1"), [0, 3, 5]);
    assert_eq!(selected("prompt:1..3"), [1, 2]);
    assert_eq!(selected("prompt:-2.."), [2, 3]);
    assert_eq!(selected("prompt:1..-1"), [1, 2]);
    assert_eq!(selected("prompt:..9"), [0, 1, 2, 3]);
    assert_eq!(selected("generated:2..5"), [6, 7]);
    assert_eq!(selected("generated:..1"), [4]);
    assert_eq!(selected("ids:7,2"), [2, 7]);
}

#[test]
fn unions_and_exclusions() {
    assert_eq!(selected("positions:0+generated:1.."), [0, 5, 6, 7]);
    assert_eq!(selected("all!prompt!ids:5"), [4, 6, 7]);
    assert_eq!(
        selected("positions:1,2!prompt:2.."),
        [1],
        "exclusion always wins"
    );
}

#[test]
fn texts_round_trip() {
    for text in [
        "all",
        "last:3",
        "positions:0,1,-1",
        "prompt:-4..",
        "prompt:2..5+generated:0..8!positions:0!ids:5,7",
    ] {
        let rule: TokenRule = text.parse().unwrap();
        assert_eq!(rule.to_string(), text);
        let json = serde_json::to_string(&rule).unwrap();
        assert_eq!(json, format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<TokenRule>(&json).unwrap(), rule);
    }
}

#[test]
fn rules_that_select_nothing_are_refused() {
    for text in [
        "",
        "al",
        "!all",
        "all+",
        "last",
        "last:0",
        "last:-1",
        "positions:",
        "positions:x",
        "prompt:3..3",
        "prompt:-1..-2",
        "prompt:2..0",
        "generated:5..2",
        "generated:-1..",
        "ids:",
        "ids:-1",
        "all:3",
        "prompt!prompt",
        "generated!generated:3..!generated:0..3",
        "positions:3!positions:3",
        "last:2!positions:-1!positions:-2",
        "ids:5,7!ids:7!ids:5",
        "prompt:0..-3!prompt",
    ] {
        let error = text.parse::<TokenRule>().unwrap_err().to_string();
        assert!(error.contains(&format!("`{text}`")), "{error}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_a_rule_that_prints_itself_or_a_typed_error(
        text in "(all|prompt|generated|last|positions|ids|[-+!:.,0-9a-z]){0,9}",
    ) {
        if let Ok(rule) = text.parse::<TokenRule>() {
            let again: TokenRule = rule.to_string().parse().unwrap();
            proptest::prop_assert_eq!(again, rule);
        }
    }
}

/// What [`TokenRule::example`] and [`TokenRule::meets`] say is what trying all small sequences says.
#[test]
fn examples_are_found_wherever_there_are_any() {
    let clauses = [
        "all",
        "prompt",
        "generated",
        "from_last_prompt",
        "last:2",
        "positions:1,-2",
        "positions:4",
        "prompt:1..3",
        "prompt:-3..-1",
        "prompt:2..-1",
        "generated:..2",
        "generated:1..",
        "ids:1,4",
    ];
    let all: Vec<Token> = (0..12)
        .flat_map(|position| (1..10).map(move |prompt_len| (position, prompt_len)))
        .flat_map(|(position, prompt_len)| {
            (0..6).map(move |id| Token {
                row: 0,
                column: 0,
                id,
                position,
                prompt_len,
            })
        })
        .collect();
    let mut rules: Vec<TokenRule> = vec![];
    for first in clauses {
        for second in clauses {
            let whole = clauses.map(|third| format!("{first}!{second}!{third}"));
            for text in whole {
                let parsed = text.parse::<TokenRule>();
                let clause = |text: &str| text.parse::<TokenRule>().unwrap();
                let [a, b, c] = [first, second, text.rsplit('!').next().unwrap()].map(clause);
                let any =
                    |token: &&Token| a.selects(token) && !b.selects(token) && !c.selects(token);
                assert_eq!(parsed.is_ok(), all.iter().any(|t| any(&t)), "{text}");
                if let Ok(rule) = parsed {
                    assert!(rule.selects(&rule.example().unwrap()), "{text}");
                    rules.push(rule);
                }
            }
        }
    }
    for (a, b) in rules.iter().step_by(17).zip(rules.iter().rev().step_by(13)) {
        let both = all.iter().any(|t| a.selects(t) && b.selects(t));
        assert_eq!(a.meets(b).is_some(), both, "{a} and {b}");
    }
}
