"""Metrics of the synthetic sets as other packages compute them: `../uncertainty_metrics.json`.

The sets are made by the generator of `synthetic`, which is exact in any language, so no logits are stored. Everything is f64.
Run with the packages of `requirements_uncertainty.txt`:

    python3.11 -m venv venv && venv/bin/pip install -r tests/golden/make/requirements_uncertainty.txt
    venv/bin/python tests/golden/make/uncertainty_metrics.py
"""

import json
import math
import pathlib
from importlib.metadata import version

import numpy as np


def synthetic(rows, classes, seed, scale):
    state = seed
    mask = (1 << 64) - 1

    def uniform():
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) & mask
        return ((state >> 11) + 0.5) / 2.0**53

    logits, labels = [], []
    for _ in range(rows):
        row = []
        for _ in range(classes):
            a, b = uniform(), uniform()
            row.append(math.sqrt(-2.0 * math.log(a)) * math.cos(2.0 * math.pi * b))
        u = uniform()
        e = np.exp(np.array(row) - max(row))
        below = np.cumsum(e / e.sum())
        hit = np.nonzero(below >= u)[0]
        labels.append(int(hit[0]) if len(hit) else classes - 1)
        logits.append(row)
    return np.array(logits) * scale, np.array(labels)


def softmax(logits):
    e = np.exp(logits - logits.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def scikit_learn(p, y, confidence, right):
    from sklearn import metrics

    wrong = 1 - right
    entropy = -(p * np.log(p)).sum(1)
    classes = list(range(p.shape[1]))
    return {
        "log_loss": metrics.log_loss(y, p, labels=classes),
        "brier": metrics.brier_score_loss(y, p, labels=classes, scale_by_half=False),
        "brier_half": metrics.brier_score_loss(y, p, labels=classes, scale_by_half=True),
        "top_2": metrics.top_k_accuracy_score(y, p, k=2, labels=classes),
        "auroc_confidence": metrics.roc_auc_score(wrong, -confidence),
        "ap_confidence": metrics.average_precision_score(wrong, -confidence),
        "auroc_entropy": metrics.roc_auc_score(wrong, entropy),
        "ap_entropy": metrics.average_precision_score(wrong, entropy),
        # Scores with many ties.
        "auroc_rounded": metrics.roc_auc_score(wrong, -np.round(confidence, 1)),
        "ap_rounded": metrics.average_precision_score(wrong, -np.round(confidence, 1)),
    }


def torch_metrics(p, y):
    import torch
    from torchmetrics.functional.classification import multiclass_calibration_error

    p, y = torch.from_numpy(p), torch.from_numpy(y)
    return {
        norm: float(multiclass_calibration_error(p, y, num_classes=p.shape[1], n_bins=15, norm=norm))
        for norm in ("l1", "l2", "max")
    }


def net_cal(p, y):
    from netcal.metrics import ECE, MCE

    return {
        "ece_15": float(ECE(15).measure(p, y)),
        "ece_10": float(ECE(10).measure(p, y)),
        "mce_15": float(MCE(15).measure(p, y)),
    }


def rel_plot(confidence, right):
    import relplot

    value, width = relplot.smECE(confidence, right.astype(float), return_width=True)
    fixed = {str(sigma): float(relplot.smECE_sigma(confidence, right.astype(float), sigma)) for sigma in (0.01, 0.05)}
    return {"smooth_ece": float(value), "width": float(width), "fixed": fixed}


def verified_calibration(confidence, right):
    from calibration import utils

    data = list(zip(confidence, right))
    widths = utils.bin(data, utils.get_equal_prob_bins(confidence, num_bins=15))
    return {
        "debiased_squared": float(utils.unbiased_square_ce(widths)),
        "plugin_l1": float(utils.plugin_ce(widths, power=1)),
        "plugin_l2": float(utils.plugin_ce(widths, power=2)),
    }


def mapie(p, y):
    """Thresholds and sets: the first half calibrates, the second is predicted."""
    from mapie.conformity_scores.sets.aps import APSConformityScore
    from mapie.conformity_scores.sets.raps import RAPSConformityScore
    from mapie.utils import _compute_classification_quantile
    from mapie.classification import SplitConformalClassifier
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Given(ClassifierMixin, BaseEstimator):
        """A classifier whose inputs are its probabilities."""

        def fit(self, x, y):
            self.classes_ = np.arange(x.shape[1])
            return self

        def predict_proba(self, x):
            return x

        def predict(self, x):
            return x.argmax(1)

    half = len(y) // 2
    classes = np.arange(p.shape[1])
    given = Given().fit(p, y)
    out = {}
    for name in ("lac", "aps"):
        model = SplitConformalClassifier(
            given, confidence_level=[0.9, 0.6], conformity_score=name, prefit=True, random_state=3
        )
        model.conformalize(p[:half], y[:half])
        _, sets = model.predict_set(p[half:], conformity_score_params={"include_last_label": True})
        score = model._mapie_classifier.conformity_score_function_
        out[name] = {
            "thresholds": [float(q) for q in np.ravel(score.quantiles_)],
            "sizes": [" ".join(map(str, one)) for one in sets.sum(1).T],
            "coverage": [float(sets[np.arange(len(y) - half), y[half:], a].mean()) for a in range(2)],
        }
    # The draws that the package makes from its seed.
    draws = np.random.RandomState(3).uniform(size=half)
    cumulated, rank = APSConformityScore.get_true_label_cumsum_proba(y[:half], p[:half], classes)
    scores = cumulated - draws.reshape(-1, 1) * p[:half][np.arange(half), y[:half]].reshape(-1, 1)
    alpha = np.array([0.1, 0.4])
    out["draws"] = " ".join(map(repr, draws.tolist()))
    same = np.ravel(_compute_classification_quantile(scores, alpha))
    assert np.array_equal(same, out["aps"]["thresholds"]), (same, out["aps"]["thresholds"])
    regular = RAPSConformityScore._regularize_conformity_score(np.array([2, 2]), 0.05, scores.copy(), rank.reshape(-1, 1)[:, 0])
    out["raps_threshold"] = [float(q) for q in np.ravel(_compute_classification_quantile(regular, alpha))]
    return out


def docstring():
    """The example in torchmetrics' documentation of BinaryCalibrationError."""
    import torch
    from torchmetrics.functional.classification import binary_calibration_error

    p, y = torch.tensor([0.25, 0.25, 0.55, 0.75, 0.75]), torch.tensor([0, 0, 1, 1, 1])
    return {norm: float(binary_calibration_error(p, y, n_bins=2, norm=norm)) for norm in ("l1", "l2", "max")}


def main():
    names = ("mapie", "netcal", "numpy", "relplot", "scikit-learn", "scipy", "torch", "torchmetrics", "uncertainty-calibration")
    out = {"versions": {name: version(name) for name in names}, "docstring": docstring()}
    for name, arguments in {"set_1": (200, 5, 1, 2.0), "set_2": (1000, 10, 7, 1.5)}.items():
        logits, y = synthetic(*arguments)
        p = softmax(logits)
        confidence = p.max(1)
        right = (p.argmax(1) == y).astype(int)
        out[name] = {
            "scikit_learn": scikit_learn(p, y, confidence, right),
            "torchmetrics": torch_metrics(p, y),
            "netcal": net_cal(p, y),
            "relplot": rel_plot(confidence, right),
            "verified_calibration": verified_calibration(confidence, right),
            "mapie": mapie(p, y),
        }
    path = pathlib.Path(__file__).parent.parent / "uncertainty_metrics.json"
    path.write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
