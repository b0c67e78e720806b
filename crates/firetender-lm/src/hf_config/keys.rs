//! Keys of a JSON object, each taken once; whatever nobody took is an error at the end.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::{LmError, ModelConfig};

/// Keys that do not touch the forward pass of any family: training, bookkeeping, and defaults of text generation, which callers
/// give explicitly here.
const HARMLESS: &[&str] = &[
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_commit_hash",
    "_name_or_path",
    "attention_dropout",
    "bad_words_ids",
    "begin_suppress_tokens",
    "chunk_size_feed_forward",
    "classifier_dropout",
    "decoder_start_token_id",
    "diversity_penalty",
    "do_sample",
    "dtype",
    "early_stopping",
    "encoder_no_repeat_ngram_size",
    "exponential_decay_length_penalty",
    "finetuning_task",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "gradient_checkpointing",
    "id2label",
    "initializer_range",
    "is_decoder",
    "label2id",
    "length_penalty",
    "max_length",
    "min_length",
    "model_max_length",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "output_attentions",
    "output_hidden_states",
    "output_scores",
    "prefix",
    "problem_type",
    "remove_invalid_values",
    "repetition_penalty",
    "return_dict",
    "return_dict_in_generate",
    "sep_token_id",
    "suppress_tokens",
    "task_specific_params",
    "temperature",
    "tf_legacy_loss",
    "tie_encoder_decoder",
    "tokenizer_class",
    "top_k",
    "top_p",
    "torch_dtype",
    "torchscript",
    "transformers.js_config",
    "transformers_version",
    "typical_p",
    "unsloth_fixed",
    "unsloth_version",
    "use_bfloat16",
    "use_cache",
];

/// Further harmless keys of Llama configurations. `pretraining_tp` only splits a product into summands.
pub(super) const LLAMA: &[&str] = &["is_llama_config", "pretraining_tp"];
/// Further harmless keys of Mistral configurations.
pub(super) const MISTRAL: &[&str] = &[];
/// Further harmless keys of Qwen2 configurations.
pub(super) const QWEN2: &[&str] = &[];
/// Further harmless keys of GPT-2 configurations; `n_ctx` repeats `n_positions`, the summary head is another model.
pub(super) const GPT2: &[&str] = &[
    "attn_pdrop",
    "embd_pdrop",
    "n_ctx",
    "resid_pdrop",
    "summary_activation",
    "summary_first_dropout",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
];
/// Further harmless keys of GPT-NeoX configurations.
pub(super) const GPT_NEOX: &[&str] = &["hidden_dropout"];

/// A JSON object whose keys are taken one by one.
pub(super) struct Keys {
    place: String,
    /// Before a key in error messages, for objects inside the object.
    prefix: String,
    map: Map<String, Value>,
    taken: BTreeSet<String>,
}

impl Keys {
    pub(super) fn parse(place: &str, json: &[u8]) -> Result<Self, LmError> {
        let format = |what: String| LmError::Format {
            place: place.into(),
            what,
        };
        match serde_json::from_slice(json)
            .map_err(|error| format(format!("invalid JSON: {error}")))?
        {
            Value::Object(map) => Ok(Self {
                place: place.into(),
                prefix: String::new(),
                map,
                taken: BTreeSet::new(),
            }),
            _ => Err(format("expected a JSON object".into())),
        }
    }

    pub(super) fn wrong(&self, key: &str, found: &str, expected: &str) -> LmError {
        LmError::Config {
            place: self.place.clone(),
            field: format!("{}{key}", self.prefix),
            found: found.into(),
            expected: expected.into(),
        }
    }

    pub(super) fn is_null(&self, key: &str) -> bool {
        self.map.get(key).is_some_and(Value::is_null)
    }

    /// The value of a key; null counts as absent.
    fn take(&mut self, key: &str) -> Option<Value> {
        self.taken.insert(key.into());
        self.map.get(key).filter(|value| !value.is_null()).cloned()
    }

    fn take_as<T>(
        &mut self,
        key: &str,
        expected: &str,
        convert: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>, LmError> {
        match self.take(key) {
            None => Ok(None),
            Some(value) => convert(&value)
                .map(Some)
                .ok_or_else(|| self.wrong(key, &value.to_string(), expected)),
        }
    }

    /// A size from 1 on, or `None`.
    pub(super) fn size_or_none(&mut self, key: &str) -> Result<Option<usize>, LmError> {
        self.take_as(key, "a whole number from 1 to 2^28", |value| {
            let size = usize::try_from(value.as_u64()?).ok()?;
            (1..=ModelConfig::MAX_FIELD).contains(&size).then_some(size)
        })
    }

    pub(super) fn size(&mut self, key: &str, default: usize) -> Result<usize, LmError> {
        Ok(self.size_or_none(key)?.unwrap_or(default))
    }

    /// Absent means the default, null means none.
    pub(super) fn size_unless_null(
        &mut self,
        key: &str,
        default: usize,
    ) -> Result<Option<usize>, LmError> {
        if self.is_null(key) {
            self.take(key);
            return Ok(None);
        }
        self.size(key, default).map(Some)
    }

    pub(super) fn required_size(&mut self, key: &str) -> Result<usize, LmError> {
        self.size_or_none(key)?
            .ok_or_else(|| self.wrong(key, "absent", "a whole number"))
    }

    /// A whole number that may be 0.
    pub(super) fn whole(&mut self, key: &str, default: usize) -> Result<usize, LmError> {
        let found = self.take_as(key, "a whole number", |value| {
            usize::try_from(value.as_u64()?).ok()
        })?;
        Ok(found.unwrap_or(default))
    }

    pub(super) fn number_or_none(&mut self, key: &str) -> Result<Option<f64>, LmError> {
        self.take_as(key, "a number", Value::as_f64)
    }

    pub(super) fn number(&mut self, key: &str, default: f64) -> Result<f64, LmError> {
        Ok(self.number_or_none(key)?.unwrap_or(default))
    }

    pub(super) fn required_number(&mut self, key: &str) -> Result<f64, LmError> {
        self.number_or_none(key)?
            .ok_or_else(|| self.wrong(key, "absent", "a number"))
    }

    pub(super) fn flag(&mut self, key: &str, default: bool) -> Result<bool, LmError> {
        Ok(self
            .take_as(key, "true or false", Value::as_bool)?
            .unwrap_or(default))
    }

    /// A flag whose other value would be another model.
    pub(super) fn must_be(&mut self, key: &str, only: bool) -> Result<(), LmError> {
        match self.flag(key, only)? {
            value if value == only => Ok(()),
            value => Err(self.wrong(
                key,
                &value.to_string(),
                &format!("{only} (the other is not supported)"),
            )),
        }
    }

    pub(super) fn string(&mut self, key: &str) -> Result<Option<String>, LmError> {
        self.take_as(key, "a string", |value| value.as_str().map(String::from))
    }

    pub(super) fn strings(&mut self, key: &str) -> Result<Vec<String>, LmError> {
        let list = self.take_as(key, "a list of strings", |value| {
            value
                .as_array()?
                .iter()
                .map(|item| item.as_str().map(String::from))
                .collect::<Option<Vec<_>>>()
        })?;
        Ok(list.unwrap_or_default())
    }

    /// One token id.
    pub(super) fn id(&mut self, key: &str) -> Result<Option<u32>, LmError> {
        // -1 stands for "no such token" in some published configurations.
        let found = self.take_as(key, "a token id", |value| match value.as_i64()? {
            -1 => Some(None),
            id => u32::try_from(id).ok().map(Some),
        })?;
        Ok(found.flatten())
    }

    /// One token id or a list of them.
    pub(super) fn ids(&mut self, key: &str) -> Result<Vec<u32>, LmError> {
        let found = self.take_as(key, "a token id or a list of them", |value| {
            let one = |value: &Value| u32::try_from(value.as_u64()?).ok();
            match value {
                Value::Array(list) => list.iter().map(one).collect(),
                Value::Number(_) if value.as_i64() == Some(-1) => Some(Vec::new()),
                value => one(value).map(|id| vec![id]),
            }
        })?;
        Ok(found.unwrap_or_default())
    }

    /// An object inside this one.
    pub(super) fn object(&mut self, key: &str) -> Result<Option<Self>, LmError> {
        let map = self.take_as(key, "an object", |value| value.as_object().cloned())?;
        Ok(map.map(|map| Self {
            place: self.place.clone(),
            prefix: format!("{}{key}.", self.prefix),
            map,
            taken: BTreeSet::new(),
        }))
    }

    /// Checks what is left: keys that would make another model must say that they do not, the rest must be harmless.
    pub(super) fn finish(mut self, harmless: &[&str]) -> Result<(), LmError> {
        if self.prefix.is_empty() {
            self.must_be("is_encoder_decoder", false)?;
            self.must_be("add_cross_attention", false)?;
            for key in ["cross_attention_hidden_size", "quantization_config"] {
                if let Some(value) = self.take(key) {
                    return Err(self.wrong(
                        key,
                        &value.to_string(),
                        "null or absent (not supported)",
                    ));
                }
            }
            if let Some(heads) = self.take("pruned_heads")
                && heads.as_object().is_none_or(|heads| !heads.is_empty())
            {
                return Err(self.wrong(
                    "pruned_heads",
                    &heads.to_string(),
                    "an empty object (not supported)",
                ));
            }
        }
        let known = |key: &str| {
            self.taken.contains(key)
                || harmless.contains(&key)
                || (self.prefix.is_empty() && HARMLESS.contains(&key))
        };
        // A null says nothing, whatever its key.
        match self
            .map
            .iter()
            .find(|(key, value)| !value.is_null() && !known(key))
        {
            None => Ok(()),
            Some((key, value)) => {
                let mut found = value.to_string();
                if found.chars().count() > 80 {
                    found = found.chars().take(80).chain("…".chars()).collect();
                }
                Err(self.wrong(
                    key,
                    &format!("{found}, an unknown key"),
                    "only keys that this architecture knows: ignoring one could change the model",
                ))
            }
        }
    }
}
