"""Steering directions per block from six pairs of token rows, by every aggregator of specification 3.2.

Activations are the output of each block at the last token, in f32; the directions are computed from them in f64.
A principal component is oriented so that most pairs have the larger projection on the first ("toward") side; on a tie
the sign of its product with the mean difference decides."""

import numpy as np
import torch
from scipy.stats import trim_mean
from sklearn.covariance import ledoit_wolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from steering_vectors.aggregators import logistic_aggregator, mean_aggregator, pca_aggregator

from common import Parts, VOCABULARY, first, generator, load, write_tensors

PAIRS = 6
EXACT = dict(C=1.0, tol=1e-12, max_iter=100_000)


def block_outputs(model, tokens):
    """[block, row, width] at the last token."""
    seen, handles = [], []
    for block in Parts(model).blocks:
        handles.append(block.register_forward_hook(lambda _, __, out: seen.append(first(out)[:, -1].clone())))
    model(tokens)
    for handle in handles:
        handle.remove()
    return torch.stack(seen)


def oriented(vector, differences):
    projections = differences @ vector
    votes = np.sign(projections).sum()
    sign = np.sign(votes) if votes != 0 else np.sign(projections.mean())
    return vector if sign >= 0 else -vector


def principal(rows, differences):
    """First principal component of the rows as they are (centre them before), and its share of the squares."""
    _, values, components = np.linalg.svd(rows, full_matrices=False)
    return oriented(components[0], differences), values[0] ** 2 / (values**2).sum()


def aggregated(toward, away, flips):
    """Every direction of one block, and explained variances, from f64 arrays [pair, width]."""
    differences = toward - away
    middle = (toward + away) / 2
    flipped = differences * flips[:, None]
    found, share = {"mean": differences.mean(0)}, {}
    for name, rows in {
        "pca_difference": differences - differences.mean(0),
        "pca_pair_centred": np.concatenate([toward - middle, away - middle]),
        "pca_repe": flipped - flipped.mean(0),
    }.items():
        found[name], share[name] = principal(rows, differences)
    labels = np.array([1] * PAIRS + [0] * PAIRS)
    points = np.concatenate([toward, away])
    fitted = LogisticRegression(**EXACT).fit(points, labels)
    found["logistic_weights"], found["logistic_intercept"] = fitted.coef_[0], fitted.intercept_
    found["logistic_decisions"] = fitted.decision_function(points)
    found["logistic"] = fitted.coef_[0] / np.linalg.norm(fitted.coef_)
    # The optimum itself: gradient of  |w|^2 / 2 + sum of log-losses.
    error = 1 / (1 + np.exp(-found["logistic_decisions"])) - labels
    assert np.abs(found["logistic_weights"] + error @ points).max() < 1e-4 and abs(error.sum()) < 1e-4
    centred = LogisticRegression(fit_intercept=False, **EXACT).fit(np.concatenate([toward - middle, away - middle]), labels)
    found["logistic_pair_centred"] = centred.coef_[0] / np.linalg.norm(centred.coef_)
    found["trimmed_mean"], found["median"] = trim_mean(differences, 0.2), np.median(differences, 0)
    # Discriminant analysis with a fixed share, and with Ledoit and Wolf's share of the covariance within the classes.
    fixed = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3).fit(points, labels)
    found["whitened_fixed"] = fixed.coef_[0] / np.linalg.norm(fixed.coef_)
    within = np.concatenate([toward - toward.mean(0), away - away.mean(0)])
    covariance, share["ledoit_wolf"] = ledoit_wolf(within, assume_centered=True)
    whitened = np.linalg.solve(covariance, found["mean"])
    found["whitened"] = whitened / np.linalg.norm(whitened)
    return found, share


def check_against_steering_vectors(toward, away, found):
    """The published package computes the same mean, pair-centred component and pair-centred logistic direction."""
    for name, aggregator in {
        "mean": mean_aggregator(),
        "pca_pair_centred": pca_aggregator(),
        "logistic_pair_centred": logistic_aggregator(EXACT),
    }.items():
        theirs = aggregator(toward, away).double().numpy()
        assert np.abs(theirs - found[name]).max() < 1e-3 * np.abs(found[name]).max(), name


def cosine(a, b):
    return abs(a @ b) / np.linalg.norm(a) / np.linalg.norm(b)


def main():
    random = generator(1)
    tokens = [torch.randint(0, VOCABULARY, (PAIRS, 8), generator=random) for _ in range(2)]
    flips = torch.tensor([1.0, -1.0, -1.0, 1.0, -1.0, 1.0], dtype=torch.float64)
    for name in ("llama", "gpt2"):
        model = load(name)
        toward, away = (block_outputs(model, rows) for rows in tokens)
        out, shares = {}, {}
        for block in range(len(toward)):
            found, share = aggregated(toward[block].double().numpy(), away[block].double().numpy(), flips.numpy())
            check_against_steering_vectors(toward[block], away[block], found)
            for key, value in found.items():
                out.setdefault(key, []).append(torch.from_numpy(np.ascontiguousarray(value)))
            for key, value in share.items():
                shares.setdefault(key, []).append(float(value))
            against = {key: round(cosine(found["pca_pair_centred"], found[key]), 3) for key in ("pca_repe", "pca_difference", "mean")}
            print(name, block, against, "mean-logistic", round(cosine(found["mean"], found["logistic"]), 3))
        stacked = {key: torch.stack(value) for key, value in out.items()}
        if name == "llama":
            mean = stacked["mean"][1]
            expected = torch.tensor([0.837219, -2.130413, -2.209019, 2.389868], dtype=torch.float64)
            assert (mean[:4] - expected).abs().max() < 2e-6 and abs(mean.norm() - 13.26450) < 1e-5
        stacked |= {"toward_tokens": tokens[0], "away_tokens": tokens[1], "toward": toward, "away": away, "repe_flips": flips}
        write_tensors(f"directions/{name}.safetensors", stacked, explained_variance=shares)


if __name__ == "__main__":
    main()
