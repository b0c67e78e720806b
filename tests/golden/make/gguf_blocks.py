"""Quantised tensors and what the `gguf` package dequantises them to, bit for bit.

Per type up to three tensors: random bytes with ordinary scales, random bytes with extreme scales (zeros of both
signs, subnormals, the largest finite f16), and quantised normal numbers where the package can quantise."""

import numpy as np
import torch
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFWriter
from gguf.quants import QuantError, dequantize, quantize

from common import GOLDEN, write_tensors

# Where each block keeps its f16 scales, as byte offsets.
SCALES = {
    "Q4_0": [0],
    "Q4_1": [0, 2],
    "Q5_0": [0],
    "Q5_1": [0, 2],
    "Q8_0": [0],
    "Q4_K": [0, 2],
    "Q5_K": [0, 2],
    "Q6_K": [208],
}
PLAIN = {"F32": np.uint32, "F16": np.uint16, "BF16": np.uint16}
EXTREME = np.array([0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x0400, 0x3C00, 0x7BFF, 0xFBFF], dtype=np.uint16)


def random_bits(name, random):
    """Finite numbers of every magnitude, some subnormal; exponents of all ones (infinite, NaN) are cut down by one bit."""
    unsigned = PLAIN[name]
    exponent = {"F32": 0x7F800000, "F16": 0x7C00, "BF16": 0x7F80}[name]
    bits = random.integers(0, np.iinfo(unsigned).max, (2, 256), dtype=unsigned, endpoint=True)
    bits[0, :32] &= unsigned(~exponent & np.iinfo(unsigned).max)
    low = exponent & -exponent
    return np.where((bits & exponent) == exponent, bits ^ unsigned(low), bits).view(np.uint8)


def random_blocks(name, rows, blocks, scales, random):
    """Rows of blocks of random bytes whose scales are those given, in turn."""
    size = GGML_QUANT_SIZES[GGMLQuantizationType[name]][1]
    data = random.integers(0, 256, (rows * blocks, size), dtype=np.uint8)
    for column, offset in enumerate(SCALES[name]):
        chosen = np.resize(np.roll(scales, column * 2), rows * blocks).astype(scales.dtype)
        data[:, offset : offset + 2] = chosen.view(np.uint8).reshape(-1, 2)
    return data.reshape(rows, blocks * size)


def main():
    random = np.random.default_rng(0)
    tensors = {}
    for name in [*PLAIN, *SCALES]:
        kind = GGMLQuantizationType[name]
        if name in PLAIN:
            tensors[f"{name}.random"] = (kind, random_bits(name, random))
        else:
            block = GGML_QUANT_SIZES[kind][0]
            ordinary = random.normal(0, 0.02, 16).astype(np.float16)
            tensors[f"{name}.random"] = (kind, random_blocks(name, 2, 256 // block, ordinary, random))
            tensors[f"{name}.extreme"] = (kind, random_blocks(name, len(EXTREME), 1, EXTREME, random))
        try:
            normal = random.normal(0, 1, (2, 256)).astype(np.float32)
            tensors[f"{name}.normal"] = (kind, quantize(normal, kind).view(np.uint8))
        except (QuantError, NotImplementedError):
            pass

    (GOLDEN / "gguf").mkdir(exist_ok=True)
    writer = GGUFWriter(GOLDEN / "gguf" / "blocks.gguf", "blocks")
    expected = {}
    for name, (kind, data) in tensors.items():
        writer.add_tensor(name, data, raw_dtype=kind)
        values = dequantize(data.view({"F32": np.float32, "F16": np.float16}.get(kind.name, np.uint8)), kind)
        assert values.dtype == np.float32 and np.isfinite(values).all(), name
        expected[name] = torch.from_numpy(values.copy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    write_tensors("gguf/blocks.safetensors", expected)
    print({name: tuple(value.shape) for name, value in expected.items()})


if __name__ == "__main__":
    main()
