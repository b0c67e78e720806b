//! What every weight file looks like to the model: named tensors that can be read one at a time.
//!
//! A [`TensorSource`] is implemented by each file format (safetensors folder, GGUF, llama2.c). The model asks for exactly the
//! tensors its configuration implies, checks each shape before reading, and refuses names that nobody asked for. Reading one
//! tensor at a time keeps the peak near the size of the model.

use crate::LmError;

/// Names of a model's tensors as one family of files writes them.
///
/// Only names differ between these; what the tensors mean is settled by [`crate::ModelConfig`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// Hugging Face `LlamaForCausalLM`, `MistralForCausalLM`, `Qwen2ForCausalLM`: `model.layers.0.self_attn.q_proj.weight`.
    HfLlama,
    /// Hugging Face `GPT2LMHeadModel`: `h.0.attn.c_attn.weight` (with or without `transformer.`), matrices stored `[in, out]`.
    HfGpt2,
    /// Hugging Face `GPTNeoXForCausalLM`: `gpt_neox.layers.0.attention.query_key_value.weight`, q/k/v interleaved by head.
    HfGptNeoX,
    /// GGUF: `blk.0.attn_q.weight`, `token_embd.weight`. The fused forms (`attn_qkv`) of GPT-2 and GPT-NeoX are `[q; k; v]`.
    Gguf,
}

/// Named tensors of a weight file, read one at a time as `f32`.
pub trait TensorSource {
    /// All tensor names in file order.
    fn names(&self) -> Vec<String>;

    /// The shape of a tensor, outermost dimension first (as in Python), or `None` if the file has no such tensor.
    fn shape(&self, name: &str) -> Option<Vec<usize>>;

    /// The tensor's values in row-major order, converted (or dequantised) to `f32`.
    ///
    /// # Errors
    /// A missing tensor, a type that cannot be converted, or a file that ends early or lies about its sizes.
    fn read(&self, name: &str) -> Result<Vec<f32>, LmError>;

    /// A few stored bytes that tell this tensor from another of the same name and shape, for [`crate::Checkpoint::fingerprint`].
    ///
    /// The default takes the first and last 64 values; a file takes bytes from both ends without converting anything.
    ///
    /// # Errors
    /// As [`TensorSource::read`].
    fn sample(&self, name: &str) -> Result<Vec<u8>, LmError> {
        let values = self.read(name)?;
        let tail = values.len().saturating_sub(64);
        Ok(values
            .iter()
            .take(64)
            .chain(&values[tail..])
            .flat_map(|value| value.to_le_bytes())
            .collect())
    }

    /// The file (or folder) for error messages.
    fn place(&self) -> String;
}
