"""Golden values of firetender-bargain: python bargain.py OUT_FOLDER (torch 1.13.1, numpy; not run in CI).

lola.json: values, gradients, LOLA's corrections and SOS's steps of memory-one policies by torch's automatic differentiation in f64.
welfare.json: steps of players who shape the other towards a welfare function of both payoffs (arXiv 2402.01088), by differentiating through the other's step.
plans.json: the best average rewards of CG and ABCG by an independent value iteration over all states, and the same with the released code's departures.
"""

import json
import sys

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
GAMMA = 0.96
GAMES = {
    "ipd": [[(-1, -1), (-3, 0)], [(0, -3), (-2, -2)]],
    "asym-bos": [[(4, 1), (0, 0)], [(0, 0), (2, 2)]],
    "chicken": [[(0, 0), (-1, 1)], [(1, -1), (-10, -10)]],
    "bos-and-pd": [
        [(3.5, 1), (0, 0), (-3, 2)],
        [(0, 0), (1, 3), (-3, 2)],
        [(2, -3), (2, -3), (-1, -1)],
    ],
    "threat": [[(-5, 5), (-5, 5), (0, 0)], [(-10, -5), (0, -1), (10, 3.5)]],
}


def probabilities(theta, kind):
    if kind == "single_logit":
        p = torch.sigmoid(theta)
        return torch.cat([p, 1 - p], 1)
    if kind == "softmax":
        return torch.softmax(theta, 1)
    s = torch.sigmoid(theta)
    return s / s.sum(1, keepdim=True)


def values(game, theta, kind):
    payoffs = torch.tensor(GAMES[game], dtype=torch.float64).reshape(-1, 2)
    one, two = (probabilities(t, kind) for t in theta)
    joint = torch.einsum("sa,sb->sab", one, two).reshape(len(one), -1)
    n = len(payoffs)
    after = torch.linalg.solve(torch.eye(n) - GAMMA * joint[:n], payoffs)
    return joint[n] @ after


def lola(game, kind, seed):
    rng = np.random.default_rng(seed)
    rows, columns = len(GAMES[game]), len(GAMES[game][0])
    shape = [(rows * columns + 1, 1 if kind == "single_logit" else k) for k in (rows, columns)]
    start = [torch.tensor(rng.normal(0, 1, s).round(3)) for s in shape]
    theta = [t.clone().requires_grad_() for t in start]
    v = values(game, theta, kind)
    own, cross, corrections = [], [], []
    grads = [torch.autograd.grad(v[i], theta, create_graph=True) for i in range(2)]
    for i in range(2):
        own.append(grads[i][i])
        cross.append(grads[i][1 - i])
    for i in range(2):
        inner = (grads[i][1 - i].detach() * grads[1 - i][1 - i]).sum()
        corrections.append(torch.autograd.grad(inner, theta[i], retain_graph=True)[0])
    # Stable opponent shaping with the paper's a = 0.5 and b = 0.1, look-ahead step 1, in terms of losses L = -V.
    anticipations = []
    for i in range(2):
        inner = (grads[i][1 - i] * grads[1 - i][1 - i].detach()).sum()
        anticipations.append(torch.autograd.grad(inner, theta[i], retain_graph=True)[0])
    xi = torch.cat([-g.flatten() for g in own])
    xi_0 = xi - torch.cat([h.flatten() for h in anticipations])
    chi = -torch.cat([c.flatten() for c in corrections])
    dot = chi @ xi_0
    p1 = 1.0 if dot > 0 else min(1.0, float(-0.5 * (xi_0 @ xi_0) / dot))
    p2 = float(xi @ xi) if xi.norm() < 0.1 else 1.0
    p = min(p1, p2)
    step = -(xi_0 + p * chi)
    cut = theta[0].numel()
    flat = lambda ts: [t.detach().flatten().tolist() for t in ts]
    return {
        "game": game,
        "parameters": kind,
        "gamma": GAMMA,
        "theta": flat(start),
        "values": v.detach().tolist(),
        "own": flat(own),
        "cross": flat(cross),
        "corrections": flat(corrections),
        "anticipations": flat(anticipations),
        "sos_share": p,
        "sos_steps": [step[:cut].tolist(), step[cut:].tolist()],
    }


AIMS = {
    "greedy": lambda own, other: own,
    "egalitarian": torch.minimum,
    "fairness": lambda own, other: -0.5 * (own - other).abs(),
    "utilitarian": lambda own, other: 0.5 * (own + other),
    "selfless": lambda own, other: other,
}


def welfare(game, kind, aims, ahead, seed):
    """Steps of both players; an aim of None climbs its own payoff. Payoffs are per round."""
    rng = np.random.default_rng(seed)
    rows, columns = len(GAMES[game]), len(GAMES[game][0])
    shape = [(rows * columns + 1, 1 if kind == "single_logit" else k) for k in (rows, columns)]
    theta = [torch.tensor(rng.normal(0, 1, s).round(3)).requires_grad_() for s in shape]
    paid = (1 - GAMMA) * values(game, theta, kind)
    steps = []
    for i, aim in enumerate(aims):
        j = 1 - i
        if aim is None:
            goal = paid[i]
        else:
            moved = list(theta)
            slope = torch.autograd.grad(paid[j], theta[j], create_graph=True)[0]
            moved[j] = theta[j] + ahead * slope
            there = (1 - GAMMA) * values(game, moved, kind)
            goal = AIMS[aim](there[i], there[j])
        steps.append(torch.autograd.grad(goal, theta[i], retain_graph=True)[0])
    flat = lambda ts: [t.detach().flatten().tolist() for t in ts]
    return {
        "game": game,
        "parameters": kind,
        "gamma": GAMMA,
        "aims": aims,
        "ahead": ahead,
        "theta": flat(theta),
        "steps": flat(steps),
    }


def welfares():
    games = [("ipd", "single_logit"), ("chicken", "single_logit"), ("asym-bos", "softmax"), ("bos-and-pd", "sigmoid_normalised"), ("threat", "softmax")]
    pairs = [("greedy", "egalitarian"), ("fairness", "utilitarian"), ("selfless", "greedy"), ("egalitarian", "fairness"), (None, "greedy"), ("egalitarian", None)]
    return [
        welfare(game, kind, list(aims), ahead, 300 + 10 * g + a)
        for g, (game, kind) in enumerate(games)
        for a, (aims, ahead) in enumerate(zip(pairs, [0.5, 25.0, 3.0, 1.0, 10.0, 25.0]))
    ]


MOVES = [(0, 1), (0, -1), (1, 0), (-1, 0)]


def move(cell, action):
    row, column = divmod(cell, 3)
    return (row + MOVES[action][0]) % 3 * 3 + (column + MOVES[action][1]) % 3


def relative_value_iteration(states, outcome, weights):
    """states: list; outcome(state, a, b) -> rewards, list of next states (equally likely)."""
    index = {s: i for i, s in enumerate(states)}
    width = 0
    table = []
    for s in states:
        for a in range(4):
            for b in range(4):
                rewards, nexts = outcome(s, a, b)
                table.append((np.dot(weights, rewards), [index[n] for n in nexts]))
                width = max(width, len(nexts))
    # Lotteries are padded with a state of value 0 that is divided away.
    n = len(states)
    nexts = np.full((len(table), width), n)
    counts = np.array([len(t[1]) for t in table])
    for i, (_, list_) in enumerate(table):
        nexts[i, : len(list_)] = list_
    rewards = np.array([t[0] for t in table])
    v = np.zeros(n + 1)
    for _ in range(20000):
        q = rewards + v[nexts].sum(1) / counts
        new = 0.75 * q.reshape(n, 16).max(1) + 0.25 * v[:n]
        change = new - v[:n]
        v[:n] = new - new[0]
        if change.max() - change.min() < 1e-12:
            break
    return (change.max() + change.min()) / 2 / 0.75


def cg():
    cells = range(9)
    states = [(r, b, c, f) for r in cells for b in cells for c in cells for f in (0, 1)]

    def outcome(s, a, b):
        red, blue, coin, red_coin = move(s[0], a), move(s[1], b), s[2], s[3]
        rewards = [0, 0]
        if red == coin:
            rewards[0] += 1
            if not red_coin:
                rewards[1] -= 2
        if blue == coin:
            rewards[1] += 1
            if red_coin:
                rewards[0] -= 2
        if coin in (red, blue):
            return rewards, [(red, blue, c, 1 - red_coin) for c in cells if c not in (red, blue)]
        return rewards, [(red, blue, coin, red_coin)]

    return states, outcome


def abcg(compat):
    cells = range(9)
    states = [
        (r, b, x, y, f) for r in cells for b in cells for x in cells for y in cells for f in (0, 1)
    ]

    def outcome(s, a, b):
        red, blue, x, y, flag = move(s[0], a), move(s[1], b), s[2], s[3], s[4]
        rewards, taken = [0, 0], False
        if flag == 1:
            if red == x and blue == x:
                rewards, taken = [2, 0], True
            elif blue == y and not (compat and red == x):
                rewards, taken = [0, 1], True
                if red == y:
                    rewards[0 if compat else 1] -= 0.75
        else:
            if red == x:
                rewards, taken = [1 - (0.75 if blue == x else 0), 0], True
            elif red == y and blue == y:
                rewards, taken = [0, 3], True
        if not taken:
            return rewards, [(red, blue, x, y, flag)]
        nexts = []
        reds = [c for c in cells if c not in (red, blue, y)]
        # Red cells can leave different numbers of blue ones only where the old blue cell is a player's; weights stay equal.
        for nx in reds:
            for ny in cells:
                if ny not in (red, blue, nx):
                    nexts.append((red, blue, nx, ny, 1 - flag))
        return rewards, nexts

    return states, outcome


if __name__ == "__main__":
    out = sys.argv[1]
    cases = [
        lola(game, kind, 100 + i)
        for i, (game, kind) in enumerate(
            [
                ("ipd", "single_logit"),
                ("ipd", "sigmoid_normalised"),
                ("asym-bos", "sigmoid_normalised"),
                ("asym-bos", "softmax"),
                ("chicken", "single_logit"),
                ("bos-and-pd", "softmax"),
                ("bos-and-pd", "sigmoid_normalised"),
                ("threat", "softmax"),
            ]
        )
    ]
    with open(f"{out}/lola.json", "w") as file:
        json.dump(cases, file, indent=1)
    with open(f"{out}/welfare.json", "w") as file:
        json.dump(welfares(), file, indent=1)
    plans = {}
    for name, (states, outcome) in [("cg", cg()), ("abcg", abcg(False)), ("abcg-compat", abcg(True))]:
        plans[name] = {
            w: relative_value_iteration(states, outcome, weights)
            for w, weights in [("util", (1, 1)), ("red", (1, 0)), ("blue", (0, 1))]
        }
        print(name, plans[name], flush=True)
    with open(f"{out}/plans.json", "w") as file:
        json.dump(plans, file, indent=1)
