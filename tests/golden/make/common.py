"""What every script shares: where files go, the fixed inputs, and a table of where each model family keeps its parts."""

import json
import os
import re
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")

import torch
import transformers
from safetensors.torch import save_file

GOLDEN = Path(__file__).resolve().parent.parent
MODELS = GOLDEN / "models"

VOCABULARY, WIDTH, MLP, BLOCKS, HEADS, KV_HEADS, POSITIONS = 97, 32, 64, 4, 4, 2, 64

# Lengths of the ragged batch: row i is the first LENGTHS[i] tokens of rows()[i].
LENGTHS = [10, 7, 4]

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
torch.set_grad_enabled(False)
transformers.logging.set_verbosity_error()


def generator(seed):
    return torch.Generator().manual_seed(seed)


def rows():
    """The three rows of ten tokens that every forward golden uses."""
    return torch.randint(0, VOCABULARY, (3, 10), generator=generator(1))


def direction():
    """The steering direction of specification 7.3."""
    return torch.randn(WIDTH, generator=generator(7), dtype=torch.float32)


def load(name):
    """A stored tiny model, its weights widened to f32."""
    model = transformers.AutoModelForCausalLM.from_pretrained(MODELS / name, torch_dtype=torch.float32)
    return model.eval()


class Parts:
    """Names the parts of one model so that hooks are written once for all families."""

    def __init__(self, model):
        self.family = model.config.model_type
        if self.family == "gpt2":
            body = model.transformer
            self.blocks, self.norm = body.h, body.ln_f
            self.attention = [b.attn for b in self.blocks]
            self.out = [b.attn.c_proj for b in self.blocks]
        elif self.family == "gpt_neox":
            body = model.gpt_neox
            self.blocks, self.norm = body.layers, body.final_layer_norm
            self.attention = [b.attention for b in self.blocks]
            self.out = [b.attention.dense for b in self.blocks]
        else:
            body = model.model
            self.blocks, self.norm = body.layers, body.norm
            self.attention = [b.self_attn for b in self.blocks]
            self.out = [b.self_attn.o_proj for b in self.blocks]
        self.mlp = [b.mlp for b in self.blocks]

    def module(self, site):
        """The module whose output is the site `name.block` (`resid_pre.l` for l > 0 is `resid_post.l-1`)."""
        name, _, block = site.partition(".")
        if name == "final_norm":
            return self.norm
        table = {"resid_post": self.blocks, "attn_out": self.attention, "mlp_out": self.mlp}
        return table[name][int(block)]


def first(output):
    """Modules return either a tensor or a tuple that starts with one."""
    return output[0] if isinstance(output, tuple) else output


def replaced(output, tensor):
    return (tensor,) + output[1:] if isinstance(output, tuple) else tensor


def padded(tokens, lengths, side, pad=0):
    """(ids, mask, position_ids) of a ragged batch padded on one side to the longest row."""
    width = max(lengths)
    ids = torch.full((len(lengths), width), pad)
    mask = torch.zeros((len(lengths), width), dtype=torch.long)
    for row, length in enumerate(lengths):
        place = slice(width - length, width) if side == "left" else slice(0, length)
        ids[row, place] = tokens[row, :length]
        mask[row, place] = 1
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    return ids, mask, positions


def write_tensors(path, tensors, **metadata):
    """A safetensors file; what describes it is one JSON object under the metadata key `golden` (the order of several keys is
    not kept from run to run)."""
    path = GOLDEN / path
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    save_file(tensors, path, {"golden": json.dumps(metadata)} if metadata else None)


def write_json(path, value):
    path = GOLDEN / path
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, indent=1, ensure_ascii=False)
    # Lists of numbers on one line.
    text = re.sub(r"\[[-+0-9.eE,\s]*\]", lambda found: " ".join(found.group().split()), text)
    assert json.loads(text) == value
    path.write_text(text + "\n", encoding="utf-8")
