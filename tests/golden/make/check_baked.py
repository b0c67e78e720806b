"""Checks a baked model: transformers without hooks on the baked folder against transformers with hooks on the plain one.

    python check_baked.py PLAIN_FOLDER BAKED_FOLDER PLAN.json STRENGTH

PLAN.json is what `--example steer --save-plan` wrote; its entries must add at resid_post. Needs a transformers whose Llama has
`mlp_bias` (4.40 or newer; run with 4.57.6). Writes nothing."""

import json
import sys

import torch
from transformers import AutoModelForCausalLM


def main():
    plain, baked, plan, strength = sys.argv[1:]
    models = [AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32).eval() for folder in (plain, baked)]
    with open(plan) as file:
        entries = json.load(file)["entries"]
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(0, models[0].config.vocab_size, (3, 12), generator=generator)
    with torch.no_grad():
        unsteered, found = (model(tokens).logits for model in models)
        for entry in entries:
            assert entry["operator"] == "add" and entry["tokens"] == "all", entry
            vector = entry["vector"]["inline"]
            assert vector["site"] == "resid_post", vector["site"]
            for layer, direction in vector["directions"].items():
                shift = float(strength) * entry["strength"] * torch.tensor(direction)

                def hook(_, __, out, shift=shift):
                    return (out[0] + shift,) + out[1:] if isinstance(out, tuple) else out + shift

                models[0].model.layers[int(layer)].register_forward_hook(hook)
        steered = models[0](tokens).logits
    print(f"steered against plain: {(steered - unsteered).abs().max():.3g}")
    print(f"baked against steered: {(found - steered).abs().max():.3g} (logits reach {steered.abs().max():.3g})")
    assert (found - steered).abs().max() < 1e-4 < (steered - unsteered).abs().max()


if __name__ == "__main__":
    main()
