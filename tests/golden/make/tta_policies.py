"""Small policies as NumPy 2 writes them (pickle protocol 4 and NumPy's own numbers): tests/golden/tta/policy_*.np[yz]."""
import os

import numpy as np

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tta")
f = np.float64
entries = [[(7, f(23.0)), (13, f(-15.2))], None, [(np.int64(0), f(-0.0)), (5, f(1e-05)), (14, 45.0)], []]
array = np.empty(len(entries), dtype=object)
for at, entry in enumerate(entries):
    array[at] = entry
np.savez(os.path.join(HERE, "policy_numpy2.npz"), array)
even = np.array([[(7, f(23.0)), (13, -15.2)], [(1, 2.5), (2, f(-3.5))]], dtype=object)
np.savez_compressed(os.path.join(HERE, "policy_numpy2_even.npz"), even)
np.save(os.path.join(HERE, "policy_texts.npy"), np.array(["[(15,17.5)]", "[(15,-4.25),(13,-8.5),(10,3.75)]", "None"]))
print(np.__version__)
