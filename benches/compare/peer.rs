//! Torch's side of the comparison: the script `benches/peer/torch_smollm2.py` in a process of its own.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use firetender_measure::Failure;
use serde::{Deserialize, de::DeserializeOwned};

use crate::Arguments;

const LOGITS: &str = include_str!("torch_logits.py");

/// What the script prints, as far as it is used.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Speed {
    pub(crate) torch: String,
    pub(crate) transformers: String,
    pub(crate) attention: String,
    pub(crate) load_average: Vec<f64>,
    pub(crate) load_to_first_token: f64,
    pub(crate) prefill_last: Seconds,
    pub(crate) decode: Vec<Seconds>,
    pub(crate) peak_resident_bytes: f64,
}

/// One measurement.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Seconds {
    /// The median of its runs.
    pub(crate) seconds: f64,
}

/// Torch with a model.
#[derive(Debug)]
pub(crate) struct Peer<'a> {
    python: &'a Path,
    folder: &'a Path,
    arguments: &'a Arguments,
}

impl<'a> Peer<'a> {
    /// `None` when the arguments name no torch.
    pub(crate) fn new(arguments: &'a Arguments) -> Option<Self> {
        let (python, folder) = (
            arguments.torch_python.as_deref()?,
            arguments.folder.as_deref()?,
        );
        Some(Self {
            python,
            folder,
            arguments,
        })
    }

    /// Logits after the last of some tokens.
    pub(crate) fn logits(&self, ids: &[u32]) -> Result<Vec<f32>, Failure> {
        let mut command = self.command();
        command.arg("-c").arg(LOGITS).arg(self.folder);
        command.args(ids.iter().map(ToString::to_string));
        json(&mut command)
    }

    /// One run of the script.
    pub(crate) fn speed(&self) -> Result<Speed, Failure> {
        let a = self.arguments;
        let mut command = self.command();
        command
            .arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("peer/torch_smollm2.py"))
            .arg(self.folder);
        let numbers = [
            ("--threads", a.threads),
            ("--runs", a.runs),
            ("--prefill", a.prefill),
            ("--decode", a.decode),
        ];
        for (name, number) in numbers {
            command.arg(name).arg(number.to_string());
        }
        command
            .arg("--contexts")
            .args(a.contexts().map(|context| context.to_string()));
        if let Some(attention) = &a.attention {
            command.arg("--attention").arg(attention);
        }
        json(&mut command)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.python);
        // Before torch starts: its pools are made once.
        command
            .env("OMP_NUM_THREADS", self.arguments.threads.to_string())
            .env("HF_HUB_OFFLINE", "1");
        command
    }
}

/// Runs a command and reads the JSON that it prints; what it says on standard error is passed on.
pub(crate) fn json<T: DeserializeOwned>(command: &mut Command) -> Result<T, Failure> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{name}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{name}: {}", output.status).into());
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{name}: its output: {error}").into())
}
