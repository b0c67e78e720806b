"""What SmolLM2-135M-Instruct says, computed by transformers in f32 from the folder that `smollm2_folder.py` writes.

    smollm2.py FOLDER"""

import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import common

STRINGS = [
    "",
    "Hello, world!",
    "The capital of France is Paris.",
    " leading and  double   spaces ",
    "Pi is 3.14159; 2024-11-23, 1,000,000 and 0x7fff.",
    "line one\nline two\r\n\n\ttabbed line\n",
    "Ünïcödé: naïve café, Straße, Ωμέγα, Привет",
    "日本語のテキスト 中文 한국어",
    "emoji 🔥🪵 flags 🇫🇷 family 👩‍👩‍👧",
    "def f(x):\n    return x**2  # isn't it?\n",
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    "I'll they're WE'VE don't <|endoftext|> x<|im_end|>y",
    "٣٤٥ ½ ² ④ १२३",
    "nul\u0000 zero\u200bwidth \u00a0nbsp e\u0301 combining",
]
TEXT = "The little boat went down the river, past the mill and the old stone bridge, towards the open sea."
QUESTION = "What is the capital of France?"
STORY = "Once upon a time"


def next_tokens(logits, count=5):
    top = logits.topk(count)
    return {"ids": top.indices.tolist(), "logits": top.values.tolist()}


def greedy(model, ids, stop, limit):
    """Greedy continuation with a cache, checked without one; also the smallest gap between the best two logits."""
    inputs, cache, out, gap = torch.tensor([ids]), None, [], float("inf")
    while len(out) < limit:
        result = model(inputs, past_key_values=cache, use_cache=True)
        cache, best = result.past_key_values, result.logits[0, -1].topk(2)
        gap = min(gap, (best.values[0] - best.values[1]).item())
        out.append(best.indices[0].item())
        if out[-1] == stop:
            break
        inputs = torch.tensor([[out[-1]]])
    whole = model(torch.tensor([ids + out])).logits[0, len(ids) - 1 : -1].argmax(-1).tolist()
    assert whole == out
    return {"ids": out, "smallest_gap": gap}


def main(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32).eval()

    def encode(text):
        return tokenizer.encode(text, add_special_tokens=False)

    encoded = []
    for text in STRINGS:
        ids = encode(text)
        decoded = tokenizer.decode(ids, skip_special_tokens=False)
        assert decoded == text, (text, decoded)
        encoded.append({"text": text, "ids": ids})

    ids = encode(TEXT)
    logits = model(torch.tensor([ids])).logits[0]
    logprobs = logits.double().log_softmax(-1)
    scored = {
        "text": TEXT,
        "ids": ids,
        "logprobs": [logprobs[i, ids[i + 1]].item() for i in range(len(ids) - 1)],
        "sum": sum(logprobs[i, ids[i + 1]].item() for i in range(len(ids) - 1)),
        "top5_after_last": next_tokens(logits[-1]),
    }

    messages = [{"role": "user", "content": QUESTION}]
    prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    chat = {"messages": messages, "prompt": prompt, "ids": encode(prompt)}
    chat["top5"] = next_tokens(model(torch.tensor([chat["ids"]])).logits[0, -1])
    chat["answer"] = greedy(model, chat["ids"], tokenizer.eos_token_id, 32)
    chat["answer"]["text"] = tokenizer.decode(chat["answer"]["ids"], skip_special_tokens=True)
    story = {"prompt": STORY, "ids": encode(STORY), "greedy": greedy(model, encode(STORY), -1, 32)}
    story["greedy"]["text"] = tokenizer.decode(story["greedy"]["ids"])
    written = {"model": "SmolLM2-135M-Instruct.Q4_1.gguf, dequantised to f32", "encode": encoded, "scored": scored, "chat": chat, "story": story}
    common.write_json("smollm2.json", written)
    print(chat["answer"], story["greedy"], scored["sum"], len(ids))


if __name__ == "__main__":
    main(sys.argv[1])
