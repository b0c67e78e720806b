"""The tiny random models, saved as Hugging Face folders.

Hugging Face starts norms at one and biases at zero, which would hide a norm or a bias that is never applied;
every model but `llama` (whose weights the specification fixes) therefore gets random ones. Some are stored in
half precision, to keep the folder small and to cover those types; all goldens are computed from the stored values."""

import json
import shutil

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from common import BLOCKS, HEADS, KV_HEADS, MLP, MODELS, POSITIONS, VOCABULARY, WIDTH, generator

COMMON = dict(vocab_size=VOCABULARY, initializer_range=0.3, bos_token_id=0, eos_token_id=1)
LLAMA = COMMON | dict(
    hidden_size=WIDTH,
    intermediate_size=MLP,
    num_hidden_layers=BLOCKS,
    num_attention_heads=HEADS,
    num_key_value_heads=KV_HEADS,
    max_position_embeddings=POSITIONS,
)
GPT2 = COMMON | dict(n_positions=POSITIONS, n_embd=WIDTH, n_inner=MLP, n_layer=BLOCKS, n_head=HEADS)
NEOX = COMMON | dict(
    hidden_size=WIDTH,
    intermediate_size=MLP,
    num_hidden_layers=BLOCKS,
    num_attention_heads=HEADS,
    max_position_embeddings=POSITIONS,
)


def perturb(model, seed):
    """Random norm weights around one and random biases around zero."""
    random = generator(seed)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.data.add_(torch.randn(parameter.shape, generator=random) * 0.3)
        elif parameter.dim() == 1:
            parameter.data.add_(torch.randn(parameter.shape, generator=random) * 0.2)


def save(name, model_class, config, seed, dtype, perturbed=True, **options):
    torch.manual_seed(seed)
    model = model_class(config)
    if perturbed:
        perturb(model, 100 + seed)
    folder = MODELS / name
    shutil.rmtree(folder, ignore_errors=True)
    model.to(dtype).save_pretrained(folder, **options)
    (folder / "generation_config.json").unlink(missing_ok=True)
    return folder


def add_pythia_buffers(folder):
    """Published GPT-NeoX checkpoints carry masks and rotary tables that are no weights; a loader has to skip them."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    for block in range(2):
        prefix = f"gpt_neox.layers.{block}.attention."
        mask = torch.tril(torch.ones(POSITIONS, POSITIONS)).to(torch.uint8)
        tensors[prefix + "bias"] = mask.view(1, 1, POSITIONS, POSITIONS)
        tensors[prefix + "masked_bias"] = torch.tensor(-1e4, dtype=torch.float16)
        tensors[prefix + "rotary_emb.inv_freq"] = torch.ones(2, dtype=torch.float16)
    save_file(tensors, path, {"format": "pt"})


def publish_like_gpt2(folder):
    """The published `gpt2` has no `transformer.` prefix and carries its causal masks."""
    path = folder / "model.safetensors"
    tensors = {name.removeprefix("transformer."): tensor for name, tensor in load_file(path).items()}
    for block in range(2):
        mask = torch.tril(torch.ones(POSITIONS, POSITIONS)).to(torch.uint8)
        tensors[f"h.{block}.attn.bias"] = mask.view(1, 1, POSITIONS, POSITIONS)
    save_file(tensors, path, {"format": "pt"})


def main():
    MODELS.mkdir(exist_ok=True)
    # Exactly the model of specification 7.3 (norms one, no biases), so that its spot values hold.
    plain = {key: LLAMA[key] for key in LLAMA if key not in ("bos_token_id", "eos_token_id")}
    save("llama", LlamaForCausalLM, LlamaConfig(**plain), 0, torch.float32, perturbed=False)

    save("qwen2", Qwen2ForCausalLM, Qwen2Config(**LLAMA, tie_word_embeddings=True), 1, torch.float16)
    save("gpt2", GPT2LMHeadModel, GPT2Config(**GPT2), 2, torch.float16)
    parallel = GPTNeoXConfig(**NEOX, rotary_pct=0.25, use_parallel_residual=True)
    save("gpt_neox", GPTNeoXForCausalLM, parallel, 3, torch.float16)

    two = {"num_hidden_layers": 2}
    in_turn = GPTNeoXConfig(**(NEOX | two), rotary_pct=0.5, use_parallel_residual=False, tie_word_embeddings=True)
    add_pythia_buffers(save("gpt_neox_seq", GPTNeoXForCausalLM, in_turn, 4, torch.float16))
    mistral = MistralConfig(**(LLAMA | two), sliding_window=None)
    save("mistral", MistralForCausalLM, mistral, 6, torch.bfloat16)
    publish_like_gpt2(save("gpt2_published", GPT2LMHeadModel, GPT2Config(**(GPT2 | {"n_layer": 2})), 7, torch.float16))

    sharded = LlamaConfig(**LLAMA, tie_word_embeddings=True, rope_theta=500000.0, rms_norm_eps=1e-5)
    save("llama_sharded", LlamaForCausalLM, sharded, 8, torch.bfloat16, max_shard_size="50KB")
    index = json.loads((MODELS / "llama_sharded" / "model.safetensors.index.json").read_text())
    assert len(set(index["weight_map"].values())) == 2


if __name__ == "__main__":
    main()
