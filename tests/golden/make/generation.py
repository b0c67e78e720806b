"""Greedy generation of twelve tokens, plain and steered, from three prompts of different lengths.

Each result is computed three ways that must agree: each row alone without a cache, each row alone with one, and all rows
in one left-padded batch with one. The direction is added after block 1. Token rules: `generated` begins with the first
generated token when it is fed in, `from_last_prompt` one earlier."""

import torch

from common import LENGTHS, direction, load, padded, rows, write_json
from steering import Edit, steered

NEW, FOREVER = 12, 1_000_000
STRENGTH = {"llama": 1.0, "qwen2": 1.5, "gpt2": 2.0, "gpt_neox": 2.0}


def window(rule, prompt):
    """Positions [start, end) that a rule selects in a row whose prompt has `prompt` tokens."""
    return {
        "none": None,
        "all": (0, FOREVER),
        "prompt": (0, prompt),
        "generated": (prompt, FOREVER),
        "from_last_prompt": (prompt - 1, FOREVER),
        "generated_2_to_5": (prompt + 2, prompt + 5),
        "positions_0_to_3": (0, 3),
    }[rule]


def hooked(model, rule, prompts, strength, positions, real, **inputs):
    """One pass in which every row has its own window; rows are steered by one edit each."""
    edits = []
    for row, prompt in enumerate(prompts):
        chosen = window(rule, prompt)
        if chosen:
            edits.append((row, Edit("resid_post.1", "add", strength, start=chosen[0], end=chosen[1])))
    managers = []
    for row, edit in edits:
        only = torch.zeros_like(real, dtype=torch.bool)
        only[row] = real[row].bool()
        managers.append(steered(model, [edit], {"direction": direction()}, positions, only))
    for manager in managers:
        manager.__enter__()
    result = model(**inputs)
    for manager in managers:
        manager.__exit__(None, None, None)
    return result


def uncached(model, rule, prompt, strength):
    ids, gap = prompt.tolist(), float("inf")
    for _ in range(NEW):
        tokens = torch.tensor([ids])
        positions = torch.arange(len(ids))[None]
        out = hooked(model, rule, [len(prompt)], strength, positions, torch.ones_like(positions), input_ids=tokens)
        best = out.logits[0, -1].topk(2)
        gap = min(gap, (best.values[0] - best.values[1]).item())
        ids.append(best.indices[0].item())
    return ids[len(prompt) :], gap


def cached(model, rule, tokens, lengths, strength):
    ids, mask, positions = padded(tokens, lengths, "left")
    real, cache, out = mask, None, []
    for _ in range(NEW):
        result = hooked(
            model, rule, lengths, strength, positions, real,
            input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True,
        )  # fmt: skip
        cache = result.past_key_values
        ids = result.logits[:, -1].argmax(-1, keepdim=True)
        out.append(ids)
        positions = positions[:, -1:] + 1
        real = torch.ones_like(ids)
        mask = torch.cat([mask, real], dim=1)
    return torch.cat(out, dim=1).tolist()


def main():
    tokens = rows()
    result = {"prompts": [tokens[row, :length].tolist() for row, length in enumerate(LENGTHS)], "models": {}}
    for name, strength in STRENGTH.items():
        model = load(name)
        found = {}
        for rule in ("none", "all", "prompt", "generated", "from_last_prompt", "generated_2_to_5", "positions_0_to_3"):
            outputs, gaps = [], []
            for row, length in enumerate(LENGTHS):
                prompt = tokens[row, :length]
                ids, gap = uncached(model, rule, prompt, strength)
                assert ids == cached(model, rule, prompt[None], [length], strength)[0]
                outputs.append(ids)
                gaps.append(gap)
            assert outputs == cached(model, rule, tokens, LENGTHS, strength), (name, rule)
            assert min(gaps) > 2e-4, (name, rule, gaps)
            found[rule] = {"ids": outputs, "smallest_gap": min(gaps)}
        different = len({str(case["ids"]) for case in found.values()})
        print(name, "different outcomes:", different, "of", len(found), "smallest gap", min(c["smallest_gap"] for c in found.values()))
        result["models"][name] = {"strength": strength, "rules": found}
    write_json("generation.json", result)


if __name__ == "__main__":
    main()
