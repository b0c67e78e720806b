"""One step of KL-then-steer, or of fine-tuning, by torch and peft on the shapes of `benches/kts`; prints one JSON object.

    torch_kts.py --shape ember|smollm2 --mode kts|sft [--rows 8] [--columns 64] [--rank 16] [--runs 5] [--threads 2]

Random weights, f32, eager mode. LoRA (peft) on the seven projections of every block; KL(student || teacher) over all tokens with the
student steered after the second quarter of the blocks; AdamW. `seconds` is the median of the runs after one that is not counted,
`peak_mib` the process's largest resident size."""

import argparse
import json
import resource
import statistics
import time

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

SHAPES = {
    "ember": dict(vocab_size=1536, hidden_size=128, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2, intermediate_size=320, max_position_embeddings=256),
    "smollm2": dict(vocab_size=49152, hidden_size=576, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3, intermediate_size=1536, max_position_embeddings=2048),
}
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shape", choices=SHAPES, required=True)
    parser.add_argument("--mode", choices=["kts", "sft"], required=True)
    for name, value in dict(rows=8, columns=64, rank=16, runs=5, threads=2).items():
        parser.add_argument(f"--{name}", type=int, default=value)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(1)
    config = LlamaConfig(**SHAPES[a.shape], tie_word_embeddings=True)
    student = get_peft_model(LlamaForCausalLM(config).float(), LoraConfig(r=a.rank, lora_alpha=2 * a.rank, target_modules=TARGETS))
    layers, ids = config.num_hidden_layers, torch.randint(0, config.vocab_size, (a.rows, a.columns))
    vector = torch.randn(config.hidden_size) * 0.03
    steer = [False]

    def hook(_module, _inputs, output):
        if not steer[0]:
            return output
        return (output[0] + vector,) + output[1:] if isinstance(output, tuple) else output + vector

    for block in student.base_model.model.model.layers[layers // 4 : layers // 2]:
        block.register_forward_hook(hook)
    optimiser = torch.optim.AdamW([p for p in student.parameters() if p.requires_grad], lr=1e-3, weight_decay=0.0)

    def step():
        if a.mode == "kts":
            with torch.no_grad(), student.disable_adapter():
                target = student(ids, use_cache=False).logits.log_softmax(-1)
            steer[0] = True
            own = student(ids, use_cache=False).logits.log_softmax(-1)
            steer[0] = False
            loss = (own.exp() * (own - target)).sum(-1).mean()
        else:
            logits = student(ids, use_cache=False).logits[:, :-1]
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        return loss.item()

    step()
    seconds = []
    for _ in range(a.runs):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    print(json.dumps({
        "shape": a.shape, "mode": a.mode, "rows": a.rows, "columns": a.columns, "rank": a.rank, "threads": a.threads,
        "torch": torch.__version__, "seconds": statistics.median(seconds), "fastest": min(seconds),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }))


if __name__ == "__main__":
    main()
