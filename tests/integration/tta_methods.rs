//! Corruptions against scikit-image, `OpenCV` and Pillow; learned weights against `SciPy`; predicted losses against NumPy.

use firetender_kit::golden_json;
use firetender_tta::{
    Address, Candidates, Corruption, LossPredictor, PredictionKind, RgbImage, WeightOptions,
    confidence_features, learn_weights,
};
use serde_json::Value;

const SIDE: usize = 32;

/// The three images of the script.
fn images() -> Vec<RgbImage> {
    let mut state = 2020_u64;
    let noise = (0..3 * SIDE * SIDE).map(|_| {
        state = (state * 1_664_525 + 1_013_904_223) % (1 << 32);
        (state >> 24) as u8
    });
    let noise: Vec<u8> = noise.collect();
    let of = |value: &dyn Fn(usize, usize) -> [usize; 3]| -> Vec<u8> {
        let places = (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (x, y)));
        places
            .flat_map(|(x, y)| value(x, y))
            .map(|v| v as u8)
            .collect()
    };
    let slope = of(&|x, y| [x * 8, y * 8, (x + y) * 4]);
    let squares = of(&|x, y| [if (x / 4 + y / 4) % 2 == 0 { 40 } else { 200 }; 3]);
    [noise, slope, squares]
        .into_iter()
        .map(|pixels| RgbImage::new(SIDE, SIDE, pixels).unwrap())
        .collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().unwrap().iter();
    list.map(|x| x.as_f64().unwrap()).collect()
}

#[test]
fn corruptions_are_those_of_the_benchmark() {
    let golden = golden_json("tta/methods.json");
    let images = images();
    let mut seen = 0;
    for (name, values) in golden["corruptions"].as_object().unwrap() {
        let parts: Vec<&str> = name.split(' ').collect();
        let kind = Corruption::from_name(parts[0]).unwrap();
        let severity: usize = parts[1].parse().unwrap();
        let image = &images[parts[2].parse::<usize>().unwrap()];
        let found = kind.apply(image, severity, Address::default()).unwrap();
        let ours = found.pixels().iter().step_by(7);
        for (at, (ours, theirs)) in ours.zip(numbers(values)).enumerate() {
            // Half a level is our rounding. Pillow's boxes round twice in fixed point, OpenCV's kernel and the zooms are f32.
            let most = if kind == Corruption::Pixelate {
                1.0
            } else {
                0.501
            };
            let gap = (f64::from(*ours) - theirs).abs();
            assert!(gap <= most, "{name}, value {at}: {ours} {theirs}");
        }
        seen += 1;
    }
    assert_eq!(seen, 7 * 3 * 3);
}

fn pool(golden: &Value) -> (Candidates, [usize; 3], Vec<i64>) {
    let shape: Vec<usize> = numbers(&golden["shape"])
        .iter()
        .map(|x| *x as usize)
        .collect();
    let shape = [shape[0], shape[1], shape[2]];
    let logits: Vec<f32> = numbers(&golden["logits"])
        .iter()
        .map(|x| *x as f32)
        .collect();
    let labels: Vec<i64> = numbers(&golden["labels"])
        .iter()
        .map(|x| *x as i64)
        .collect();
    let candidates = Candidates::new(PredictionKind::Logits, &logits, shape, &labels).unwrap();
    (candidates, shape, labels)
}

#[test]
fn learned_weights_are_the_minimum_that_scipy_finds() {
    let golden = golden_json("tta/methods.json");
    let (candidates, [entries, _, classes], _) = pool(&golden);
    let all: Vec<usize> = (0..entries).collect();
    for (key, by_class) in [("weights", false), ("weights_by_class", true)] {
        let options = WeightOptions {
            by_class,
            ridge: golden["ridge"].as_f64().unwrap(),
            tolerance: 1e-10,
            ..WeightOptions::default()
        };
        let found = learn_weights(&candidates, &all, &options).unwrap();
        let step = if by_class { 1 } else { classes };
        let theirs = numbers(&golden[key]["weights"]);
        let ours: Vec<f64> = found.weights.iter().copied().step_by(step).collect();
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(&theirs) {
            // Pools keep f32 probabilities: 6e-8 of each, over a curvature of a thousandth at least.
            assert!((ours - theirs).abs() < 2e-5, "{ours} {theirs}");
        }
        let likelihood = golden[key]["log_likelihood"].as_f64().unwrap();
        assert!((found.log_likelihood - likelihood).abs() < 1e-6);
    }
}

#[test]
fn predicted_losses_solve_the_normal_equations() {
    let golden = golden_json("tta/methods.json");
    let (candidates, [entries, samples, classes], _) = pool(&golden);
    let central: Vec<f32> = candidates
        .entry(0)
        .unwrap()
        .iter()
        .map(|p| p.ln())
        .collect();
    let features = confidence_features(&central, classes).unwrap();
    let ridge = golden["loss_ridge"].as_f64().unwrap();
    let fitted = LossPredictor::fit(&candidates, &features, ridge).unwrap();
    let ours = fitted.predict(&features).unwrap();
    let theirs = numbers(&golden["losses"]);
    assert_eq!(ours.len(), samples * entries);
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert!((ours - theirs).abs() < 1e-5, "{ours} {theirs}");
    }
    // The order of choice is the order of the predictions.
    let chosen = fitted.choose(&features, 2).unwrap();
    for (row, chosen) in theirs.chunks(entries).zip(chosen) {
        let least = row.iter().copied().fold(f64::INFINITY, f64::min);
        assert!(row[chosen[0]] <= least + 1e-4 && row[chosen[1]] >= row[chosen[0]] - 1e-4);
    }
}
