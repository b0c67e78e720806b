"""Changes to the residual stream while a model runs: the four operators of specification 3.3, at sites, on chosen tokens.

An `Edit` says what happens where; `steered` installs edits for one forward pass. A token is chosen by its absolute
position among the real tokens of its row, so that a chunk, a cache or padding cannot shift it."""

from contextlib import contextmanager
from dataclasses import asdict, dataclass

import torch

from common import Parts, first, replaced


@dataclass
class Edit:
    """`vector` names a direction; tokens at positions `start <= p < end` are changed."""

    site: str
    operator: str
    strength: float
    vector: str = "direction"
    start: int = 0
    end: int = 1_000_000

    def described(self):
        return asdict(self)


def apply(operator, hidden, vector, strength):
    unit = vector / vector.norm()
    along = (hidden @ unit)[..., None] * unit
    if operator == "add":
        return hidden + strength * vector
    if operator == "project_out":
        return hidden - strength * along
    if operator == "project_out_then_add":
        return hidden - along + strength * vector
    if operator == "norm_preserving_add":
        moved = hidden + strength * vector
        return moved * hidden.norm(dim=-1, keepdim=True) / moved.norm(dim=-1, keepdim=True)
    raise ValueError(operator)


@contextmanager
def steered(model, edits, vectors, positions, real=None):
    """`positions` [row, token] counts real tokens; `real` [row, token] is false at padding."""
    parts, handles = Parts(model), []
    real = torch.ones_like(positions, dtype=torch.bool) if real is None else real.bool()

    def changed(edit, hidden):
        chosen = real & (positions >= edit.start) & (positions < edit.end)
        moved = apply(edit.operator, hidden, vectors[edit.vector].to(hidden.dtype), edit.strength)
        return torch.where(chosen[..., None], moved, hidden)

    for edit in edits:
        if edit.site == "resid_pre.0":
            hook = lambda _, args, edit=edit: (changed(edit, args[0]),) + args[1:]
            handles.append(parts.blocks[0].register_forward_pre_hook(hook))
        else:
            hook = lambda _, __, out, edit=edit: replaced(out, changed(edit, first(out)))
            handles.append(parts.module(edit.site).register_forward_hook(hook))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def logits(model, tokens, edits, vectors):
    """Unpadded, uncached; straight from the output layer, since Llama's own are cut to f32."""
    positions = torch.arange(tokens.shape[1]).expand_as(tokens)
    seen = []
    handle = model.get_output_embeddings().register_forward_hook(lambda _, __, out: seen.append(out))
    with steered(model, edits, vectors, positions):
        model(tokens)
    handle.remove()
    return seen[0]
