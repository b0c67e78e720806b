//! Building, stopping, going on, damage.

use super::*;
use crate::{Feed, FromLogits, Mixture, Normalisation, Policy, Predictor, RgbImage};
use burn::tensor::{Device, Tensor};

fn network() -> impl Predictor {
    FromLogits::new(3, |images: Tensor<4>| {
        images.mean_dim(3).mean_dim(2).reshape([-1, 3]) * 5.0
    })
}

fn images() -> (Vec<RgbImage>, Vec<i64>) {
    let image = |i: usize| {
        RgbImage::new(
            16,
            16,
            (0..768).map(|k| (k * (7 + i) % 256) as u8).collect(),
        )
    };
    (
        (0..9).map(|i| image(i).unwrap()).collect(),
        (0..9).map(|i| i % 3).collect(),
    )
}

fn build(
    folder: &Path,
    float: PoolFloat,
    seed: u64,
    stop: Option<usize>,
) -> Result<Pool, TtaError> {
    let policy = Mixture::new(&[(5, 2, 30.0)])
        .draw(&Policy::cifar(), 2)
        .unwrap();
    let (images, labels) = images();
    let (normalisation, device) = (Normalisation::none(), Device::flex());
    let feed = Feed {
        normalisation: &normalisation,
        device: &device,
        batch: 4,
    };
    let builder = PoolBuilder {
        folder: folder.to_owned(),
        policy: &policy,
        seed,
        float,
        model: "toy".into(),
    };
    if let Some(stop) = stop {
        // As if the process had ended after so many entries.
        builder.build(&network(), &images, &labels, &feed, &mut |_, _| {})?;
        for entry in stop..policy.len() {
            std::fs::remove_file(entry_path(folder, entry)).unwrap();
        }
        std::fs::remove_file(folder.join("labels.npy")).unwrap();
    }
    builder.build(&network(), &images, &labels, &feed, &mut |_, _| {})
}

#[test]
fn a_stopped_build_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, stopped) = (folder.path().join("a"), folder.path().join("b"));
    build(&whole, PoolFloat::F32, 1, None).unwrap();
    build(&stopped, PoolFloat::F32, 1, Some(3)).unwrap();
    for entry in 0..6 {
        let read = |f: &Path| std::fs::read(entry_path(f, entry)).unwrap();
        assert_eq!(read(&whole), read(&stopped));
    }
    // Again changes nothing; another seed is another pool.
    build(&whole, PoolFloat::F32, 1, None).unwrap();
    let error = build(&whole, PoolFloat::F32, 2, None)
        .unwrap_err()
        .to_string();
    assert!(error.contains("seed"), "{error}");
    assert_eq!(
        Pool::open(&whole).unwrap().fingerprint(),
        Pool::open(&stopped).unwrap().fingerprint()
    );
}

/// Fails in the middle of the third entry.
struct Failing<P>(P, std::cell::Cell<usize>);

impl<P: Predictor> Predictor for Failing<P> {
    fn classes(&self) -> usize {
        self.0.classes()
    }

    fn log_probs(&self, images: Tensor<4>) -> Result<Tensor<2>, TtaError> {
        self.1.set(self.1.get() + 1);
        if self.1.get() == 8 {
            return Err(TtaError::Predictor("the power went".into()));
        }
        self.0.log_probs(images)
    }
}

#[test]
fn a_build_that_fails_halfway_goes_on_and_threads_do_not_show() {
    let folder = tempfile::tempdir().unwrap();
    let policy = Mixture::new(&[(5, 2, 30.0)])
        .draw(&Policy::cifar(), 2)
        .unwrap();
    let (images, labels) = images();
    let (normalisation, device) = (Normalisation::none(), Device::flex());
    let run = |name: &str, predictor: &(dyn Predictor + Sync), batch: usize, threads: usize| {
        let feed = Feed {
            normalisation: &normalisation,
            device: &device,
            batch,
        };
        let builder = PoolBuilder {
            folder: folder.path().join(name),
            policy: &policy,
            seed: 1,
            float: PoolFloat::F32,
            model: "toy".into(),
        };
        let mut seen = vec![];
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let built = threads.install(|| {
            let observer = &mut |entry: usize, _: usize| seen.push(entry);
            builder.build(predictor, &images, &labels, &feed, observer)
        });
        (built, seen)
    };
    let bytes = |name: &str| -> Vec<Vec<u8>> {
        (0..6)
            .map(|entry| std::fs::read(entry_path(&folder.path().join(name), entry)).unwrap())
            .collect()
    };
    run("whole", &network(), 4, 1).0.unwrap();
    run("threads", &network(), 9, 7).0.unwrap();
    assert_eq!(bytes("whole"), bytes("threads"));
    // Two of six entries are made when it fails (three batches each); opening says so, and building goes on.
    let (built, seen) = run_failing(&folder.path().join("stopped"), &policy, &images, &labels);
    assert!(built.unwrap_err().to_string().contains("power"));
    assert_eq!(seen, [0, 1]);
    assert!(Pool::open(folder.path().join("stopped")).is_err());
    run("stopped", &network(), 4, 2).0.unwrap();
    assert_eq!(bytes("whole"), bytes("stopped"));
}

fn run_failing(
    folder: &Path,
    policy: &Policy,
    images: &[RgbImage],
    labels: &[i64],
) -> (Result<Pool, TtaError>, Vec<usize>) {
    let (normalisation, device) = (Normalisation::none(), Device::flex());
    let feed = Feed {
        normalisation: &normalisation,
        device: &device,
        batch: 4,
    };
    let builder = PoolBuilder {
        folder: folder.to_owned(),
        policy,
        seed: 1,
        float: PoolFloat::F32,
        model: "toy".into(),
    };
    let failing = Failing(network(), std::cell::Cell::new(0));
    let mut seen = vec![];
    let built = builder.build(&failing, images, labels, &feed, &mut |entry, _| {
        seen.push(entry)
    });
    (built, seen)
}

#[test]
fn half_floats_are_nearly_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    let of = |f: &Path, float| build(f, float, 1, None).unwrap().candidates(None).unwrap();
    let (full, half) = (of(&a, PoolFloat::F32), of(&b, PoolFloat::F16));
    for entry in 0..6 {
        for (x, y) in full
            .entry(entry)
            .unwrap()
            .iter()
            .zip(half.entry(entry).unwrap())
        {
            assert!((x - y).abs() < 1e-3 * x + 1e-4);
        }
    }
}

#[test]
fn damaged_pools_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let pool = folder.path().join("a");
    build(&pool, PoolFloat::F32, 1, None).unwrap();
    let path = entry_path(&pool, 3);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 4]).unwrap();
    let error = Pool::open(&pool)
        .unwrap()
        .candidates(None)
        .unwrap_err()
        .to_string();
    assert!(error.contains("000003"), "{error}");
    std::fs::write(&path, &whole).unwrap();
    // Other labels of the same number.
    let labels = pool.join("labels.npy");
    let right = std::fs::read(&labels).unwrap();
    let mut other = right.clone();
    let last = other.len() - 8;
    other[last] = 0;
    std::fs::write(&labels, &other).unwrap();
    let error = Pool::open(&pool).unwrap().candidates(None).unwrap_err();
    assert!(error.to_string().contains("labels"), "{error}");
    std::fs::write(&labels, &right).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(
        Pool::open(&pool)
            .unwrap_err()
            .to_string()
            .contains("missing")
    );
    std::fs::write(pool.join("manifest.json"), "{}").unwrap();
    assert!(Pool::open(&pool).is_err());
    // Entries without a manifest are never taken over.
    std::fs::remove_file(pool.join("manifest.json")).unwrap();
    let error = build(&pool, PoolFloat::F32, 1, None).unwrap_err();
    assert!(error.to_string().contains("nobody knows"), "{error}");
}
