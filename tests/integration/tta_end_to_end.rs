//! From images to a comparison: a policy that is found on some images does better on others, alone, on another network and on an ensemble.

use burn::tensor::{Device, Tensor};
use firetender_tta::{
    Address, Corruption, Evaluation, Feed, FromLogits, GreedySearch, Members, Method, Mixture,
    Normalisation, Policy, PoolBuilder, PoolFloat, Predictor, RgbImage, Row, Tta, baselines,
};

/// Reads the mean colour of one corner: noisy, so that moving and mirroring the image tells it more.
fn corner(upper: bool, scale: f64) -> impl Predictor {
    FromLogits::new(3, move |images: Tensor<4>| {
        let part = images
            .narrow(2, if upper { 0 } else { 13 }, 3)
            .narrow(3, 0, 3);
        part.mean_dim(3).mean_dim(2).reshape([-1, 3]) * scale
    })
}

fn images(first: u64, count: u64) -> (Vec<RgbImage>, Vec<i64>) {
    let one = |number: u64| {
        let class = (number % 3) as usize;
        let mut colour = [90; 3];
        colour[class] += 12;
        let image = RgbImage::filled(16, 16, colour).unwrap();
        let address = Address {
            image: number,
            ..Address::default()
        };
        let noisy = Corruption::GaussianNoise.apply(&image, 5, address).unwrap();
        let twice = Address {
            repeat: 1,
            ..address
        };
        (
            Corruption::GaussianNoise.apply(&noisy, 5, twice).unwrap(),
            class as i64,
        )
    };
    (first..first + count).map(one).unzip()
}

fn row<'a>(rows: &'a [Row], method: &str, samples: usize) -> &'a Row {
    rows.iter()
        .find(|row| row.method == method && row.samples == samples)
        .unwrap()
}

#[test]
fn a_policy_helps_on_other_images_other_networks_and_ensembles() {
    let (first, second) = (corner(true, 9.0), corner(false, 14.0));
    let (normalisation, device) = (Normalisation::none(), Device::flex());
    let feed = Feed {
        normalisation: &normalisation,
        device: &device,
        batch: 100,
    };
    let folder = tempfile::tempdir().unwrap();
    let recipes = Mixture::new(&[(12, 2, 45.0), (12, 2, 15.0), (3, 2, 0.0)])
        .draw(&Policy::cifar(), 5)
        .unwrap();
    let (seen, labels) = images(0, 240);
    let builder = PoolBuilder {
        folder: folder.path().join("pool"),
        policy: &recipes,
        seed: 5,
        float: PoolFloat::F32,
        model: "corner".into(),
    };
    let pool = builder
        .build(&first, &seen, &labels, &feed, &mut |_, _| {})
        .unwrap();
    let trace = GreedySearch::new(8)
        .run(&pool.candidates(None).unwrap())
        .unwrap();
    let policy = trace.policy(&recipes).unwrap();
    // Through a file, as between runs.
    policy.write(folder.path().join("policy.json")).unwrap();
    let policy = Policy::read(folder.path().join("policy.json")).unwrap();

    let (held, truth) = images(100_000, 300);
    let mut methods = baselines::standard(&Policy::cifar(), 16, &[1, 8]).unwrap();
    methods.push(Method::new("GPS", policy.clone(), &[1, 8]));
    let evaluation = Evaluation::default();
    let compare = |predictors: &[&dyn Predictor]| {
        evaluation
            .compare(
                predictors,
                &methods,
                &held,
                &truth,
                &feed,
                77,
                &mut |_, _| {},
            )
            .unwrap()
    };
    let both = compare(&[&first, &second]);
    for (who, rows) in [&both.each[0], &both.each[1], &both.ensemble]
        .into_iter()
        .enumerate()
    {
        let gps = row(rows, "GPS", 8);
        for (than, samples) in [("central crop", 1), ("RandAugment M=45", 8)] {
            let [gain, _] = evaluation
                .difference(gps, row(rows, than, samples))
                .unwrap();
            assert!(gain.low > 0.0, "network {who}, {than}: {gain:?}");
        }
    }
    // One pass over all predictors is the same as one for each, and the ensemble is that of their probabilities.
    assert_eq!(compare(&[&second]).each[0], both.each[1]);
    let members = Members::new(vec![&first, &second]).unwrap();
    let together = compare(&[&members]);
    for (a, b) in together.each[0].iter().zip(&both.ensemble) {
        assert_eq!((&a.method, a.samples), (&b.method, b.samples));
        assert!((a.cll - b.cll).abs() < 1e-5 && (a.accuracy - b.accuracy).abs() < 1e-9);
    }
    // Predicting with the policy gives the probabilities that were compared.
    let tta = Tta::new(&policy).with_seed(77);
    let probs = tta.predict(&first, &held, 8, &feed).unwrap().probs;
    let probs: Vec<f32> = probs.into_data().try_to_vec().unwrap();
    let right = probs.chunks(3).zip(&truth).filter(|(row, label)| {
        let best = (0..3).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap();
        best as i64 == **label
    });
    let accuracy = right.count() as f64 / truth.len() as f64;
    assert!((accuracy - row(&both.each[0], "GPS", 8).accuracy).abs() < 0.004);
}

#[test]
fn comparisons_that_make_no_sense() {
    let first = corner(true, 9.0);
    let two = FromLogits::new(2, |images: Tensor<4>| {
        images
            .mean_dim(3)
            .mean_dim(2)
            .reshape([-1, 3])
            .narrow(1, 0, 2)
    });
    let (normalisation, device) = (Normalisation::none(), Device::flex());
    let feed = Feed {
        normalisation: &normalisation,
        device: &device,
        batch: 100,
    };
    let (held, truth) = images(0, 6);
    let methods = baselines::standard(&Policy::cifar(), 16, &[1]).unwrap();
    let evaluation = Evaluation::default();
    let compare = |predictors: &[&dyn Predictor], images: &[RgbImage], labels: &[i64]| {
        evaluation
            .compare(
                predictors,
                &methods,
                images,
                labels,
                &feed,
                7,
                &mut |_, _| {},
            )
            .unwrap_err()
            .to_string()
    };
    assert!(compare(&[], &held, &truth).contains("predictors"));
    assert!(compare(&[&first], &[], &[]).contains("images"));
    assert!(compare(&[&first, &two], &held, &truth).contains("classes"));
    compare(&[&first], &held, &truth[..5]);
    assert!(baselines::standard(&Policy::cifar(), 16, &[]).is_err());
    assert!(baselines::standard(&Policy::cifar(), 16, &[5, 1]).is_err());
    let empty = [Method::new("none", Policy::cifar(), &[1])];
    let found = evaluation.compare(&[&first], &empty, &held, &truth, &feed, 7, &mut |_, _| {});
    assert!(found.is_err());
}

#[test]
fn the_magnitude_is_tuned_on_validation_images() {
    let first = corner(true, 9.0);
    let (normalisation, device) = (Normalisation::none(), Device::flex());
    let feed = Feed {
        normalisation: &normalisation,
        device: &device,
        batch: 100,
    };
    let (seen, labels) = images(0, 90);
    let tune = |magnitudes: &[f64]| {
        let data = (&seen[..], &labels[..]);
        baselines::tuned_magnitude(&Policy::cifar(), [4, 2], magnitudes, &first, data, &feed, 3)
    };
    let (magnitude, scores) = tune(&[0.0, 25.0, 55.0]).unwrap();
    assert_eq!(scores.len(), 3);
    let best = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let at = scores.iter().position(|s| *s == best).unwrap();
    assert_eq!(magnitude, [0.0, 25.0, 55.0][at]);
    assert!(tune(&[]).is_err());
}
