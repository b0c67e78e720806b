"""Times transformers on the CPU, for comparison on the same weights and threads; prints one JSON object.

    torch_smollm2.py FOLDER [--threads N] [--runs N] [--attention eager|sdpa] [--prefill 512] [--decode 128] [--contexts 16 512]

FOLDER is a Hugging Face folder of a Llama-architecture model (tests/golden/make/smollm2_folder.py makes SmolLM2's). Everything is f32, batch 1,
eager mode (no compilation), greedy, tokens random from a fixed seed. Seconds are medians of the runs (the
fastest is printed too), after one run that is not counted. Run it on an otherwise idle machine: with other work on the
cores OpenMP's waiting threads make torch many times slower, so the load average at start and end is part of the report.

- `load_to_first_token`: from nothing in memory to the first new token after a prompt of 16 tokens (imports excluded; once, not a median)
- `prefill_last`: one pass over `--prefill` tokens that fills a cache, logits of the last position only
- `prefill_all`: the same with logits of all positions
- `decode`: per context length, `--decode` tokens one by one with the cache, the argmax of each fed to the next"""

import argparse
import json
import os
import platform
import resource
import statistics
import time

import torch
import transformers
from transformers import AutoModelForCausalLM


def load(folder, attention):
    options = {"torch_dtype": torch.float32}
    if attention:
        options["attn_implementation"] = attention
    return AutoModelForCausalLM.from_pretrained(folder, **options).eval()


def timed(action):
    start = time.perf_counter()
    result = action()
    return time.perf_counter() - start, result


def summary(seconds, tokens):
    middle = statistics.median(seconds)
    return {"seconds": middle, "fastest_seconds": min(seconds), "tokens_per_second": tokens / middle}


def repeated(action, runs):
    action()
    return [timed(action)[0] for _ in range(runs)]


def prefill(model, ids, every):
    """The whole pass; `every` decides whether all positions go through the output layer."""
    hidden = model.model(ids, use_cache=True)
    logits = model.lm_head(hidden[0] if every else hidden[0][:, -1:])
    return logits[:, -1], hidden.past_key_values


def decode(model, ids, count):
    """Seconds for `count` single-token passes after the context, prefill not included."""
    logits, cache = prefill(model, ids, every=False)
    start = time.perf_counter()
    for _ in range(count):
        result = model(logits.argmax(-1, keepdim=True), past_key_values=cache, use_cache=True)
        logits, cache = result.logits[:, -1], result.past_key_values
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--attention", choices=["eager", "sdpa"], help="default: the library's choice")
    parser.add_argument("--prefill", type=int, default=512)
    parser.add_argument("--decode", type=int, default=128)
    parser.add_argument("--contexts", type=int, nargs="+", default=[16, 512])
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.set_grad_enabled(False)
    transformers.logging.set_verbosity_error()
    random = torch.Generator().manual_seed(0)

    def first_token():
        model = load(arguments.folder, arguments.attention)
        ids = torch.randint(0, model.config.vocab_size, (1, 16), generator=random)
        prefill(model, ids, every=False)[0].argmax(-1).item()
        return model

    load_average = [os.getloadavg()[0]]
    load_seconds, model = timed(first_token)
    ids = torch.randint(0, model.config.vocab_size, (1, max([arguments.prefill, *arguments.contexts])), generator=random)
    long = ids[:, : arguments.prefill]
    last = repeated(lambda: prefill(model, long, every=False), arguments.runs)
    every = repeated(lambda: prefill(model, long, every=True), arguments.runs)
    decoded = []
    for context in arguments.contexts:
        decode(model, ids[:, :context], 4)
        seconds = [decode(model, ids[:, :context], arguments.decode) for _ in range(arguments.runs)]
        decoded.append({"context": context} | summary(seconds, arguments.decode))

    load_average.append(os.getloadavg()[0])
    weights = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    report = {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "processor": platform.processor() or platform.machine(),
        "threads": arguments.threads,
        "load_average": load_average,
        "runs": arguments.runs,
        "attention": getattr(model.config, "_attn_implementation", "eager"),
        "load_to_first_token": load_seconds,
        "prefill_tokens": arguments.prefill,
        "prefill_last": summary(last, arguments.prefill),
        "prefill_all": summary(every, arguments.prefill),
        "decode_tokens": arguments.decode,
        "decode": decoded,
        "weight_bytes": weights,
        "peak_resident_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
