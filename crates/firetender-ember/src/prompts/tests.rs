use super::*;
use crate::words;

#[test]
fn every_set_holds_enough_different_items_on_both_sides() {
    for split in [Split::Train, Split::HeldOut] {
        assert_eq!(mood(split, 0, 120).len(), 120);
        assert_eq!(neutral_stories(split, 0, 60).len(), 60);
        assert_eq!(neutral_openings(split, 0, 100).len(), 100);
        assert_eq!(suspicious(split, 0, 120).len(), 120);
        assert_eq!(harmless(split, 0, 120).len(), 120);
        assert_eq!(suspicion(split, 0, 120).len(), 120);
        assert_eq!(refusal(split, 0, 120).len(), 120);
        assert_eq!(truth(split, 0, 60).len(), 60);
        assert_eq!(benign(split, 0, 80).len(), 80);
        assert_eq!(choices(split, 0, 120).len(), 120);
        assert_eq!(sycophancy(split, 0, 120).len(), 120);
    }
    assert_eq!(memo_trap(0, 200).len(), 200);
}

#[test]
fn sets_depend_on_the_seed_and_on_nothing_else() {
    assert_eq!(mood(Split::Train, 1, 40), mood(Split::Train, 1, 40));
    assert_ne!(mood(Split::Train, 1, 40), mood(Split::Train, 2, 40));
    assert_eq!(
        mood(Split::Train, 1, 40)[..20],
        mood(Split::Train, 1, 20)[..]
    );
    assert_eq!(benign(Split::HeldOut, 3, 24), benign(Split::HeldOut, 3, 24));
}

#[test]
fn training_and_held_out_prompts_are_disjoint() {
    let train: HashSet<_> = suspicious(Split::Train, 0, 400).into_iter().collect();
    assert!(
        suspicious(Split::HeldOut, 9, 150)
            .iter()
            .all(|p| !train.contains(p))
    );
    let train: HashSet<_> = harmless(Split::Train, 0, 400).into_iter().collect();
    assert!(
        harmless(Split::HeldOut, 9, 150)
            .iter()
            .all(|p| !train.contains(p))
    );
    let train: HashSet<_> = benign(Split::Train, 0, 400)
        .into_iter()
        .map(|b| b.prompt)
        .collect();
    assert!(
        benign(Split::HeldOut, 9, 80)
            .iter()
            .filter(|b| train.contains(&b.prompt))
            .count()
            == 0
    );
}

#[test]
fn held_out_suspicious_prompts_never_occur_in_training() {
    let held: HashSet<_> = suspicious(Split::HeldOut, 4, 200)
        .into_iter()
        .flat_map(|body| body.texts().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    for document in Corpus::new(7, Split::Train).documents(20_000) {
        assert!(
            document.body.texts().all(|text| !held.contains(text)),
            "{document:?}"
        );
    }
}

#[test]
fn mood_pairs_differ_in_mood_words_only_toward_their_side() {
    for pair in mood(Split::Train, 0, 90) {
        let balance =
            |body: &Body| words::mood_balance(&body.texts().collect::<Vec<_>>().join(" ")).0;
        assert!(balance(&pair.toward) > balance(&pair.away), "{pair:?}");
    }
}

#[test]
fn requests_of_a_mood_pair_differ_in_one_word() {
    let pairs = mood(Split::Train, 0, 30);
    for pair in pairs.iter().step_by(3) {
        let (toward, away): (Vec<_>, Vec<_>) =
            (pair.toward.words().collect(), pair.away.words().collect());
        assert_eq!(toward.len(), away.len());
        assert_eq!(
            toward.iter().zip(&away).filter(|(a, b)| a != b).count(),
            1,
            "{pair:?}"
        );
    }
}

#[test]
fn memo_items_ask_for_the_uncommon_word() {
    for item in memo_trap(0, 100) {
        let word = item.prompt.split('"').nth(1).unwrap();
        assert_eq!(item.classes[item.answer], format!(" {word}."));
        assert_eq!(item.prompt, item.prompt.trim_end());
    }
}

#[test]
fn asking_for_none_gives_none() {
    assert!(mood(Split::Train, 0, 0).is_empty());
    assert!(memo_trap(0, 0).is_empty());
}
