"""KL divergence between the steered and the plain model, both ways, mean over tokens.

Specification 7.1, invariant 11: the direction is added after block 1 at all positions. `f32` is the f32 model with f64
log-softmax (its figures at small strengths carry the rounding of f32 logits); `f64` is the whole model in f64, as far as
transformers goes (norms and rotary tables stay f32)."""

import torch

from common import direction, load, rows, write_json
from steering import Edit, logits

STRENGTHS = [0.0, 1e-3, 2e-3, 0.5, 1.0]


def divergence(p, q):
    p, q = p.double().log_softmax(-1), q.double().log_softmax(-1)
    return (p.exp() * (p - q)).sum(-1).mean().item()


def measure(model, tokens):
    found = []
    plain = logits(model, tokens, [], {})
    for k in STRENGTHS:
        steered = logits(model, tokens, [Edit("resid_post.1", "add", k)], {"direction": direction()})
        found.append({"k": k, "steered_plain": divergence(steered, plain), "plain_steered": divergence(plain, steered)})
    return found


def main():
    result = {}
    for name in ("llama", "gpt2"):
        model = load(name)
        result[name] = {"f32": measure(model, rows())}
        torch.set_default_dtype(torch.float64)
        result[name]["f64"] = measure(model.double(), rows())
        torch.set_default_dtype(torch.float32)
    # The figures of the specification.
    exact = result["llama"]["f64"]
    print(result)
    assert abs(exact[3]["steered_plain"] - 2.953718e-2) < 1e-7 and abs(exact[3]["plain_steered"] - 3.047966e-2) < 1e-7
    assert abs(exact[4]["steered_plain"] - 1.098987e-1) < 1e-6 and abs(exact[4]["plain_steered"] - 1.149962e-1) < 1e-6
    assert abs(exact[2]["steered_plain"] / 5.184873e-7 - 1) < 1e-3 and abs(exact[1]["steered_plain"] / 1.296480e-7 - 1) < 1e-3
    write_json("kl.json", result)


if __name__ == "__main__":
    main()
