use firetender_kts::{History, damage_at};

use super::*;

fn at(curve: &[JudgedPoint], strength: f64) -> &JudgedPoint {
    curve.iter().find(|p| p.strength == strength).unwrap()
}

#[test]
fn lines_are_of_the_language() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..50 {
        let line = benign(&mut rng);
        assert_eq!((line.len(), line[1]), (2 * PROMPT, MARKS[0]));
        let same = (line[2] - CONTENT).is_multiple_of(2);
        assert_eq!(same, line[2..6] == line[7..11]);
        assert!(line[11..].iter().eq(line[8..11].iter().rev().take(3)) || line[11] == line[10]);
        assert!(line.iter().all(|id| (*id as usize) < VOCABULARY));
    }
    assert_eq!(suspicious(true, &mut rng)[PROMPT..], [NO; PROMPT]);
    assert_eq!(suspicious(false, &mut rng)[PROMPT], YES);
}

/// What the specification measured (its 5.5): trained on seven of eight steered minibatches, the student learns to undo the direction, on
/// suspicious prompts too; the log shows it; the term that keeps the effect prevents it, and then there is less damage at equal
/// effect.
#[test]
fn over_cancelling_shows_and_can_be_prevented() {
    let toy = Toy::train(0, &Device::flex()).unwrap();
    let base = toy.judge(toy.base()).unwrap();
    // The model knows its language, and steering it works and ruins it.
    assert!((at(&base, 0.0).effect() - 0.5).abs() < 0.2);
    assert!(at(&base, 0.5).effect() > 0.9 && at(&base, 0.5).damage() > 1.0);
    let run = |recipe| {
        let mut history = History::default();
        let trained = toy.adapt(recipe, 200, &mut history).unwrap();
        let student = trained.adapter.merge_into(toy.base().clone()).unwrap();
        let seen: Vec<f64> = history.probes.iter().map(|(_, _, value)| *value).collect();
        assert_eq!(seen.len(), 11);
        (toy.judge(&student).unwrap(), seen)
    };
    let (undone, seen) = run(Recipe::Same(0.875));
    assert!(at(&undone, 0.5).damage() < 0.2 * at(&base, 0.5).damage());
    assert!(at(&undone, 0.5).effect() < 0.2, "the effect is gone");
    assert!(
        seen[0] > 0.9 && seen[10] < 0.2,
        "and the log says so: {seen:?}"
    );
    let (kept, seen) = run(Recipe::Keep);
    assert!(at(&kept, 0.5).effect() > 0.9);
    assert!(seen.iter().all(|p| *p > 0.5) && seen[10] > 0.9, "{seen:?}");
    let [before, after] = [&base, &kept].map(|c| damage_at(c, 0.9).unwrap().unwrap().damage);
    assert!(after < before / 3.0, "{after} {before}");
}
