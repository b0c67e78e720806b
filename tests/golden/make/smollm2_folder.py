"""SmolLM2-135M-Instruct from its Q4_1 GGUF to a Hugging Face folder with dequantised f32 weights.

    smollm2_folder.py SmolLM2-135M-Instruct.Q4_1.gguf OUT_FOLDER

The tokenizer is rebuilt from the vocabulary and merges in the file: `smollm` splits digits one by one, then byte level."""

import json
import sys
from pathlib import Path

import torch
from gguf import GGUFReader, MODEL_ARCH, get_tensor_name_map
from gguf.quants import dequantize
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import common  # noqa: F401  (threads, determinism, no gradients)


def strings(field):
    return [bytes(field.parts[i]).decode("utf-8") for i in field.data]


def scalar(reader, key):
    return reader.fields[key].parts[-1][0].item()


def unpermuted(weight, heads):
    """Inverse of the converter's interleaving of each head's two halves."""
    pairs = weight.reshape(heads, weight.shape[0] // heads // 2, 2, *weight.shape[1:])
    return pairs.swapaxes(1, 2).reshape(weight.shape)


def build_tokenizer(reader):
    tokens = strings(reader.fields["tokenizer.ggml.tokens"])
    kinds = [reader.fields["tokenizer.ggml.token_type"].parts[i][0] for i in reader.fields["tokenizer.ggml.token_type"].data]
    merges = [tuple(merge.split(" ")) for merge in strings(reader.fields["tokenizer.ggml.merges"])]
    assert scalar(reader, "tokenizer.ggml.add_bos_token") is False
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t, kind in zip(tokens, kinds) if kind == 3])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    assert tokenizer.get_vocab_size() == len(tokens)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=tokens[scalar(reader, "tokenizer.ggml.bos_token_id")],
        eos_token=tokens[scalar(reader, "tokenizer.ggml.eos_token_id")],
        pad_token=tokens[scalar(reader, "tokenizer.ggml.padding_token_id")],
        chat_template=strings(reader.fields["tokenizer.chat_template"])[0],
        clean_up_tokenization_spaces=False,
    )


def build_model(reader):
    def value(key):
        return scalar(reader, f"llama.{key}")

    config = LlamaConfig(
        vocab_size=value("vocab_size"),
        hidden_size=value("embedding_length"),
        intermediate_size=value("feed_forward_length"),
        num_hidden_layers=value("block_count"),
        num_attention_heads=value("attention.head_count"),
        num_key_value_heads=value("attention.head_count_kv"),
        max_position_embeddings=value("context_length"),
        rms_norm_eps=round(value("attention.layer_norm_rms_epsilon"), 9),
        rope_theta=value("rope.freq_base"),
        bos_token_id=scalar(reader, "tokenizer.ggml.bos_token_id"),
        eos_token_id=scalar(reader, "tokenizer.ggml.eos_token_id"),
        pad_token_id=scalar(reader, "tokenizer.ggml.padding_token_id"),
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config)
    names = get_tensor_name_map(MODEL_ARCH.LLAMA, config.num_hidden_layers)
    stored = {tensor.name: tensor for tensor in reader.tensors}
    for name, parameter in model.named_parameters():
        tensor = stored.pop(names.get_name(name, try_suffixes=(".weight",)))
        weight = dequantize(tensor.data, tensor.tensor_type).reshape(parameter.shape)
        if name.endswith("q_proj.weight"):
            weight = unpermuted(weight, config.num_attention_heads)
        if name.endswith("k_proj.weight"):
            weight = unpermuted(weight, config.num_key_value_heads)
        parameter.data.copy_(torch.from_numpy(weight.copy()))
    assert not stored, stored.keys()
    return model.eval()


def main(gguf, folder):
    reader = GGUFReader(gguf)
    folder = Path(folder)
    model, tokenizer = build_model(reader), build_tokenizer(reader)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    print(json.dumps({"parameters": model.num_parameters(), "folder": str(folder)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
