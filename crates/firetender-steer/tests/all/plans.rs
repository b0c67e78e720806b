//! Plans as data: files, versions, and typed errors for what cannot be carried out.

use std::{collections::BTreeMap, fs};

use firetender_hooks::SiteKind;
use firetender_lm::CausalLm;
use firetender_steer::{
    Adapt, AdaptTo, BatchPlan, Conflict, Entry, LowRank, LowRankLayer, Operator, Plan, Profile,
    RowPlan, Schedule, SteeringVector, Turn,
};

use crate::support::{direction, model, vector};

fn mood() -> SteeringVector {
    vector(SiteKind::ResidPost, 1, 4, &direction())
}

fn edit() -> LowRank {
    let layer = LowRankLayer {
        rotation: vec![direction()],
        weights: vec![vec![0.1; 32]],
        bias: vec![0.3],
    };
    LowRank::new(SiteKind::ResidPost, 32, 4, BTreeMap::from([(1, layer)])).unwrap()
}

/// A plan with everything in it.
fn everything() -> Plan {
    let rotate = Operator::Rotate {
        toward: mood().random_like(1).into(),
        turn: Turn::By(30.0),
    };
    let entry = Entry::new(mood(), 0.1)
        .with_operator(rotate)
        .with_layers("1".parse().unwrap())
        .with_tokens("prompt+generated:0..4!ids:3".parse().unwrap())
        .with_profile(Profile::Each(BTreeMap::from([(1, 0.7)])))
        .with_schedule(Schedule::Exponential { rate: 0.9 })
        .with_token_weights(BTreeMap::from([(-1, 2.0)]))
        .with_adapt(Adapt {
            of: AdaptTo::Projection,
            from: 0.0,
            to: 1.5,
        })
        .keeping_norm();
    Plan::new()
        .with(entry)
        .with(Entry::new(edit(), -1.0))
        .with_conflict(Conflict::InOrder)
}

#[test]
fn plans_round_trip_through_files() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for plan in [Plan::new(), Plan::of(mood()), everything()] {
        plan.save(at("inside.json")).unwrap();
        assert_eq!(Plan::load(at("inside.json")).unwrap(), plan);
        plan.save_beside_vectors(at("beside.json")).unwrap();
        assert_eq!(Plan::load(at("beside.json")).unwrap(), plan);
    }
    let text = fs::read_to_string(at("beside.json")).unwrap();
    assert!(text.contains("beside.0.safetensors") && text.contains("beside.1.safetensors"));
    let names = fs::read_dir(folder.path()).unwrap();
    assert_eq!(
        names.count(),
        4,
        "two plans, two vectors, nothing half-written"
    );
    // A plan written by hand may leave out what has a default.
    fs::write(
        at("hand.json"),
        r#"{"entries":[{"vector":{"file":"beside.0.safetensors"},"strength":2}]}"#,
    )
    .unwrap();
    assert_eq!(
        Plan::load(at("hand.json")).unwrap(),
        Plan::of(mood()).scaled(2.0)
    );
}

#[test]
fn hostile_plans_are_refused_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.json");
    let error = |text: &str| {
        fs::write(&path, text).unwrap();
        Plan::load(&path).unwrap_err().to_string()
    };
    let entry =
        |rest: &str| format!(r#"{{"entries":[{{"vector":{{"named":"x"}},"strength":1{rest}}}]}}"#);
    fs::write(&path, entry("")).unwrap();
    assert!(Plan::load(&path).is_ok());
    for (text, what) in [
        (String::new(), "EOF"),
        ("[]".into(), ""),
        (r#"{"entries":[],"extra":1}"#.into(), "unknown field `extra`"),
        (r#"{"format":2,"entries":[]}"#.into(), "format 2"),
        (r#"{"conflict":"fight","entries":[]}"#.into(), "unknown variant `fight`"),
        (r#"{"entries":[{"strength":1}]}"#.into(), "missing field `vector`"),
        (r#"{"entries":[{"vector":{"named":"x"}}]}"#.into(), "missing field `strength`"),
        (entry(r#","layer":"3""#), "unknown field `layer`"),
        (entry(r#","layers":"3..x""#), "layers `3..x`"),
        (entry(r#","tokens":"prompt!prompt""#), "token rule `prompt!prompt`"),
        (entry(r#","operator":"multiply""#), "unknown variant `multiply`"),
        (entry(r#","operator":{"clamp":{"least":1}}"#), "unknown field `least`"),
        (entry(r#","schedule":{"first":-1}"#), "invalid value"),
        (entry(r#","profile":{"triangle":{"from":1}}"#), "missing field"),
        (entry(r#","adapt":{"of":"sine","from":0,"to":1}"#), "unknown variant `sine`"),
        (r#"{"entries":[{"vector":{"file":"none.safetensors"},"strength":1}]}"#.into(), "none.safetensors"),
        (r#"{"entries":[{"vector":{"inline":{"toward":"a","away":"b","site":"resid_post","width":1,"layers":1,"directions":{"0":[0]}}},"strength":1}]}"#.into(), "length 0"),
    ] {
        let message = error(&text);
        assert!(message.contains(what), "{text}: {message}");
        assert!(message.contains("plan.json") || message.contains("none.safetensors"), "{message}");
    }
    // Every truncation of a real plan is an error, not a panic.
    let whole = serde_json::to_string(&everything()).unwrap();
    for end in (0..whole.len())
        .step_by(97)
        .filter(|end| whole.is_char_boundary(*end))
    {
        assert!(serde_json::from_str::<Plan>(&whole[..end]).is_err());
    }
}

#[test]
fn entries_that_cannot_be_name_their_field() {
    let model = model("llama");
    let refuse = |entry: Entry, field: &str, what: &str| {
        let plan = Plan::of(mood()).with(entry);
        let error = plan
            .compile(&model.shape(), &model.device())
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with(&format!("plan, entry 1: `{field}`")) && error.contains(what),
            "{error}"
        );
    };
    let entry = || Entry::new(mood(), 1.0);
    let clamp = |low, high| entry().with_operator(Operator::Clamp { low, high });
    refuse(entry().with_strength(f64::NAN), "strength", "NaN");
    refuse(clamp(None, None), "operator", "without");
    refuse(clamp(Some(1.0), Some(0.0)), "operator", "the lower first");
    refuse(clamp(Some(f64::NAN), None), "operator", "finite");
    let rotate = |toward: SteeringVector, turn| {
        entry().with_operator(Operator::Rotate {
            toward: toward.into(),
            turn,
        })
    };
    refuse(rotate(mood(), Turn::By(10.0)), "operator", "parallel");
    refuse(
        rotate(mood().random_like(1), Turn::To(f64::INFINITY)),
        "operator",
        "finite angle",
    );
    refuse(
        rotate(
            vector(SiteKind::ResidPost, 2, 4, &direction()),
            Turn::By(1.0),
        ),
        "operator",
        "layer 1",
    );
    refuse(
        rotate(
            vector(SiteKind::ResidPre, 1, 4, &direction()),
            Turn::By(1.0),
        ),
        "operator",
        "resid_pre",
    );
    refuse(
        entry().with_schedule(Schedule::First(0)),
        "schedule",
        "at least one",
    );
    refuse(
        entry().with_schedule(Schedule::Exponential { rate: -1.0 }),
        "schedule",
        "rate -1",
    );
    refuse(
        entry().with_schedule(Schedule::Linear {
            from: 0.0,
            to: 1.0,
            steps: 0,
        }),
        "schedule",
        "step",
    );
    refuse(
        entry().with_token_weights(BTreeMap::from([(3, f64::NAN)])),
        "token_weights",
        "position 3",
    );
    let adapt = |from, to| Adapt {
        of: AdaptTo::Cosine,
        from,
        to,
    };
    refuse(
        entry().with_adapt(adapt(0.5, 0.5)),
        "adapt",
        "two different",
    );
    refuse(
        Entry::new(edit(), 1.0).with_adapt(adapt(0.0, 1.0)),
        "adapt",
        "direction",
    );
    refuse(
        Entry::new(edit(), 1.0).with_operator(Operator::ProjectOut),
        "operator",
        "low-rank",
    );
    let file = firetender_steer::VectorRef::File("x.safetensors".into());
    refuse(Entry::new(file, 1.0), "vector", "has not been read");
    assert!(Plan::of(edit()).random_control(0).is_err());
}

#[test]
fn low_rank_edits_and_batches_that_cannot_be() {
    let make = |rotation: Vec<Vec<f32>>, weights: Vec<Vec<f32>>, bias: Vec<f32>, layer| {
        let layers = BTreeMap::from([(
            layer,
            LowRankLayer {
                rotation,
                weights,
                bias,
            },
        )]);
        LowRank::new(SiteKind::ResidPost, 2, 4, layers)
            .unwrap_err()
            .to_string()
    };
    let (r, w) = (vec![vec![1.0, 0.0]], vec![vec![0.0, 1.0]]);
    assert!(make(r.clone(), w.clone(), vec![0.0], 4).contains("layers 0 to 3"));
    assert!(make(vec![], vec![], vec![], 0).contains("rank 0"));
    assert!(make(r.clone(), w.clone(), vec![], 0).contains("0 of `bias`"));
    assert!(make(r.clone(), vec![vec![1.0]], vec![0.0], 0).contains("a row of 1 numbers"));
    assert!(make(r.clone(), vec![vec![f32::NAN, 0.0]], vec![0.0], 0).contains("not finite"));
    assert!(make(vec![vec![0.0, 0.0]], w, vec![0.0], 0).contains("zero"));
    assert!(LowRank::new(SiteKind::ResidPost, 2, 4, BTreeMap::new()).is_err());
    let model = model("llama");
    let deep = LowRank::new(SiteKind::ResidPost, 32, 5, edit().edits().clone()).unwrap();
    let error = Plan::of(deep)
        .compile(&model.shape(), &model.device())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("entry 0: number of layers is 5; expected 4"),
        "{error}"
    );

    assert!(BatchPlan::new(vec![Plan::new()], &[]).is_err());
    assert!(
        BatchPlan::new(vec![Plan::new()], &[Some(0), Some(1)])
            .unwrap_err()
            .to_string()
            .contains("row 1: `plan` is 1")
    );
    let row = RowPlan {
        plan: 0,
        strength: f64::NAN,
    };
    assert!(
        BatchPlan::with_rows(vec![Plan::new()], vec![Some(row)])
            .unwrap_err()
            .to_string()
            .contains("`strength`")
    );
    for text in [
        r#"{"plans":[],"rows":[{"plan":0}]}"#,
        r#"{"plans":[],"rows":[null],"more":1}"#,
        r#"{"format":9,"plans":[],"rows":[null]}"#,
    ] {
        assert!(serde_json::from_str::<BatchPlan>(text).is_err(), "{text}");
    }
}
