"""Logits under steering at two positions of each row, checked against left- and right-padded batches."""

import torch

from common import LENGTHS, WIDTH, direction, generator, load, padded, rows, write_tensors
from steering import Edit, logits, steered

POSITIONS = [4, 9]
VECTORS = {"direction": direction(), "second": torch.randn(WIDTH, generator=generator(8), dtype=torch.float32)}


def at_block_one(operator, strength, **options):
    return [Edit("resid_post.1", operator, strength, **options)]


def cases():
    found = {}
    for k in (0.5, 1.0):
        found[f"add_k{k}"] = at_block_one("add", k)
        found[f"add_from4_k{k}"] = at_block_one("add", k, start=4)
        found[f"add_two_blocks_k{k}"] = at_block_one("add", k) + [Edit("resid_post.2", "add", k, vector="second")]
        found[f"project_out_s{k}"] = at_block_one("project_out", k)
        found[f"project_out_then_add_k{k}"] = at_block_one("project_out_then_add", k)
        found[f"norm_preserving_add_k{k}"] = at_block_one("norm_preserving_add", k)
    return found | site_cases()


def site_cases():
    return {f"add_at_{site}": [Edit(site, "add", 1.0)] for site in ("resid_pre.0", "attn_out.1", "mlp_out.1", "final_norm")}


def check_padding(model, tokens, edits, expected):
    for side in ("left", "right"):
        ids, mask, positions = padded(tokens, LENGTHS, side)
        with steered(model, edits, VECTORS, positions, mask):
            found = model(input_ids=ids, attention_mask=mask, position_ids=positions).logits
        for row, length in enumerate(LENGTHS):
            assert torch.allclose(found[row][mask[row].bool()], expected[row, :length], atol=2e-4), (side, row)


def main():
    tokens = rows()
    for name in ("llama", "gpt2", "qwen2", "gpt_neox"):
        model = load(name)
        plain = model(tokens).logits
        chosen = cases() if name in ("llama", "gpt2") else {"add_k1.0": at_block_one("add", 1.0)} | site_cases()
        out = {"tokens": tokens, **VECTORS}
        for case, edits in chosen.items():
            values = logits(model, tokens, edits, VECTORS)
            check_padding(model, tokens, edits, values)
            assert (values - plain)[:, 4:].abs().max() > 1e-2
            if "from4" in case:
                assert torch.equal(values[:, :4], plain[:, :4])
            out[f"case.{case}"] = values[:, POSITIONS]
        described = {case: [edit.described() for edit in edits] for case, edits in chosen.items()}
        write_tensors(f"steered/{name}.safetensors", out, positions=POSITIONS, cases=described)


if __name__ == "__main__":
    main()
