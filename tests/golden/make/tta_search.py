"""A pool of predictions and what a slow search finds in it: tests/golden/tta/synth.npy, synth_labels.npy, search.json.

The generator is synth(B, N, C, seed) of the specification; NumPy's random streams are not written anew in Rust, so the array is
kept. The search maximises over beta with SciPy's bounded scalar search in float64, candidate by candidate: slow, and plain.
"""
import json
import os
import sys

import numpy as np
import scipy
from scipy.optimize import minimize_scalar

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tta")


def synth(B, N, C, seed):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, C, N)
    base = rng.standard_normal((N, C)) * 1.2
    base[np.arange(N), y] += 2.0
    members = []
    for _ in range(B):
        q = rng.uniform(0.3, 2.0)
        c = rng.standard_normal(C)
        s = rng.uniform(0, 0.8)
        z = rng.standard_normal((N, C))
        f = rng.uniform(1.0, 2.5)
        logits = ((base + q * z + s * c) * f).astype(np.float32)
        m = logits - logits.max(1, keepdims=True)
        members.append(m - np.log(np.exp(m).sum(1, keepdims=True)))
    return np.stack(members).astype(np.float32), y.astype(np.int64)


def tempered(Q, y, beta):
    l = beta * np.log(Q)
    l -= l.max(1, keepdims=True)
    q = np.exp(l[np.arange(len(y)), y]) / np.exp(l).sum(1)
    return np.mean(np.log(1e-12 + q))


def cll(Q, y):
    found = minimize_scalar(lambda b: -tempered(Q, y, np.exp(b)), bounds=(np.log(1e-2), np.log(1e2)), method="bounded", options={"xatol": 1e-10})
    return -found.fun, np.exp(-found.x)


def score(Q, y, criterion):
    rows = np.arange(len(y))
    if criterion == "cll":
        return cll(Q, y)
    if criterion == "ll":
        return tempered(Q, y, 1.0), 1.0
    if criterion == "acc":
        return np.mean(Q.argmax(1) == y), 1.0
    one = np.zeros_like(Q)
    one[rows, y] = 1
    return -np.mean(((Q - one) ** 2).sum(1)), 1.0


def search(P, y, steps, criterion, replacement=True):
    S, picks, out = np.zeros_like(P[0]), [], []
    for t in range(1, steps + 1):
        scores = [(-np.inf, 1.0) if not replacement and b in picks else score((S + P[b]) / t, y, criterion) for b in range(len(P))]
        values = np.array([s[0] for s in scores])
        best = int(values.argmax())
        second = np.delete(values, best).max() if len(P) > 1 else -np.inf
        picks.append(best)
        S = S + P[best]
        out.append({"index": best, "score": values[best], "temperature": scores[best][1], "gap": values[best] - second if np.isfinite(second) else None})
    return out


def main():
    logs, y = synth(40, 1000, 10, 0)
    np.save(os.path.join(HERE, "synth.npy"), logs)
    np.save(os.path.join(HERE, "synth_labels.npy"), y)
    P = np.exp(logs.astype(np.float64))
    P /= P.sum(2, keepdims=True)
    found = {
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "fingerprint": [list(map(int, y[:10])), list(map(float, logs[0, 0, :3])), list(map(float, logs[39, 999, :3]))],
        "cll": search(P, y, 30, "cll"),
        "cll_without_replacement": search(P, y, 12, "cll", replacement=False),
        "ll": search(P, y, 12, "ll"),
        "acc": search(P, y, 8, "acc"),
        "brier": search(P, y, 12, "brier"),
    }
    with open(os.path.join(HERE, "search.json"), "w") as f:
        json.dump(found, f, indent=1)
        f.write("\n")
    print([p["index"] for p in found["cll"]])
    print([round(p["score"], 5) for p in found["cll"]][:12], found["cll"][-1]["score"])


if __name__ == "__main__":
    main()
