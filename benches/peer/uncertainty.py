"""NumPy's and SciPy's side of compare_uncertainty: FOLDER RUNS, prints one JSON object.

The running sum is the fastest plain NumPy that gives the log-likelihood of every ensemble size. The reference's fit minimises
-mean ln(1e-12 + softmax(log p / T)_y) over T by Nelder and Mead from 1, in float32, as pytorch-ensembles does.
"""

import json
import statistics
import sys
import time

import numpy as np
import scipy
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax

folder, runs = sys.argv[1], int(sys.argv[2])
members = np.load(f"{folder}/members.npy")
labels = np.load(f"{folder}/labels.npy")
count, rows, classes = members.shape
at = np.arange(rows)


def sweep():
    total = np.zeros((rows, classes))
    out = []
    for k in range(count):
        total += np.exp(members[k])
        out.append(float(np.log(total[at, labels] / (k + 1)).mean()))
    return out


def sweep_of_targets():
    """The targets' column alone, which is all that log-likelihoods need of log-probabilities."""
    total = np.zeros(rows)
    out = []
    for k in range(count):
        total += np.exp(members[k][at, labels])
        out.append(float(np.log(total / (k + 1)).mean()))
    return out


half = rows // 2
first, first_labels = members[0][:half], labels[:half]
first64 = first.astype(np.float64)


def reference():
    def loss(t):
        log_p = log_softmax(first / np.float32(t[0]), axis=1)
        return -np.mean(np.log(np.float32(1e-12) + np.exp(log_p[np.arange(half), first_labels])))

    return float(minimize(loss, [1.0], method="Nelder-Mead").x[0])


def bounded():
    def loss(log_t):
        log_p = log_softmax(first64 / np.exp(log_t), axis=1)
        return -np.mean(log_p[np.arange(half), first_labels])

    return float(np.exp(minimize_scalar(loss, bounds=(-5, 5), method="bounded", options={"xatol": 1e-9}).x))


def timed(work, repeats):
    result = work()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return result, statistics.median(seconds)


ll, sweep_seconds = timed(sweep, runs)
_, column_seconds = timed(sweep_of_targets, runs)
few = max(3, runs // 3)
temperature, reference_seconds = timed(reference, few)
temperature_bounded, bounded_seconds = timed(bounded, few)
print(
    json.dumps(
        {
            "ll": ll,
            "sweep": sweep_seconds,
            "sweep_of_targets": column_seconds,
            "temperature": temperature,
            "fit_reference": reference_seconds,
            "temperature_bounded": temperature_bounded,
            "fit_bounded": bounded_seconds,
            "versions": f"numpy {np.__version__}, scipy {scipy.__version__}",
        }
    )
)
