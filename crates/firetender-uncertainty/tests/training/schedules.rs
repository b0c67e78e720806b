//! Schedules against their closed forms, at every boundary and after resuming.

use std::f64::consts::PI;

use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord, module_lr_scheduler::ModuleLrScheduler};
use firetender_uncertainty::training::{CyclicCosine, PlateauLinear, TriangularFge};

fn rates(schedule: &mut dyn LrScheduler, count: usize) -> Vec<f64> {
    (0..count).map(|_| schedule.step()).collect()
}

/// Stops after `at` steps, goes on in a new schedule by way of bytes, and compares with an undisturbed one.
fn resumes(fresh: impl LrScheduler + Clone, at: usize) {
    let mut whole = fresh.clone();
    let expected = rates(&mut whole, 40);
    let mut first = fresh.clone();
    let mut found = rates(&mut first, at);
    let bytes = first.to_record().into_bytes().unwrap();
    let mut second = fresh;
    second.load_record(LrSchedulerRecord::from_bytes(bytes).unwrap());
    found.extend(rates(&mut second, 40 - at));
    assert_eq!(found, expected);
}

#[test]
fn the_cosine_restarts_at_every_cycle() {
    let mut schedule = CyclicCosine::new(0.2, 8).unwrap();
    let found = rates(&mut schedule, 24);
    for (i, rate) in found.iter().enumerate() {
        let expected = 0.1 * (1.0 + (PI * (i % 8) as f64 / 8.0).cos());
        assert!(
            (rate - expected).abs() < 1e-15,
            "step {i}: {rate}, {expected}"
        );
    }
    assert_eq!(found[0], 0.2);
    assert_eq!(found[8], 0.2);
    assert!(found[7] > 0.0 && found[7] < 0.01);
    assert!(schedule.ends_cycle(7) && !schedule.ends_cycle(8));
}

#[test]
fn rates_above_one_are_allowed() {
    assert_eq!(CyclicCosine::new(2.5, 4).unwrap().at(0), 2.5);
}

#[test]
fn the_triangle_is_lowest_in_the_middle() {
    let (high, low, n) = (1e-2, 5e-4, 10_usize);
    let mut schedule = TriangularFge::new(high, low, 2 * n).unwrap();
    let found = rates(&mut schedule, 60);
    for (step, rate) in found.iter().enumerate() {
        // As published: by epoch, batch and cycle length.
        let (epoch, i) = (step / n, step % n);
        let t = ((epoch % 2) as f64 + i as f64 / n as f64) / 2.0;
        let expected = if t < 0.5 {
            high * (1.0 - 2.0 * t) + low * 2.0 * t
        } else {
            high * (2.0 * t - 1.0) + low * (2.0 - 2.0 * t)
        };
        assert!((rate - expected).abs() < 1e-15, "step {step}");
    }
    assert_eq!(found[n], low);
    assert!(found.iter().all(|&rate| rate >= low && rate <= high));
}

#[test]
fn the_published_baseline_has_a_plateau_a_slope_and_a_floor() {
    let schedule = PlateauLinear::new(0.05, 400).unwrap();
    assert_eq!(schedule.at(0), 0.05);
    assert_eq!(schedule.at(200), 0.05);
    assert!((schedule.at(280) - 0.05 * (1.0 - 0.2 / 0.4 * 0.99)).abs() < 1e-15);
    assert!((schedule.at(359) - 0.05 * (1.0 - 0.3975 / 0.4 * 0.99)).abs() < 1e-15);
    assert_eq!(schedule.at(360), 0.05 * 0.01);
    assert_eq!(schedule.at(5000), 0.05 * 0.01);
    let averaging = schedule.with_floor(0.2).unwrap();
    assert!((averaging.at(400) - 0.01).abs() < 1e-15);
}

#[test]
fn a_resumed_schedule_is_the_same_schedule() {
    for at in [0, 1, 7, 8, 9, 39] {
        resumes(CyclicCosine::new(0.2, 8).unwrap(), at);
        resumes(TriangularFge::new(0.1, 0.01, 8).unwrap(), at);
        resumes(PlateauLinear::new(0.1, 16).unwrap(), at);
    }
}

#[test]
fn a_schedule_is_one_of_burns() {
    let mut scheduler: ModuleLrScheduler = CyclicCosine::new(0.2, 4).unwrap().into();
    assert_eq!(scheduler.step().base(), 0.2);
}

#[test]
fn nonsense_is_refused() {
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(CyclicCosine::new(rate, 4).is_err());
        assert!(TriangularFge::new(rate, 0.1, 4).is_err());
        assert!(TriangularFge::new(0.1, rate, 4).is_err());
        assert!(PlateauLinear::new(rate, 4).is_err());
    }
    assert!(CyclicCosine::new(0.1, 0).is_err());
    assert!(TriangularFge::new(0.2, 0.1, 1).is_err());
    let schedule = PlateauLinear::new(0.1, 4).unwrap();
    assert!(schedule.clone().with_turns(0.9, 0.5).is_err());
    assert!(schedule.with_turns(f64::NAN, 0.5).is_err());
}
