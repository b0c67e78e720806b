"""Tables and ranges of published augmentation policies: torchvision's AutoAugment, RandAugment and TrivialAugmentWide, timm's RandAugment.

    PYTHON tta_published.py tests/golden/tta/published.json

Needs torchvision 0.24.1 (with torch 2.9.1) and timm 1.0.22, of which timm/data/auto_augment.py alone is loaded: a folder with it may stand in
the environment variable TIMM. Values are what their own functions give for 32 x 64 images (columns x rows), with random signs taken away.
"""
import importlib.util
import json
import os
import sys

import torch
import torchvision
from torchvision.transforms import v2

HEIGHT, WIDTH = 64, 32


def space(augment, bins):
    found = {}
    for name, (values, signed) in augment._AUGMENTATION_SPACE.items():
        values = values(bins, HEIGHT, WIDTH)
        found[name] = {"signed": signed, "values": None if values is None else [float(v) for v in values]}
    return found


def timm():
    folder = os.environ.get("TIMM")
    if folder is None:
        import timm.data.auto_augment as module
    else:
        spec = importlib.util.spec_from_file_location("auto_augment", os.path.join(folder, "timm/data/auto_augment.py"))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    # No sign is ever turned around.
    module.random = type("Fixed", (), {"random": staticmethod(lambda: 0.0)})
    levels = [k / 4 for k in range(41)]
    found = {"levels": levels}
    for key, names in [("rand", module._RAND_TRANSFORMS), ("increasing", module._RAND_INCREASING_TRANSFORMS)]:
        found[key] = [
            [name, None if module.LEVEL_TO_ARG[name] is None else [module.LEVEL_TO_ARG[name](m, module._HPARAMS_DEFAULT)[0] for m in levels]]
            for name in names
        ]
    return found


def main(path):
    tables = {}
    for policy in v2.AutoAugmentPolicy:
        tables[policy.value] = v2.AutoAugment(policy)._policies
    golden = {
        "versions": {"torchvision": torchvision.__version__.split("+")[0], "torch": torch.__version__.split("+")[0], "timm": "1.0.22"},
        "size": [WIDTH, HEIGHT],
        "autoaugment": {"tables": tables, "space": space(v2.AutoAugment(), 10)},
        "randaugment": space(v2.RandAugment(), 31),
        "trivial_augment_wide": space(v2.TrivialAugmentWide(), 31),
        "timm": timm(),
    }
    with open(path, "w") as file:
        json.dump(golden, file, separators=(",", ":"))
        file.write("\n")


main(sys.argv[1])
