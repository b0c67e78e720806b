//! Deep ensembles (Lakshminarayanan, Pritzel and Blundell 2017): the same training again and again from other initial weights.
//!
//! Still the strongest ensemble for its size, and the yardstick of the deep-ensemble equivalent. Each member is one file, written whole
//! or not at all, so that the run goes on where it was stopped. A member must make its network with `Config::init` (or from its own seed)
//! itself: Burn initialises lazily, and clones of a network that was never run share one initialisation, which would be an
//! ensemble of one network many times over.

use std::{
    fs,
    path::{Path, PathBuf},
};

use burn::{module::Module, store::ModuleRecord, tensor::Bytes};

use super::record::{burn_record, io, write_whole};
use crate::UncertaintyError;

/// A folder of independently trained members, `member-0000.bpk`, `member-0001.bpk`, …
///
/// ```
/// use burn::{nn::LinearConfig, tensor::Device};
/// use firetender_uncertainty::training::DeepEnsemble;
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let device = Device::flex();
/// let folder = std::env::temp_dir().join(format!("firetender-doc-{}", std::process::id()));
/// let ensemble = DeepEnsemble::in_folder(&folder, 3, 7)?;
/// let done = ensemble.run(|_member, _seed| Ok(LinearConfig::new(2, 2).init(&device)))?;
/// assert_eq!(done, 3);
/// // What is there is not trained again.
/// assert_eq!(ensemble.run(|_, _| Ok(LinearConfig::new(2, 2).init(&device)))?, 0);
/// let template = LinearConfig::new(2, 2).init(&device);
/// assert_eq!(ensemble.members(&template).count(), 3);
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DeepEnsemble {
    folder: PathBuf,
    members: usize,
    seed: u64,
}

impl DeepEnsemble {
    /// So many members in this folder, with seeds that follow from one.
    ///
    /// # Errors
    /// No members; a folder that cannot be made.
    pub fn in_folder(folder: &Path, members: usize, seed: u64) -> Result<Self, UncertaintyError> {
        if members == 0 {
            return Err(UncertaintyError::Empty { what: "members" });
        }
        fs::create_dir_all(folder).map_err(|error| io(folder, &error))?;
        Ok(Self {
            folder: folder.to_owned(),
            members,
            seed,
        })
    }

    /// The seed of one member: a fixed scramble (`SplitMix64`) of the ensemble's seed and the number, so that ensembles with neighbouring
    /// seeds share no member.
    #[must_use]
    pub fn member_seed(&self, member: usize) -> u64 {
        let mut z = self
            .seed
            .wrapping_add((member as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Which members are still to be trained.
    #[must_use]
    pub fn missing(&self) -> Vec<usize> {
        (0..self.members)
            .filter(|&member| !self.file(member).exists())
            .collect()
    }

    /// Trains the members that are missing, one after the other; how many. `train` gets a member's number and seed and returns its
    /// trained network (live or in evaluation mode), which it must have initialised itself.
    ///
    /// # Errors
    /// The first of `train`, or of writing; members finished before it are kept.
    pub fn run<M: Module>(
        &self,
        mut train: impl FnMut(usize, u64) -> Result<M, UncertaintyError>,
    ) -> Result<usize, UncertaintyError> {
        let missing = self.missing();
        for &member in &missing {
            let model = train(member, self.member_seed(member))?;
            let path = self.file(member);
            let bytes = model
                .valid()
                .into_record()
                .into_bytes()
                .map_err(|error| burn_record(path.display().to_string(), &error))?;
            write_whole(&path, &bytes)?;
        }
        Ok(missing.len())
    }

    /// One member in evaluation mode, on the template's device.
    ///
    /// # Errors
    /// A member that is not trained yet, or a file of another architecture.
    pub fn member<M: Module>(&self, template: &M, member: usize) -> Result<M, UncertaintyError> {
        let path = self.file(member);
        let bytes = fs::read(&path).map_err(|error| io(&path, &error))?;
        let place = path.display().to_string();
        ModuleRecord::from_bytes(Bytes::from_bytes_vec(bytes))
            .and_then(|record| template.valid().try_load_record(record))
            .map_err(|error| burn_record(place, &error))
    }

    /// The members in evaluation mode, in order; one that is missing is an error.
    pub fn members<'a, M: Module>(
        &'a self,
        template: &'a M,
    ) -> impl Iterator<Item = Result<M, UncertaintyError>> + 'a {
        (0..self.members).map(|member| self.member(template, member))
    }

    fn file(&self, member: usize) -> PathBuf {
        self.folder.join(format!("member-{member:04}.bpk"))
    }
}
