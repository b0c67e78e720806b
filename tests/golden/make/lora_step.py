"""One KL-then-steer step with LoRA on the tiny Llama, by peft: loss, gradients, and the factors after one AdamW step.

Student = base + LoRA on the query and value projections, steered by the direction after block 1; teacher = base, plain. The
loss is the mean over real tokens of KL(student || teacher); the batch is right-padded. Two starts: `fresh` has B = 0, as at
the beginning of training, so the gradient of A is zero; `moved` has a random B. The `moved` start is also stored as peft
saves an adapter."""

import json
import shutil

import torch
from peft import LoraConfig, get_peft_model

from common import GOLDEN, LENGTHS, direction, generator, load, padded, rows, write_tensors
from steering import Edit, steered

RANK, ALPHA, STRENGTH = 2, 4, 1.0
OPTIMISER = dict(lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)


def student(start, dtype):
    model = load("llama").to(dtype)
    model = get_peft_model(model, LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
    random = generator(11)
    for name, factor in factors(model).items():
        values = torch.randn(factor.shape, generator=random, dtype=torch.float32) * 0.3
        factor.data.copy_(torch.zeros_like(values) if start == "fresh" and name.endswith("B") else values)
    return model


def factors(model):
    """Trainable factors by short name: `block.q_proj.A` is [rank, in], `.B` is [out, rank]."""
    found = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            parts = name.split(".")
            found[f"{parts[parts.index('layers') + 1]}.{parts[-4]}.{parts[-3][-1]}"] = parameter
    return found


def divergence(model, teacher):
    """The loss; the shifted form of specification 6.2 has the same value and gradient."""
    ids, mask, positions = padded(rows(), LENGTHS, "right")
    inputs = dict(input_ids=ids, attention_mask=mask, position_ids=positions)
    edit = Edit("resid_post.1", "add", STRENGTH)
    with steered(model.base_model.model, [edit], {"direction": direction()}, positions, mask):
        log_p = model(**inputs).logits.log_softmax(-1)
    with torch.no_grad():
        log_q = teacher(**inputs).logits.log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).sum(-1)[mask.bool()].mean()


def step(start, dtype):
    torch.set_default_dtype(dtype)
    model, teacher = student(start, dtype), load("llama").to(dtype)
    trained = factors(model)
    before = {name: value.detach().clone() for name, value in trained.items()}
    optimiser = torch.optim.AdamW(trained.values(), **OPTIMISER)
    with torch.enable_grad():
        loss = divergence(model, teacher)
        loss.backward()
    gradients = {name: value.grad.clone() for name, value in trained.items()}
    optimiser.step()
    after = {name: value.detach().clone() for name, value in trained.items()}
    torch.set_default_dtype(torch.float32)
    return loss.item(), before, gradients, after


def save_adapter():
    model = student("moved", torch.float32)
    folder = GOLDEN / "lora" / "adapter"
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    # The path of the machine that made it says nothing.
    config["base_model_name_or_path"] = "llama"
    config["target_modules"] = sorted(config["target_modules"])
    path.write_text(json.dumps(config, indent=1) + "\n")
    ids = rows()
    return model(input_ids=ids).logits


def main():
    out, losses, norms = {}, {}, {}
    for start in ("fresh", "moved"):
        loss, before, gradients, after = step(start, torch.float32)
        exact = step(start, torch.float64)
        worst = max((gradients[name] - exact[2][name]).abs().max().item() for name in gradients)
        norms[start] = torch.cat([g.flatten() for g in gradients.values()]).norm().item()
        losses[start] = loss
        print(start, "loss", loss, "f64", exact[0], "gradient norm", norms[start], "largest f32 error", worst)
        if start == "fresh":
            assert all(not g.any() for name, g in gradients.items() if name.endswith("A"))
        for name in before:
            out[f"{start}.before.{name}"] = before[name]
            out[f"{start}.gradient.{name}"] = gradients[name]
            out[f"{start}.after.{name}"] = after[name]
    out["moved.plain_logits_last"] = save_adapter()[:, -1]
    described = dict(rank=RANK, alpha=ALPHA, strength=STRENGTH, lengths=LENGTHS, optimiser=OPTIMISER)
    write_tensors("lora/step.safetensors", out, loss=losses, gradient_norm=norms, setup=described)


if __name__ == "__main__":
    main()
