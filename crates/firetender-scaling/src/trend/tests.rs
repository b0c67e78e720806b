use super::*;

fn curve(values: &[f64]) -> Curve {
    Curve {
        task: "t".into(),
        family: String::new(),
        metric: "accuracy".into(),
        lower_is_better: false,
        axis: Scale::Parameters,
        points: values
            .iter()
            .enumerate()
            .map(|(i, value)| Point {
                model: format!("m{i}"),
                scale: 10f64.powi(i as i32 + 6),
                n: Some(400),
                value: *value,
                stderr: 0.02,
            })
            .collect(),
        examples: None,
        companion: None,
    }
}

fn options() -> ShapeOptions {
    ShapeOptions {
        draws: 500,
        ..ShapeOptions::default()
    }
}

#[test]
fn an_inverse_trend_needs_its_companion() {
    let mut falling = curve(&[0.9, 0.8, 0.7, 0.6]);
    let alone = trend(&falling, options()).unwrap();
    assert_eq!(alone.label, Label::Inverse);
    assert!(
        alone
            .notes
            .iter()
            .any(|note| note.contains("no continuous metric"))
    );
    assert!(
        alone
            .notes
            .iter()
            .any(|note| note.contains("cannot reach 0.05"))
    );
    let loss = |values: &[f64]| {
        let mut loss = curve(values);
        loss.metric = "loss".into();
        loss.lower_is_better = true;
        Some(Box::new(loss))
    };
    falling.companion = loss(&[0.3, 0.5, 0.6, 0.9]);
    let confirmed = trend(&falling, options()).unwrap();
    assert_eq!(
        (confirmed.label, confirmed.metric_dependent),
        (Label::Inverse, Some(false))
    );
    falling.companion = loss(&[0.9, 0.6, 0.5, 0.3]);
    let contradicted = trend(&falling, options()).unwrap();
    assert_eq!(
        (contradicted.label, contradicted.metric_dependent),
        (Label::Unresolved, Some(true))
    );
}

#[test]
fn a_loss_is_turned_around() {
    let mut falling = curve(&[0.9, 0.8, 0.7, 0.6]);
    falling.metric = "loss".into();
    falling.lower_is_better = true;
    let found = trend(&falling, options()).unwrap();
    assert_eq!(found.label, Label::Positive);
    assert_eq!(found.spearman.rho, Some(1.0));
    assert!(found.cochran_armitage.is_none());
    assert_eq!(found.models[0].value, 0.9);
}

#[test]
fn the_axis_changes_slopes_and_nothing_else() {
    let values = [0.9, 0.85, 0.6, 0.62];
    let first = trend(&curve(&values), options()).unwrap();
    let mut other = curve(&values);
    for point in &mut other.points {
        point.scale = point.scale.powi(2);
    }
    let other = trend(&other, options()).unwrap();
    assert_eq!(
        (first.spearman, first.label, first.p_constant),
        (other.spearman, other.label, other.p_constant)
    );
    let ratio = first.theil_sen.unwrap() / other.theil_sen.unwrap();
    assert!((ratio - 2.0).abs() < 1e-9);
}

#[test]
fn examples_bring_pages_test_and_pairs() {
    let rows: Vec<Vec<f64>> = (0..100)
        .map(|i| (0..4).map(|j| f64::from(u8::from(i % 5 >= j))).collect())
        .collect();
    let means: Vec<f64> = (0..4)
        .map(|j| rows.iter().map(|r| r[j]).sum::<f64>() / 100.0)
        .collect();
    let mut with = curve(&means);
    with.points.iter_mut().for_each(|point| point.n = Some(100));
    with.examples = Some(rows);
    let found = trend(&with, options()).unwrap();
    assert!(found.page.unwrap().z < -3.0);
    let adjacent = found.adjacent.unwrap();
    assert_eq!(adjacent.len(), 3);
    assert!((adjacent[0].difference + 0.2).abs() < 1e-12);
    assert_eq!(
        (found.noise, found.label),
        (Noise::PairedExamples, Label::Inverse)
    );
    // Rows for another number of models are refused.
    with.points.pop();
    assert!(trend(&with, options()).is_err());
}

#[test]
fn curves_out_of_order_are_refused_and_p_values_are_adjusted_together() {
    let mut wrong = curve(&[0.5, 0.6]);
    wrong.points.swap(0, 1);
    assert!(trend(&wrong, options()).is_err());
    assert!(trend(&curve(&[0.5]), options()).is_err());
    let found = trends(&[curve(&[0.9, 0.8, 0.7]), curve(&[0.5; 3])], options()).unwrap();
    assert_eq!(found[1].spearman.rho, None);
    assert_eq!(found[1].adjusted.spearman, None);
    assert!(found[0].adjusted.constant.unwrap() >= found[0].p_constant);
}
