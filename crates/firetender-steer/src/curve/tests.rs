use super::*;
use crate::Damage;

fn at(strength: f64, effect: f64, damage: f64) -> TrackPoint {
    TrackPoint {
        strength,
        effect,
        damage,
    }
}

fn track(points: &[(f64, f64, f64)]) -> Track {
    Track::new(points.iter().map(|(s, e, d)| at(*s, *e, *d)).collect()).unwrap()
}

/// Both signs, with a bump: too strong steering loses its effect again.
fn bumpy() -> Track {
    track(&[
        (-1.0, -2.0, 0.4),
        (0.0, 0.0, 0.0),
        (1.0, 2.0, 0.1),
        (2.0, 4.0, 0.5),
        (3.0, 1.0, 2.0),
    ])
}

#[test]
fn effects_are_matched_where_they_are_first_reached_and_never_beyond() {
    let t = bumpy();
    assert_eq!(t.damage_at_effect(0.0), Some(at(0.0, 0.0, 0.0)));
    assert_eq!(t.damage_at_effect(4.0), Some(at(2.0, 4.0, 0.5)));
    let three = t.damage_at_effect(3.0).unwrap();
    assert!(three.strength == 1.5 && (three.damage - 0.3).abs() < 1e-12);
    assert_eq!(t.damage_at_effect(-1.0).unwrap().strength, -0.5);
    assert_eq!(t.damage_at_effect(4.01), None);
    assert_eq!(t.damage_at_effect(-2.01), None);
    // Both sides reach 1: the cheaper one counts.
    let both = track(&[(-1.0, 1.0, 0.05), (0.0, 0.0, 0.0), (1.0, 1.0, 0.3)]);
    assert_eq!(both.damage_at_effect(1.0).unwrap().strength, -1.0);
}

#[test]
fn budgets_stop_at_the_first_excess() {
    let t = bumpy();
    let best = |budget, goal| t.effect_at_damage(budget, goal);
    assert_eq!(best(0.3, Goal::Raise), at(1.5, 3.0, 0.3));
    assert_eq!(
        best(9.0, Goal::Raise).strength,
        2.0,
        "the best, not the strongest"
    );
    assert_eq!(best(0.2, Goal::Lower), at(-0.5, -1.0, 0.2));
    assert_eq!(best(0.0, Goal::Raise), at(0.0, 0.0, 0.0));
    // Damage that falls again beyond the budget does not count: what lies between is over it.
    let back = track(&[(0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (2.0, 9.0, 0.1)]);
    assert_eq!(back.effect_at_damage(0.5, Goal::Raise).strength, 0.5);
}

#[test]
fn the_front_keeps_what_nothing_beats_and_its_area_is_exact() {
    let t = bumpy();
    let strengths = |goal| t.front(goal).iter().map(|p| p.strength).collect::<Vec<_>>();
    assert_eq!(strengths(Goal::Raise), [0.0, 1.0, 2.0]);
    assert_eq!(strengths(Goal::Lower), [0.0, -1.0]);
    // Two triangles and a rectangle, by hand.
    let up_to = |budget| t.area(budget, Goal::Raise) * budget;
    assert!((up_to(0.1) - 0.1).abs() < 1e-12);
    assert!((up_to(0.5) - (0.1 + 0.4 * 3.0)).abs() < 1e-12);
    assert!((up_to(0.3) - (0.1 + 0.2 * 2.5)).abs() < 1e-12);
    assert!(
        (up_to(1.5) - (0.1 + 1.2 + 4.0)).abs() < 1e-12,
        "flat beyond the last point"
    );
    let useless = track(&[(0.0, 0.0, 0.0), (1.0, -1.0, 1.0)]);
    assert_eq!(useless.area(1.0, Goal::Raise), 0.0);
}

#[test]
fn steerability_is_the_slope() {
    let line = track(&[
        (-1.0, 1.0, 0.1),
        (0.0, 3.0, 0.0),
        (0.5, 4.0, 0.1),
        (2.0, 99.0, 1.0),
    ]);
    assert!((line.steerability(-1.0, 1.0).unwrap() - 2.0).abs() < 1e-12);
    assert_eq!(line.steerability(1.0, 3.0), None);
}

#[test]
fn tracks_need_the_plain_model_and_finite_numbers() {
    let new = |points: &[(f64, f64, f64)]| {
        Track::new(points.iter().map(|(s, e, d)| at(*s, *e, *d)).collect())
    };
    assert!(new(&[]).is_err() && new(&[(1.0, 0.0, 0.0)]).is_err());
    assert!(new(&[(0.0, 0.0, 0.0), (0.0, 1.0, 0.0)]).is_err());
    assert!(new(&[(0.0, f64::NAN, 0.0)]).is_err());
    let text = serde_json::to_string(&bumpy()).unwrap();
    assert_eq!(serde_json::from_str::<Track>(&text).unwrap(), bumpy());
    assert!(serde_json::from_str::<Track>("[]").is_err());
}

/// Effect = strength + noise by prompt, damage = strength² by prompt and token.
fn curve(seed: u64, prompts: usize) -> Curve {
    let bootstrap = Bootstrap::default();
    let noise = |i: usize| ((i as u64 * 7919 + seed * 104_729) % 101) as f64 / 101.0 - 0.5;
    let point = |strength: f64| {
        let effects = (0..prompts).map(|i| strength * (1.0 + noise(i))).collect();
        let prompts = (0..prompts).map(|i| PromptDamage {
            tokens: 4,
            kl: 4.0 * strength * strength * (1.0 + noise(i + 50)),
            agreed: 4,
            ..PromptDamage::default()
        });
        let damage = Damage {
            prompts: prompts.collect(),
        };
        crate::sweep::point(strength, effects, damage, &bootstrap).unwrap()
    };
    Curve {
        points: [-1.0, 0.0, 1.0, 2.0].map(point).to_vec(),
    }
}

#[test]
fn intervals_hold_the_value_and_widen_with_groups() {
    let curves = [curve(1, 40)];
    let bootstrap = Bootstrap::new(400, 0.95, 3).unwrap();
    let statistic = |track: &Track| Some(track.damage_at_effect(1.0)?.damage);
    let over = |curves: &[Curve], clusters: &Clusters| {
        Derived::over(curves, Measure::Kl, clusters, &bootstrap, &statistic).unwrap()
    };
    let single = over(&curves, &Clusters::default());
    let (low, value, high) = (
        single.low.unwrap(),
        single.value.unwrap(),
        single.high.unwrap(),
    );
    assert!(
        low < value && value < high && single.reached == 1.0,
        "{single:?}"
    );
    assert_eq!(single, over(&curves, &Clusters::default()), "the same seed");
    // Copies of every prompt, known to be copies, tell nothing new.
    let mut doubled = curves[0].clone();
    doubled.merge(curves[0].clone(), &bootstrap).unwrap();
    let groups: Vec<usize> = (0..80).map(|i| i % 40).collect();
    let known = Clusters {
        targets: Some(groups.clone()),
        benign: Some(groups),
    };
    let width = |d: Derived| d.high.unwrap() - d.low.unwrap();
    let (honest, fooled) = (
        over(std::slice::from_ref(&doubled), &known),
        over(&[doubled], &Clusters::default()),
    );
    assert!((honest.value.unwrap() - value).abs() < 1e-12);
    assert!(
        width(fooled) < 0.85 * width(honest),
        "{fooled:?} {honest:?}"
    );
    assert!((width(honest) / width(single) - 1.0).abs() < 0.2);
}

#[test]
fn what_only_some_drawings_reach_is_said() {
    let curves = [curve(1, 12), curve(2, 12), curve(3, 12)];
    let bootstrap = Bootstrap::new(300, 0.9, 1).unwrap();
    let reach = |effect: f64| {
        let statistic = move |track: &Track| Some(track.damage_at_effect(effect)?.damage);
        Derived::over(
            &curves,
            Measure::Kl,
            &Clusters::default(),
            &bootstrap,
            &statistic,
        )
        .unwrap()
    };
    let top = curves[0].track(Measure::Kl).unwrap().points()[3].effect;
    let near = reach(top);
    assert!(near.reached > 0.0 && near.reached < 1.0, "{near:?}");
    let never = reach(100.0);
    assert_eq!((never.value, never.low, never.reached), (None, None, 0.0));
    assert_eq!(reach(0.5).reached, 1.0);
    let wrong = Clusters {
        targets: Some(vec![0; 3]),
        benign: None,
    };
    let statistic = |_: &Track| Some(1.0);
    assert!(Derived::over(&curves, Measure::Kl, &wrong, &bootstrap, &statistic).is_err());
    assert!(
        Derived::over(
            &[],
            Measure::Kl,
            &Clusters::default(),
            &bootstrap,
            &statistic
        )
        .is_err()
    );
}

#[test]
fn merged_curves_equal_one_sweep_and_measures_differ() {
    let bootstrap = Bootstrap::default();
    let mut merged = curve(1, 10);
    merged.merge(curve(2, 10), &bootstrap).unwrap();
    let track = merged.track(Measure::Kl).unwrap();
    let mean = |k: usize| {
        let of = |seed| curve(seed, 10).track(Measure::Kl).unwrap().points()[k];
        (of(1).damage + of(2).damage) / 2.0
    };
    for k in 0..4 {
        assert!((track.points()[k].damage - mean(k)).abs() < 1e-12);
        assert_eq!(merged.points[k].effects.len(), 20);
    }
    assert_eq!(
        merged.track(Measure::Disagreement).unwrap().points()[2].damage,
        0.0
    );
    let mut other = curve(1, 10);
    other.points.pop();
    assert!(matches!(
        merged.merge(other, &bootstrap),
        Err(SteerError::Mismatch {
            field: "strengths",
            ..
        })
    ));
}
