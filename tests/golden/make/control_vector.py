"""The 320-byte control vector of specification 4.1, in the layout that repeng writes and llama.cpp reads."""

import hashlib

import numpy as np
from gguf import GGUFWriter

from common import GOLDEN

SHA256 = "b96311e5ae2b6c2728856ec0bcf94b7ea562b396b8dacac30574330d5acab13b"


def main():
    path = GOLDEN / "gguf" / "control_vector.gguf"
    path.parent.mkdir(exist_ok=True)
    writer = GGUFWriter(path, "controlvector")
    writer.add_string("controlvector.model_hint", "llama")
    writer.add_uint32("controlvector.layer_count", 2)
    writer.add_tensor("direction.2", np.array([2, 3, 4, 5], dtype=np.float32))
    writer.add_tensor("direction.1", np.array([1, 2, 3, 4], dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    data = path.read_bytes()
    assert len(data) == 320 and hashlib.sha256(data).hexdigest() == SHA256


if __name__ == "__main__":
    main()
