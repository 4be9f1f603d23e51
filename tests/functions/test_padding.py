"""np.pad in all its modes, on shapes with sizes 0 and 1, and pads wider than the array."""

import numpy as np
import pytest

import graphc
from graphc.errors import UnsupportedError
from graphc.testing import check_grads
from tests.trace.arrays import sample
from tests.trace.harness import same, traced

pytestmark = pytest.mark.filterwarnings("ignore:.*has been compiled")

OPTIONS = [
    ("constant", {}),
    ("constant", {"constant_values": 1.7}),
    ("constant", {"constant_values": (1, 2)}),
    ("constant", {"constant_values": ((1, 2), (3, 4))}),
    ("edge", {}),
    ("linear_ramp", {}),
    ("linear_ramp", {"end_values": (5, -4)}),
    ("maximum", {}),
    ("minimum", {"stat_length": 2}),
    ("mean", {}),
    ("mean", {"stat_length": (1, 3)}),
    ("median", {"stat_length": ((1, 2),)}),
    ("reflect", {}),
    ("reflect", {"reflect_type": "odd"}),
    ("symmetric", {}),
    ("symmetric", {"reflect_type": "odd"}),
    ("wrap", {}),
]
WIDTHS = {
    (3, 4): (1, ((2, 0), (0, 3)), (9, 2)),
    (1, 3): ((2, 1), ((0, 4), (5, 0))),
    (2, 1): (((0, 0), (1, 1)),),
    (0, 3): (((0, 0), (1, 2)), 1),
}


@pytest.mark.parametrize(("mode", "options"), OPTIONS)
@pytest.mark.parametrize("dtype", ["float64", "int8", "uint8", "complex64", "bool"])
def test_modes(mode, options, dtype):
    for shape, widths in WIDTHS.items():
        for width in widths:
            same(lambda x, w=width: np.pad(x, w, mode, **options), sample(shape, dtype), ulps=16)


@pytest.mark.parametrize(("mode", "options"), OPTIONS)
def test_derivatives(mode, options):
    check_grads(lambda x: np.pad(x, ((2, 3), (0, 4)), mode, **options), (sample((3, 4)),))


@pytest.mark.parametrize(("mode", "options"), OPTIONS)
def test_compiled(mode, options):
    x = sample((3, 4))
    found = graphc.compile(lambda x: np.pad(x, ((2, 3), (0, 5)), mode, **options))(x)
    np.testing.assert_allclose(found, np.pad(x, ((2, 3), (0, 5)), mode, **options), rtol=1e-14)


def test_arguments():
    x = sample((3, 4))
    same(lambda x: (np.pad(x, 1), np.pad(x, (1, 2)), np.pad(x, ((0, 1), (2, 0)))), x)
    same(lambda x: (np.pad(x, 1, constant_values=3), np.pad(x, 0), np.pad(x[0], 2)), x)
    same(lambda x, v: np.pad(x, 1, constant_values=v), x, 2.5)
    same(lambda x: np.pad(x[0], 1, constant_values=(x[0, 0], x[1, 1])), x)
    same(lambda x: np.pad(x, {1: 2, 0: (0, 1)}), x)
    same(lambda x: np.pad(x, np.array([[1, 0], [2, 2]])), x)
    same(lambda x: np.pad(x, 1, mode="empty").shape, x)
    same(lambda x: np.pad(x.T, 1).strides, x)
    for bad in (-1, ((1, 1),) * 3, 1.5):
        same(lambda x, bad=bad: np.pad(x, bad), x)
    same(lambda x: np.pad(x, 1, mode="nope"), x)
    same(lambda x: np.pad(x, 1, mode="edge", stat_length=2), x)
    same(lambda x: np.pad(x, 1, mode="maximum", stat_length=0), x)


def test_what_is_refused():
    x = sample((3, 4))
    with pytest.raises(UnsupportedError, match="write the edges"):
        traced(lambda x: np.pad(x, 1, mode=lambda row, width, axis, options: None), x)
    with pytest.raises(UnsupportedError, match="depends on data"):
        traced(lambda x, n: np.pad(x, n), x, np.int64(2))
