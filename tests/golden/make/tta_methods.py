"""Corruptions that draw nothing, learned weights and predicted losses: tests/golden/tta/methods.json.

Corruptions follow the CIFAR-10-C script (hendrycks/robustness, make_cifar_c.py) with scikit-image, OpenCV, SciPy and Pillow, up to where it truncates to
bytes: values are kept as floats, for three images that are drawn here and, by the same rules, in the Rust test. Learned weights are the minimum that SciPy's
L-BFGS-B finds from several starts; predicted losses are NumPy's solution of the normal equations. Both on logits that are kept in the file.

Needs numpy 2.4.6, scipy 1.17.1, scikit-image 0.26.0, opencv-python-headless, Pillow 13.0.0.
"""
import json
import os

import cv2
import numpy as np
import skimage as sk
from PIL import Image
from scipy.ndimage import zoom as scizoom
from scipy.optimize import minimize
from skimage.filters import gaussian

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tta")
SIDE = 32


def images():
    state, noise = 2020, []
    for _ in range(3 * SIDE * SIDE):
        state = (state * 1664525 + 1013904223) % 2**32
        noise.append(state >> 24)
    yield np.array(noise, dtype=np.uint8).reshape(SIDE, SIDE, 3)
    x, y = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    yield np.stack([x * 8, y * 8, (x + y) * 4], axis=2).astype(np.uint8)
    grey = np.where((x // 4 + y // 4) % 2 == 0, 40, 200)
    yield np.stack([grey] * 3, axis=2).astype(np.uint8)


def disk(radius, alias_blur):
    L = np.arange(-8, 9)
    X, Y = np.meshgrid(L, L)
    aliased = np.array((X**2 + Y**2) <= radius**2, dtype=np.float32)
    aliased /= np.sum(aliased)
    return cv2.GaussianBlur(aliased, ksize=(3, 3), sigmaX=alias_blur)


def clipped_zoom(img, factor):
    h = img.shape[0]
    ch = int(np.ceil(h / factor))
    top = (h - ch) // 2
    img = scizoom(img[top : top + ch, top : top + ch], (factor, factor, 1), order=1)
    trim = (img.shape[0] - h) // 2
    return img[trim : trim + h, trim : trim + h]


def gaussian_blur(x, s):
    return gaussian(x / 255.0, sigma=[0.4, 0.6, 0.7, 0.8, 1][s - 1], channel_axis=-1) * 255


def defocus_blur(x, s):
    radius, blur = [(0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)][s - 1]
    kernel = disk(radius, blur)
    channels = [cv2.filter2D(x[:, :, d] / 255.0, -1, kernel) for d in range(3)]
    return np.clip(np.array(channels).transpose((1, 2, 0)), 0, 1) * 255


def zoom_blur(x, s):
    factors = np.arange(1, [1.06, 1.11, 1.16, 1.21, 1.26][s - 1], 0.01)
    x = (x / 255.0).astype(np.float32)
    out = np.zeros_like(x)
    for factor in factors:
        out += clipped_zoom(x, factor)
    return np.clip((x + out) / (len(factors) + 1), 0, 1) * 255


def contrast(x, s):
    c = [0.75, 0.5, 0.4, 0.3, 0.15][s - 1]
    x = x / 255.0
    means = np.mean(x, axis=(0, 1), keepdims=True)
    return np.clip((x - means) * c + means, 0, 1) * 255


def brightness(x, s):
    c = [0.05, 0.1, 0.15, 0.2, 0.3][s - 1]
    x = sk.color.rgb2hsv(x / 255.0)
    x[:, :, 2] = np.clip(x[:, :, 2] + c, 0, 1)
    return np.clip(sk.color.hsv2rgb(x), 0, 1) * 255


def saturate(x, s):
    c = [(0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)][s - 1]
    x = sk.color.rgb2hsv(x / 255.0)
    x[:, :, 1] = np.clip(x[:, :, 1] * c[0] + c[1], 0, 1)
    return np.clip(sk.color.hsv2rgb(x), 0, 1) * 255


def pixelate(x, s):
    c = [0.95, 0.9, 0.85, 0.75, 0.65][s - 1]
    x = Image.fromarray(x).resize((int(SIDE * c), int(SIDE * c)), Image.BOX)
    return np.asarray(x.resize((SIDE, SIDE), Image.BOX)).astype(float)


def log_softmax(z):
    z = z - z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def learned(l, y, ridge, by_class):
    """l is [B, N, C]."""
    B, N, C = l.shape

    def value(theta):
        t = theta.reshape(B, C) if by_class else np.repeat(theta[:, None], C, 1)
        z = log_softmax(np.einsum("bc,bnc->nc", t, l))
        p = np.exp(z)
        p[np.arange(N), y] -= 1
        g = np.einsum("nc,bnc->bc", p, l) / N
        g = g.ravel() if by_class else g.sum(1)
        gap = theta - 1 / B
        return -z[np.arange(N), y].mean() + 0.5 * ridge * gap @ gap, g + ridge * gap

    size = B * C if by_class else B
    best = None
    for start in (np.full(size, 1 / B), np.zeros(size), np.linspace(0, 1, size)):
        options = {"maxiter": 20000, "ftol": 1e-16, "gtol": 1e-12}
        found = minimize(value, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * size, options=options)
        if best is None or found.fun < best.fun:
            best = found
    gap = best.x - 1 / B
    return {"weights": best.x.tolist(), "log_likelihood": float(-(best.fun - 0.5 * ridge * gap @ gap))}


def losses(l, y, features, ridge):
    """Predicted relative losses, [N, B]."""
    B, N, C = l.shape
    loss = np.minimum(-l[:, np.arange(N), y].T, 10)
    loss -= loss.mean(1, keepdims=True)
    x = (features - features.mean(0)) / features.std(0)
    x = np.concatenate([x, np.ones((N, 1))], 1)
    normal = x.T @ x / N + ridge * np.diag([1.0] * features.shape[1] + [0.0])
    return x @ np.linalg.solve(normal, x.T @ loss / N)


def main():
    corruptions = {}
    for kind in (gaussian_blur, defocus_blur, zoom_blur, contrast, brightness, saturate, pixelate):
        for severity in (1, 3, 5):
            for number, image in enumerate(images()):
                made = kind(image.copy(), severity)
                # Every seventh value is enough, and keeps the file small.
                values = [round(float(v), 3) for v in made.ravel()[::7]]
                corruptions[f"{kind.__name__} {severity} {number}"] = values
    rng = np.random.default_rng(6)
    B, N, C = 5, 80, 4
    y = rng.integers(0, C, N)
    logits = rng.standard_normal((B, N, C)) + rng.standard_normal((N, C)) + np.linspace(0.2, 2, B)[:, None, None] * np.eye(C)[y]
    logits = np.round(logits, 3).astype(np.float32)
    l = log_softmax(logits.astype(np.float64))
    p = np.exp(l[0])
    top = np.sort(p, 1)
    features = np.concatenate([p, -(p * l[0]).sum(1, keepdims=True), (top[:, -1] - top[:, -2])[:, None]], 1)
    golden = {
        "corruptions": corruptions,
        "shape": [B, N, C],
        "logits": [round(float(v), 3) for v in logits.ravel()],
        "labels": y.tolist(),
        "ridge": 1e-3,
        "weights": learned(l, y, 1e-3, False),
        "weights_by_class": learned(l, y, 1e-3, True),
        "loss_ridge": 0.5,
        "losses": losses(l, y, features, 0.5).ravel().tolist(),
    }
    with open(os.path.join(HERE, "methods.json"), "w") as out:
        json.dump(golden, out)


main()
