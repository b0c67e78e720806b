"""Times the package steering-vectors on the CPU and gives its vectors, for comparison on the same weights, texts and threads.

    package_steering_vectors.py FOLDER TASK.json VECTORS.safetensors

FOLDER is a Hugging Face folder. TASK holds `toward`, `away` (texts), `prompt`, `layers` (steered), `strength`, `new_tokens`, `batch`, `threads`,
`runs`. Writes the vectors of its three aggregators for every layer as `METHOD.LAYER`, and prints one JSON object:

- `texts_to_vector`: seconds of `train_steering_vector` with the mean aggregator, all layers, tokenising included (median of `runs` after one that is not counted)
- `steered`, `plain`: seconds of greedy `generate` with and without the vector
- `tokens`, `ids`: what was generated under steering, and the token ids of the first text, so that both sides can be checked to do the same"""

import json
import os
import statistics
import sys
import time

import torch
import transformers
from safetensors.torch import save_file
from steering_vectors import train_steering_vector
from steering_vectors.aggregators import logistic_aggregator, mean_aggregator, pca_aggregator
from steering_vectors.train_steering_vector import aggregate_activations, extract_activations
from transformers import AutoModelForCausalLM, AutoTokenizer


def median_seconds(action, runs):
    action()
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def main():
    folder, task, out = sys.argv[1:]
    task = json.load(open(task))
    torch.set_num_threads(task["threads"])
    torch.set_grad_enabled(False)
    transformers.logging.set_verbosity_error()
    model = AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    samples = list(zip(task["toward"], task["away"]))

    def extract():
        return train_steering_vector(model, tokenizer, samples, batch_size=task["batch"], aggregator=mean_aggregator())

    seconds = {"texts_to_vector": median_seconds(extract, task["runs"])}
    mean = extract()
    activations = extract_activations(model, tokenizer, samples, batch_size=task["batch"])
    aggregators = {"mean": mean_aggregator(), "pca_pair_centred": pca_aggregator(), "logistic_pair_centred": logistic_aggregator(dict(tol=1e-10, max_iter=100_000))}
    vectors = {
        f"{name}.{layer}": vector.float().contiguous()
        for name, aggregator in aggregators.items()
        for layer, vector in aggregate_activations(*activations, aggregator).items()
    }
    save_file(vectors, out)

    mean.layer_activations = {layer: mean.layer_activations[layer] for layer in task["layers"]}
    encoded = tokenizer(task["prompt"], return_tensors="pt")
    ids = {name: encoded[name] for name in ("input_ids", "attention_mask")}
    count = task["new_tokens"]
    # As many tokens as asked for, whatever they are.
    model.generation_config.eos_token_id = None

    def generate():
        return model.generate(**ids, max_new_tokens=count, do_sample=False, pad_token_id=tokenizer.eos_token_id)

    seconds["plain"] = median_seconds(generate, task["runs"])
    with mean.apply(model, multiplier=task["strength"]):
        seconds["steered"] = median_seconds(generate, task["runs"])
        tokens = generate()[0, ids["input_ids"].shape[1] :].tolist()
    print(
        json.dumps(
            seconds
            | {
                "tokens": tokens,
                "ids": tokenizer(task["toward"][0])["input_ids"],
                "torch": torch.__version__,
                "transformers": transformers.__version__,
                "load_average": os.getloadavg()[0],
            }
        )
    )


if __name__ == "__main__":
    main()
