//! Images, labels and networks that the evaluation works on.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
};

use burn::{
    module::Module,
    store::ModuleRecord,
    tensor::{Device, Tensor},
};
use firetender_support::{
    Failure, fail,
    fashion::{self, FashionNet, FashionNetConfig, Images, Split},
    signs,
};
use firetender_tta::{
    FromLogits, Normalisation, OpSpace, Policy, Predictor, RgbImage, Transform, read_png,
};

const FIRST: u64 = 1_000_000;

/// Labelled images.
#[derive(Clone)]
pub(crate) struct Set {
    pub(crate) images: Vec<RgbImage>,
    pub(crate) labels: Vec<i64>,
}

/// Everything that an evaluation needs.
pub(crate) struct Data {
    pub(crate) name: String,
    /// For the search.
    pub(crate) validation: Set,
    /// For everything that is reported.
    pub(crate) test: Set,
    pub(crate) networks: Vec<FashionNet>,
    pub(crate) normalisation: Normalisation,
    /// Without entries: operations, versions and frames.
    pub(crate) policy: Policy,
    pub(crate) classes: usize,
    /// Of the networks' weights: another one makes another pool.
    pub(crate) fingerprint: String,
}

impl Data {
    pub(crate) fn open(
        folder: Option<&Path>,
        networks: &[PathBuf],
        [validation, test]: [usize; 2],
        device: &Device,
    ) -> Result<Self, Failure> {
        match folder {
            None => Self::signs(networks, [validation, test], device),
            Some(folder) if is_fashion(folder) => {
                Self::fashion(folder, networks, [validation, test], device)
            }
            Some(folder) => Self::folder(folder, networks, [validation, test], device),
        }
    }

    fn signs(networks: &[PathBuf], [v, t]: [usize; 2], device: &Device) -> Result<Self, Failure> {
        let set = |first, count| {
            let (images, labels) = signs::draw(signs::SEED, first, count);
            Set { images, labels }
        };
        Ok(Self {
            name: "signs".into(),
            validation: set(FIRST, v),
            test: set(2 * FIRST, t),
            networks: if networks.is_empty() {
                vec![signs::network(device)?]
            } else {
                open(networks, || signs::fresh_network(signs::SEED, device))?
            },
            normalisation: Normalisation::none(),
            policy: Policy::cifar(),
            classes: signs::CLASSES,
            fingerprint: fingerprint(networks)?,
        })
    }

    /// The images that the networks did not see, and the networks of the example `fashion`.
    fn fashion(
        folder: &Path,
        networks: &[PathBuf],
        [v, t]: [usize; 2],
        device: &Device,
    ) -> Result<Self, Failure> {
        let train = Images::read(folder, Split::Train)?;
        let paths: Vec<PathBuf> = if networks.is_empty() {
            (1..=4)
                .map(|n| {
                    Path::new(env!("CARGO_MANIFEST_DIR"))
                        .join(format!("data/fashion/network-{n:02}.bpk"))
                })
                .collect()
        } else {
            networks.to_vec()
        };
        Ok(Self {
            name: "fashion-mnist".into(),
            validation: grey(&train.range(22_000..22_000 + v))?,
            test: grey(&Images::read(folder, Split::Test)?.first(t))?,
            networks: open(&paths, || FashionNetConfig::new().init(0, device))?,
            normalisation: Normalisation::grey(),
            policy: fashion_policy(),
            classes: fashion::CLASSES,
            fingerprint: fingerprint(&paths)?,
        })
    }

    /// A folder with one folder of PNG files a class; every other image is for the search.
    fn folder(
        folder: &Path,
        networks: &[PathBuf],
        [v, t]: [usize; 2],
        device: &Device,
    ) -> Result<Self, Failure> {
        let classes = entries(folder)?;
        let classes: Vec<PathBuf> = classes.into_iter().filter(|p| p.is_dir()).collect();
        if classes.len() < 2 {
            return fail(format!(
                "{}: expected IDX files of Fashion-MNIST, or one folder of PNG files for each class",
                folder.display()
            ));
        }
        if networks.is_empty() {
            return fail("--networks is needed for a folder of images");
        }
        let mut halves = [
            Set {
                images: vec![],
                labels: vec![],
            },
            Set {
                images: vec![],
                labels: vec![],
            },
        ];
        for (class, path) in classes.iter().enumerate() {
            let files = entries(path)?;
            let pictures = files
                .iter()
                .filter(|f| f.extension().is_some_and(|e| e == "png"));
            for (at, file) in pictures.enumerate() {
                halves[at % 2].images.push(read_png(file)?);
                halves[at % 2].labels.push(class as i64);
            }
        }
        let [mut validation, mut test] = halves;
        for (set, most) in [(&mut validation, v), (&mut test, t)] {
            if set.images.is_empty() {
                return fail(format!(
                    "{}: fewer than two images a class",
                    folder.display()
                ));
            }
            set.images.truncate(most);
            set.labels.truncate(most);
        }
        Ok(Self {
            name: folder.display().to_string(),
            validation,
            test,
            networks: open(networks, || signs::fresh_network(signs::SEED, device))?,
            normalisation: Normalisation::none(),
            policy: Policy::cifar(),
            classes: classes.len(),
            fingerprint: fingerprint(networks)?,
        })
    }

    /// A network as a predictor.
    pub(crate) fn predictor(&self, network: usize) -> impl Predictor + use<> {
        let network = self.networks[network].clone();
        FromLogits::new(self.classes, move |images: Tensor<4>| {
            network.forward(images)
        })
    }
}

/// Grey images as colour.
pub(crate) fn grey(images: &Images) -> Result<Set, Failure> {
    let pictures = (0..images.len())
        .map(|i| RgbImage::from_grey(fashion::SIDE, fashion::SIDE, images.pixels(i)));
    Ok(Set {
        images: pictures.collect::<Result<_, _>>()?,
        labels: images.labels().iter().map(|l| i64::from(*l)).collect(),
    })
}

/// Operations on images of 28 pixels, and the frame that their networks are trained with: moved by up to two pixels, mirrored.
pub(crate) fn fashion_policy() -> Policy {
    let mut policy = Policy::cifar();
    policy.space = OpSpace {
        size: fashion::SIDE,
        ..OpSpace::gps_cifar()
    };
    policy.random = vec![Transform::CropFlip { pad: 2, flip: true }];
    policy
}

/// A number that changes with any byte of any file.
fn fingerprint(paths: &[PathBuf]) -> Result<String, Failure> {
    let mut hasher = DefaultHasher::new();
    for path in paths {
        // Burn adds its ending where it is missing.
        let whole = if path.exists() {
            path.clone()
        } else {
            path.with_extension("bpk")
        };
        match std::fs::read(&whole) {
            Ok(bytes) => bytes.hash(&mut hasher),
            Err(error) => return fail(format!("{}: {error}", path.display())),
        }
    }
    Ok(format!("{:016x}", hasher.finish()))
}

/// Each into a network of its own: clones of one would share the running statistics of batch normalisation.
fn open(paths: &[PathBuf], fresh: impl Fn() -> FashionNet) -> Result<Vec<FashionNet>, Failure> {
    paths.iter().map(|path| load(path, fresh())).collect()
}

/// A network with the weights of a file.
pub(crate) fn load(path: &Path, network: FashionNet) -> Result<FashionNet, Failure> {
    match ModuleRecord::load(path) {
        // The beginning of what may be as many lines as there are weights.
        Ok(record) => network.try_load_record(record).or_else(|error| {
            let what: String = error.to_string().chars().take(200).collect();
            fail(format!("{}: {what}", path.display()))
        }),
        Err(error) => fail(format!("{}: {error}", path.display())),
    }
}

fn is_fashion(folder: &Path) -> bool {
    ["t10k-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz"]
        .iter()
        .any(|name| folder.join(name).exists())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let read = std::fs::read_dir(folder).and_then(|all| {
        all.map(|entry| entry.map(|e| e.path()))
            .collect::<Result<Vec<_>, _>>()
    });
    match read {
        Ok(mut paths) => {
            paths.sort();
            Ok(paths)
        }
        Err(error) => fail(format!("{}: {error}", folder.display())),
    }
}
