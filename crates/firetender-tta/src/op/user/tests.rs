use super::*;
use crate::{Mixture, OpSpace, Policy, Step, SubPolicy, apply_all, parse_sub_policy};

/// Adds up to `value` to every level of one random channel; a negative value takes away.
#[derive(Debug)]
struct Tint;

impl ImageOp for Tint {
    fn name(&self) -> &str {
        "Tint"
    }

    fn is_signed(&self) -> bool {
        true
    }

    fn resolve(&self, value: f64, _: &Site, draw: &mut Draw) -> Result<ResolvedOp, TtaError> {
        let channel = draw.up_to(2) as f64;
        Ok(ResolvedOp::user("Tint", vec![channel, value.round()]))
    }

    fn apply(
        &self,
        parameters: &[f64],
        image: &RgbImage,
        _: &Compat,
    ) -> Result<RgbImage, TtaError> {
        let [channel, levels] = parameters else {
            return Err(bad("Tint", "parameters", parameters.len(), "two"));
        };
        let mut pixels = image.pixels().to_vec();
        for x in pixels.iter_mut().skip(*channel as usize).step_by(3) {
            *x = (f64::from(*x) + levels) as u8;
        }
        RgbImage::new(image.width(), image.height(), pixels)
    }
}

/// Made of a built-in operation: never needs `apply`.
#[derive(Debug)]
struct HalfTurn;

impl ImageOp for HalfTurn {
    fn name(&self) -> &str {
        "HalfTurn"
    }

    fn resolve(&self, _: f64, _: &Site, _: &mut Draw) -> Result<ResolvedOp, TtaError> {
        Ok(ResolvedOp::Rotate { degrees: 180.0 })
    }
}

fn policy() -> Policy {
    let mut policy = Policy::cifar();
    let space = policy.space.with_op(Tint, 0.0, 60.0).unwrap();
    policy.space = space.with_op(HalfTurn, 0.0, 1.0).unwrap();
    policy
}

#[test]
fn every_built_in_operation_conforms() {
    let space = OpSpace::gps_imagenet(16);
    for op in Op::ALL {
        let values: Vec<f64> = match space.range(op) {
            Ok(range) => [0.0, 0.49, 20.0, 30.0, 45.0].map(|m| range.value(m)).into(),
            Err(_) => vec![0.0, 55.5, 300.0],
        };
        conformance(&op, &values).unwrap();
    }
    conformance(&Tint, &[-30.0, 0.0, 60.0]).unwrap();
    conformance(&HalfTurn, &[0.0, 1.0]).unwrap();
}

/// Breaks the promise with this number.
#[derive(Debug)]
struct Broken(u8);

impl ImageOp for Broken {
    fn name(&self) -> &str {
        match self.0 {
            0 => "not a name",
            1 => "Rotate",
            _ => "Broken",
        }
    }

    fn resolve(&self, _: f64, _: &Site, draw: &mut Draw) -> Result<ResolvedOp, TtaError> {
        Ok(match self.0 {
            3 => ResolvedOp::user("Other", vec![]),
            4 => ResolvedOp::user("Broken", vec![f64::NAN]),
            5 => ResolvedOp::user("Broken", vec![f64::INFINITY]),
            _ => ResolvedOp::user("Broken", vec![draw.uniform()]),
        })
    }

    fn apply(&self, _: &[f64], image: &RgbImage, _: &Compat) -> Result<RgbImage, TtaError> {
        match self.0 {
            6 => RgbImage::filled(image.width() + 1, image.height(), [0; 3]),
            7 => {
                use std::sync::atomic::{AtomicU8, Ordering};
                static CALLS: AtomicU8 = AtomicU8::new(0);
                let level = CALLS.fetch_add(1, Ordering::Relaxed);
                RgbImage::filled(image.width(), image.height(), [level; 3])
            }
            _ => Ok(image.clone()),
        }
    }
}

#[test]
fn broken_promises_are_found() {
    // 1 breaks none that can be seen: it is taken for the built-in operation and gives another's step.
    for (kind, word) in [
        (0, "name"),
        (1, "resolve"),
        (3, "this operation's name"),
        (4, "NaN"),
        (5, "JSON"),
        (6, "size of the result"),
        (7, "the same bytes"),
    ] {
        let error = conformance(&Broken(kind), &[1.0]).unwrap_err().to_string();
        assert!(error.contains(word), "{kind}: {error}");
    }
    conformance(&Broken(8), &[1.0]).unwrap();
    for kind in [0, 1] {
        assert!(UserOps::new().with(Broken(kind)).is_err());
    }
    assert!(UserOps::new().with(Tint).unwrap().with(Tint).is_err());
    // A policy asks, too.
    for kind in [3, 6] {
        let mut policy = Policy::cifar();
        policy.space = policy.space.with_op(Broken(kind), 0.0, 1.0).unwrap();
        let recipe = parse_sub_policy("[(15,3.0)]", &policy.space).unwrap();
        let image = RgbImage::filled(4, 4, [1; 3]).unwrap();
        assert!(policy.augment(&recipe, &image, Address::default()).is_err());
    }
}

#[test]
fn recipes_name_them_and_images_change() {
    let policy = policy();
    let recipe = parse_sub_policy("[(Tint,-15.0),(16,3.0)]", &policy.space).unwrap();
    let Step(op, m) = recipe.ops[0];
    assert_eq!((op.name(), m, op.index()), ("Tint", -15.0, 19));
    let ops = policy
        .resolve(&recipe, [32, 32], Address::default())
        .unwrap();
    let ResolvedOp::User(step) = &ops[0] else {
        panic!("{ops:?}");
    };
    assert_eq!((step.name.as_str(), step.parameters[1]), ("Tint", -30.0));
    assert_eq!(ops[1], ResolvedOp::Rotate { degrees: 180.0 });
    let image = RgbImage::filled(32, 32, [100; 3]).unwrap();
    let changed = apply_all(&ops[..1], &image, &policy.compat).unwrap();
    let channel = step.parameters[0] as usize;
    assert_eq!(changed.pixel(3, 3)[channel], 70);
    // What was done, written down and read back, needs its code again.
    let text = serde_json::to_string(&ops[0]).unwrap();
    let read: ResolvedOp = serde_json::from_str(&text).unwrap();
    assert_eq!(read, ops[0]);
    let error = read.apply(&image, &policy.compat).unwrap_err().to_string();
    assert!(error.contains("Tint") && error.contains("code"), "{error}");
    let ResolvedOp::User(step) = read else {
        panic!("{text}");
    };
    let again = ResolvedOp::User(step.with_code(&policy.space.user));
    assert_eq!(again.apply(&image, &policy.compat).unwrap(), changed);
}

#[test]
fn files_keep_names_and_readers_bring_code() {
    let pool = Mixture::new(&[(200, 3, 30.0)]).draw(&policy(), 1).unwrap();
    let own = |recipe: &SubPolicy| recipe.ops.iter().any(|s| matches!(s.0, Op::User(_)));
    assert!(pool.entries.iter().any(own));
    let text = pool.to_json().unwrap();
    assert!(text.contains("\"Tint\"") && text.contains("firetender-policy/2"));
    let path = "pool.json".as_ref();
    let error = Policy::from_json(&text, path).unwrap_err();
    assert!(matches!(error, TtaError::UnknownOp { .. }), "{error:?}");
    assert!(error.to_string().contains("Policy::read_with"), "{error}");
    let one = UserOps::new().with(HalfTurn).unwrap();
    assert!(Policy::from_json_with(&text, path, &one).is_err());
    let read = Policy::from_json_with(&text, path, &one.with(Tint).unwrap()).unwrap();
    assert_eq!(read, pool);
    let image = RgbImage::new(32, 32, (0..3072).map(|i| (i % 251) as u8).collect()).unwrap();
    for (entry, recipe) in pool.entries.iter().enumerate() {
        let address = Address {
            entry: entry as u64,
            ..Address::default()
        };
        let bytes = |policy: &Policy| policy.augment(recipe, &image, address).unwrap();
        assert_eq!(bytes(&pool), bytes(&read));
    }
    // A name that a recipe has and the list does not.
    let misspelt = text.replace("\"Solarize\",", "\"Solarise\",");
    assert_ne!(misspelt, text);
    let error = Policy::from_json_with(&misspelt, path, &pool.space.user).unwrap_err();
    assert!(error.to_string().contains("Solarise"), "{error}");
}

#[test]
fn names_that_are_none() {
    let long = "x".repeat(25);
    for name in ["", "1a", "a b", "a-b", "é", "Solarize", long.as_str()] {
        assert!(OpName::new(name).is_err(), "{name}");
        let json = format!("{name:?}");
        assert!(serde_json::from_str::<Op>(&json).is_err() || name == "Solarize");
    }
    let whole = "x".repeat(24);
    assert_eq!(OpName::new(&whole).unwrap().as_str(), whole);
}
