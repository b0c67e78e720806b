"""Log-likelihoods by lm-evaluation-harness for compare_scaling: MODEL TASK LIMIT RUNS THREADS; prints JSON."""

import ast, contextlib, io, json, sys, time

import torch

model, task, limit, runs, threads = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
torch.set_num_threads(threads)
with contextlib.redirect_stdout(io.StringIO()):
    import lm_eval, transformers
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    rows = [json.loads(line) for line in open(task)][:limit]
    pairs = [(row["prompt"], c) for row in rows for c in ast.literal_eval(row["classes"])]
    seconds, totals = [], None
    for batch in [1, 8, 32]:
        lm = HFLM(pretrained=model, device="cpu", dtype="float32", batch_size=batch)
        cut = [lm._encode_pair(*pair) for pair in pairs]
        requests = [(pair, *tokens) for pair, tokens in zip(pairs, cut)]
        times = []
        # Tokenizing is not timed: the harness's own inner function takes tokens. One run to warm up.
        for run in range(runs + 1 if batch == 1 else runs):
            start = time.perf_counter()
            found = lm._loglikelihood_tokens(requests, disable_tqdm=True)
            times.append(time.perf_counter() - start)
        seconds.append((batch, times[1:] if batch == 1 else times))
        totals = totals or [value for value, _ in found]
versions = f"lm-eval {lm_eval.__version__}, transformers {transformers.__version__}, torch {torch.__version__}"
print(json.dumps({"versions": versions, "seconds": seconds, "totals": totals}))
