"""Temperatures that scikit-learn's own calibration finds on the specification's synthetic sets.

Run with scikit-learn 1.9.1 (1.8 or later has it): python uncertainty_temperature.py > ../uncertainty_temperature.json
It searches by values (bounded, float64), so it is right to about the root of the precision.
"""

import json
import math

import numpy as np
import sklearn
from sklearn.calibration import _TemperatureScaling


def synthetic(rows, classes, seed, scale):
    state = seed

    def uniform():
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        return ((state >> 11) + 0.5) / 2**53

    logits, labels = np.zeros((rows, classes)), np.zeros(rows, int)
    for row in range(rows):
        for column in range(classes):
            a, b = uniform(), uniform()
            logits[row, column] = math.sqrt(-2 * math.log(a)) * math.cos(2 * math.pi * b)
        u = uniform()
        p = np.exp(logits[row] - logits[row].max())
        below = np.nonzero(np.cumsum(p / p.sum()) >= u)[0]
        labels[row] = below[0] if len(below) else classes - 1
    return logits * scale, labels


sets = [(200, 5, 1, 2.0), (1000, 10, 7, 1.5)]
found = []
for rows, classes, seed, scale in sets:
    logits, labels = synthetic(rows, classes, seed, scale)
    beta = float(_TemperatureScaling().fit(logits, labels).beta_)
    found.append({"rows": rows, "classes": classes, "seed": seed, "scale": scale, "beta": beta})
print(json.dumps({"scikit-learn": sklearn.__version__, "sets": found}, indent=1))
