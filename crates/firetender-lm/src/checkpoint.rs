//! Whatever a model comes as, opened.
//!
//! A [`Checkpoint`] holds everything needed to build and talk to a model, with the weights still in their file: the shape, the
//! named tensors, the tokenizer and the chat template. What a path is, is told by its content, not by its name.

mod fingerprint;
mod hidden;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use hidden::Hiding;

use crate::blob::{Blob, read_small};
use crate::tokenizer::MAX_SETTINGS;
use crate::tokenizer::settings::Settings;
use crate::{
    ChatTemplate, Gguf, HfConfig, Llama2c, LmError, ModelConfig, Naming, SafeTensorsSource,
    TensorSource, Tokenizer, WeightLayout, gguf,
};

/// Bound on a configuration file, in bytes.
const MAX_CONFIG: u64 = 1 << 20;
/// What [`Checkpoint::open`] takes.
const EXPECTED: &str = "a GGUF file, a llama2.c version-0 file, or a Hugging Face folder with config.json and .safetensors weights";

/// A model's files, opened and checked against each other.
///
/// ```no_run
/// use firetender_lm::Checkpoint;
/// let checkpoint = Checkpoint::open("SmolLM2-135M-Instruct.Q4_1.gguf")?;
/// println!("{}: {} layers", checkpoint.name, checkpoint.config.layers);
/// let ids = checkpoint.tokenizer()?.encode("The capital of France is", true)?;
/// # Ok::<(), firetender_lm::LmError>(())
/// ```
pub struct Checkpoint {
    /// The model's shape.
    pub config: ModelConfig,
    /// How the tensors are named.
    pub naming: Naming,
    /// The tensors.
    pub source: Box<dyn TensorSource + Send + Sync>,
    /// Whether the rows of Q and K are in the order of interleaved rotary pairs although [`ModelConfig::positions`] says
    /// halves; they must be put back on loading (Llama-architecture GGUF).
    pub qk_permuted: bool,
    /// The tokenizer, if the files hold one.
    pub tokenizer: Option<Tokenizer>,
    /// The chat template, if the files hold one.
    pub chat: Option<ChatTemplate>,
    /// The model's name: as the file states it, else the name of the file or folder.
    pub name: String,
}

impl std::fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checkpoint")
            .field("name", &self.name)
            .field("place", &self.source.place())
            .field("config", &self.config)
            .field("naming", &self.naming)
            .field("qk_permuted", &self.qk_permuted)
            .field(
                "tokenizer",
                &self.tokenizer.as_ref().map(Tokenizer::vocab_size),
            )
            .field("chat", &self.chat.is_some())
            .finish_non_exhaustive()
    }
}

impl Checkpoint {
    /// Opens a GGUF file, a llama2.c file, or a Hugging Face folder (or a `.safetensors` file in one).
    ///
    /// The tokenizer of a llama2.c file is looked for beside it: `tokenizer.bin`, the only `tok*.bin`, or `tokenizer.json`.
    ///
    /// # Errors
    /// [`LmError::NotAModel`] if the path is none of these; else whatever is wrong with the files, see [`Gguf::open`],
    /// [`Llama2c::open`], [`HfConfig::read`], [`SafeTensorsSource::open`] and [`Tokenizer::from_file`]; [`LmError::Tokenizer`] if
    /// there are more tokens than embedding rows.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LmError> {
        let path = path.as_ref();
        if path.is_dir() {
            return Self::open_folder(path, path);
        }
        let blob = Blob::open(path)?;
        let mut start = [0; 9];
        let known = blob.len().min(9) as usize;
        blob.read_at("the first bytes", 0, &mut start[..known])?;
        if &start[..4] == b"GGUF" {
            return Self::open_gguf(path);
        }
        // A header's length and its opening brace.
        if start[8] == b'{' && start[4..8] == [0; 4] {
            return Self::open_folder(path.parent().unwrap_or(Path::new("")), path);
        }
        match Llama2c::open(path) {
            Ok(file) => Self::open_llama2c(path, file),
            Err(error) => Err(LmError::NotAModel {
                path: path.into(),
                found: format!(
                    "a file of {} bytes that is neither GGUF nor safetensors nor llama2.c ({error})",
                    blob.len()
                ),
                expected: EXPECTED.into(),
            }),
        }
    }

    /// A model that is built into a program: the bytes of its `config.json`, `.safetensors`, `tokenizer.json` and
    /// `tokenizer_config.json`.
    ///
    /// # Errors
    /// As for a folder with these files.
    pub fn from_bytes(
        name: &str,
        config_json: &[u8],
        weights: impl Into<Cow<'static, [u8]>>,
        tokenizer_json: &[u8],
        tokenizer_config_json: &[u8],
    ) -> Result<Self, LmError> {
        let config = HfConfig::read("config.json", config_json)?;
        let source = SafeTensorsSource::from_bytes(name, weights)?;
        let settings = Settings::parse(tokenizer_config_json)?;
        let tokenizer = Tokenizer::read("tokenizer.json", tokenizer_json, &settings)?;
        let chat = settings
            .chat_template
            .as_deref()
            .map(ChatTemplate::new)
            .transpose()?;
        Self::from_hf(name.into(), config, source, Some(tokenizer), chat)
    }

    /// How the file lays out its tensors, for [`crate::Transformer`]'s loader.
    #[must_use]
    pub fn layout(&self) -> WeightLayout {
        WeightLayout {
            naming: self.naming,
            qk_permuted: self.qk_permuted,
        }
    }

    /// The tokenizer.
    ///
    /// # Errors
    /// [`LmError::Tokenizer`] if the files hold none.
    pub fn tokenizer(&self) -> Result<&Tokenizer, LmError> {
        self.tokenizer.as_ref().ok_or_else(|| LmError::Tokenizer {
            what: format!(
                "{} comes without one; expected tokenizer.json beside the weights",
                self.source.place()
            ),
        })
    }

    /// A name for exactly these weights: SHA-256 over the shape, every tensor's name and shape, and bytes from both ends of every
    /// tensor, in hexadecimal. It does not depend on where the files are; another format of the same model has another.
    ///
    /// # Errors
    /// A file that can no longer be read.
    pub fn fingerprint(&self) -> Result<String, LmError> {
        fingerprint::fingerprint(
            &self.config,
            self.naming,
            self.qk_permuted,
            self.source.as_ref(),
        )
    }

    fn open_gguf(path: &Path) -> Result<Self, LmError> {
        let file = Gguf::open(path)?;
        let model = gguf::config::read(&file)?;
        let tokenizer = gguf::tokenizer::read(&file)?;
        let chat = file
            .string("tokenizer.chat_template")?
            .map(ChatTemplate::new)
            .transpose()?;
        let name = file
            .string("general.name")?
            .map_or_else(|| stem(path), String::from);
        let source = Hiding::new(file, gguf::config::ROPE_FACTORS);
        Self {
            config: model.config,
            naming: Naming::Gguf,
            source: Box::new(source),
            qk_permuted: model.qk_permuted,
            tokenizer,
            chat,
            name,
        }
        .checked()
    }

    fn open_llama2c(path: &Path, file: Llama2c) -> Result<Self, LmError> {
        let tokenizer = match beside_llama2c(path)? {
            None => None,
            Some(found)
                if found
                    .extension()
                    .is_some_and(|extension| extension == "json") =>
            {
                Some(Tokenizer::from_file(found)?)
            }
            Some(found) => {
                let tokenizer = Tokenizer::from_llama2c(&found)?;
                let (tokens, rows) = (tokenizer.vocab_size(), file.config().vocab_size);
                if tokens != rows {
                    let what = format!(
                        "{} has {tokens} tokens; expected {rows} as the model",
                        found.display()
                    );
                    return Err(LmError::Tokenizer { what });
                }
                Some(tokenizer)
            }
        };
        Self {
            config: file.config().clone(),
            naming: Naming::HfLlama,
            source: Box::new(file),
            qk_permuted: false,
            tokenizer,
            chat: None,
            name: stem(path),
        }
        .checked()
    }

    fn open_folder(folder: &Path, weights: &Path) -> Result<Self, LmError> {
        let config = folder.join("config.json");
        if !config.is_file() {
            let found = "no config.json".to_string();
            return Err(LmError::NotAModel {
                path: folder.into(),
                found,
                expected: EXPECTED.into(),
            });
        }
        let config = HfConfig::read(
            &config.display().to_string(),
            &read_small(&config, MAX_CONFIG)?,
        )?;
        let source = SafeTensorsSource::open(weights)?;
        let json = folder.join("tokenizer.json");
        let tokenizer = if json.is_file() {
            Some(Tokenizer::from_file(&json)?)
        } else {
            None
        };
        let chat = folder_template(folder)?
            .as_deref()
            .map(ChatTemplate::new)
            .transpose()?;
        Self::from_hf(stem(folder), config, source, tokenizer, chat)
    }

    fn from_hf(
        name: String,
        config: HfConfig,
        source: SafeTensorsSource,
        mut tokenizer: Option<Tokenizer>,
        chat: Option<ChatTemplate>,
    ) -> Result<Self, LmError> {
        if let Some(tokenizer) = &mut tokenizer {
            let known = |id: &u32| (*id as usize) < tokenizer.vocab_size();
            let ends: Vec<u32> = config.eos.iter().copied().filter(known).collect();
            tokenizer.add_ends(&ends)?;
            tokenizer.fill_roles(config.bos, config.pad);
        }
        let (model, naming) = (config.model, config.naming);
        Self {
            config: model,
            naming,
            source: Box::new(source),
            qk_permuted: false,
            tokenizer,
            chat,
            name,
        }
        .checked()
    }

    fn checked(self) -> Result<Self, LmError> {
        if let Some(tokenizer) = &self.tokenizer {
            tokenizer.check_fits(self.config.vocab_size)?;
        }
        Ok(self)
    }
}

/// The name without folder and ending.
fn stem(path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let name = if path.is_dir() {
        path.file_name()
    } else {
        path.file_stem()
    };
    name.map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// The template of a folder: a file of its own, or inside `tokenizer_config.json`.
fn folder_template(folder: &Path) -> Result<Option<String>, LmError> {
    let own = folder.join("chat_template.jinja");
    if own.is_file() {
        let bytes = read_small(&own, MAX_CONFIG)?;
        let text = String::from_utf8(bytes);
        return text.map(Some).map_err(|_| LmError::Format {
            place: own.display().to_string(),
            what: "not UTF-8".into(),
        });
    }
    let config = folder.join("tokenizer_config.json");
    if !config.is_file() {
        return Ok(None);
    }
    Ok(Settings::parse(&read_small(&config, MAX_SETTINGS)?)?.chat_template)
}

/// The tokenizer that belongs to a llama2.c file.
fn beside_llama2c(path: &Path) -> Result<Option<PathBuf>, LmError> {
    let usual = path.with_file_name("tokenizer.bin");
    if usual.is_file() {
        return Ok(Some(usual));
    }
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let io = |source| LmError::Io {
        path: folder.into(),
        source,
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?.path();
        let name = entry
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with("tok") && name.ends_with(".bin") && entry.is_file() {
            found.push(entry);
        }
    }
    found.sort();
    match found.as_slice() {
        [one] => Ok(Some(one.clone())),
        [] => {
            let json = path.with_file_name("tokenizer.json");
            Ok(json.is_file().then_some(json))
        }
        many => Err(LmError::Tokenizer {
            what: format!(
                "{} holds {} files tok*.bin; expected one, or tokenizer.bin",
                folder.display(),
                many.len()
            ),
        }),
    }
}

#[cfg(test)]
mod tests;
