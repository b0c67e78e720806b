"""Whole tiny models as GGUF files, named and laid out as llama.cpp's converter does, from the Hugging Face folders.

The weights are those of `models/llama`, `models/qwen2` and `models/gpt2_published`, so the forward goldens hold for both. Llama's
query and key rows are permuted for rotary embedding over neighbouring pairs; those of Qwen2 are not. GPT-2's
linear layers are stored transposed, `[out, in]`. Vectors are F32 as the converter writes them."""

import json

import numpy as np
from gguf import MODEL_ARCH, MODEL_ARCH_NAMES, GGUFWriter, TokenType, get_tensor_name_map
from safetensors.torch import load_file

from common import GOLDEN, HEADS, KV_HEADS, MLP, MODELS, POSITIONS, VOCABULARY, WIDTH


def permute(weight, heads):
    """llama.cpp's order: the first and second half of each head's rows, interleaved."""
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return halves.swapaxes(1, 2).reshape(weight.shape)


def converted(name, value, folder):
    if folder == "llama" and name.endswith("q_proj.weight"):
        return permute(value, HEADS)
    if folder == "llama" and name.endswith("k_proj.weight"):
        return permute(value, KV_HEADS)
    if folder == "gpt2_published" and name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
        return value.T
    return value


def add_tokenizer(writer, pre):
    """The tokenizer of `models/llama`, as the converter stores byte-pair tokenizers."""
    stored = json.loads((MODELS / "llama" / "tokenizer.json").read_text(encoding="utf-8"))
    ids = {token: i for token, i in stored["model"]["vocab"].items()}
    special = {token["id"]: token["content"] for token in stored["added_tokens"]}
    ids |= {content: i for i, content in special.items()}
    tokens = sorted(ids, key=ids.get)
    assert len(tokens) == VOCABULARY
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.CONTROL if i in special else TokenType.NORMAL for i in range(VOCABULARY)])
    writer.add_token_merges(stored["model"]["merges"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(False)
    template = json.loads((MODELS / "llama" / "tokenizer_config.json").read_text(encoding="utf-8"))["chat_template"]
    writer.add_chat_template(template)


def write(folder, architecture, pre):
    path = GOLDEN / "gguf" / f"{folder}.gguf"
    path.parent.mkdir(exist_ok=True)
    config = json.loads((MODELS / folder / "config.json").read_text(encoding="utf-8"))
    blocks = config.get("num_hidden_layers") or config["n_layer"]
    writer = GGUFWriter(path, MODEL_ARCH_NAMES[architecture])
    writer.add_name(f"tiny random {folder}")
    writer.add_context_length(POSITIONS)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(blocks)
    writer.add_feed_forward_length(MLP)
    writer.add_head_count(HEADS)
    if folder == "gpt2_published":
        writer.add_layer_norm_eps(config["layer_norm_epsilon"])
    else:
        writer.add_head_count_kv(KV_HEADS)
        writer.add_rope_freq_base(config["rope_theta"])
        writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    if folder == "llama":
        writer.add_vocab_size(VOCABULARY)
        writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_file_type(0 if folder == "llama" else 1)
    add_tokenizer(writer, pre)
    names = get_tensor_name_map(architecture, blocks)
    written = 0
    for name, tensor in load_file(MODELS / folder / "model.safetensors").items():
        value = converted(name, tensor.numpy(), folder)
        if folder == "gpt2_published":
            if name.endswith(".attn.bias"):
                continue
            name = "transformer." + name
        target = names.get_name(name, try_suffixes=(".weight", ".bias"))
        kind = np.float32 if value.ndim == 1 else value.dtype
        written += 1
        writer.add_tensor(target, np.ascontiguousarray(value.astype(kind)))
    assert written == {"llama": 39, "qwen2": 50, "gpt2_published": 28}[folder]
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    write("llama", MODEL_ARCH.LLAMA, "gpt-2")
    write("qwen2", MODEL_ARCH.QWEN2, "qwen2")
    write("gpt2_published", MODEL_ARCH.GPT2, "gpt-2")


if __name__ == "__main__":
    main()
