//! Averages against the obvious computation, in 64 bits.

use burn::{
    module::{Module, Param},
    nn::{Linear, LinearConfig},
    tensor::{DType, Device, Tensor, TensorData},
};
use firetender_uncertainty::training::{Ema, StateRecord, Swa, WeightSpace};
use proptest::prelude::*;

use crate::support::{training_device, values};

fn model() -> (Linear, WeightSpace) {
    let model = LinearConfig::new(2, 1).init(&training_device());
    let space = WeightSpace::of(&model).unwrap();
    (model, space)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn equal_average_is_the_mean(rows in prop::collection::vec(prop::array::uniform3(-10.0_f64..10.0), 1..20)) {
        let (model, space) = model();
        let mut average = Swa::new(&space);
        for row in &rows {
            average.update(&space.write(model.clone(), row).unwrap()).unwrap();
        }
        let found = space.read(&average.module(&model).unwrap()).unwrap();
        for at in 0..3 {
            let expected = rows.iter().map(|row| row[at]).sum::<f64>() / rows.len() as f64;
            prop_assert!((found[at] - expected).abs() < 1e-4);
        }
    }

    #[test]
    fn exponential_average_follows_its_recurrence(
        rows in prop::collection::vec(prop::array::uniform3(-10.0_f64..10.0), 1..20),
        decay in 0.0_f64..0.999,
        warm in any::<bool>(),
    ) {
        let (model, space) = model();
        let mut average = Ema::new(&space, decay).unwrap();
        if !warm {
            average = average.without_warm_up();
        }
        let mut expected = [0.0; 3];
        for (step, row) in rows.iter().enumerate() {
            average.update(&space.write(model.clone(), row).unwrap()).unwrap();
            let t = step as f64 + 1.0;
            let d = if warm { decay.min((1.0 + t) / (10.0 + t)) } else { decay };
            for at in 0..3 {
                expected[at] = if step == 0 { row[at] } else { d * expected[at] + (1.0 - d) * row[at] };
            }
        }
        let found = space.read(&average.module(&model).unwrap()).unwrap();
        for at in 0..3 {
            prop_assert!((found[at] - expected[at]).abs() < 1e-4);
        }
    }
}

#[test]
fn averages_go_on_from_their_records() {
    let (model, space) = model();
    let rows = [
        [1.0, 2.0, 3.0],
        [-1.0, 0.5, 4.0],
        [2.5, 2.5, 2.5],
        [0.0, 0.0, 1.0],
    ];
    let device = Device::flex();
    let (mut swa, mut ema) = (Swa::new(&space), Ema::new(&space, 0.9).unwrap());
    let mut resumed = (swa.clone(), ema.clone());
    for (at, row) in rows.iter().enumerate() {
        let model = space.write(model.clone(), row).unwrap();
        swa.update(&model).unwrap();
        ema.update(&model).unwrap();
        // Stopped before every step.
        let bytes = (
            resumed.0.to_record().unwrap().to_bytes().unwrap(),
            resumed.1.to_record().unwrap().to_bytes().unwrap(),
        );
        resumed = (
            Swa::resume(&space, &StateRecord::from_bytes(&bytes.0).unwrap(), &device).unwrap(),
            Ema::resume(&space, &StateRecord::from_bytes(&bytes.1).unwrap(), &device).unwrap(),
        );
        resumed.0.update(&model).unwrap();
        resumed.1.update(&model).unwrap();
        assert_eq!(resumed.0.count(), at as u64 + 1);
    }
    let weights = |module: Linear| space.read(&module).unwrap();
    assert_eq!(
        weights(swa.module(&model).unwrap()),
        weights(resumed.0.module(&model).unwrap())
    );
    assert_eq!(
        weights(ema.module(&model).unwrap()),
        weights(resumed.1.module(&model).unwrap())
    );
}

#[derive(Module, Debug)]
struct Half {
    weight: Param<Tensor<1>>,
}

#[test]
fn half_precision_is_averaged_in_single() {
    let of = |value: f32, dtype: DType| Half {
        weight: Param::from_tensor(Tensor::from_data(
            TensorData::new(vec![value; 3], [3]),
            (&training_device(), dtype),
        )),
    };
    let space = WeightSpace::of(&of(0.0, DType::F16)).unwrap();
    let mut average = Swa::new(&space);
    // 2049.5 is no half-precision number: an average kept in halves would stay at 2050 or fall back to 2048.
    for value in [2048.0, 2050.0, 2050.0, 2050.0] {
        average.update(&of(value, DType::F16)).unwrap();
    }
    let single = average.module(&of(0.0, DType::F32)).unwrap();
    assert_eq!(values(single.weight.val()), [2049.5; 3]);
    // A half-precision template stays one.
    let half = average.module(&of(0.0, DType::F16)).unwrap();
    assert_eq!(half.weight.val().dtype(), DType::F16);
}

#[test]
fn nothing_averaged_is_an_error() {
    let (model, space) = model();
    assert!(Swa::new(&space).module(&model).is_err());
    assert!(Ema::new(&space, 1.0).is_err());
    assert!(Ema::new(&space, f64::NAN).is_err());
    // Another architecture.
    let other = LinearConfig::new(5, 1).init(&training_device());
    assert!(Swa::new(&space).update(&other).is_err());
}
