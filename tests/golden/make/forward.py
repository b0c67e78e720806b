"""What each tiny model computes: logits, every site of the residual stream, log-probabilities, and a left-padded batch."""

import torch

from common import LENGTHS, MODELS, Parts, first, load, padded, rows, write_tensors

FULL = ("llama", "qwen2", "gpt2", "gpt_neox")


def record(model, **inputs):
    """Logits and the sites by name: resid_pre.0, attn_out.l, mlp_out.l, z.l, resid_post.l, final_norm."""
    parts, seen, handles = Parts(model), {}, []

    def output(name):
        return lambda _, __, out: seen.__setitem__(name, first(out).clone())

    def argument(name):
        return lambda _, args: seen.__setitem__(name, args[0].clone())

    handles.append(parts.blocks[0].register_forward_pre_hook(argument("resid_pre.0")))
    for block in range(len(parts.blocks)):
        handles.append(parts.attention[block].register_forward_hook(output(f"attn_out.{block}")))
        handles.append(parts.mlp[block].register_forward_hook(output(f"mlp_out.{block}")))
        handles.append(parts.out[block].register_forward_pre_hook(argument(f"z.{block}")))
        handles.append(parts.blocks[block].register_forward_hook(output(f"resid_post.{block}")))
    handles.append(parts.norm.register_forward_hook(output("final_norm")))
    result = model(**inputs, output_hidden_states=True)
    for handle in handles:
        handle.remove()
    # Hugging Face's own list: entry l is what enters block l, the last one is after the final norm.
    hidden = result.hidden_states
    for block in range(len(parts.blocks) - 1):
        assert torch.equal(hidden[block + 1], seen[f"resid_post.{block}"])
    assert torch.equal(hidden[-1], seen["final_norm"])
    return result.logits, seen


def check_residual_identities(seen, blocks):
    """attn_out and mlp_out are the tensors added to the residual, in sequential and parallel blocks alike."""
    for block in range(blocks):
        before = seen["resid_pre.0"] if block == 0 else seen[f"resid_post.{block - 1}"]
        total = before + seen[f"attn_out.{block}"] + seen[f"mlp_out.{block}"]
        assert torch.allclose(total, seen[f"resid_post.{block}"], atol=1e-5)


def main():
    tokens = rows()
    for folder in sorted(path for path in MODELS.iterdir() if path.is_dir()):
        model = load(folder.name)
        blocks = len(Parts(model).blocks)
        logits, seen = record(model, input_ids=tokens)
        check_residual_identities(seen, blocks)
        log_probabilities = logits.double().log_softmax(-1)[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0]
        out = {"tokens": tokens, "logits": logits, "logprobs": log_probabilities}
        if folder.name in FULL:
            for name, value in seen.items():
                inside = name.startswith(("attn_out", "mlp_out", "z"))
                out[name] = value[:1] if inside else value
            ids, mask, positions = padded(tokens, LENGTHS, "left")
            left, _ = record(model, input_ids=ids, attention_mask=mask, position_ids=positions)
            for row in (1, 2):
                real = left[row, -LENGTHS[row] :]
                assert torch.allclose(real, logits[row, : LENGTHS[row]], atol=2e-4)
                out[f"left_logits.{row}"] = real
        else:
            out[f"resid_post.{blocks - 1}"] = seen[f"resid_post.{blocks - 1}"]
        write_tensors(f"forward/{folder.name}.safetensors", out, lengths=LENGTHS)
        # How far plain f32 is from f64: what a tolerance has to allow (norms and rotary tables stay f32 in transformers).
        torch.set_default_dtype(torch.float64)
        wide = model.double()(input_ids=tokens).logits
        torch.set_default_dtype(torch.float32)
        print(folder.name, "largest |logit|", f"{logits.abs().max():.1f}", "f32 - f64", f"{(logits - wide).abs().max():.1e}")


if __name__ == "__main__":
    main()
