//! Records of averages and samplers as hostile input.

use burn::{nn::LinearConfig, tensor::Device};
use firetender_uncertainty::training::{
    DiagonalLaplace, Ema, StateRecord, Swa, Swag, SwagConfig, WeightSpace,
};
use proptest::prelude::*;

use crate::support::training_device;

fn record() -> (WeightSpace, Vec<u8>) {
    let model = LinearConfig::new(2, 1).init(&training_device());
    let space = WeightSpace::of(&model).unwrap();
    let mut swag = Swag::new(&space, SwagConfig::default()).unwrap();
    swag.collect(&model).unwrap();
    let bytes = swag.to_record().to_bytes().unwrap();
    (space, bytes)
}

#[test]
fn a_record_of_something_else_is_refused() {
    let (space, bytes) = record();
    let record = StateRecord::from_bytes(&bytes).unwrap();
    assert!(Swag::resume(&space, &record).is_ok());
    assert!(Swa::resume(&space, &record, &Device::flex()).is_err());
    assert!(Ema::resume(&space, &record, &Device::flex()).is_err());
    assert!(DiagonalLaplace::resume(&space, &record).is_err());
    let other = LinearConfig::new(3, 1).init(&training_device());
    let error = Swag::resume(&WeightSpace::of(&other).unwrap(), &record)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("weight [2, 1]") && error.contains("weight [3, 1]"),
        "{error}"
    );
}

#[test]
fn records_are_files_written_whole() {
    let (space, bytes) = record();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    StateRecord::from_bytes(&bytes)
        .unwrap()
        .save(&path)
        .unwrap();
    assert!(Swag::resume(&space, &StateRecord::load(&path).unwrap()).is_ok());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let error = StateRecord::load(&folder.path().join("none"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("none"), "{error}");
    std::fs::write(&path, b"no container").unwrap();
    let error = StateRecord::load(&path).unwrap_err().to_string();
    assert!(error.contains("state"), "{error}");
    assert!(
        StateRecord::from_bytes(&bytes)
            .unwrap()
            .save(&folder.path().join("a/b"))
            .is_err()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn damaged_records_are_errors_or_records(at in 0_usize..4096, value in any::<u8>(), cut in 0_usize..4096) {
        let (space, mut bytes) = record();
        let length = bytes.len();
        bytes[at % length] = value;
        if let Ok(record) = StateRecord::from_bytes(&bytes) {
            let _ = Swag::resume(&space, &record);
        }
        if let Ok(record) = StateRecord::from_bytes(&bytes[..cut % length]) {
            let _ = Swag::resume(&space, &record);
        }
    }
}
