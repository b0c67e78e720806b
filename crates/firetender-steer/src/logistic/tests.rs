use approx::assert_relative_eq;

use super::*;

/// Two overlapping clouds, not centred.
fn cloud(n: usize, width: usize) -> (Vec<f32>, Vec<bool>) {
    let noise = |i: usize| ((i * 7919 + 13) % 1009) as f32 / 1009.0 - 0.5;
    let labels: Vec<bool> = (0..n).map(|i| i % 3 == 0).collect();
    let rows = (0..n * width)
        .map(|i| {
            let (row, column) = (i / width, i % width);
            let shift = if labels[row] && column < 2 { 0.3 } else { 0.0 };
            3.0 * noise(i) + shift + column as f32 / 5.0
        })
        .collect();
    (rows, labels)
}

fn gradient(
    rows: &[f32],
    width: usize,
    labels: &[bool],
    o: &LogisticOptions,
    w: &[f64],
    b: f64,
) -> Vec<f64> {
    let n = labels.len() as f64;
    let of = |label: bool| labels.iter().filter(|l| **l == label).count() as f64;
    let mut g: Vec<f64> = w.iter().map(|w| w / o.c).chain([0.0]).collect();
    for (row, label) in rows.chunks(width).zip(labels) {
        let score = b + w
            .iter()
            .zip(row)
            .map(|(w, x)| w * f64::from(*x))
            .sum::<f64>();
        let weight = if o.balanced {
            n / (2.0 * of(*label))
        } else {
            1.0
        };
        let error = weight * (1.0 / (1.0 + (-score).exp()) - f64::from(u8::from(*label)));
        for (g, x) in g.iter_mut().zip(row) {
            *g += error * f64::from(*x);
        }
        g[width] += error;
    }
    if !o.intercept {
        g[width] = 0.0;
    }
    g
}

#[test]
fn the_gradient_vanishes_in_both_spaces_with_every_option() {
    for (n, width) in [(60, 5), (12, 40), (30, 30), (2, 3)] {
        let (rows, labels) = cloud(n, width);
        for c in [1e-4, 1.0, 1e3] {
            for (intercept, balanced) in [(true, false), (false, false), (true, true)] {
                let options = LogisticOptions {
                    c,
                    intercept,
                    balanced,
                };
                let found = Logistic::fit(&rows, width, &labels, &options).unwrap();
                let g = gradient(
                    &rows,
                    width,
                    &labels,
                    &options,
                    found.weights(),
                    found.intercept(),
                );
                let largest = g.iter().fold(0.0f64, |m, x| m.max(x.abs()));
                assert!(largest < 1e-9, "{n} {width} {options:?}: {largest:e}");
            }
        }
    }
}

#[test]
fn no_penalty_works_where_classes_overlap_and_is_refused_where_they_do_not() {
    let free = LogisticOptions::default().with_c(f64::INFINITY);
    let (rows, labels) = cloud(60, 3);
    let found = Logistic::fit(&rows, 3, &labels, &free).unwrap();
    let large = LogisticOptions::default().with_c(1e9);
    let near = Logistic::fit(&rows, 3, &labels, &large).unwrap();
    for (a, b) in found.weights().iter().zip(near.weights()) {
        assert_relative_eq!(*a, *b, epsilon = 1e-5);
    }
    let what = |rows: &[f32], labels: &[bool], options: &LogisticOptions| {
        Logistic::fit(rows, 1, labels, options)
            .unwrap_err()
            .to_string()
    };
    let separable = what(&[0.0, 1.0, 2.0, 3.0], &[false, false, true, true], &free);
    assert!(separable.contains("a plane separates"), "{separable}");
    let touching = what(&[0.0, 1.0, 1.0, 3.0], &[false, false, true, true], &free);
    assert!(touching.contains("finite C"), "{touching}");
    // A column twice: the optimum is a line.
    let doubled: Vec<f32> = rows.chunks(3).flat_map(|r| [r[0], r[0]]).collect();
    let twice = Logistic::fit(&doubled, 2, &labels, &free).unwrap_err();
    assert!(
        twice.to_string().contains("depend on each other"),
        "{twice}"
    );
}

#[test]
fn wrong_input_is_named() {
    let options = LogisticOptions::default();
    let what = |rows: &[f32], width: usize, labels: &[bool], options: &LogisticOptions| {
        Logistic::fit(rows, width, labels, options)
            .unwrap_err()
            .to_string()
    };
    let both = [true, false];
    assert!(what(&[1.0, 2.0], 1, &[true, true], &options).contains("all 2 labels are true"));
    assert!(what(&[1.0, 2.0], 1, &[false, false], &options).contains("all 2 labels are false"));
    assert!(what(&[], 1, &[], &options).contains("all 0 labels"));
    let nan = what(&[1.0, 2.0, 3.0, f32::NAN], 2, &both, &options);
    assert!(nan.contains("row 1, column 1 is NaN"), "{nan}");
    assert!(what(&[1.0, 2.0, 3.0], 2, &both, &options).contains("one row for each label"));
    assert!(what(&[1.0, 2.0], 0, &both, &options).contains("width 0"));
    for c in [0.0, -1.0, f64::NAN] {
        assert!(what(&[1.0, 2.0], 1, &both, &options.with_c(c)).contains("C is"));
    }
    let alike = what(&[2.0, 2.0], 1, &both, &options);
    assert!(alike.contains("nothing tells them apart"), "{alike}");
    assert!(Logistic::new(vec![0.0], 1.0).is_err() && Logistic::new(vec![1.0], f64::NAN).is_err());
}

#[test]
fn exchanged_classes_give_the_negative_and_text_gives_the_same() {
    let (rows, labels) = cloud(24, 40);
    let options = LogisticOptions::default();
    let found = Logistic::fit(&rows, 40, &labels, &options).unwrap();
    let flipped: Vec<bool> = labels.iter().map(|l| !l).collect();
    let other = Logistic::fit(&rows, 40, &flipped, &options).unwrap();
    for (a, b) in found.weights().iter().zip(other.weights()) {
        assert_relative_eq!(*a, -*b, epsilon = 1e-10);
    }
    assert_relative_eq!(
        dot(&found.direction(), &found.direction()),
        1.0,
        epsilon = 1e-12
    );
    let text = serde_json::to_string(&found).unwrap();
    let again: Logistic = serde_json::from_str(&text).unwrap();
    assert_eq!(again.decisions(&rows), found.decisions(&rows));
    for (d, p) in found
        .decisions(&rows)
        .iter()
        .zip(found.probabilities(&rows))
    {
        assert_relative_eq!(p, 1.0 / (1.0 + (-d).exp()));
    }
    for bad in [
        r#"{"weights":[],"intercept":0}"#,
        r#"{"weights":[1],"intercept":0,"x":1}"#,
    ] {
        assert!(serde_json::from_str::<Logistic>(bad).is_err(), "{bad}");
    }
}
