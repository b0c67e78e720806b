//! Policy files: NumPy 2's spelling, and those that were published. Ranges and tables of other libraries.

use std::path::PathBuf;

use firetender_kit::{golden_json, golden_path};
use firetender_tta::{
    Address, Compat, Draw, Op, OpSpace, Policy, ResolvedOp, Step, SubPolicy,
    baselines::{AutoAugment, autoaugment},
    reference::{NoneMeans, policy_texts, read_policy, write_npy_policy, write_npz_policy},
};

#[test]
fn numpy_2_writes_other_pickles() {
    let policy = read_policy(golden_path("tta/policy_numpy2.npz"), NoneMeans::Central).unwrap();
    let expected = [
        SubPolicy::new(vec![Step(Op::Solarize, 23.0), Step(Op::Sharpness, -15.2)]),
        SubPolicy::central(),
        SubPolicy::new(vec![
            Step(Op::Identity, -0.0),
            Step(Op::Rotate, 1e-5),
            Step(Op::Cutout, 45.0),
        ]),
        SubPolicy::new(vec![]),
    ];
    assert_eq!(policy.entries, expected);
    assert!(policy.entries[2].ops[0].1.is_sign_negative());
    // The array [2, 2, 2], deflated.
    let even = read_policy(
        golden_path("tta/policy_numpy2_even.npz"),
        NoneMeans::Central,
    )
    .unwrap();
    assert_eq!(
        even.entries[1].ops,
        [Step(Op::ShearX, 2.5), Step(Op::ShearY, -3.5)]
    );
    let texts = read_policy(golden_path("tta/policy_texts.npy"), NoneMeans::Central).unwrap();
    assert_eq!(texts.entries.len(), 3);
    assert_eq!(texts.entries[1].ops[2], Step(Op::Contrast, 3.75));
    assert!(texts.entries[2].is_central());
}

/// The folder of published policies, or none.
fn published() -> Option<PathBuf> {
    let data = std::env::var_os("FIRETENDER_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    );
    let folder = data.join("gps-policies");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no {}", folder.display());
    None
}

#[test]
fn published_policies_read_and_write() {
    let Some(folder) = published() else {
        return;
    };
    let open = |name: &str| read_policy(folder.join(name), NoneMeans::Central).unwrap();
    let clean = open("CIFAR10-PreResNet110-clean-policy.npz");
    let randaugment = open("CIFAR10-PreResNet110-randaugment-policy.npz");
    let imagenet = open("efficientnet_b2_ll.npy");
    assert_eq!(
        (clean.len(), randaugment.len(), imagenet.len()),
        (100, 100, 20)
    );
    let central = |p: &Policy| p.entries.iter().filter(|e| e.is_central()).count();
    assert_eq!(
        (central(&clean), central(&randaugment), central(&imagenet)),
        (5, 0, 0)
    );
    let steps =
        |p: &Policy| -> Vec<Step> { p.entries.iter().flat_map(|e| e.ops.clone()).collect() };
    for policy in [&clean, &randaugment, &imagenet] {
        assert!(steps(policy).iter().all(|s| s.1.abs() <= 45.0));
    }
    // Replacement is really used; on ImageNet nothing was chosen twice.
    let distinct = |p: &Policy| {
        let mut texts = policy_texts(p).unwrap();
        texts.sort();
        texts.dedup();
        texts.len()
    };
    assert!((42..=91).contains(&distinct(&clean)) && (42..=91).contains(&distinct(&randaugment)));
    assert_eq!(distinct(&imagenet), 20);
    assert!(
        imagenet
            .entries
            .iter()
            .all(|e| e.ops[0].0 == Op::RandomResizedCrop && e.ops.len() <= 4)
    );
    let most = steps(&imagenet)
        .iter()
        .map(|s| s.1.abs())
        .fold(0.0, f64::max);
    assert!((38.7..43.1).contains(&most), "{most}");

    let out = tempfile::tempdir().unwrap();
    for policy in [&clean, &randaugment] {
        let path = out.path().join("p.npz");
        write_npz_policy(&path, policy).unwrap();
        assert_eq!(
            read_policy(&path, NoneMeans::Central).unwrap().entries,
            policy.entries
        );
    }
    let path = out.path().join("p.npy");
    write_npy_policy(&path, &imagenet).unwrap();
    // Also the bytes: NumPy's header and texts leave nothing open.
    let same = std::fs::read(&path).unwrap()
        == std::fs::read(folder.join("efficientnet_b2_ll.npy")).unwrap();
    assert_eq!(
        read_policy(&path, NoneMeans::Central).unwrap().entries,
        imagenet.entries
    );
    assert!(same, "the published bytes");
}

/// What an operation's value is called where it is resolved, with its sign taken away; nothing for those without one.
fn strength(op: &ResolvedOp) -> Option<f64> {
    Some(match *op {
        ResolvedOp::ShearX { factor, .. } | ResolvedOp::ShearY { factor, .. } => factor.abs(),
        ResolvedOp::TranslateX { pixels } | ResolvedOp::TranslateY { pixels } => pixels.abs(),
        ResolvedOp::Rotate { degrees } => degrees.abs(),
        ResolvedOp::Brightness { factor }
        | ResolvedOp::Color { factor }
        | ResolvedOp::Contrast { factor }
        | ResolvedOp::Sharpness { factor } => factor - 1.0,
        ResolvedOp::Posterize { bits } => f64::from(bits),
        ResolvedOp::Solarize { threshold } => threshold,
        ResolvedOp::AddToDark { levels } => f64::from(levels),
        _ => return None,
    })
}

fn resolved(space: &OpSpace, op: Op, magnitude: f64, size: [usize; 2]) -> Option<f64> {
    let mut draw = Draw::at(Address::default());
    let value = space.range(op).unwrap().value(magnitude);
    let compat = Compat::pillow_6_1();
    let op = op.resolve(value, size, 32, &compat, &mut draw).unwrap();
    strength(&op)
}

#[test]
fn ranges_are_torchvision_s() {
    let golden = golden_json("tta/published.json");
    let size = [32, 64];
    let (ra, aa) = (OpSpace::torchvision_ra(), OpSpace::autoaugment());
    let wide = OpSpace::trivial_augment_wide(32);
    for (ours, theirs, bins, size) in [
        (&ra, &golden["randaugment"], 31, size),
        // It shifts by pixels, whatever the size; so the height is the width here.
        (&wide, &golden["trivial_augment_wide"], 31, [32, 32]),
        (&aa, &golden["autoaugment"]["space"], 10, size),
    ] {
        let theirs = theirs.as_object().unwrap();
        for (name, row) in theirs {
            let op = Op::from_name(name).unwrap();
            let draws_side = !matches!(op, Op::Posterize | Op::Solarize);
            let Some(values) = row["values"].as_array() else {
                assert_eq!(
                    resolved(ours, op, 7.0, size).filter(|_| op != Op::AutoContrast),
                    None
                );
                continue;
            };
            assert_eq!(row["signed"].as_bool(), Some(draws_side), "{name}");
            assert_eq!(values.len(), bins);
            for (bin, value) in values.iter().enumerate() {
                let magnitude = 30.0 * bin as f64 / (bins - 1) as f64;
                let found = resolved(ours, op, magnitude, size).unwrap();
                let mut expected = value.as_f64().unwrap();
                if op == Op::Solarize {
                    expected *= 255.0;
                }
                // Theirs are f32.
                let near = (found - expected).abs() <= 1e-6 * expected.abs().max(1.0) * 10.0;
                assert!(near, "{name}, bin {bin}: {found}, not {expected}");
            }
        }
        // AutoAugment's space has no Identity in torchvision; nothing else is ours alone.
        let extra = ours
            .ops
            .iter()
            .filter(|r| !theirs.contains_key(r.op.name()));
        assert!(extra.map(|r| r.op).all(|op| op == Op::Identity));
    }
}

#[test]
fn ranges_are_timm_s() {
    let golden = golden_json("tta/published.json");
    let levels = golden["timm"]["levels"].as_array().unwrap();
    for (space, key) in [
        (OpSpace::timm_rand(), "rand"),
        (OpSpace::timm_rand_increasing(), "increasing"),
    ] {
        let theirs = golden["timm"][key].as_array().unwrap();
        assert_eq!(space.ops.len(), theirs.len());
        for (range, row) in space.ops.iter().zip(theirs) {
            let name = row[0].as_str().unwrap();
            let plain = name.trim_end_matches("Increasing").trim_end_matches("Rel");
            let plain = if plain == "SolarizeAdd" {
                "AddToDark"
            } else {
                plain
            };
            assert_eq!(range.op.name(), plain);
            let Some(values) = row[1].as_array() else {
                continue;
            };
            for (level, value) in levels.iter().zip(values) {
                let magnitude = 3.0 * level.as_f64().unwrap();
                let found = resolved(&space, range.op, magnitude, [100, 100]).unwrap();
                let value = value.as_f64().unwrap();
                let expected = match range.op {
                    Op::TranslateX | Op::TranslateY => value * 100.0,
                    Op::Color | Op::Contrast | Op::Brightness | Op::Sharpness => value - 1.0,
                    _ => value,
                };
                // Their thresholds are whole numbers: the same levels are below.
                let found = if range.op == Op::Solarize && key == "rand" {
                    found.floor()
                } else if range.op == Op::Solarize {
                    found.ceil()
                } else {
                    found
                };
                let near = (found - expected).abs() < 1e-12 * expected.abs().max(1.0) * 10.0;
                assert!(near, "{name} at {level}: {found}, not {expected}");
            }
        }
    }
}

#[test]
fn autoaugment_s_tables_are_torchvision_s() {
    let golden = golden_json("tta/published.json");
    for (table, key) in [
        (AutoAugment::Cifar10, "cifar10"),
        (AutoAugment::ImageNet, "imagenet"),
        (AutoAugment::Svhn, "svhn"),
    ] {
        let policy = autoaugment(&Policy::cifar(), table);
        let theirs = golden["autoaugment"]["tables"][key].as_array().unwrap();
        assert_eq!((policy.len(), theirs.len()), (25, 25));
        assert!(policy.random_sign && policy.true_zero == 0.0);
        for (entry, pair) in policy.entries.iter().zip(theirs) {
            for (at, Step(op, magnitude)) in entry.ops.iter().enumerate() {
                assert_eq!(pair[at][0].as_str(), Some(op.name()));
                assert_eq!(pair[at][1].as_f64(), Some(entry.probabilities[at]));
                let bin = pair[at][2].as_f64().unwrap_or(0.0);
                assert_eq!(*magnitude, 30.0 * bin / 9.0);
            }
        }
    }
}
