//! Copies of a model in training, in memory or on disk, that training on does not change.
//!
//! A clone will not do: batch normalisation's running statistics are shared by clones, and the last batch is not in them until they
//! are asked to synchronise. `valid()` does both, so a snapshot is `model.valid().into_record()`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use burn::{module::Module, store::ModuleRecord};

use super::record::{burn_record, io, write_whole};
use crate::UncertaintyError;

/// A growing list of snapshots: the members of a snapshot, cSGLD or fast geometric ensemble.
///
/// ```
/// use burn::{nn::LinearConfig, tensor::Device};
/// use firetender_uncertainty::training::Snapshots;
/// # fn main() -> Result<(), firetender_uncertainty::UncertaintyError> {
/// let device = Device::flex().autodiff();
/// let model = LinearConfig::new(2, 2).init(&device);
/// let mut snapshots = Snapshots::in_memory();
/// snapshots.collect(&model)?;
/// // … train on …
/// let members: Vec<_> = snapshots.members(&model).collect::<Result<_, _>>()?;
/// assert_eq!(members[0].weight.val().into_data(), model.weight.val().into_data());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Snapshots {
    place: Place,
    count: usize,
}

#[derive(Debug, Clone)]
enum Place {
    Memory(Vec<ModuleRecord>),
    Folder(PathBuf),
}

impl Snapshots {
    /// Keeps the weights in memory.
    #[must_use]
    pub fn in_memory() -> Self {
        Self {
            place: Place::Memory(vec![]),
            count: 0,
        }
    }

    /// Keeps them in a folder as `snapshot-0000.bpk`, `snapshot-0001.bpk`, …; what is there already counts, so that a stopped
    /// run goes on.
    ///
    /// # Errors
    /// A folder that can be neither read nor made.
    pub fn in_folder(folder: &Path) -> Result<Self, UncertaintyError> {
        fs::create_dir_all(folder).map_err(|error| io(folder, &error))?;
        let mut count = 0;
        while file(folder, count).exists() {
            count += 1;
        }
        Ok(Self {
            place: Place::Folder(folder.to_owned()),
            count,
        })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Takes a snapshot of a model, its running statistics up to the last batch included. The model may train on.
    ///
    /// # Errors
    /// If the file cannot be written; nothing is counted then.
    pub fn collect<M: Module>(&mut self, model: &M) -> Result<(), UncertaintyError> {
        let record = model.valid().into_record();
        match &mut self.place {
            Place::Memory(records) => records.push(record),
            Place::Folder(folder) => {
                let path = file(folder, self.count);
                let bytes = record
                    .into_bytes()
                    .map_err(|error| burn_record(path.display().to_string(), &error))?;
                write_whole(&path, &bytes)?;
            }
        }
        self.count += 1;
        Ok(())
    }

    /// Forgets all but the first `count`: after resuming from a checkpoint that is older than the last snapshot.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub fn truncate(&mut self, count: usize) -> Result<(), UncertaintyError> {
        while self.count > count {
            match &mut self.place {
                Place::Memory(records) => records.truncate(self.count - 1),
                Place::Folder(folder) => {
                    let path = file(folder, self.count - 1);
                    fs::remove_file(&path).map_err(|error| io(&path, &error))?;
                }
            }
            self.count -= 1;
        }
        Ok(())
    }

    /// One member in evaluation mode, on the device of the template (a module of the same architecture, which is not changed).
    ///
    /// # Errors
    /// A number beyond the last; a file that cannot be read; another architecture.
    pub fn member<M: Module>(&self, template: &M, index: usize) -> Result<M, UncertaintyError> {
        if index >= self.count {
            return Err(UncertaintyError::Mismatch {
                place: "snapshots".to_owned(),
                field: "member",
                found: index.to_string(),
                expected: format!("below {}", self.count),
            });
        }
        match &self.place {
            Place::Memory(records) => {
                let place = format!("snapshot {index}");
                member_of(template, records[index].clone(), place)
            }
            Place::Folder(folder) => read_member(template, &file(folder, index)),
        }
    }

    /// The members in evaluation mode, in the order of collection.
    pub fn members<'a, M: Module>(
        &'a self,
        template: &'a M,
    ) -> impl Iterator<Item = Result<M, UncertaintyError>> + 'a {
        (0..self.count).map(|index| self.member(template, index))
    }
}

/// A member from a file, in evaluation mode, on the device of the template.
pub(crate) fn read_member<M: Module>(template: &M, path: &Path) -> Result<M, UncertaintyError> {
    let place = path.display().to_string();
    let bytes = fs::read(path).map_err(|error| io(path, &error))?;
    let record = ModuleRecord::from_bytes(burn::tensor::Bytes::from_bytes_vec(bytes))
        .map_err(|error| burn_record(place.clone(), &error))?;
    member_of(template, record, place)
}

fn member_of<M: Module>(
    template: &M,
    record: ModuleRecord,
    place: String,
) -> Result<M, UncertaintyError> {
    // A `valid()` of its own for each member: their running statistics must not be one and the same.
    template
        .valid()
        .try_load_record(record)
        .map_err(|error| burn_record(place, &error))
}

fn file(folder: &Path, index: usize) -> PathBuf {
    folder.join(format!("snapshot-{index:04}.bpk"))
}
