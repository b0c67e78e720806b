"""What llama.cpp's own library makes of control vectors, on the tiny Llama of `gguf/llama.gguf` (F32).

    control_vector_applied.py LIBRARY

LIBRARY is a shared library of llama.cpp, build 11549 or near it (the wheel xllamacpp==2026.10.11549 holds one, `xllamacpp.abi3.so`);
its structures are declared by llama-cpp-py-sync==0.11739.

A file's directions are laid out as `common_control_vector_load` does (block N at row N - 1) and given to
`llama_set_adapter_cvec`. For the vector of each case: logits after the last of eight tokens, with an f32 cache."""

import json
import sys
from pathlib import Path

import numpy as np
from llama_cpp_py_sync._cffi_bindings import get_ffi

GOLDEN = Path(__file__).resolve().parent.parent
TOKENS = [5, 17, 80, 33, 2, 61, 44, 9]
WIDTH, LAYERS = 32, 4


def rows(directions):
    """`direction.N` by N, as the loader lays them out: blocks 1 to the highest."""
    data = np.zeros((max(directions), WIDTH), dtype=np.float32)
    for block, direction in directions.items():
        data[block - 1] += direction
    return data


def logits(lib, ffi, model, directions):
    params = lib.llama_context_default_params()
    params.n_ctx, params.n_threads, params.n_threads_batch = 64, 1, 1
    params.type_k = params.type_v = 0  # F32
    params.flash_attn_type = 0
    context = lib.llama_init_from_model(model, params)
    if directions:
        data = rows(directions)
        flat = ffi.new("float[]", data.flatten().tolist())
        # Inclusive range of blocks, by default 1 to all.
        assert lib.llama_set_adapter_cvec(context, flat, data.size, WIDTH, 1, LAYERS) == 0
    tokens = ffi.new("int32_t[]", TOKENS)
    assert lib.llama_decode(context, lib.llama_batch_get_one(tokens, len(TOKENS))) == 0
    out = list(ffi.unpack(lib.llama_get_logits_ith(context, -1), 97))
    lib.llama_free(context)
    return out


def main():
    ffi = get_ffi()
    lib = ffi.dlopen(sys.argv[1])
    lib.llama_backend_init()
    params = lib.llama_model_default_params()
    model = lib.llama_model_load_from_file(str(GOLDEN / "gguf/llama.gguf").encode(), params)
    random = np.random.default_rng(3)
    directions = {block: random.standard_normal(WIDTH).astype(np.float32) for block in (1, 2, 3)}
    cases = {"plain": {}} | {f"block_{block}": {block: direction} for block, direction in directions.items()} | {"all": directions}
    found = {name: logits(lib, ffi, model, case) for name, case in cases.items()}
    content = {
        "tokens": TOKENS,
        "directions": {str(block): direction.tolist() for block, direction in directions.items()},
        "logits": found,
    }
    (GOLDEN / "gguf/control_vector_applied.json").write_text(json.dumps(content) + "\n")
    for name, values in found.items():
        print(name, np.abs(np.array(values) - np.array(found["plain"])).max())


if __name__ == "__main__":
    main()
