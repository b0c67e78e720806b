"""Vector files of other programs: `.svec` as CAST and AISteer360 save it, and matrices as NumPy saves them.

The two libraries' `SteeringVector.save` is a dictionary given to `json.dump`; the dictionaries here have the same keys in the
same order. Neither package is needed."""

import json

import numpy as np

from common import GOLDEN

FOLDER = GOLDEN / "svec"


def cast():
    directions = {1: np.array([0.1, -0.2, 0.3, 0.4], dtype=np.float32), 2: np.array([1, 2, 3, 4], dtype=np.float32)}
    return {
        "model_type": "llama",
        "directions": {k: v.tolist() for k, v in directions.items()},
        "explained_variances": {1: 0.25, 2: 0.5},
    }


def aisteer360():
    return {"model_type": "llama", "directions": {"1": [np.array([0.1, -0.2, 0.3, 0.4], dtype=np.float32).tolist()]}}


def heads():
    rows = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
    return {
        "model_type": "llama",
        "directions": {"1": rows.tolist()},
        "num_heads": 2,
        "head_dim": 3,
        "probe_accuracies": {"1:0": 0.75, "1:1": 0.5},
    }


def main():
    FOLDER.mkdir(exist_ok=True)
    for name, content in {"cast": cast(), "aisteer360": aisteer360(), "aisteer360_heads": heads()}.items():
        with open(FOLDER / f"{name}.svec", "w") as file:
            json.dump(content, file)
    matrix = np.array([[0, 0, 0], [1, 2, 3]])
    np.save(FOLDER / "matrix_f4.npy", matrix.astype(np.float32))
    np.save(FOLDER / "matrix_f8.npy", matrix.astype(np.float64))
    np.save(FOLDER / "matrix_fortran.npy", np.asfortranarray(matrix.astype(np.float32)))


if __name__ == "__main__":
    main()
