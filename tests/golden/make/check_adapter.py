"""Checks what `--example kl_then_steer` leaves behind: the adapter by peft on the plain model against the merged folder by transformers.

    python check_adapter.py PLAIN_FOLDER ADAPTER_FOLDER MERGED_FOLDER

PLAIN_FOLDER is the `--model` of that run, ADAPTER_FOLDER its `OUT/adapter-kts_keep-0`, MERGED_FOLDER its `--export`. Run with torch 2.9.1,
peft 0.18.1 and transformers 4.57. Writes nothing."""

import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM


def main():
    plain, adapter, merged = sys.argv[1:]
    load = lambda folder: AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32).eval()
    generator = torch.Generator().manual_seed(1)
    base, other = load(plain), load(merged)
    tokens = torch.randint(0, base.config.vocab_size, (3, 12), generator=generator)
    with torch.no_grad():
        before = base(tokens).logits
        adapted = PeftModel.from_pretrained(base, adapter).eval()(tokens).logits
        found = other(tokens).logits
    print(f"adapted against plain: {(adapted - before).abs().max():.3g} (logits reach {adapted.abs().max():.3g})")
    print(f"merged against adapted: {(found - adapted).abs().max():.3g}")
    assert (found - adapted).abs().max() < 1e-4 * adapted.abs().max() < (adapted - before).abs().max()


if __name__ == "__main__":
    main()
