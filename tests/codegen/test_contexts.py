"""The target that Numba compiles kernels for: light, and apart from Numba's own."""

import subprocess
import sys

CODE = """
import sys
import numpy as np
import graphc

def kernels(x, n):
    y = np.sin(x) ** 2 + np.spacing(x)
    return y.sum(), (x + 1j * y) * (x - 2j), (n % 7) // 2 + n ** 2, np.gcd(n, 6)

x, n = np.linspace(0.1, 3, 50), np.arange(40)
for found, wanted in zip(graphc.compile(kernels)(x, n), kernels(x, n), strict=True):
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
assert "numba" in sys.modules
assert "scipy.linalg" not in sys.modules
assert "numba.np.arraymath" not in sys.modules

import numba

@numba.njit
def theirs(a, words):
    return np.dot(a, a).sum(), len([word.upper() for word in words])

total, count = theirs(np.ones((3, 3)), ("a", "b"))
assert total == 27 and count == 2
assert graphc.compile(lambda x: np.tanh(x) * 3)(x).shape == x.shape
assert theirs(np.ones((2, 2), np.float32), ("a", "b"))[0] == 8
print("fine")
"""


def test_numba_loads_what_kernels_need_and_works_as_ever_beside_them(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env={"PATH": "", "GRAPHC_CACHE_DIR": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "fine", done.stderr
