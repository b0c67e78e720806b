use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

/// The names of everything in which two options differ.
fn differences(place: &str, one: &Value, other: &Value, found: &mut BTreeSet<String>) {
    if let (Value::Object(one), Value::Object(other)) = (one, other)
        && one.keys().eq(other.keys())
    {
        for (key, value) in one {
            differences(&format!("{place}.{key}"), value, &other[key], found);
        }
    } else if one != other {
        found.insert(place.trim_start_matches('.').to_owned());
    }
}

/// The two readings of the paper differ exactly where the table above says so.
#[test]
fn presets_differ_in_the_table_and_nowhere_else() {
    let value = |options: KtsOptions| serde_json::to_value(options).unwrap();
    let mut found = BTreeSet::new();
    let (paper, code) = (KtsOptions::paper(), KtsOptions::reference_code());
    differences("", &value(paper.clone()), &value(code.clone()), &mut found);
    let expected = [
        "dose.p_steer",
        "lora.targets",
        "loss.scope",
        "training.accumulate",
        "training.optimiser.clip",
        "training.optimiser.schedule",
        "training.steps",
        "vectors.from",
        "vectors.pairs",
    ];
    assert!(found.iter().eq(expected), "{found:?}");
    assert_eq!((paper.dose.p_steer, code.dose.p_steer), (0.875, 0.125));
    assert_eq!((paper.lora.rank, paper.lora.alpha), (128, 256.0));
    assert_eq!(paper.training.optimiser.rate, 1e-5);
    for preset in [
        paper,
        code,
        KtsOptions::recommended(),
        KtsOptions::default(),
    ] {
        preset.check().unwrap();
    }
}

#[test]
fn each_impossible_option_is_named() {
    let refused = |change: &dyn Fn(&mut KtsOptions), field: &str| {
        let mut options = KtsOptions::recommended();
        change(&mut options);
        let message = options.check().unwrap_err().to_string();
        assert!(
            message.contains(field) && !message.contains('\n'),
            "{field}: {message}"
        );
    };
    refused(&|o| o.lora.rank = 0, "lora.rank");
    refused(&|o| o.lora.rank = usize::MAX, "lora.rank");
    refused(&|o| o.lora.alpha = f64::INFINITY, "lora.alpha");
    refused(&|o| o.lora.targets.clear(), "lora.targets");
    refused(&|o| o.lora.blocks = Some(vec![]), "lora.blocks");
    refused(
        &|o| o.vectors.pairs = PairCount::Between(0, 3),
        "vectors.pairs",
    );
    refused(
        &|o| o.vectors.pairs = PairCount::Between(4, 3),
        "vectors.pairs",
    );
    refused(
        &|o| o.vectors.from = VectorsFrom::Student { every: 0 },
        "every",
    );
    refused(&|o| o.dose.p_steer = f64::NAN, "p_steer");
    refused(&|o| o.dose.p_steer = -0.1, "p_steer");
    refused(&|o| o.dose.p_steer = 0.0, "keep_effect");
    refused(&|o| o.dose.per = Per::Row, "keep_effect");
    for strength in [
        Strength::Symmetric(-1.0),
        Strength::Positive(f64::NAN),
        Strength::Fixed(0.0),
        Strength::LogUniform {
            low: 0.0,
            high: 1.0,
            both_signs: false,
        },
        Strength::LogUniform {
            low: 1e-300,
            high: 1e300,
            both_signs: true,
        },
    ] {
        refused(&|o| o.dose.strength = strength, "strength");
    }
    refused(&|o| o.loss.temperature = -1.0, "temperature");
    refused(&|o| o.loss.scope = TokenScope::Last(0), "loss.scope");
    refused(&|o| o.loss.top = Some(1), "loss.top");
    refused(
        &|o| {
            o.task = Some(TaskLoss {
                weight: f64::NAN,
                ..TaskLoss::default()
            });
        },
        "task.weight",
    );
    refused(&|o| o.training.batch = 0, "batch");
    refused(&|o| o.training.batch = usize::MAX, "batch");
    refused(&|o| o.training.accumulate = 0, "accumulate");
    refused(&|o| o.training.max_length = 1, "max_length");
    refused(&|o| o.training.optimiser.betas[1] = 1.0, "betas");
    refused(&|o| o.training.optimiser.epsilon = 0.0, "epsilon");
    refused(
        &|o| o.training.optimiser.clip = Some(Clip::Whole(0.0)),
        "clip",
    );
    let keep = |weight, rows| {
        move |o: &mut KtsOptions| {
            o.keep_effect = Some(KeepEffect {
                weight,
                rows,
                ..KeepEffect::default()
            });
        }
    };
    refused(&keep(0.0, 4), "keep_effect");
    refused(&keep(1.0, 0), "keep_effect");
}
