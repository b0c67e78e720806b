"""The Python side of compare_bargain: RUNS THREADS, prints one JSON object of medians.

coin_numba: the coin game of the bargaining crate (alternating colours, both can pick) as a compiled loop over boards, random actions included. It is written for
this comparison: marltoolbox, whose environment it stands for, cannot be installed today. axelrod: a round robin of memory-one players. lola_jax: exact LOLA by
automatic differentiation in f64, jitted and batched. value_jax: the value that both sides have to agree on.
"""

import json
import os
import statistics
import sys
import time

runs, threads = int(sys.argv[1]), int(sys.argv[2])
os.environ["NUMBA_NUM_THREADS"] = str(threads)
os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'} intra_op_parallelism_threads={threads}"

import axelrod
import jax
import jax.numpy as jnp
import numba
import numpy as np

jax.config.update("jax_enable_x64", True)


def median(job):
    job()
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        job()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


MOVES = np.array([[c // 3 * 3 + (c % 3 + 1) % 3, c // 3 * 3 + (c % 3 + 2) % 3, (c + 3) % 9, (c + 6) % 9] for c in range(9)])


@numba.njit(parallel=True)
def wander(red, blue, coin, is_red, rewards, steps):
    for i in numba.prange(len(red)):
        for _ in range(steps):
            red[i] = MOVES[red[i], np.random.randint(4)]
            blue[i] = MOVES[blue[i], np.random.randint(4)]
            r, b, c = red[i], blue[i], coin[i]
            if r == c:
                rewards[i, 0] += 1
                if not is_red[i]:
                    rewards[i, 1] -= 2
            if b == c:
                rewards[i, 1] += 1
                if is_red[i]:
                    rewards[i, 0] -= 2
            if r == c or b == c:
                k = np.random.randint(8 if r == b else 7)
                if k >= min(r, b):
                    k += 1
                if r != b and k >= max(r, b):
                    k += 1
                coin[i] = k
                is_red[i] = not is_red[i]


def coin_numba(boards, steps):
    state = [np.random.randint(0, 9, boards) for _ in range(3)]
    flag = np.zeros(boards, np.bool_)
    rewards = np.zeros((boards, 2))
    return boards * steps / median(lambda: wander(*state, flag, rewards, steps))


# As the bargaining crate names them, own action first.
VECTORS = [
    (1, 1, 1, 1), (0, 0, 0, 0), (0.5, 0.5, 0.5, 0.5), (1, 0, 1, 0), (1, 1 / 3, 1, 1 / 3), (1, 0, 0, 1), (0.95, 0.05, 0.05, 0.95),
    (1, 0, 0, 0), (1, 0, 1, 2 / 3), (0.9, 0, 0.9, 0), (0, 1, 0, 1), (0, 0, 1, 1), (0.9,) * 4, (0.1,) * 4, (0.935, 0.229, 0.266, 0.42),
    (8 / 9, 0.5, 1 / 3, 0), (1, 1 / 8, 1, 0.25), (0.7, 0.2, 0.6, 0.3), (0.8, 0.1, 0.9, 0.2), (0.6, 0.4, 0.5, 0.1),
]


def round_robin(repetitions):
    players = [axelrod.MemoryOnePlayer(four_vector=v) for v in VECTORS]
    matches = len(players) * (len(players) + 1) // 2 * repetitions

    def job():
        axelrod.Tournament(players, turns=200, repetitions=repetitions, seed=1).play(progress_bar=False, processes=None)

    begun = time.perf_counter()
    job()
    return matches / (time.perf_counter() - begun)


PAYOFFS = jnp.array([[-1.0, -1.0], [-3.0, 0.0], [0.0, -3.0], [-2.0, -2.0]])


def policy(theta):
    s = jax.nn.sigmoid(theta)
    return s / s.sum(1, keepdims=True)


def values(one, two):
    joint = jnp.einsum("sa,sb->sab", policy(one), policy(two)).reshape(5, 4)
    return joint[4] @ jnp.linalg.solve(jnp.eye(4) - 0.96 * joint[:4], PAYOFFS)


def step(theta):
    one, two = theta
    v1, v2 = (lambda a, b: values(a, b)[0]), (lambda a, b: values(a, b)[1])

    def shaped(own, other, value, other_value, index):
        # The gradient of own value, and of the inner product with the other's step.
        def inner(x):
            args = (x, other) if index == 0 else (other, x)
            by_other = jax.grad(value, 1 - index)(*((own, other) if index == 0 else (other, own)))
            return (jax.lax.stop_gradient(by_other) * jax.grad(other_value, 1 - index)(*args)).sum()

        args = (own, other) if index == 0 else (other, own)
        return jax.grad(value, index)(*args) + jax.grad(inner)(own)

    return one + shaped(one, two, v1, v2, 0), two + shaped(two, one, v2, v1, 1)


@jax.jit
def train(theta):
    return jax.lax.fori_loop(0, 200, lambda _, t: jax.vmap(step)(t), theta)


def lola_jax(pairs):
    rng = np.random.default_rng(0)
    theta = tuple(jnp.array(rng.normal(size=(pairs, 5, 2))) for _ in range(2))
    seconds = median(lambda: jax.block_until_ready(train(theta)))
    return seconds / pairs / 200 * 1e6


fixed = [jnp.array([[0.5, -0.5], [-0.3, 0.1], [0.2, 0.9], [-1.0, 0.4], [0.1, 0.0]]), jnp.array([[-0.4, 0.2], [0.6, -0.8], [-0.2, 0.3], [0.3, -0.6], [0.7, 0.5]])]
after = step(tuple(fixed))
print(
    json.dumps(
        {
            "versions": f"axelrod {axelrod.__version__}, jax {jax.__version__}, numba {numba.__version__}",
            "coin_1024": coin_numba(1024, 20000),
            "coin_65536": coin_numba(65536, 500),
            "matches": round_robin(5),
            "lola": lola_jax(1000),
            "values": np.asarray(values(*fixed)).tolist(),
            "stepped": [np.asarray(t).ravel().tolist() for t in after],
        }
    )
)
