//! Policy files: NumPy 2's spelling, and those that were published.

use std::path::PathBuf;

use firetender_kit::golden_path;
use firetender_tta::{
    Op, Policy, Step, SubPolicy,
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
