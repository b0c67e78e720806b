"""What one version of Pillow makes of small images: a hash for each operation, size and parameter.

    PYTHON tta_images.py OUT.json       once for every version of Pillow
    python tta_images.py --merge tests/golden/tta/images.json 13.json 12.json 7.json 6.json

The merged file holds the cases with the first version's hashes, and for the others only those that differ.
Images are drawn here and, by the same rules, in the Rust test; operations are named as firetender-tta's ResolvedOp.
Needs Pillow and NumPy; runs on Python 3.7 (for Pillow 6.1.0) to 3.11.
"""
import hashlib
import json
import math
import sys

MAGNITUDES = [0.0, 0.49, 0.5, 5.0, 20.0, 30.0, 35.0, 35.1, 45.0]
SIZES = [(32, 32), (94, 94), (33, 17), (17, 33), (5, 64), (64, 5), (3, 3), (2, 7), (1, 1), (224, 224)]


def images(w, h):
    import numpy as np

    state, noise = 12345, []
    for _ in range(3 * w * h):
        state = (state * 1664525 + 1013904223) % 2**32
        noise.append(state >> 24)
    yield np.array(noise, dtype=np.uint8).reshape(h, w, 3)
    x, y = np.meshgrid(np.arange(w), np.arange(h))
    parts = [x * 255 // max(w - 1, 1), y * 255 // max(h - 1, 1), (x + y) * 255 // max(w + h - 2, 1)]
    yield np.stack(parts, axis=2).astype(np.uint8)
    for colour in [(118, 118, 118), (200, 30, 90)]:
        yield np.tile(np.array(colour, dtype=np.uint8), (h, w, 1))
    one = np.zeros((h, w, 3), dtype=np.uint8)
    one[h // 2, w // 2] = 255
    yield one
    yield np.zeros((h, w, 3), dtype=np.uint8)
    yield np.full((h, w, 3), 255, dtype=np.uint8)


def value(m, low, high):
    return (m / 30) * (high - low) + low


def cases():
    """Dictionaries of an operation, its size, and the padding (None: black)."""
    for w, h in SIZES:
        big = w > 100
        magnitudes = [5.0, 45.0] if big else MAGNITUDES
        signed = [s * m for m in magnitudes for s in (1, -1)]
        pad = 31 if (w, h) == (32, 32) else int(1.3 * max(w, h)) + 10

        def case(op, pad=None, **fields):
            return {"op": dict(op=op, **fields), "size": [w, h], "pad": pad}

        for p in (pad, None):
            for at, m in enumerate(signed):
                v = value(abs(m), 0, 0.5) * (1 if m >= 0 else -1)
                yield case("shear_x", p, factor=v, mirror=at % 4 > 1)
                yield case("shear_y", p, factor=v, mirror=at % 4 < 2)
                t = value(abs(m), 0, 0.45) * (1 if m >= 0 else -1)
                yield case("translate_x", p, pixels=t * w)
                yield case("translate_y", p, pixels=t * h)
                yield case("rotate", p, degrees=value(abs(m), 0, 40) * (1 if m >= 0 else -1))
            for pixels in (3.5, -3.5, 1.0):
                yield case("translate_x", p, pixels=pixels)
            for degrees in (0.0, 90.0, 180.0, 270.0, -90.0, 359.5, 720.0, 137.25):
                yield case("rotate", p, degrees=degrees)
        for m in MAGNITUDES:
            yield case("auto_contrast", cutoff=value(m, 0, 10))
            yield case("solarize", threshold=value(m, 256, 128))
            yield case("solarize_add", threshold=value(m, 256, 128))
            yield case("posterize", bits=int(value(m, 8, 2)))
        for bits in (0, -1, 3):
            yield case("posterize", bits=bits)
        for m in signed:
            yield case("contrast", factor=1 + value(m, 0, 0.8))
            yield case("color", factor=1 + value(m, 0, 0.9))
            yield case("brightness", factor=1 + value(m, 0, 0.8))
            yield case("sharpness", factor=1 + value(m, 0, 0.9))
        yield case("invert")
        yield case("equalize")
        for share in (0.5, 0.75):
            for cx, cy in [(1.0, 1.0), (w, 1.5), (0.3 * w + 0.9, h), (w / 2, h / 2), (0.0, h - 0.01)]:
                yield case("cutout", centre_x=float(cx), centre_y=float(cy), side=share * w)
        sizes = {(w, h), (32, 32), (7, 50), (w + 1, h), (w, max(h - 3, 1)), (max(w // 2, 1), max(h // 2, 1))}
        # On the border of the rule by which Pillow 13 orders the passes.
        for dx in (1, 5):
            for d in (-1, 0, 1):
                if h - 2 * dx - d > 0 and w - dx > 0:
                    sizes.add((w - dx, h - 2 * dx - d))
        for tw, th in sorted(sizes):
            yield case("resize", width=tw, height=th)
        yield case("crop", left=-4, top=2, width=w, height=h, flip=True)
        yield case("crop", left=1, top=-1, width=max(w - 1, 1), height=h, flip=False)
        yield case("mirror")
        for index in range(8):
            yield case("dihedral", index=index)
        if w > 4 and h > 4:
            yield case("resized_crop", left=1, top=2, width=w - 2, height=h - 3, size=24, flip=True)


def padded(array, pad, work):
    import numpy as np
    from PIL import Image

    h, w = array.shape[:2]
    if pad is None:
        return work(Image.fromarray(array))
    # numpy's reflection has no pixel to reflect on an axis of one: its only one stands for all.
    for axis in (0, 1):
        widths = [(0, 0)] * 3
        widths[axis] = (pad, pad)
        array = np.pad(array, widths, mode="edge" if array.shape[axis] == 1 else "reflect")
    return work(Image.fromarray(array)).crop((pad, pad, pad + w, pad + h))


def apply(op, array, pad):
    from PIL import Image, ImageDraw, ImageEnhance, ImageOps

    name = op["op"]
    p = pad or 0
    image = Image.fromarray(array)
    if name in ("shear_x", "shear_y"):
        v = op["factor"]
        along = name == "shear_x"
        matrix = (1, v, -v * p, 0, 1, 0) if along else (1, 0, 0, v, 1, -v * p)
        turn = Image.FLIP_TOP_BOTTOM if along else Image.FLIP_LEFT_RIGHT

        def work(i):
            if op["mirror"]:
                i = i.transpose(turn)
            i = i.transform(i.size, Image.AFFINE, matrix, Image.BICUBIC)
            return i.transpose(turn) if op["mirror"] else i

        return padded(array, pad, work)
    if name in ("translate_x", "translate_y"):
        v = op["pixels"]
        matrix = (1, 0, v, 0, 1, 0) if name == "translate_x" else (1, 0, 0, 0, 1, v)
        return padded(array, pad, lambda i: i.transform(i.size, Image.AFFINE, matrix))
    if name == "rotate":
        return padded(array, pad, lambda i: i.rotate(op["degrees"], resample=Image.BICUBIC))
    if name == "auto_contrast":
        return ImageOps.autocontrast(image, op["cutoff"])
    if name == "solarize":
        return ImageOps.solarize(image, op["threshold"])
    if name == "solarize_add":
        return Image.blend(image, ImageOps.solarize(image, op["threshold"]), 0.5)
    if name == "posterize":
        return ImageOps.posterize(image, op["bits"])
    if name in ("contrast", "color", "brightness", "sharpness"):
        return getattr(ImageEnhance, name.capitalize())(image).enhance(op["factor"])
    if name == "invert":
        return ImageOps.invert(image)
    if name == "equalize":
        return ImageOps.equalize(image)
    if name == "cutout":
        w, h = image.size
        v = op["side"]
        x0, y0 = int(max(0, op["centre_x"] - v / 2.0)), int(max(0, op["centre_y"] - v / 2.0))
        x1, y1 = min(w, x0 + v), min(h, y0 + v)
        image = image.copy()
        ImageDraw.Draw(image).rectangle((x0, y0, x1, y1), (0, 0, 0))
        return image
    if name == "resize":
        return image.resize((op["width"], op["height"]), Image.BICUBIC)
    if name == "crop":
        left, top = op["left"], op["top"]
        image = image.crop((left, top, left + op["width"], top + op["height"]))
        return image.transpose(Image.FLIP_LEFT_RIGHT) if op["flip"] else image
    if name == "resized_crop":
        left, top = op["left"], op["top"]
        image = image.crop((left, top, left + op["width"], top + op["height"]))
        image = image.resize((op["size"], op["size"]), Image.BICUBIC)
        return image.transpose(Image.FLIP_LEFT_RIGHT) if op["flip"] else image
    if name == "mirror":
        return image.transpose(Image.FLIP_LEFT_RIGHT)
    if name == "dihedral":
        index = op["index"]
        if index > 3:
            image = image.transpose(Image.FLIP_LEFT_RIGHT)
        turns = [None, Image.ROTATE_90, Image.ROTATE_180, Image.ROTATE_270][index % 4]
        return image if turns is None else image.transpose(turns)
    raise ValueError(name)


def make(out):
    import PIL

    pictures, made = {}, []
    for case in cases():
        size = tuple(case["size"])
        if size not in pictures:
            pictures[size] = list(images(*size))
        digest = hashlib.sha256()
        try:
            for array in pictures[size]:
                digest.update(apply(case["op"], array, case["pad"]).tobytes())
            found = digest.hexdigest()[:16]
        except ValueError as error:
            found = "error"
        made.append(dict(case, sha=found))
    with open(out, "w") as f:
        json.dump({"pillow": PIL.__version__, "cases": made}, f)
    print(PIL.__version__, len(made))


def merge(out, files):
    first, *others = [json.load(open(f)) for f in files]
    differs = {}
    for other in others:
        assert len(other["cases"]) == len(first["cases"])
        differs[other["pillow"]] = {}
        for at, (a, b) in enumerate(zip(first["cases"], other["cases"])):
            assert a["op"] == b["op"] and a["size"] == b["size"] and a["pad"] == b["pad"]
            if a["sha"] != b["sha"]:
                differs[other["pillow"]][at] = b["sha"]
        print(other["pillow"], len(differs[other["pillow"]]), "differ")
    with open(out, "w") as f:
        f.write('{"pillow": %s, "differs": %s, "cases": [\n' % (json.dumps(first["pillow"]), json.dumps(differs)))
        f.write(",\n".join(json.dumps(case, separators=(",", ":")) for case in first["cases"]))
        f.write("\n]}\n")


if __name__ == "__main__":
    if sys.argv[1] == "--merge":
        merge(sys.argv[2], sys.argv[3:])
    else:
        make(sys.argv[1])
