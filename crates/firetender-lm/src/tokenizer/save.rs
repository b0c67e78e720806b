//! Writes a tokenizer as the files that Hugging Face's libraries read.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Engine, Tokenizer};
use crate::{ChatTemplate, LmError, write_atomically};

impl Tokenizer {
    /// Writes `tokenizer.json`, `tokenizer_config.json` (with the chat template, if there is one) and `generation_config.json` (the
    /// tokens that end a text) into a folder, so that a saved model is whole.
    ///
    /// # Errors
    /// [`LmError::Tokenizer`] for a vocabulary with scores (llama2.c, some GGUF files), which `tokenizer.json` has no model for that
    /// joins pieces in the same order; a file that cannot be written.
    pub fn save(
        &self,
        folder: impl AsRef<Path>,
        chat: Option<&ChatTemplate>,
    ) -> Result<(), LmError> {
        let Engine::Fast(fast) = &self.engine else {
            return Err(LmError::Tokenizer {
                what: "a vocabulary with scores cannot be written as tokenizer.json".into(),
            });
        };
        let mut tokenizer = fast.json()?;
        tokenizer["post_processor"] = self.template();
        let mut settings = Map::new();
        settings.insert("tokenizer_class".into(), json!("PreTrainedTokenizerFast"));
        settings.insert("clean_up_tokenization_spaces".into(), json!(false));
        let roles = [
            ("bos_token", self.bos()),
            ("eos_token", self.eos().first().copied()),
            ("pad_token", self.pad()),
        ];
        for (role, id) in roles {
            if let Some(name) = id.and_then(|id| self.token(id)) {
                settings.insert(role.into(), json!(name));
            }
        }
        if let Some(chat) = chat {
            settings.insert("chat_template".into(), json!(chat.source()));
        }
        let folder = folder.as_ref();
        let files = [
            ("tokenizer.json", tokenizer),
            ("tokenizer_config.json", Value::Object(settings)),
            (
                "generation_config.json",
                json!({ "eos_token_id": self.eos() }),
            ),
        ];
        for (name, value) in files {
            let path = folder.join(name);
            let written = write_atomically(&path, format!("{value:#}\n").as_bytes());
            written.map_err(|source| LmError::Io { path, source })?;
        }
        Ok(())
    }

    /// The tokens around a text, in `tokenizer.json`'s words.
    fn template(&self) -> Value {
        let (prefix, suffix) = (&self.roles.prefix, &self.roles.suffix);
        if prefix.is_empty() && suffix.is_empty() {
            return Value::Null;
        }
        let mut known = Map::new();
        let mut special = |id: &u32, which: usize| {
            let name = self.token(*id).unwrap_or_default();
            known.insert(
                name.clone(),
                json!({ "id": name, "ids": [id], "tokens": [name] }),
            );
            json!({ "SpecialToken": { "id": name, "type_id": which } })
        };
        let mut around = |text: &str, which: usize| -> Vec<Value> {
            let mut parts: Vec<Value> = prefix.iter().map(|id| special(id, which)).collect();
            parts.push(json!({ "Sequence": { "id": text, "type_id": which } }));
            parts.extend(suffix.iter().map(|id| special(id, which)));
            parts
        };
        let single = around("A", 0);
        let pair: Vec<Value> = [around("A", 0), around("B", 1)].concat();
        json!({ "type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": known })
    }
}
