"""The Python side of compare_tta: Pillow's operations, and a fair NumPy rewrite of the greedy search with Newton's method.

    python tta.py ops                        seconds of each operation on 32 x 32 and 224 x 224, and sums of their bytes, as JSON
    python tta.py recipes                    seconds an image of torchvision's RandAugment with three operations, as JSON
    python tta.py pool B N C FOLDER          writes pool.npy and labels.npy (synth of the specification, seed 0)
    python tta.py search FOLDER STEPS        picks, scores and seconds a step, as JSON

One thread: set OMP_NUM_THREADS=1. Needs NumPy, Pillow for the operations, and torchvision for recipes.
"""
import json
import os
import statistics
import sys
import time
import zlib

import numpy as np


def synth(B, N, C, seed, out=None):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, C, N)
    base = rng.standard_normal((N, C)) * 1.2
    base[np.arange(N), y] += 2.0
    out = np.empty((B, N, C), np.float32) if out is None else out
    for b in range(B):
        q = rng.uniform(0.3, 2.0)
        c = rng.standard_normal(C)
        s = rng.uniform(0, 0.8)
        z = rng.standard_normal((N, C))
        f = rng.uniform(1.0, 2.5)
        logits = ((base + q * z + s * c) * f).astype(np.float32)
        m = logits - logits.max(1, keepdims=True)
        out[b] = m - np.log(np.exp(m).sum(1, keepdims=True))
    return out, y.astype(np.int64)


def newton(Q, y, beta):
    """Calibrated log-likelihood of one mixture: Newton in beta, one logarithm an element and one exponential an element and pass."""
    rows = np.arange(len(y))
    l = np.log(Q)
    own = l[rows, y]
    for _ in range(20):
        e = np.exp(beta * l)
        z = e.sum(1)
        mean = (e * l).sum(1) / z
        h = ((e * l * l).sum(1) / z - mean * mean).mean()
        g = (own - mean).mean()
        value = (beta * own - np.log(z)).mean()
        step = g / h
        if 0.5 * abs(g * step) < 1e-9:
            return value + 0.5 * g * step, beta + step
        beta = beta / 2 if beta + step <= 0 else min(beta + step, 4 * beta)
    return value, beta


def search(folder, steps):
    P = np.exp(np.load(os.path.join(folder, "pool.npy")))
    y = np.load(os.path.join(folder, "labels.npy"))
    S = np.zeros(P[0].shape, np.float64)
    beta, picks, scores, seconds = 1.0, [], [], []
    for t in range(1, steps + 1):
        start = time.perf_counter()
        found = [newton(((S + p) / t).astype(np.float32), y, beta) for p in P]
        best = int(np.argmax([f[0] for f in found]))
        beta = found[best][1]
        S = S + P[best]
        picks.append(best)
        scores.append(float(found[best][0]))
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"picks": picks, "scores": scores, "seconds": seconds, "versions": "NumPy " + np.__version__}))


def noise(side):
    state, found = 12345, bytearray()
    for _ in range(3 * side * side):
        state = (state * 1664525 + 1013904223) % 2**32
        found.append(state >> 24)
    return np.frombuffer(bytes(found), np.uint8).reshape(side, side, 3)


def seconds(work):
    """The median of fifteen times ten milliseconds."""
    once = time.perf_counter()
    work()
    count = max(1, int(0.01 / max(time.perf_counter() - once, 1e-7)))
    times = []
    for _ in range(15):
        start = time.perf_counter()
        for _ in range(count):
            work()
        times.append((time.perf_counter() - start) / count)
    return statistics.median(times)


def recipes():
    """torchvision's v2 pipeline on one image at a time, so that each has draws of its own: uint8 tensors, and Pillow's images."""
    import torch
    import torchvision
    from PIL import Image
    from torchvision.transforms import v2

    torch.set_num_threads(1)
    torch.manual_seed(1)
    augment = v2.RandAugment(num_ops=3, magnitude=9)
    found = {}
    for side in (32, 224):
        array = noise(side)
        tensor, image = torch.from_numpy(array.copy()).permute(2, 0, 1).contiguous(), Image.fromarray(array)

        def many(what):
            for _ in range(200):
                augment(what)

        found[f"v2.RandAugment(3) of a tensor {side}"] = seconds(lambda: many(tensor)) / 200
        found[f"v2.RandAugment(3) of a Pillow image {side}"] = seconds(lambda: many(image)) / 200
    versions = f"torchvision {torchvision.__version__}, torch {torch.__version__}"
    print(json.dumps({"seconds": found, "versions": versions}))


def ops():
    import PIL
    from PIL import Image, ImageEnhance, ImageOps

    found, sums = {}, {}
    for side in (32, 224):
        array = noise(side)
        image = Image.fromarray(array)
        reflected = Image.fromarray(np.pad(array, ((31, 31), (31, 31), (0, 0)), mode="reflect"))
        box = (31, 31, 31 + side, 31 + side)

        def shear(v, i=image):
            return i.transform(i.size, Image.AFFINE, (1, v, 0, 0, 1, 0), Image.BICUBIC)

        cases = {
            "shear_x": lambda: shear(0.3),
            "shear_y": lambda: image.transform(image.size, Image.AFFINE, (1, 0, 0, 0.3, 1, 0), Image.BICUBIC),
            "rotate": lambda: image.rotate(25.0, resample=Image.BICUBIC),
            # The reference's way on CIFAR: the padded image, and a crop.
            "rotate_reflected": lambda: reflected.rotate(15.0, resample=Image.BICUBIC).crop(box),
            "translate_x": lambda: image.transform(image.size, Image.AFFINE, (1, 0, 7.3, 0, 1, 0)),
            "auto_contrast": lambda: ImageOps.autocontrast(image, 5),
            "solarize": lambda: ImageOps.solarize(image, 100),
            "posterize": lambda: ImageOps.posterize(image, 4),
            "contrast": lambda: ImageEnhance.Contrast(image).enhance(1.7),
            "color": lambda: ImageEnhance.Color(image).enhance(1.7),
            "brightness": lambda: ImageEnhance.Brightness(image).enhance(1.7),
            "sharpness": lambda: ImageEnhance.Sharpness(image).enhance(1.7),
            "equalize": lambda: ImageOps.equalize(image),
            "invert": lambda: ImageOps.invert(image),
            "resize": lambda: image.resize((side * 3 // 4, side * 3 // 4), Image.BICUBIC),
        }
        for name, work in cases.items():
            sums[f"{name} {side}"] = zlib.adler32(work().tobytes())
            found[f"{name} {side}"] = seconds(work)
    print(json.dumps({"seconds": found, "sums": sums, "versions": "Pillow " + PIL.__version__}))


if __name__ == "__main__":
    if sys.argv[1] == "ops":
        ops()
    elif sys.argv[1] == "recipes":
        recipes()
    elif sys.argv[1] == "pool":
        B, N, C = map(int, sys.argv[2:5])
        path = os.path.join(sys.argv[5], "pool.npy")
        # Written as it is drawn, since the largest does not fit into memory.
        out = np.lib.format.open_memmap(path + ".part", mode="w+", dtype=np.float32, shape=(B, N, C))
        _, y = synth(B, N, C, 0, out)
        out.flush()
        os.rename(path + ".part", path)
        np.save(os.path.join(sys.argv[5], "labels.npy"), y)
    else:
        search(sys.argv[2], int(sys.argv[3]))
