//! A model with its tokenizer, opened by what the command line names.

use burn::{module::Module, tensor::Device};
use firetender_lm::{Checkpoint, LmError, Message, Tokenizer, Transformer};

use crate::{Failure, Named};

/// A loaded model.
#[derive(Debug)]
pub struct Model {
    /// The files it came from.
    pub checkpoint: Checkpoint,
    /// The network.
    pub network: Transformer,
}

impl Model {
    /// Opens what a name stands for, see [`Named`].
    ///
    /// # Errors
    /// Whatever is wrong with the files, or a model without a tokenizer.
    pub fn open(name: &str, device: &Device) -> Result<Self, Failure> {
        let checkpoint = Named::parse(name)?.checkpoint()?;
        checkpoint.tokenizer()?;
        let network = Transformer::load(
            &checkpoint.config,
            checkpoint.source.as_ref(),
            checkpoint.layout(),
            device,
        )?;
        Ok(Self {
            checkpoint,
            network,
        })
    }

    /// Number of parameters.
    #[must_use]
    pub fn network_size(&self) -> usize {
        self.network.num_params()
    }

    /// The tokenizer.
    ///
    /// # Errors
    /// The files hold none; [`open`](Self::open) has checked that they do.
    pub fn tokenizer(&self) -> Result<&Tokenizer, LmError> {
        self.checkpoint.tokenizer()
    }

    /// The tokens of a prompt: a user's message in the model's chat template if it has one and `raw` is not set, else plain
    /// text behind the start token that the tokenizer calls for.
    ///
    /// # Errors
    /// An empty prompt, or text that the tokenizer or the template refuses.
    pub fn prompt(&self, text: &str, system: Option<&str>, raw: bool) -> Result<Vec<u32>, Failure> {
        let tokenizer = self.tokenizer()?;
        if text.is_empty() {
            return crate::fail("the prompt is empty; expected some text");
        }
        match &self.checkpoint.chat {
            Some(chat) if !raw => {
                let mut messages: Vec<Message> = system.map(Message::system).into_iter().collect();
                messages.push(Message::user(text));
                Ok(chat.encode(tokenizer, &messages, true)?)
            }
            _ => Ok(tokenizer.encode(text, true)?),
        }
    }
}
