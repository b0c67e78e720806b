"""torchmetrics' and NumPy's side of compare_metrics: FOLDER CLASSES RUNS THREADS, prints one JSON object.

The NumPy functions are the definitions as they are usually written, and as the reference of Ashukha et al. (2020) writes them: masks
over bins, a loop over classes.
"""

import json
import statistics
import sys
import time

import numpy as np
import torch
import torchmetrics
from torchmetrics.functional.classification import (
    binary_auroc,
    binary_average_precision,
    multiclass_accuracy,
    multiclass_calibration_error,
)

folder, classes, runs, threads = sys.argv[1], *map(int, sys.argv[2:])
torch.set_num_threads(threads)
probs = np.fromfile(f"{folder}/probs.f32", dtype=np.float32).reshape(-1, classes)
labels = np.fromfile(f"{folder}/labels.i64", dtype=np.int64)
rows = len(labels)
p, y = torch.from_numpy(probs), torch.from_numpy(labels)


def with_torchmetrics():
    out = {
        "accuracy": multiclass_accuracy(p, y, classes, average="micro"),
        "ll": -torch.nn.functional.nll_loss(p.log(), y),
        "brier": ((p - torch.nn.functional.one_hot(y, classes)) ** 2).sum(1).mean(),
    }
    for name, norm in (("ece", "l1"), ("rmsce", "l2"), ("mce", "max")):
        out[name] = multiclass_calibration_error(p, y, classes, n_bins=15, norm=norm)
    confidence, guess = p.max(1)
    wrong = (guess != y).long()
    out["auroc"] = binary_auroc(1 - confidence, wrong)
    out["ap"] = binary_average_precision(1 - confidence, wrong)
    return {name: float(value) for name, value in out.items()}


def gaps(score, hit):
    total = 0.0
    edges = np.linspace(0, 1, 16)
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (score > low) & (score <= high)
        if inside.any():
            total += abs(score[inside].mean(dtype=np.float64) - hit[inside].mean()) * inside.sum()
    return total


def adaptive(threshold):
    total = 0.0
    for c in range(classes):
        order = np.argsort(probs[:, c], kind="stable")
        score, hit = probs[order, c].astype(np.float64), (labels == c)[order]
        kept = score > threshold
        score, hit = score[kept], hit[kept]
        size = len(score) // 15
        if size == 0:
            return None
        for b in range(15):
            part = slice(b * size, (b + 1) * size if b < 14 else None)
            total += abs(score[part].mean() - hit[part].mean()) * len(score[part])
    return total / rows / classes


def with_numpy():
    confidence = probs.max(1)
    right = probs.argmax(1) == labels
    one_hot = np.eye(classes)[labels]
    order = np.argsort(-confidence, kind="stable")
    return {
        "accuracy": float(right.mean()),
        "ll": float(np.log(probs[np.arange(rows), labels].astype(np.float64)).mean()),
        "brier": float(((probs - one_hot) ** 2).sum(1).mean()),
        "ece": float(gaps(confidence, right) / rows),
        "sce": float(sum(gaps(probs[:, c], labels == c) for c in range(classes)) / rows / classes),
        "tace": adaptive(1e-3),
        "ace": adaptive(0.0),
        "aurc": float((np.cumsum(~right[order]) / np.arange(1, rows + 1)).mean()),
    }


def timed(work):
    result, seconds = work(), []
    # A slow one is run less often.
    start = time.perf_counter()
    work()
    repeats = runs if time.perf_counter() - start < 5 else 1
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return result, statistics.median(seconds)


torch_values, torch_seconds = timed(with_torchmetrics)
numpy_values, numpy_seconds = timed(with_numpy)
print(
    json.dumps(
        {
            "versions": f"torch {torch.__version__}, torchmetrics {torchmetrics.__version__}, numpy {np.__version__}",
            "torchmetrics": torch_values,
            "torchmetrics_seconds": torch_seconds,
            "numpy": numpy_values,
            "numpy_seconds": numpy_seconds,
        }
    )
)
