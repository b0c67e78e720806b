"""Logits after the last of some tokens, as a JSON list: torch_logits.py FOLDER ID ID ..."""

import json
import sys

import torch
from transformers import AutoModelForCausalLM

torch.set_grad_enabled(False)
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], torch_dtype=torch.float32).eval()
ids = torch.tensor([[int(token) for token in sys.argv[2:]]])
print(json.dumps(model(ids).logits[0, -1].tolist()))
