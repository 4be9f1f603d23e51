"""The pages for users of PyTorch and JAX: graphc's column runs (``tests/parity`` runs both)."""

import numpy as np
import pytest

from tests.pages import columns, run


@pytest.mark.parametrize("page", ["from-pytorch.md", "from-jax.md"])
def test_the_right_column_runs(page):
    pairs = columns(page)
    assert sum(left is not None for left, _ in pairs) >= 5
    found = run([right for _, right in pairs], page)
    if page == "from-jax.md":
        assert float(found["value"]) > 0
        x = np.arange(5.0) ** 2
        found["smooth"](x)
        np.testing.assert_array_equal(x, [0, 2, 5, 10, 16])
    else:
        assert len(found["history"]) == 2
        assert found["logits"].shape == (32, 10)
