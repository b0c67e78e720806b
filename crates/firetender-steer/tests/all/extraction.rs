//! Reading activations: batches, padding, streaming, read positions, reports.

use firetender_hooks::{HookError, ReadAt, SiteKind};
use firetender_lm::CausalLm;
use firetender_steer::{
    Contrast, Extractor, Layers, Method, Observer, Silent, SteerError, separation_of,
};

use crate::support::{Golden, model, rows};

/// Rows of 3 to 9 tokens: a class of low and one of high token ids.
fn contrast(pairs: usize) -> Contrast {
    let class = |from: u32| {
        (0..pairs as u32)
            .map(|i| {
                let length = 3 + (i * 5 % 7);
                (0..length).map(|t| from + (i * 31 + t * 17) % 40).collect()
            })
            .collect()
    };
    Contrast::new("low", class(0), "high", class(50)).unwrap()
}

#[track_caller]
fn near(a: &[f32], b: &[f32], tolerance: f32) {
    assert_eq!(a.len(), b.len());
    for (x, y) in a.iter().zip(b) {
        assert!((x - y).abs() <= tolerance * (1.0 + y.abs()), "{x} {y}");
    }
}

#[test]
fn batches_and_padding_do_not_change_a_vector() {
    for family in ["llama", "gpt2", "gpt_neox"] {
        let model = model(family);
        for read in [
            ReadAt::LastToken,
            ReadAt::mean(),
            ReadAt::FromEnd(1),
            ReadAt::Position(2),
        ] {
            let extractor = Extractor::new(SiteKind::ResidPost).with_read(read);
            let with = |batch| {
                let extractor = extractor.clone().with_batch(batch);
                extractor
                    .extract(&model, &contrast(9), Method::Mean, &mut Silent)
                    .unwrap()
            };
            let alone = with(1);
            for batch in [2, 8, 100] {
                let found = with(batch);
                for (layer, direction) in alone.vector.directions() {
                    near(found.vector.direction(*layer).unwrap(), direction, 1e-5);
                }
            }
        }
    }
}

#[test]
fn streaming_on_the_device_agrees_with_samples_on_the_host() {
    let model = model("llama");
    let extractor = Extractor::new(SiteKind::MlpOut)
        .with_layers("1..".parse().unwrap())
        .with_batch(4);
    let contrast = contrast(17);
    let host = extractor
        .extract(&model, &contrast, Method::Mean, &mut Silent)
        .unwrap();
    let means = extractor.means(&model, &contrast, &mut Silent).unwrap();
    let streamed = means.vector().unwrap();
    assert_eq!(
        (streamed.site(), streamed.toward()),
        (SiteKind::MlpOut, "low")
    );
    assert_eq!(
        streamed.directions().keys().copied().collect::<Vec<_>>(),
        [1, 2, 3]
    );
    for (layer, direction) in host.vector.directions() {
        near(streamed.direction(*layer).unwrap(), direction, 5e-6);
        let norms = |v: &firetender_steer::SteeringVector| v.provenance().residual_norms[layer];
        assert!((norms(&streamed) / norms(&host.vector) - 1.0).abs() < 1e-5);
    }
    let (a, b) = contrast.split_at(6).unwrap();
    let mut merged = extractor.means(&model, &a, &mut Silent).unwrap();
    merged
        .merge(&extractor.means(&model, &b, &mut Silent).unwrap())
        .unwrap();
    let merged = merged.vector().unwrap();
    assert_eq!(merged.provenance().pairs, 17);
    for (layer, direction) in streamed.directions() {
        near(merged.direction(*layer).unwrap(), direction, 5e-6);
    }
    let other = Extractor::new(SiteKind::AttnOut)
        .means(&model, &b, &mut Silent)
        .unwrap();
    let mut means = means;
    assert!(matches!(
        means.merge(&other),
        Err(SteerError::Mismatch { .. })
    ));
}

#[test]
fn streamed_covariances_whiten_as_samples_do() {
    let model = model("llama");
    let extractor = Extractor::new(SiteKind::ResidPost).with_batch(5);
    let contrast = contrast(17);
    let samples = extractor.samples(&model, &contrast, &mut Silent).unwrap();
    let whitened = Method::Whitened {
        shrinkage: Some(0.3),
    };
    let host = samples.fit(whitened).unwrap().vector;
    let (a, b) = contrast.split_at(6).unwrap();
    let of = |part: &Contrast| extractor.means_and_covariances(&model, part, &mut Silent);
    let mut merged = of(&a).unwrap();
    merged.merge(&of(&b).unwrap()).unwrap();
    let streamed = merged.whitened(0.3).unwrap();
    assert_eq!(streamed.provenance().method, "whitened:0.3");
    for (layer, direction) in host.directions() {
        near(streamed.direction(*layer).unwrap(), direction, 1e-4);
    }
    let means = extractor.means(&model, &contrast, &mut Silent).unwrap();
    assert!(means.whitened(0.3).is_err(), "no covariances");
    assert!(
        merged.merge(&means).is_err() && merged.whitened(-0.1).is_err(),
        "one side has none"
    );
}

#[test]
fn streams_may_read_several_tokens_of_a_text_but_pairs_need_one() {
    let model = model("llama");
    let extractor = Extractor::new(SiteKind::ResidPost).with_read(ReadAt::Each);
    let means = extractor.means(&model, &contrast(4), &mut Silent).unwrap();
    assert_eq!(means.vector().unwrap().directions().len(), 4);
    let error = extractor
        .samples(&model, &contrast(4), &mut Silent)
        .unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("row 0 of class `low` yields 3 samples"),
        "{message}"
    );
    for read in [
        ReadAt::Position(50),
        ReadAt::Position(3),
        ReadAt::FromEnd(5),
    ] {
        let extractor = Extractor::new(SiteKind::ResidPost).with_read(read);
        for error in [
            extractor
                .samples(&model, &contrast(6), &mut Silent)
                .map(|_| ())
                .unwrap_err(),
            extractor
                .means(&model, &contrast(6), &mut Silent)
                .map(|_| ())
                .unwrap_err(),
        ] {
            assert!(
                matches!(error, SteerError::Samples { found: 0, .. }),
                "{error}"
            );
        }
    }
}

#[test]
fn the_last_prompt_token_is_read_before_an_answer() {
    let model = model("gpt2");
    let plain = contrast(5);
    let longer = |rows: &[Vec<u32>]| -> Vec<Vec<u32>> {
        rows.iter()
            .map(|row| [row.as_slice(), &[7, 8]].concat())
            .collect()
    };
    let answered = Contrast::new(
        "low",
        longer(plain.toward_rows()),
        "high",
        longer(plain.away_rows()),
    )
    .unwrap();
    let lens = |rows: &[Vec<u32>]| rows.iter().map(Vec::len).collect();
    let answered = answered
        .with_prompt_lens(lens(plain.toward_rows()), lens(plain.away_rows()))
        .unwrap();
    let at = |read: ReadAt, contrast: &Contrast| {
        let extractor = Extractor::new(SiteKind::ResidPost).with_read(read);
        extractor
            .extract(&model, contrast, Method::Mean, &mut Silent)
            .unwrap()
            .vector
    };
    let (a, b) = (
        at(ReadAt::LastPrompt, &answered),
        at(ReadAt::LastToken, &plain),
    );
    for (layer, direction) in b.directions() {
        near(a.direction(*layer).unwrap(), direction, 1e-5);
    }
    assert_eq!(a.provenance().read, "last prompt token");
}

#[test]
fn swapping_the_classes_negates_every_direction() {
    let model = model("llama");
    let contrast = contrast(8);
    let extractor = Extractor::new(SiteKind::ResidPost);
    for method in [
        Method::Mean,
        Method::PcaDifference,
        Method::PcaPairCentred,
        Method::PcaRepe { seed: 1 },
    ] {
        let of = |contrast: &Contrast| {
            extractor
                .extract(&model, contrast, method, &mut Silent)
                .unwrap()
                .vector
        };
        let (one, other) = (of(&contrast), of(&contrast.swapped()).negated());
        assert_eq!((one.toward(), one.away()), (other.toward(), other.away()));
        for (layer, direction) in one.directions() {
            near(other.direction(*layer).unwrap(), direction, 1e-5);
        }
    }
}

#[test]
fn reports_say_what_a_direction_is_worth() {
    let model = model("llama");
    let samples = Extractor::new(SiteKind::ResidPost)
        .samples(&model, &contrast(20), &mut Silent)
        .unwrap();
    let mean = samples.fit(Method::Mean).unwrap();
    let random = samples.fit(Method::Random { seed: 2 }).unwrap();
    for (report, control) in mean.reports.iter().zip(&random.reports) {
        let layer = report.layer;
        assert!((report.norm - mean.vector.norm(layer).unwrap()).abs() < 1e-5);
        assert!(
            (control.norm / report.norm - 1.0).abs() < 1e-6,
            "the control is as long"
        );
        assert!(report.relative_norm() > 0.05 && report.relative_norm() < 3.0);
        let separation = report.separation.unwrap();
        assert!((0.0..=1.0).contains(&separation.auc));
        assert!((report.cosines["mean"] - 1.0).abs() < 1e-12);
        assert!(report.explained_variance > control.explained_variance);
        let seen = &samples.layers()[&layer];
        let fitted = separation_of(mean.vector.direction(layer).unwrap(), seen).unwrap();
        assert!(
            fitted.auc > 0.8,
            "the classes differ in their tokens: {}",
            fitted.auc
        );
    }
    let best = mean.best_layer().unwrap();
    let auc = |layer: usize| mean.reports[layer].separation.unwrap().auc;
    assert!((0..4).all(|layer| auc(layer) <= auc(best)));
    let about = mean.vector.provenance();
    assert_eq!((about.method.as_str(), about.pairs), ("mean", 20));
    assert_eq!(about.separation.len(), 4);
    let pca = samples.fit(Method::PcaPairCentred).unwrap();
    for report in &pca.reports {
        assert!((report.norm - 1.0).abs() < 1e-9);
        assert!((report.cosines["pca_pair_centred"] - 1.0).abs() < 1e-9);
    }
}

/// Held-out separation of labels that mean nothing is chance; on the pairs fitted to it would be far better.
#[test]
fn separation_is_held_out() {
    let model = model("llama");
    let same: Vec<Vec<u32>> = contrast(40).toward_rows().to_vec();
    let (a, b) = (same[..20].to_vec(), same[20..].to_vec());
    let nothing = Contrast::new("a", a, "b", b).unwrap();
    let extractor = Extractor::new(SiteKind::ResidPost).with_layers(Layers::one(2));
    let (mut fitted, mut honest) = (0.0, 0.0);
    for seed in 0..12 {
        let shuffled = nothing.with_shuffled_labels(seed);
        let samples = extractor.samples(&model, &shuffled, &mut Silent).unwrap();
        let found = samples.fit(Method::Mean).unwrap();
        let direction = found.vector.direction(2).unwrap();
        fitted += separation_of(direction, &samples.layers()[&2]).unwrap().auc / 12.0;
        honest += found.reports[0].separation.unwrap().auc / 12.0;
    }
    assert!(fitted > 0.75, "on what it was fitted to {fitted}");
    assert!((honest - 0.5).abs() < 0.15, "held out {honest}");
}

#[test]
fn one_pair_is_enough_for_a_difference_and_identical_activations_for_nothing() {
    let model = model("llama");
    let extractor = Extractor::new(SiteKind::ResidPost);
    let one = contrast(1);
    let found = extractor
        .extract(&model, &one, Method::Mean, &mut Silent)
        .unwrap();
    assert!(
        found.reports.iter().all(|r| r.separation.is_none()),
        "nothing to hold out"
    );
    assert_eq!(found.best_layer(), None);
    let error = extractor
        .extract(&model, &one, Method::PcaDifference, &mut Silent)
        .unwrap_err();
    assert!(matches!(
        error,
        SteerError::TooFewPairs {
            needed: 2,
            found: 1,
            ..
        }
    ));
    // Different texts, but the same where they are read.
    let row = rows()[0].clone();
    let (a, b) = ([row.clone(), vec![1]].concat(), [row, vec![2]].concat());
    let same = Contrast::new("a", vec![a], "b", vec![b]).unwrap();
    let extractor = extractor.with_read(ReadAt::Position(3));
    for method in [
        Method::Mean,
        Method::PcaPairCentred,
        Method::Random { seed: 0 },
    ] {
        let error = extractor
            .extract(&model, &same, method, &mut Silent)
            .unwrap_err();
        assert!(
            matches!(error, SteerError::Direction { layer: 0, .. }),
            "{error}"
        );
    }
}

#[test]
fn sites_and_layers_that_do_not_exist_are_refused() {
    let parallel = model("gpt_neox");
    assert!(parallel.shape().parallel);
    let refuse = |extractor: Extractor| {
        extractor
            .samples(&parallel, &contrast(2), &mut Silent)
            .unwrap_err()
    };
    let error = refuse(Extractor::new(SiteKind::ResidMid));
    assert!(matches!(error, SteerError::Mismatch { field: "site", .. }));
    let error = refuse(Extractor::new(SiteKind::ResidPost).with_layers(Layers::one(4)));
    assert!(matches!(error, SteerError::Layers { .. }));
    for kind in [SiteKind::Embed, SiteKind::FinalNorm, SiteKind::HeadOut] {
        let found = Extractor::new(kind)
            .extract(&parallel, &contrast(3), Method::Mean, &mut Silent)
            .unwrap();
        let layers = if kind == SiteKind::HeadOut { 4 } else { 1 };
        assert_eq!(found.vector.directions().len(), layers, "{kind}");
    }
    let foreign = Contrast::new("a", vec![vec![5000]], "b", vec![vec![1]]).unwrap();
    let error = Extractor::new(SiteKind::ResidPost)
        .samples(&parallel, &foreign, &mut Silent)
        .unwrap_err();
    assert!(
        !matches!(error, SteerError::Hook(HookError::NotRecorded { .. })),
        "{error}"
    );
}

#[test]
fn observers_hear_every_batch() {
    #[derive(Default)]
    struct Heard(Vec<(usize, usize)>);
    impl Observer for Heard {
        fn read(&mut self, done: usize, total: usize) {
            self.0.push((done, total));
        }
    }
    let golden = Golden::open("directions/llama.safetensors");
    let contrast = Contrast::new(
        "toward",
        golden.tokens("toward_tokens"),
        "away",
        golden.tokens("away_tokens"),
    )
    .unwrap();
    let mut heard = Heard::default();
    Extractor::new(SiteKind::ResidPost)
        .with_batch(4)
        .samples(&model("llama"), &contrast, &mut heard)
        .unwrap();
    assert_eq!(heard.0, [(4, 12), (6, 12), (10, 12), (12, 12)]);
}
