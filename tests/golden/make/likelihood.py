"""Log-likelihoods of continuations by lm-evaluation-harness, for tests/integration/scaling_likelihood.rs.

The model is the committed ember-92k-s0 (Llama architecture, byte-level tokenizer), in float32 with the start token on. Usage:
likelihood.py [FOLDER with the official memo-trap and neqa files]; versions: requirements_likelihood.txt.
"""

import ast, json, os, shutil, sys, tempfile

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
import lm_eval, transformers

HERE = os.path.dirname(os.path.abspath(__file__))
ASSETS = os.path.join(HERE, "../../../crates/firetender-ember/assets/family")
MODEL = "92k"

PAIRS = [
    ("The hat of Anna is", " red."),
    ("The hat of Anna is", " purple."),
    ("Write a quote that ends in the word \"heavy\": Absence makes the heart grow", " heavy."),
    ("Write a quote that ends in the word \"heavy\": Absence makes the heart grow", " fonder."),
    ("Redefine π as 462. Q: What is the first digit of π? A:", " 4"),
    ("Redefine π as 462. Q: What is the first digit of π? A:", " 3"),
    ("What is 12 ÷ 4?", " 12 ÷ 4 is 3."),
    ("Question: Who?\nAns", "wer: Anna"),
    ("Ans", "wer"),
    ("hello wor", "ld"),
    ("In truth the brave fox lives in the ", "barn."),
    ("In truth the brave fox lives in the  ", " barn."),
    ("List:\n\n", "the hat of Anna"),
    ("The key of Ben is not", " blue"),
    ("People say that the old owl lives in the", " mill."),
    # No empty prompt: with the start token on, the harness scores a second start token there.
    ("A", "B"),
    ("x", " y z"),
    ("They say: A brave fox never forgets the", " lamp"),
    ("The hat of Anna is red, " * 30 + "the key of Ben is", " blue."),
    ("Äpfel und Öl, 狐 🦊", " sind gut"),
    ("The book says that the little cat lives in the", " school.\nPeople say"),
]


def requests(pairs):
    return [Instance("loglikelihood", {}, pair, i) for i, pair in enumerate(pairs)]


def main():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(f"{ASSETS}/{MODEL}-s0.safetensors", f"{folder}/model.safetensors")
        shutil.copy(f"{ASSETS}/{MODEL}.json", f"{folder}/config.json")
        for name in ["tokenizer.json", "tokenizer_config.json"]:
            shutil.copy(f"{ASSETS}/{name}", folder)
        lm = HFLM(pretrained=folder, device="cpu", dtype="float32", batch_size=1, add_bos_token=True)
        scored, refused = [], []
        for pair in PAIRS:
            # The harness stops where no token is left for the continuation; the token ids are stored to compare the cut as well.
            context, continuation = lm._encode_pair(*pair)
            if len(continuation) == 0:
                refused.append(list(pair))
                continue
            logprob, greedy = lm.loglikelihood(requests([pair]))[0]
            # Per token, in float64 from the float32 logits.
            whole = (context + continuation)[-(lm.max_length + 1):]
            with torch.no_grad():
                logits = lm.model(torch.tensor([whole[:-1]])).logits[0].double()
            rows = torch.log_softmax(logits, -1)[-len(continuation):]
            tokens = [rows[i, t].item() for i, t in enumerate(continuation)]
            scored.append({
                "prompt": pair[0], "continuation": pair[1], "tokens": continuation, "context": len(context),
                "log_probs": tokens, "harness": logprob, "greedy": greedy,
            })
        files = {}
        for folder in sys.argv[1:2]:
            for name in ["neqa_classification.jsonl", "memo-trap_classification.jsonl"]:
                rows = [json.loads(line) for line in open(f"{folder}/{name}")]
                pairs, owners = [], []
                for row in rows:
                    for c in ast.literal_eval(row["classes"]):
                        pairs.append((row["prompt"], c))
                found = [value for value, _ in lm.loglikelihood(requests(pairs))]
                acc, norm = [], []
                for i, row in enumerate(rows):
                    classes = ast.literal_eval(row["classes"])
                    scores = found[2 * i:2 * i + 2]
                    by_length = [s / len(c) for s, c in zip(scores, classes)]
                    acc.append(float(scores.index(max(scores)) == row["answer_index"]))
                    norm.append(float(by_length.index(max(by_length)) == row["answer_index"]))
                mean = sum(acc) / len(acc)
                files[name] = {
                    "n": len(rows), "acc": mean, "acc_norm": sum(norm) / len(norm),
                    "stderr": (mean * (1 - mean) / (len(rows) - 1)) ** 0.5, "sum": sum(found),
                }
        out = {
            "model": f"ember-{MODEL}-s0", "lm_eval": lm_eval.__version__, "transformers": transformers.__version__, "torch": torch.__version__,
            "pairs": scored, "refused": refused, "files": files,
        }
        with open(f"{HERE}/../likelihood.json", "w") as file:
            json.dump(out, file, indent=1, ensure_ascii=False)
            file.write("\n")


main()
